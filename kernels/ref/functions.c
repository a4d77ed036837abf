/* The reference as a set of functions (kern/functions.h): every op has one. */
#include "kern/functions.h"
#include "kern/attention.h"
#include "kern/embed.h"
#include "kern/head.h"
#include "kern/mlp.h"
#include "kern/qkv.h"
#include "kern/update.h"
#include "real.h"

void REF(functions)(struct kern_functions *f)
{
    *f = (struct kern_functions){{
        [KERN_EMBED_FORWARD] = REF(embed_forward),
        [KERN_QKV_FORWARD] = REF(qkv_forward),
        [KERN_ATTENTION_FORWARD] = REF(attention_forward),
        [KERN_OUT_FORWARD] = REF(out_forward),
        [KERN_GATE_UP_FORWARD] = REF(gate_up_forward),
        [KERN_DOWN_FORWARD] = REF(down_forward),
        [KERN_FINAL_NORM_FORWARD] = REF(final_norm_forward),
        [KERN_LOGITS] = REF(logits),
        [KERN_LOSS] = REF(loss),
        [KERN_HEAD_BACKWARD] = REF(head_backward),
        [KERN_FINAL_NORM_BACKWARD] = REF(final_norm_backward),
        [KERN_DOWN_BACKWARD] = REF(down_backward),
        [KERN_GATE_UP_BACKWARD] = REF(gate_up_backward),
        [KERN_OUT_BACKWARD] = REF(out_backward),
        [KERN_ATTENTION_BACKWARD] = REF(attention_backward),
        [KERN_QKV_BACKWARD] = REF(qkv_backward),
        [KERN_EMBED_BACKWARD] = REF(embed_backward),
        [KERN_GAIN_REDUCE] = REF(gain_reduce),
        [KERN_SQUARES] = REF(squares),
        [KERN_NORM] = REF(norm),
        [KERN_ADAMW] = REF(adamw),
    }};
}
