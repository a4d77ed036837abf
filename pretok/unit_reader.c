#include "unit_reader.h"

#include <stdlib.h>
#include <string.h>

#include "input/ahead_source.h"
#include "input/jsonl.h"
#include "input/stream.h"
#include "input/text.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define AHEAD_FROM (UINT64_C(4) << 20) /* stored bytes: a smaller input is soon over */

/*
 *   next input -> stream -> next member -> records ... -> end of member -> ... -> end of input
 *
 * `stream` NULL: between inputs; `origin` NULL: between members.
 */
struct pretok_unit_reader {
    struct pretok_unit_reader_config config;
    const struct pretok_unit *unit;
    uint64_t input; /* index of the current one, within the unit */
    uint64_t records, stored_before;

    struct pretok_ahead *ahead; /* set before others see the reader; NULL: no input calls for it */
    struct pretok_stream *stream, *tail; /* tail: the frames behind a part, for its last record */
    bool skipping;                       /* a part's first bytes belong to the record before */
    uint64_t skipped;                    /* so many */
    bool tail_done;
    struct pretok_origin *origin;
    enum pretok_format format; /* of the member */
    struct pretok_jsonl *jsonl;
    const uint8_t *at, *end; /* what is left of the last chunk */
    struct pretok_bytes raw; /* first bytes of a text file */

    struct pretok_origin *origins; /* all of them */
    struct pretok_receipt_source *sources;
    uint64_t source_count;
};

static bool wants_ahead(const struct pretok_unit_reader *r)
{
    const struct pretok_inputs *inputs = &r->config.plan->inputs;

    for (uint64_t i = 0; i < r->unit->input_count && r->config.ahead; i++) {
        const struct pretok_input *in = &inputs->items[r->unit->first_input + i];
        if (!in->plain && in->size >= AHEAD_FROM)
            return true;
    }
    return false;
}

enum ngt_status pretok_unit_reader_new(const struct pretok_unit_reader_config *config,
                                       struct pretok_unit_reader **ret_reader,
                                       struct ngt_error *reterr)
{
    struct pretok_unit_reader *r = calloc(1, sizeof *r);
    struct pretok_jsonl_config jsonl = {.wanted = config->wanted,
                                        .max_text_bytes = config->max_doc_bytes};
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!r)
        goto nomem;
    r->config = *config;
    r->unit = &config->plan->units[config->unit - 1];
    r->sources = calloc(r->unit->input_count, sizeof *r->sources);
    if (!r->sources || (wants_ahead(r) && !(r->ahead = pretok_ahead_new())))
        goto nomem;
    status = pretok_jsonl_new(&jsonl, &r->jsonl, reterr);
    goto out;
nomem:
    status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for a reader");
out:
    if (status == NGT_OK)
        *ret_reader = r;
    else
        pretok_unit_reader_free(&r);
    return status;
}

void pretok_unit_reader_free(struct pretok_unit_reader **reader)
{
    struct pretok_unit_reader *r = *reader;

    if (!r)
        return;
    pretok_stream_close(&r->stream);
    pretok_stream_close(&r->tail);
    pretok_ahead_free(&r->ahead);
    pretok_jsonl_free(&r->jsonl);
    pretok_bytes_done(&r->raw);
    while (r->origins) {
        struct pretok_origin *next = r->origins->next;
        free(r->origins->member);
        free(r->origins);
        r->origins = next;
    }
    for (uint64_t i = 0; i < r->source_count; i++) {
        free(r->sources[i].name);
        free(r->sources[i].lost);
    }
    free(r->sources);
    free(r);
    *reader = NULL;
}

bool pretok_unit_reader_ahead_wanted(struct pretok_unit_reader *r)
{
    return r->ahead && pretok_ahead_wanted(r->ahead);
}

void pretok_unit_reader_ahead(struct pretok_unit_reader *r)
{
    if (r->ahead)
        pretok_ahead_work(r->ahead);
}

uint64_t pretok_unit_reader_records(const struct pretok_unit_reader *r)
{
    return r->records;
}

const struct pretok_receipt_source *pretok_unit_reader_sources(const struct pretok_unit_reader *r,
                                                               uint64_t *ret_count)
{
    *ret_count = r->source_count;
    return r->sources;
}

static const struct pretok_input *input_of(const struct pretok_unit_reader *r)
{
    return &r->config.plan->inputs.items[r->unit->first_input + r->input];
}

/* Some frames of a zstd file, which begin and end where they like. */
static bool is_frames(const struct pretok_unit_reader *r)
{
    return r->unit->part && !input_of(r)->plain;
}

static struct pretok_receipt_source *source_of(struct pretok_unit_reader *r)
{
    return &r->sources[r->source_count - 1];
}

static enum ngt_status no_memory(const struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, input_of(r)->name, HERE,
                    "out of memory for a document; --max-doc-bytes bounds them");
}

/* ---- inputs ---- */

static enum ngt_status changed(const struct pretok_input *in, const char *how,
                               struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_MISMATCH, in->path, HERE,
                    "changed since it was planned (%s); use another folder", how);
}

static enum ngt_status open_input(struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    const struct pretok_input *in = input_of(r);
    struct pretok_stream_config config = {.path = in->path, .bytes = UINT64_MAX};
    struct pretok_input now = {0};
    struct pretok_receipt_source *s = &r->sources[r->source_count++];
    enum ngt_status status;

    s->name = strdup(in->name);
    s->start = r->unit->part ? r->unit->start : 0;
    if (!s->name)
        return no_memory(r, reterr);
    if (in->path) {
        status = pretok_input_probe(in->path, &now, reterr);
        if (status != NGT_OK)
            return status;
        if (now.size != in->size)
            return changed(in, "its size", reterr);
        if (now.head_tail != in->head_tail)
            return changed(in, "its content", reterr);
        if (now.mtime != in->mtime)
            return changed(in, "its time of modification", reterr);
        config.bytes = in->size;
        if (in->size >= AHEAD_FROM)
            config.ahead = r->ahead;
    }
    if (r->unit->part) {
        config.start = r->unit->start;
        config.bytes = r->unit->bytes;
        config.plain = in->plain;
        config.no_archive = true;
    }
    return pretok_stream_open(&config, &r->stream, reterr);
}

/* Notes what was read; the input is over, whole or not. */
static void close_input(struct pretok_unit_reader *r)
{
    struct pretok_receipt_source *s = source_of(r);

    if (r->stream) {
        s->stored_bytes = pretok_stream_stored(r->stream);
        s->hash = pretok_stream_digest(r->stream);
        r->stored_before += s->stored_bytes;
    }
    pretok_stream_close(&r->stream);
    pretok_stream_close(&r->tail);
    r->origin = NULL;
    r->at = r->end = NULL;
    r->input++;
}

/* A failure of the source itself: what was read stays, the rest is told. Else the failure. */
static enum ngt_status lose_input(struct pretok_unit_reader *r, enum ngt_status status,
                                  struct ngt_error *reterr)
{
    if (status != NGT_E_DATA && status != NGT_E_IO && status != NGT_E_UNSUPPORTED)
        return status;
    source_of(r)->lost = strdup(reterr->message);
    if (!source_of(r)->lost)
        return no_memory(r, reterr);
    ngt_error_clear(reterr);
    close_input(r);
    return NGT_OK;
}

/* ---- members ---- */

static enum ngt_status begin_member(struct pretok_unit_reader *r, const char *member,
                                    struct ngt_error *reterr)
{
    const struct pretok_input *in = input_of(r);
    struct pretok_origin *o = calloc(1, sizeof *o);
    bool archive = false;

    if (!o || (member && !(o->member = strdup(member)))) {
        free(o);
        return no_memory(r, reterr);
    }
    o->name = in->name;
    o->start = r->unit->part ? r->unit->text_start : 0;
    o->next = r->origins;
    o->number = r->origins ? r->origins->number + 1 : 0;
    r->origins = r->origin = o;
    r->format = in->format;
    if (r->format == PRETOK_FORMAT_AUTO &&
        (!pretok_format_of_name(member ? member : in->name, &r->format, &archive) || archive ||
         r->format > PRETOK_FORMAT_TEXT))
        return ngt_fail(reterr, NGT_E_MISMATCH, in->name, HERE,
                        "%s: its name does not tell a format that this build reads; give "
                        "--input-format, or leave it out with --exclude",
                        member ? member : "no archive");
    pretok_jsonl_start(r->jsonl, o->start == 0);
    r->skipping = is_frames(r) && r->unit->start != 0;
    r->skipped = 0;
    r->tail_done = false;
    r->at = r->end = NULL;
    return NGT_OK;
}

/* As in a folder: what begins with a dot, and what --exclude says. */
static bool passed_over(const struct pretok_unit_reader *r, const char *member)
{
    const char *slash = strrchr(member, '/');

    return (slash ? slash[1] : member[0]) == '.' ||
           pretok_name_matches(member, r->config.exclude, r->config.exclude_count);
}

static enum ngt_status next_member(struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    const char *member = NULL;
    bool more = true;
    enum ngt_status status;

    do
        status = pretok_stream_next(r->stream, &more, &member, reterr);
    while (status == NGT_OK && more && member && passed_over(r, member));
    if (status != NGT_OK)
        return lose_input(r, status, reterr);
    if (more)
        return begin_member(r, member, reterr);
    const struct pretok_input *in = input_of(r);
    uint64_t want = r->unit->part ? r->unit->bytes : in->size;
    if (in->path && pretok_stream_stored(r->stream) != want)
        return changed(in, "its size, while it was read", reterr);
    close_input(r);
    return NGT_OK;
}

/* ---- records ---- */

static bool keep(struct pretok_batch *b, const void *bytes, uint64_t n, uint64_t *ret_start)
{
    *ret_start = b->raw.size;
    return pretok_bytes_append(&b->raw, bytes, n);
}

static enum ngt_status add_item(struct pretok_unit_reader *r, struct pretok_batch *b,
                                const struct pretok_record *record, struct ngt_error *reterr)
{
    struct pretok_item *item = &b->items[b->count];

    *item = (struct pretok_item){.origin = r->origin, .record = *record};
    item->record.offset += r->skipped;
    item->record.error_at += r->skipped;
    if (record->reason != PRETOK_ACCEPTED &&
        (!keep(b, record->raw, record->raw_bytes, &item->raw_start) ||
         !keep(b, record->keys, strlen(record->keys) + 1, &item->keys_start)))
        return no_memory(r, reterr);
    if (record->reason == PRETOK_ACCEPTED && !pretok_batch_keep_fields(b, item, record))
        return no_memory(r, reterr);
    b->count++;
    r->records++;
    source_of(r)->records++;
    return NGT_OK;
}

static enum ngt_status read_text(struct pretok_unit_reader *r, struct pretok_batch *b,
                                 struct ngt_error *reterr)
{
    struct pretok_record record;
    enum ngt_status status =
        pretok_text_read(r->stream, r->config.max_doc_bytes, &b->text, &r->raw, &record, reterr);

    if (status != NGT_OK)
        return lose_input(r, status, reterr);
    status = add_item(r, b, &record, reterr);
    r->origin = NULL;
    return status;
}

static enum ngt_status open_tail(struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    const struct pretok_input *in = input_of(r);
    uint64_t end = r->unit->start + r->unit->bytes;
    struct pretok_stream_config config = {
        .path = in->path, .start = end, .bytes = in->size - end, .no_archive = true};
    const char *member;
    bool more;
    enum ngt_status status = pretok_stream_open(&config, &r->tail, reterr);

    return status == NGT_OK ? pretok_stream_next(r->tail, &more, &member, reterr) : status;
}

/* More bytes of lines; r->at == r->end after it: there are none. */
static enum ngt_status more_bytes(struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    const bool cut = is_frames(r) && r->unit->start + r->unit->bytes < input_of(r)->size;
    enum ngt_status status = NGT_OK;
    uint64_t n = 0;

    r->at = r->end = NULL;
    while (!r->tail) {
        status = pretok_stream_read(r->stream, &r->at, &n, reterr);
        if (status != NGT_OK)
            return status;
        if (n == 0 && cut && !r->skipping) { /* else no record begins here */
            status = open_tail(r, reterr);
            if (status != NGT_OK)
                return status;
            break;
        }
        r->end = r->at + n;
        if (n == 0 || !r->skipping)
            return NGT_OK;
        const uint8_t *newline = memchr(r->at, '\n', n);
        const uint8_t *from = newline ? newline + 1 : r->end;
        r->skipped += (uint64_t)(from - r->at);
        r->at = from;
        r->skipping = !newline;
        if (r->at < r->end)
            return NGT_OK;
    }
    if (r->tail_done)
        return NGT_OK;
    status = pretok_stream_read(r->tail, &r->at, &n, reterr);
    if (status != NGT_OK)
        return status;
    const uint8_t *newline = n ? memchr(r->at, '\n', n) : NULL;
    r->tail_done = newline || n == 0;
    r->end = newline ? newline + 1 : r->at + n;
    return NGT_OK;
}

/* Until the batch is full or the member ends. Never ends inside a record: its text is in b. */
static enum ngt_status read_lines(struct pretok_unit_reader *r, struct pretok_batch *b,
                                  struct ngt_error *reterr)
{
    uint64_t whole = b->text.size; /* end of the last complete text */

    for (;;) {
        struct pretok_record record;
        enum pretok_event event = PRETOK_MORE;
        bool ended = false;

        if (r->at == r->end) {
            enum ngt_status status = more_bytes(r, reterr);
            if (status != NGT_OK) {
                source_of(r)->lines += pretok_jsonl_lines(r->jsonl);
                b->text.size = whole; /* the record that was cut is none */
                return lose_input(r, status, reterr);
            }
            ended = r->at == r->end;
        }
        event = ended ? pretok_jsonl_end(r->jsonl, &b->text, &record)
                      : pretok_jsonl_next(r->jsonl, &r->at, r->end, &b->text, &record);
        if (event == PRETOK_NOMEM)
            return no_memory(r, reterr);
        if (event != PRETOK_MORE) {
            enum ngt_status status = add_item(r, b, &record, reterr);
            if (status != NGT_OK)
                return status;
            whole = b->text.size;
        }
        if (ended) {
            source_of(r)->lines += pretok_jsonl_lines(r->jsonl);
            r->origin = NULL;
            return NGT_OK;
        }
        if (event != PRETOK_MORE && (pretok_batch_full(b) || r->records >= r->config.limit))
            return NGT_OK;
    }
}

enum ngt_status pretok_unit_reader_fill(struct pretok_unit_reader *r, struct pretok_batch *batch,
                                        struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    while (status == NGT_OK && !pretok_batch_full(batch)) {
        if (r->records >= r->config.limit) {
            if (r->stream) {
                source_of(r)->lines += r->origin ? pretok_jsonl_lines(r->jsonl) : 0;
                close_input(r);
            }
            batch->last = true;
            break;
        }
        if (!r->stream) {
            if (r->input == r->unit->input_count) {
                batch->last = true;
                break;
            }
            status = open_input(r, reterr);
            if (status != NGT_OK)
                status = lose_input(r, status, reterr);
        } else if (!r->origin) {
            status = next_member(r, reterr);
        } else if (r->format == PRETOK_FORMAT_TEXT) {
            status = read_text(r, batch, reterr);
        } else {
            status = read_lines(r, batch, reterr);
        }
    }
    batch->stored = r->stored_before + (r->stream ? pretok_stream_stored(r->stream) : 0);
    return status;
}
