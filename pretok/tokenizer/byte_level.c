#include "byte_level.h"

/* 4 KB of ends: they and the words they bound stay in the first-level cache between both loops. */
#define BATCH 1024

enum ngt_status tok_byte_level_encode(const struct tok_split *split,
                                      struct tok_split_scratch *split_scratch,
                                      struct tok_words *words, const uint8_t *text, uint64_t n,
                                      struct tok_ids *ids, struct ngt_error *reterr)
{
    uint32_t ends[BATCH];
    uint64_t count = 0, more = 0;

    for (uint64_t at = 0; at < n; at = ends[count - 1]) {
        enum ngt_status status =
            tok_split_ends(split, split_scratch, text, n, at, ends, BATCH, &count, reterr);
        if (status == NGT_OK) /* an id a byte at most, and the room that look-ups write over */
            status = tok_ids_reserve(ids, ends[count - 1] - at + 8, reterr);
        if (status == NGT_OK)
            status = tok_words_encode(words, text, n, at, ends, count, ids->ids + ids->count, &more,
                                      reterr);
        if (status != NGT_OK)
            return status;
        ids->count += more;
    }
    return NGT_OK;
}

enum ngt_status tok_byte_level_split(const struct tok_split *split,
                                     struct tok_split_scratch *split_scratch, const uint8_t *text,
                                     uint64_t n, struct ngt_error *reterr)
{
    uint32_t ends[BATCH];
    uint64_t count = 0;
    enum ngt_status status = NGT_OK;

    for (uint64_t at = 0; at < n && status == NGT_OK; at = ends[count - 1])
        status = tok_split_ends(split, split_scratch, text, n, at, ends, BATCH, &count, reterr);
    return status;
}
