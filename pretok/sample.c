#include "sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "duplicates.h"
#include "ngt/layout.h"
#include "ngt/pool.h"
#include "sample_piece.h"

#define HERE NGT_NO_POS, NGT_NO_POS

struct sample {
    struct pretok_sampling shared;
    const struct pretok_plan *plan;
    struct pretok_pieces pieces;
    struct pretok_observation *observations;
    double *tokenized; /* of each observation, bytes of text */
    uint64_t observation_count;
    struct pretok_piece_reader **readers; /* [threads] */
};

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sample");
}

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

static enum ngt_status take_piece(void *arg, uint64_t index, unsigned worker,
                                  struct ngt_error *reterr)
{
    struct sample *s = arg;
    const struct pretok_piece *p = &s->pieces.items[index];

    return pretok_piece_read(s->readers[worker], p, &s->observations[p->first_observation],
                             &s->tokenized[p->first_observation], reterr);
}

static enum ngt_status take_all(struct sample *s, struct ngt_pool *pool, struct ngt_error *reterr)
{
    s->observation_count = 0;
    for (uint64_t i = 0; i < s->pieces.count; i++) {
        s->pieces.items[i].first_observation = s->observation_count;
        s->pieces.items[i].number = i;
        s->observation_count += s->pieces.items[i].window ? 1 : s->pieces.items[i].times;
    }
    free(s->observations);
    s->observations = calloc(s->observation_count + 1, sizeof *s->observations);
    free(s->tokenized);
    s->tokenized = calloc(s->observation_count + 1, sizeof *s->tokenized);
    if (!s->observations || !s->tokenized)
        return no_memory(reterr);
    enum ngt_status status = ngt_pool_each(pool, s->pieces.count, take_piece, s, reterr);
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
        size_t n = ZSTD_compress(packed, bound, plain, size, PRETOK_COLD_LEVEL);
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
    const struct pretok_writer_config *c = s->shared.config->writer;
    double tokens = 0, docs = 0, weights = 0, shards = 0;
    const double sets = s->shared.set_count > 1 ? (double)s->shared.set_count : 1;

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
    enum ngt_status status = pretok_pieces_draw(
        s->shared.config, fmin(total / 2, PRETOK_PIECES_LEAST * 65536.0), &s->pieces, reterr);

    if (status == NGT_OK)
        status = take_all(s, pool, reterr);
    for (uint64_t i = 0; i < s->observation_count && status == NGT_OK; i++) {
        records += s->observations[i].weight * s->observations[i].figures[PRETOK_F_RECORDS];
        weights += s->observations[i].weight * s->observations[i].size;
    }
    *ret = records > 0 ? (double)s->shared.config->records * weights / records : total;
    s->shared.records = s->shared.lost = 0;
    return status;
}

static enum ngt_status prepare(struct sample *s, struct ngt_error *reterr)
{
    const unsigned threads = s->shared.config->threads;
    enum ngt_status status = NGT_OK;

    s->readers = calloc(threads, sizeof *s->readers);
    s->shared.sets = calloc(PRETOK_SETS, sizeof *s->shared.sets);
    if (!s->readers || !s->shared.sets)
        return no_memory(reterr);
    for (unsigned i = 0; i < threads && status == NGT_OK; i++)
        status = pretok_piece_reader_new(&s->shared, &s->readers[i], reterr);
    return status;
}

static void clear_up(struct sample *s)
{
    for (unsigned i = 0; s->readers && i < s->shared.config->threads; i++)
        pretok_piece_reader_free(&s->readers[i]);
    free(s->readers);
    free(s->shared.sets);
    pretok_pieces_done(&s->pieces);
    free(s->observations);
    free(s->tokenized);
    pthread_mutex_destroy(&s->shared.lock);
}

static void conclude(struct sample *s, double total, struct pretok_estimate *ret)
{
    double base[PRETOK_FIGURES] = {0}, read = 0;
    struct pretok_estimate e = {.fingerprint = s->plan->fingerprint,
                                .seed = s->shared.config->seed};
    uint64_t last = UINT64_MAX;

    double tokenized = 0, text = 0;
    for (uint64_t i = 0; i < s->observation_count; i++) {
        read += s->observations[i].size;
        tokenized += s->tokenized[i];
        text += s->observations[i].figures[PRETOK_F_TEXT_BYTES];
    }
    for (uint64_t i = 0; i < s->pieces.count; i++) {
        e.files += s->pieces.items[i].span.input != last;
        last = s->pieces.items[i].span.input;
    }
    for (uint64_t i = 0; i < s->plan->inputs.count; i++)
        e.input_bytes += s->plan->inputs.items[i].size;
    e.sample_bytes = (uint64_t)(read / total * (double)e.input_bytes + .5);
    e.tokenized_bytes = text > 0 ? (uint64_t)((double)e.sample_bytes * tokenized / text) : 0;
    e.pieces = s->observation_count;
    e.records = s->shared.records;
    e.lost = s->shared.lost;
    add_base(s, s->observations, s->observation_count, total, base);
    pretok_estimate_compute(s->observations, s->observation_count, total,
                            fmin(read / total * (1 + 1e-12), 1), base, &e);
    *ret = e;
}

enum ngt_status pretok_sample_take(const struct pretok_sample_config *config,
                                   struct pretok_estimate *ret_estimate, struct ngt_error *reterr)
{
    struct sample s = {.shared.config = config, .plan = config->writer->plan};
    const double total = pretok_sample_size(s.plan);
    struct ngt_pool *pool = NULL;
    double budget = config->share * total;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (pretok_plan_is_stream(s.plan))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--sample: standard input is read once and cannot be sampled");
    pthread_mutex_init(&s.shared.lock, NULL);
    status = prepare(&s, reterr);
    if (status == NGT_OK)
        status = ngt_pool_new(config->threads, &pool, reterr);
    if (status == NGT_OK && config->records)
        status = bytes_of_records(&s, pool, total, &budget, reterr);
    if (status == NGT_OK)
        status = pretok_pieces_draw(config, budget, &s.pieces, reterr);
    if (status == NGT_OK)
        status = take_all(&s, pool, reterr);
    if (status == NGT_OK)
        conclude(&s, total, ret_estimate);
    ngt_pool_free(&pool);
    clear_up(&s);
    return status;
}
