/*
 * Random vocabularies over few letters, where everything overlaps: trained ones (a rule's rank is
 * above its parts'), shuffled ranks, ties, all splits of a set of strings (tiktoken, SentencePiece).
 * Four encoders must agree on random words: the chain, merging in short windows, the heap, and a
 * search over all places written here; and whichever of them the engine takes.
 */
#include "model/bpe.h"

#include "model/bpe_form.h"
#include "model/windows.h"
#include "t.h"

#define MAX_SYMBOLS 64
#define MAX_SPELLING 24
#define MAX_WORD 300

enum ranks { IN_ORDER, SHUFFLED, TIED };

struct vocabulary {
    uint32_t count, letters, ids;
    char names[MAX_SYMBOLS][MAX_SPELLING + 1];
    struct tok_bpe_rule rules[MAX_SYMBOLS * MAX_SPELLING];
    uint64_t rule_count;
    enum ranks ranks;
    bool all_splits, characters;
};

static uint64_t next(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint32_t find(const struct vocabulary *v, const char *name, size_t n)
{
    for (uint32_t s = 0; s < v->count; s++)
        if (strlen(v->names[s]) == n && memcmp(v->names[s], name, n) == 0)
            return s;
    return UINT32_MAX;
}

static uint32_t rank_of(const struct vocabulary *v, uint32_t symbol, uint64_t *state)
{
    return v->ranks == IN_ORDER   ? symbol
           : v->ranks == SHUFFLED ? (uint32_t)(next(state) % 1000)
                                  : symbol / 5;
}

static const char *const letters[] = {"a", "b", "c", "\xC3\xA9", "\xE4\xB8\xAD"};

static void make(struct vocabulary *v, uint64_t *state)
{
    v->letters = 1 + (uint32_t)(next(state) % (v->characters ? 5 : 3));
    for (v->count = 0; v->count < v->letters; v->count++)
        strcpy(v->names[v->count], letters[v->count]);
    uint32_t goal = v->letters + (uint32_t)(next(state) % (MAX_SYMBOLS - v->letters));
    for (unsigned tries = 0; tries < 2000 && v->count < goal; tries++) {
        uint32_t l = (uint32_t)(next(state) % v->count), r = (uint32_t)(next(state) % v->count);
        char name[2 * MAX_SPELLING + 1];
        snprintf(name, sizeof name, "%s%s", v->names[l], v->names[r]);
        uint32_t s = find(v, name, strlen(name));
        if (strlen(name) > MAX_SPELLING || (s != UINT32_MAX && s < v->letters))
            continue;
        if (s == UINT32_MAX) {
            s = v->count++;
            strcpy(v->names[s], name);
        }
        if (!v->all_splits && v->rule_count < MAX_SYMBOLS * 4)
            v->rules[v->rule_count++] = (struct tok_bpe_rule){l, r, s, rank_of(v, s, state)};
    }
    for (uint32_t s = v->letters; s < v->count && v->all_splits; s++) {
        size_t n = strlen(v->names[s]);
        uint32_t rank = rank_of(v, s, state);
        for (size_t cut = 1; cut < n; cut++) {
            uint32_t l = find(v, v->names[s], cut), r = find(v, v->names[s] + cut, n - cut);
            if (l != UINT32_MAX && r != UINT32_MAX)
                v->rules[v->rule_count++] = (struct tok_bpe_rule){l, r, s, rank};
        }
    }
    v->ids = v->count;
}

/* The lowest rank, the leftmost of it, over all places, each time. The last rule of a pair counts. */
static uint64_t search(const struct vocabulary *v, const uint32_t *units, uint64_t n, uint32_t *out)
{
    memcpy(out, units, n * sizeof *out);
    for (;;) {
        const struct tok_bpe_rule *best = NULL;
        uint64_t place = 0;
        for (uint64_t i = 0; i + 1 < n; i++) {
            const struct tok_bpe_rule *rule = NULL;
            for (uint64_t k = 0; k < v->rule_count; k++)
                if (v->rules[k].left == out[i] && v->rules[k].right == out[i + 1])
                    rule = &v->rules[k];
            if (rule && (!best || rule->rank < best->rank)) {
                best = rule;
                place = i;
            }
        }
        if (!best)
            return n;
        out[place] = best->result;
        memmove(out + place + 1, out + place + 2, (n - place - 2) * sizeof *out);
        n--;
    }
}

static struct tok_bpe *build(const struct vocabulary *v, bool whole_word)
{
    static const uint32_t no_bytes[256];
    uint64_t starts[MAX_SYMBOLS + 1] = {0};
    uint8_t bytes[MAX_SYMBOLS * MAX_SPELLING];
    bool initial[MAX_SYMBOLS] = {0};
    struct tok_bpe *b = NULL;
    struct ngt_error error;

    for (uint32_t s = 0; s < v->count; s++) {
        memcpy(bytes + starts[s], v->names[s], strlen(v->names[s]));
        starts[s + 1] = starts[s] + strlen(v->names[s]);
        initial[s] = s < v->letters;
    }
    struct tok_bpe_config config = {
        .ids = v->ids,
        .symbols = v->count,
        .starts = starts,
        .bytes = bytes,
        .initial = initial,
        .rules = v->rules,
        .rule_count = v->rule_count,
        .characters = v->characters,
        .whole_word = whole_word,
        .unknown = TOK_UNKNOWN_FUSED,
        .unknown_id = 999,
        .byte_ids = no_bytes,
    };
    if (tok_bpe_new(&config, "test", &b, &error) != NGT_OK)
        T_FAIL("%s", error.message);
    return b;
}

/* The chain, or windows of which the first `merged` bytes are merged. */
static bool is_encoding(struct tok_chain *chain, const struct tok_bpe *b, const uint8_t *text,
                        uint64_t n, const uint32_t *want, uint64_t want_n, bool windows,
                        uint64_t merged)
{
    uint32_t *got = malloc((n + 1) * sizeof *got);
    uint64_t count = 0, stop = 0;
    struct ngt_error error;
    chain->merges = merged;
    enum ngt_status status = windows
                                 ? tok_windows_run(chain, b, text, n, 0, got, &count, &stop, &error)
                                 : tok_chain_run(chain, b, text, n, 0, got, &count, &stop, &error);
    bool is = status == NGT_OK && stop == n && count == want_n &&
              memcmp(got, want, want_n * sizeof *want) == 0;

    free(got);
    return is;
}

static void compare(const struct vocabulary *v, uint64_t seed, unsigned words, uint64_t *state)
{
    struct tok_merge merge = {0};
    struct tok_chain chain = {.merge = &merge};
    struct tok_bpe *b = build(v, false);
    struct tok_bpe_scratch *scratch = NULL;
    struct ngt_error error;

    if (!b || tok_bpe_scratch_new(b, &scratch, &error) != NGT_OK)
        return;
    for (unsigned w = 0; w < words; w++) {
        uint8_t text[MAX_WORD * 3];
        uint32_t units[MAX_WORD], want[MAX_WORD];
        uint32_t got[MAX_WORD * 3 + 8], plain[MAX_WORD * 3 + 8];
        uint64_t n = 0, count = next(state) % (w % 16 == 0 ? MAX_WORD : 20), got_n = 0, plain_n = 0;
        /* runs, because they are where greedy choices go wrong */
        uint64_t runs = 1 + next(state) % 12;
        for (uint64_t i = 0; i < count; i++) {
            units[i] =
                i && next(state) % runs ? units[i - 1] : (uint32_t)(next(state) % v->letters);
            memcpy(text + n, v->names[units[i]], strlen(v->names[units[i]]));
            n += strlen(v->names[units[i]]);
        }
        uint64_t want_n = search(v, units, count, want);
        T_EQ_INT(tok_bpe_encode(b, scratch, text, n, got, &got_n, &error), NGT_OK);
        T_EQ_INT(tok_bpe_encode_plain(b, scratch, text, n, plain, &plain_n, &error), NGT_OK);
        if (got_n != want_n || memcmp(got, want, want_n * sizeof *want) != 0)
            T_FAIL("seed %" PRIu64 ": engine of %.*s", seed, (int)n, text);
        if (n && b->chains && !is_encoding(&chain, b, text, n, want, want_n, false, 0))
            T_FAIL("seed %" PRIu64 ": chain of %.*s", seed, (int)n, text);
        if (n && b->chains && !is_encoding(&chain, b, text, n, want, want_n, true, n))
            T_FAIL("seed %" PRIu64 ": windows of %.*s", seed, (int)n, text);
        if (plain_n != want_n || memcmp(plain, want, want_n * sizeof *want) != 0)
            T_FAIL("seed %" PRIu64 ": heap of %.*s", seed, (int)n, text);
        if (t_failures > 5)
            break;
    }
    tok_chain_done(&chain);
    tok_merge_done(&merge);
    tok_bpe_scratch_free(&scratch);
    tok_bpe_free(&b);
}

static void random_vocabularies(enum ranks ranks, bool all_splits)
{
    for (uint64_t seed = 1; seed <= 40 && t_failures <= 5; seed++) {
        uint64_t state = seed * 1000 + ranks * 10 + all_splits;
        struct vocabulary *v = calloc(1, sizeof *v);
        v->ranks = ranks;
        v->all_splits = all_splits;
        v->characters = seed % 2;
        make(v, &state);
        compare(v, seed, 60, &state);
        free(v);
    }
}

T_CASE(trained)
{
    random_vocabularies(IN_ORDER, false);
}

T_CASE(trained_all_splits)
{
    random_vocabularies(IN_ORDER, true);
}

T_CASE(shuffled)
{
    random_vocabularies(SHUFFLED, false);
}

T_CASE(shuffled_all_splits)
{
    random_vocabularies(SHUFFLED, true);
}

T_CASE(tied)
{
    random_vocabularies(TIED, false);
}

T_CASE(tied_all_splits)
{
    random_vocabularies(TIED, true);
}

/* Runs of a, some with a b behind, all splits. In the middle of a long run nothing longer than half of
 * the longest fits, and that is found out late; near its end other things do. */
static void long_runs(uint64_t seed)
{
    struct vocabulary *v = calloc(1, sizeof *v);
    uint64_t state = seed;

    v->letters = v->count = 2;
    v->all_splits = true;
    strcpy(v->names[0], "a");
    strcpy(v->names[1], "b");
    for (uint32_t size = 2; size <= MAX_SPELLING; size++) {
        for (unsigned b = 0; b < 2; b++) {
            if (next(&state) % 4 < (b ? 2 : 1))
                continue;
            memset(v->names[v->count], 'a', size);
            v->names[v->count++][size - 1] = b ? 'b' : 'a';
        }
    }
    for (uint32_t s = 2; s < v->count; s++) {
        size_t n = strlen(v->names[s]);
        uint32_t rank = seed % 2 ? s : (uint32_t)(next(&state) % 1000);
        for (size_t cut = 1; cut < n; cut++) {
            uint32_t l = find(v, v->names[s], cut), r = find(v, v->names[s] + cut, n - cut);
            if (l != UINT32_MAX && r != UINT32_MAX)
                v->rules[v->rule_count++] = (struct tok_bpe_rule){l, r, s, rank};
        }
    }
    v->ids = v->count;
    struct tok_bpe *b = build(v, false);
    struct tok_bpe_scratch *s = NULL;
    struct ngt_error error;
    if (!b || tok_bpe_scratch_new(b, &s, &error) != NGT_OK)
        return;
    for (unsigned round = 0; round < 50; round++) {
        uint8_t text[1024];
        uint32_t got[1032], want[1032];
        uint64_t n = 200 + next(&state) % 800, got_n = 0, want_n = 0;
        memset(text, 'a', n);
        for (uint64_t bs = next(&state) % 16; bs > 0; bs--)
            text[next(&state) % n] = 'b';
        T_EQ_INT(tok_bpe_encode(b, s, text, n, got, &got_n, &error), NGT_OK);
        T_EQ_INT(tok_bpe_encode_plain(b, s, text, n, want, &want_n, &error), NGT_OK);
        if (got_n != want_n || memcmp(got, want, want_n * sizeof *want) != 0)
            T_FAIL("seed %" PRIu64 ": %.*s", seed, (int)n, text);
    }
    tok_bpe_scratch_free(&s);
    tok_bpe_free(&b);
    free(v);
}

T_CASE(long_runs)
{
    for (uint64_t seed = 1; seed <= 60 && t_failures <= 5; seed++)
        long_runs(seed);
}

/* Giant words: long windows and short ones, in turns and alone, against the heap. */
T_CASE(windows)
{
    const uint64_t n = 200000, parts[] = {0, 50000, n};
    uint8_t *text = malloc(3 * n);
    uint32_t *want = malloc((3 * n + 8) * sizeof *want), *got = malloc((3 * n + 8) * sizeof *got);
    struct ngt_error error;

    for (uint64_t seed = 1; seed <= 12 && t_failures <= 5; seed++) {
        struct vocabulary *v = calloc(1, sizeof *v);
        struct tok_merge merge = {0};
        struct tok_chain chain = {.merge = &merge};
        struct tok_bpe_scratch *s = NULL;
        uint64_t state = seed, size = 0, count = 0, got_n = 0;
        v->ranks = seed % 4 == 3 ? SHUFFLED : IN_ORDER;
        v->all_splits = seed % 3;
        v->characters = seed % 2;
        make(v, &state);
        struct tok_bpe *b = build(v, false);
        T_REQUIRE(b && b->chains && tok_bpe_scratch_new(b, &s, &error) == NGT_OK);
        for (uint64_t run = 1, letter = 0; size < n; run--) {
            if (run == 0 || size == 0) {
                run = seed % 5 == 4 ? 1 + next(&state) % 200 : 1;
                letter = next(&state) % v->letters;
            }
            memcpy(text + size, v->names[letter], strlen(v->names[letter]));
            size += strlen(v->names[letter]);
        }
        T_EQ_INT(tok_bpe_encode_plain(b, s, text, size, want, &count, &error), NGT_OK);
        T_EQ_INT(tok_bpe_encode(b, s, text, size, got, &got_n, &error), NGT_OK);
        T_EQ_U64(got_n, count);
        T_TRUE(memcmp(got, want, count * sizeof *want) == 0);
        for (unsigned i = 0; i < 3; i++)
            if (!is_encoding(&chain, b, text, size, want, count, true, parts[i]))
                T_FAIL("seed %" PRIu64 ": %" PRIu64 " bytes merged", seed, parts[i]);
        tok_chain_done(&chain);
        tok_merge_done(&merge);
        tok_bpe_scratch_free(&s);
        tok_bpe_free(&b);
        free(v);
    }
    free(text);
    free(want);
    free(got);
}

/* Ranks are the symbols' order, in which parts mostly come first; in every other vocabulary some are
 * moved, so that symbols are made of later ones. The way without the table of rules must come to
 * the same symbols as merging all, or say that it cannot. */
T_CASE(splits_without_rules)
{
    unsigned decided = 0;

    for (uint64_t seed = 1; seed <= 400 && t_failures <= 5; seed++) {
        struct vocabulary *v = calloc(1, sizeof *v);
        struct tok_bpe *b[2] = {NULL};
        struct tok_bpe_scratch *s[2] = {NULL};
        uint64_t state = seed, starts[MAX_SYMBOLS + 1] = {0};
        uint8_t bytes[MAX_SYMBOLS * MAX_SPELLING];
        bool initial[MAX_SYMBOLS] = {0};
        uint32_t ranks[MAX_SYMBOLS];
        struct ngt_error error;
        v->all_splits = true;
        make(v, &state);
        for (uint64_t swaps = seed % 2 ? 0 : 1 + next(&state) % 20; swaps > 0; swaps--) {
            char name[MAX_SPELLING + 1];
            uint64_t i = next(&state) % v->count, k = next(&state) % v->count;
            memcpy(name, v->names[i], sizeof name);
            memcpy(v->names[i], v->names[k], sizeof name);
            memcpy(v->names[k], name, sizeof name);
        }
        for (uint32_t i = 0; i < v->count; i++) {
            memcpy(bytes + starts[i], v->names[i], strlen(v->names[i]));
            starts[i + 1] = starts[i] + strlen(v->names[i]);
            initial[i] = strlen(v->names[i]) == 1;
            ranks[i] = i;
        }
        for (int k = 0; k < 2; k++) {
            struct tok_bpe_config c = {.ids = v->count,
                                       .symbols = v->count,
                                       .starts = starts,
                                       .bytes = bytes,
                                       .initial = initial,
                                       .split_ranks = ranks,
                                       .no_plain = k == 1};
            T_REQUIRE(tok_bpe_new(&c, "test", &b[k], &error) == NGT_OK);
            T_REQUIRE(tok_bpe_scratch_new(b[k], &s[k], &error) == NGT_OK);
        }
        decided += b[1]->rules.entries == NULL;
        for (uint32_t i = 0; i < v->count; i++) {
            const struct tok_bpe_symbol *x = &b[0]->items[i], *y = &b[1]->items[i];
            if (b[0]->flags[i] != b[1]->flags[i] || x->left != y->left || x->right != y->right ||
                x->born != y->born)
                T_FAIL("seed %" PRIu64 ": symbol %u, %s", seed, i, v->names[i]);
        }
        for (unsigned round = 0; round < 30; round++) {
            uint8_t text[100];
            uint32_t ids[2][108];
            uint64_t n = next(&state) % 100, count[2] = {0};
            for (uint64_t i = 0; i < n; i++)
                text[i] = (uint8_t)('a' + next(&state) % v->letters);
            for (int k = 0; k < 2; k++)
                T_EQ_INT(tok_bpe_encode(b[k], s[k], text, n, ids[k], &count[k], &error), NGT_OK);
            if (count[0] != count[1] || memcmp(ids[0], ids[1], count[0] * sizeof **ids) != 0)
                T_FAIL("seed %" PRIu64 ": %.*s", seed, (int)n, text);
        }
        for (int k = 0; k < 2; k++) {
            tok_bpe_scratch_free(&s[k]);
            tok_bpe_free(&b[k]);
        }
        free(v);
    }
    T_TRUE(decided >= 100 && decided < 300);
}

/* "ab" is an id, but a rule takes b away first; as a whole word it counts all the same. */
T_CASE(whole_word)
{
    struct vocabulary v = {.count = 5, .letters = 3, .ids = 5, .rule_count = 2};
    const char *const names[] = {"a", "b", "c", "ab", "abc"};
    struct ngt_error error;
    uint32_t ids[16];
    uint64_t n = 0;

    for (int i = 0; i < 5; i++)
        strcpy(v.names[i], names[i]);
    v.rules[0] = (struct tok_bpe_rule){0, 1, 3, 7};
    v.rules[1] = (struct tok_bpe_rule){1, 2, 2, 9}; /* spelt wrong: leaves the definition only */
    v.rule_count = 1;
    for (int whole = 0; whole < 2; whole++) {
        struct tok_bpe *b = build(&v, whole);
        struct tok_bpe_scratch *s = NULL;
        T_REQUIRE(b && tok_bpe_scratch_new(b, &s, &error) == NGT_OK);
        T_EQ_INT(tok_bpe_encode(b, s, (const uint8_t *)"abc", 3, ids, &n, &error), NGT_OK);
        T_EQ_U64(n, whole ? 1 : 2);
        T_EQ_U64(ids[0], whole ? 4 : 3);
        /* unknown characters are one id for a run of them */
        T_EQ_INT(tok_bpe_encode(b, s, (const uint8_t *)"xyaz", 4, ids, &n, &error), NGT_OK);
        T_EQ_U64(n, 3);
        T_EQ_U64(ids[0], 999);
        T_EQ_U64(ids[1], 0);
        tok_bpe_scratch_free(&s);
        tok_bpe_free(&b);
    }
}

T_CASE(rule_without_a_symbol)
{
    struct vocabulary v = {.count = 1, .letters = 1, .ids = 1, .rule_count = 1};
    struct tok_bpe *b = NULL;
    struct ngt_error error = {0};
    uint64_t starts[2] = {0, 1};
    bool initial = true;
    struct tok_bpe_rule rule = {0, 1, 0, 1};
    struct tok_bpe_config c = {.ids = 1,
                               .symbols = 1,
                               .starts = starts,
                               .bytes = (const uint8_t *)"a",
                               .initial = &initial,
                               .rules = &rule,
                               .rule_count = 1};

    (void)v;
    T_EQ_INT(tok_bpe_new(&c, "file", &b, &error), NGT_E_DATA);
    T_EQ_STR(error.message, "merge 0 names a token that does not exist");
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
