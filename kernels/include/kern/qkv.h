/*
 * Contracts: RMSNorm, the projections to queries, keys and values, and RoPE. Letters as in plan.h.
 * The weight is [Q + 2K, W]: q_proj, k_proj, v_proj one below the other.
 */
#ifndef KERN_QKV_H
#define KERN_QKV_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Relative error (root of the summed squares, per buffer) of a float twin against double. */
#define KERN_QKV_TOLERANCE 1e-6

/*
 * Tile: a block of rows. With x = X[layer][n]:
 *   RSTD1[n] = 1 / sqrt(mean(x^2) + rms_eps)         (RMSNorm, Zhang and Sennrich 2019)
 *   NORM1[n] = x * RSTD1[n] * gain
 *   QKV[n]   = NORM1[n] * W^T, then the first Q + K columns rotated head by head (RoPE, Su et al.
 *              2021): the pair (i, i + hd/2) by ROPE[n mod T - first[n]][i].
 * All overwritten. Positions restart at each segment: only the distance inside it counts.
 */
KERN_TWINS(qkv_forward);

/*
 * Tiles [0, row_tiles): a block of rows. With dnorm = DQKV[n] * W:
 *   DX[n] += rstd * gain * dnorm - x * rstd^3 / W * sum(x * gain * dnorm)     in place
 *   GAIN_SLOT[2 * layer][tile] = sum over the block's rows of dnorm * x * rstd  overwritten
 * Tiles from row_tiles on: weight_block rows of the weight. dW = DQKV^T * NORM1 over all N rows;
 * overwritten when first_micro, else added. scratch: W reals.
 */
KERN_TWINS(qkv_backward);

/* Fills ROPE: computed in double, rounded once. r needs table and arena only. */
void kern_f32_rope_fill(const struct kern_run *r);
void kern_f64_rope_fill(const struct kern_run *r);

#ifdef __cplusplus
}
#endif
#endif
