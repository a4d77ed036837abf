/* What the programs that time the CUDA backend have in common: a preset's model with random weights, and
 * steps on random tokens. */
#ifndef TEST_KERNELS_BENCH_LAB_H
#define TEST_KERNELS_BENCH_LAB_H

#include "bench_batches.h"
#include "bench_model.h"
#include "kern/backend.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Vocabulary, optimizer and clipping as PyTorch's side has them. false: unknown preset, or no shape. */
static inline bool bench_config(const char *preset, const char *rows, const char *seq_len,
                                const char *launch, struct kern_config *ret_config)
{
    struct kern_config c = {
        .beta1 = 0.9f, .beta2 = 0.95f, .adam_eps = 1e-8f, .weight_decay = 0.1f, .clip = 1};

    if (!kern_model_preset(preset, &c.model))
        return false;
    c.model.vocab = 32000;
    c.rows = (uint32_t)atoi(rows), c.seq_len = (uint32_t)atoi(seq_len);
    c.launch = !strcmp(launch, "graph")      ? KERN_GRAPH
               : !strcmp(launch, "stepwise") ? KERN_STEPWISE
                                             : KERN_PERSISTENT;
    *ret_config = c;
    return c.rows && c.seq_len;
}

static inline void bench_must(enum kern_status status, const struct kern_error *error)
{
    if (status == KERN_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(status == KERN_E_UNAVAILABLE ? 77 : 1);
}

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Full rows of random tokens, other ones each step; or sequences of a file that dump_batches wrote. */
struct bench_batch {
    uint32_t *tokens, *targets, *first;
    uint64_t n, state;
    uint32_t *file; /* [BENCH_BATCHES][rows][3][seq_len], or NULL */
};

/* false: the file is not there, or of another shape or vocabulary. */
static inline bool bench_batch_load(struct bench_batch *batch, const struct kern_config *c,
                                    const char *path)
{
    uint32_t header[4], sequences = c->rows * BENCH_BATCHES;
    uint64_t values = 3ull * sequences * c->seq_len;
    FILE *f = fopen(path, "rb");

    batch->file = malloc(values * sizeof *batch->file);
    bool good = f && batch->file && fread(header, sizeof header, 1, f) == 1 &&
                header[0] == sequences && header[1] == c->seq_len && header[2] <= c->model.vocab &&
                fread(batch->file, sizeof *batch->file, values, f) == values;
    if (f)
        fclose(f);
    return good;
}

/* The next step's; returns its targets. */
static inline uint64_t bench_batch_fill(struct bench_batch *batch, const struct kern_config *c,
                                        uint64_t step)
{
    uint64_t targets = 0, T = c->seq_len;

    for (uint64_t i = 0; !batch->file && i < batch->n; i++) {
        batch->tokens[i] = (uint32_t)(bench_next(&batch->state) % c->model.vocab);
        batch->targets[i] = (uint32_t)(bench_next(&batch->state) % c->model.vocab);
    }
    for (uint64_t row = 0; batch->file && row < c->rows; row++) {
        const uint32_t *at = batch->file + 3 * T * (step % BENCH_BATCHES * c->rows + row);
        memcpy(batch->tokens + row * T, at, 4 * T);
        memcpy(batch->targets + row * T, at + T, 4 * T);
        memcpy(batch->first + row * T, at + 2 * T, 4 * T);
    }
    for (uint64_t i = 0; i < batch->n; i++)
        targets += batch->targets[i] != KERN_NO_TARGET;
    return targets;
}

static inline struct bench_batch bench_batch_new(const struct kern_config *c)
{
    struct bench_batch batch = {.n = (uint64_t)c->rows * c->seq_len, .state = 42};

    batch.tokens = calloc(batch.n, 4);
    batch.targets = calloc(batch.n, 4);
    batch.first = calloc(batch.n, 4);
    if (!batch.tokens || !batch.targets || !batch.first)
        abort();
    return batch;
}

static inline void bench_batch_free(struct bench_batch *batch)
{
    free(batch->tokens);
    free(batch->targets);
    free(batch->first);
    free(batch->file);
}

static inline void bench_submit(struct kern_backend *b, const struct kern_config *c,
                                struct bench_batch *batch, uint64_t step)
{
    struct kern_error error = {0};

    uint64_t targets = bench_batch_fill(batch, c, step);

    bench_must(kern_submit(b,
                           &(struct kern_slot){.kind = KERN_TRAIN,
                                               .step = step,
                                               .rows = c->rows,
                                               .tokens = batch->tokens,
                                               .targets = batch->targets,
                                               .first = batch->first,
                                               .first_micro = true,
                                               .last_micro = true,
                                               .step_targets = targets,
                                               .lr = 3e-4,
                                               .bias1 = 1,
                                               .bias2 = 1},
                           &error),
               &error);
}

#endif
