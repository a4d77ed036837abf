/* QKV and QKV_BACKWARD of kern/device/ops.h. */
#include "twin.h"

#include <stdlib.h>

void twin_qkv(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width, head_dim = table->model.head_dim;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_LAST);
    const uint16_t *x = bf16_at(t, KERN_DEV_X, p->layer);
    uint16_t *out = bf16_at(t, KERN_DEV_QKV_OUT, p->layer);
    uint32_t turned = table->q_width + table->kv_width;

    for (uint64_t n = b.m0; n < b.m1; n++) {
        double *row = y + (n - b.m0) * (b.n1 - b.n0), r = twin_row_scale(t, x + n * width);

        for (uint64_t j = b.n0; j < b.n1; j++)
            row[j - b.n0] *= r;
        /* a block begins and ends at multiples of 16 columns, maybe inside a head */
        for (uint64_t j = b.n0; j < b.n1 && j < turned; j++)
            if (j % 16 < 8)
                turn(row + j - b.n0, (uint32_t)(j % head_dim), angles_of(t, n), false);
        for (uint64_t j = b.n0; j < b.n1; j++)
            out[n * table->qkv_width + j] = to_bf16(row[j - b.n0]);
    }
    free(y);
}

void twin_qkv_backward(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    if (tile >= p->product.tiles)
        twin_weight(t, p, tile - p->product.tiles);
    else
        twin_norm_backward(t, p, tile, bf16_at(t, KERN_DEV_X, p->layer), gain_of(t, p->layer, 0),
                           2 * p->layer);
}
