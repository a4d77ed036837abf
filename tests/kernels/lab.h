/*
 * A table with an arena of doubles or floats outside any backend, random contents from a seed, and
 * the means to run single phases: where the twin and gradient tests work.
 */
#ifndef TEST_KERNELS_LAB_H
#define TEST_KERNELS_LAB_H

#include "kern/functions.h"
#include "kern/qkv.h"
#include "kern/table.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lab {
    struct kern_table *table;
    bool f64;
    void *arena, *scratch;
    uint32_t *tokens, *targets, *first;
    struct kern_verdict verdict;
    struct kern_run run;
    struct kern_functions functions;
};

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers everywhere from a printed seed. */
static inline uint64_t lab_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform in [-1, 1). */
static inline double lab_uniform(uint64_t *state)
{
    return (double)(lab_next(state) >> 11) / (double)(UINT64_C(1) << 52) - 1;
}

static inline struct kern_config lab_config(uint32_t layers, uint32_t width, uint32_t heads,
                                            uint32_t kv_heads, uint32_t head_dim, uint32_t ffn,
                                            uint32_t vocab, bool untied, uint32_t rows,
                                            uint32_t seq_len)
{
    return (struct kern_config){
        .model = {layers, width, heads, kv_heads, head_dim, ffn, vocab, untied, 1e-5f, 10000.0f},
        .rows = rows,
        .seq_len = seq_len,
        .beta1 = 0.9f,
        .beta2 = 0.95f,
        .adam_eps = 1e-8f,
        .weight_decay = 0.1f,
        .clip = 1.0f,
    };
}

static inline uint64_t lab_targets(const struct lab *lab)
{
    uint64_t count = 0;
    for (uint32_t n = 0; n < lab->table->tokens; n++)
        count += lab->targets[n] != KERN_NO_TARGET;
    return count;
}

/* Segments of random lengths, some tokens padding (segments of one without target), some targets
 * missing. Each row ends in padding when it has room. */
static inline void lab_rows(uint32_t *tokens, uint32_t *targets, uint32_t *first, uint32_t rows,
                            uint32_t seq_len, uint32_t vocab, bool segments, uint64_t seed)
{
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t start = 0, left = segments ? 0 : seq_len;

        for (uint32_t i = 0; i < seq_len; i++, left--) {
            uint64_t n = (uint64_t)row * seq_len + i;
            if (!left) {
                start = i;
                left = 1 + (uint32_t)(lab_next(&seed) % (seq_len / 2 + 1));
            }
            tokens[n] = (uint32_t)(lab_next(&seed) % vocab);
            targets[n] = (uint32_t)(lab_next(&seed) % vocab);
            first[n] = start;
            if (segments && (lab_next(&seed) % 7 == 0 || i + 2 >= seq_len)) {
                targets[n] = KERN_NO_TARGET;
                if (left == 1 || i + 2 >= seq_len) { /* padding */
                    first[n] = i;
                    left = 1;
                }
            }
        }
    }
}

static inline struct lab *lab_new(const struct kern_config *config, bool f64, bool segments,
                                  uint64_t seed)
{
    struct lab *lab = calloc(1, sizeof *lab);
    struct kern_error error;

    if (!lab || kern_table_new(config, &lab->table, &error) != KERN_OK)
        abort();
    const struct kern_table *t = lab->table;
    lab->f64 = f64;
    lab->arena = aligned_alloc(64, t->plan.size * 8);
    lab->scratch = aligned_alloc(64, t->plan.scratch);
    lab->tokens = calloc(t->tokens, sizeof(uint32_t));
    lab->targets = calloc(t->tokens, sizeof(uint32_t));
    lab->first = calloc(t->tokens, sizeof(uint32_t));
    if (!lab->arena || !lab->scratch || !lab->tokens || !lab->targets || !lab->first)
        abort();
    memset(lab->arena, 0xff, t->plan.size * 8); /* NaN in both types */
    memset(lab->scratch, 0xff, t->plan.scratch);
    lab_rows(lab->tokens, lab->targets, lab->first, t->rows, t->seq_len, t->model.vocab, segments,
             seed);
    lab->run = (struct kern_run){
        .table = t,
        .arena = lab->arena,
        .tokens = lab->tokens,
        .targets = lab->targets,
        .first = lab->first,
        .first_micro = true,
        .step_targets = lab_targets(lab),
        .lr = 1e-3,
        .bias1 = 0.1,
        .bias2 = 0.05,
        .beta1 = (double)config->beta1,
        .beta2 = (double)config->beta2,
        .adam_eps = (double)config->adam_eps,
        .weight_decay = (double)config->weight_decay,
        .clip = (double)config->clip,
        .verdict = &lab->verdict,
    };
    if (f64) {
        kern_f64_functions(&lab->functions);
        kern_f64_rope_fill(&lab->run);
    } else {
        kern_f32_functions(&lab->functions);
        kern_f32_rope_fill(&lab->run);
    }
    return lab;
}

static inline void lab_free(struct lab *lab)
{
    kern_table_free(&lab->table);
    free(lab->arena);
    free(lab->scratch);
    free(lab->tokens);
    free(lab->targets);
    free(lab->first);
    free(lab);
}

static inline double lab_get(const struct lab *lab, uint64_t at)
{
    return lab->f64 ? ((double *)lab->arena)[at] : (double)((float *)lab->arena)[at];
}

static inline void lab_set(struct lab *lab, uint64_t at, double value)
{
    if (lab->f64)
        ((double *)lab->arena)[at] = value;
    else
        ((float *)lab->arena)[at] = (float)value;
}

static inline uint64_t lab_at(const struct lab *lab, enum kern_buffer id, uint32_t copy)
{
    const struct kern_place *p = &lab->table->plan.at[id];
    return p->offset + copy * p->stride;
}

/* Fills one copy of a buffer with scale * uniform + shift, rounded to float so that twins of both
 * types begin with equal values. */
static inline void lab_fill(struct lab *lab, enum kern_buffer id, uint32_t copy, double scale,
                            double shift, uint64_t seed)
{
    uint64_t at = lab_at(lab, id, copy);

    for (uint64_t i = 0; i < lab->table->plan.at[id].size; i++)
        lab_set(lab, at + i, (double)(float)(scale * lab_uniform(&seed) + shift));
}

/* Weights of a size that makes every part of the model matter: matrices with unit gain, norms
 * around 1. */
static inline void lab_fill_weights(struct lab *lab, uint64_t seed)
{
    const struct kern_model *m = &lab->table->model;
    uint64_t base = lab_at(lab, KERN_BUF_WEIGHTS, 0);

    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++) {
            double u = lab_uniform(&seed);
            double value = t.decay ? u * 1.5 / sqrt(t.cols) : 1 + 0.3 * u;
            lab_set(lab, base + t.offset + j, (double)(float)value);
        }
    }
}

/* All tiles of a phase, from the last to the first: order must not matter. */
static inline void lab_phase(struct lab *lab, const struct kern_phase *p)
{
    for (uint32_t tile = p->tiles; tile-- > 0;)
        lab->functions.run[p->op](&lab->run, p, tile, lab->scratch);
}

/* Every phase of this op and layer, in table order. */
static inline void lab_op(struct lab *lab, enum kern_op op, uint32_t layer)
{
    for (uint32_t i = 0; i < lab->table->phase_count; i++)
        if (lab->table->phases[i].op == op && lab->table->phases[i].layer == layer)
            lab_phase(lab, &lab->table->phases[i]);
}

/* All phases up to a kind. */
static inline void lab_walk(struct lab *lab, enum kern_when limit)
{
    for (uint32_t i = 0; i < lab->table->phase_count; i++)
        if (lab->table->phases[i].when <= limit)
            lab_phase(lab, &lab->table->phases[i]);
}

static inline double lab_nll(const struct lab *lab)
{
    double sum = 0;
    for (uint32_t n = 0; n < lab->table->tokens; n++)
        sum += lab_get(lab, lab_at(lab, KERN_BUF_NLL, 0) + n);
    return sum;
}

#endif
