/*
 * Unigram as tokenizers computes it: the best segmentation of a word in double precision, from left
 * to right. Not SentencePiece's function: other numbers, and no bonus for user-defined pieces.
 */
#ifndef TOK_MODEL_UNIGRAM_HF_H
#define TOK_MODEL_UNIGRAM_HF_H

#include "load/hf_json.h"

struct tok_unigram_hf;         /* read-only after creation, shared by threads */
struct tok_unigram_hf_scratch; /* one thread's */

/* The file may go afterwards, its scores move here. */
NGT_NODISCARD enum ngt_status tok_unigram_hf_new(struct tok_hf_file *f, const char *path,
                                                 struct tok_unigram_hf **ret_unigram,
                                                 struct ngt_error *reterr);
void tok_unigram_hf_free(struct tok_unigram_hf **unigram);

NGT_NODISCARD enum ngt_status tok_unigram_hf_scratch_new(struct tok_unigram_hf_scratch **ret,
                                                         struct ngt_error *reterr);
void tok_unigram_hf_scratch_free(struct tok_unigram_hf_scratch **scratch);

/* A tok_word_fn; an id a byte at most. */
NGT_NODISCARD enum ngt_status tok_unigram_hf_encode(const void *unigram, void *scratch,
                                                    const uint8_t *word, uint64_t n,
                                                    uint32_t *ret_ids, uint64_t *ret_count,
                                                    struct ngt_error *reterr);
/* The same in stretches of so many bytes, 1 or more, on which ids do not depend. */
NGT_NODISCARD enum ngt_status tok_unigram_hf_encode_in(const struct tok_unigram_hf *unigram,
                                                       struct tok_unigram_hf_scratch *scratch,
                                                       uint64_t stretch, const uint8_t *word,
                                                       uint64_t n, uint32_t *ret_ids,
                                                       uint64_t *ret_count,
                                                       struct ngt_error *reterr);
#endif
