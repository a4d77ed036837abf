#include "unit_input.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/remote_inputs.h"
#include "remote/url.h"

#define HERE NGT_NO_POS, NGT_NO_POS

/* ---- opening ---- */

enum ngt_status pretok_unit_input_changed(const struct pretok_unit_input *u, const char *how,
                                          struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_MISMATCH, u->in->path, HERE,
                    "changed since it was planned (%s); use another folder", how);
}

/* Reads the file to its end and takes nothing of it. */
static enum ngt_status try_rows(const struct pretok_parquet_config *config,
                                struct ngt_error *reterr)
{
    struct pretok_parquet *p = NULL;
    struct pretok_bytes text = {0};
    struct pretok_record record;
    enum pretok_event event = PRETOK_DOCUMENT;
    enum ngt_status status = pretok_parquet_open(config, &p, reterr);

    while (status == NGT_OK && event != PRETOK_MORE) {
        text.size = 0;
        status = pretok_parquet_next(p, &text, &record, &event, reterr);
    }
    pretok_bytes_done(&text);
    pretok_parquet_close(&p);
    return status;
}

static enum ngt_status compare(const struct pretok_unit_input *u, const struct pretok_input *now,
                               struct ngt_error *reterr)
{
    if (now->size != u->in->size)
        return pretok_unit_input_changed(u, "its size", reterr);
    if (now->head_tail != u->in->head_tail)
        return pretok_unit_input_changed(u, "its content", reterr);
    if (now->mtime != u->in->mtime)
        return pretok_unit_input_changed(u, "its time of modification", reterr);
    return NGT_OK;
}

/* Is it what was planned? An ETag is proven with every answer anyway. A file stays open, as
 * place->opened: what was looked at is what is read, and small files are opened once. */
static enum ngt_status check_same(const struct pretok_unit_input *u, struct pretok_place *place,
                                  struct ngt_error *reterr)
{
    const struct pretok_input *in = u->in;
    struct pretok_input now = {0};
    enum ngt_status status;

    if (!pretok_url_is(in->path)) {
        status = pretok_input_probe_open(in->path, &now, &place->opened, reterr);
        if (status == NGT_OK && place->opened == 0)
            close(0); /* somebody closed standard input; 0 says that nothing is open */
    } else if (in->etag) {
        return NGT_OK;
    } else {
        status = pretok_remote_input_probe(u->config->remote, in->address ? in->address : in->path,
                                           &now, reterr);
        free(now.etag);
    }
    if (status == NGT_OK)
        status = compare(u, &now, reterr);
    if (status != NGT_OK && place->opened) {
        close(place->opened);
        place->opened = 0;
    }
    return status;
}

static struct pretok_place place_of(const struct pretok_unit_input *u)
{
    const struct pretok_input *in = u->in;

    return (struct pretok_place){
        .path = in->path, .address = in->address, .etag = in->etag, .remote = u->config->remote};
}

enum ngt_status pretok_unit_input_open(struct pretok_unit_input *u, const struct pretok_input *in,
                                       struct pretok_ahead *ahead, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    u->in = in;
    struct pretok_stream_config config = {
        .place = place_of(u), .bytes = UINT64_MAX, .max_expansion = u->config->max_expansion};
    if (in->path) {
        status = check_same(u, &config.place, reterr);
        if (status != NGT_OK)
            return status;
        config.bytes = in->size;
        config.ahead = ahead;
    }
    if (u->unit->part) {
        config.start = u->unit->start;
        config.bytes = u->unit->bytes;
        config.plain = in->plain;
        config.no_archive = true;
    }
    struct pretok_parquet_config parquet = {.place = config.place,
                                            .text_key = u->config->wanted.text->parts[0].path,
                                            .max_text_bytes = u->config->max_doc_bytes,
                                            .max_expansion = u->config->max_expansion};
    const bool rows = in->format == PRETOK_FORMAT_PARQUET;
    if (u->config->drop_lost && (rows || !in->plain)) {
        uint64_t bytes = 0;
        status = rows ? try_rows(&parquet, reterr) : pretok_stream_drain(&config, &bytes, reterr);
        config.place.opened = parquet.place.opened = 0; /* the first pass took it over */
    }
    if (status != NGT_OK)
        return status;
    return rows ? pretok_parquet_open(&parquet, &u->parquet, reterr)
                : pretok_stream_open(&config, &u->stream, reterr);
}

bool pretok_unit_input_is_open(const struct pretok_unit_input *u)
{
    return u->stream || u->parquet;
}

uint64_t pretok_unit_input_stored(const struct pretok_unit_input *u)
{
    return u->parquet  ? pretok_parquet_stored(u->parquet)
           : u->stream ? pretok_stream_stored(u->stream)
                       : 0;
}

struct ngt_digest128 pretok_unit_input_digest(const struct pretok_unit_input *u)
{
    return u->parquet  ? pretok_parquet_digest(u->parquet)
           : u->stream ? pretok_stream_digest(u->stream)
                       : (struct ngt_digest128){0};
}

void pretok_unit_input_close(struct pretok_unit_input *u)
{
    pretok_stream_close(&u->stream);
    pretok_stream_close(&u->tail);
    pretok_parquet_close(&u->parquet);
    u->at = u->end = NULL;
}

/* ---- the bytes of records ---- */

/* Some frames of a zstd file, which begin and end where they like. */
static bool is_frames(const struct pretok_unit_input *u)
{
    return u->unit->part && !u->in->plain;
}

void pretok_unit_input_begin(struct pretok_unit_input *u)
{
    u->skipping = is_frames(u) && u->unit->start != 0;
    u->skipped = 0;
    u->tail_done = false;
    u->at = u->end = NULL;
    u->drained = false;
}

static enum ngt_status open_tail(struct pretok_unit_input *u, struct ngt_error *reterr)
{
    uint64_t end = u->unit->start + u->unit->bytes;
    struct pretok_stream_config config = {.place = place_of(u),
                                          .start = end,
                                          .bytes = u->in->size - end,
                                          .no_archive = true,
                                          .max_expansion = u->config->max_expansion};
    const char *member;
    bool more;
    enum ngt_status status = pretok_stream_open(&config, &u->tail, reterr);

    return status == NGT_OK ? pretok_stream_next(u->tail, &more, &member, reterr) : status;
}

enum ngt_status pretok_unit_input_more(struct pretok_unit_input *u, struct ngt_error *reterr)
{
    const bool cut = is_frames(u) && u->unit->start + u->unit->bytes < u->in->size;
    enum ngt_status status = NGT_OK;
    uint64_t n = 0;

    u->at = u->end = NULL;
    while (!u->tail) {
        status = pretok_stream_read(u->stream, &u->at, &n, reterr);
        if (status != NGT_OK)
            return status;
        if (n == 0 && cut && !u->skipping) { /* else no record begins here */
            status = open_tail(u, reterr);
            if (status != NGT_OK)
                return status;
            break;
        }
        u->end = u->at + n;
        if (n == 0 || !u->skipping)
            return NGT_OK;
        const uint8_t *newline = memchr(u->at, '\n', n);
        const uint8_t *from = newline ? newline + 1 : u->end;
        u->skipped += (uint64_t)(from - u->at);
        u->at = from;
        u->skipping = !newline;
        if (u->at < u->end)
            return NGT_OK;
    }
    if (u->tail_done)
        return NGT_OK;
    status = pretok_stream_read(u->tail, &u->at, &n, reterr);
    if (status != NGT_OK)
        return status;
    const uint8_t *newline = n ? memchr(u->at, '\n', n) : NULL;
    u->tail_done = newline || n == 0;
    u->end = newline ? newline + 1 : u->at + n;
    return NGT_OK;
}
