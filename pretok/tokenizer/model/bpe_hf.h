/*
 * BPE step by step as tokenizers does it, for what model/bpe.h has no words for: symbols that depend
 * on where in the word they stand (prefix of continuing subwords, suffix of the last one), byte
 * fallback with some bytes missing, unknown or byte tokens that take part in merges. Slow beside
 * bpe.c, O(n log n) all the same; and the twin that bpe.c is compared with on such files.
 */
#ifndef TOK_MODEL_BPE_HF_H
#define TOK_MODEL_BPE_HF_H

#include "load/hf_json.h"

struct tok_bpe_hf;         /* read-only after creation, shared by threads */
struct tok_bpe_hf_scratch; /* one thread's */

/* marker: ' ' in words stands for U+2581. The file may go afterwards. */
NGT_NODISCARD enum ngt_status tok_bpe_hf_new(const struct tok_hf_file *f, bool marker,
                                             const char *path, struct tok_bpe_hf **ret_bpe,
                                             struct ngt_error *reterr);
void tok_bpe_hf_free(struct tok_bpe_hf **bpe);

NGT_NODISCARD enum ngt_status tok_bpe_hf_scratch_new(struct tok_bpe_hf_scratch **ret_scratch,
                                                     struct ngt_error *reterr);
void tok_bpe_hf_scratch_free(struct tok_bpe_hf_scratch **scratch);

/* No word of n bytes becomes more than n times this many ids. */
uint64_t tok_bpe_hf_ids_per_byte(const struct tok_bpe_hf *bpe);
/* A tok_word_fn. */
NGT_NODISCARD enum ngt_status tok_bpe_hf_encode(const void *bpe, void *scratch, const uint8_t *word,
                                                uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                                struct ngt_error *reterr);
#endif
