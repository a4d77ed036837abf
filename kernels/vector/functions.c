/* The phases of this folder as a set: the others keep what was there before. */
#include "functions.h"

void VEC(functions)(struct kern_functions *f)
{
    f->run[KERN_QKV_FORWARD] = VEC(qkv_forward);
    f->run[KERN_ATTENTION_FORWARD] = VEC(attention_forward);
    f->run[KERN_OUT_FORWARD] = VEC(out_forward);
    f->run[KERN_GATE_UP_FORWARD] = VEC(gate_up_forward);
    f->run[KERN_DOWN_FORWARD] = VEC(down_forward);
    f->run[KERN_FINAL_NORM_FORWARD] = VEC(final_norm_forward);
    f->run[KERN_LOGITS] = VEC(logits);
    f->run[KERN_LOSS] = VEC(loss);
    f->run[KERN_HEAD_BACKWARD] = VEC(head_backward);
    f->run[KERN_FINAL_NORM_BACKWARD] = VEC(final_norm_backward);
    f->run[KERN_DOWN_BACKWARD] = VEC(down_backward);
    f->run[KERN_GATE_UP_BACKWARD] = VEC(gate_up_backward);
    f->run[KERN_OUT_BACKWARD] = VEC(out_backward);
    f->run[KERN_ATTENTION_BACKWARD] = VEC(attention_backward);
    f->run[KERN_QKV_BACKWARD] = VEC(qkv_backward);
    f->run[KERN_SQUARES] = VEC(squares);
    f->run[KERN_ADAMW] = VEC(adamw);
}
