#include "ngt/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * Invariant: `round` grows by one for each ngt_pool_run; a worker runs a round exactly once, and
 * the caller leaves only when `busy` is back at 0. Workers sleep on `start` in between, so an idle
 * pool costs nothing.
 */
struct ngt_pool {
    unsigned workers, started;
    pthread_t *threads;
    struct worker {
        struct ngt_pool *pool;
        unsigned index;
    } * slots;
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    uint64_t round;
    unsigned busy;
    int ending;
    ngt_pool_task_fn task;
    void *arg;
};

static unsigned quota_cores(void)
{
    long long quota = 0, period = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
    unsigned cores = 0;

    if (!f)
        return 0;
    if (fscanf(f, "%lld %lld", &quota, &period) == 2 && quota > 0 && period > 0)
        cores = (unsigned)((quota + period - 1) / period);
    fclose(f);
    return cores;
}

unsigned ngt_pool_cores(void)
{
    cpu_set_t set;
    unsigned cores = 1, quota = quota_cores();

    if (sched_getaffinity(0, sizeof set, &set) == 0)
        cores = (unsigned)CPU_COUNT(&set);
    if (quota && quota < cores)
        cores = quota;
    return cores ? cores : 1;
}

static void *worker_main(void *arg)
{
    struct worker *self = arg;
    struct ngt_pool *p = self->pool;
    uint64_t seen = 0;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (p->round == seen && !p->ending)
            pthread_cond_wait(&p->start, &p->lock);
        if (p->round == seen)
            break;
        seen = p->round;
        ngt_pool_task_fn task = p->task;
        void *task_arg = p->arg;
        pthread_mutex_unlock(&p->lock);
        task(task_arg, self->index);
        pthread_mutex_lock(&p->lock);
        if (--p->busy == 0)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum ngt_status ngt_pool_new(unsigned workers, struct ngt_pool **ret_pool, struct ngt_error *reterr)
{
    struct ngt_pool *p = NULL;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (workers < 1)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                        "a pool needs at least one worker");
    p = calloc(1, sizeof *p);
    if (!p)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the thread pool");
    p->workers = workers;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->start, NULL);
    pthread_cond_init(&p->done, NULL);
    p->threads = calloc(workers, sizeof *p->threads);
    p->slots = calloc(workers, sizeof *p->slots);
    if (!p->threads || !p->slots) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the thread pool");
        goto out;
    }
    for (unsigned i = 1; i < workers; i++) {
        p->slots[i] = (struct worker){.pool = p, .index = i};
        if (pthread_create(&p->threads[i], NULL, worker_main, &p->slots[i]) != 0) {
            status = ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                              "cannot start thread %u of %u; use fewer with -j", i + 1, workers);
            goto out;
        }
        p->started = i;
    }
    *ret_pool = p;
    p = NULL;
out:
    ngt_pool_free(&p);
    return status;
}

void ngt_pool_free(struct ngt_pool **pool)
{
    struct ngt_pool *p = *pool;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->ending = 1;
    pthread_cond_broadcast(&p->start);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 1; i <= p->started; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->start);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p->slots);
    free(p);
    *pool = NULL;
}

unsigned ngt_pool_workers(const struct ngt_pool *pool)
{
    return pool->workers;
}

void ngt_pool_run(struct ngt_pool *pool, ngt_pool_task_fn task, void *arg)
{
    pthread_mutex_lock(&pool->lock);
    pool->task = task;
    pool->arg = arg;
    pool->busy = pool->workers - 1;
    pool->round++;
    pthread_cond_broadcast(&pool->start);
    pthread_mutex_unlock(&pool->lock);
    task(arg, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->busy)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

struct each {
    pthread_mutex_t lock;
    uint64_t next, n, failed_item;
    ngt_pool_item_fn item;
    void *arg;
    enum ngt_status status;
    struct ngt_error error;
};

static void each_worker(void *arg, unsigned worker)
{
    struct each *e = arg;

    for (;;) {
        struct ngt_error error;
        pthread_mutex_lock(&e->lock);
        uint64_t i = e->next;
        int stop = i >= e->n || e->status != NGT_OK;
        if (!stop)
            e->next++;
        pthread_mutex_unlock(&e->lock);
        if (stop)
            return;
        ngt_error_clear(&error);
        enum ngt_status status = e->item(e->arg, i, worker, &error);
        if (status != NGT_OK) {
            pthread_mutex_lock(&e->lock);
            /* all lower indices were handed out before this one, so the lowest failure is always
             * seen */
            if (e->status == NGT_OK || i < e->failed_item) {
                e->status = status;
                e->failed_item = i;
                e->error = error;
            }
            pthread_mutex_unlock(&e->lock);
        }
    }
}

enum ngt_status ngt_pool_each(struct ngt_pool *pool, uint64_t n, ngt_pool_item_fn item, void *arg,
                              struct ngt_error *reterr)
{
    struct each e = {.n = n, .item = item, .arg = arg};

    ngt_error_clear(reterr);
    ngt_error_clear(&e.error);
    pthread_mutex_init(&e.lock, NULL);
    ngt_pool_run(pool, each_worker, &e);
    pthread_mutex_destroy(&e.lock);
    if (e.status != NGT_OK && reterr)
        *reterr = e.error;
    return e.status;
}
