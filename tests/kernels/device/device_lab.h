/*
 * A device table with an arena in host memory outside any backend, random contents from a seed, and
 * the walk of its phases through the twins: where the tests of kernels/device and of kernels/cuda
 * get their numbers.
 */
#ifndef TEST_KERNELS_DEVICE_LAB_H
#define TEST_KERNELS_DEVICE_LAB_H

#include "kern/device/ops.h"
#include "kern/device/sort.h"
#include "lab.h"

struct device_lab {
    struct kern_config config;
    struct kern_device_table *table;
    struct kern_device_twin twin; /* its arena and slot are the lab's */
    uint32_t *tokens, *targets, *first, *order, *runs;
    uint64_t *scratch;
};

/* ---- numbers ---- */

static inline float device_lab_from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;

    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To nearest even; finite values only. */
static inline uint16_t device_lab_to_bf16(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline void *device_lab_at(const struct device_lab *lab, enum kern_device_buffer id,
                                  uint32_t copy)
{
    const struct kern_device_place *p = &lab->table->at[id];
    return lab->twin.arena + p->offset + copy * p->stride;
}

/* ---- a slot's contents ---- */

static inline uint64_t device_lab_targets(const struct device_lab *lab)
{
    uint64_t count = 0;
    for (uint32_t n = 0; n < lab->table->tokens; n++)
        count += lab->targets[n] != KERN_NO_TARGET;
    return count;
}

/* The header of the next slot: step_targets counts the whole step, 0 for this slot's own. */
static inline void device_lab_slot(struct device_lab *lab, enum kern_slot_kind kind,
                                   bool first_micro, bool last_micro, uint64_t step_targets)
{
    struct kern_device_slot *s = &lab->twin.slot;
    uint64_t targets = device_lab_targets(lab);

    step_targets = step_targets ? step_targets : targets;
    *s = (struct kern_device_slot){
        .number = s->number + 1,
        .kind = kind,
        .when = kind != KERN_TRAIN ? KERN_DEV_ALWAYS
                : last_micro       ? KERN_DEV_LAST
                                   : KERN_DEV_TRAINING,
        .first_micro = first_micro,
        .runs = s->runs,
        .targets = targets,
        .step_targets = step_targets,
        .lr = 1e-3f,
        .step_size = (float)(1e-3 / 0.1),
        .root2 = (float)(1 / sqrt(0.05)),
        .inverse_targets = step_targets ? (float)(1 / (double)step_targets) : 0,
    };
}

/* After a change of the tokens. */
static inline void device_lab_sort(struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;

    lab->twin.slot.runs = kern_device_sort(lab->tokens, t->tokens, t->model.vocab, lab->scratch,
                                           lab->order, lab->runs);
}

/* Random tokens, targets and segments as in lab_rows, and the header of a whole training step. */
static inline void device_lab_rows(struct device_lab *lab, bool segments, uint64_t seed)
{
    const struct kern_device_table *t = lab->table;

    lab_rows(lab->tokens, lab->targets, lab->first, t->rows, t->seq_len, t->model.vocab, segments,
             seed);
    device_lab_sort(lab);
    device_lab_slot(lab, KERN_TRAIN, true, true, 0);
}

/* ---- weights ---- */

/* MASTER and WEIGHTS from a canonical vector [kern_parameter_count]. */
static inline void device_lab_set_weights(struct device_lab *lab, const float *canonical)
{
    const struct kern_device_table *t = lab->table;
    float *master = device_lab_at(lab, KERN_DEV_MASTER, 0);
    uint16_t *rounded = device_lab_at(lab, KERN_DEV_WEIGHTS, 0);

    kern_device_layout_to(&t->model, &t->layout, canonical, master);
    for (uint64_t i = 0; i < t->layout.size; i++)
        rounded[i] = device_lab_to_bf16(master[i]);
}

/* A canonical vector as lab_fill_weights would have it; to be freed. Rounded to bf16 if so wished,
 * gains too. */
static inline float *device_lab_canonical(const struct kern_model *m, bool rounded, uint64_t seed)
{
    float *w = calloc(kern_parameter_count(m), sizeof *w);

    if (!w)
        abort();
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++) {
            double u = lab_uniform(&seed);
            float value = (float)(t.decay ? u * 1.5 / sqrt(t.cols) : 1 + 0.3 * u);
            w[t.offset + j] = rounded ? device_lab_from_bf16(device_lab_to_bf16(value)) : value;
        }
    }
    return w;
}

static inline void device_lab_fill_weights(struct device_lab *lab, uint64_t seed)
{
    float *canonical = device_lab_canonical(&lab->config.model, false, seed);

    device_lab_set_weights(lab, canonical);
    free(canonical);
}

static inline void device_lab_fill_rope(struct device_lab *lab)
{
    const struct kern_model *m = &lab->table->model;
    uint32_t half = m->head_dim / 2;
    float *rope = device_lab_at(lab, KERN_DEV_ROPE, 0);

    for (uint32_t position = 0; position < lab->table->seq_len; position++)
        for (uint32_t i = 0; i < half; i++) {
            double angle = position * pow((double)m->rope_theta, -2.0 * i / m->head_dim);
            rope[2 * ((uint64_t)position * half + i)] = (float)cos(angle);
            rope[2 * ((uint64_t)position * half + i) + 1] = (float)sin(angle);
        }
}

/* ---- the lab ---- */

/* For a table that the caller made (and may have cut otherwise); it becomes the lab's. The arena is
 * not-a-number but for weights, moments and angles. */
static inline struct device_lab *device_lab_for(const struct kern_config *config,
                                                struct kern_device_table *table, bool segments,
                                                uint64_t seed)
{
    struct device_lab *lab = calloc(1, sizeof *lab);

    if (!lab)
        abort();
    lab->config = *config;
    lab->table = table;
    lab->tokens = calloc(table->tokens, sizeof(uint32_t));
    lab->targets = calloc(table->tokens, sizeof(uint32_t));
    lab->first = calloc(table->tokens, sizeof(uint32_t));
    lab->order = calloc(table->tokens, sizeof(uint32_t));
    lab->runs = calloc(table->tokens + 1, sizeof(uint32_t));
    lab->scratch = calloc(table->tokens, sizeof(uint64_t));
    lab->twin = (struct kern_device_twin){
        .table = table,
        .arena = aligned_alloc(256, (table->arena + 255) / 256 * 256),
        .constants = {config->model.rms_eps, config->beta1, config->beta2, config->adam_eps,
                      config->weight_decay, config->clip},
        .tokens = lab->tokens,
        .targets = lab->targets,
        .first = lab->first,
        .order = lab->order,
        .runs = lab->runs,
    };
    if (!lab->tokens || !lab->targets || !lab->first || !lab->order || !lab->runs ||
        !lab->scratch || !lab->twin.arena)
        abort();
    memset(lab->twin.arena, 0xff, table->arena);
    if (!table->forward_only) {
        memset(device_lab_at(lab, KERN_DEV_MOMENT1, 0), 0, table->at[KERN_DEV_MOMENT1].size);
        memset(device_lab_at(lab, KERN_DEV_MOMENT2, 0), 0, table->at[KERN_DEV_MOMENT2].size);
    }
    device_lab_fill_rope(lab);
    device_lab_fill_weights(lab, seed);
    device_lab_rows(lab, segments, seed);
    return lab;
}

static inline struct device_lab *device_lab_new(const struct kern_config *config, bool segments,
                                                uint64_t seed)
{
    struct kern_device_table *table = NULL;
    struct kern_error error = {0};

    if (kern_device_table_new(config, &table, &error) != KERN_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return device_lab_for(config, table, segments, seed);
}

static inline void device_lab_free(struct device_lab *lab)
{
    kern_device_table_free(&lab->table);
    free(lab->twin.arena);
    free(lab->tokens);
    free(lab->targets);
    free(lab->first);
    free(lab->order);
    free(lab->runs);
    free(lab->scratch);
    free(lab);
}

/* All tiles of a phase, from the last to the first: order must not matter. */
static inline void device_lab_phase(struct device_lab *lab, const struct kern_device_phase *p)
{
    for (uint32_t tile = p->tiles; tile-- > 0;)
        kern_device_twin_run(&lab->twin, p, tile);
}

/* The slot at work through the twins. */
static inline void device_lab_walk(struct device_lab *lab)
{
    for (uint32_t i = 0; i < lab->table->phase_count; i++)
        if (lab->table->phases[i].when <= lab->twin.slot.when)
            device_lab_phase(lab, &lab->table->phases[i]);
}

#endif
