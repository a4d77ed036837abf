/*
 * SentencePiece's BPE as the library does it, the whole document at once: for vocabularies with
 * UNUSED pieces, which fall apart again by the pair that was queued for them last anywhere in the
 * document. Also the definition that the fast way is compared with.
 */
#ifndef TOK_MODEL_SP_BPE_PLAIN_H
#define TOK_MODEL_SP_BPE_PLAIN_H

#include "load/sp_vocab.h"
#include "tok/tokenizer.h"

struct tok_sp_plain; /* read-only, shared by threads */
struct tok_sp_plain_scratch;

/* vocab is borrowed. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_sp_plain_new(const struct tok_sp_vocab *vocab,
                                               struct tok_sp_plain **ret_plain,
                                               struct ngt_error *reterr);
void tok_sp_plain_free(struct tok_sp_plain **plain);
NGT_NODISCARD enum ngt_status tok_sp_plain_scratch_new(const struct tok_sp_plain *plain,
                                                       struct tok_sp_plain_scratch **ret_scratch,
                                                       struct ngt_error *reterr);
void tok_sp_plain_scratch_free(struct tok_sp_plain_scratch **scratch);

/* Appends the ids of internal text [n], n < 2^31. Neighbouring unknown ids are not fused.
 * NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_sp_plain_encode(const struct tok_sp_plain *plain,
                                                  struct tok_sp_plain_scratch *scratch,
                                                  const uint8_t *text, uint64_t n,
                                                  struct tok_ids *ids, struct ngt_error *reterr);
#endif
