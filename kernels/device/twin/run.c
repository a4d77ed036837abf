/* kern_device_twin_run: the twin of each op. */
#include "twin.h"

void kern_device_twin_run(struct kern_device_twin *t, const struct kern_device_phase *p,
                          uint32_t tile)
{
    static twin_fn *const of[KERN_DEVICE_OPS] = {
        [KERN_DEV_FETCH] = twin_fetch,
        [KERN_DEV_EMBED] = twin_embed,
        [KERN_DEV_QKV] = twin_qkv,
        [KERN_DEV_ATTENTION] = twin_attention,
        [KERN_DEV_OUT] = twin_out,
        [KERN_DEV_GATE_UP] = twin_gate_up,
        [KERN_DEV_DOWN] = twin_down,
        [KERN_DEV_LOGITS] = twin_logits,
        [KERN_DEV_LOSS] = twin_loss,
        [KERN_DEV_HEAD_BACKWARD] = twin_head_backward,
        [KERN_DEV_FINAL_BACKWARD] = twin_final_backward,
        [KERN_DEV_HEAD_SCAN] = twin_head_scan,
        [KERN_DEV_HEAD_LOSS] = twin_head_loss,
        [KERN_DEV_HEAD_WEIGHT] = twin_head_weight,
        [KERN_DEV_DOWN_BACKWARD] = twin_down_backward,
        [KERN_DEV_GATE_UP_BACKWARD] = twin_gate_up_backward,
        [KERN_DEV_OUT_BACKWARD] = twin_out_backward,
        [KERN_DEV_ATTENTION_BACKWARD] = twin_attention_backward,
        [KERN_DEV_QKV_BACKWARD] = twin_qkv_backward,
        [KERN_DEV_EMBED_BACKWARD] = twin_embed_backward,
        [KERN_DEV_COLLECT] = twin_collect,
        [KERN_DEV_ADAMW] = twin_adamw,
        [KERN_DEV_RESULT] = twin_result,
    };

    of[p->op](t, p, tile);
}
