/*
 * The loop between ring and backend: submits slots in order, takes results as they come, and never
 * waits for a result except before a checkpoint and at the end. Knows nothing of files or
 * terminals. However it ends, the device is told to stop.
 */
#ifndef TRAINER_DRIVE_H
#define TRAINER_DRIVE_H

#include "kern/backend.h"
#include "trainer/ring.h"

struct trainer_drive {
    struct kern_backend *backend;
    struct trainer_ring *ring;
    uint64_t validation_micros; /* slots of one validation: trainer_feed_validation_micros */
    double deadline;            /* seconds that the ring may stay empty; 0: any */
    void *context;
    /* Whether there is still a thread that fills the ring, or has filled it to its end; NULL: yes. */
    bool (*feeding)(void *context);
    /* Asked before each step: true ends the loop cleanly, after a checkpoint. */
    bool (*stopped)(void *context);
    /* After each step, in order; lr as it was submitted. */
    enum ngt_status (*step_done)(void *context, const struct kern_result *result, double lr,
                                 struct ngt_error *reterr);
    /* After each validation; step: steps done, nll summed over targets. */
    enum ngt_status (*validated)(void *context, uint64_t step, double nll, uint64_t targets,
                                 double compute_seconds, struct ngt_error *reterr);
    /* No result is outstanding; step: steps done. */
    enum ngt_status (*checkpoint)(void *context, uint64_t step, struct ngt_error *reterr);
};

/*
 * Runs until the stop slot or until stopped(). *ret_steps: steps done (slots' numbering, so it
 * includes those before this run); *ret_stopped: stopped() ended it.
 */
NGT_NODISCARD enum ngt_status trainer_drive(const struct trainer_drive *d, uint64_t first_step,
                                            uint64_t *ret_steps, bool *ret_stopped,
                                            struct ngt_error *reterr);

#endif
