/* SentencePiece's BPE and Char models as rules for model/bpe.h. */
#ifndef TOK_MODEL_SP_BPE_H
#define TOK_MODEL_SP_BPE_H

#include "load/sp_vocab.h"
#include "model/bpe.h"

/*
 * The merges of text between user-defined symbols, which are matched before and never merged. Not
 * for vocabularies with `unused`: how those fall apart again depends on the whole document. merges:
 * false makes a Char model. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_sp_bpe_new(const struct tok_sp_vocab *vocab, bool merges,
                                             const char *path, struct tok_bpe **ret_bpe,
                                             struct ngt_error *reterr);

/*
 * Order of two scores as sentencepiece 0.2.3 compares them, by their bits: larger is merged first,
 * -0 comes after +0, and what is no number has its place too.
 */
int32_t tok_sp_score_key(float score);
#endif
