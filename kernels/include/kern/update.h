/*
 * Contracts: what stands between the last gradient and the next step's weights. Letters as in
 * plan.h. These run over the flat vectors.
 */
#ifndef KERN_UPDATE_H
#define KERN_UPDATE_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Relative error (root of the summed squares, per buffer) of a float twin against double. */
#define KERN_UPDATE_TOLERANCE 2e-7

/* Tile: one norm gain (copy `tile` of GAIN_SLOT). Its gradient = (first_micro) or += the slots of
 * all row blocks in order. */
KERN_TWINS(gain_reduce);

/* Tile: square_tile parameters. SQUARES[tile] = sum of gradient^2, summed in double. */
KERN_TWINS(squares);

/* One tile. Fills *r->verdict: norm = sqrt(sum of SQUARES in order, in double); scale and update as
 * described at struct kern_verdict. clip <= 0: never clips. */
KERN_TWINS(norm);

/*
 * Tile: square_tile parameters. AdamW (Loshchilov and Hutter 2019, algorithm 2) on g = scale *
 * gradient: m1 = beta1 m1 + (1 - beta1) g; m2 = beta2 m2 + (1 - beta2) g^2; w = w - lr *
 * weight_decay * w [matrices only] - lr / bias1 * m1 / (sqrt(m2) / sqrt(bias2) + eps). In place;
 * nothing happens when the verdict says no update. The gradient stays as it was.
 */
KERN_TWINS(adamw);

#ifdef __cplusplus
}
#endif
#endif
