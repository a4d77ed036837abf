/*
 * What the vector phases share: rows through a linear layer and a norm. A worker's scratch begins
 * with MATMUL_SCRATCH floats for the products; a phase's own part follows (scratch_own).
 */
#ifndef KERN_ROWS_PRIVATE_H
#define KERN_ROWS_PRIVATE_H

#include "matmul.h"
#include "real.h"
#include "vector.h"

INLINE float *scratch_own(void *scratch)
{
    return (float *)scratch + MATMUL_SCRATCH;
}

/* Lanes left at i of n. */
INLINE unsigned lanes(uint64_t i, uint64_t n)
{
    return n - i < LANES ? (unsigned)(n - i) : LANES;
}

/* A whole vector, or what is left of a row. */
INLINE vec load_some(const float *p, unsigned count)
{
    return count == LANES ? vec_load(p) : vec_load_part(p, count);
}

INLINE void store_some(float *p, vec v, unsigned count)
{
    if (count == LANES)
        vec_store(p, v);
    else
        vec_store_part(p, v, count);
}

/* y[n] = start[n] + x[n] * w^T for rows; w [out, in]; start NULL: nothing added. */
INLINE void linear_forward(float *y, const float *x, const float *w, const float *start,
                           struct range rows, uint32_t out, uint32_t in, void *scratch)
{
    matmul_run(&(struct matmul){.m = rows.end - rows.begin,
                                .n = out,
                                .k = in,
                                .a = {x + (uint64_t)rows.begin * in, in, 1},
                                .b = {w, 1, in},
                                .c = y + (uint64_t)rows.begin * out,
                                .c_row = out,
                                .start = start ? start + (uint64_t)rows.begin * out : NULL,
                                .start_row = out},
               scratch);
}

/* dx [rows, in], rows dx_row apart and starting at the first of the range = dy[n] * w. */
INLINE void linear_input_rows(float *dx, uint64_t dx_row, const float *dy, const float *w,
                              struct range rows, uint32_t out, uint32_t in, void *scratch)
{
    matmul_run(&(struct matmul){.m = rows.end - rows.begin,
                                .n = in,
                                .k = out,
                                .a = {dy + (uint64_t)rows.begin * out, out, 1},
                                .b = {w, in, 1},
                                .c = dx,
                                .c_row = dx_row},
               scratch);
}

/* Rows o of dw = (or +=) dy^T * x over n rows. */
INLINE void linear_weight_rows(float *dw, const float *dy, const float *x, uint32_t n, uint32_t out,
                               uint32_t in, struct range o, bool overwrite, void *scratch)
{
    float *c = dw + (uint64_t)o.begin * in;
    matmul_run(&(struct matmul){.m = o.end - o.begin,
                                .n = in,
                                .k = n,
                                .a = {dy + o.begin, 1, out},
                                .b = {x, in, 1},
                                .c = c,
                                .c_row = in,
                                .start = overwrite ? NULL : c,
                                .start_row = in},
               scratch);
}

/* As norm_row of ref/real.h. */
INLINE float norm_row_fast(float *y, const float *x, const float *gain, uint32_t width, float eps)
{
    float rstd = 1 / sqrtf(vec_dot(x, x, width) / (float)width + eps);

    for (uint32_t j = 0; j < width; j += LANES) {
        unsigned n = lanes(j, width);
        store_some(y + j, load_some(x + j, n) * vec_all(rstd) * load_some(gain + j, n), n);
    }
    return rstd;
}

INLINE void norm_rows(float *y, float *rstd, const float *x, const float *gain, struct range rows,
                      uint32_t width, float eps)
{
    for (uint64_t n = rows.begin; n < rows.end; n++)
        rstd[n] = norm_row_fast(y + n * width, x + n * width, gain, width, eps);
}

/* As norm_row_backward of ref/real.h. */
INLINE void norm_row_backward_fast(float *dx, float *dgain, const float *dy, const float *x,
                                   const float *gain, float rstd, uint32_t width)
{
    vec sum = {0};

    for (uint32_t j = 0; j < width; j += LANES) {
        unsigned n = lanes(j, width);
        sum = vec_fma(load_some(x + j, n) * load_some(gain + j, n), load_some(dy + j, n), sum);
    }
    vec c = vec_all(vec_sum(sum) * (rstd * rstd * rstd / (float)width)), r = vec_all(rstd);
    for (uint32_t j = 0; j < width; j += LANES) {
        unsigned n = lanes(j, width);
        vec xj = load_some(x + j, n), dyj = load_some(dy + j, n);
        vec d = load_some(dx + j, n) + (r * load_some(gain + j, n) * dyj - xj * c);
        store_some(dx + j, d, n);
        store_some(dgain + j, load_some(dgain + j, n) + dyj * xj * r, n);
    }
}

/* As norm_linear_backward of ref/real.h. */
INLINE void norm_linear_backward_fast(const struct kern_run *r, uint32_t tile, const float *dy,
                                      uint64_t w_at, uint32_t out, const float *x, uint64_t gain_at,
                                      const float *rstd, uint32_t gain_copy, void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    struct range rows = row_range(t, tile);
    float *dx = buffer(r, KERN_BUF_DX, 0), *dnorm = scratch_own(scratch);
    float *dgain = buffer(r, KERN_BUF_GAIN_SLOT, gain_copy) + (uint64_t)tile * width;

    linear_input_rows(dnorm, width, dy, weights(r, w_at), rows, out, width, scratch);
    memset(dgain, 0, width * sizeof *dgain);
    for (uint64_t n = rows.begin; n < rows.end; n++)
        norm_row_backward_fast(dx + n * width, dgain, dnorm + (n - rows.begin) * width,
                               x + n * width, weights(r, gain_at), rstd[n], width);
}

#endif
