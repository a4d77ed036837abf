/* Threads that stay, for benches: a run costs a wake-up, not a start. */
#ifndef TEST_KERNELS_POOL_H
#define TEST_KERNELS_POOL_H

#include <pthread.h>
#include <stdlib.h>

struct pool;

struct pool_thread {
    struct pool *pool;
    pthread_t thread;
    unsigned worker;
};

struct pool {
    unsigned count, running;
    unsigned long run;
    int ends;
    pthread_mutex_t lock;
    pthread_cond_t begin, done;
    void (*task)(void *arg, unsigned worker);
    void *arg;
    struct pool_thread *threads;
};

static void *pool_main(void *arg)
{
    struct pool_thread *t = arg;
    struct pool *p = t->pool;

    pthread_mutex_lock(&p->lock);
    for (unsigned long seen = 0;; seen++) {
        while (p->run == seen && !p->ends)
            pthread_cond_wait(&p->begin, &p->lock);
        if (p->ends)
            break;
        pthread_mutex_unlock(&p->lock);
        p->task(p->arg, t->worker);
        pthread_mutex_lock(&p->lock);
        if (!--p->running)
            pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static struct pool *pool_new(unsigned count)
{
    struct pool *p = calloc(1, sizeof *p);

    if (!p || !(p->threads = calloc(count, sizeof *p->threads)))
        abort();
    p->count = count;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->begin, NULL);
    pthread_cond_init(&p->done, NULL);
    for (unsigned w = 1; w < count; w++) {
        p->threads[w] = (struct pool_thread){.pool = p, .worker = w};
        if (pthread_create(&p->threads[w].thread, NULL, pool_main, &p->threads[w]))
            abort();
    }
    return p;
}

static void pool_run(void *context, void (*task)(void *arg, unsigned worker), void *arg)
{
    struct pool *p = context;

    pthread_mutex_lock(&p->lock);
    p->task = task;
    p->arg = arg;
    p->running = p->count - 1;
    p->run++;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    task(arg, 0);
    pthread_mutex_lock(&p->lock);
    while (p->running)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void pool_free(struct pool **pool)
{
    struct pool *p = *pool;

    pthread_mutex_lock(&p->lock);
    p->ends = 1;
    pthread_cond_broadcast(&p->begin);
    pthread_mutex_unlock(&p->lock);
    for (unsigned w = 1; w < p->count; w++)
        pthread_join(p->threads[w].thread, NULL);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->begin);
    pthread_cond_destroy(&p->done);
    free(p->threads);
    free(p);
    *pool = NULL;
}

#endif
