#include "trainer/drive.h"

#include <errno.h>
#include <stdio.h>

#include "trainer/device.h"

_Static_assert(KERN_NO_TARGET == UINT32_MAX, "the feed's targets are the backend's");

/* Steps submitted and not yet answered: their learning rates wait here for the metrics. A device
 * may run this far ahead; it is bounded by its own ring long before. */
#define AHEAD 64u
/* An empty ring is looked at so often: for a stop, for results, for whether anybody fills it. */
#define LOOK_SECONDS 0.05

struct progress {
    const struct trainer_drive *d;
    uint64_t submitted, answered; /* training steps of this run */
    double lr[AHEAD];
    uint64_t open; /* validation slots submitted and not yet answered */
    /* the validation whose results are coming in; results keep their order */
    uint64_t validated_slots, nll_targets;
    double nll, seconds;
};

static enum ngt_status answer(struct progress *p, const struct kern_result *r,
                              struct ngt_error *reterr)
{
    const struct trainer_drive *d = p->d;

    if (r->kind == KERN_TRAIN) {
        double lr = p->lr[p->answered % AHEAD];
        p->answered++;
        return d->step_done(d->context, r, lr, reterr);
    }
    p->nll += r->nll;
    p->nll_targets += r->targets;
    p->seconds += r->compute_seconds;
    p->open--;
    if (++p->validated_slots < d->validation_micros)
        return NGT_OK;
    enum ngt_status status =
        d->validated(d->context, r->step, p->nll, p->nll_targets, p->seconds, reterr);
    p->validated_slots = p->nll_targets = 0;
    p->nll = p->seconds = 0;
    return status;
}

/* all: waits until nothing is outstanding; else takes what is there. */
static enum ngt_status collect(struct progress *p, bool all, struct ngt_error *reterr)
{
    for (;;) {
        struct kern_result result;
        struct kern_error error = {0};
        bool have = false;
        if (p->submitted == p->answered && !p->open)
            return NGT_OK;
        if (kern_collect(p->d->backend, all, &have, &result, &error) != KERN_OK)
            return trainer_kern_fail(reterr, &error, NULL);
        if (!have)
            return NGT_OK;
        enum ngt_status status = answer(p, &result, reterr);
        if (status != NGT_OK)
            return status;
    }
}

static enum ngt_status submit(struct progress *p, const struct trainer_slot *slot,
                              struct ngt_error *reterr)
{
    struct kern_error error = {0};
    struct kern_slot out = {
        .kind = slot->kind == TRAINER_TRAIN ? KERN_TRAIN : KERN_VALIDATE,
        .step = slot->step,
        .rows = slot->rows,
        .tokens = slot->tokens,
        .targets = slot->targets,
        .first = slot->first_position,
        .first_micro = slot->first,
        .last_micro = slot->last,
        .step_targets = slot->step_targets,
        .lr = slot->lr,
        .bias1 = slot->bias1,
        .bias2 = slot->bias2,
    };

    if (kern_submit(p->d->backend, &out, &error) != KERN_OK) {
        char where[64];
        snprintf(where, sizeof where, "%s step %llu",
                 slot->kind == TRAINER_TRAIN ? "training" : "validation after",
                 (unsigned long long)slot->step + (slot->kind == TRAINER_TRAIN));
        return trainer_kern_fail(reterr, &error, where);
    }
    if (slot->kind == TRAINER_VALIDATE) {
        p->open++;
    } else if (slot->last) {
        p->lr[p->submitted % AHEAD] = slot->lr;
        p->submitted++;
    }
    return NGT_OK;
}

/*
 * The next slot; NULL when stopped() ends the wait for one. What was handed over so far ends with a whole
 * step or within a validation, hence it may end here.
 */
static enum ngt_status next_slot(struct progress *p, const struct trainer_slot **ret_slot,
                                 struct ngt_error *reterr)
{
    const struct trainer_drive *d = p->d;

    /* counted in looks, not by the clock: a process that was suspended has not waited */
    for (double waited = 0;; waited += LOOK_SECONDS) {
        bool feeding = !d->feeding || d->feeding(d->context); /* before the look, not after it */
        enum ngt_status status = trainer_ring_take(d->ring, LOOK_SECONDS, ret_slot, reterr);
        if (status != NGT_OK || *ret_slot || d->stopped(d->context))
            return status;
        if (!feeding || (d->deadline > 0 && waited >= d->deadline)) {
            errno = 0; /* no call failed: nothing to append */
            if (!feeding)
                return ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                                "the thread that reads the data died: please report this; the same "
                                "command goes on from the last checkpoint");
            return ngt_fail(reterr, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                            "no data came for %.3g s: is their disk stalled? the same command goes "
                            "on from the last checkpoint, with a longer --deadline if it is only "
                            "slow",
                            waited);
        }
        status = collect(p, false, reterr);
        if (status != NGT_OK)
            return status;
    }
}

static enum ngt_status stop_device(const struct trainer_drive *d, uint64_t done,
                                   struct ngt_error *reterr)
{
    struct kern_error error = {0};
    struct kern_slot stop = {.kind = KERN_STOP, .step = done};

    if (kern_submit(d->backend, &stop, &error) != KERN_OK)
        return trainer_kern_fail(reterr, &error, "stopping the device");
    return NGT_OK;
}

enum ngt_status trainer_drive(const struct trainer_drive *d, uint64_t first_step,
                              uint64_t *ret_steps, bool *ret_stopped, struct ngt_error *reterr)
{
    struct progress p = {.d = d};
    enum ngt_status status = NGT_OK;
    bool stopped = false, ended = false;
    uint64_t kept = UINT64_MAX; /* steps done at the last checkpoint */

    ngt_error_clear(reterr);
    while (status == NGT_OK && !ended) {
        const struct trainer_slot *slot = NULL;
        status = next_slot(&p, &slot, reterr);
        if (status != NGT_OK)
            break;
        if (!slot) {
            stopped = true;
            break;
        }
        switch (slot->kind) {
        case TRAINER_TRAIN:
        case TRAINER_VALIDATE:
            /* A step begun is finished. A validation may be left out or broken off: it is made up
             * for when the run goes on. */
            if ((slot->first || slot->kind == TRAINER_VALIDATE) && d->stopped(d->context)) {
                stopped = ended = true;
                break;
            }
            status = submit(&p, slot, reterr);
            if (status == NGT_OK)
                status = collect(&p, p.submitted - p.answered >= AHEAD, reterr);
            break;
        case TRAINER_CHECKPOINT:
            status = collect(&p, true, reterr);
            if (status == NGT_OK)
                status = d->checkpoint(d->context, slot->step, reterr);
            kept = slot->step;
            break;
        case TRAINER_STOP:
            ended = true;
            break;
        }
        trainer_ring_release(d->ring);
    }
    if (status == NGT_OK)
        status = collect(&p, true, reterr);
    uint64_t done = first_step + p.answered;
    if (status == NGT_OK && stopped && kept != done && p.answered)
        status = d->checkpoint(d->context, done, reterr);
    /* after a failure its cause stays the error */
    if (status == NGT_OK)
        status = stop_device(d, done, reterr);
    else
        ngt_ignore(stop_device(d, done, NULL));
    if (status == NGT_OK) {
        *ret_steps = done;
        *ret_stopped = stopped;
    }
    return status;
}
