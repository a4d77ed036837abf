/* pretok encode: a look at what a tokenizer does. A document a line in, a line a document out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "input/stream.h"
#include "input/utf8.h"
#include "remote/url.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define ID_ROOM 11 /* a space and ten digits */
#define PART 65536 /* bytes printed at a time */

struct encode {
    const struct pretok_options *options;
    struct tok_tokenizer *tokenizer;
    struct pretok_remote *remote;
    struct tok_scratch *scratch;
    struct tok_ids ids;
    tok_utf8_fn check;
    struct pretok_bytes text; /* a document that is not complete yet */
    struct pretok_bytes line; /* a part of what is printed for it */
};

/* A space and the digits of an id. */
static uint64_t put_id(uint32_t id, uint8_t out[ID_ROOM])
{
    uint8_t digits[ID_ROOM];
    uint64_t n = 0, size = 0;

    do {
        digits[n++] = (uint8_t)('0' + id % 10);
        id /= 10;
    } while (id);
    out[size++] = ' ';
    while (n)
        out[size++] = digits[--n];
    return size;
}

static void flush(struct encode *e)
{
    fwrite(e->line.at, 1, e->line.size, stdout);
    e->line.size = 0;
}

/* Prints the ids, in parts: the line of a giant document is as long as its text. */
static bool put_line(struct encode *e)
{
    uint8_t text[ID_ROOM];
    bool room = true;

    for (uint64_t i = 0; i < e->ids.count && room; i++) {
        uint32_t id = e->ids.ids[i];
        if (e->options->pieces) {
            uint64_t n;
            const char *name = tok_name(e->tokenizer, id, &n);
            room = pretok_bytes_append(&e->line, (const uint8_t *)" ", i != 0) &&
                   pretok_bytes_append(&e->line, (const uint8_t *)name, n);
        } else {
            uint64_t n = put_id(id, text);
            room = pretok_bytes_append(&e->line, text + (i == 0), n - (i == 0));
        }
        if (e->line.size >= PART)
            flush(e);
    }
    room = room && pretok_bytes_append(&e->line, (const uint8_t *)"\n", 1);
    flush(e);
    return room;
}

static enum ngt_status one(struct encode *e, struct ngt_error *reterr)
{
    uint64_t replaced = 0;
    enum ngt_status status;

    if (!pretok_utf8_repair(&e->text, 0, e->check, &replaced))
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    e->ids.count = 0;
    status = tok_encode(e->tokenizer, e->scratch, (const char *)e->text.at, e->text.size, &e->ids,
                        NULL, reterr);
    e->text.size = 0;
    if (status == NGT_OK && !put_line(e))
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    return status;
}

static enum ngt_status add(struct encode *e, const uint8_t *at, uint64_t n,
                           struct ngt_error *reterr)
{
    if (!pretok_bytes_append(&e->text, at, n))
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    return NGT_OK;
}

static enum ngt_status one_member(struct encode *e, struct pretok_stream *stream,
                                  struct ngt_error *reterr)
{
    const uint8_t end = e->options->nul ? '\0' : '\n';
    const uint8_t *at = NULL;
    uint64_t n = 1;
    bool pending = false;
    enum ngt_status status = NGT_OK;

    while (status == NGT_OK && n) {
        status = pretok_stream_read(stream, &at, &n, reterr);
        uint64_t from = 0;
        const uint8_t *stop;
        while (status == NGT_OK && from < n && (stop = memchr(at + from, end, n - from)) != NULL) {
            uint64_t i = (uint64_t)(stop - at);
            status = add(e, at + from, i - from, reterr);
            if (status == NGT_OK && !e->options->nul && e->text.size &&
                e->text.at[e->text.size - 1] == '\r')
                e->text.size--;
            if (status == NGT_OK)
                status = one(e, reterr);
            from = i + 1;
            pending = false;
        }
        if (status == NGT_OK && n > from) {
            status = add(e, at + from, n - from, reterr);
            pending = true;
        }
    }
    if (status == NGT_OK && pending)
        status = one(e, reterr);
    return status;
}

static enum ngt_status one_file(struct encode *e, const char *path, struct ngt_error *reterr)
{
    char *shown = path ? pretok_url_shown(path) : NULL;
    struct pretok_stream_config config = {
        .place = {.path = shown, .address = path, .remote = e->remote}, .bytes = UINT64_MAX};
    struct pretok_stream *stream = NULL;
    const char *member;
    bool more = true;
    enum ngt_status status = path && !shown
                                 ? ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory")
                                 : pretok_stream_open(&config, &stream, reterr);

    while (status == NGT_OK && more) {
        status = pretok_stream_next(stream, &more, &member, reterr);
        if (status == NGT_OK && more)
            status = one_member(e, stream, reterr);
    }
    pretok_stream_close(&stream);
    free(shown);
    return status;
}

int pretok_cmd_encode(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console)
{
    struct encode e = {.options = o, .check = tok_utf8_check()};
    struct ngt_error error;
    enum ngt_status status = pretok_options_tokenizer(o, &e.tokenizer, &error);

    if (status == NGT_OK)
        status = tok_scratch_new(e.tokenizer, &e.scratch, &error);
    if (status == NGT_OK)
        status = pretok_options_remote(o, NULL, &e.remote, &error);
    if (status == NGT_OK && operands->count == 0)
        status = one_file(&e, NULL, &error);
    for (uint64_t i = 0; i < operands->count && status == NGT_OK; i++) {
        const char *path = operands->items[i];
        status = one_file(&e, path[0] == '-' && !path[1] ? NULL : path, &error);
    }
    int code = pretok_exit(console, status, &error);
    tok_scratch_free(&e.scratch);
    tok_close(&e.tokenizer);
    pretok_remote_free(&e.remote);
    tok_ids_done(&e.ids);
    pretok_bytes_done(&e.text);
    pretok_bytes_done(&e.line);
    return code;
}
