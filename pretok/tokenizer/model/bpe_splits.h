/*
 * Valid symbols of a vocabulary in which any two symbols that spell a third are a rule of its rank
 * (tiktoken), without the table of all those rules: o200k has 450,000 for 200,000 symbols.
 *
 * A symbol s is valid by the rule (l, r) if both are valid and merging its spelling comes to [l, r]:
 * the staircase of chain.h, without the rule that makes s. Where both have lower ranks than s, all
 * that the staircase asks about does as well, so symbols are decided in the order of ranks. What
 * that leaves undecided are symbols made of one that comes later: they are merged to see, and if one
 * is valid by such a rule, nothing here holds and all must be found by merging.
 */
#ifndef TOK_MODEL_BPE_SPLITS_H
#define TOK_MODEL_BPE_SPLITS_H

#include "model/bpe_form.h"

/*
 * Ranks are the symbols themselves; text starts out as bytes; b has its trie of all spellings.
 * Fills left, right, born, TOK_SYMBOL_VALID and b->proper if *ret_decided, else leaves them to be
 * filled anew.
 * NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_bpe_find_by_splits(struct tok_bpe *b, bool *ret_decided,
                                                     struct ngt_error *reterr);
#endif
