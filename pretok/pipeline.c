#include "pipeline.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ngt/pool.h"
#include "tokenize.h"
#include "unit_reader.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define TURN_MS 20 /* a worker waits that long for a turn to read before it opens another unit */

/*
 * An open unit. Under the pipeline's lock: all flags and counters. `reader` belongs to the worker
 * that set `reading`, `writer` to the one that set `writing`.
 */
struct open_unit {
    uint64_t unit;
    struct pretok_unit_reader *reader;
    struct pretok_unit_writer *writer;
    bool reading, read_done, writing;
    bool helped;                    /* somebody unpacks ahead in `reader`, and it must stay */
    uint64_t next_read, next_write; /* sequence numbers of batches */
    struct pretok_batch **ready;    /* [batch_count] tokenized, waiting for their turn; by sequence
                                       modulo batch_count, which no two in flight share */
    uint64_t stored, documents, tokens; /* for progress */
    struct open_unit *next;             /* in the order of unit numbers */
};

struct pipeline {
    const struct pretok_pipeline_config *config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct pretok_batch **free; /* stack of [batch_count] */
    uint64_t free_count, batch_count;
    struct open_unit *open;
    uint64_t open_count, open_limit;
    uint64_t next_todo;
    uint64_t limit_left;                /* records, when there is a limit */
    uint64_t stored, documents, tokens; /* of committed units */
    bool ending;                        /* failed or stopped: nothing new is begun */
    bool stopped;
    uint64_t failed_unit;
    enum ngt_status status;
    struct ngt_error error;
    struct pretok_timing timing;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Under the lock. The failure of the lowest unit is the one that is told. */
static void fail(struct pipeline *p, uint64_t unit, enum ngt_status status,
                 const struct ngt_error *error)
{
    if (status == NGT_E_STOPPED) /* somebody waited for another machine; the unit is as it was */
        p->stopped = true;
    else if (p->status == NGT_OK || unit < p->failed_unit) {
        p->status = status;
        p->failed_unit = unit;
        p->error = *error;
    }
    p->ending = true;
    pthread_cond_broadcast(&p->changed);
}

/* ---- units ---- */

static void unit_free(struct open_unit *u)
{
    if (!u)
        return;
    pretok_unit_reader_free(&u->reader);
    pretok_unit_writer_free(&u->writer);
    free(u->ready);
    free(u);
}

/* Under the lock. Takes the next unit of todo; it is the caller's to read. */
static struct open_unit *begin_unit(struct pipeline *p, struct ngt_error *error)
{
    const struct pretok_pipeline_config *c = p->config;
    struct open_unit *u = calloc(1, sizeof *u), **at = &p->open;
    uint64_t number = c->todo[p->next_todo];
    struct pretok_unit_reader_config reader = {.plan = c->writer.plan,
                                               .unit = number,
                                               .wanted = pretok_keys_wanted(c->writer.keys),
                                               .max_doc_bytes = c->max_doc_bytes,
                                               .max_expansion = c->max_expansion,
                                               .drop_lost = c->drop_lost,
                                               .limit = p->limit_left,
                                               .exclude = c->exclude,
                                               .exclude_count = c->exclude_count,
                                               .remote = c->remote,
                                               .ahead = c->threads > 1 && c->limit == UINT64_MAX};
    enum ngt_status status;

    if (u)
        u->ready = calloc(p->batch_count, sizeof *u->ready);
    if (!u || !u->ready) {
        unit_free(u);
        status = ngt_fail(error, NGT_E_NOMEM, NULL, HERE, "out of memory for a unit");
        fail(p, number, status, error);
        return NULL;
    }
    u->unit = number;
    status = pretok_unit_reader_new(&reader, &u->reader, error);
    if (status == NGT_OK)
        status = pretok_unit_writer_new(&c->writer, number, &u->writer, error);
    if (status != NGT_OK) {
        unit_free(u);
        fail(p, number, status, error);
        return NULL;
    }
    p->next_todo++;
    p->open_count++;
    while (*at)
        at = &(*at)->next;
    *at = u;
    return u;
}

/* Under the lock, which is given up while somebody is in the unit. */
static void close_unit(struct pipeline *p, struct open_unit *u)
{
    while (u->helped)
        pthread_cond_wait(&p->changed, &p->lock);
    for (struct open_unit **at = &p->open; *at; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            break;
        }
    p->open_count--;
    unit_free(u);
}

/* ---- a worker's steps ---- */

struct worker {
    struct pipeline *p;
    struct tok_scratch *scratch;
    struct pretok_bytes spelling; /* --verify-roundtrip */
    struct pretok_timing timing;
};

/* Under the lock on entry and exit; not while it writes. Writes what is ready, in order. */
static void write_ready(struct worker *w, struct open_unit *u)
{
    struct pipeline *p = w->p;
    struct ngt_error error;
    enum ngt_status status = NGT_OK;

    if (u->writing)
        return; /* whoever writes will see what was put there */
    u->writing = true;
    for (;;) {
        struct pretok_batch **slot = &u->ready[u->next_write % p->batch_count], *b = *slot;
        if (!b || p->status != NGT_OK)
            break;
        *slot = NULL;
        u->next_write++;
        pthread_mutex_unlock(&p->lock);

        double start = now(), added;
        bool last = b->last;
        uint64_t stored = b->stored;
        status = pretok_unit_writer_add(u->writer, b, &error);
        pretok_batch_clear(b);
        added = now();
        w->timing.write += added - start;
        if (status == NGT_OK && last) {
            uint64_t count;
            const struct pretok_receipt_source *s = pretok_unit_reader_sources(u->reader, &count);
            status = pretok_unit_writer_commit(u->writer, s, count, &error);
            w->timing.commit += now() - added;
        }

        pthread_mutex_lock(&p->lock);
        p->free[p->free_count++] = b;
        pthread_cond_broadcast(&p->changed);
        if (status != NGT_OK) {
            fail(p, u->unit, status, &error);
            break;
        }
        const struct pretok_ledger *l = pretok_unit_writer_ledger(u->writer);
        u->stored = stored;
        u->documents = l->documents;
        u->tokens = l->tokens;
        if (last) {
            uint64_t count;
            const struct pretok_receipt_source *s = pretok_unit_reader_sources(u->reader, &count);
            p->stored += u->stored;
            p->documents += u->documents;
            p->tokens += u->tokens;
            if (p->config->unit_done)
                p->config->unit_done(p->config->arg, u->unit, l, s, count);
            close_unit(p, u);
            return;
        }
    }
    u->writing = false;
}

static void tell_progress(struct pipeline *p)
{
    uint64_t stored, documents, tokens;

    if (!p->config->progress)
        return;
    pthread_mutex_lock(&p->lock);
    stored = p->stored;
    documents = p->documents;
    tokens = p->tokens;
    for (const struct open_unit *u = p->open; u; u = u->next) {
        stored += u->stored;
        documents += u->documents;
        tokens += u->tokens;
    }
    pthread_mutex_unlock(&p->lock);
    p->config->progress(p->config->arg, stored, documents, tokens);
}

/* Under the lock. A unit that may be read now, marked as being read; NULL: none, and *ret_never
 * when there will be none. */
static struct open_unit *take_unit(struct pipeline *p, bool patient, bool *ret_never,
                                   struct ngt_error *error)
{
    bool busy = false;

    *ret_never = false;
    for (struct open_unit *u = p->open; u; u = u->next) {
        if (u->read_done)
            continue;
        if (!u->reading) {
            u->reading = true;
            return u;
        }
        busy = true;
    }
    bool limited = p->config->limit != UINT64_MAX; /* the next unit's share is known afterwards */
    if (p->next_todo == p->config->todo_count) {
        *ret_never = !busy;
        return NULL;
    }
    if (busy && (patient || limited || p->open_count >= p->open_limit))
        return NULL;
    struct open_unit *u = begin_unit(p, error);
    if (u)
        u->reading = true;
    return u;
}

/* Under the lock on entry and exit. Unpacks ahead in a unit that another one reads; false: nothing to
 * do, and the lock was not given up. */
static bool help(struct pipeline *p, struct worker *w)
{
    for (struct open_unit *u = p->open; u; u = u->next) {
        if (!u->reading || u->helped || !pretok_unit_reader_ahead_wanted(u->reader))
            continue;
        double start = now();
        u->helped = true;
        pthread_mutex_unlock(&p->lock);
        pretok_unit_reader_ahead(u->reader);
        pthread_mutex_lock(&p->lock);
        u->helped = false;
        pthread_cond_broadcast(&p->changed);
        w->timing.unpack += now() - start;
        return true;
    }
    return false;
}

/* Under the lock. */
static void wait_changed(struct pipeline *p, long milliseconds, double *waited)
{
    double start = now();
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += milliseconds * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&p->changed, &p->lock, &until);
    *waited += now() - start;
}

/* Reads, tokenizes and hands over one batch of u. Not under the lock. */
static void one_batch(struct worker *w, struct open_unit *u, struct pretok_batch *b)
{
    struct pipeline *p = w->p;
    struct ngt_error error;
    double start = now(), middle, end;
    enum ngt_status status = pretok_unit_reader_fill(u->reader, b, &error);
    uint64_t unit = u->unit, documents = b->count;

    middle = now();
    w->timing.read += middle - start;
    pthread_mutex_lock(&p->lock);
    b->sequence = u->next_read++;
    u->reading = false;
    if (status == NGT_OK && b->last) {
        u->read_done = true;
        if (p->config->limit != UINT64_MAX)
            p->limit_left -= pretok_unit_reader_records(u->reader);
    }
    if (status != NGT_OK)
        fail(p, unit, status, &error);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);

    if (status == NGT_OK) {
        status = pretok_tokenize(&p->config->writer, w->scratch, &w->spelling, b, &error);
        end = now();
        w->timing.tokenize += end - middle;
        if (documents && p->config->batch_done)
            p->config->batch_done(p->config->arg, unit, documents, end - middle);
    }
    pthread_mutex_lock(&p->lock);
    if (status != NGT_OK)
        fail(p, unit, status, &error);
    u->ready[b->sequence % p->batch_count] = b;
    write_ready(w, u);
    pthread_mutex_unlock(&p->lock);
    tell_progress(p);
}

static void work(void *arg, unsigned index)
{
    struct pipeline *p = ((struct worker *)arg)->p;
    struct worker *w = (struct worker *)arg + index;
    struct ngt_error error;
    double busy; /* when it last had something to tokenize */

    busy = now();
    pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        bool never = false;
        if (p->config->stopped && p->config->stopped(p->config->arg)) {
            p->stopped = p->ending = true;
            pthread_cond_broadcast(&p->changed);
            break;
        }
        if (!p->free_count) {
            wait_changed(p, 200, &w->timing.wait_batch);
            continue;
        }
        struct open_unit *u = take_unit(p, now() - busy < TURN_MS * 1e-3, &never, &error);
        if (never)
            break; /* the rest is in the hands of others */
        if (!u) {
            if (!p->ending && !help(p, w) && !p->ending)
                wait_changed(p, TURN_MS, &w->timing.wait_read);
            continue;
        }
        struct pretok_batch *b = p->free[--p->free_count];
        pthread_mutex_unlock(&p->lock);
        one_batch(w, u, b);
        busy = now();
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

/* ---- the run ---- */

static enum ngt_status prepare(struct pipeline *p, struct worker *workers, struct ngt_error *reterr)
{
    const struct pretok_pipeline_config *c = p->config;

    /* one in the hands of each worker, the others waiting for an earlier one that takes longer */
    uint64_t count = 4 * (uint64_t)c->threads + 4;
    p->free = calloc(count, sizeof *p->free);
    for (; p->free && p->batch_count < count; p->batch_count++)
        if (!(p->free[p->free_count++] = calloc(1, sizeof(struct pretok_batch))) ||
            !pretok_batch_prepare(p->free[p->batch_count]))
            break;
    if (p->batch_count < count)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for %u threads",
                        c->threads);
    for (unsigned i = 0; i < c->threads; i++) {
        workers[i].p = p;
        enum ngt_status status = tok_scratch_new(c->writer.tokenizer, &workers[i].scratch, reterr);
        if (status != NGT_OK)
            return status;
    }
    return NGT_OK;
}

static void clear_up(struct pipeline *p, struct worker *workers)
{
    while (p->open) {
        struct open_unit *u = p->open;
        for (uint64_t i = 0; i < p->batch_count; i++)
            if (u->ready[i])
                p->free[p->free_count++] = u->ready[i];
        close_unit(p, u);
    }
    for (uint64_t i = 0; i < p->free_count; i++)
        if (p->free[i]) {
            pretok_batch_done(p->free[i]);
            free(p->free[i]);
        }
    free(p->free);
    for (unsigned i = 0; workers && i < p->config->threads; i++) {
        tok_scratch_free(&workers[i].scratch);
        pretok_bytes_done(&workers[i].spelling);
    }
}

enum ngt_status pretok_pipeline_run(const struct pretok_pipeline_config *config,
                                    struct pretok_timing *ret_timing, struct ngt_error *reterr)
{
    struct pipeline p = {
        .config = config,
        .open_limit = 2 + config->threads / 4, /* one ending while the next begins; more where the
                                                  reading of one unit cannot feed all workers */
        .limit_left = config->limit,
    };
    struct worker *workers = calloc(config->threads, sizeof *workers);
    struct ngt_pool *pool = NULL;
    pthread_condattr_t attributes;
    enum ngt_status status;
    double start = now();

    ngt_error_clear(reterr);
    ngt_error_clear(&p.error);
    pthread_mutex_init(&p.lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!workers)
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    else
        status = prepare(&p, workers, reterr);
    if (status == NGT_OK)
        status = ngt_pool_new(config->threads, &pool, reterr);
    if (status != NGT_OK)
        goto out;
    ngt_pool_run(pool, work, workers);

    for (unsigned i = 0; i < config->threads; i++) {
        p.timing.read += workers[i].timing.read;
        p.timing.tokenize += workers[i].timing.tokenize;
        p.timing.unpack += workers[i].timing.unpack;
        p.timing.write += workers[i].timing.write;
        p.timing.commit += workers[i].timing.commit;
        p.timing.wait_read += workers[i].timing.wait_read;
        p.timing.wait_batch += workers[i].timing.wait_batch;
    }
    p.timing.wall = now() - start;
    *ret_timing = p.timing;
    status = p.status;
    if (status != NGT_OK && reterr)
        *reterr = p.error;
    if (status != NGT_OK && config->unit_failed)
        config->unit_failed(config->arg, p.failed_unit, &p.error);
    if (status == NGT_OK && (p.open || p.next_todo < config->todo_count))
        status = ngt_fail(reterr, NGT_E_STOPPED, NULL, HERE, "stopped before all units were done");
out:
    ngt_pool_free(&pool);
    clear_up(&p, workers);
    pthread_cond_destroy(&p.changed);
    pthread_mutex_destroy(&p.lock);
    free(workers);
    return status;
}
