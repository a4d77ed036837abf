/*
 * Contracts: RMSNorm, the SwiGLU feed-forward (Shazeer 2020) and its residual. Letters as in
 * plan.h. The first weight is [2F, W]: gate_proj above up_proj; the second, down_proj, [W, F].
 */
#ifndef KERN_MLP_H
#define KERN_MLP_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Relative error (root of the summed squares, per buffer) of a float twin against double. */
#define KERN_MLP_TOLERANCE 1e-6

/*
 * Tile: a block of rows. RSTD2 and NORM2 from MID as in qkv.h; GATE_UP[n] = NORM2[n] * W^T;
 * HIDDEN[n] = gate * sigmoid(gate) * up. All overwritten.
 */
KERN_TWINS(gate_up_forward);

/* Tile: a block of rows. X[layer + 1][n] = MID[n] + HIDDEN[n] * W^T, overwritten. */
KERN_TWINS(down_forward);

/*
 * Tiles [0, row_tiles): a block of rows. With dh = DX[n] * W, s = sigmoid(gate):
 *   DGATE_UP[n] = (dh * up * s * (1 + gate * (1 - s)), dh * gate * s), overwritten.
 * From row_tiles on: weight_block rows of dW = DX^T * HIDDEN; overwritten when first_micro, else
 * added. DX is read only: it is also the gradient of MID along the residual.
 */
KERN_TWINS(down_backward);

/*
 * Tiles [0, row_tiles): a block of rows. DX[n] += the gradient of MID through the norm, in place;
 * GAIN_SLOT[2 * layer + 1][tile] overwritten: both as in qkv_backward.
 * From row_tiles on: weight_block rows of dW = DGATE_UP^T * NORM2, as there. scratch: W reals.
 */
KERN_TWINS(gate_up_backward);

#ifdef __cplusplus
}
#endif
#endif
