/*
 * One phase of a device table on a device, beside its twin in double: the device gets the lab's arena
 * with everything poisoned that the phase declares to write, works the phase, and gives the arena
 * back. What was written is compared with the twin's, whole and by blocks of 64 x 64; all else must have
 * kept its bytes. The lab's arena then holds what the twin made, for the next phase.
 */
#ifndef TEST_KERNELS_PHASE_CHECK_H
#define TEST_KERNELS_PHASE_CHECK_H

#include "device_lab.h"
#include "kern/device/regions.h"

#include <stdarg.h>

#define PHASE_CHECK_SIDE 64u
/* A block whose values are smaller than this share of its matrix's is judged as if they were so large:
 * nothing but rounding may be left in it. */
#define PHASE_CHECK_NEGLIGIBLE 1e-2

/* What is tried; every function ends the test when it fails. */
struct phase_device {
    void *context;
    void (*set)(void *context, const unsigned char *arena);
    void (*get)(void *context, unsigned char *ret_arena);
    void (*run)(void *context, uint32_t phase);
    void (*take)(void *context, const struct kern_slot *slot); /* FETCH of a slot new to it */
    /* What RESULT has posted; false: nothing. May be NULL: then nothing is asked for. */
    bool (*result)(void *context, struct kern_result *ret_result);
};

/* Largest errors of an op: of results in bf16, then in f32. */
struct phase_worst {
    double whole[2], block[2];
    uint32_t phases;
};

struct phase_check {
    const char *name;
    struct device_lab *lab;
    struct phase_device device;
    struct phase_worst *worst; /* [KERN_DEVICE_OPS] */
    struct kern_slot slot;     /* the lab's, as one submits it */
    bool offset;               /* the logits have a common one */
    bool quiet;
    uint64_t failures;
    /* [arena] what the device was given and gave back; how a byte may be touched: enum
     * kern_device_access, 0 for not at all */
    unsigned char *given, *got, *access;
};

static inline void phase_check_init(struct phase_check *c, const char *name, struct device_lab *lab,
                                    struct phase_device device, struct phase_worst *worst)
{
    uint64_t bytes = lab->table->arena;

    *c = (struct phase_check){.name = name, .lab = lab, .device = device, .worst = worst};
    c->given = malloc(bytes);
    c->got = malloc(bytes);
    c->access = malloc(bytes);
    if (!c->given || !c->got || !c->access)
        abort();
}

static inline void phase_check_done(struct phase_check *c)
{
    free(c->given);
    free(c->got);
    free(c->access);
}

__attribute__((format(printf, 3, 4))) static inline void
phase_check_fail(struct phase_check *c, const struct kern_device_phase *p, const char *format, ...)
{
    va_list args;

    if (c->quiet || c->failures > 40) {
        c->failures++;
        return;
    }
    c->failures++;
    fprintf(stderr, "%s, slot %u, phase %u (%s, layer %u, part %u): ", c->name,
            (unsigned)c->lab->twin.slot.number, (unsigned)(p - c->lab->table->phases),
            kern_device_op_name((enum kern_device_op)p->op), p->layer, p->part);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* ---- what a phase may touch ---- */

/* Marks what the phase's tiles write; touched tells which buffers. */
static inline void phase_check_mark(struct phase_check *c, const struct kern_device_phase *p,
                                    bool touched[KERN_DEVICE_BUFFERS])
{
    const struct kern_device_table *t = c->lab->table;
    struct kern_device_regions list;

    memset(c->access, 0, t->arena);
    memset(touched, 0, KERN_DEVICE_BUFFERS * sizeof *touched);
    for (uint32_t tile = 0; tile < p->tiles; tile++) {
        kern_device_regions(&c->lab->twin, p, tile, &list);
        for (uint32_t i = 0; i < list.count; i++) {
            const struct kern_device_region *r = &list.at[i];
            const struct kern_device_place *at = &t->at[r->buffer];

            if (r->access == KERN_DEV_READS)
                continue;
            touched[r->buffer] = true;
            for (uint32_t copy = r->copy; copy < r->copy + r->copies; copy++)
                for (uint64_t row = 0; row < r->rows; row++)
                    memset(c->access + at->offset + copy * at->stride + r->start + row * r->stride,
                           (int)r->access, r->bytes);
        }
    }
}

static inline void phase_check_strays(struct phase_check *c, const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->lab->table;
    const char *name = "no buffer";
    uint64_t strays = 0, first = 0, in = 0;

    for (uint64_t i = 0; i < t->arena; i++)
        strays += !c->access[i] & (c->got[i] != c->given[i]);
    if (!strays)
        return;
    while (c->access[first] || c->got[first] == c->given[first])
        first++;
    for (int id = 0; id < KERN_DEVICE_BUFFERS; id++) {
        const struct kern_device_place *at = &t->at[id];
        uint64_t copies = kern_device_matrix(t, (enum kern_device_buffer)id).copies;

        if (copies && first >= at->offset &&
            first < at->offset + (copies - 1) * at->stride + at->size)
            name = kern_device_buffer_name((enum kern_device_buffer)id), in = first - at->offset;
    }
    phase_check_fail(c, p,
                     "%llu bytes changed that are not the phase's, the first in %s, byte %llu",
                     (unsigned long long)strays, name, (unsigned long long)in);
}

/* ---- how far apart ---- */

/* A matrix of a buffer. */
struct phase_view {
    enum kern_device_buffer id;
    const char *part; /* of a flat vector, or a column */
    uint64_t at;      /* byte in the arena */
    uint64_t rows, cols, bytes;
    uint64_t pitch; /* elements from row to row */
};

/*
 * Relative error that is allowed. Results in f32 are exact to f32 when they come from operands in
 * bf16, but QKV_C, which is summed from products of p and ds in bf16, and LOGIT_SUM: a logit that falls
 * on the other side of a rounding moves its term (by 65% where all have a common offset of about 100,
 * as bf16 tells them apart by halves there: 1.4e-2 in a block was seen; without an offset 1.1e-3). The scanned head's
 * probabilities and their differences are in bf16 in the products. Squares are of rounded values: one of a channel far above the
 * rest that falls on the other side moves its row's sum by 1%, and a block of 64 rows by 1.3e-3, as was seen.
 */
static inline double phase_check_bound(const struct kern_device_phase *p, const struct phase_view *v)
{
    if (v->id == KERN_DEV_LOGIT_SUM)
        return 3 * KERN_DEVICE_TOLERANCE_BF16;
    if (v->id == KERN_DEV_SS || v->id == KERN_DEV_SS_MID)
        return 3 * KERN_DEVICE_TOLERANCE_F32;
    if ((p->op == KERN_DEV_HEAD_SCAN && v->id == KERN_DEV_HEAD_SPLIT) ||
        p->op == KERN_DEV_HEAD_WEIGHT)
        return KERN_DEVICE_TOLERANCE_BF16;
    if (p->op == KERN_DEV_EMBED && v->id == KERN_DEV_X)
        return 0; /* copied */
    return v->bytes == 2 || v->id == KERN_DEV_QKV_C ? KERN_DEVICE_TOLERANCE_BF16
                                                    : KERN_DEVICE_TOLERANCE_F32;
}

static inline double phase_check_value(const unsigned char *arena, uint64_t at, uint64_t bytes)
{
    uint16_t h;
    float f;

    if (bytes == 2) {
        memcpy(&h, arena + at, sizeof h);
        return (double)device_lab_from_bf16(h);
    }
    memcpy(&f, arena + at, sizeof f);
    return (double)f;
}

/* Squared error of one element, infinite for what is no number; its square is added to *size. */
static inline double phase_check_element(const struct phase_check *c, const struct phase_view *v,
                                         uint64_t at, bool by_change, double *size)
{
    double expected = phase_check_value(c->lab->twin.arena, at, v->bytes);
    double got = phase_check_value(c->got, at, v->bytes), d = 0;

    if (isinf(expected) && got == expected)
        return 0; /* the maximum of nothing */
    if (!isfinite(expected) || !isfinite(got))
        return INFINITY;
    d = got - expected;
    if (by_change)
        expected -= phase_check_value(c->given, at, v->bytes);
    *size += expected * expected;
    return d * d;
}

static inline double phase_check_ratio(double error, double size)
{
    return error > 0 ? (size > 0 ? sqrt(error / size) : INFINITY) : error == 0 ? 0 : INFINITY;
}

struct phase_block {
    double error, size;
    uint64_t count;
};

/* An update is small beside the weight: there the change is compared. */
static inline void phase_check_view(struct phase_check *c, const struct kern_device_phase *p,
                                    const struct phase_view *v)
{
    uint64_t across = (v->cols + PHASE_CHECK_SIDE - 1) / PHASE_CHECK_SIDE;
    uint64_t blocks = across * ((v->rows + PHASE_CHECK_SIDE - 1) / PHASE_CHECK_SIDE),
             worst_block = 0;
    bool by_change = p->op == KERN_DEV_ADAMW && v->id == KERN_DEV_MASTER;
    struct phase_block *block = calloc(blocks, sizeof *block), all = {0};
    struct phase_worst *worst = &c->worst[p->op];
    double bound = phase_check_bound(p, v), whole = 0, most = 0;
    unsigned type = v->bytes == 2 ? 0 : 1;

    if (!block)
        abort();
    for (uint64_t row = 0; row < v->rows; row++)
        for (uint64_t col = 0; col < v->cols; col++) {
            struct phase_block *b =
                &block[row / PHASE_CHECK_SIDE * across + col / PHASE_CHECK_SIDE];
            uint64_t at = v->at + (row * v->pitch + col) * v->bytes;

            if (!c->access[at])
                continue;
            b->error += phase_check_element(c, v, at, by_change, &b->size);
            b->count++;
        }
    for (uint64_t i = 0; i < blocks; i++)
        all.error += block[i].error, all.size += block[i].size, all.count += block[i].count;
    whole = phase_check_ratio(all.error, all.size);
    for (uint64_t i = 0; i < blocks; i++) {
        double least = PHASE_CHECK_NEGLIGIBLE * PHASE_CHECK_NEGLIGIBLE * all.size *
                       (double)block[i].count / (double)all.count;
        double ratio =
            block[i].count
                ? phase_check_ratio(block[i].error, block[i].size > least ? block[i].size : least)
                : 0;
        if (ratio > most)
            most = ratio, worst_block = i;
    }
    worst->whole[type] = whole > worst->whole[type] ? whole : worst->whole[type];
    worst->block[type] = most > worst->block[type] ? most : worst->block[type];
    if (!(whole <= bound) || !(most <= bound))
        phase_check_fail(
            c, p,
            "%s%s%s [%llu, %llu] is off by %.3g, its block at row %llu, column %llu by "
            "%.3g; allowed %.3g",
            kern_device_buffer_name(v->id), *v->part ? " of " : "", v->part,
            (unsigned long long)v->rows, (unsigned long long)v->cols, whole,
            (unsigned long long)(worst_block / across * PHASE_CHECK_SIDE),
            (unsigned long long)(worst_block % across * PHASE_CHECK_SIDE), most, bound);
    free(block);
}

/* Numbers of the slot: equal. Of RUNS only what is in use, and the order is a training slot's. */
static inline void phase_check_integers(struct phase_check *c, const struct kern_device_phase *p,
                                        enum kern_device_buffer id)
{
    const struct kern_device_place *at = &c->lab->table->at[id];
    const struct kern_device_slot *slot = &c->lab->twin.slot;
    uint64_t bytes = id == KERN_DEV_RUNS ? 4 * ((uint64_t)slot->runs + 1) : at->size;

    if (slot->kind != KERN_TRAIN && (id == KERN_DEV_ORDER || id == KERN_DEV_RUNS))
        return;
    if (memcmp(c->got + at->offset, c->lab->twin.arena + at->offset, bytes) != 0)
        phase_check_fail(c, p, "%s is not the slot's", kern_device_buffer_name(id));
}

/* ---- buffers as matrices ---- */

static inline void phase_check_tensor(struct phase_check *c, const struct kern_device_phase *p,
                                      enum kern_device_buffer id, const char *part,
                                      uint64_t element, uint64_t rows, uint64_t cols)
{
    uint64_t bytes = kern_device_matrix(c->lab->table, id).bytes, i = 0;
    struct phase_view v = {id,   part, c->lab->table->at[id].offset + element * bytes,
                           rows, cols, bytes, cols};

    while (i < rows * cols * bytes && !c->access[v.at + i])
        i += bytes;
    if (i < rows * cols * bytes)
        phase_check_view(c, p, &v);
}

/* The tensors of a flat vector that the phase touches. */
static inline void phase_check_flat(struct phase_check *c, const struct kern_device_phase *p,
                                    enum kern_device_buffer id)
{
    const struct kern_device_table *t = c->lab->table;
    const struct kern_device_layout *l = &t->layout;
    uint64_t w = t->model.width, f = t->model.ffn;

    phase_check_tensor(c, p, id, "embed", l->embed, t->vocab_padded, w);
    for (uint32_t i = 0; i < t->model.layers; i++) {
        uint64_t at = l->layer + i * l->stride;

        phase_check_tensor(c, p, id, "norm1", at + l->norm1, 1, w);
        phase_check_tensor(c, p, id, "qkv", at + l->qkv, t->qkv_width, w);
        phase_check_tensor(c, p, id, "out", at + l->out, w, t->q_width);
        phase_check_tensor(c, p, id, "norm2", at + l->norm2, 1, w);
        phase_check_tensor(c, p, id, "gate_up", at + l->gate_up, 2 * f, w);
        phase_check_tensor(c, p, id, "down", at + l->down, w, f);
    }
    phase_check_tensor(c, p, id, "norm", l->norm, 1, w);
    if (t->model.untied)
        phase_check_tensor(c, p, id, "head", l->head, t->vocab_padded, w);
}

static inline void phase_check_buffer(struct phase_check *c, const struct kern_device_phase *p,
                                      enum kern_device_buffer id)
{
    const struct kern_device_table *t = c->lab->table;
    struct kern_device_matrix m = kern_device_matrix(t, id);

    if (id >= KERN_DEV_TOKENS && id <= KERN_DEV_FIRST_MIN) {
        phase_check_integers(c, p, id);
        return;
    }
    if (id <= KERN_DEV_MOMENT2) {
        phase_check_flat(c, p, id);
        return;
    }
    if (id == KERN_DEV_SPLITS) {
        const struct kern_device_product *w = &p->weight;
        for (uint32_t s = 0; s < w->splits; s++)
            phase_check_view(c, p,
                             &(struct phase_view){id, "",
                                                  p->weight_out + 4 * (uint64_t)s * w->m * w->n,
                                                  w->m, w->n, 4, w->n});
        return;
    }
    if (id == KERN_DEV_HEAD_TERMS) { /* columns of very different size */
        for (uint64_t col = 0; col < m.cols; col++)
            phase_check_view(c, p,
                             &(struct phase_view){id, "one column", t->at[id].offset + col * m.bytes,
                                                  m.rows, 1, m.bytes, m.cols});
        return;
    }
    for (uint64_t copy = 0; copy < m.copies; copy++) {
        struct phase_view v = {id,     "",     t->at[id].offset + copy * t->at[id].stride,
                               m.rows, m.cols, m.bytes, m.cols};
        uint64_t i = 0;

        while (i < t->at[id].size && !c->access[v.at + i])
            i += m.bytes;
        if (i < t->at[id].size)
            phase_check_view(c, p, &v);
    }
}

/* WEIGHTS are the device's own masters, rounded. */
static inline void phase_check_rounding(struct phase_check *c, const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->lab->table;
    const float *master = (const void *)(c->got + t->at[KERN_DEV_MASTER].offset);
    const uint16_t *weights = (const void *)(c->got + t->at[KERN_DEV_WEIGHTS].offset);

    for (uint64_t i = 0; i < t->layout.size; i++)
        if (c->access[t->at[KERN_DEV_MASTER].offset + 4 * i] &&
            weights[i] != device_lab_to_bf16(master[i])) {
            phase_check_fail(c, p, "weight %llu is not its master, rounded", (unsigned long long)i);
            return;
        }
}

/* Works phase `index` on both sides; false when something differs too much. */
static inline bool phase_check_run(struct phase_check *c, uint32_t index)
{
    const struct kern_device_table *t = c->lab->table;
    const struct kern_device_phase *p = &t->phases[index];
    bool touched[KERN_DEVICE_BUFFERS];
    uint64_t before = c->failures;

    phase_check_mark(c, p, touched);
    for (uint64_t i = 0; i < t->arena; i++)
        c->given[i] = c->access[i] == KERN_DEV_WRITES ? 0xff : c->lab->twin.arena[i];
    c->device.set(c->device.context, c->given);
    if (p->op == KERN_DEV_FETCH)
        c->device.take(c->device.context, &c->slot);
    else
        c->device.run(c->device.context, index);
    c->device.get(c->device.context, c->got);
    device_lab_phase(c->lab, p);

    phase_check_strays(c, p);
    for (int id = 0; id < KERN_DEVICE_BUFFERS; id++)
        if (touched[id])
            phase_check_buffer(c, p, (enum kern_device_buffer)id);
    if (p->op == KERN_DEV_ADAMW && c->lab->twin.updated)
        phase_check_rounding(c, p);
    c->worst[p->op].phases++;
    return c->failures == before;
}

static inline void phase_check_print(const struct phase_worst *worst)
{
    printf("%-20s %7s  %8s %8s  %8s %8s\n", "phase", "worked", "bf16", "block", "f32", "block");
    for (unsigned op = 0; op < KERN_DEVICE_OPS; op++)
        printf("%-20s %7u  %8.1e %8.1e  %8.1e %8.1e\n",
               kern_device_op_name((enum kern_device_op)op), worst[op].phases, worst[op].whole[0],
               worst[op].block[0], worst[op].whole[1], worst[op].block[1]);
    fflush(stdout);
}

#endif
