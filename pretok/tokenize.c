#include "tokenize.h"

#include "roundtrip.h"

#define HERE NGT_NO_POS, NGT_NO_POS

enum ngt_status pretok_tokenize(const struct pretok_writer_config *c, struct tok_scratch *scratch,
                                struct pretok_bytes *spelling, struct pretok_batch *b,
                                struct ngt_error *error)
{
    /* room for nearly any text at once: growing would copy; pages that are not used cost nothing */
    enum ngt_status reserved = tok_ids_reserve(&b->ids, b->text.size / 2 + 2 * b->count, error);
    if (reserved != NGT_OK)
        return reserved;
    for (uint64_t i = 0; i < b->count; i++) {
        struct pretok_item *item = &b->items[i];
        struct tok_counts counts = {0};
        enum ngt_status status;

        if (item->record.reason != PRETOK_ACCEPTED || item->record.filtered)
            continue;
        item->record.filtered = pretok_filter_text(&c->filter, b->text.at + item->record.text_start,
                                                   item->record.text_bytes);
        if (item->record.filtered)
            continue;
        if (c->text_hashes)
            item->text_hash =
                ngt_digest128(b->text.at + item->record.text_start, item->record.text_bytes);
        item->ids_start = b->ids.count;
        status = tok_ids_reserve(&b->ids, 2, error);
        if (status != NGT_OK)
            return status;
        if (c->bos)
            b->ids.ids[b->ids.count++] = c->bos_id;
        status =
            tok_encode(c->tokenizer, scratch, (const char *)b->text.at + item->record.text_start,
                       item->record.text_bytes, &b->ids, &counts, error);
        if (status == NGT_E_DATA) { /* this text, not the run: keep its beginning */
            b->ids.count = item->ids_start;
            if (!pretok_batch_refuse(b, item, PRETOK_TOKENIZER))
                return ngt_fail(error, NGT_E_NOMEM, NULL, HERE, "out of memory");
            ngt_error_clear(error);
            continue;
        }
        if (status == NGT_OK)
            status = tok_ids_reserve(&b->ids, 1, error);
        if (status != NGT_OK)
            return status;
        uint64_t first = item->ids_start + c->bos;
        bool same = true;
        if (c->verify_roundtrip &&
            !pretok_roundtrip(tok_vocabulary(c->tokenizer), b->ids.ids + first,
                              b->ids.count - first, b->text.at + item->record.text_start,
                              item->record.text_bytes, spelling, &same))
            return ngt_fail(error, NGT_E_NOMEM, NULL, HERE, "out of memory");
        item->not_back = !same;
        if (c->eos)
            b->ids.ids[b->ids.count++] = c->eos_id;
        item->ids_count = b->ids.count - item->ids_start;
        item->record.filtered = pretok_filter_ids(&c->filter, item->ids_count - c->bos - c->eos);
        item->special = counts.special_strings;
    }
    return NGT_OK;
}
