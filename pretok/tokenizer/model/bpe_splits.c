#include "model/bpe_splits.h"

#include <string.h>

#include "model/bpe_meet.h"

#define LONGEST 512 /* bytes of a symbol; with longer ones, all are merged */
#define AHEAD 16    /* symbols of which what is asked about is brought meanwhile */

static bool valid(const struct tok_bpe *b, uint32_t s)
{
    return s != TOK_NO_SYMBOL && b->flags[s] & TOK_SYMBOL_VALID;
}

/* Two symbols that join to s; left is TOK_NO_SYMBOL where there are no more, right where the rest is none. */
struct split {
    uint32_t left, right;
};

/* From the end: short rights are near the root of the trie, and mostly are symbols. */
static struct split split_at(const struct tok_bpe *b, uint32_t s, uint32_t left)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint64_t cut = left == TOK_NO_SYMBOL ? 0 : tok_bpe_item_size(b, left);

    return (struct split){left, cut ? tok_trie_find(&b->trie, text + cut, tok_bpe_size(b, s) - cut)
                                    : TOK_NO_SYMBOL};
}

/* The one with the longest left. It is the one mostly, so that what is asked about it is brought. */
static struct split first_split(const struct tok_bpe *b, uint32_t s)
{
    struct split split = split_at(b, s, tok_bpe_shorter(b, s));

    if (split.right != TOK_NO_SYMBOL) {
        tok_pair_expect(&b->proper, split.left, split.right);
        __builtin_prefetch(&b->items[split.left]);
        __builtin_prefetch(&b->items[split.right]);
    }
    return split;
}

/* The split that makes s, from `first` on; left is TOK_NO_SYMBOL where there is none. later: splits with a
 * symbol of higher rank instead, any of which will do. */
static struct split find_split(const struct tok_bpe *b, uint32_t s, struct split split, bool later)
{
    while (split.left != TOK_NO_SYMBOL) {
        if (valid(b, split.left) && valid(b, split.right) &&
            (later ? split.left > s || split.right > s
                   : tok_bpe_meet(b, NULL, split.left, split.right) == TOK_MEET_YES))
            break;
        split = split_at(b, s, tok_bpe_shorter(b, split.left));
    }
    return split;
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
    struct split ahead[AHEAD], split;
    enum ngt_status status = tok_pair_set_init(&b->proper, b->symbols, reterr);
    bool decided = status == NGT_OK && b->trie.max_bytes <= LONGEST;

    for (uint32_t s = 0; s < b->symbols && decided; s++) { /* bytes have any rank */
        if (b->flags[s] & TOK_SYMBOL_INITIAL)
            b->flags[s] |= TOK_SYMBOL_VALID;
    }
    for (uint32_t s = 0; s < b->symbols && s < AHEAD && decided; s++)
        ahead[s] = first_split(b, s);
    for (uint32_t s = 0; s < b->symbols && decided; s++) {
        split = ahead[s % AHEAD];
        if (b->symbols - s > AHEAD)
            ahead[s % AHEAD] = first_split(b, s + AHEAD);
        if (b->flags[s] & TOK_SYMBOL_INITIAL)
            continue;
        split = find_split(b, s, split, false);
        if (split.left != TOK_NO_SYMBOL)
            decided = tok_bpe_set_valid(b, s, split.left, split.right, s + 1);
    }
    for (uint32_t s = 0; s < b->symbols && decided; s++)
        if (!(b->flags[s] & TOK_SYMBOL_VALID) &&
            find_split(b, s, first_split(b, s), true).left != TOK_NO_SYMBOL)
            decided = !merges_back(b, s);
    if (!decided)
        tok_bpe_forget_valid(b);
    *ret_decided = decided;
    return status;
}
