/*
 * Proofs about a device table, cheap enough to be run whenever one is about to be used.
 *
 * Checked, each against the model's shapes and never against the code that built the table:
 *   - buffers lie in the arena, aligned, apart, and have the size that their contents need;
 *   - products read the operands of their op, whole, by strides that fit; tiles cover the result and
 *     splits the reduction; slot counts are those of the tiles that write them;
 *   - shares of weight gradients stand in SPLITS, apart; other gradients in their tensor's place;
 *   - pieces cover each tensor once, with the sum that belongs to it;
 *   - order: every phase finds in each buffer the version that it wants, whole, in each kind of
 *     slot; none is made twice, but for what recompute makes again where a layer's backward pass
 *     begins; no phase reads what it writes, but in place.
 * That the tiles of a phase write what the whole phase is said to, each element once, follows from
 * the grids; the executor shows it element by element for small tables.
 */
#ifndef KERN_DEVICE_VALIDATE_H
#define KERN_DEVICE_VALIDATE_H

#include "kern/device/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* KERN_OK, KERN_E_NOMEM, or KERN_E_DEVICE: a table that must not run, i.e. a bug in its builder. The
 * message names phase, op, layer, part and buffer or field. */
KERN_NODISCARD enum kern_status kern_device_validate(const struct kern_device_table *t,
                                                     struct kern_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
