/*
 * Sets of phase functions. Each call fills in what it has and leaves the rest: the reference all,
 * the vector sets the phases that matter for speed. A program takes them in ascending order.
 */
#ifndef KERN_FUNCTIONS_H
#define KERN_FUNCTIONS_H

#include "kern/phase.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Instruction sets, for masks. */
enum kern_isa {
    KERN_ISA_VECTOR = 1u << 0, /* what the build's own flags give: SSE2, NEON */
    KERN_ISA_AVX2_FMA = 1u << 1,
};

void kern_f64_functions(struct kern_functions *f); /* the arena holds doubles */
void kern_f32_functions(struct kern_functions *f); /* this and below: floats */

/* What this machine can run. */
unsigned kern_isa_here(void);
/* The reference in float, then every vector set that mask names and this build has. */
void kern_functions_fill(struct kern_functions *f, unsigned mask);

#ifdef __cplusplus
}
#endif
#endif
