/*
 * The head, where a small model spends most of its time. Eight rows of a chunk stand side by side
 * in a vector (the logits are vocabulary-major), so a softmax needs no sums across lanes.
 */
#include "kern/head.h"
#include "functions.h"
#include "rows.h"

/* Vocabulary worked at once: 128 x 256 logits are 128 KB and stay in the second-level cache between
 * the softmax and the products. */
#define IDS VECTOR_HEAD_IDS

void VEC(final_norm_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                             void *scratch)
{
    const struct kern_table *t = r->table;

    (void)p, (void)scratch;
    norm_rows(buffer(r, KERN_BUF_NORMF, 0), buffer(r, KERN_BUF_RSTDF, 0),
              buffer(r, KERN_BUF_X, t->model.layers), weights(r, t->at.norm), row_range(t, tile),
              t->model.width, t->model.rms_eps);
}

/* Adds n rows of logits of one tile to each column's running maximum and sum of exponentials; tops
 * begin at -infinity, sums at 0. */
static void add_to_softmax(float *tops, float *sums, const float *logits, uint64_t stride,
                           uint32_t n, uint32_t columns)
{
    /* Four vectors side by side: a row's cache line is read whole, not once for each half. */
    for (uint32_t c = 0; c < columns; c += 4 * LANES) {
        vec top[4], sum[4] = {{0}};
        unsigned count[4], used = 0;

        for (; used < 4 && c + used * LANES < columns; used++) {
            count[used] = lanes(c + used * LANES, columns);
            top[used] = load_some(tops + c + used * LANES, count[used]);
        }
        if (used == 4 && count[3] == LANES) {
            for (uint32_t i = 0; i < n; i++)
                for (unsigned v = 0; v < 4; v++)
                    top[v] = vec_max(vec_load(logits + i * stride + c + v * LANES), top[v]);
            for (uint32_t i = 0; i < n; i++)
                for (unsigned v = 0; v < 4; v++)
                    sum[v] += vec_exp(vec_load(logits + i * stride + c + v * LANES) - top[v]);
        } else {
            for (uint32_t i = 0; i < n; i++)
                for (unsigned v = 0; v < used; v++)
                    top[v] =
                        vec_max(load_some(logits + i * stride + c + v * LANES, count[v]), top[v]);
            for (uint32_t i = 0; i < n; i++)
                for (unsigned v = 0; v < used; v++)
                    sum[v] +=
                        vec_exp(load_some(logits + i * stride + c + v * LANES, count[v]) - top[v]);
        }
        for (unsigned v = 0; v < used; v++) {
            float *t = tops + c + v * LANES, *s = sums + c + v * LANES;
            vec shrink = vec_exp(load_some(t, count[v]) - top[v]);
            store_some(s, vec_fma(load_some(s, count[v]), shrink, sum[v]), count[v]);
            store_some(t, top[v], count[v]);
        }
    }
}

void VEC(logits)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    uint64_t stride = t->head_rows;
    struct range rows = part_range(t, p->part);
    struct range all = block_range(tile, t->vocab_tile, t->model.vocab);
    uint32_t columns = rows.end - rows.begin, columns_up = (columns + 15) / 16 * 16;
    const float *norm = buffer(r, KERN_BUF_NORMF, 0) + (uint64_t)rows.begin * width;
    float *tops = buffer(r, KERN_BUF_TILEMAX, 0) + tile * stride;
    float *sums = buffer(r, KERN_BUF_TILESUM, 0) + tile * stride;
    float *packed = scratch_own(scratch);

    for (uint32_t c = 0; c < columns; c++)
        tops[c] = -INFINITY, sums[c] = 0;
    for (uint32_t k = 0; k < width; k += MATMUL_DEPTH)
        matmul_pack(packed + (uint64_t)k * columns_up, &(struct operand){norm + k, 1, width},
                    width - k < MATMUL_DEPTH ? width - k : MATMUL_DEPTH, columns);
    for (struct range ids = all; ids.begin < all.end; ids.begin = ids.end) {
        ids.end = all.end - ids.begin < IDS ? all.end : ids.begin + IDS;
        const float *head = weights(r, t->at.head) + (uint64_t)ids.begin * width;
        float *logits = buffer(r, KERN_BUF_LOGITS, 0) + ids.begin * stride;

        for (uint32_t k = 0; k < width; k += MATMUL_DEPTH)
            matmul_packed(&(struct matmul){.m = ids.end - ids.begin,
                                           .n = columns,
                                           .k = width - k < MATMUL_DEPTH ? width - k : MATMUL_DEPTH,
                                           .a = {head + k, width, 1},
                                           .c = logits,
                                           .c_row = stride,
                                           .start = k ? logits : NULL,
                                           .start_row = stride},
                          packed + (uint64_t)k * columns_up, NULL);
        add_to_softmax(tops, sums, logits, stride, ids.end - ids.begin, columns);
    }
}

void VEC(loss)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    uint64_t stride = t->head_rows;
    struct range part = part_range(t, p->part);
    struct range rows = block_range(tile, t->row_block, part.end - part.begin);
    const float *logits = buffer(r, KERN_BUF_LOGITS, 0);
    const float *tops = buffer(r, KERN_BUF_TILEMAX, 0), *sums = buffer(r, KERN_BUF_TILESUM, 0);
    float *logsum = buffer(r, KERN_BUF_LOGSUM, 0) + part.begin;
    float *nll = buffer(r, KERN_BUF_NLL, 0) + part.begin;

    (void)scratch;
    for (uint32_t c = rows.begin; c < rows.end; c += LANES) {
        unsigned count = lanes(c, rows.end);
        vec top = load_some(tops + c, count), sum = {0};

        for (uint32_t i = 1; i < t->vocab_tiles; i++)
            top = vec_max(load_some(tops + i * stride + c, count), top);
        for (uint32_t i = 0; i < t->vocab_tiles; i++)
            sum = vec_fma(load_some(sums + i * stride + c, count),
                          vec_exp(load_some(tops + i * stride + c, count) - top), sum);
        for (unsigned i = 0; i < count; i++) {
            uint32_t target = r->targets[part.begin + c + i];
            logsum[c + i] = top[i] + logf(sum[i]);
            nll[c + i] = 0;
            if (target != KERN_NO_TARGET)
                nll[c + i] = logsum[c + i] - logits[target * stride + c + i];
        }
    }
}

/* The gradients of the logits of `ids`: d [ids, columns], rows `columns` apart. */
static void dlogits(float *d, const struct kern_run *r, struct range rows, struct range ids)
{
    const struct kern_table *t = r->table;
    uint64_t stride = t->head_rows;
    const float *logits = buffer(r, KERN_BUF_LOGITS, 0) + ids.begin * stride;
    const float *logsum = buffer(r, KERN_BUF_LOGSUM, 0) + rows.begin;
    const uint32_t *targets = r->targets + rows.begin;
    uint32_t columns = rows.end - rows.begin, n = ids.end - ids.begin;
    float share = r->step_targets ? 1 / (float)r->step_targets : 0;

    for (uint32_t c = 0; c < columns; c += LANES) {
        unsigned count = lanes(c, columns);
        vec shift = load_some(logsum + c, count);
        veci has = {0};

        for (unsigned i = 0; i < count; i++)
            has[i] = targets[c + i] != KERN_NO_TARGET ? -1 : 0;
        for (uint32_t i = 0; i < n; i++) {
            vec e = vec_exp(load_some(logits + i * stride + c, count) - shift) * vec_all(share);
            store_some(d + (uint64_t)i * columns + c, vec_select(has, e, vec_all(0)), count);
        }
    }
    for (uint32_t c = 0; c < columns; c++)
        if (targets[c] >= ids.begin && targets[c] < ids.end)
            d[(uint64_t)(targets[c] - ids.begin) * columns + c] -= share;
}

void VEC(head_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    struct range rows = part_range(t, p->part), group = group_ids(t, tile);
    uint32_t columns = rows.end - rows.begin;
    const float *norm = buffer(r, KERN_BUF_NORMF, 0) + (uint64_t)rows.begin * width;
    float *slot = buffer(r, KERN_BUF_HEAD_SLOT, tile);
    float *d = scratch_own(scratch), *packed = d + (uint64_t)IDS * columns;
    bool overwrite = r->first_micro && p->part == 0;

    matmul_pack(packed, &(struct operand){norm, width, 1}, columns, width);
    for (struct range ids = group; ids.begin < group.end; ids.begin = ids.end) {
        ids.end = group.end - ids.begin < IDS ? group.end : ids.begin + IDS;
        const float *head = weights(r, t->at.head) + (uint64_t)ids.begin * width;
        float *dhead = gradients(r, t->at.head) + (uint64_t)ids.begin * width;

        dlogits(d, r, rows, ids);
        matmul_packed(&(struct matmul){.m = ids.end - ids.begin,
                                       .n = width,
                                       .k = columns,
                                       .a = {d, columns, 1},
                                       .c = dhead,
                                       .c_row = width,
                                       .start = overwrite ? NULL : dhead,
                                       .start_row = width},
                      packed, NULL);
        matmul_run(&(struct matmul){.m = columns,
                                    .n = width,
                                    .k = ids.end - ids.begin,
                                    .a = {d, 1, columns},
                                    .b = {head, width, 1},
                                    .c = slot,
                                    .c_row = width,
                                    .start = ids.begin == group.begin ? NULL : slot,
                                    .start_row = width},
                   scratch);
    }
}

void VEC(final_norm_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                              void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    struct range part = part_range(t, p->part);
    struct range rows = block_range(tile, t->row_block, part.end - part.begin);
    const float *x = buffer(r, KERN_BUF_X, t->model.layers), *rstd = buffer(r, KERN_BUF_RSTDF, 0);
    uint64_t block = part.begin / t->row_block + tile;
    float *dx = buffer(r, KERN_BUF_DX, 0), *dnorm = scratch;
    float *dgain = buffer(r, KERN_BUF_GAIN_SLOT, 2 * t->model.layers) + block * width;

    memset(dgain, 0, width * sizeof *dgain);
    for (uint64_t c = rows.begin; c < rows.end; c++) {
        uint64_t n = part.begin + c;

        for (uint32_t j = 0; j < width; j += LANES) {
            unsigned count = lanes(j, width);
            vec sum = {0};
            for (uint32_t group = 0; group < t->vocab_groups; group++)
                sum += load_some(buffer(r, KERN_BUF_HEAD_SLOT, group) + c * width + j, count);
            store_some(dnorm + j, sum, count);
        }
        memset(dx + n * width, 0, width * sizeof *dx);
        norm_row_backward_fast(dx + n * width, dgain, dnorm, x + n * width, weights(r, t->at.norm),
                               rstd[n], width);
    }
}
