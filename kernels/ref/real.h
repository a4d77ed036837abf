/*
 * What every reference file begins with. Each is compiled twice, with KERN_REF_DOUBLE for the twin
 * in double and without for the one in float; `real` is the type, REF(name) the symbol.
 */
#ifndef KERN_REF_REAL_H
#define KERN_REF_REAL_H

#include "kern/phase.h"
#include "kern/table.h"

#include <math.h>
#include <stddef.h>

#ifdef KERN_REF_DOUBLE
typedef double real;
#define REF(name) kern_f64_##name
#else
typedef float real;
#define REF(name) kern_f32_##name
#endif

static inline real *buffer(const struct kern_run *r, enum kern_buffer id, uint32_t copy)
{
    const struct kern_place *p = &r->table->plan.at[id];
    return (real *)r->arena + p->offset + copy * p->stride;
}

static inline real *weights(const struct kern_run *r, uint64_t offset)
{
    return buffer(r, KERN_BUF_WEIGHTS, 0) + offset;
}

static inline real *gradients(const struct kern_run *r, uint64_t offset)
{
    return buffer(r, KERN_BUF_GRADIENTS, 0) + offset;
}

/* Offset of a tensor of layer l in the flat vectors; `within` is a member of kern_offsets. */
static inline uint64_t layer_at(const struct kern_table *t, uint32_t l, uint64_t within)
{
    return t->at.layer + l * t->at.stride + within;
}

struct range {
    uint32_t begin, end;
};

/* Block `index` of [0, n). */
static inline struct range block_range(uint32_t index, uint32_t block, uint32_t n)
{
    uint32_t begin = index * block;
    return (struct range){begin, n - begin < block ? n : begin + block};
}

static inline struct range row_range(const struct kern_table *t, uint32_t tile)
{
    return block_range(tile, t->row_block, t->tokens);
}

/* Tokens of head chunk `part`. */
static inline struct range part_range(const struct kern_table *t, uint32_t part)
{
    return block_range(part, t->head_rows, t->tokens);
}

/* Vocabulary of group `group`: a run of whole vocabulary tiles, the runs as even as can be. */
static inline struct range group_ids(const struct kern_table *t, uint32_t group)
{
    uint64_t tiles = t->vocab_tiles;
    uint64_t begin = tiles * group / t->vocab_groups * t->vocab_tile;
    uint64_t end = tiles * (group + 1) / t->vocab_groups * t->vocab_tile;
    return (struct range){(uint32_t)begin, (uint32_t)(end < t->model.vocab ? end : t->model.vocab)};
}

struct range64 {
    uint64_t begin, end;
};

/* Parameters of a SQUARES or ADAMW tile. */
static inline struct range64 square_range(const struct kern_table *t, uint32_t tile)
{
    uint64_t begin = (uint64_t)tile * t->square_tile, end = begin + t->square_tile;
    return (struct range64){begin, end < t->parameters ? end : t->parameters};
}

/* Whether parameter i of the flat vector decays: matrices do, norm gains do not. Ends at
 * *ret_end. */
static inline bool decays(const struct kern_table *t, uint64_t i, uint64_t *ret_end)
{
    const struct kern_offsets *o = &t->at;
    uint64_t width = t->model.width;

    if (i >= o->norm) {
        *ret_end = i < o->norm + width ? o->norm + width : t->parameters;
        return i >= o->norm + width;
    }
    if (i < o->layer) {
        *ret_end = o->layer;
        return true;
    }
    uint64_t start = o->layer + (i - o->layer) / o->stride * o->stride, within = i - start;
    if (within < o->norm1 + width)
        return *ret_end = start + o->norm1 + width, false;
    if (within < o->norm2)
        return *ret_end = start + o->norm2, true;
    if (within < o->norm2 + width)
        return *ret_end = start + o->norm2 + width, false;
    return *ret_end = start + o->stride, true;
}

/* A gain's copy in KERN_BUF_GAIN_SLOT: two a layer, then the final norm's. */
enum gain { GAIN_ATTENTION = 0, GAIN_MLP = 1 };
static inline uint32_t gain_index(uint32_t layer, enum gain which)
{
    return 2 * layer + (uint32_t)which;
}

static inline real dot(const real *a, const real *b, uint64_t n)
{
    real sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y[i] = dot(w[i], x) for a row-major w [out, in]: one row through a linear layer. */
static inline void linear_row(real *y, const real *x, const real *w, uint32_t out, uint32_t in)
{
    for (uint32_t i = 0; i < out; i++)
        y[i] = dot(w + (uint64_t)i * in, x, in);
}

/* The gradient of x in linear_row: dx[j] = sum over i of dy[i] * w[i][j]. */
static inline void linear_row_input(real *dx, const real *dy, const real *w, uint32_t out,
                                    uint32_t in)
{
    for (uint32_t j = 0; j < in; j++)
        dx[j] = 0;
    for (uint32_t i = 0; i < out; i++)
        for (uint32_t j = 0; j < in; j++)
            dx[j] += dy[i] * w[(uint64_t)i * in + j];
}

/* The gradient of w rows [o.begin, o.end): dw[i][j] = (or +=, unless overwrite) the sum over rows n
 * of dy[n][i] * x[n][j]. */
static inline void linear_weight(real *dw, const real *dy, const real *x, uint32_t rows,
                                 uint32_t out, uint32_t in, struct range o, bool overwrite)
{
    for (uint32_t i = o.begin; i < o.end; i++) {
        real *d = dw + (uint64_t)i * in;
        for (uint32_t j = 0; j < in && overwrite; j++)
            d[j] = 0;
        for (uint32_t n = 0; n < rows; n++)
            for (uint32_t j = 0; j < in; j++)
                d[j] += dy[(uint64_t)n * out + i] * x[(uint64_t)n * in + j];
    }
}

/* RMSNorm of one row (Zhang and Sennrich 2019, eq. 4): y = x * rstd * gain; returns rstd. */
static inline real norm_row(real *y, const real *x, const real *gain, uint32_t width, real eps)
{
    real rstd = 1 / (real)sqrt(dot(x, x, width) / (real)width + eps);
    for (uint32_t j = 0; j < width; j++)
        y[j] = x[j] * rstd * gain[j];
    return rstd;
}

/*
 * Its backward pass: dx[j] += rstd * gain[j] * dy[j] - x[j] * rstd^3 / width * sum(x * gain * dy),
 * and dgain[j] += dy[j] * x[j] * rstd.
 */
static inline void norm_row_backward(real *dx, real *dgain, const real *dy, const real *x,
                                     const real *gain, real rstd, uint32_t width)
{
    real c = 0;
    for (uint32_t j = 0; j < width; j++)
        c += x[j] * gain[j] * dy[j];
    c *= rstd * rstd * rstd / (real)width;
    for (uint32_t j = 0; j < width; j++) {
        dx[j] += rstd * gain[j] * dy[j] - x[j] * c;
        dgain[j] += dy[j] * x[j] * rstd;
    }
}

/*
 * The rows of a tile through the backward pass of y = rmsnorm(x) * W^T, into the residual stream's
 * gradient (DX, added to) and the tile's slot of gain `gain_copy` (overwritten).
 * dy [N, out]; scratch: [width] reals.
 */
static inline void norm_linear_backward(const struct kern_run *r, uint32_t tile, const real *dy,
                                        uint64_t w_at, uint32_t out, const real *x,
                                        uint64_t gain_at, const real *rstd, uint32_t gain_copy,
                                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    struct range rows = row_range(t, tile);
    real *dx = buffer(r, KERN_BUF_DX, 0), *dnorm = scratch;
    real *dgain = buffer(r, KERN_BUF_GAIN_SLOT, gain_copy) + (uint64_t)tile * width;

    for (uint32_t j = 0; j < width; j++)
        dgain[j] = 0;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        linear_row_input(dnorm, dy + n * out, weights(r, w_at), out, width);
        norm_row_backward(dx + n * width, dgain, dnorm, x + n * width, weights(r, gain_at), rstd[n],
                          width);
    }
}

#endif
