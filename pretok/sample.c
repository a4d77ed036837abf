#include "sample.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "duplicates.h"
#include "input/stream.h"
#include "ngt/file.h"
#include "ngt/layout.h"
#include "ngt/pool.h"
#include "set_name.h"
#include "tokenize.h"
#include "unit_reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS

/* Pieces of a sample, where the input has them: below a dozen an interval says little. Of files that are
 * alike 32 would do, and longer pieces open fewer files and let a compressor's window fill (2 MB of text
 * at zstd's usual level); of 90 files of many kinds 32 were 5 to 6% off in the median, 96 are 3. */
#define PIECES 96
#define PIECES_LEAST 16
#define PIECE_LEAST (512u << 10)
#define PIECE_MOST (16u << 20)
/*
 * Of a stream that must be unpacked from its beginning that many times a piece is unpacked and parsed,
 * which is cheap beside tokenizing (a tenth, with zstd), and a piece in a random place of it is tokenized.
 * What documents hold is spread far wider than tokens a byte are: of a set of 10 GB in 64 files, the first
 * megabytes of all files had 5% too few documents, the same ones for every seed.
 */
#define STRETCH 4
/* A file counts as that much larger than it is: opening costs, and a file of nothing is a file. */
#define FILE_SIZE 4096.0
#define COLD_LEVEL 9 /* of the format's cold sections */
#define COLD_FRAME 16384u
#define MEMORY_FILE (UINT64_C(16) << 20)

/* Bytes of an input that a point may fall on. */
struct span {
    uint64_t input, start, bytes, text_start;
    double size; /* what it counts */
    bool part;
};

struct piece {
    struct span span; /* or a window of it */
    uint64_t times;   /* points on it */
    uint64_t target;  /* stored bytes to read; UINT64_MAX: all */
    double stretch;   /* that many pieces are read, and one is tokenized; 1: all */
    uint64_t number;  /* of the piece: another random place in each */
    double drawn;     /* the size it was drawn with */
    bool window;      /* the span's ends are still to be moved to where records begin */
    uint64_t first_observation;
};

struct worker {
    struct tok_scratch *scratch;
    struct pretok_batch *batch;
    struct pretok_bytes spelling, cold; /* cold: strings or numbers before they are compressed */
    ZSTD_CCtx *compressor;
    int memory;       /* a file that is memory alone, or -1 */
    uint64_t written; /* to it */
    bool warm;
};

struct sample {
    const struct pretok_sample_config *config;
    const struct pretok_plan *plan;
    struct piece *pieces;
    uint64_t piece_count, piece_room;
    struct pretok_observation *observations;
    double *tokenized; /* of each observation, bytes of text */
    uint64_t observation_count;
    struct worker *workers;
    pthread_mutex_t lock; /* of what follows */
    char (*sets)[PRETOK_SET_NAME_ROOM];
    uint64_t set_count;
    uint64_t records, stored, lost;
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sample");
}

/* ---- drawing ---- */

/* Number n of a seed's sequence (Steele, Lea and Flood's SplitMix64), as a share. */
static double random_share(uint64_t seed, uint64_t n)
{
    uint64_t x = seed * UINT64_C(0xD1342543DE82EF95) + (n + 1) * UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return (double)(x >> 11) / 9007199254740992.0;
}

/* Calls each for every span, in the order of the inputs. */
static enum ngt_status each_span(const struct pretok_plan *plan,
                                 enum ngt_status (*each)(void *arg, const struct span *s,
                                                         struct ngt_error *reterr),
                                 void *arg, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    for (uint64_t u = 0; u < plan->unit_count && status == NGT_OK; u++) {
        const struct pretok_unit *unit = &plan->units[u];
        for (uint64_t i = 0; i < unit->input_count && status == NGT_OK; i++) {
            struct span s = {.input = unit->first_input + i,
                             .start = unit->part ? unit->start : 0,
                             .text_start = unit->part ? unit->text_start : 0,
                             .part = unit->part};
            s.bytes = unit->part ? unit->bytes : plan->inputs.items[s.input].size;
            s.size = (double)s.bytes + (s.start == 0 ? FILE_SIZE : 0);
            status = each(arg, &s, reterr);
        }
    }
    return status;
}

static bool is_windowed(const struct pretok_input *in)
{
    return in->plain && in->format == PRETOK_FORMAT_JSONL;
}

/* Filters look at tokens and characters, which are counted with them. */
static double stretch_of(const struct pretok_sample_config *c)
{
    const struct pretok_filter *f = &c->writer->filter;

    return f->min_chars || f->max_chars || f->min_tokens || f->max_tokens ? 1 : STRETCH;
}

/* What a point on the span would tokenize, of its size, when a piece is of that size. */
static double size_read(const struct pretok_plan *plan, const struct span *s, double piece)
{
    const struct pretok_input *in = &plan->inputs.items[s->input];
    /* a text is one document; a Parquet file is read whole for its hash before its first row comes */
    bool whole = in->format == PRETOK_FORMAT_TEXT || in->format == PRETOK_FORMAT_PARQUET;

    return whole || s->size < piece ? s->size : piece;
}

struct draw {
    struct sample *sample;
    double piece, distance, next, at; /* in sizes */
    uint64_t points;                  /* so far, `next` included */
    double total, expected;
    enum { DRAW_SUM, DRAW_ALL, DRAW_POINTS } what;
};

static enum ngt_status add_piece(struct sample *s, const struct piece *p, struct ngt_error *reterr)
{
    if (s->piece_count == s->piece_room) {
        uint64_t room = s->piece_room * 2 + 64;
        struct piece *grown = realloc(s->pieces, room * sizeof *grown);
        if (!grown)
            return no_memory(reterr);
        s->pieces = grown;
        s->piece_room = room;
    }
    s->pieces[s->piece_count++] = *p;
    return NGT_OK;
}

/* A point at that place of a span that is read in windows. */
static enum ngt_status add_window(struct draw *d, const struct span *s, double at,
                                  struct ngt_error *reterr)
{
    struct sample *sample = d->sample;
    uint64_t windows = (uint64_t)(s->size / d->piece), w;
    struct piece p = {.span = *s, .times = 1, .target = UINT64_MAX, .stretch = 1, .window = true};

    w = (uint64_t)(at / s->size * (double)windows);
    w = w < windows ? w : windows - 1;
    uint64_t from = s->bytes / windows * w;
    uint64_t to = w + 1 == windows ? s->bytes : s->bytes / windows * (w + 1);
    p.span.start = s->start + from;
    p.span.bytes = to - from;
    p.span.size = p.drawn = s->size / (double)windows;
    p.span.part = true;
    struct piece *last = sample->piece_count ? &sample->pieces[sample->piece_count - 1] : NULL;
    if (last && last->window && last->span.input == s->input && last->span.start == p.span.start) {
        last->times++;
        return NGT_OK;
    }
    return add_piece(sample, &p, reterr);
}

static void next_point(struct draw *d)
{
    d->next = d->distance * ((double)d->points + random_share(d->sample->config->seed, d->points));
    d->points++;
}

static enum ngt_status draw_span(void *arg, const struct span *s, struct ngt_error *reterr)
{
    struct draw *d = arg;
    const struct pretok_plan *plan = d->sample->plan;
    const struct pretok_input *in = &plan->inputs.items[s->input];
    struct piece p = {.span = *s, .times = 1, .target = UINT64_MAX, .stretch = 1, .drawn = s->size};
    enum ngt_status status = NGT_OK;

    if (d->what == DRAW_SUM) {
        d->total += s->size;
        d->expected += s->size * size_read(plan, s, d->piece);
        return NGT_OK;
    }
    if (d->what == DRAW_ALL) {
        p.drawn = 1; /* all weigh the same */
        return add_piece(d->sample, &p, reterr);
    }
    p.times = 0;
    for (; d->next < d->at + s->size && status == NGT_OK; next_point(d)) {
        if (is_windowed(in) && s->size >= 2 * d->piece)
            status = add_window(d, s, d->next - d->at, reterr);
        else
            p.times++;
    }
    d->at += s->size;
    if (p.times && status == NGT_OK) {
        double read = size_read(plan, s, d->piece);
        if (read < s->size) {
            double stretch = stretch_of(d->sample->config),
                   wanted = read * (double)p.times * stretch;
            p.drawn = read;
            p.stretch = stretch;
            if (wanted < (double)s->bytes) {
                p.drawn = read * stretch;
                p.target = (uint64_t)wanted;
            } else {
                p.stretch = fmax(s->size / read / (double)p.times, 1);
                p.drawn = s->size;
            }
        }
        status = add_piece(d->sample, &p, reterr);
    }
    return status;
}

/* The pieces of a sample of `budget` bytes; *ret_total: the size of all. */
static enum ngt_status draw(struct sample *s, double total, double budget, struct ngt_error *reterr)
{
    struct draw d = {.sample = s, .what = DRAW_SUM};
    double points;
    enum ngt_status status;

    s->piece_count = 0;
    if (budget >= total) {
        d.what = DRAW_ALL;
        return each_span(s->plan, draw_span, &d, reterr);
    }
    d.piece = fmin(fmax(budget / PIECES, PIECE_LEAST), PIECE_MOST);
    status = each_span(s->plan, draw_span, &d, reterr);
    points = ceil(budget / (d.expected / total));
    if (points < PIECES_LEAST)
        points = PIECES_LEAST;
    d.piece = fmin(d.piece, total / points);
    d.distance = total / points;
    d.what = DRAW_POINTS;
    next_point(&d);
    return status == NGT_OK ? each_span(s->plan, draw_span, &d, reterr) : status;
}

/* ---- how much text a file holds ---- */

struct text_size {
    bool stream;       /* it is one of text, and no archive */
    bool whole;        /* `read` is all of it */
    uint64_t read;     /* bytes of text in the stored bytes wanted */
    double all, drift; /* of the span, estimated; see pretok_observation */
};

struct mark {
    uint64_t stored, text;
};

/*
 * Unpacks a span as far as it will be tokenized. Where the decoder takes another block of the file, all
 * text of those before was delivered, but for a decoder's lag of about the same everywhere; so what a
 * stored byte holds is measured between two such places, of the later half: the first bytes of a
 * stream, before the compressor has seen much, hold less.
 */
static enum ngt_status measure_text(const struct sample *s, const struct piece *p,
                                    struct text_size *ret, struct ngt_error *reterr)
{
    const struct pretok_input *in = &s->plan->inputs.items[p->span.input];
    struct pretok_stream_config config = {.place = {.path = in->path,
                                                    .address = in->address,
                                                    .etag = in->etag,
                                                    .remote = s->config->remote},
                                          .start = p->span.start,
                                          .bytes = p->span.bytes,
                                          .no_archive = p->span.part,
                                          .max_expansion = s->config->max_expansion};
    struct pretok_stream *stream = NULL;
    struct mark *marks = calloc(p->target / (64u << 10) + 16, sizeof *marks);
    uint64_t count = 1, room = p->target / (64u << 10) + 16, text = 0, n = 1;
    const uint8_t *at;
    const char *member = NULL;
    bool more = false;
    enum ngt_status status = marks ? NGT_OK : no_memory(reterr);

    *ret = (struct text_size){.stream = true};
    if (status == NGT_OK)
        status = pretok_stream_open(&config, &stream, reterr);
    if (status == NGT_OK)
        status = pretok_stream_next(stream, &more, &member, reterr);
    ret->stream = more && !member;
    while (status == NGT_OK && ret->stream) {
        uint64_t before = pretok_stream_stored(stream);
        status = pretok_stream_read(stream, &at, &n, reterr);
        if (status != NGT_OK || n == 0)
            break;
        if (pretok_stream_stored(stream) != before && before && text && count < room) {
            marks[count++] = (struct mark){before, text};
            if (before >= p->target)
                break;
        }
        text += n;
    }
    pretok_stream_close(&stream);
    if (status == NGT_E_DATA || status == NGT_E_IO) { /* the reader will tell it */
        ngt_error_clear(reterr);
        status = NGT_OK;
        n = 0;
    }
    if (status == NGT_OK && ret->stream) {
        struct mark last = marks[count - 1], half = marks[(count - 1) / 2];
        ret->whole = n == 0 || count < 3;
        ret->read = ret->whole ? UINT64_MAX : last.text;
        ret->all = (double)text;
        if (!ret->whole) {
            double late = (double)(last.text - half.text) / (double)(last.stored - half.stored);
            double early = half.stored ? (double)half.text / (double)half.stored : late;
            ret->all = (double)last.text + (double)(p->span.bytes - last.stored) * late;
            ret->drift = (late - early) / late;
        }
    }
    free(marks);
    return status;
}

/* ---- reading a piece ---- */

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
static double cold_bytes(struct worker *w)
{
    size_t bound = ZSTD_compressBound(w->cold.size);
    uint8_t *out = w->cold.size ? malloc(bound) : NULL;
    size_t n =
        out ? ZSTD_compressCCtx(w->compressor, out, bound, w->cold.at, w->cold.size, COLD_LEVEL)
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

static bool note_set(struct sample *s, const struct pretok_batch *b, const struct pretok_item *item)
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

static bool count_item(struct sample *s, struct worker *w, const struct pretok_batch *b,
                       const struct pretok_item *item, uint64_t record_bytes, bool tokenized,
                       struct tally *t)
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
static void pass_over(struct worker *w, const struct pretok_batch *b, unsigned width)
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

static unsigned id_width(const struct sample *s)
{
    return tok_vocabulary(s->config->writer->tokenizer)->count > 65536 ? 4 : 2;
}

struct reading {
    struct sample *sample;
    struct worker *worker;
    const struct piece *piece;
    const struct text_size *text;
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
    const struct piece *p = r->piece;

    if (p->stretch <= 1 || !b->count)
        return true;
    uint64_t offset = b->items[0].record.offset, i = tally_of(r, offset);
    double at = p->span.bytes ? (double)r->stored / (double)p->span.bytes : 0;
    if (r->text && r->text->stream) {
        const double all = r->text->whole ? r->text->all : (double)r->text->read;
        at = (double)offset / (all / (double)r->tally_count) - (double)i;
    }
    const double from =
        random_share(~r->sample->config->seed, p->number * 65537 + i) * (1 - 1 / p->stretch);

    return at >= from && at < from + 1 / p->stretch;
}

static bool count_batch(struct reading *r, const struct pretok_batch *b, bool tokenized,
                        double read_cpu, double cpu)
{
    struct worker *w = r->worker;
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
static void observe(const struct reading *r, struct pretok_observation *to)
{
    const unsigned width = id_width(r->sample);
    const struct piece *p = r->piece;
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
        r->sample->tokenized[to + i - r->sample->observations] = t->tokenized;
    }
}

/* Moves a window's ends to where records begin. */
static enum ngt_status fit_window(const struct sample *s, struct pretok_unit *u,
                                  struct ngt_error *reterr)
{
    const struct pretok_input *in = &s->plan->inputs.items[u->first_input];
    uint64_t end = u->start + u->bytes;
    enum ngt_status status = NGT_OK;

    if (u->start)
        status = pretok_plan_boundary(in, s->config->remote, u->start, &u->start, reterr);
    if (status == NGT_OK && end < in->size)
        status = pretok_plan_boundary(in, s->config->remote, end, &end, reterr);
    u->bytes = end > u->start ? end - u->start : 0;
    u->text_start = u->start;
    return status;
}

static enum ngt_status one_pass(struct sample *s, struct worker *w, const struct piece *p,
                                struct pretok_unit *unit, const struct text_size *text,
                                struct pretok_observation *to, bool counts,
                                struct ngt_error *reterr)
{
    struct pretok_plan shadow = *s->plan;
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
        observe(&r, to);
        pthread_mutex_lock(&s->lock);
        s->records += r.records;
        s->stored += r.stored;
        for (uint64_t i = 0; i < count; i++)
            s->lost += sources[i].lost != NULL;
        pthread_mutex_unlock(&s->lock);
    }
    pretok_unit_reader_free(&r.reader);
    free(r.tallies);
    return status;
}

static enum ngt_status take_piece(void *arg, uint64_t index, unsigned worker,
                                  struct ngt_error *reterr)
{
    struct sample *s = arg;
    struct worker *w = &s->workers[worker];
    const struct piece *p = &s->pieces[index];
    struct pretok_unit unit = {.first_input = p->span.input,
                               .input_count = 1,
                               .start = p->span.start,
                               .bytes = p->span.bytes,
                               .text_start = p->span.text_start,
                               .part = p->span.part};
    struct text_size text = {0};
    struct pretok_observation *to = &s->observations[p->first_observation];
    bool prefix = p->target != UINT64_MAX;
    enum ngt_status status = NGT_OK;

    if (p->window)
        status = fit_window(s, &unit, reterr);
    if (p->window && unit.bytes == 0) { /* inside of a record that began before */
        to->weight = (double)p->times / p->drawn;
        to->size = p->span.size;
        return status;
    }
    if (status == NGT_OK && prefix)
        status = measure_text(s, p, &text, reterr);
    /* a tokenizer is slow until it has seen some text: the first piece of each thread does not count */
    if (status == NGT_OK && !w->warm)
        status = one_pass(s, w, p, &unit, prefix ? &text : NULL, to, false, reterr);
    w->warm = true;
    if (status == NGT_OK)
        status = one_pass(s, w, p, &unit, prefix ? &text : NULL, to, true, reterr);
    return status;
}

/* ---- the whole ---- */

/* A piece with text of which none was tokenized, in one large document, is as the others are. */
static void fill_in(struct sample *s)
{
    double text = 0, tokens = 0, shards = 0, cpu = 0;

    for (uint64_t i = 0; i < s->observation_count; i++) {
        const double *y = s->observations[i].figures;
        if (s->tokenized[i] > 0) {
            text += y[PRETOK_F_TEXT_BYTES];
            tokens += y[PRETOK_F_TOKENS];
            shards += y[PRETOK_F_SHARD_BYTES];
            cpu += y[PRETOK_F_CPU_SECONDS];
        }
    }
    for (uint64_t i = 0; i < s->observation_count && text > 0; i++) {
        double *y = s->observations[i].figures, share = y[PRETOK_F_TEXT_BYTES] / text;
        if (s->tokenized[i] > 0 || share <= 0)
            continue;
        y[PRETOK_F_TOKENS] = tokens * share;
        y[PRETOK_F_SHARD_BYTES] = shards * share;
        y[PRETOK_F_DISK_BYTES] += shards * share;
        y[PRETOK_F_CPU_SECONDS] = cpu * share;
    }
}

static enum ngt_status take_all(struct sample *s, struct ngt_pool *pool, struct ngt_error *reterr)
{
    s->observation_count = 0;
    for (uint64_t i = 0; i < s->piece_count; i++) {
        s->pieces[i].first_observation = s->observation_count;
        s->pieces[i].number = i;
        s->observation_count += s->pieces[i].window ? 1 : s->pieces[i].times;
    }
    free(s->observations);
    s->observations = calloc(s->observation_count + 1, sizeof *s->observations);
    free(s->tokenized);
    s->tokenized = calloc(s->observation_count + 1, sizeof *s->tokenized);
    if (!s->observations || !s->tokenized)
        return no_memory(reterr);
    enum ngt_status status = ngt_pool_each(pool, s->piece_count, take_piece, s, reterr);
    if (status == NGT_OK) {
        uint64_t kept = 0; /* without those that a file read whole did not need */
        for (uint64_t i = 0; i < s->observation_count; i++)
            if (s->observations[i].weight > 0) {
                s->observations[kept] = s->observations[i];
                s->tokenized[kept++] = s->tokenized[i];
            }
        s->observation_count = kept;
        fill_in(s);
    }
    return status;
}

/* What each shard takes beside its documents: header, table, the cold sections, ends of pages. */
static double shard_base(const struct pretok_writer_config *c)
{
    const struct ngt_vocabulary *v = tok_vocabulary(c->tokenizer);
    uint64_t size = 8 + (uint64_t)v->count * 2 + v->starts[v->count];
    size_t bound = ZSTD_compressBound(size);
    uint8_t *plain = calloc(size, 1), *packed = malloc(bound);
    double bytes = (double)size / 2;

    if (plain && packed) {
        memcpy(plain + 8, v->kinds, v->count);
        for (uint64_t i = 0; i < v->count; i++)
            plain[8 + v->count + i] = (uint8_t)(v->starts[i + 1] - v->starts[i]);
        memcpy(plain + 8 + 2 * (uint64_t)v->count, v->bytes, v->starts[v->count]);
        size_t n = ZSTD_compress(packed, bound, plain, size, COLD_LEVEL);
        bytes = ZSTD_isError(n) ? bytes : (double)n;
    }
    free(plain);
    free(packed);
    /* a page for the header, and for each of ledger, options, tokenizer, sources; half a page behind
     * tokens, hashes, starts, provenance, vocabulary; the table */
    double pages = 5 + 5 * .5 + (c->text_hashes ? .5 : 0) +
                   (c->keys->id != PRETOK_NO_FIELD ? .5 : 0) + (c->keys->meta_count ? .5 : 0);
    return bytes + pages * NGT_ALIGN + 12 * NGT_SECTION_ENTRY_BYTES;
}

/* What does not grow with the documents: shards, receipts, the plan. */
static void add_base(const struct sample *s, const struct pretok_observation *observations,
                     uint64_t count, double total, double *base)
{
    const struct pretok_writer_config *c = s->config->writer;
    double tokens = 0, docs = 0, weights = 0, shards = 0;
    const double sets = s->set_count > 1 ? (double)s->set_count : 1;

    for (uint64_t i = 0; i < count; i++) {
        tokens += observations[i].weight * observations[i].figures[PRETOK_F_TOKENS];
        docs += observations[i].weight * observations[i].figures[PRETOK_F_DOCUMENTS];
        weights += observations[i].weight * observations[i].size;
    }
    for (uint64_t u = 0; u < s->plan->unit_count; u++) {
        double bytes = (double)s->plan->units[u].bytes / (weights > 0 ? weights : 1) / sets;
        shards += sets * fmax(1, fmax(ceil(tokens * bytes / (double)c->shard_tokens),
                                      ceil(docs * bytes / (double)PRETOK_SHARD_DOCS)));
    }
    base[PRETOK_F_SHARD_BYTES] = shards * shard_base(c) + 8.0 * (double)s->plan->inputs.count;
    base[PRETOK_F_DISK_BYTES] = base[PRETOK_F_SHARD_BYTES] + 900.0 * (double)s->plan->unit_count +
                                600.0 * (double)s->plan->inputs.count + 700.0 * shards;
    /* the file of the search for duplicates, while finish looks for them */
    if (c->text_hashes && weights > 0 && docs / weights * total > (double)PRETOK_DUPLICATES_TEXTS)
        base[PRETOK_F_DISK_BYTES] += 48 * docs / weights * total;
}

/* About so many records, as bytes: from a first look at a few pieces. */
static enum ngt_status bytes_of_records(struct sample *s, struct ngt_pool *pool, double total,
                                        double *ret, struct ngt_error *reterr)
{
    double records = 0, weights = 0;
    enum ngt_status status = draw(s, total, fmin(total / 2, PIECES_LEAST * 65536.0), reterr);

    if (status == NGT_OK)
        status = take_all(s, pool, reterr);
    for (uint64_t i = 0; i < s->observation_count && status == NGT_OK; i++) {
        records += s->observations[i].weight * s->observations[i].figures[PRETOK_F_RECORDS];
        weights += s->observations[i].weight * s->observations[i].size;
    }
    *ret = records > 0 ? (double)s->config->records * weights / records : total;
    s->records = s->stored = s->lost = 0;
    return status;
}

static enum ngt_status prepare(struct sample *s, struct ngt_error *reterr)
{
    const struct pretok_sample_config *c = s->config;

    s->workers = calloc(c->threads, sizeof *s->workers);
    s->sets = calloc(PRETOK_SETS, sizeof *s->sets);
    if (!s->workers || !s->sets)
        return no_memory(reterr);
    for (unsigned i = 0; i < c->threads; i++) {
        struct worker *w = &s->workers[i];
        w->batch = calloc(1, sizeof *w->batch);
        w->compressor = ZSTD_createCCtx();
        w->memory = memfd_create("pretok sample", MFD_CLOEXEC);
        if (!w->batch || !w->compressor || !pretok_batch_prepare(w->batch))
            return no_memory(reterr);
        enum ngt_status status = tok_scratch_new(c->writer->tokenizer, &w->scratch, reterr);
        if (status != NGT_OK)
            return status;
    }
    return NGT_OK;
}

static void clear_up(struct sample *s)
{
    for (unsigned i = 0; s->workers && i < s->config->threads; i++) {
        struct worker *w = &s->workers[i];
        if (w->batch)
            pretok_batch_done(w->batch);
        free(w->batch);
        tok_scratch_free(&w->scratch);
        pretok_bytes_done(&w->spelling);
        pretok_bytes_done(&w->cold);
        if (w->compressor && w->memory >= 0) /* it was made after that */
            close(w->memory);
        ZSTD_freeCCtx(w->compressor);
    }
    free(s->workers);
    free(s->sets);
    free(s->pieces);
    free(s->observations);
    free(s->tokenized);
    pthread_mutex_destroy(&s->lock);
}

static void conclude(struct sample *s, double total, struct pretok_estimate *ret)
{
    double base[PRETOK_FIGURES] = {0}, read = 0;
    struct pretok_estimate e = {.fingerprint = s->plan->fingerprint, .seed = s->config->seed};
    uint64_t last = UINT64_MAX;

    double tokenized = 0, text = 0;
    for (uint64_t i = 0; i < s->observation_count; i++) {
        read += s->observations[i].size;
        tokenized += s->tokenized[i];
        text += s->observations[i].figures[PRETOK_F_TEXT_BYTES];
    }
    for (uint64_t i = 0; i < s->piece_count; i++) {
        e.files += s->pieces[i].span.input != last;
        last = s->pieces[i].span.input;
    }
    for (uint64_t i = 0; i < s->plan->inputs.count; i++)
        e.input_bytes += s->plan->inputs.items[i].size;
    e.sample_bytes = (uint64_t)(read / total * (double)e.input_bytes + .5);
    e.tokenized_bytes = text > 0 ? (uint64_t)((double)e.sample_bytes * tokenized / text) : 0;
    e.pieces = s->observation_count;
    e.records = s->records;
    e.lost = s->lost;
    add_base(s, s->observations, s->observation_count, total, base);
    pretok_estimate_compute(s->observations, s->observation_count, total,
                            fmin(read / total * (1 + 1e-12), 1), base, &e);
    *ret = e;
}

enum ngt_status pretok_sample_take(const struct pretok_sample_config *config,
                                   struct pretok_estimate *ret_estimate, struct ngt_error *reterr)
{
    struct sample s = {.config = config, .plan = config->writer->plan};
    struct draw sum = {.sample = &s, .what = DRAW_SUM};
    struct ngt_pool *pool = NULL;
    double budget;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (pretok_plan_is_stream(s.plan))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--sample: standard input is read once and cannot be sampled");
    pthread_mutex_init(&s.lock, NULL);
    status = prepare(&s, reterr);
    if (status == NGT_OK)
        status = each_span(s.plan, draw_span, &sum, reterr);
    if (status == NGT_OK)
        status = ngt_pool_new(config->threads, &pool, reterr);
    budget = config->share * sum.total;
    if (status == NGT_OK && config->records)
        status = bytes_of_records(&s, pool, sum.total, &budget, reterr);
    if (status == NGT_OK)
        status = draw(&s, sum.total, budget, reterr);
    if (status == NGT_OK)
        status = take_all(&s, pool, reterr);
    if (status == NGT_OK)
        conclude(&s, sum.total, ret_estimate);
    ngt_pool_free(&pool);
    clear_up(&s);
    return status;
}
