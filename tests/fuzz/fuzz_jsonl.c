/*
 * The JSON lines scanner on any bytes. The first byte tells how the rest is cut into chunks; whole
 * and cut must give the same records, texts must be UTF-8, and the account must balance.
 */
#include <stdlib.h>
#include <string.h>

#include "input/jsonl.h"
#include "input/utf8.h"
#include "ngt/digest.h"
#include "ngt/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct account {
    uint64_t documents, refused, bytes, lines;
    struct ngt_digest_stream *digest;
    tok_utf8_fn check;
};

static void note(struct account *a, enum pretok_event event, const struct pretok_record *r,
                 const struct pretok_bytes *text)
{
    const uint64_t numbers[] = {event, r->record, r->offset, r->reason, r->replaced, r->error_at};

    ngt_digest_stream_add(a->digest, numbers, sizeof numbers);
    if (event == PRETOK_DOCUMENT) {
        a->documents++;
        if (a->check(text->at + r->text_start, r->text_bytes) != r->text_bytes)
            abort();
        ngt_digest_stream_add(a->digest, text->at + r->text_start, r->text_bytes);
        for (uint64_t i = 0; i < r->field_count; i++) {
            const struct pretok_field *f = &r->fields[i];
            struct ngt_json *value = NULL;
            ngt_digest_stream_add(a->digest, &f->bytes, sizeof f->bytes);
            if (!f->json)
                continue;
            ngt_digest_stream_add(a->digest, f->json, f->bytes);
            /* what is kept is JSON, but for what the strict reader alone refuses */
            if (a->check(f->json, f->bytes) != f->bytes || f->bytes == 0 ||
                (f->json[0] >= '0' && f->json[0] <= '9' &&
                 ngt_json_parse((const char *)f->json, f->bytes, "x", &value, NULL) != NGT_OK))
                abort();
            ngt_json_free(&value);
        }
    } else if (event == PRETOK_REFUSED) {
        a->refused++;
        if (r->raw_bytes > PRETOK_RAW_LIMIT || r->raw_bytes > r->full_bytes)
            abort();
        ngt_digest_stream_add(a->digest, r->raw, r->raw_bytes);
    } else {
        abort(); /* no memory for so little */
    }
}

static struct account scan(struct pretok_jsonl *j, const uint8_t *data, size_t size, size_t step)
{
    struct account a = {.digest = ngt_digest_stream_new64(), .check = tok_utf8_check()};
    struct pretok_bytes text = {0};
    struct pretok_record r;
    enum pretok_event event;

    pretok_jsonl_start(j, true);
    for (size_t at = 0; at < size;) {
        const uint8_t *p = data + at, *end = size - at < step ? data + size : p + step;
        at = (size_t)(end - data);
        while ((event = pretok_jsonl_next(j, &p, end, &text, &r)) != PRETOK_MORE)
            note(&a, event, &r, &text);
        if (p != end)
            abort();
    }
    if ((event = pretok_jsonl_end(j, &text, &r)) != PRETOK_MORE)
        note(&a, event, &r, &text);
    a.lines = pretok_jsonl_lines(j);
    if (a.documents + a.refused > a.lines)
        abort();
    pretok_bytes_done(&text);
    return a;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const fields[] = {"a", "a.b", "a.c.d", "text"};
    struct pretok_template text = {0};
    struct pretok_jsonl_config config = {.wanted = {.text = &text, .fields = fields},
                                         .max_text_bytes = 64};
    struct pretok_jsonl *j = NULL;
    enum ngt_status status;

    if (size < 1)
        return 0;
    if (data[0] & 0x20)
        config.wanted.field_count = 4;
    if (data[0] & 0x40)
        status = pretok_template_parse("{a.b?: }<{text}>{a.c?}", &text, NULL);
    else
        status = pretok_template_of_key(data[0] & 0x80 ? "text" : "a.b", &text, NULL);
    if (status != NGT_OK || pretok_jsonl_new(&config, &j, NULL) != NGT_OK)
        abort();
    struct account whole = scan(j, data + 1, size - 1, size);
    struct account cut = scan(j, data + 1, size - 1, (data[0] & 0x1F) + 1u);
    if (whole.documents != cut.documents || whole.refused != cut.refused ||
        whole.lines != cut.lines ||
        ngt_digest_stream_value64(whole.digest) != ngt_digest_stream_value64(cut.digest))
        abort();
    ngt_digest_stream_free(&whole.digest);
    ngt_digest_stream_free(&cut.digest);
    pretok_jsonl_free(&j);
    pretok_template_done(&text);
    return 0;
}
