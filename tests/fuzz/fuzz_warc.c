/*
 * The WARC reader on any bytes. The first byte tells how the rest is cut into chunks; whole and cut
 * must give the same records, which must follow each other without a gap that holds anything but
 * line ends, and texts must be UTF-8.
 */
#include <stdlib.h>
#include <string.h>

#include "input/utf8.h"
#include "input/warc.h"
#include "ngt/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct account {
    uint64_t records, end; /* end: of the last record */
    struct ngt_digest_stream *digest;
    tok_utf8_fn check;
};

static void note(struct account *a, const struct pretok_warc *w, enum pretok_event event,
                 const struct pretok_record *r, const struct pretok_bytes *text,
                 const uint8_t *data, size_t size)
{
    uint64_t fields;
    const struct pretok_warc_field *f = pretok_warc_fields(w, &fields);
    const uint64_t numbers[] = {event,       r->record,   r->offset, r->reason,
                                r->filtered, r->replaced, fields,    r->full_bytes};

    if (event == PRETOK_NOMEM || r->record != ++a->records || r->offset < a->end ||
        r->full_bytes > size - r->offset)
        abort();
    for (uint64_t i = a->end; i < r->offset; i++)
        if (data[i] != '\r' && data[i] != '\n')
            abort();
    a->end = r->offset + r->full_bytes;
    ngt_digest_stream_add(a->digest, numbers, sizeof numbers);
    for (uint64_t i = 0; i < fields; i++) {
        ngt_digest_stream_add(a->digest, f[i].name, strlen(f[i].name));
        ngt_digest_stream_add(a->digest, f[i].value, f[i].bytes);
    }
    if (event == PRETOK_DOCUMENT) {
        if (a->check(text->at + r->text_start, r->text_bytes) != r->text_bytes)
            abort();
        ngt_digest_stream_add(a->digest, text->at + r->text_start, r->text_bytes);
    } else {
        if (r->raw_bytes > PRETOK_RAW_LIMIT || r->raw_bytes > r->full_bytes ||
            memcmp(r->raw, data + r->offset, r->raw_bytes) != 0)
            abort();
        ngt_digest_stream_add(a->digest, r->keys, strlen(r->keys));
    }
}

static struct account scan(struct pretok_warc *w, const uint8_t *data, size_t size, size_t step)
{
    struct account a = {.digest = ngt_digest_stream_new64(), .check = tok_utf8_check()};
    struct pretok_bytes text = {0};
    struct pretok_record r;
    enum pretok_event event;

    pretok_warc_start(w);
    for (size_t at = 0; at < size;) {
        const uint8_t *p = data + at, *end = size - at < step ? data + size : p + step;
        at = (size_t)(end - data);
        while ((event = pretok_warc_next(w, &p, end, false, &text, &r)) != PRETOK_MORE)
            note(&a, w, event, &r, &text, data, size);
        if (p != end)
            abort();
    }
    const uint8_t *p = data + size;
    while ((event = pretok_warc_next(w, &p, p, true, &text, &r)) != PRETOK_MORE)
        note(&a, w, event, &r, &text, data, size);
    for (uint64_t i = a.end; i < size; i++)
        if (data[i] != '\r' && data[i] != '\n')
            abort();
    pretok_bytes_done(&text);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pretok_warc *w = NULL;

    if (size < 1)
        return 0;
    if (pretok_warc_new(data[0] & 0x80 ? 16 : 4096, &w, NULL) != NGT_OK)
        abort();
    struct account whole = scan(w, data + 1, size - 1, size);
    struct account cut = scan(w, data + 1, size - 1, (data[0] & 0x1F) + 1u);
    if (whole.records != cut.records ||
        ngt_digest_stream_value64(whole.digest) != ngt_digest_stream_value64(cut.digest))
        abort();
    ngt_digest_stream_free(&whole.digest);
    ngt_digest_stream_free(&cut.digest);
    pretok_warc_free(&w);
    return 0;
}
