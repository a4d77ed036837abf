/* What the programs that time the CUDA backend have in common: a preset's model with random weights, and
 * steps on random tokens. */
#ifndef TEST_KERNELS_BENCH_LAB_H
#define TEST_KERNELS_BENCH_LAB_H

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

/* Full rows of random tokens, other ones each step. */
struct bench_batch {
    uint32_t *tokens, *targets, *first;
    uint64_t n, state;
};

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
}

static inline void bench_submit(struct kern_backend *b, const struct kern_config *c,
                                struct bench_batch *batch, uint64_t step)
{
    struct kern_error error = {0};

    for (uint64_t i = 0; i < batch->n; i++) {
        batch->tokens[i] = (uint32_t)(bench_next(&batch->state) % c->model.vocab);
        batch->targets[i] = (uint32_t)(bench_next(&batch->state) % c->model.vocab);
    }
    bench_must(kern_submit(b,
                           &(struct kern_slot){.kind = KERN_TRAIN,
                                               .step = step,
                                               .rows = c->rows,
                                               .tokens = batch->tokens,
                                               .targets = batch->targets,
                                               .first = batch->first,
                                               .first_micro = true,
                                               .last_micro = true,
                                               .step_targets = batch->n,
                                               .lr = 3e-4,
                                               .bias1 = 1,
                                               .bias2 = 1},
                           &error),
               &error);
}

#endif
