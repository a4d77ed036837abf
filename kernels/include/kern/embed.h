/*
 * Contracts of the phases around the embedding table. Letters as in plan.h; buffers by the names
 * there. Nothing aliases beyond what is said; all sums run in ascending order of their index.
 */
#ifndef KERN_EMBED_H
#define KERN_EMBED_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Tile: a block of rows. X[0][n] = embed[tokens[n]], overwritten. Exact.
 */
KERN_TWINS(embed_forward);

/*
 * Tile: a block of vocabulary. d embed[v] += DX[n] over all rows n with tokens[n] == v, in the
 * order of n. Untied and first_micro: the block is zeroed first. Tied: the head's backward wrote
 * (first_micro) or added its share before, so this always adds. Exact up to the order of the sum,
 * which is fixed: every twin gives the same bits for the same DX.
 */
KERN_TWINS(embed_backward);

#ifdef __cplusplus
}
#endif
#endif
