#include "batch.h"

#include <stdlib.h>
#include <string.h>

/* Kept from batch to batch; beyond, it was a giant document's. */
#define KEEP (8u << 20)

void pretok_batch_clear(struct pretok_batch *b)
{
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
    pretok_bytes_done(&b->text);
    pretok_bytes_done(&b->raw);
    tok_ids_done(&b->ids);
}

bool pretok_batch_full(const struct pretok_batch *b)
{
    return b->count == PRETOK_BATCH_RECORDS || b->text.size >= PRETOK_BATCH_TEXT ||
           b->raw.size >= PRETOK_BATCH_TEXT;
}
