/*
 * Which symbols of a list of rules are valid, and by which rule last (bpe_form.h): by merging the
 * spelling of each, which is the definition, or mostly without.
 *
 * Without: rules come in the order of ranks. When both sides of one are known to be valid, it makes
 * its result unless the staircase of chain.h says that a merge across their border comes first; all
 * rules that it asks about are earlier. A rule of which a side is not valid yet when its turn comes
 * is left open, and what comes upon such a pair later is merged to see, with all that is made of it: those
 * trees are not in the order of ranks. Of the 128,000 symbols of Llama 3 269 are merged, of Qwen and
 * DeepSeek none.
 */
#ifndef TOK_MODEL_BPE_VALID_H
#define TOK_MODEL_BPE_VALID_H

#include "model/bpe_form.h"

/* By b->rules. Fills left, right, born and TOK_SYMBOL_VALID. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_bpe_find_by_merging(struct tok_bpe *b, struct ngt_error *reterr);

/*
 * The same from the rules [count] as configured, all of which join spellings; b->proper too, and
 * b->rules only if it is asked. Not *ret_decided: the ranks do not ascend, a pair has two rules, or
 * b->proper cannot hold them; all is left to be filled anew then. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_bpe_find_by_rules(struct tok_bpe *b,
                                                    const struct tok_bpe_rule *rules,
                                                    uint64_t count, bool *ret_decided,
                                                    struct ngt_error *reterr);

/* All of them to b->rules, if they are not there. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_bpe_fill_rules(struct tok_bpe *b,
                                                 const struct tok_bpe_rule *rules, uint64_t count,
                                                 struct ngt_error *reterr);
#endif
