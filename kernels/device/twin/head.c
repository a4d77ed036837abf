/* LOGITS to FINAL_BACKWARD of kern/device/ops.h. Row c of a chunk is token row0 + c. */
#include "twin.h"

#include <stdlib.h>

const uint16_t *twin_final_row(const struct kern_device_twin *t, uint64_t n)
{
    const struct kern_model *m = &t->table->model;
    return bf16_at(t, KERN_DEV_X, m->layers) + n * m->width;
}

void twin_logits(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_LAST);

    for (uint64_t c = b.m0; c < b.m1; c++) {
        const double *row = y + (c - b.m0) * (b.n1 - b.n0);
        uint16_t *logits = bf16_at(t, KERN_DEV_LOGITS_OUT, 0) + c * table->vocab_padded;
        double r = twin_row_scale(t, twin_final_row(t, p->row0 + c)), top = -INFINITY, sum = 0;

        for (uint64_t id = b.n0; id < b.n1; id++)
            logits[id] = to_bf16(r * row[id - b.n0]);
        for (uint64_t id = b.n0; id < b.n1 && id < table->model.vocab; id++)
            top = from_bf16(logits[id]) > top ? from_bf16(logits[id]) : top;
        for (uint64_t id = b.n0; id < b.n1 && id < table->model.vocab; id++)
            sum += exp(from_bf16(logits[id]) - top);
        f32_at(t, KERN_DEV_LOGIT_MAX, 0)[c * table->vocab_tiles + b.n] = (float)top;
        f32_at(t, KERN_DEV_LOGIT_SUM, 0)[c * table->vocab_tiles + b.n] = (float)sum;
    }
    free(y);
}

/* log of the sum of exp over a row's rounded logits. */
static double log_sum(const uint16_t *logits, uint32_t vocab)
{
    double top = -INFINITY, sum = 0;

    for (uint32_t id = 0; id < vocab; id++)
        top = from_bf16(logits[id]) > top ? from_bf16(logits[id]) : top;
    for (uint32_t id = 0; id < vocab; id++)
        sum += exp(from_bf16(logits[id]) - top);
    return top + log(sum);
}

void twin_loss(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    const uint32_t *targets = u32_at(t, KERN_DEV_TARGETS, 0);
    uint32_t vocab = table->model.vocab;
    uint64_t begin = (uint64_t)tile * KERN_DEVICE_LOSS_ROWS;
    uint64_t end =
        begin + KERN_DEVICE_LOSS_ROWS < p->rows ? begin + KERN_DEVICE_LOSS_ROWS : p->rows;
    double total = 0;

    for (uint64_t c = begin; c < end; c++) {
        uint64_t n = p->row0 + c;
        uint16_t *logits = bf16_at(t, KERN_DEV_LOGITS_OUT, 0) + c * table->vocab_padded;
        bool counts = targets[n] != KERN_NO_TARGET;
        double lse = counts ? log_sum(logits, vocab) : 0;
        float nll = counts ? (float)(lse - from_bf16(logits[targets[n]])) : 0;

        f32_at(t, KERN_DEV_NLL, 0)[n] = nll;
        total += (double)nll;
        if (t->slot.kind != KERN_TRAIN)
            continue;
        double r = twin_row_scale(t, twin_final_row(t, n));
        for (uint32_t id = 0; id < table->vocab_padded; id++) {
            double logit = from_bf16(logits[id]), d = 0;

            if (counts && id < vocab)
                d = (exp(logit - lse) - (id == targets[n])) * (double)t->slot.inverse_targets;
            logits[id] = to_bf16(r * d);
        }
    }
    f32_at(t, KERN_DEV_NLL_SLOT, 0)[(p->row0 + begin) / KERN_DEVICE_LOSS_ROWS] = (float)total;
}

void twin_head_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                        uint32_t tile)
{
    if (tile >= p->product.tiles) {
        twin_weight(t, p, tile - p->product.tiles);
        return;
    }
    uint64_t width = t->table->model.width;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_FIRST);
    float *share = f32_at(t, KERN_DEV_HEAD_SPLIT, b.split);

    for (uint64_t c = b.m0; c < b.m1; c++)
        for (uint64_t j = b.n0; j < b.n1; j++)
            share[c * width + j] = (float)y[(c - b.m0) * (b.n1 - b.n0) + j - b.n0];
    free(y);
}

void twin_final_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                         uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width;
    uint64_t each = table->final_rows, begin = tile * each;
    uint64_t end = begin + each < p->rows ? begin + each : p->rows;
    const float *gain = gain_of(t, table->model.layers, 0);
    double *a = twin_scratch(width), *row = twin_scratch(width), *dgain = twin_scratch(width);

    for (uint64_t c = begin; c < end; c++) {
        uint64_t n = p->row0 + c;
        const uint16_t *x = twin_final_row(t, n);

        memset(a, 0, width * sizeof *a);
        for (uint32_t s = 0; s < p->product.splits; s++)
            for (uint64_t j = 0; j < width; j++)
                a[j] += (double)f32_at(t, KERN_DEV_HEAD_SPLIT, s)[c * width + j];
        twin_norm_row(t, x, gain, a, row);
        for (uint64_t j = 0; j < width; j++) {
            bf16_at(t, KERN_DEV_DX, 0)[n * width + j] = to_bf16(row[j]);
            dgain[j] += a[j] * from_bf16(x[j]);
        }
    }
    for (uint64_t j = 0; j < width; j++)
        f32_at(t, KERN_DEV_FINAL_SLOT, 0)[(p->row0 + begin) / each * width + j] = (float)dgain[j];
    free(a);
    free(row);
    free(dgain);
}
