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
    if (b->fields.room > KEEP)
        pretok_bytes_done(&b->fields);
    b->text.size = b->raw.size = b->fields.size = 0;
    b->ids.count = 0;
}

void pretok_batch_done(struct pretok_batch *b)
{
    pretok_origins_free(&b->over);
    pretok_bytes_done(&b->text);
    pretok_bytes_done(&b->raw);
    pretok_bytes_done(&b->fields);
    tok_ids_done(&b->ids);
}

bool pretok_batch_full(const struct pretok_batch *b)
{
    return b->count == PRETOK_BATCH_RECORDS || b->text.size >= PRETOK_BATCH_TEXT ||
           b->raw.size >= PRETOK_BATCH_TEXT || b->fields.size >= PRETOK_BATCH_TEXT;
}

bool pretok_batch_refuse(struct pretok_batch *b, struct pretok_item *item,
                         enum pretok_reason reason)
{
    struct pretok_record *r = &item->record;
    uint64_t n = r->text_bytes < PRETOK_RAW_LIMIT ? r->text_bytes : PRETOK_RAW_LIMIT;

    item->raw_start = b->raw.size;
    item->keys_start = b->raw.size + n;
    r->reason = reason;
    r->raw_bytes = n;
    r->full_bytes = r->text_bytes;
    return pretok_bytes_append(&b->raw, b->text.at + r->text_start, n) &&
           pretok_bytes_append(&b->raw, "", 1);
}

/* A number, MISSING or the bytes that follow, for each field. */
#define MISSING UINT32_MAX
_Static_assert(PRETOK_FIELDS_LIMIT < MISSING, "a field's length fits");

bool pretok_batch_keep_fields(struct pretok_batch *b, struct pretok_item *item,
                              const struct pretok_record *record)
{
    item->fields_start = b->fields.size;
    for (uint64_t i = 0; i < record->field_count; i++) {
        const struct pretok_field *f = &record->fields[i];
        uint32_t n = f->json ? (uint32_t)f->bytes : MISSING;
        if (!pretok_bytes_append(&b->fields, &n, sizeof n) ||
            (f->json && !pretok_bytes_append(&b->fields, f->json, n)))
            return false;
    }
    return true;
}

struct pretok_field pretok_batch_field(const struct pretok_batch *b, const struct pretok_item *item,
                                       uint64_t index)
{
    const uint8_t *at = b->fields.at + item->fields_start;
    uint32_t n = MISSING;

    if (index >= item->record.field_count)
        return (struct pretok_field){0};
    for (uint64_t i = 0; i <= index; i++) {
        memcpy(&n, at, sizeof n);
        at += sizeof n;
        if (i < index && n != MISSING)
            at += n;
    }
    return n == MISSING ? (struct pretok_field){0} : (struct pretok_field){at, n};
}
