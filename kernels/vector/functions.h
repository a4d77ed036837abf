/* The phases that have a vector twin; the contracts are those of kern/<phase>.h. */
#ifndef KERN_VECTOR_FUNCTIONS_PRIVATE_H
#define KERN_VECTOR_FUNCTIONS_PRIVATE_H

#include "kern/phase.h"
#include "matmul.h"

#define VEC(name) KERN_VECTOR_NAME(name)

kern_phase_fn VEC(qkv_forward), VEC(qkv_backward);
kern_phase_fn VEC(attention_forward), VEC(attention_backward), VEC(out_forward), VEC(out_backward);
kern_phase_fn VEC(gate_up_forward), VEC(down_forward), VEC(down_backward), VEC(gate_up_backward);
kern_phase_fn VEC(final_norm_forward), VEC(logits), VEC(loss), VEC(head_backward),
    VEC(final_norm_backward);
kern_phase_fn VEC(squares), VEC(adamw);

/* Overwrites the entries of these phases. */
void VEC(functions)(struct kern_functions *f);

#endif
