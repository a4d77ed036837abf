/*
 * Invariants, under the lock: released <= taken <= published <= reserved <= released + slots, all
 * of them counts since the beginning (64 bits never wrap); slot number n lives at n % slots. taken
 * is at most one ahead of released.
 */
#include "trainer/ring.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "ngt/checked.h"

struct trainer_ring {
    uint64_t slots;
    struct trainer_slot *slot;
    uint32_t *memory;
    uint64_t reserved, published, taken, released;
    bool closed, failed;
    struct ngt_error error;
    double waited;
    pthread_mutex_t lock;
    pthread_cond_t filled, freed;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

enum ngt_status trainer_ring_new(uint64_t slots, uint64_t rows, uint64_t seq_len,
                                 struct trainer_ring **ret_ring, struct ngt_error *reterr)
{
    struct trainer_ring *r = NULL;
    pthread_condattr_t monotonic;
    uint64_t positions, words, bytes;

    ngt_error_clear(reterr);
    if (ngt_mul_u64(&positions, rows, seq_len) || ngt_mul_u64(&words, positions, 3) ||
        ngt_mul_u64(&words, words, slots) || ngt_mul_u64(&bytes, words, sizeof(uint32_t)))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                        "the batch is too large to count");
    r = calloc(1, sizeof *r);
    if (!r)
        goto out;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->filled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&r->freed, NULL);
    r->slots = slots;
    r->slot = calloc(slots, sizeof *r->slot);
    r->memory = malloc(bytes);
    if (!r->slot || !r->memory)
        goto out;
    for (uint64_t i = 0; i < slots; i++) {
        r->slot[i].tokens = r->memory + 3 * i * positions;
        r->slot[i].targets = r->slot[i].tokens + positions;
        r->slot[i].first_position = r->slot[i].targets + positions;
    }
    *ret_ring = r;
    return NGT_OK;
out:
    trainer_ring_free(&r);
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the data ring (%llu bytes); take a smaller --batch",
                    (unsigned long long)bytes);
}

void trainer_ring_free(struct trainer_ring **ring)
{
    struct trainer_ring *r = *ring;

    if (!r)
        return;
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->filled);
    pthread_cond_destroy(&r->freed);
    free(r->slot);
    free(r->memory);
    free(r);
    *ring = NULL;
}

uint64_t trainer_ring_slots(const struct trainer_ring *ring)
{
    return ring->slots;
}

bool trainer_ring_reserve(struct trainer_ring *r, uint64_t n)
{
    pthread_mutex_lock(&r->lock);
    while (!r->closed && r->published + n > r->released + r->slots)
        pthread_cond_wait(&r->freed, &r->lock);
    r->reserved = r->published + n;
    bool open = !r->closed;
    pthread_mutex_unlock(&r->lock);
    return open;
}

struct trainer_slot *trainer_ring_reserved(struct trainer_ring *r, uint64_t i)
{
    /* only the producer moves `published`, so it may read it without the lock */
    return &r->slot[(r->published + i) % r->slots];
}

void trainer_ring_publish(struct trainer_ring *r, uint64_t n)
{
    pthread_mutex_lock(&r->lock);
    r->published += n;
    pthread_cond_signal(&r->filled);
    pthread_mutex_unlock(&r->lock);
}

void trainer_ring_fail(struct trainer_ring *r, const struct ngt_error *error)
{
    pthread_mutex_lock(&r->lock);
    r->failed = true;
    r->error = *error;
    pthread_cond_signal(&r->filled);
    pthread_mutex_unlock(&r->lock);
}

/* Until something can be taken, or for so many seconds; with the lock held. */
static void await_filled(struct trainer_ring *r, double seconds)
{
    double begin = now(), end = begin + seconds;
    struct timespec until = {(time_t)end, (long)((end - floor(end)) * 1e9)};

    while (r->taken == r->published && !r->failed && !r->closed)
        if (pthread_cond_timedwait(&r->filled, &r->lock, &until) != 0)
            break;
    /* the first slot is always late: that is starting up, not being starved */
    if (r->taken)
        r->waited += now() - begin;
}

enum ngt_status trainer_ring_take(struct trainer_ring *r, double seconds,
                                  const struct trainer_slot **ret_slot, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    pthread_mutex_lock(&r->lock);
    if (r->taken == r->published && !r->failed && !r->closed)
        await_filled(r, seconds);
    *ret_slot = NULL;
    if (r->taken < r->published) {
        *ret_slot = &r->slot[r->taken++ % r->slots];
    } else if (r->failed) {
        if (reterr)
            *reterr = r->error;
        status = r->error.code;
    } else if (r->closed) {
        status = ngt_fail(reterr, NGT_E_STOPPED, NULL, NGT_NO_POS, NGT_NO_POS,
                          "the data ring is closed");
    }
    pthread_mutex_unlock(&r->lock);
    return status;
}

void trainer_ring_release(struct trainer_ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->released++;
    pthread_cond_signal(&r->freed);
    pthread_mutex_unlock(&r->lock);
}

void trainer_ring_close(struct trainer_ring *r)
{
    pthread_mutex_lock(&r->lock);
    r->closed = true;
    pthread_cond_broadcast(&r->freed);
    pthread_cond_broadcast(&r->filled);
    pthread_mutex_unlock(&r->lock);
}

double trainer_ring_waited(const struct trainer_ring *r)
{
    return r->waited;
}
