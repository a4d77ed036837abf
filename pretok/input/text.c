#include "input/text.h"

#include <string.h>

#include "input/utf8.h"

enum ngt_status pretok_text_read(struct pretok_stream *stream, tok_utf8_fn check,
                                 uint64_t max_bytes, struct pretok_bytes *text,
                                 struct pretok_bytes *raw, struct pretok_record *ret_record,
                                 struct ngt_error *reterr)
{
    uint64_t start = text->size, total = 0, n = 0;
    const uint8_t *at = NULL;
    enum ngt_status status;

    ngt_error_clear(reterr);
    *ret_record = (struct pretok_record){.record = 1, .text_start = start, .keys = ""};
    raw->size = 0;
    do {
        status = pretok_stream_read(stream, &at, &n, reterr);
        if (status != NGT_OK)
            goto out;
        uint64_t keep = PRETOK_RAW_LIMIT - raw->size;
        if (!pretok_bytes_append(raw, at, keep < n ? keep : n))
            goto nomem;
        total += n;
        if (total > max_bytes)
            text->size = start; /* the rest is only counted */
        else if (!pretok_bytes_append(text, at, n))
            goto nomem;
    } while (n);

    ret_record->full_bytes = total;
    if (total > max_bytes) {
        ret_record->reason = PRETOK_TOO_LONG;
        ret_record->raw = raw->at;
        ret_record->raw_bytes = raw->size;
        goto out;
    }
    if (text->size - start >= 3 && memcmp(text->at + start, "\xEF\xBB\xBF", 3) == 0) {
        memmove(text->at + start, text->at + start + 3, text->size - start - 3);
        text->size -= 3;
        ret_record->offset = 3;
    }
    if (!pretok_utf8_repair(text, start, check, &ret_record->replaced))
        goto nomem;
    ret_record->text_bytes = text->size - start;
    goto out;
nomem:
    status =
        ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                 "out of memory for a document of more than %llu bytes", (unsigned long long)total);
out:
    if (status != NGT_OK || ret_record->reason != PRETOK_ACCEPTED)
        text->size = start;
    return status;
}
