/* The CUDA backend from inside, for tests and benches: b is one that kern_cuda_new made. */
#ifndef KERN_CUDA_DEVICE_H
#define KERN_CUDA_DEVICE_H

#include "kern/backend.h"
#include "kern/device/table.h"

const struct kern_device_table *kern_cuda_table(const struct kern_backend *b);
uint32_t kern_cuda_blocks(const struct kern_backend *b); /* resident */

/* Bytes of the arena; only while no slot is at work. */
KERN_NODISCARD enum kern_status kern_cuda_arena_get(struct kern_backend *b, uint64_t offset,
                                                    uint64_t bytes, void *ret_bytes,
                                                    struct kern_error *reterr);
KERN_NODISCARD enum kern_status kern_cuda_arena_set(struct kern_backend *b, uint64_t offset,
                                                    uint64_t bytes, const void *from,
                                                    struct kern_error *reterr);

/* Stepwise: which phases a slot's submission launches, [first, last). */
void kern_cuda_range(struct kern_backend *b, uint32_t first, uint32_t last);
/* Stepwise: the host waits after every phase, as an unfused training loop does. */
void kern_cuda_wait_phases(struct kern_backend *b, bool wait);
/* Launches one phase on the slot that a FETCH has taken, and waits. */
KERN_NODISCARD enum kern_status kern_cuda_phase_only(struct kern_backend *b, uint32_t phase,
                                                     struct kern_error *reterr);

/* Blocks come late to barriers by this key (0: not), and the barrier after a phase is left out
 * (UINT32_MAX: none). Before the first slot. */
void kern_cuda_disturb(struct kern_backend *b, uint64_t delay_key, uint32_t skip_barrier);

/* Nanoseconds in each phase so far, barrier included, as block 0 saw it: [phase_count]. */
KERN_NODISCARD enum kern_status kern_cuda_phase_times(struct kern_backend *b, uint64_t *ret_ns,
                                                      struct kern_error *reterr);

#endif
