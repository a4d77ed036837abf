/* Extended grapheme clusters (UAX 29) as unicode-segmentation in tokenizers cuts them. */
#ifndef TOK_HF_GRAPHEMES_H
#define TOK_HF_GRAPHEMES_H

#include <stdint.h>

/* The end of the cluster that begins at text[at], at < n; text well-formed. Clusters are found from
 * left to right, so `at` must be the start or the end of one. */
uint64_t tok_hf_cluster_end(const uint8_t *text, uint64_t n, uint64_t at);
#endif
