/* GATE_UP, DOWN and their backward phases of kern/device/ops.h. */
#include "twin.h"

#include <stdlib.h>

/* Columns of a unit's gate and up in GU and DGU, and the unit of a gate's column. */
static uint64_t gate_column(uint64_t unit)
{
    return unit / 8 * 16 + unit % 8;
}

void twin_gate_up(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    uint64_t width = t->table->model.width, ffn = t->table->model.ffn;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_LAST);
    const uint16_t *mid = bf16_at(t, KERN_DEV_MID, p->layer);
    uint16_t *gu = bf16_at(t, KERN_DEV_GU, p->layer);
    uint16_t *hidden = bf16_at(t, KERN_DEV_HIDDEN, p->layer);

    for (uint64_t n = b.m0; n < b.m1; n++) {
        const double *row = y + (n - b.m0) * (b.n1 - b.n0);
        double r = twin_row_scale(t, mid + n * width);

        for (uint64_t j = b.n0; j < b.n1; j++)
            gu[n * 2 * ffn + j] = to_bf16(r * row[j - b.n0]);
        /* blocks begin and end at multiples of 16 columns: whole units */
        for (uint64_t unit = b.n0 / 2; unit < b.n1 / 2; unit++) {
            double g = from_bf16(gu[n * 2 * ffn + gate_column(unit)]);
            double u = from_bf16(gu[n * 2 * ffn + gate_column(unit) + 8]);

            hidden[n * ffn + unit] = to_bf16(g * sigmoid(g) * u);
        }
    }
    free(y);
}

void twin_down(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    uint32_t next = p->layer + 1;

    twin_residual(t, p, tile, bf16_at(t, KERN_DEV_MID, p->layer), gain_of(t, next, 0),
                  bf16_at(t, KERN_DEV_X, next), bf16_at(t, KERN_DEV_XG, next),
                  f32_at(t, KERN_DEV_SS, next));
}

void twin_down_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                        uint32_t tile)
{
    if (tile >= p->product.tiles) {
        twin_weight(t, p, tile - p->product.tiles);
        return;
    }
    uint64_t width = t->table->model.width, ffn = t->table->model.ffn;
    struct twin_block b = twin_block(&p->product, tile);
    double *dh = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_FIRST);
    const uint16_t *mid = bf16_at(t, KERN_DEV_MID, p->layer);
    const uint16_t *gu = bf16_at(t, KERN_DEV_GU, p->layer);
    uint16_t *dgu = bf16_at(t, KERN_DEV_DGU, 0);
    float *c = f32_at(t, KERN_DEV_MLP_C, 0);

    for (uint64_t n = b.m0; n < b.m1; n++) {
        const double *row = dh + (n - b.m0) * (b.n1 - b.n0);
        double r = twin_row_scale(t, mid + n * width), sum = 0;

        for (uint64_t unit = b.n0; unit < b.n1; unit++) {
            uint64_t at = n * 2 * ffn + gate_column(unit);
            double g = from_bf16(gu[at]), u = from_bf16(gu[at + 8]), s = sigmoid(g);
            double dg = row[unit - b.n0] * u * s * (1 + g * (1 - s));
            double du = row[unit - b.n0] * g * s;

            sum += dg * g + du * u;
            dgu[at] = to_bf16(r * dg);
            dgu[at + 8] = to_bf16(r * du);
        }
        c[n * t->table->mlp_slots + b.n] = (float)sum;
    }
    free(dh);
}

void twin_gate_up_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                           uint32_t tile)
{
    if (tile >= p->product.tiles)
        twin_weight(t, p, tile - p->product.tiles);
    else
        twin_norm_backward(t, p, tile, bf16_at(t, KERN_DEV_MID, p->layer), gain_of(t, p->layer, 1),
                           2 * p->layer + 1);
}
