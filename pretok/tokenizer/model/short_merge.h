/*
 * Byte pair encoding of a short word as it is defined, by merging: the pair of the lowest rank of
 * all first, the leftmost of equals. It asks for what the last rules of valid symbols are and for
 * nothing else: no other rule is ever applied (chain.h), so the others may as well not be there.
 *
 * The pairs at all places are one integer each, whose order is that of merging: 1 + rank, place,
 * result. So the next merge is the least of at most TOK_SHORT_MERGE numbers, found without a
 * branch, and what it makes is in that number too. Which pairs there are comes from a table of all
 * pairs of two bytes, and from the filter in front of the other pairs, which mostly says no.
 */
#ifndef TOK_MODEL_SHORT_MERGE_H
#define TOK_MODEL_SHORT_MERGE_H

#include "model/bpe_form.h"

#define TOK_SHORT_MERGE 48 /* parts */

/* From b's items and set of rules. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_short_merge_init(struct tok_starts *ret_starts,
                                                   const struct tok_bpe *b,
                                                   struct ngt_error *reterr);
void tok_short_merge_done(struct tok_starts *starts);

/* Is a word faster merged than walked? Bytes of other scripts are characters after a merge or two
 * each that the walk does not need: of byte-level vocabularies o200k lost 5 to 9 % in mixed text. */
static inline bool tok_short_merge_pays(const struct tok_bpe *b, const uint8_t *text, uint64_t n)
{
    return b->characters || text[n - 1] < 0x80;
}

/* As tok_chain_run, but of TOK_SHORT_MERGE parts at most; b->chains holds. Returns the count. */
uint64_t tok_short_merge_run(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                             uint64_t from, uint32_t *symbols, uint64_t *ret_stop);
#endif
