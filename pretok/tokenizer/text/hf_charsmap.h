/*
 * Precompiled: SentencePiece's map of characters as tokenizers applies it, which is not how
 * sentencepiece does. It walks grapheme clusters; a cluster of less than 6 bytes is looked up whole,
 * then each of its characters; and a look-up is satisfied with the shortest key that the string
 * begins with.
 */
#ifndef TOK_HF_CHARSMAP_H
#define TOK_HF_CHARSMAP_H

#include <stdbool.h>

#include "text/buffer.h"

struct tok_hf_charsmap;

/* base64 [n]: the value of precompiled_charsmap. NGT_E_DATA: damaged. */
NGT_NODISCARD enum ngt_status tok_hf_charsmap_new(const char *base64, uint64_t n, const char *path,
                                                  struct tok_hf_charsmap **ret_map,
                                                  struct ngt_error *reterr);
void tok_hf_charsmap_free(struct tok_hf_charsmap **map);

/* Writes to out, which is empty; where nothing is replaced *ret_changed is false and out empty. */
NGT_NODISCARD enum ngt_status tok_hf_charsmap_apply(const struct tok_hf_charsmap *map,
                                                    const uint8_t *text, uint64_t n,
                                                    struct tok_buffer *out, bool *ret_changed,
                                                    struct ngt_error *reterr);
#endif
