#include "model/chain.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_BITS 14

void tok_chain_done(struct tok_chain *c)
{
    free(c->dead);
    free(c->known);
    *c = (struct tok_chain){0};
}

/* The staircase down the two edges: of two that live at the same time, the one born later is left
 * for its part. On equal ranks the place further left comes first, which is why the comparisons
 * with the two parents differ. */
static inline bool compatible_regular(const struct tok_bpe *b, uint32_t left, uint32_t right)
{
    uint64_t left_dies = UINT64_MAX, right_dies = UINT64_MAX;

    for (;;) {
        const struct tok_bpe_symbol *u = &b->items[left], *v = &b->items[right];
        const struct tok_rule_entry *e = tok_rule_find(&b->proper, left, right);
        if (e->rank != TOK_RULE_NONE && (uint64_t)e->rank + 1 < left_dies &&
            (uint64_t)e->rank + 1 <= right_dies)
            return false;
        if (u->born > v->born) {
            left_dies = u->born;
            left = u->right;
        } else if (v->born) {
            right_dies = v->born;
            right = v->left;
        } else {
            return true;
        }
    }
}

static bool compatible_tried(struct tok_chain *c, const struct tok_bpe *b, uint32_t left,
                             uint32_t right, bool *ret_answer, struct ngt_error *reterr)
{
    uint64_t pair = (uint64_t)left << 24 | right, count = 0, units = 0;
    uint64_t *slot = &c->known[pair * 0x9E3779B97F4A7C15u >> (64 - KNOWN_BITS)];

    if (*slot >> 2 == pair && *slot & 1) {
        *ret_answer = *slot >> 1 & 1;
        return true;
    }
    uint64_t n = b->items[left].size + b->items[right].size;
    uint32_t *symbols = malloc(n * sizeof *symbols);
    if (!symbols) {
        (void)ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                       "out of memory for a pair of tokens");
        return false;
    }
    for (int side = 0; side < 2; side++) {
        uint32_t s = side ? right : left;
        const uint8_t *text = b->bytes + b->starts[s];
        for (uint64_t at = 0; at < b->items[s].size;) {
            uint64_t size = tok_bpe_unit(b, text, b->items[s].size, at);
            symbols[units++] = tok_bpe_initial(b, text, at, size);
            at += size;
        }
    }
    bool done = tok_merge_run(c->merge, &b->rules, symbols, units, &count, NULL, reterr) == NGT_OK;
    *ret_answer = done && count == 2 && symbols[0] == left && symbols[1] == right;
    if (done)
        *slot = pair << 2 | (uint64_t)*ret_answer << 1 | 1;
    free(symbols);
    return done;
}

static inline uint32_t longest(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                               uint64_t at)
{
    const tok_trie_unit *units = b->trie.units;
    uint32_t base = b->trie.root, best = TOK_NO_SYMBOL;

    while (at < n) {
        tok_trie_unit u = units[base ^ text[at]];
        if ((uint8_t)u != text[at])
            break;
        if (tok_trie_value(u) != TOK_NO_SYMBOL)
            best = tok_trie_value(u);
        base = tok_trie_base(u);
        at++;
    }
    return best;
}

static bool prepare(struct tok_chain *c, const struct tok_bpe *b, uint64_t n)
{
    uint64_t words = n / 64 + 1;

    if (words > c->dead_room) {
        free(c->dead);
        c->dead = malloc(words * sizeof *c->dead);
        c->dead_room = c->dead ? words : 0;
    }
    if (!b->regular && !c->known)
        c->known = calloc(1u << KNOWN_BITS, sizeof *c->known);
    return c->dead && (b->regular || c->known);
}

enum ngt_status tok_chain_run(struct tok_chain *c, const struct tok_bpe *b, const uint8_t *text,
                              uint64_t n, uint64_t from, uint32_t *symbols, uint64_t *ret_count,
                              uint64_t *ret_stop, struct ngt_error *reterr)
{
    uint64_t at = from, count = 0;
    bool stepped_back = false; /* the bits are cleared when they are first needed: seldom */
    bool unknown;
    uint32_t candidate;

    if (n / 64 + 1 > c->dead_room || !b->regular)
        if (!prepare(c, b, n))
            return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                            "out of memory for a word of %llu bytes", (unsigned long long)n);
    candidate = at < n ? longest(b, text, n, at) : TOK_NO_SYMBOL;
    unknown = candidate == TOK_NO_SYMBOL;
    while (at < n && !unknown) { /* at an unknown character the encoding so far is final */
        uint32_t before = count ? symbols[count - 1] : TOK_NO_SYMBOL;
        for (; candidate != TOK_NO_SYMBOL; candidate = b->items[candidate].shorter) {
            uint64_t next = at + b->items[candidate].size;
            if (stepped_back && c->dead[next / 64] >> next % 64 & 1)
                continue;
            if (before == TOK_NO_SYMBOL)
                break;
            bool answer;
            if (b->regular)
                answer = compatible_regular(b, before, candidate);
            else if (!compatible_tried(c, b, before, candidate, &answer, reterr))
                return NGT_E_NOMEM;
            if (answer)
                break;
        }
        if (candidate != TOK_NO_SYMBOL) {
            symbols[count++] = candidate;
            at += b->items[candidate].size;
            if (at < n) {
                candidate = longest(b, text, n, at);
                unknown = candidate == TOK_NO_SYMBOL;
            }
            continue;
        }
        if (!stepped_back) {
            memset(c->dead, 0, (n / 64 + 1) * sizeof *c->dead);
            stepped_back = true;
        }
        c->dead[at / 64] |= 1ull << at % 64;
        /* an encoding exists, so the first position is never dead */
        candidate = b->items[before].shorter;
        at -= b->items[before].size;
        count--;
    }
    *ret_count = count;
    *ret_stop = at;
    return NGT_OK;
}
