#include "sample_piece.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "job/units.h"
#include "ngt/layout.h"
#include "sample_text.h"
#include "tokenize.h"
#include "unit_reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define COLD_FRAME 16384u
#define MEMORY_FILE (UINT64_C(16) << 20)

struct pretok_piece_reader {
    struct pretok_sampling *shared;
    struct tok_scratch *scratch;
    struct pretok_batch *batch;
    struct pretok_bytes spelling, cold; /* cold: strings or numbers before they are compressed */
    ZSTD_CCtx *compressor;
    int memory;       /* a file that is memory alone, or -1 */
    uint64_t written; /* to it */
    bool warm;
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sample");
}

struct tally {
    double figures[PRETOK_FIGURES];
    double tokenized, tokens, cpu; /* bytes of text that were, and what came of them */
    double from, to;               /* bytes of text it covers, of a stream */
    bool began;
};

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Compresses what is gathered, as a shard's cold section would be; bytes. */
static double cold_bytes(struct pretok_piece_reader *w)
{
    size_t bound = ZSTD_compressBound(w->cold.size);
    uint8_t *out = w->cold.size ? malloc(bound) : NULL;
    size_t n = out ? ZSTD_compressCCtx(w->compressor, out, bound, w->cold.at, w->cold.size,
                                       PRETOK_COLD_LEVEL)
                   : 0;
    double bytes = !out || ZSTD_isError(n) ? (double)w->cold.size : (double)n;

    free(out);
    w->cold.size = 0;
    return bytes;
}

static bool put_varint(struct pretok_bytes *b, uint64_t v)
{
    uint8_t bytes[10];
    unsigned n = 0;

    do
        bytes[n++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
    while (v >>= 7);
    return pretok_bytes_append(b, bytes, n);
}

static bool note_set(struct pretok_sampling *s, const struct pretok_batch *b,
                     const struct pretok_item *item)
{
    const struct pretok_field f = pretok_batch_field(b, item, s->config->writer->keys->split);
    char name[PRETOK_SET_NAME_ROOM];
    uint64_t i = 0;

    if (!f.json || !pretok_set_name(f.json, f.bytes, name))
        return false;
    pthread_mutex_lock(&s->lock);
    while (i < s->set_count && strcmp(s->sets[i], name) != 0)
        i++;
    if (i == s->set_count && i < PRETOK_SETS)
        strcpy(s->sets[s->set_count++], name);
    pthread_mutex_unlock(&s->lock);
    return true;
}

/* Of ids and metadata, as they are spelled in a shard, by which they are compressed. */
static bool gather_fields(const struct pretok_keys *k, const struct pretok_batch *b,
                          const struct pretok_item *item, struct pretok_bytes *to)
{
    bool good = true;

    if (k->id != PRETOK_NO_FIELD) {
        struct pretok_field f = pretok_batch_field(b, item, k->id);
        good =
            pretok_bytes_append(to, f.json, f.json ? f.bytes : 0) && pretok_bytes_append(to, "", 1);
    }
    for (uint64_t i = 0; i < k->meta_count && good; i++) {
        struct pretok_field f = pretok_batch_field(b, item, k->meta[i].field);
        if (f.json)
            good = pretok_bytes_append(to, k->meta[i].name, strlen(k->meta[i].name)) &&
                   pretok_bytes_append(to, f.json, f.bytes);
    }
    return good;
}

static bool count_item(struct pretok_sampling *s, struct pretok_piece_reader *w,
                       const struct pretok_batch *b, const struct pretok_item *item,
                       uint64_t record_bytes, bool tokenized, struct tally *t)
{
    const struct pretok_writer_config *c = s->config->writer;
    const bool split = c->keys->split != PRETOK_NO_FIELD;
    double *y = t->figures;

    y[PRETOK_F_RECORDS]++;
    if (item->record.reason == PRETOK_ACCEPTED && item->record.filtered) {
        y[PRETOK_F_FILTERED]++;
        return true;
    }
    if (item->record.reason != PRETOK_ACCEPTED || (split && !note_set(s, b, item))) {
        y[PRETOK_F_QUARANTINED]++;
        /* a line of the unit's file, and of the one they are joined to */
        y[PRETOK_F_DISK_BYTES] += 2 * (180 + 4.0 / 3 * (double)item->record.raw_bytes);
        return true;
    }
    y[PRETOK_F_DOCUMENTS]++;
    y[PRETOK_F_TEXT_BYTES] += (double)item->record.text_bytes;
    y[PRETOK_F_SHARD_BYTES] += 8 + (c->text_hashes ? 16 : 0);
    if (tokenized) {
        t->tokenized += (double)item->record.text_bytes;
        t->tokens += (double)item->ids_count;
    }
    if (!put_varint(&w->cold, 0) || !put_varint(&w->cold, 1) || !put_varint(&w->cold, record_bytes))
        return false;
    if (w->cold.size > COLD_FRAME)
        y[PRETOK_F_SHARD_BYTES] += cold_bytes(w);
    return true;
}

/*
 * What writing costs of the processor, a tenth of all: ids of the shard's width through two hashes, and
 * through the page cache, into a file that is memory alone.
 */
static void pass_over(struct pretok_piece_reader *w, const struct pretok_batch *b, unsigned width)
{
    uint8_t *bytes = malloc(b->ids.count * width + 1);
    volatile uint64_t sink;

    if (!bytes)
        return;
    if (width == 2)
        for (uint64_t i = 0; i < b->ids.count; i++) {
            bytes[2 * i] = (uint8_t)b->ids.ids[i];
            bytes[2 * i + 1] = (uint8_t)(b->ids.ids[i] >> 8);
        }
    else
        memcpy(bytes, b->ids.ids, b->ids.count * width);
    for (int i = 0; i < 2; i++)
        sink = ngt_digest64(bytes, b->ids.count * width);
    (void)sink;
    if (w->memory >= 0 &&
        (write(w->memory, bytes, b->ids.count * width) < 0 ||
         ((w->written += b->ids.count * width) > MEMORY_FILE &&
          (ftruncate(w->memory, 0) != 0 || lseek(w->memory, 0, SEEK_SET) != 0)))) {
        close(w->memory); /* then the time is that much less */
        w->memory = -1;
    }
    if (w->written > MEMORY_FILE)
        w->written = 0;
    free(bytes);
}

static unsigned id_width(const struct pretok_sampling *s)
{
    return tok_vocabulary(s->config->writer->tokenizer)->count > 65536 ? 4 : 2;
}

struct reading {
    struct pretok_sampling *sample;
    struct pretok_piece_reader *worker;
    const struct pretok_piece *piece;
    const struct pretok_text_size *text;
    struct pretok_unit_reader *reader;
    struct tally *tallies; /* [piece->times], or one */
    uint64_t tally_count;
    double end; /* where in the text what was counted ends */
    bool full;  /* all that was wanted was read */
    uint64_t stored, records;
};

/* Where an item's text lies, among the parts of what is read. */
static uint64_t tally_of(const struct reading *r, uint64_t offset)
{
    uint64_t i = r->tally_count < 2
                     ? 0
                     : (uint64_t)((double)offset / (double)r->text->read * (double)r->tally_count);

    return i < r->tally_count ? i : r->tally_count - 1;
}

/* Is a batch that begins there tokenized? A random part of each tally's text is. */
static bool is_wanted(const struct reading *r, const struct pretok_batch *b)
{
    const struct pretok_piece *p = r->piece;

    if (p->stretch <= 1 || !b->count)
        return true;
    uint64_t offset = b->items[0].record.offset, i = tally_of(r, offset);
    double at = p->span.bytes ? (double)r->stored / (double)p->span.bytes : 0;
    if (r->text && r->text->stream) {
        const double all = r->text->whole ? r->text->all : (double)r->text->read;
        at = (double)offset / (all / (double)r->tally_count) - (double)i;
    }
    const double from = pretok_sample_random(~r->sample->config->seed, p->number * 65537 + i) *
                        (1 - 1 / p->stretch);

    return at >= from && at < from + 1 / p->stretch;
}

static bool count_batch(struct reading *r, const struct pretok_batch *b, bool tokenized,
                        double read_cpu, double cpu)
{
    struct pretok_piece_reader *w = r->worker;
    struct pretok_bytes fields = {0};
    uint64_t counted = 0;
    bool stops = r->text && r->text->read != UINT64_MAX, good = true;

    for (; counted < b->count && good; counted++) {
        const struct pretok_item *item = &b->items[counted];
        /* it begins behind what is wanted: the one before, which reached it, was the last */
        if (stops && item->record.offset >= r->text->read) {
            r->end = (double)item->record.offset;
            r->full = true;
            break;
        }
        uint64_t at = tally_of(r, item->record.offset);
        struct tally *t = &r->tallies[at];
        uint64_t next = counted + 1 < b->count && b->items[counted + 1].origin == item->origin
                            ? b->items[counted + 1].record.offset
                            : item->record.offset + item->record.text_bytes;
        if (!t->began) {
            t->began = true;
            t->from = t->to = at ? (double)item->record.offset : 0;
            if (at)
                r->tallies[at - 1].to = t->from;
        }
        good = count_item(r->sample, w, b, item, next - item->record.offset, tokenized, t);
        if (good &&
            (r->sample->config->writer->keys->id != PRETOK_NO_FIELD ||
             r->sample->config->writer->keys->meta_count) &&
            item->record.reason == PRETOK_ACCEPTED && !item->record.filtered)
            good = gather_fields(r->sample->config->writer->keys, b, item, &fields);
    }
    r->records += counted;
    if (good && counted) {
        struct tally *t = &r->tallies[tally_of(r, b->items[counted - 1].record.offset)];
        t->figures[PRETOK_F_SHARD_BYTES] += cold_bytes(w);
        t->figures[PRETOK_F_CPU_SECONDS] += read_cpu * (double)counted / (double)b->count;
        t->cpu += cpu * (double)counted / (double)b->count;
        for (uint64_t from = 0; from < fields.size && good; from += COLD_FRAME) {
            uint64_t n = fields.size - from < COLD_FRAME ? fields.size - from : COLD_FRAME;
            good = pretok_bytes_append(&w->cold, fields.at + from, n);
            t->figures[PRETOK_F_SHARD_BYTES] += cold_bytes(w) + 32;
        }
    }
    pretok_bytes_done(&fields);
    return good;
}

static enum ngt_status read_piece(struct reading *r, struct ngt_error *reterr)
{
    const struct pretok_sample_config *c = r->sample->config;
    struct pretok_batch *b = r->worker->batch;
    enum ngt_status status = NGT_OK;

    while (!r->full && status == NGT_OK) {
        double start = cpu_seconds(), middle;
        bool wanted;
        if (c->stopped && c->stopped(c->arg))
            return ngt_fail(reterr, NGT_E_STOPPED, NULL, HERE, "stopped");
        pretok_batch_clear(b);
        status = pretok_unit_reader_fill(r->reader, b, reterr);
        middle = cpu_seconds();
        wanted = status == NGT_OK && is_wanted(r, b);
        if (wanted)
            status =
                pretok_tokenize(c->writer, r->worker->scratch, &r->worker->spelling, b, reterr);
        if (status != NGT_OK)
            break;
        if (wanted)
            pass_over(r->worker, b, id_width(r->sample));
        r->stored = b->stored;
        if (!count_batch(r, b, wanted, middle - start, wanted ? cpu_seconds() - middle : 0))
            status = no_memory(reterr);
        if (b->last || (!(r->text && r->text->stream) && b->stored >= r->piece->target)) {
            r->full = r->full || b->last;
            break;
        }
    }
    return status;
}

/* What was counted becomes observations; tokens of all text from that of it which was tokenized. */
static void observe(const struct reading *r, struct pretok_observation *to, double *tokenized)
{
    const unsigned width = id_width(r->sample);
    const struct pretok_piece *p = r->piece;
    const bool stream = r->text && r->text->stream && !r->text->whole && r->end > 0;

    if (stream)
        r->tallies[r->tally_count - 1].to = r->end;
    for (uint64_t i = 0; i < r->tally_count; i++) {
        struct tally *t = &r->tallies[i];
        struct pretok_observation *o = &to[i];
        double share = stream ? (t->to - t->from) / r->text->all
                       : p->target != UINT64_MAX && p->span.bytes
                           ? (double)r->stored / (double)p->span.bytes
                           : 1;
        double drawn = r->text && r->text->whole ? p->span.size : p->drawn;
        o->weight = (double)p->times / (double)r->tally_count / drawn;
        o->size = p->span.size * (share < 1 ? share : 1);
        o->drift = stream ? r->text->drift : 0;
        memcpy(o->figures, t->figures, sizeof o->figures);
        double text = t->figures[PRETOK_F_TEXT_BYTES], times = 1;
        if (t->tokenized > 0)
            times = text / t->tokenized;
        o->figures[PRETOK_F_TOKENS] = t->tokens * times;
        o->figures[PRETOK_F_CPU_SECONDS] += t->cpu * times;
        o->figures[PRETOK_F_SHARD_BYTES] +=
            o->figures[PRETOK_F_TOKENS] * width * (1 + 8.0 / NGT_BLOCK_BYTES);
        o->figures[PRETOK_F_DISK_BYTES] += o->figures[PRETOK_F_SHARD_BYTES];
        tokenized[i] = t->tokenized;
    }
}

/* Moves a window's ends to where records begin. */
static enum ngt_status fit_window(const struct pretok_sampling *s, struct pretok_unit *u,
                                  struct ngt_error *reterr)
{
    const struct pretok_input *in = &s->config->writer->plan->inputs.items[u->first_input];
    uint64_t end = u->start + u->bytes;
    enum ngt_status status = NGT_OK;

    if (u->start)
        status = pretok_units_boundary(in, s->config->remote, u->start, &u->start, reterr);
    if (status == NGT_OK && end < in->size)
        status = pretok_units_boundary(in, s->config->remote, end, &end, reterr);
    u->bytes = end > u->start ? end - u->start : 0;
    u->text_start = u->start;
    return status;
}

static enum ngt_status one_pass(struct pretok_sampling *s, struct pretok_piece_reader *w,
                                const struct pretok_piece *p, struct pretok_unit *unit,
                                const struct pretok_text_size *text, struct pretok_observation *to,
                                double *tokenized, bool counts, struct ngt_error *reterr)
{
    struct pretok_plan shadow = *s->config->writer->plan;
    struct pretok_unit_reader_config config = {.plan = &shadow,
                                               .unit = 1,
                                               .wanted =
                                                   pretok_keys_wanted(s->config->writer->keys),
                                               .max_doc_bytes = s->config->max_doc_bytes,
                                               .max_expansion = s->config->max_expansion,
                                               .limit = UINT64_MAX,
                                               .exclude = s->config->exclude,
                                               .exclude_count = s->config->exclude_count,
                                               .remote = s->config->remote};
    struct reading r = {.sample = s, .worker = w, .piece = p, .text = text, .tally_count = 1};
    enum ngt_status status;

    shadow.units = unit;
    shadow.unit_count = 1;
    if (text && text->stream && !text->whole)
        r.tally_count = p->times;
    r.tallies = calloc(r.tally_count, sizeof *r.tallies);
    w->cold.size = 0;
    status = r.tallies ? pretok_unit_reader_new(&config, &r.reader, reterr) : no_memory(reterr);
    if (status == NGT_OK)
        status = read_piece(&r, reterr);
    if (status == NGT_OK && counts) {
        uint64_t count;
        const struct pretok_receipt_source *sources = pretok_unit_reader_sources(r.reader, &count);
        observe(&r, to, tokenized);
        pthread_mutex_lock(&s->lock);
        s->records += r.records;
        for (uint64_t i = 0; i < count; i++)
            s->lost += sources[i].lost != NULL;
        pthread_mutex_unlock(&s->lock);
    }
    pretok_unit_reader_free(&r.reader);
    free(r.tallies);
    return status;
}

enum ngt_status pretok_piece_reader_new(struct pretok_sampling *shared,
                                        struct pretok_piece_reader **ret_reader,
                                        struct ngt_error *reterr)
{
    struct pretok_piece_reader *w = calloc(1, sizeof *w);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!w)
        return no_memory(reterr);
    w->shared = shared;
    w->batch = calloc(1, sizeof *w->batch);
    w->compressor = ZSTD_createCCtx();
    w->memory = memfd_create("pretok sample", MFD_CLOEXEC);
    status =
        w->batch && w->compressor && pretok_batch_prepare(w->batch) ? NGT_OK : no_memory(reterr);
    if (status == NGT_OK)
        status = tok_scratch_new(shared->config->writer->tokenizer, &w->scratch, reterr);
    if (status == NGT_OK)
        *ret_reader = w;
    else
        pretok_piece_reader_free(&w);
    return status;
}

void pretok_piece_reader_free(struct pretok_piece_reader **reader)
{
    struct pretok_piece_reader *w = *reader;

    if (!w)
        return;
    if (w->batch)
        pretok_batch_done(w->batch);
    free(w->batch);
    tok_scratch_free(&w->scratch);
    pretok_bytes_done(&w->spelling);
    pretok_bytes_done(&w->cold);
    if (w->memory >= 0)
        close(w->memory);
    ZSTD_freeCCtx(w->compressor);
    free(w);
    *reader = NULL;
}

enum ngt_status pretok_piece_read(struct pretok_piece_reader *w, const struct pretok_piece *p,
                                  struct pretok_observation *to, double *tokenized,
                                  struct ngt_error *reterr)
{
    struct pretok_sampling *s = w->shared;
    struct pretok_unit unit = {.first_input = p->span.input,
                               .input_count = 1,
                               .start = p->span.start,
                               .bytes = p->span.bytes,
                               .text_start = p->span.text_start,
                               .part = p->span.part};
    struct pretok_text_size text = {0};
    bool prefix = p->target != UINT64_MAX;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (p->window)
        status = fit_window(s, &unit, reterr);
    if (p->window && unit.bytes == 0) { /* inside of a record that began before */
        to->weight = (double)p->times / p->drawn;
        to->size = p->span.size;
        return status;
    }
    if (status == NGT_OK && prefix)
        status = pretok_text_measure(s->config, p, &text, reterr);
    /* a tokenizer is slow until it has seen some text: the first piece of each thread does not count */
    if (status == NGT_OK && !w->warm)
        status = one_pass(s, w, p, &unit, prefix ? &text : NULL, to, tokenized, false, reterr);
    w->warm = true;
    if (status == NGT_OK)
        status = one_pass(s, w, p, &unit, prefix ? &text : NULL, to, tokenized, true, reterr);
    return status;
}
