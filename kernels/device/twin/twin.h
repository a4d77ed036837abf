/*
 * What the twins of kern/device/ops.h share: typed access to the arena's bytes, the block of a
 * product's tile, and the sums that more than one phase takes. Everything is computed in double;
 * a store rounds once.
 */
#ifndef KERN_DEVICE_TWIN_PRIVATE_H
#define KERN_DEVICE_TWIN_PRIVATE_H

#include "kern/device/ops.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef void twin_fn(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile);

twin_fn twin_fetch, twin_embed, twin_embed_backward; /* embed.c */
twin_fn twin_qkv, twin_qkv_backward;                 /* qkv.c */
twin_fn twin_attention, twin_attention_backward;     /* attention.c */
twin_fn twin_out, twin_out_backward;                 /* attention.c */
twin_fn twin_gate_up, twin_down;                     /* mlp.c */
twin_fn twin_down_backward, twin_gate_up_backward;   /* mlp.c */
twin_fn twin_logits, twin_loss;                      /* head.c */
twin_fn twin_head_backward, twin_final_backward;     /* head.c */
twin_fn twin_head_scan, twin_head_loss, twin_head_weight; /* scan.c */
twin_fn twin_collect, twin_adamw, twin_result;       /* update.c */

/* ---- numbers ---- */

static inline double from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float f;

    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* To nearest even in one rounding: by way of float it would be two, and the second may decide a tie
 * that the first one made. */
static inline uint16_t to_bf16(double v)
{
    uint64_t u;
    uint32_t bits;
    float f;

    memcpy(&u, &v, sizeof u);
    if (isfinite(v)) { /* 52 bits of fraction to 7 */
        u += (UINT64_C(1) << 44) - 1 + (u >> 45 & 1);
        u &= ~((UINT64_C(1) << 45) - 1);
        memcpy(&v, &u, sizeof v);
    }
    f = (float)v; /* exact but for subnormals and overflow to infinity */
    memcpy(&bits, &f, sizeof bits);
    if (isnan(f))
        return 0x7fff;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* v as a store to bf16 leaves it. */
static inline double rounded(double v)
{
    return from_bf16(to_bf16(v));
}

static inline double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* ---- places ---- */

static inline void *place(const struct kern_device_twin *t, enum kern_device_buffer id,
                          uint64_t copy)
{
    const struct kern_device_place *at = &t->table->at[id];
    return t->arena + at->offset + copy * at->stride;
}

static inline uint16_t *bf16_at(const struct kern_device_twin *t, enum kern_device_buffer id,
                                uint64_t copy)
{
    return place(t, id, copy);
}

static inline float *f32_at(const struct kern_device_twin *t, enum kern_device_buffer id,
                            uint64_t copy)
{
    return place(t, id, copy);
}

static inline uint32_t *u32_at(const struct kern_device_twin *t, enum kern_device_buffer id,
                               uint64_t copy)
{
    return place(t, id, copy);
}

/* Scratch of n doubles, all 0. The twins have no way to fail and run in tests alone: without memory
 * they abort. */
double *twin_scratch(uint64_t n);

/* ---- norms ---- */

/* The gain of layer l's first (which = 0) or second norm; l = layers: the final norm's. */
static inline const float *gain_of(const struct kern_device_twin *t, uint32_t l, unsigned which)
{
    const struct kern_device_layout *o = &t->table->layout;
    uint64_t at = o->norm;

    if (l < t->table->model.layers)
        at = o->layer + l * o->stride + (which ? o->norm2 : o->norm1);
    return f32_at(t, KERN_DEV_MASTER, 0) + at;
}

/* 1 / rms of a row of the residual stream, from the row itself. */
double twin_row_scale(const struct kern_device_twin *t, const uint16_t *row);

/* Positions of a row's pair angles: ROPE[n % T - FIRST[n]]. */
static inline const float *angles_of(const struct kern_device_twin *t, uint64_t n)
{
    uint64_t position = n % t->table->seq_len - u32_at(t, KERN_DEV_FIRST, 0)[n];
    return f32_at(t, KERN_DEV_ROPE, 0) + position * t->table->model.head_dim;
}

/* Turns the pair pair[0], pair[8] that stands in column c and c + 8 of its head; back: by the inverse. */
static inline void turn(double *pair, uint32_t c, const float *angles, bool back)
{
    uint32_t i = 8 * (c / 16) + c % 8;
    double cosine = (double)angles[2 * i], sine = (double)angles[2 * i + 1];
    double a = pair[0], b = pair[8];

    if (back)
        sine = -sine;
    pair[0] = a * cosine - b * sine;
    pair[8] = b * cosine + a * sine;
}

/* ---- matrix products ---- */

/* Rows [m0, m1), columns [n0, n1) and reduction [k0, k1) of a product's tile. */
struct twin_block {
    uint32_t m0, m1, n0, n1, k0, k1;
    uint32_t m, n, split; /* block row, block column */
};

/* How an operand stands: see struct kern_device_product. */
enum twin_order { TWIN_K_LAST, TWIN_K_FIRST };

struct twin_block twin_block(const struct kern_device_product *p, uint32_t tile);

/* The sums of a block, [m1 - m0][n1 - n0], to be freed. */
double *twin_product(const struct kern_device_twin *t, const struct kern_device_product *p,
                     const struct twin_block *b, enum twin_order a_order, enum twin_order b_order);

/* A tile of the phase's weight gradient, `tile` counted from the first of them. */
void twin_weight(const struct kern_device_twin *t, const struct kern_device_phase *p,
                 uint32_t tile);

/*
 * OUT and DOWN: out = bf16(product + residual), scaled = bf16(out * gain), and the tile's slot of
 * the sum of squares.
 */
void twin_residual(const struct kern_device_twin *t, const struct kern_device_phase *p,
                   uint32_t tile, const uint16_t *residual, const float *gain, uint16_t *out,
                   uint16_t *scaled, float *slots);

/*
 * The input gradient of GATE_UP_BACKWARD and QKV_BACKWARD: a = product, through the norm of x into
 * DX, and the gain's slot. The sum over j of x_j g_j a_j is taken from a whole row of a, which is
 * why a tile computes all columns and stores its own.
 */
void twin_norm_backward(const struct kern_device_twin *t, const struct kern_device_phase *p,
                        uint32_t tile, const uint16_t *x, const float *gain, uint32_t gain_copy);

/* Row n of the residual stream that enters the head. */
const uint16_t *twin_final_row(const struct kern_device_twin *t, uint64_t n);

/* dx = g a - x r^2 (sum of x g a) / W of one row: what is added to the residual's gradient. */
void twin_norm_row(const struct kern_device_twin *t, const uint16_t *x, const float *gain,
                   const double *a, double *ret_dx);

#endif
