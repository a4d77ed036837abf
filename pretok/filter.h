/* --min-chars and its like: documents that are left out for their length, counted by reason. */
#ifndef PRETOK_FILTER_H
#define PRETOK_FILTER_H

#include "batch.h"

/* Both ends are kept; 0: no such end. */
struct pretok_filter {
    uint64_t min_chars, max_chars;   /* code points of the text as it is tokenized */
    uint64_t min_tokens, max_tokens; /* ids of the text, without BOS and EOS that are added */
};

/* Judges a text before it is tokenized, and the number of its ids afterwards. */
enum pretok_filtered pretok_filter_text(const struct pretok_filter *f, const uint8_t *text,
                                        uint64_t n);
enum pretok_filtered pretok_filter_ids(const struct pretok_filter *f, uint64_t ids);

#endif
