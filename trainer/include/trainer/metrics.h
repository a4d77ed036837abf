/* metrics.jsonl: one line a step, and one a validation. Appended to; cut back when a run resumes.
 */
#ifndef TRAINER_METRICS_H
#define TRAINER_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

#define TRAINER_METRICS_FILE "metrics.jsonl"

/*
 * With --log-every N a line stands for the N steps up to its own: tokens, targets and seconds are
 * their sums, the shares are over those seconds, loss, lr and grad_norm are the last step's.
 */
struct trainer_metrics_line {
    uint64_t step;              /* steps done: the first line says 1 */
    double loss, lr, grad_norm; /* not finite: null in the file */
    uint64_t tokens, targets;   /* positions computed, and those with a target */
    double seconds;             /* wall time */
    double wait_share;          /* of it, the device waiting for data */
    double gpu_busy;            /* share of the device's time inside tile functions */
    double cpu_share;           /* CPU time of this process / (seconds * cores) */
    bool updated;               /* false: no targets, or a norm that is not finite */
};

struct trainer_validation_line {
    uint64_t step;
    double val_loss;     /* nats a target */
    uint64_t val_tokens; /* targets */
};

struct trainer_metrics;

/*
 * Opens RUNDIR/metrics.jsonl for appending and cuts off what lies beyond `step`: lines of later
 * steps, and a last line that a crash left torn. *ret_validated is the step of the last validation
 * line kept, or UINT64_MAX.
 */
NGT_NODISCARD enum ngt_status trainer_metrics_open(const char *folder, uint64_t step,
                                                   struct trainer_metrics **ret_metrics,
                                                   uint64_t *ret_validated,
                                                   struct ngt_error *reterr);
void trainer_metrics_close(struct trainer_metrics **m);
NGT_NODISCARD enum ngt_status trainer_metrics_step(struct trainer_metrics *m,
                                                   const struct trainer_metrics_line *line,
                                                   struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status trainer_metrics_validation(struct trainer_metrics *m,
                                                         const struct trainer_validation_line *line,
                                                         struct ngt_error *reterr);
/* On disk when it returns; before the checkpoint of the same step appears. */
NGT_NODISCARD enum ngt_status trainer_metrics_sync(struct trainer_metrics *m,
                                                   struct ngt_error *reterr);

/* ---- reading them back ---- */
struct trainer_history {
    struct trainer_metrics_line *steps;
    uint64_t step_count;
    struct trainer_validation_line *validations;
    uint64_t validation_count;
};
/* A torn last line is passed over. NGT_E_DATA: item = line. */
NGT_NODISCARD enum ngt_status trainer_history_read(const char *folder,
                                                   struct trainer_history *ret_history,
                                                   struct ngt_error *reterr);
void trainer_history_done(struct trainer_history *history);

#endif
