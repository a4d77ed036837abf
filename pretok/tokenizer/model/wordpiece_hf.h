/*
 * WordPiece and WordLevel as tokenizers computes them: the longest token at each place of a word, or
 * the whole word; a word that does not come out is one unknown.
 */
#ifndef TOK_MODEL_WORDPIECE_HF_H
#define TOK_MODEL_WORDPIECE_HF_H

#include "load/hf_json.h"

struct tok_wordpiece; /* read-only after creation, shared by threads; needs no scratch */

/* For TOK_HF_WORDPIECE and TOK_HF_WORDLEVEL. The file may go afterwards. */
NGT_NODISCARD enum ngt_status tok_wordpiece_new(const struct tok_hf_file *f, const char *path,
                                                struct tok_wordpiece **ret,
                                                struct ngt_error *reterr);
void tok_wordpiece_free(struct tok_wordpiece **w);

/* A tok_word_fn; an id a byte at most. scratch is not used. */
NGT_NODISCARD enum ngt_status tok_wordpiece_encode(const void *wordpiece, void *scratch,
                                                   const uint8_t *word, uint64_t n,
                                                   uint32_t *ret_ids, uint64_t *ret_count,
                                                   struct ngt_error *reterr);
#endif
