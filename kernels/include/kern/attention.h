/*
 * Contracts: causal attention inside segments, and the projection of its output. Letters as in
 * plan.h. Query i of a sequence sees keys first[i] .. i; query head h reads key/value head
 * h / (heads / kv_heads). A padding token is a segment of its own and sees itself.
 */
#ifndef KERN_ATTENTION_H
#define KERN_ATTENTION_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Relative error (root of the summed squares, per buffer) of a float twin against double. */
#define KERN_ATTENTION_TOLERANCE 1e-6

/*
 * Tile: (block of queries, sequence, query head), blocks from the last to the first:
 * tile = (query_blocks - 1 - block) * rows * heads + sequence * heads + head.
 *   s_j = q_i . k_j / sqrt(hd)
 *   LSE[i][h] = log sum_j exp(s_j); overwritten
 *   MIX[i][h] = sum_j exp(s_j - LSE) v_j; overwritten
 * scratch: T reals (reference).
 */
KERN_TWINS(attention_forward);

/*
 * Tile: (sequence, key/value head), tile = sequence * kv_heads + kv. For its query heads in order,
 * with p_ij = exp(s_ij - LSE_i), dp_ij = DMIX_i . v_j and delta_i = sum_j p_ij dp_ij:
 *   dv_j = sum p_ij DMIX_i;  ds_ij = p_ij (dp_ij - delta_i) / sqrt(hd)
 *   dq_i = sum_j ds_ij k_j;  dk_j = sum_i ds_ij q_i
 * then dq and dk turned back by RoPE. Overwrites its columns of DQKV. The reference takes delta
 * from its definition; a twin may use delta_i = DMIX_i . MIX_i. scratch: 2T reals (reference).
 */
KERN_TWINS(attention_backward);

/* Tile: a block of rows. MID[n] = X[layer][n] + MIX[n] * W^T with W [W, Q], overwritten. */
KERN_TWINS(out_forward);

/*
 * Tiles [0, row_tiles): a block of rows. DMIX[n] = DX[n] * W, overwritten.
 * From row_tiles on: weight_block rows of dW = DX^T * MIX; overwritten when first_micro, else
 * added.
 */
KERN_TWINS(out_backward);

#ifdef __cplusplus
}
#endif
#endif
