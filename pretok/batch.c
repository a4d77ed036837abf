#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* Kept from batch to batch; beyond, it was a giant document's. */
#define KEEP (8u << 20)

bool pretok_batch_prepare(struct pretok_batch *b)
{
    /* the last document may stand out a little; ids of prose take a third of the text's bytes in
     * number, and room for half costs address space only */
    const uint64_t text = PRETOK_BATCH_TEXT + (64u << 10), ids = text / 2, usual = text / 3;

    if (!pretok_bytes_reserve(&b->text, text) || tok_ids_reserve(&b->ids, ids, NULL) != NGT_OK)
        return false;
    memset(b->text.at, 0, text);
    memset(b->ids.ids, 0, usual * sizeof *b->ids.ids);
    return true;
}

void pretok_origins_free(struct pretok_origin **list)
{
    while (*list) {
        struct pretok_origin *next = (*list)->next;
        free((*list)->member);
        free(*list);
        *list = next;
    }
}

void pretok_batch_clear(struct pretok_batch *b)
{
    pretok_origins_free(&b->over);
    b->count = 0;
    b->last = false;
    if (b->text.room > KEEP)
        pretok_bytes_done(&b->text);
    if (b->raw.room > KEEP)
        pretok_bytes_done(&b->raw);
    if (b->ids.room > KEEP / sizeof *b->ids.ids)
        tok_ids_done(&b->ids);
    b->text.size = b->raw.size = 0;
    b->ids.count = 0;
}

void pretok_batch_done(struct pretok_batch *b)
{
    pretok_origins_free(&b->over);
    pretok_bytes_done(&b->text);
    pretok_bytes_done(&b->raw);
    tok_ids_done(&b->ids);
}

bool pretok_batch_full(const struct pretok_batch *b)
{
    return b->count == PRETOK_BATCH_RECORDS || b->text.size >= PRETOK_BATCH_TEXT ||
           b->raw.size >= PRETOK_BATCH_TEXT;
}
