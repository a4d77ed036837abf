/*
 * The device's flat parameter vector beside the canonical one (kern_tensor_at): the same tensors in
 * the same order, each starting at a multiple of 64 elements, with
 *   - vocabulary rows padded to a multiple of 8 with zeros (embedding, untied head);
 *   - rows of q_proj and k_proj, head by head, so that a RoPE pair (i, i + hd/2) stands 8 rows apart:
 *     row i + h * hd/2 goes to 16 (i / 8) + 8 h + i % 8;
 *   - gate and up as one matrix [2F, W], unit u's gate in row 16 (u / 8) + u % 8 and its up 8 below.
 * Attention does not change when q and k are permuted alike. Pairs 8 columns apart in a product's
 * output belong to one thread of a tensor-core tile.
 */
#ifndef KERN_DEVICE_LAYOUT_H
#define KERN_DEVICE_LAYOUT_H

#include <stdint.h>

#include "kern/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kern_device_layout {
    uint64_t embed;                                 /* [vocab_padded, W] */
    uint64_t layer;                                 /* the first layer's start */
    uint64_t stride;                                /* of a layer */
    uint64_t norm1, qkv, out, norm2, gate_up, down; /* within a layer */
    uint64_t norm;
    uint64_t head; /* equals embed when tied */
    uint64_t size; /* elements, padding included */
    uint32_t vocab_padded;
};

void kern_device_layout(const struct kern_model *model, struct kern_device_layout *ret_layout);

/* Copies between the canonical vector [kern_parameter_count] and the device's [layout->size].
 * to_device writes zeros into all padding. */
void kern_device_layout_to(const struct kern_model *model, const struct kern_device_layout *layout,
                           const float *canonical, float *ret_device);
void kern_device_layout_from(const struct kern_model *model,
                             const struct kern_device_layout *layout, const float *device,
                             float *ret_canonical);

#ifdef __cplusplus
}
#endif
#endif
