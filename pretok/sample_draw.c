#include "sample_draw.h"

#include <math.h>
#include <stdlib.h>

#define HERE NGT_NO_POS, NGT_NO_POS

/* Pieces of a sample, where the input has them, and PRETOK_PIECES_LEAST: below a dozen an interval says little. Of files
 * that are alike 32 would do, and longer pieces open fewer files and let a compressor's window fill (2 MB of text at zstd's
 * usual level); of 90 files of many kinds 32 were 5 to 6% off in the median, 96 are 3. */
#define PIECES 96
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
static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sample");
}

/* Number n of a seed's sequence (Steele, Lea and Flood's SplitMix64), as a share. */
double pretok_sample_random(uint64_t seed, uint64_t n)
{
    uint64_t x = seed * UINT64_C(0xD1342543DE82EF95) + (n + 1) * UINT64_C(0x9E3779B97F4A7C15);

    x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
    x ^= x >> 31;
    return (double)(x >> 11) / 9007199254740992.0;
}

/* Calls each for every span, in the order of the inputs. */
static enum ngt_status each_span(const struct pretok_plan *plan,
                                 enum ngt_status (*each)(void *arg, const struct pretok_span *s,
                                                         struct ngt_error *reterr),
                                 void *arg, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    for (uint64_t u = 0; u < plan->unit_count && status == NGT_OK; u++) {
        const struct pretok_unit *unit = &plan->units[u];
        for (uint64_t i = 0; i < unit->input_count && status == NGT_OK; i++) {
            struct pretok_span s = {.input = unit->first_input + i,
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
static double size_read(const struct pretok_plan *plan, const struct pretok_span *s, double piece)
{
    const struct pretok_input *in = &plan->inputs.items[s->input];
    /* a text is one document; a Parquet file is read whole for its hash before its first row comes */
    bool whole = in->format == PRETOK_FORMAT_TEXT || in->format == PRETOK_FORMAT_PARQUET;

    return whole || s->size < piece ? s->size : piece;
}

struct draw {
    const struct pretok_sample_config *config;
    const struct pretok_plan *plan;
    struct pretok_pieces *pieces;
    double piece, distance, next, at; /* in sizes */
    uint64_t points;                  /* so far, `next` included */
    double expected;
    enum { DRAW_SUM, DRAW_ALL, DRAW_POINTS } what;
};

static enum ngt_status add_piece(struct pretok_pieces *pieces, const struct pretok_piece *p,
                                 struct ngt_error *reterr)
{
    if (pieces->count == pieces->room) {
        uint64_t room = pieces->room * 2 + 64;
        struct pretok_piece *grown = realloc(pieces->items, room * sizeof *grown);
        if (!grown)
            return no_memory(reterr);
        pieces->items = grown;
        pieces->room = room;
    }
    pieces->items[pieces->count++] = *p;
    return NGT_OK;
}

/* A point at that place of a span that is read in windows. */
static enum ngt_status add_window(struct draw *d, const struct pretok_span *s, double at,
                                  struct ngt_error *reterr)
{
    struct pretok_pieces *pieces = d->pieces;
    uint64_t windows = (uint64_t)(s->size / d->piece), w;
    struct pretok_piece p = {
        .span = *s, .times = 1, .target = UINT64_MAX, .stretch = 1, .window = true};

    w = (uint64_t)(at / s->size * (double)windows);
    w = w < windows ? w : windows - 1;
    uint64_t from = s->bytes / windows * w;
    uint64_t to = w + 1 == windows ? s->bytes : s->bytes / windows * (w + 1);
    p.span.start = s->start + from;
    p.span.bytes = to - from;
    p.span.size = p.drawn = s->size / (double)windows;
    p.span.part = true;
    struct pretok_piece *last = pieces->count ? &pieces->items[pieces->count - 1] : NULL;
    if (last && last->window && last->span.input == s->input && last->span.start == p.span.start) {
        last->times++;
        return NGT_OK;
    }
    return add_piece(pieces, &p, reterr);
}

static void next_point(struct draw *d)
{
    d->next = d->distance * ((double)d->points + pretok_sample_random(d->config->seed, d->points));
    d->points++;
}

static enum ngt_status draw_span(void *arg, const struct pretok_span *s, struct ngt_error *reterr)
{
    struct draw *d = arg;
    const struct pretok_plan *plan = d->plan;
    const struct pretok_input *in = &plan->inputs.items[s->input];
    struct pretok_piece p = {
        .span = *s, .times = 1, .target = UINT64_MAX, .stretch = 1, .drawn = s->size};
    enum ngt_status status = NGT_OK;

    if (d->what == DRAW_SUM) {
        d->expected += s->size * size_read(plan, s, d->piece);
        return NGT_OK;
    }
    if (d->what == DRAW_ALL) {
        p.drawn = 1; /* all weigh the same */
        return add_piece(d->pieces, &p, reterr);
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
            double stretch = stretch_of(d->config), wanted = read * (double)p.times * stretch;
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
        status = add_piece(d->pieces, &p, reterr);
    }
    return status;
}

static enum ngt_status add_size(void *arg, const struct pretok_span *s, struct ngt_error *reterr)
{
    (void)reterr;
    *(double *)arg += s->size;
    return NGT_OK;
}

double pretok_sample_size(const struct pretok_plan *plan)
{
    double total = 0;

    ngt_ignore(each_span(plan, add_size, &total, NULL));
    return total;
}

enum ngt_status pretok_pieces_draw(const struct pretok_sample_config *config, double budget,
                                   struct pretok_pieces *pieces, struct ngt_error *reterr)
{
    const struct pretok_plan *plan = config->writer->plan;
    const double total = pretok_sample_size(plan);
    struct draw d = {.config = config, .plan = plan, .pieces = pieces, .what = DRAW_SUM};
    double points;
    enum ngt_status status;

    ngt_error_clear(reterr);
    pieces->count = 0;
    if (budget >= total) {
        d.what = DRAW_ALL;
        return each_span(plan, draw_span, &d, reterr);
    }
    d.piece = fmin(fmax(budget / PIECES, PIECE_LEAST), PIECE_MOST);
    status = each_span(plan, draw_span, &d, reterr);
    points = ceil(budget / (d.expected / total));
    if (points < PRETOK_PIECES_LEAST)
        points = PRETOK_PIECES_LEAST;
    d.piece = fmin(d.piece, total / points);
    d.distance = total / points;
    d.what = DRAW_POINTS;
    next_point(&d);
    return status == NGT_OK ? each_span(plan, draw_span, &d, reterr) : status;
}

void pretok_pieces_done(struct pretok_pieces *pieces)
{
    free(pieces->items);
    *pieces = (struct pretok_pieces){0};
}
