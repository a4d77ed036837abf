/* A model to time with, on any backend: the same random numbers everywhere. */
#ifndef TEST_KERNELS_BENCH_MODEL_H
#define TEST_KERNELS_BENCH_MODEL_H

#include "kern/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline uint64_t bench_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Uniform with the standard deviation asked for: good enough to time with. */
static inline void bench_fill_weights(struct kern_backend *b, const struct kern_model *m)
{
    uint64_t state = 1;
    struct kern_error error = {0};
    float *w = calloc(kern_parameter_count(m), sizeof *w);

    if (!w)
        abort();
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++)
            w[t.offset + j] =
                t.init_std > 0
                    ? t.init_std * (float)(sqrt(12) * ((double)bench_next(&state) / 0x1p31 - 0.5))
                    : 1;
    }
    if (kern_state_set(b, KERN_WEIGHTS, w, &error) != KERN_OK) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    free(w);
}

#endif
