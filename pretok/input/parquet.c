#include "input/parquet.h"

#include <stdlib.h>

#define HERE NGT_NO_POS, NGT_NO_POS

#ifdef PRETOK_HAVE_PARQUET

#include <unistd.h>

#include "input/parquet_shim.h"
#include "input/source.h"
#include "input/utf8.h"
#include "remote/spool.h"
#include "remote/url.h"

#define ROWS 512u
#define ROW_BYTES 8u /* what a row counts at least: billions of nulls take a few bytes, too */
/* A page with one value of the largest size, compressed and not, and the buffers around it. */
#define MEMORY_BASE (64u << 20)

struct pretok_parquet {
    struct pretok_parquet_config config;
    struct parquet_shim *shim;
    tok_utf8_fn check;
    struct parquet_shim_value values[ROWS];
    uint64_t count, next; /* of values */
    uint64_t row;
    uint64_t bytes; /* of values so far, with a few for each row */
    uint64_t stored;
    struct ngt_digest128 digest;
    struct pretok_spool spool; /* of one that lies on another machine */
};

bool pretok_parquet_built(void)
{
    return true;
}

/* The file is not read in order: its hash takes a pass of its own, as with zip. */
static enum ngt_status hash(struct pretok_parquet *p, struct ngt_error *reterr)
{
    const bool remote = pretok_url_is(p->config.place.path);
    struct pretok_source *file = NULL;
    const uint8_t *at;
    uint64_t n = 1;
    enum ngt_status status =
        pretok_place_source_new(&p->config.place, 0, UINT64_MAX, &file, reterr);

    /* the same pass keeps what lies on another machine */
    if (status == NGT_OK && remote)
        status = pretok_spool_new(p->config.place.remote, p->config.place.path, &p->spool, reterr);
    while (status == NGT_OK && n) {
        status = file->read(file, &at, &n, reterr);
        if (status == NGT_OK && remote)
            status = pretok_spool_write(&p->spool, at, n, reterr);
    }
    if (status == NGT_OK) {
        p->stored = pretok_file_source_count(file);
        p->digest = pretok_file_source_digest(file);
    }
    pretok_source_free(&file);
    return status;
}

static enum ngt_status failed(const struct pretok_parquet *p, enum parquet_shim_status status,
                              const char *message, struct ngt_error *reterr)
{
    const char *path = p->config.place.path;

    switch (status) {
    case PARQUET_SHIM_OK:
        return NGT_OK;
    case PARQUET_SHIM_NOMEM:
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory for a Parquet file");
    case PARQUET_SHIM_NO_COLUMN:
        return ngt_fail(reterr, NGT_E_MISMATCH, path, HERE, "%s", message);
    default:
        return ngt_fail(reterr, NGT_E_DATA, path, HERE, "Parquet file cut off or corrupt: %s",
                        message);
    }
}

enum ngt_status pretok_parquet_open(const struct pretok_parquet_config *config,
                                    struct pretok_parquet **ret_parquet, struct ngt_error *reterr)
{
    struct pretok_parquet *p = calloc(1, sizeof *p);
    char message[PARQUET_SHIM_MESSAGE] = "";
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!p) {
        if (config->place.opened)
            close(config->place.opened);
        return ngt_fail(reterr, NGT_E_NOMEM, config->place.path, HERE, "out of memory");
    }
    p->config = *config;
    p->check = tok_utf8_check();
    p->spool.fd = -1;
    status = hash(p, reterr);
    if (status == NGT_OK) {
        uint64_t most =
            config->max_text_bytes < INT64_MAX / 4 ? config->max_text_bytes : INT64_MAX / 4;
        status =
            failed(p,
                   parquet_shim_open(p->spool.fd >= 0 ? p->spool.path : config->place.path,
                                     config->text_key, MEMORY_BASE + 2 * most, &p->shim, message),
                   message, reterr);
    }
    if (status == NGT_OK)
        *ret_parquet = p;
    else
        pretok_parquet_close(&p);
    return status;
}

void pretok_parquet_close(struct pretok_parquet **p)
{
    if (!*p)
        return;
    parquet_shim_close((*p)->shim);
    pretok_spool_close(&(*p)->spool);
    free(*p);
    *p = NULL;
}

enum ngt_status pretok_parquet_next(struct pretok_parquet *p, struct pretok_bytes *text,
                                    struct pretok_record *ret_record, enum pretok_event *ret_event,
                                    struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    *ret_event = PRETOK_MORE;
    if (p->next == p->count) {
        char message[PARQUET_SHIM_MESSAGE] = "";
        p->next = p->count = 0;
        enum parquet_shim_status status =
            parquet_shim_next(p->shim, p->values, ROWS, &p->count, message);
        if (status != PARQUET_SHIM_OK)
            return failed(p, status, message, reterr);
        if (p->count == 0)
            return NGT_OK;
    }
    const struct parquet_shim_value *v = &p->values[p->next];
    p->bytes += v->bytes + ROW_BYTES;
    enum ngt_status status =
        pretok_meter_check(p->bytes, p->stored, p->config.max_expansion, reterr);
    if (status != NGT_OK)
        return status;
    p->next++;
    struct pretok_record *r = ret_record;
    *r = (struct pretok_record){.record = p->row + 1,
                                .offset = p->row,
                                .text_start = text->size,
                                .keys = "",
                                .full_bytes = v->bytes};
    p->row++;
    if (!v->at || v->bytes > p->config.max_text_bytes) {
        r->reason = v->at ? PRETOK_TOO_LONG : PRETOK_NULL;
        r->raw = v->at ? v->at : (const uint8_t *)"";
        r->raw_bytes = v->bytes < PRETOK_RAW_LIMIT ? v->bytes : PRETOK_RAW_LIMIT;
        *ret_event = PRETOK_REFUSED;
        return NGT_OK;
    }
    if (!pretok_bytes_append(text, v->at, v->bytes) ||
        !pretok_utf8_repair(text, r->text_start, p->check, &r->replaced))
        return ngt_fail(reterr, NGT_E_NOMEM, p->config.place.path, NGT_NO_POS, r->record,
                        "out of memory for a document; --max-doc-bytes bounds them");
    r->text_bytes = text->size - r->text_start;
    *ret_event = PRETOK_DOCUMENT;
    return NGT_OK;
}

uint64_t pretok_parquet_rows(const struct pretok_parquet *p)
{
    return p->row;
}

uint64_t pretok_parquet_stored(const struct pretok_parquet *p)
{
    return p->stored;
}

struct ngt_digest128 pretok_parquet_digest(const struct pretok_parquet *p)
{
    return p->digest;
}

#else

struct pretok_parquet {
    char nothing;
};

bool pretok_parquet_built(void)
{
    return false;
}

enum ngt_status pretok_parquet_open(const struct pretok_parquet_config *config,
                                    struct pretok_parquet **ret_parquet, struct ngt_error *reterr)
{
    (void)ret_parquet;
    ngt_error_clear(reterr);
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, config->place.path, HERE, PRETOK_NO_PARQUET);
}

void pretok_parquet_close(struct pretok_parquet **p)
{
    *p = NULL;
}

enum ngt_status pretok_parquet_next(struct pretok_parquet *p, struct pretok_bytes *text,
                                    struct pretok_record *ret_record, enum pretok_event *ret_event,
                                    struct ngt_error *reterr)
{
    (void)p, (void)text, (void)ret_record, (void)ret_event;
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, HERE, PRETOK_NO_PARQUET);
}

uint64_t pretok_parquet_rows(const struct pretok_parquet *p)
{
    (void)p;
    return 0;
}

uint64_t pretok_parquet_stored(const struct pretok_parquet *p)
{
    (void)p;
    return 0;
}

struct ngt_digest128 pretok_parquet_digest(const struct pretok_parquet *p)
{
    (void)p;
    return (struct ngt_digest128){0};
}

#endif
