/*
 * Learning rate and bias corrections: pure functions of configuration and step, in double, so that
 * a run can be resumed from a step number alone.
 */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include <stdint.h>

#define TRAINER_BETA1 0.9
#define TRAINER_BETA2 0.95
#define TRAINER_ADAM_EPS 1e-8

struct trainer_schedule {
    uint64_t steps, warmup; /* warmup <= steps */
    double lr, min_lr;
};

/*
 * Of step s, 0-based: rises by lr / warmup a step and reaches lr with the last step of the warm-up,
 * then falls along half a cosine and reaches min_lr with the last step of the run.
 */
double trainer_schedule_lr(const struct trainer_schedule *s, uint64_t step);
/* 1 - beta^(step + 1) */
double trainer_schedule_bias(double beta, uint64_t step);

#endif
