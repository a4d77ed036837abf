/*
 * The staircase of chain.h for building: does merging the text of two valid symbols, of which the
 * rule that joins the two themselves is left out, come to these two? Asked in the order of ranks, so
 * that the last rules of all symbols of lower rank are in b->proper already.
 */
#ifndef TOK_MODEL_BPE_MEET_H
#define TOK_MODEL_BPE_MEET_H

#include "model/bpe_form.h"

enum tok_meet { TOK_MEET_NO, TOK_MEET_YES, TOK_MEET_UNSURE };

/* Marks of symbols (bpe_valid.c): a pair of one that has LEFT and one that has RIGHT may be a rule
 * that has yet to be decided about; it is none unless what it would make is OPEN. */
enum { TOK_MARK_LEFT = 1, TOK_MARK_RIGHT = 2, TOK_MARK_OPEN = 4 };

/* Is what two symbols are spelt like together a symbol that is not known to be valid, but may be? */
static inline bool tok_bpe_pair_is_open(const struct tok_bpe *b, const uint8_t *marks,
                                        uint32_t left, uint32_t right)
{
    const uint32_t sides[2] = {left, right};
    tok_trie_unit u = 0;
    uint32_t base = b->trie.root;

    for (unsigned side = 0; side < 2; side++) {
        const uint8_t *text = b->bytes + b->starts[sides[side]];
        for (uint64_t i = 0; i < tok_bpe_size(b, sides[side]); i++) {
            if (!tok_trie_step(&b->trie, base, text[i], &u))
                return false;
            base = tok_trie_base(u);
        }
    }
    uint32_t s = tok_trie_value(u);
    return s != TOK_NO_SYMBOL && marks[s] & TOK_MARK_OPEN && !(b->flags[s] & TOK_SYMBOL_VALID);
}

/* marks [symbols], or NULL: nobody has one. */
static inline enum tok_meet tok_bpe_meet(const struct tok_bpe *b, const uint8_t *marks,
                                         uint32_t left, uint32_t right)
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
            return TOK_MEET_YES;
        }
        if (marks && marks[left] & TOK_MARK_LEFT && marks[right] & TOK_MARK_RIGHT &&
            tok_bpe_pair_is_open(b, marks, left, right))
            return TOK_MEET_UNSURE;
        uint64_t found = tok_pair_find(&b->proper, left, right), time = found >> 32;
        if (found != TOK_PAIR_NONE && time < left_dies && time <= right_dies)
            return TOK_MEET_NO;
    }
}

/* s is valid, by a rule of `born` - 1. False: b->proper cannot hold it. */
static inline bool tok_bpe_set_valid(struct tok_bpe *b, uint32_t s, uint32_t left, uint32_t right,
                                     uint32_t born)
{
    b->flags[s] |= TOK_SYMBOL_VALID;
    b->items[s].left = left;
    b->items[s].right = right;
    b->items[s].born = born;
    return born < TOK_PAIR_NUMBERS && tok_pair_set_put(&b->proper, left, right, born, s);
}
#endif
