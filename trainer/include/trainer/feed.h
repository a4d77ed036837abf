/*
 * The host thread that gathers sequences into the ring. Sequence number = step * batch + row; epoch
 * = number / count; the rest goes through the keyed permutation of that epoch. The order is hence
 * the same for any device and any number of threads, and any step can be the first.
 */
#ifndef TRAINER_FEED_H
#define TRAINER_FEED_H

#include "ngt/sequence.h"
#include "trainer/ring.h"
#include "trainer/schedule.h"

struct trainer_feed_config {
    const struct ngt_sequences *train;
    const struct ngt_sequences *validation; /* NULL: none; read in order, whole, each time */
    struct trainer_schedule schedule;
    uint64_t first_step, end_step; /* steps [first, end); end <= schedule.steps */
    uint64_t batch;                /* sequences a step */
    uint64_t micro_batch;          /* rows of a slot; the ring's rows */
    uint64_t seed;
    uint64_t val_every, checkpoint_every; /* in steps; 0: only at the end */
    bool validate_first; /* the step before first_step was to be validated and was not */
};

/* Micro-batches of a step, and of a validation (0 without). */
uint64_t trainer_feed_micros(const struct trainer_feed_config *config);
uint64_t trainer_feed_validation_micros(const struct trainer_feed_config *config);

struct trainer_feed;

/*
 * Starts the thread. Slots in order: the micro-batches of a step, those of a validation where one
 * is due, a checkpoint where one is due; after end_step a checkpoint and a stop. A step is gathered
 * whole before its first micro-batch is handed over, as its number of targets is the divisor of the
 * loss. ring has at least trainer_feed_micros slots. config is copied; what it points to is
 * borrowed until trainer_feed_stop.
 */
NGT_NODISCARD enum ngt_status trainer_feed_start(const struct trainer_feed_config *config,
                                                 struct trainer_ring *ring,
                                                 struct trainer_feed **ret_feed,
                                                 struct ngt_error *reterr);
/* Whether the thread runs, or has come to its end by itself: handed over its stop, or an error. */
bool trainer_feed_alive(struct trainer_feed *feed);
/*
 * Closes the ring and joins the thread. NULL is allowed. false: the thread hangs in a read and did not end
 * within `seconds`; what it was given must stay until the process ends.
 */
bool trainer_feed_stop(struct trainer_feed **feed, double seconds);

#endif
