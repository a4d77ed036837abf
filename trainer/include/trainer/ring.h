/*
 * The ring between the host thread that gathers data and the loop that drives a device: slots of
 * fixed size, allocated once, handed over in order. One producer, one consumer; both sleep when
 * they have nothing to do.
 */
#ifndef TRAINER_RING_H
#define TRAINER_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

enum trainer_slot_kind {
    TRAINER_TRAIN = 1,      /* one micro-batch of a step */
    TRAINER_VALIDATE = 2,   /* one micro-batch of the held-out set */
    TRAINER_CHECKPOINT = 3, /* the state after the steps before it is to be kept */
    TRAINER_STOP = 4,       /* nothing follows */
};

struct trainer_slot {
    enum trainer_slot_kind kind;
    uint64_t step;            /* train: 0-based; validate, checkpoint, stop: number of steps done */
    uint32_t rows;            /* train, validate; the last micro-batch may be shorter */
    bool first, last;         /* micro-batch of the step, or of this validation */
    uint64_t step_targets;    /* train: over all micro-batches of the step */
    double lr, bias1, bias2;  /* train */
    uint32_t *tokens;         /* [rows * seq_len] */
    uint32_t *targets;        /* [rows * seq_len]; NGT_NO_ID for none */
    uint32_t *first_position; /* [rows * seq_len], within the row */
};

struct trainer_ring;

/* slots >= 1 of rows * seq_len positions each: 12 bytes a position. */
NGT_NODISCARD enum ngt_status trainer_ring_new(uint64_t slots, uint64_t rows, uint64_t seq_len,
                                               struct trainer_ring **ret_ring,
                                               struct ngt_error *reterr);
void trainer_ring_free(struct trainer_ring **ring);
uint64_t trainer_ring_slots(const struct trainer_ring *ring);

/* ---- producer ---- */
/* Waits until n <= slots are free; false once the consumer has closed the ring. */
bool trainer_ring_reserve(struct trainer_ring *ring, uint64_t n);
/* The i-th of the slots reserved, to be filled; its arrays are the ring's. */
struct trainer_slot *trainer_ring_reserved(struct trainer_ring *ring, uint64_t i);
/* Hands over the first n reserved slots. */
void trainer_ring_publish(struct trainer_ring *ring, uint64_t n);
/* The producer cannot go on: the consumer gets this error once it has taken what was published. */
void trainer_ring_fail(struct trainer_ring *ring, const struct ngt_error *error);

/* ---- consumer ---- */
/* Waits for the next slot, which is the consumer's until trainer_ring_release. After `seconds` without one:
 * NGT_OK and NULL. */
NGT_NODISCARD enum ngt_status trainer_ring_take(struct trainer_ring *ring, double seconds,
                                                const struct trainer_slot **ret_slot,
                                                struct ngt_error *reterr);
void trainer_ring_release(struct trainer_ring *ring);
/* Takes no more; wakes the producer. Any thread. */
void trainer_ring_close(struct trainer_ring *ring);
/* Seconds trainer_ring_take has slept so far, the time before the first slot not counted. */
double trainer_ring_waited(const struct trainer_ring *ring);

#endif
