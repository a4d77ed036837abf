/*
 * Runs a slot through the twins as no device would: the tiles of each phase in random order, each
 * in an arena that holds nothing but what the tile declares to read.
 */
#ifndef KERN_DEVICE_EXECUTOR_H
#define KERN_DEVICE_EXECUTOR_H

#include "kern/device/regions.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Works t->slot on t->arena. Refuses, naming phase, op, layer, tile and buffer:
 *   - a read of what this slot's phases have not written (but weights, moments, angles and what is
 *     added to), or of what another tile of the same phase writes;
 *   - an element that two tiles of a phase write, or that its tile was to write and did not;
 *   - a change of anything else.
 * What a tile reads without having declared it is not-a-number (or 0xffffffff) to it, so results
 * show it. thorough: looks for stray writes after each tile, not only after each phase.
 *
 * KERN_OK, KERN_E_DEVICE for a refusal, KERN_E_NOMEM.
 */
KERN_NODISCARD enum kern_status kern_device_execute(struct kern_device_twin *t, bool thorough,
                                                    uint64_t seed, struct kern_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
