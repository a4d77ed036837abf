#include "filter.h"

#include "input/utf8.h"

enum pretok_filtered pretok_filter_text(const struct pretok_filter *f, const uint8_t *text,
                                        uint64_t n)
{
    if (f->min_chars == 0 && f->max_chars == 0)
        return PRETOK_KEPT;
    uint64_t chars = pretok_utf8_characters(text, n);
    return chars < f->min_chars                   ? PRETOK_FEW_CHARS
           : f->max_chars && chars > f->max_chars ? PRETOK_MANY_CHARS
                                                  : PRETOK_KEPT;
}

enum pretok_filtered pretok_filter_ids(const struct pretok_filter *f, uint64_t ids)
{
    return ids < f->min_tokens                    ? PRETOK_FEW_TOKENS
           : f->max_tokens && ids > f->max_tokens ? PRETOK_MANY_TOKENS
                                                  : PRETOK_KEPT;
}
