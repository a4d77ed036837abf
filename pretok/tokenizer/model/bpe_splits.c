#include "model/bpe_splits.h"

#include <string.h>

#include "model/bpe_meet.h"

#define LONGEST 512 /* bytes of a symbol; with longer ones, all are merged */

static bool valid(const struct tok_bpe *b, uint32_t s)
{
    return s != TOK_NO_SYMBOL && b->flags[s] & TOK_SYMBOL_VALID;
}

/* The split that makes s; false where there is none. later: splits with a symbol of higher rank
 * instead, any of which will do. */
static bool find_split(const struct tok_bpe *b, uint32_t s, bool later, uint32_t *ret_left,
                       uint32_t *ret_right)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint64_t size = tok_bpe_size(b, s);

    /* from the end: short rights are near the root of the trie, and mostly are symbols */
    for (uint32_t left = tok_bpe_shorter(b, s), right; left != TOK_NO_SYMBOL;
         left = tok_bpe_shorter(b, left)) {
        uint64_t cut = tok_bpe_item_size(b, left);
        if (!valid(b, left) ||
            (right = tok_trie_find(&b->trie, text + cut, size - cut), !valid(b, right)))
            continue;
        if (later ? left > s || right > s : tok_bpe_meet(b, NULL, left, right) == TOK_MEET_YES) {
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
    uint32_t left, right;
    enum ngt_status status = tok_pair_set_init(&b->proper, b->symbols, reterr);
    bool decided = status == NGT_OK && b->trie.max_bytes <= LONGEST;

    for (uint32_t s = 0; s < b->symbols && decided; s++) { /* bytes have any rank */
        if (b->flags[s] & TOK_SYMBOL_INITIAL)
            b->flags[s] |= TOK_SYMBOL_VALID;
    }
    for (uint32_t s = 0; s < b->symbols && decided; s++)
        if (!(b->flags[s] & TOK_SYMBOL_INITIAL) && find_split(b, s, false, &left, &right))
            decided = tok_bpe_set_valid(b, s, left, right, s + 1);
    for (uint32_t s = 0; s < b->symbols && decided; s++)
        if (!(b->flags[s] & TOK_SYMBOL_VALID) && find_split(b, s, true, &left, &right))
            decided = !merges_back(b, s);
    if (!decided)
        tok_bpe_forget_valid(b);
    *ret_decided = decided;
    return status;
}
