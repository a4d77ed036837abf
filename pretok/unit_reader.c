#include "unit_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "input/ahead_source.h"
#include "input/jsonl.h"
#include "input/text.h"
#include "input/warc.h"
#include "input/warc_fields.h"
#include "unit_input.h"

#define HERE NGT_NO_POS, NGT_NO_POS
/* Members that one batch may pass: of many without a record none would be let go, nor a signal seen. */
#define MEMBERS 4096u
#define AHEAD_FROM (UINT64_C(4) << 20) /* stored bytes: a smaller input is soon over */

/*
 *   next input -> stream -> next member -> records ... -> end of member -> ... -> end of input
 *
 * `in` closed: between inputs; `origin` NULL: between members. A Parquet file is no stream and has one
 * member.
 */
struct pretok_unit_reader {
    struct pretok_unit_reader_config config;
    const struct pretok_unit *unit;
    uint64_t input; /* index of the current one, within the unit */
    uint64_t records, stored_before;
    /* Damage in a compressed source may look like text that is no JSON before it is found: of the
     * current source, which may prove damaged, and of those that did. */
    uint64_t suspect, excused;

    struct pretok_ahead *ahead; /* set before others see the reader; NULL: no input calls for it */
    struct pretok_unit_input in;
    struct pretok_origin *origin;
    enum pretok_format format; /* of the member */
    struct pretok_jsonl *jsonl;
    struct pretok_warc *warc;               /* NULL until a member wants it */
    struct pretok_warc_values *warc_values; /* likewise */
    struct pretok_bytes raw;                /* first bytes of a text file */
    tok_utf8_fn check;                      /* for text files */

    struct pretok_origin *begun;        /* since the last batch, and the current one */
    uint64_t origin_count, handed_over; /* numbers so far, and those of earlier batches */
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
    r->check = tok_utf8_check();
    r->unit = &config->plan->units[config->unit - 1];
    r->in = (struct pretok_unit_input){.config = &r->config, .unit = r->unit};
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
    pretok_unit_input_close(&r->in);
    pretok_ahead_free(&r->ahead);
    pretok_jsonl_free(&r->jsonl);
    pretok_warc_free(&r->warc);
    pretok_warc_values_free(&r->warc_values);
    pretok_bytes_done(&r->raw);
    pretok_origins_free(&r->begun);
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

static enum ngt_status open_input(struct pretok_unit_reader *r, struct ngt_error *reterr)
{
    const struct pretok_input *in = input_of(r);
    struct pretok_receipt_source *s = &r->sources[r->source_count++];

    s->name = strdup(in->name);
    s->start = r->unit->part ? r->unit->start : 0;
    if (!s->name)
        return no_memory(r, reterr);
    return pretok_unit_input_open(&r->in, in, in->size >= AHEAD_FROM ? r->ahead : NULL, reterr);
}

/* Notes what was read; the input is over, whole or not. */
static void close_input(struct pretok_unit_reader *r)
{
    struct pretok_receipt_source *s = source_of(r);

    s->stored_bytes = pretok_unit_input_stored(&r->in);
    s->hash = pretok_unit_input_digest(&r->in);
    r->stored_before += s->stored_bytes;
    r->suspect = 0;
    pretok_unit_input_close(&r->in);
    r->origin = NULL;
    r->input++;
}

/* Whether it is this process that lacks something, and not the source that cannot be read. */
static bool lacks_means(const struct ngt_error *e)
{
    return e->sys_errno == EMFILE || e->sys_errno == ENFILE || e->sys_errno == ENOMEM;
}

/* A failure of the source itself: what was read stays, the rest is told. Else the failure. */
static enum ngt_status lose_input(struct pretok_unit_reader *r, enum ngt_status status,
                                  struct ngt_error *reterr)
{
    if ((status != NGT_E_DATA && status != NGT_E_IO && status != NGT_E_UNSUPPORTED) ||
        lacks_means(reterr))
        return status;
    source_of(r)->lost = strdup(reterr->message);
    if (!source_of(r)->lost)
        return no_memory(r, reterr);
    ngt_error_clear(reterr);
    r->excused += r->suspect;
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
    o->number = ++r->origin_count;
    o->next = r->begun;
    r->begun = r->origin = o;
    r->format = in->format;
    if (r->format == PRETOK_FORMAT_AUTO) {
        bool told = pretok_format_of_name(member ? member : in->name, &r->format, &archive);
        if (told && member && (archive || r->format == PRETOK_FORMAT_PARQUET))
            return ngt_fail(reterr, NGT_E_UNSUPPORTED, in->name, HERE,
                            "%s: %s inside an archive; unpack the outer one first, or leave it out "
                            "with --exclude",
                            member, archive ? "an archive" : "a parquet file");
        if (!told || archive || r->format > PRETOK_FORMAT_WARC)
            return ngt_fail(reterr, NGT_E_MISMATCH, in->name, HERE,
                            "%s: its name does not tell a format that this build reads; give "
                            "--input-format, or leave it out with --exclude",
                            member ? member : "no archive");
    }
    pretok_unit_input_begin(&r->in);
    if (r->format == PRETOK_FORMAT_PARQUET)
        return NGT_OK;
    if (r->format != PRETOK_FORMAT_WARC) {
        pretok_jsonl_start(r->jsonl, o->start == 0);
        return NGT_OK;
    }
    if (!r->warc) {
        enum ngt_status status = pretok_warc_new(r->config.max_doc_bytes, &r->warc, reterr);
        if (status != NGT_OK)
            return status;
        if (!(r->warc_values = pretok_warc_values_new(&r->config.wanted)))
            return no_memory(r, reterr);
    }
    pretok_warc_start(r->warc);
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

    if (r->in.parquet)
        return begin_member(r, NULL, reterr);
    do
        status = pretok_stream_next(r->in.stream, &more, &member, reterr);
    while (status == NGT_OK && more && member && passed_over(r, member));
    if (status != NGT_OK)
        return lose_input(r, status, reterr);
    if (more) {
        status = begin_member(r, member, reterr);
        return status == NGT_OK ? status : lose_input(r, status, reterr);
    }
    const struct pretok_input *in = input_of(r);
    uint64_t want = r->unit->part ? r->unit->bytes : in->size;
    if (in->path && pretok_stream_stored(r->in.stream) != want)
        return pretok_unit_input_changed(&r->in, "its size, while it was read", reterr);
    close_input(r);
    return NGT_OK;
}

/* ---- records ---- */

static bool keep(struct pretok_batch *b, const void *bytes, uint64_t n, uint64_t *ret_start)
{
    *ret_start = b->raw.size;
    return pretok_bytes_append(&b->raw, bytes, n);
}

/* What is wanted beside the text of a WARC document, from its header. False when out of memory. */
static bool take_header(struct pretok_unit_reader *r, struct pretok_batch *b,
                        struct pretok_item *item)
{
    uint64_t count;
    const struct pretok_warc_field *fields = pretok_warc_fields(r->warc, &count);
    bool fit;

    return pretok_warc_values_take(r->warc_values, fields, count, &item->record, &fit) &&
           (fit || pretok_batch_refuse(b, item, PRETOK_FIELDS_TOO_LONG));
}

static enum ngt_status add_item(struct pretok_unit_reader *r, struct pretok_batch *b,
                                const struct pretok_record *record, struct ngt_error *reterr)
{
    struct pretok_item *item = &b->items[b->count];

    *item = (struct pretok_item){.origin = r->origin, .record = *record};
    item->record.offset += r->in.skipped;
    if (record->reason != PRETOK_ACCEPTED && !record->filtered &&
        (!keep(b, record->raw, record->raw_bytes, &item->raw_start) ||
         !keep(b, record->keys, strlen(record->keys) + 1, &item->keys_start)))
        return no_memory(r, reterr);
    if (record->reason == PRETOK_ACCEPTED && !record->filtered) {
        if (r->format == PRETOK_FORMAT_WARC && !take_header(r, b, item))
            return no_memory(r, reterr);
        if (!pretok_batch_keep_fields(b, item, &item->record))
            return no_memory(r, reterr);
    }
    b->count++;
    if (!input_of(r)->plain &&
        (record->reason == PRETOK_NOT_JSON || record->reason == PRETOK_BROKEN))
        r->suspect++;
    r->records++;
    source_of(r)->records++;
    return NGT_OK;
}

static enum ngt_status read_text(struct pretok_unit_reader *r, struct pretok_batch *b,
                                 struct ngt_error *reterr)
{
    struct pretok_record record;
    enum ngt_status status = pretok_text_read(r->in.stream, r->check, r->config.max_doc_bytes,
                                              &b->text, &r->raw, &record, reterr);

    if (status != NGT_OK)
        return lose_input(r, status, reterr);
    status = add_item(r, b, &record, reterr);
    r->origin = NULL;
    return status;
}

/* ---- formats that hold many records: the same calls for each ---- */

static enum pretok_event next_record(struct pretok_unit_reader *r, struct pretok_bytes *text,
                                     struct pretok_record *ret)
{
    if (r->format == PRETOK_FORMAT_WARC)
        return pretok_warc_next(r->warc, &r->in.at, r->in.end, r->in.drained, text, ret);
    return r->in.drained ? pretok_jsonl_end(r->jsonl, text, ret)
                         : pretok_jsonl_next(r->jsonl, &r->in.at, r->in.end, text, ret);
}

/* Numbers that records of the member have taken so far. */
static uint64_t numbered(const struct pretok_unit_reader *r)
{
    return r->format == PRETOK_FORMAT_WARC      ? pretok_warc_records(r->warc)
           : r->format == PRETOK_FORMAT_PARQUET ? pretok_parquet_rows(r->in.parquet)
                                                : pretok_jsonl_lines(r->jsonl);
}

/* The source breaks off; a record that is cut is none, but WARC's last one may be whole. */
static enum ngt_status break_off(struct pretok_unit_reader *r, struct pretok_batch *b,
                                 uint64_t whole, struct ngt_error *reterr)
{
    struct pretok_record record;
    enum pretok_event event = PRETOK_MORE;
    enum ngt_status status = NGT_OK;

    if (r->format == PRETOK_FORMAT_WARC)
        event = pretok_warc_cut(r->warc, &b->text, &record);
    if (event == PRETOK_NOMEM)
        return no_memory(r, reterr);
    if (event == PRETOK_MORE)
        b->text.size = whole;
    else
        status = add_item(r, b, &record, reterr);
    source_of(r)->lines += numbered(r);
    return status;
}

/* Until the batch is full or the member ends. Never ends inside a record: its text is in b. */
static enum ngt_status read_records(struct pretok_unit_reader *r, struct pretok_batch *b,
                                    struct ngt_error *reterr)
{
    uint64_t whole = b->text.size; /* end of the last complete text */

    for (;;) {
        struct pretok_record record;
        enum pretok_event event;

        if (r->in.at == r->in.end && !r->in.drained) {
            struct ngt_error cause;
            enum ngt_status status = pretok_unit_input_more(&r->in, &cause);
            if (status != NGT_OK) {
                enum ngt_status last = break_off(r, b, whole, reterr);
                if (last != NGT_OK)
                    return last;
                if (reterr)
                    *reterr = cause;
                return lose_input(r, status, reterr);
            }
            r->in.drained = r->in.at == r->in.end;
        }
        event = next_record(r, &b->text, &record);
        if (event == PRETOK_NOMEM)
            return no_memory(r, reterr);
        if (event != PRETOK_MORE) {
            enum ngt_status status = add_item(r, b, &record, reterr);
            if (status != NGT_OK)
                return status;
            whole = b->text.size;
        }
        if (r->in.drained && event == PRETOK_MORE) {
            source_of(r)->lines += numbered(r);
            r->origin = NULL;
            return NGT_OK;
        }
        if (event != PRETOK_MORE && (pretok_batch_full(b) || r->records >= r->config.limit))
            return NGT_OK;
    }
}

static enum ngt_status read_rows(struct pretok_unit_reader *r, struct pretok_batch *b,
                                 struct ngt_error *reterr)
{
    struct pretok_record record;
    enum pretok_event event;
    enum ngt_status status;

    do {
        status = pretok_parquet_next(r->in.parquet, &b->text, &record, &event, reterr);
        if (status == NGT_OK && event != PRETOK_MORE)
            status = add_item(r, b, &record, reterr);
        if (status == NGT_E_NOMEM)
            return status;
        if (status != NGT_OK || event == PRETOK_MORE) {
            source_of(r)->lines += numbered(r);
            r->origin = NULL;
            if (status != NGT_OK)
                return lose_input(r, status, reterr);
            close_input(r);
            return NGT_OK;
        }
    } while (!pretok_batch_full(b) && r->records < r->config.limit);
    return NGT_OK;
}

/* Origins that have ended; the current one, if there is one, is the first of the list. */
static void hand_over(struct pretok_unit_reader *r, struct pretok_batch *b)
{
    struct pretok_origin **ended = r->origin ? &r->origin->next : &r->begun;

    b->over = *ended;
    *ended = NULL;
    r->handed_over = r->origin_count;
}

enum ngt_status pretok_unit_reader_fill(struct pretok_unit_reader *r, struct pretok_batch *batch,
                                        struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    while (status == NGT_OK && !pretok_batch_full(batch) &&
           r->origin_count - r->handed_over < MEMBERS) {
        if (r->records >= r->config.limit) {
            if (pretok_unit_input_is_open(&r->in)) {
                source_of(r)->lines += r->origin ? numbered(r) : 0;
                close_input(r);
            }
            batch->last = true;
            break;
        }
        if (!pretok_unit_input_is_open(&r->in)) {
            if (r->input == r->unit->input_count) {
                batch->last = true;
                break;
            }
            status = open_input(r, reterr);
            if (status != NGT_OK)
                status = lose_input(r, status, reterr);
        } else if (!r->origin) {
            status = next_member(r, reterr);
        } else if (r->in.parquet) {
            status = read_rows(r, batch, reterr);
        } else if (r->format == PRETOK_FORMAT_TEXT) {
            status = read_text(r, batch, reterr);
        } else {
            status = read_records(r, batch, reterr);
        }
    }
    batch->stored = r->stored_before + pretok_unit_input_stored(&r->in);
    batch->excused = r->excused + r->suspect;
    hand_over(r, batch);
    return status;
}
