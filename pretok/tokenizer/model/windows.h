/*
 * Byte pair encoding of a long word in windows, each encoded alone and joined to what stands before.
 *
 * The encoding of a window alone is that of its text within the word but for some symbols at its
 * end. So the last few are dropped, and the next window begins with their text. Where the last symbol
 * that was kept and the first one of the next window are compatible, as all neighbours within a
 * window are, all neighbours are, and by chain.h's proof a sequence of which that holds is the
 * encoding. Where they are not, one symbol more is dropped.
 *
 * Windows of thousands of bytes go through chain.h. Where it gets on badly (random letters or
 * digits: most pairs of symbols were never met before, two in five symbols are taken back) what comes
 * next, of this word or others, is merged in windows of some fifty bytes for a while: many at once
 * by merge_many.h, each reaching into the next one's text and joined to it wherever symbols of both
 * end and the two there are compatible; else one by one by short_merge.h.
 */
#ifndef TOK_MODEL_WINDOWS_H
#define TOK_MODEL_WINDOWS_H

#include "model/chain.h"

/* As tok_chain_run. c->merges bytes are merged in short windows before the walk is tried again. */
NGT_NODISCARD enum ngt_status tok_windows_run(struct tok_chain *c, const struct tok_bpe *b,
                                              const uint8_t *text, uint64_t n, uint64_t from,
                                              uint32_t *symbols, uint64_t *ret_count,
                                              uint64_t *ret_stop, struct ngt_error *reterr);
#endif
