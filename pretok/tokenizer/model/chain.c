#include "model/chain.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_BITS 14
#define ENDS_BITS 8
/* Bytes of text that a dead end is remembered with: fewer were found out sooner than remembered
 * (digits: 10% slower with all of them), more do not come again. */
#define SHORTEST_END 16
#define LONGEST_END 128

void tok_chain_done(struct tok_chain *c)
{
    free(c->dead);
    free(c->known);
    free(c->dead_ends);
    *c = (struct tok_chain){0};
}

/*
 * The staircase down the two edges of the trees (chain.h), a step at a time: of two that live at the
 * same time, the one born later is left for its part. On equal ranks the place further left comes
 * first, which is why the comparisons with the two parents differ.
 */
struct stair {
    uint32_t left, right, left_dies, right_dies;
};
enum step { GOES, FITS, CLASHES };

static inline struct stair stair_of(uint32_t left, uint32_t right)
{
    return (struct stair){left, right, UINT32_MAX, UINT32_MAX};
}

static inline enum step stair_step(const struct tok_bpe *b, struct stair *s)
{
    const struct tok_bpe_symbol *u = &b->items[s->left], *v = &b->items[s->right];
    uint64_t hash = tok_pair_hash(s->left, s->right);

    if (tok_pair_maybe(&b->proper, hash)) {
        uint32_t time = tok_pair_number(&b->proper, hash);
        if (time && time < s->left_dies && time <= s->right_dies)
            return CLASHES;
    }
    if (u->born > v->born) {
        s->left_dies = u->born;
        s->left = u->right;
    } else if (v->born) {
        s->right_dies = v->born;
        s->right = v->left;
    } else {
        return FITS;
    }
    return GOES;
}

/* Is the staircase the answer? */
static inline bool is_regular(const struct tok_bpe *b, uint32_t left, uint32_t right)
{
    return b->regular || !((b->flags[left] | b->flags[right]) & TOK_SYMBOL_ODD);
}

/* Answers of late. Most pairs come again soon: one load instead of the half dozen of a staircase. */
static inline uint64_t *known_slot(const struct tok_chain *c, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 24 | right;
    return &c->known[pair * 0x9E3779B97F4A7C15u >> (64 - KNOWN_BITS)];
}

static inline bool recall(const struct tok_chain *c, uint32_t left, uint32_t right,
                          bool *ret_answer)
{
    uint64_t pair = (uint64_t)left << 24 | right, known = *known_slot(c, left, right);

    if ((known ^ (pair << 2 | 1)) >= 4 || !(known & 1))
        return false;
    *ret_answer = known >> 1 & 1;
    return true;
}

static inline void remember(struct tok_chain *c, uint32_t left, uint32_t right, bool answer)
{
    uint64_t pair = (uint64_t)left << 24 | right;
    *known_slot(c, left, right) = pair << 2 | (uint64_t)answer << 1 | 1;
}

/* By merging the text of both: for symbols whose ranks prove nothing. */
static bool compatible_tried(struct tok_chain *c, const struct tok_bpe *b, uint32_t left,
                             uint32_t right, bool *ret_answer, struct ngt_error *reterr)
{
    uint64_t n = tok_bpe_size(b, left) + tok_bpe_size(b, right), count = 0, units = 0;
    uint32_t *symbols = malloc(n * sizeof *symbols);

    if (!symbols) {
        (void)ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                       "out of memory for a pair of tokens");
        return false;
    }
    for (int side = 0; side < 2; side++) {
        uint32_t s = side ? right : left;
        const uint8_t *text = b->bytes + b->starts[s];
        for (uint64_t at = 0; at < tok_bpe_size(b, s);) {
            uint64_t size = tok_bpe_unit(b, text, tok_bpe_size(b, s), at);
            symbols[units++] = tok_bpe_initial(b, text, at, size);
            at += size;
        }
    }
    bool done = tok_merge_run(c->merge, &b->rules, symbols, units, &count, NULL, reterr) == NGT_OK;
    *ret_answer = done && count == 2 && symbols[0] == left && symbols[1] == right;
    free(symbols);
    return done;
}

static inline bool compatible(struct tok_chain *c, const struct tok_bpe *b, uint32_t left,
                              uint32_t right, bool *ret_answer, struct ngt_error *reterr)
{
    if (recall(c, left, right, ret_answer))
        return true;
    c->asked++;
    if (is_regular(b, left, right)) {
        struct stair stair = stair_of(left, right);
        enum step step;
        do {
            step = stair_step(b, &stair);
        } while (step == GOES);
        *ret_answer = step == FITS;
    } else if (!compatible_tried(c, b, left, right, ret_answer, reterr)) {
        return false;
    }
    remember(c, left, right, *ret_answer);
    return true;
}

/*
 * The longest valid symbol at text[at], and its end. While the walk waits for the next unit, memory
 * is asked for what comes after it if this symbol is the one. *ret_seen: up to where text was looked at.
 */
static inline uint32_t longest(const struct tok_chain *c, const struct tok_bpe *b,
                               const uint8_t *text, uint64_t n, uint64_t at, uint32_t before,
                               uint64_t *ret_end, uint64_t *ret_seen)
{
    const tok_trie_unit *units = b->trie.units;
    uint32_t base = b->trie.root, best = TOK_NO_SYMBOL;

    while (at < n) {
        tok_trie_unit u = units[base ^ text[at]];
        if ((uint8_t)u != text[at])
            break;
        at++;
        base = tok_trie_base(u);
        uint32_t symbol = tok_trie_value(u);
        if (symbol != TOK_NO_SYMBOL) {
            best = symbol;
            *ret_end = at;
            __builtin_prefetch(&b->items[symbol]);
            if (before != TOK_NO_SYMBOL) {
                __builtin_prefetch(known_slot(c, before, symbol));
                __builtin_prefetch(tok_pair_filter(&b->proper, tok_pair_hash(before, symbol)));
            }
        }
        if (at < n && !tok_trie_may_step(u, text[at]))
            break;
    }
    *ret_seen = at + 1;
    return best;
}

static inline struct tok_chain_end *end_slot(const struct tok_chain *c, uint32_t symbol)
{
    return &c->dead_ends[symbol * 0x9E3779B1u >> (32 - ENDS_BITS)];
}

/* The bytes of text behind `symbol`, which goes up to `end`, that are known to make it lead nowhere;
 * 0: not known. */
static uint64_t leads_nowhere(const struct tok_chain *c, uint32_t symbol, const uint8_t *text,
                              uint64_t n, uint64_t end)
{
    const struct tok_chain_end *e = end_slot(c, symbol);
    bool known = e->size && e->symbol == symbol && e->size <= n - end &&
                 memcmp(text + end, text + e->at, e->size) == 0;

    return known ? e->size : 0;
}

static bool prepare(struct tok_chain *c, uint64_t n)
{
    uint64_t words = n / 64 + 1;

    if (words > c->dead_room) {
        free(c->dead);
        c->dead = malloc(words * sizeof *c->dead);
        c->dead_room = c->dead ? words : 0;
    }
    if (!c->known)
        c->known = calloc(1u << KNOWN_BITS, sizeof *c->known);
    if (!c->dead_ends)
        c->dead_ends = malloc(sizeof *c->dead_ends << ENDS_BITS);
    return c->dead && c->known && c->dead_ends;
}

bool tok_chain_compatible(struct tok_chain *c, const struct tok_bpe *b, uint32_t left,
                          uint32_t right, bool *ret_answer, struct ngt_error *reterr)
{
    if (!c->known && !prepare(c, 0)) {
        (void)ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                       "out of memory for a pair of tokens");
        return false;
    }
    return compatible(c, b, left, right, ret_answer, reterr);
}

/* Remembers that `symbol`, up to `end`, leads nowhere because of the text up to `seen`. */
static bool remember_end(struct tok_chain *c, uint32_t symbol, uint64_t end, uint64_t seen,
                         bool remembers)
{
    if (!remembers) /* what was remembered of another text */
        memset(c->dead_ends, 0, sizeof *c->dead_ends << ENDS_BITS);
    *end_slot(c, symbol) = (struct tok_chain_end){end, (uint32_t)(seen - end), symbol};
    return true;
}

enum ngt_status tok_chain_run(struct tok_chain *c, const struct tok_bpe *b, const uint8_t *text,
                              uint64_t n, uint64_t from, uint32_t *symbols, uint64_t *ret_count,
                              uint64_t *ret_stop, struct ngt_error *reterr)
{
    uint64_t at = from, count = 0, end = from, seen = from, farthest = from;
    bool stepped_back = false, remembers = false;
    uint32_t before = TOK_NO_SYMBOL, candidate;

    if (n / 64 + 1 > c->dead_room && !prepare(c, n))
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a word of %llu bytes", (unsigned long long)n);
    if (b->ends && text[n - 1] == TOK_BPE_END) {
        /* what ends before it would leave it alone, and it is part of a character */
        memset(c->dead, 0, (n / 64 + 1) * sizeof *c->dead);
        stepped_back = true;
        c->dead[(n - 1) / 64] |= 1ull << (n - 1) % 64;
    }
    while (at < n) {
        candidate = longest(c, b, text, n, at, before, &end, &seen);
        farthest = seen > farthest ? seen : farthest;
        if (candidate == TOK_NO_SYMBOL)
            break; /* a character that is no symbol: the encoding so far is final */
        for (;;) {
            bool fits = !(stepped_back && c->dead[end / 64] >> end % 64 & 1);
            if (fits && before != TOK_NO_SYMBOL &&
                !compatible(c, b, before, candidate, &fits, reterr))
                return NGT_E_NOMEM;
            uint64_t looked = fits && remembers ? leads_nowhere(c, candidate, text, n, end) : 0;
            if (fits && !looked)
                break;
            if (looked && end + looked > farthest)
                farthest = end + looked;
            candidate = tok_bpe_shorter(b, candidate);
            while (candidate == TOK_NO_SYMBOL) {
                /* Nothing fits here. An encoding exists, so this is not the first position. */
                if (!stepped_back) /* seldom, so the bits are cleared only then */
                    memset(c->dead, 0, (n / 64 + 1) * sizeof *c->dead);
                stepped_back = true;
                c->dead[at / 64] |= 1ull << at % 64;
                if (farthest <= n && farthest - at >= SHORTEST_END && farthest - at <= LONGEST_END)
                    remembers = remember_end(c, before, at, farthest, remembers);
                at -= tok_bpe_item_size(b, before);
                candidate = tok_bpe_shorter(b, before);
                count--;
                before = count ? symbols[count - 1] : TOK_NO_SYMBOL;
            }
            end = at + tok_bpe_item_size(b, candidate);
        }
        symbols[count++] = before = candidate;
        at = end;
    }
    *ret_count = count;
    *ret_stop = at;
    return NGT_OK;
}
