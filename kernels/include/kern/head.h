/*
 * Contracts: the final norm, the head and the loss. Letters as in plan.h. The rows go through the
 * head in chunks of R = head_rows (p->part); a chunk's logits live in one buffer, vocabulary-major:
 * the logit of vocabulary v for row c of the chunk stands at LOGITS[v * R + c]. In that layout the
 * products with the head's matrix need no transposed copy of it, and a softmax over the vocabulary
 * runs down the columns, many rows side by side.
 */
#ifndef KERN_HEAD_H
#define KERN_HEAD_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Relative error (root of the summed squares, per buffer) of a float twin against double. */
#define KERN_HEAD_TOLERANCE 3e-6

/* Tile: a block of rows. RSTDF and NORMF from X[layers] as in qkv.h, overwritten. */
KERN_TWINS(final_norm_forward);

/*
 * Tile: vocab_tile rows of the head. LOGITS[v][c] = NORMF[c] . head[v] for the chunk's rows,
 * TILEMAX[tile][c] their maximum, TILESUM[tile][c] = sum of exp(logit - maximum). Overwritten;
 * columns beyond the chunk's rows (last chunk) are neither written nor read by anyone.
 */
KERN_TWINS(logits);

/*
 * Tile: a block of the chunk's rows. LOGSUM[n] = log sum exp over the vocabulary from the tiles'
 * partials in order; NLL[n] = LOGSUM[n] - the target's logit, 0 without a target (selected, not
 * multiplied). Overwritten.
 */
KERN_TWINS(loss);

/*
 * Tile: a group of vocabulary tiles: a run of whole ones, the runs as even as can be.
 *   dlogit = (exp(logit - LOGSUM) - [v is the target]) / step_targets,
 *            exactly 0 without a target (selected, not multiplied)
 *   HEAD_SLOT[tile][c] = sum over the group's v of dlogit * head[v]; overwritten
 *   d head[v] = sum over the chunk's rows of dlogit * NORMF[c];
 *            overwritten when first_micro and part 0, else added
 * LOGITS may be used for the gradients: what it holds afterwards is undefined.
 */
KERN_TWINS(head_backward);

/*
 * Tile: a block of the chunk's rows. d normf[c] = sum of HEAD_SLOT over groups in order; DX[n] =
 * its gradient through the final norm (overwritten: here the residual's gradient begins);
 * GAIN_SLOT[2 * layers][row block] overwritten. scratch: W reals.
 */
KERN_TWINS(final_norm_backward);

#ifdef __cplusplus
}
#endif
#endif
