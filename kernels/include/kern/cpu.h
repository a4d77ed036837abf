/* The CPU backend beyond kern/backend.h: which phase functions it takes. For tests and benches. */
#ifndef KERN_CPU_H
#define KERN_CPU_H

#include "kern/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As kern_cpu_new, with the instruction sets of isa_mask (enum kern_isa) only; 0: the reference. */
KERN_NODISCARD enum kern_status
kern_cpu_new_isa(const struct kern_config *config, const struct kern_workers *workers,
                 unsigned isa_mask, struct kern_backend **ret_backend, struct kern_error *reterr);

/* Seconds spent in each phase op so far, summed over workers [KERN_OP_COUNT]; b is a CPU backend.
 */
void kern_cpu_times(const struct kern_backend *b, double *ret_seconds);

#ifdef __cplusplus
}
#endif
#endif
