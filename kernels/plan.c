/* Buffers to offsets. Sizes are checked in 64 bits before anything is allocated from them. */
#include "kern/plan.h"
#include "kern/table.h"
#include "vector/matmul.h"

#include <stdio.h>

/* Wide enough for a cache line of floats and of doubles' halves; every buffer starts on one. */
#define ALIGN_REALS 16u
/* No machine has more; keeps every product of checked factors far from 2^64. */
#define ARENA_MAX (UINT64_C(1) << 44)

struct builder {
    struct kern_plan *plan;
    bool too_large;
};

static void put(struct builder *b, enum kern_buffer id, uint32_t copies, uint64_t rows,
                uint64_t cols)
{
    uint64_t size = 0, total = 0, one = 0;
    struct kern_plan *p = b->plan;

    if (__builtin_mul_overflow(rows, cols, &size) || size > ARENA_MAX) {
        b->too_large = true;
        return;
    }
    one = (size + ALIGN_REALS - 1) / ALIGN_REALS * ALIGN_REALS;
    if (__builtin_mul_overflow(one, copies, &total) || total > ARENA_MAX ||
        p->size + total > ARENA_MAX) {
        b->too_large = true;
        return;
    }
    p->at[id] =
        (struct kern_place){.offset = p->size, .size = size, .stride = copies > 1 ? one : 0};
    p->size += total;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Bytes of a worker's scratch: what the reference needs as doubles, or the vector phases beside
 * their matrix products, whichever is more. */
static uint64_t scratch_bytes(const struct kern_table *t)
{
    uint64_t w = t->model.width, own = 0;
    uint64_t reference = larger(2 * (uint64_t)t->seq_len, w) * sizeof(double);

    own = larger(own, t->row_block * w);                          /* dnorm of a row tile */
    own = larger(own, 2 * (uint64_t)t->query_block * t->seq_len); /* weights, dscores */
    /* a chunk's normf, packed along either side, and gradients of some logits */
    uint64_t w_up = (w + MATMUL_COLS - 1) / MATMUL_COLS * MATMUL_COLS;
    uint64_t rows_up = (t->head_rows + MATMUL_COLS - 1) / MATMUL_COLS * MATMUL_COLS;
    own = larger(own, rows_up * w_up + (uint64_t)VECTOR_HEAD_IDS * t->head_rows);
    return (larger(reference, (MATMUL_SCRATCH + own) * sizeof(float)) + 63) / 64 * 64;
}

enum kern_status kern_plan_build(struct kern_table *t, struct kern_error *reterr)
{
    const struct kern_model *m = &t->model;
    struct builder b = {&t->plan, false};
    bool train = !t->forward_only;
    uint32_t layers = train ? m->layers : 1;
    uint64_t n = t->tokens, w = m->width;

    t->plan = (struct kern_plan){0};
    put(&b, KERN_BUF_WEIGHTS, 1, t->parameters, 1);
    if (train) {
        put(&b, KERN_BUF_GRADIENTS, 1, t->parameters, 1);
        put(&b, KERN_BUF_MOMENT1, 1, t->parameters, 1);
        put(&b, KERN_BUF_MOMENT2, 1, t->parameters, 1);
    }
    put(&b, KERN_BUF_ROPE, 1, t->seq_len, m->head_dim);
    put(&b, KERN_BUF_X, train ? layers + 1 : 1, n, w);
    put(&b, KERN_BUF_NORM1, layers, n, w);
    put(&b, KERN_BUF_RSTD1, layers, n, 1);
    put(&b, KERN_BUF_QKV, layers, n, t->qkv_width);
    put(&b, KERN_BUF_MIX, layers, n, t->q_width);
    put(&b, KERN_BUF_LSE, layers, n, m->heads);
    put(&b, KERN_BUF_MID, layers, n, w);
    put(&b, KERN_BUF_NORM2, layers, n, w);
    put(&b, KERN_BUF_RSTD2, layers, n, 1);
    put(&b, KERN_BUF_GATE_UP, layers, n, 2 * (uint64_t)m->ffn);
    put(&b, KERN_BUF_HIDDEN, layers, n, m->ffn);
    put(&b, KERN_BUF_NORMF, 1, n, w);
    put(&b, KERN_BUF_RSTDF, 1, n, 1);
    put(&b, KERN_BUF_LOGITS, 1, m->vocab, t->head_rows);
    put(&b, KERN_BUF_TILEMAX, 1, t->vocab_tiles, t->head_rows);
    put(&b, KERN_BUF_TILESUM, 1, t->vocab_tiles, t->head_rows);
    put(&b, KERN_BUF_LOGSUM, 1, n, 1);
    put(&b, KERN_BUF_NLL, 1, n, 1);
    if (train) {
        put(&b, KERN_BUF_DX, 1, n, w);
        put(&b, KERN_BUF_DGATE_UP, 1, n, 2 * (uint64_t)m->ffn);
        put(&b, KERN_BUF_DMIX, 1, n, t->q_width);
        put(&b, KERN_BUF_DQKV, 1, n, t->qkv_width);
        put(&b, KERN_BUF_HEAD_SLOT, t->vocab_groups, t->head_rows, w);
        put(&b, KERN_BUF_GAIN_SLOT, 2 * m->layers + 1, t->row_blocks, w);
        put(&b, KERN_BUF_SQUARES, 1, t->square_tiles, 1);
    }
    if (b.too_large) {
        if (reterr) {
            reterr->code = KERN_E_SHAPE;
            snprintf(reterr->message, sizeof reterr->message,
                     "a micro-batch of %u x %u tokens of this model needs more than 2^44 numbers: "
                     "take fewer rows",
                     t->rows, t->seq_len);
        }
        return KERN_E_SHAPE;
    }
    t->plan.scratch = scratch_bytes(t);
    return KERN_OK;
}
