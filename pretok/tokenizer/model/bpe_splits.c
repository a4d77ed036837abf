#include "model/bpe_splits.h"

#include <stdlib.h>
#include <string.h>

#define LONGEST 512 /* bytes of a symbol; with longer ones, all are merged */

/* The last rules of the valid symbols found so far. Most questions are about pairs that have none,
 * which a filter answers. */
struct proper {
    struct tok_rule_table rules;
    uint64_t *filter;
    unsigned filter_shift;
};

static uint64_t filter_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 ^ right) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static uint64_t filter_bits(uint64_t hash)
{
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63);
}

static enum ngt_status proper_init(struct proper *p, uint64_t count, struct ngt_error *reterr)
{
    unsigned bits = 4;

    while (bits < 31 && (64ull << bits) < 10 * count)
        bits++;
    p->filter_shift = 64 - bits;
    p->filter = calloc(1ull << bits, sizeof *p->filter);
    if (!p->filter)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for %llu tokens", (unsigned long long)count);
    return tok_rule_table_init(&p->rules, count, reterr);
}

static void proper_done(struct proper *p)
{
    free(p->filter);
    tok_rule_table_done(&p->rules);
}

static void proper_put(struct proper *p, uint32_t left, uint32_t right, uint32_t symbol)
{
    uint64_t hash = filter_hash(left, right);

    p->filter[hash >> p->filter_shift] |= filter_bits(hash);
    tok_rule_table_put(&p->rules, left, right, symbol, symbol);
}

/* 1 + the rank of the rule that joins the two, or 0. */
static uint64_t joined(const struct proper *p, uint32_t left, uint32_t right)
{
    uint64_t hash = filter_hash(left, right), bits = filter_bits(hash);

    if ((p->filter[hash >> p->filter_shift] & bits) != bits)
        return 0;
    uint32_t rank = tok_rule_find(&p->rules, left, right)->rank;
    return rank == TOK_RULE_NONE ? 0 : rank + 1ull;
}

/* Does merging the text of both come to the two of them? As compatible_regular of chain.c, but that
 * the two themselves may be joined. */
static bool meet(const struct tok_bpe *b, const struct proper *p, uint32_t left, uint32_t right)
{
    uint64_t left_dies = UINT64_MAX, right_dies = UINT64_MAX;

    for (;;) {
        const struct tok_bpe_symbol *u = &b->items[left], *v = &b->items[right];
        if (u->born > v->born) {
            left_dies = u->born;
            left = u->right;
        } else if (v->born) {
            right_dies = v->born;
            right = v->left;
        } else {
            return true;
        }
        uint64_t time = joined(p, left, right);
        if (time && time < left_dies && time <= right_dies)
            return false;
    }
}

static bool valid(const struct tok_bpe *b, uint32_t s)
{
    return s != TOK_NO_SYMBOL && b->flags[s] & TOK_SYMBOL_VALID;
}

/* The split that makes s; false where there is none. later: splits with a symbol of higher rank
 * instead, any of which will do. */
static bool find_split(const struct tok_bpe *b, const struct proper *p, uint32_t s, bool later,
                       uint32_t *ret_left, uint32_t *ret_right)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint64_t size = tok_bpe_size(b, s);
    uint32_t base = b->trie.root, lefts[LONGEST];

    for (uint64_t cut = 1; cut < size; cut++) {
        tok_trie_unit u = b->trie.units[base ^ text[cut - 1]];
        lefts[cut] = tok_trie_value(u);
        base = tok_trie_base(u);
    }
    /* from the end: short rights are near the root of the trie, and mostly are symbols */
    for (uint64_t cut = size; cut-- > 1;) {
        uint32_t left = lefts[cut], right;
        if (!valid(b, left) ||
            (right = tok_trie_find(&b->trie, text + cut, size - cut), !valid(b, right)))
            continue;
        if (later ? left > s || right > s : meet(b, p, left, right)) {
            *ret_left = left;
            *ret_right = right;
            return true;
        }
    }
    return false;
}

/* Does merging its spelling, by all rules, give s back? */
static bool merges_back(const struct tok_bpe *b, uint32_t s)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint64_t n = tok_bpe_size(b, s);
    uint32_t ends[LONGEST + 1]; /* part i is text[ends[i], ends[i + 1]) */
    uint32_t results[LONGEST];  /* of parts i and i + 1 */

    for (uint32_t i = 0; i <= n; i++)
        ends[i] = i;
    for (uint64_t i = 0; i + 1 < n; i++)
        results[i] = tok_trie_find(&b->trie, text + i, 2);
    while (n > 1) {
        uint64_t best = 0;
        for (uint64_t i = 1; i + 1 < n; i++)
            if (results[i] < results[best])
                best = i;
        if (results[best] == TOK_NO_SYMBOL)
            return false;
        memmove(ends + best + 1, ends + best + 2, (n - best - 1) * sizeof *ends);
        memmove(results + best, results + best + 1, (n - best - 1) * sizeof *results);
        n--;
        if (best + 1 < n)
            results[best] = tok_trie_find(&b->trie, text + ends[best], ends[best + 2] - ends[best]);
        if (best > 0)
            results[best - 1] =
                tok_trie_find(&b->trie, text + ends[best - 1], ends[best + 1] - ends[best - 1]);
    }
    return true;
}

enum ngt_status tok_bpe_find_by_splits(struct tok_bpe *b, bool *ret_decided,
                                       struct ngt_error *reterr)
{
    struct proper p = {0};
    uint32_t left, right;
    enum ngt_status status = proper_init(&p, b->symbols, reterr);
    bool decided = status == NGT_OK && b->trie.max_bytes <= LONGEST;

    for (uint32_t s = 0; s < b->symbols && decided; s++) { /* bytes have any rank */
        if (b->flags[s] & TOK_SYMBOL_INITIAL)
            b->flags[s] |= TOK_SYMBOL_VALID;
    }
    for (uint32_t s = 0; s < b->symbols && decided; s++) {
        if (b->flags[s] & TOK_SYMBOL_INITIAL || !find_split(b, &p, s, false, &left, &right))
            continue;
        b->flags[s] |= TOK_SYMBOL_VALID;
        b->items[s].left = left;
        b->items[s].right = right;
        b->items[s].born = s + 1;
        proper_put(&p, left, right, s);
    }
    for (uint32_t s = 0; s < b->symbols && decided; s++)
        if (!(b->flags[s] & TOK_SYMBOL_VALID) && find_split(b, &p, s, true, &left, &right))
            decided = !merges_back(b, s);
    for (uint32_t s = 0; s < b->symbols && !decided; s++) {
        b->flags[s] &= (uint8_t)~TOK_SYMBOL_VALID;
        b->items[s] = (struct tok_bpe_symbol){TOK_NO_SYMBOL, TOK_NO_SYMBOL, 0, TOK_NO_SYMBOL};
    }
    proper_done(&p);
    *ret_decided = decided;
    return status;
}
