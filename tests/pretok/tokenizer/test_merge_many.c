/*
 * Many words at once against the definition, one by one: random vocabularies of bytes and of
 * characters in which everything overlaps (symbols across characters' borders, too), in order or
 * not, with a tie at the end; words of all lengths; each instruction set that is here.
 */
#include "model/merge_many.h"

#include "model/bpe.h"
#include "model/bpe_form.h"
#include "model/windows.h"
#include "simd/isa.h"
#include "t.h"

#define MAX_SYMBOLS 420
#define MAX_PLACES 40000
#define SPREAD 20 /* places between symbols that are merged: of tokens without a spelling */
#define MAX_SPELLING 40
#define WORDS 40

static const char *const letters[] = {"a",
                                      "b",
                                      " ",
                                      "\xE2\x96\x81",
                                      "\xC3\xA9",
                                      "\xC4\x8D",
                                      "\xD0\xB0",
                                      "\xE4\xB8\xAD",
                                      "\xF0\x9D\x84\x9E",
                                      "c"};
enum { LETTERS = sizeof letters / sizeof *letters };

struct vocabulary {
    bool characters, shuffled, gaps; /* gaps: some bytes are no symbols */
    unsigned tied; /* rules from here to `tied_end` in a hundred are of one rank */
    unsigned tied_end;
    uint32_t initial, count;
    char names[MAX_SYMBOLS][MAX_SPELLING + 1];
    struct tok_bpe_rule rules[MAX_SYMBOLS];
    uint64_t rule_count;
    uint32_t place[MAX_SYMBOLS]; /* of a symbol in the file */
    uint32_t places;
};

static uint64_t next(uint64_t *state)
{
    *state += 0x9E3779B97F4A7C15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void make(struct vocabulary *v, unsigned merges, uint64_t *state)
{
    uint32_t pool[MAX_SYMBOLS], pool_count = 0;

    v->count = v->characters ? 0 : 256;
    for (unsigned i = 0; i < LETTERS; i++) {
        if (v->characters) {
            strcpy(v->names[v->count], letters[i]);
            pool[pool_count++] = v->count++;
            continue;
        }
        for (const char *c = letters[i]; *c; c++)
            pool[pool_count++] = (uint8_t)*c;
    }
    for (unsigned i = 0; i < 256 && !v->characters; i++) {
        v->names[i][0] = (char)i;
        v->names[i][1] = 0;
    }
    v->initial = v->count;
    v->rule_count = 0;
    for (unsigned tries = 0; tries < 20000 && v->rule_count < merges; tries++) {
        uint32_t l = pool[next(state) % pool_count], r = pool[next(state) % pool_count];
        char name[2 * MAX_SPELLING + 1];
        bool there = false;
        snprintf(name, sizeof name, "%s%s", v->names[l], v->names[r]);
        for (uint32_t s = 0; s < v->count && !there; s++)
            there = strcmp(v->names[s], name) == 0;
        if (there || strlen(name) > MAX_SPELLING || !strlen(v->names[l]) || !strlen(v->names[r]))
            continue;
        strcpy(v->names[v->count], name);
        uint32_t rank = (uint32_t)v->rule_count;
        if (v->tied && rank >= merges * v->tied / 100 && rank < merges * v->tied_end / 100)
            rank = merges * v->tied / 100;
        v->rules[v->rule_count++] = (struct tok_bpe_rule){l, r, v->count, rank};
        pool[pool_count++] = v->count++;
    }
    for (uint32_t s = 0; s < v->count; s++)
        v->place[s] = s < v->initial || v->shuffled ? s : v->initial + (s - v->initial) * SPREAD;
    v->places = v->place[v->count - 1] + 1;
    for (uint32_t s = v->count - 1; s > 0 && v->shuffled; s--) {
        uint32_t other = (uint32_t)(next(state) % (s + 1)), kept = v->place[s];
        v->place[s] = v->place[other];
        v->place[other] = kept;
    }
}

static struct tok_bpe *build(const struct vocabulary *v)
{
    static const uint32_t no_bytes[256];
    static uint64_t starts[MAX_PLACES + 1];
    static uint8_t bytes[MAX_SYMBOLS * MAX_SPELLING];
    static bool initial[MAX_PLACES];
    struct tok_bpe_rule rules[MAX_SYMBOLS];
    static uint32_t at_place[MAX_PLACES];
    struct tok_bpe *b = NULL;
    struct ngt_error error;

    memset(at_place, 0xFF, sizeof at_place);
    for (uint32_t s = 0; s < v->count; s++)
        at_place[v->place[s]] = s;
    for (uint32_t p = 0; p < v->places; p++) {
        starts[p + 1] = starts[p];
        initial[p] = false;
        if (at_place[p] == UINT32_MAX)
            continue;
        const char *name = v->names[at_place[p]];
        size_t n = *name ? strlen(name) : 1; /* the byte 0 */
        memcpy(bytes + starts[p], name, n);
        starts[p + 1] = starts[p] + n;
        initial[p] = at_place[p] < v->initial &&
                     !(v->gaps && !v->characters && (at_place[p] == 0xF0 || at_place[p] >= 0xF5));
    }
    for (uint64_t i = 0; i < v->rule_count; i++)
        rules[i] = (struct tok_bpe_rule){v->place[v->rules[i].left], v->place[v->rules[i].right],
                                         v->place[v->rules[i].result], v->rules[i].rank};
    struct tok_bpe_config config = {.ids = v->places,
                                    .symbols = v->places,
                                    .starts = starts,
                                    .bytes = bytes,
                                    .initial = initial,
                                    .rules = rules,
                                    .rule_count = v->rule_count,
                                    .characters = v->characters,
                                    .unknown = TOK_UNKNOWN_FUSED,
                                    .unknown_id = 999,
                                    .byte_ids = no_bytes};
    if (tok_bpe_new(&config, "test", &b, &error) != NGT_OK)
        T_FAIL("%s", error.message);
    return b;
}

/* A word of some letters; in texts of bytes now and then one that is none of them, or cut short. */
static void make_word(struct tok_new_word *word, bool characters, uint64_t *state)
{
    uint64_t longest = next(state) % 4 ? 12 : TOK_MANY_BYTES, size = 1 + next(state) % longest;
    uint64_t kinds = next(state) % 3 ? LETTERS : 3, at = 0;

    memset(word, 0xA5, sizeof *word);
    while (at < size) {
        const char *letter = letters[next(state) % kinds];
        size_t n = strlen(letter);
        if (at + n > TOK_MANY_BYTES)
            break;
        memcpy(word->text + at, letter, n);
        at += n;
    }
    if (!characters && next(state) % 8 == 0)
        word->text[next(state) % at] = (uint8_t)next(state);
    if (characters && next(state) % 16 == 0)
        word->text[at - 1] = 'z'; /* no symbol */
    word->size = (uint32_t)at;
    memset(word->text + at, 0, 4);
}

static void agree(const struct tok_bpe *b, tok_many_fn run, uint64_t rounds, uint64_t *state,
                  uint64_t *done)
{
    static struct tok_new_word words[WORDS];
    struct tok_bpe_scratch *scratch = NULL;
    struct tok_many m = b->many;
    struct ngt_error error;

    m.run = run;
    T_REQUIRE(tok_bpe_scratch_new(b, &scratch, &error) == NGT_OK);
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t count = 1 + next(state) % WORDS;
        static uint8_t texts[WORDS][TOK_MANY_BYTES];
        for (uint64_t i = 0; i < count; i++) {
            make_word(&words[i], b->characters, state);
            memcpy(texts[i], words[i].text, words[i].size);
        }
        run(&m, words, count);
        for (uint64_t i = 0; i < count; i++) {
            uint32_t want[3 * TOK_MANY_BYTES + 8];
            uint64_t want_n = 0;
            if (!words[i].count)
                continue;
            *done += 1;
            T_REQUIRE(tok_bpe_encode_plain(b, scratch, texts[i], words[i].size, want, &want_n,
                                           &error) == NGT_OK);
            if (want_n != words[i].count || memcmp(want, words[i].ids, want_n * sizeof *want) != 0)
                T_FAIL("word %llu of %llu differs: %u bytes, %u ids and not %llu",
                       (unsigned long long)i, (unsigned long long)count, words[i].size,
                       words[i].count, (unsigned long long)want_n);
        }
    }
    tok_bpe_scratch_free(&scratch);
}

/* Long words in windows of which many are merged at once. */
static void agree_on_long(const struct tok_bpe *b, uint64_t *state)
{
    enum { LONGEST = 4000 };
    static uint8_t text[LONGEST + 8];
    static uint32_t want[LONGEST + 8], got[LONGEST + 8];
    struct tok_bpe_scratch *scratch = NULL;
    struct tok_merge merge = {0};
    struct tok_chain chain = {.merge = &merge};
    struct ngt_error error;

    T_REQUIRE(tok_bpe_scratch_new(b, &scratch, &error) == NGT_OK);
    for (unsigned round = 0; round < 6; round++) {
        uint64_t size = 1 + next(state) % LONGEST, n = 0, want_n = 0, got_n = 0, stop = 0;
        uint64_t kinds = 1 + next(state) % 8, run = 1 + next(state) % 4;
        while (n < size) {
            const char *letter = letters[next(state) % kinds];
            for (uint64_t i = 1 + next(state) % run; i > 0 && n + strlen(letter) <= size; i--) {
                memcpy(text + n, letter, strlen(letter));
                n += strlen(letter);
            }
            if (n + 3 > size)
                break;
        }
        if (!n)
            continue;
        T_REQUIRE(tok_bpe_encode_plain(b, scratch, text, n, want, &want_n, &error) == NGT_OK);
        chain.merges = n;
        T_REQUIRE(tok_windows_run(&chain, b, text, n, 0, got, &got_n, &stop, &error) == NGT_OK);
        T_EQ_U64(stop, n);
        if (got_n != want_n || memcmp(want, got, want_n * sizeof *want) != 0)
            T_FAIL("a word of %llu bytes differs", (unsigned long long)n);
    }
    tok_chain_done(&chain);
    tok_merge_done(&merge);
    tok_bpe_scratch_free(&scratch);
}

static void vocabularies(struct vocabulary kind)
{
    static struct vocabulary v;
    uint64_t state = 1 + kind.characters + 2u * kind.shuffled + 8u * kind.gaps + kind.tied,
             sets = 0;

    for (int isa = TOK_SCALAR + 1; isa < TOK_ISAS; isa++) {
        if (!tok_isa_here((enum tok_isa)isa))
            continue;
        sets++;
        for (unsigned i = 0; i < 60; i++) {
            uint64_t done = 0;
            v = kind;
            make(&v, 12 + i * 2, &state);
            struct tok_bpe *b = build(&v);
            T_REQUIRE(b);
            if (kind.tied && kind.tied_end < 100) { /* others come behind: a number would not do */
                T_TRUE(b->many.run == NULL);
            } else {
                T_REQUIRE(b->many.run != NULL);
                agree(b, tok_many_run_of((enum tok_isa)isa), 40, &state, &done);
                if (b->chains)
                    agree_on_long(b, &state);
                T_TRUE(done > 250); /* of some 800; characters of four bytes are not done here */
            }
            tok_bpe_free(&b);
        }
    }
    if (!sets)
        T_SKIP("no vectors in this build or processor");
}

T_CASE(bytes)
{
    vocabularies((struct vocabulary){0});
    vocabularies((struct vocabulary){.shuffled = true});
}

T_CASE(bytes_of_which_some_are_no_symbols)
{
    vocabularies((struct vocabulary){.gaps = true});
    vocabularies((struct vocabulary){.gaps = true, .shuffled = true});
}

T_CASE(characters)
{
    vocabularies((struct vocabulary){.characters = true});
    vocabularies((struct vocabulary){.characters = true, .shuffled = true});
}

T_CASE(the_last_ones_of_one_rank)
{
    vocabularies((struct vocabulary){.shuffled = true, .tied = 75, .tied_end = 100});
    vocabularies(
        (struct vocabulary){.characters = true, .shuffled = true, .tied = 75, .tied_end = 100});
}

T_CASE(some_of_one_rank_before_others)
{
    vocabularies((struct vocabulary){.shuffled = true, .tied = 25, .tied_end = 50});
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
