/* What a run did and where its time went. */
#ifndef TRAINER_REPORT_H
#define TRAINER_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "ngt/error.h"

struct trainer_report {
    uint64_t first_step, last_step, total_steps, steps, skipped, tokens;
    double loss, val_loss;
    bool validated;
    double wall_seconds, step_seconds; /* whole; within steps */
    double compute_seconds;            /* the device at work on slots, barriers included */
    double busy_seconds;               /* of it, inside tile functions, averaged over its units */
    double wait_seconds;               /* the device without a slot to work on */
    double checkpoint_seconds, validation_seconds;
    double cpu_share, flop;
    const char *device;
    double peak_flops; /* of the device, for bf16 products; 0: not known */
    unsigned threads;
};

/*
 * The table of the four places time goes to, in seconds; they add up to wall_seconds: compute =
 * busy_seconds; waiting; synchronisation = compute_seconds - busy_seconds (barriers, uneven tiles);
 * host = the rest (starting steps, metrics, checkpoints).
 */
struct trainer_breakdown {
    double compute, waiting, synchronisation, host;
};
struct trainer_breakdown trainer_report_breakdown(const struct trainer_report *r);

void trainer_report_print(const struct trainer_report *r, FILE *out);
void trainer_report_json(const struct trainer_report *r, FILE *out);
/* RUNDIR/report.json */
NGT_NODISCARD enum ngt_status trainer_report_write(const struct trainer_report *r,
                                                   const char *folder, struct ngt_error *reterr);

#endif
