#include "trainer/feed.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "ngt/permutation.h"
#include "trainer/join.h"

struct trainer_feed {
    struct trainer_feed_config config;
    struct trainer_ring *ring;
    uint64_t epoch; /* of permutation; UINT64_MAX before the first */
    struct ngt_permutation *permutation;
    pthread_t thread;
    bool joined;
    _Atomic bool ended; /* feed_main came to its last line */
};

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return a / b + (a % b != 0);
}

uint64_t trainer_feed_micros(const struct trainer_feed_config *c)
{
    return divide_up(c->batch, c->micro_batch);
}

uint64_t trainer_feed_validation_micros(const struct trainer_feed_config *c)
{
    return c->validation ? divide_up(ngt_sequences_count(c->validation), c->micro_batch) : 0;
}

/* Sequence number n of the run -> index in the data set. */
static enum ngt_status place(struct trainer_feed *f, uint64_t n, uint64_t *ret_index,
                             struct ngt_error *reterr)
{
    uint64_t count = ngt_sequences_count(f->config.train), epoch = n / count;
    enum ngt_status status = NGT_OK;

    if (epoch != f->epoch) {
        ngt_permutation_free(&f->permutation);
        status = ngt_permutation_new(count,
                                     ngt_permutation_key(f->config.seed, epoch, NGT_PURPOSE_EPOCH),
                                     &f->permutation, reterr);
        if (status != NGT_OK)
            return status;
        f->epoch = epoch;
    }
    *ret_index = ngt_permutation_at(f->permutation, n % count);
    return NGT_OK;
}

static enum ngt_status gather(const struct ngt_sequences *from, uint64_t index,
                              struct trainer_slot *slot, uint64_t row, uint64_t *targets,
                              struct ngt_error *reterr)
{
    uint64_t length = ngt_sequences_len(from), at = row * length;
    enum ngt_status status = ngt_sequences_gather(
        from, index, slot->tokens + at, slot->targets + at, slot->first_position + at, reterr);

    if (status == NGT_OK)
        for (uint64_t i = 0; i < length; i++)
            *targets += slot->targets[at + i] != NGT_NO_ID;
    return status;
}

/* *ret_open = false: the consumer closed the ring. */
static enum ngt_status feed_step(struct trainer_feed *f, uint64_t step, bool *ret_open,
                                 struct ngt_error *reterr)
{
    const struct trainer_feed_config *c = &f->config;
    uint64_t micros = trainer_feed_micros(c), targets = 0, row = 0;
    enum ngt_status status = NGT_OK;

    *ret_open = trainer_ring_reserve(f->ring, micros);
    if (!*ret_open)
        return NGT_OK;
    for (uint64_t m = 0; m < micros; m++) {
        struct trainer_slot *slot = trainer_ring_reserved(f->ring, m);
        uint64_t rows = c->batch - row < c->micro_batch ? c->batch - row : c->micro_batch;
        for (uint64_t r = 0; r < rows; r++, row++) {
            uint64_t index = 0;
            status = place(f, step * c->batch + row, &index, reterr);
            if (status == NGT_OK)
                status = gather(c->train, index, slot, r, &targets, reterr);
            if (status != NGT_OK)
                return status;
        }
        slot->kind = TRAINER_TRAIN;
        slot->step = step;
        slot->rows = (uint32_t)rows;
        slot->first = m == 0;
        slot->last = m + 1 == micros;
        slot->lr = trainer_schedule_lr(&c->schedule, step);
        slot->bias1 = trainer_schedule_bias(TRAINER_BETA1, step);
        slot->bias2 = trainer_schedule_bias(TRAINER_BETA2, step);
    }
    for (uint64_t m = 0; m < micros; m++)
        trainer_ring_reserved(f->ring, m)->step_targets = targets;
    trainer_ring_publish(f->ring, micros);
    return NGT_OK;
}

static enum ngt_status feed_validation(struct trainer_feed *f, uint64_t done, bool *ret_open,
                                       struct ngt_error *reterr)
{
    const struct trainer_feed_config *c = &f->config;
    uint64_t micros = trainer_feed_validation_micros(c), index = 0, unused = 0;
    uint64_t count = c->validation ? ngt_sequences_count(c->validation) : 0;

    *ret_open = true;
    for (uint64_t m = 0; m < micros; m++) {
        *ret_open = trainer_ring_reserve(f->ring, 1);
        if (!*ret_open)
            return NGT_OK;
        struct trainer_slot *slot = trainer_ring_reserved(f->ring, 0);
        uint64_t rows = count - index < c->micro_batch ? count - index : c->micro_batch;
        for (uint64_t r = 0; r < rows; r++, index++) {
            enum ngt_status status = gather(c->validation, index, slot, r, &unused, reterr);
            if (status != NGT_OK)
                return status;
        }
        slot->kind = TRAINER_VALIDATE;
        slot->step = done;
        slot->rows = (uint32_t)rows;
        slot->first = m == 0;
        slot->last = m + 1 == micros;
        slot->step_targets = 0;
        trainer_ring_publish(f->ring, 1);
    }
    return NGT_OK;
}

static bool feed_mark(struct trainer_feed *f, enum trainer_slot_kind kind, uint64_t done)
{
    if (!trainer_ring_reserve(f->ring, 1))
        return false;
    struct trainer_slot *slot = trainer_ring_reserved(f->ring, 0);
    slot->kind = kind;
    slot->step = done;
    slot->rows = 0;
    slot->first = slot->last = true;
    trainer_ring_publish(f->ring, 1);
    return true;
}

static bool due(uint64_t done, uint64_t every)
{
    return every && done % every == 0;
}

static void *feed_main(void *arg)
{
    struct trainer_feed *f = arg;
    const struct trainer_feed_config *c = &f->config;
    struct ngt_error error;
    enum ngt_status status = NGT_OK;
    bool open = true;

    ngt_error_clear(&error);
    if (c->validate_first)
        status = feed_validation(f, c->first_step, &open, &error);
    for (uint64_t step = c->first_step; status == NGT_OK && open && step < c->end_step; step++) {
        uint64_t done = step + 1;
        status = feed_step(f, step, &open, &error);
        if (status == NGT_OK && open && (due(done, c->val_every) || done == c->schedule.steps))
            status = feed_validation(f, done, &open, &error);
        if (status == NGT_OK && open && (due(done, c->checkpoint_every) || done == c->end_step))
            open = feed_mark(f, TRAINER_CHECKPOINT, done);
    }
    if (status != NGT_OK)
        trainer_ring_fail(f->ring, &error);
    else if (open)
        (void)feed_mark(f, TRAINER_STOP, c->end_step);
    f->ended = true;
    return NULL;
}

enum ngt_status trainer_feed_start(const struct trainer_feed_config *config,
                                   struct trainer_ring *ring, struct trainer_feed **ret_feed,
                                   struct ngt_error *reterr)
{
    struct trainer_feed *f = NULL;

    ngt_error_clear(reterr);
    assert(config->batch && config->micro_batch && config->end_step <= config->schedule.steps);
    if (trainer_ring_slots(ring) < trainer_feed_micros(config))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, NGT_NO_POS, NGT_NO_POS,
                        "the ring has fewer slots than a step has micro-batches");
    if (!ngt_sequences_count(config->train))
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "the data set has no sequences");
    f = calloc(1, sizeof *f);
    if (!f)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the feed");
    f->config = *config;
    f->ring = ring;
    f->epoch = UINT64_MAX;
    if (pthread_create(&f->thread, NULL, feed_main, f) != 0) {
        free(f);
        return ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                        "cannot start the feed's thread");
    }
    *ret_feed = f;
    return NGT_OK;
}

bool trainer_feed_alive(struct trainer_feed *f)
{
    if (!f->joined)
        f->joined = pthread_tryjoin_np(f->thread, NULL) == 0;
    return !f->joined || f->ended;
}

bool trainer_feed_stop(struct trainer_feed **feed, double seconds)
{
    struct trainer_feed *f = *feed;

    if (!f)
        return true;
    trainer_ring_close(f->ring);
    *feed = NULL;
    if (!f->joined && !trainer_join_within(f->thread, seconds))
        return false;
    ngt_permutation_free(&f->permutation);
    free(f);
    return true;
}
