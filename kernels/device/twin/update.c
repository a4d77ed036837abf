/* COLLECT, ADAMW and RESULT of kern/device/ops.h, over the pieces of the flat vectors. */
#include "twin.h"

void twin_collect(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_piece *piece = &t->table->pieces[tile];
    float *g = f32_at(t, KERN_DEV_GRADIENTS, 0) + piece->begin;
    double squares = 0;

    (void)p;
    for (uint32_t i = 0; i < piece->length; i++) {
        if (piece->source != KERN_DEV_DIRECT) {
            double sum = 0;

            for (uint32_t s = 0; s < piece->count; s++) {
                const float *share = (const void *)(t->arena + piece->from + s * piece->stride);
                sum += (double)share[i];
            }
            g[i] = (float)(t->slot.first_micro ? sum : (double)g[i] + sum);
        }
        squares += (double)g[i] * (double)g[i];
    }
    if (t->slot.when == KERN_DEV_LAST)
        f32_at(t, KERN_DEV_SQUARES, 0)[tile] = (float)squares;
}

void twin_adamw(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_piece *piece = &t->table->pieces[tile];
    const struct kern_device_constants *k = &t->constants;
    const struct kern_device_slot *slot = &t->slot;
    const float *g = f32_at(t, KERN_DEV_GRADIENTS, 0) + piece->begin;
    float *w = f32_at(t, KERN_DEV_MASTER, 0) + piece->begin;
    float *m1 = f32_at(t, KERN_DEV_MOMENT1, 0) + piece->begin;
    float *m2 = f32_at(t, KERN_DEV_MOMENT2, 0) + piece->begin;
    uint16_t *rounded_w = bf16_at(t, KERN_DEV_WEIGHTS, 0) + piece->begin;
    double beta1 = (double)k->beta1, beta2 = (double)k->beta2, sum = 0;

    (void)p;
    for (uint32_t i = 0; i < t->table->piece_count; i++)
        sum += (double)f32_at(t, KERN_DEV_SQUARES, 0)[i];
    t->norm = sqrt(sum);
    t->updated = slot->step_targets > 0 && isfinite(t->norm);
    if (!t->updated)
        return;
    double factor = (double)k->clip / (t->norm + 1e-6);
    double scale = k->clip > 0 && factor < 1 ? factor : 1;
    double decay = piece->decay ? (double)slot->lr * (double)k->weight_decay : 0;

    for (uint32_t i = 0; i < piece->length; i++) {
        double d = (double)g[i] * scale;
        double first = beta1 * (double)m1[i] + (1 - beta1) * d;
        double second = beta2 * (double)m2[i] + (1 - beta2) * d * d;
        double step = (double)slot->step_size * first /
                      (sqrt(second) * (double)slot->root2 + (double)k->adam_eps);

        m1[i] = (float)first;
        m2[i] = (float)second;
        w[i] = (float)((double)w[i] - decay * (double)w[i] - step);
        rounded_w[i] = to_bf16((double)w[i]);
    }
}

void twin_result(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    uint32_t slots = (t->table->tokens + KERN_DEVICE_LOSS_ROWS - 1) / KERN_DEVICE_LOSS_ROWS;

    (void)p, (void)tile;
    t->nll = 0;
    for (uint32_t i = 0; i < slots; i++)
        t->nll += (double)f32_at(t, KERN_DEV_NLL_SLOT, 0)[i];
}
