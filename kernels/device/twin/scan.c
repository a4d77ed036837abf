/* HEAD_SCAN, HEAD_LOSS, HEAD_WEIGHT of kern/device/ops.h. */
#include "twin.h"

#include <stdlib.h>

static const uint16_t *head_row(const struct kern_device_twin *t, uint64_t id)
{
    return bf16_at(t, KERN_DEV_WEIGHTS, 0) + t->table->layout.head + id * t->table->model.width;
}

static const uint16_t *scaled_row(const struct kern_device_twin *t, uint64_t n)
{
    const struct kern_model *m = &t->table->model;
    return bf16_at(t, KERN_DEV_XG, m->layers) + n * m->width;
}

static double logit(const struct kern_device_twin *t, double r, const uint16_t *x, uint64_t id)
{
    const uint16_t *w = head_row(t, id);
    double sum = 0;

    for (uint32_t j = 0; j < t->table->model.width; j++)
        sum += from_bf16(x[j]) * from_bf16(w[j]);
    return r * sum;
}

static double log_sum(const double *z, uint64_t count)
{
    double top = -INFINITY, sum = 0;

    for (uint64_t i = 0; i < count; i++)
        top = z[i] > top ? z[i] : top;
    for (uint64_t i = 0; i < count; i++)
        sum += exp(z[i] - top);
    return top + log(sum);
}

void twin_head_scan(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    const uint32_t *targets = u32_at(t, KERN_DEV_TARGETS, 0);
    uint64_t width = table->model.width, vocab = table->model.vocab;
    uint64_t blocks = (p->rows + KERN_DEVICE_SCAN_ROWS - 1) / KERN_DEVICE_SCAN_ROWS;
    uint64_t row0 = tile % blocks * KERN_DEVICE_SCAN_ROWS, span = tile / blocks;
    uint64_t id0 = span * table->head_span;
    uint64_t count = id0 + table->head_span < vocab ? table->head_span : vocab - id0;
    double *z = twin_scratch(count), *sum = twin_scratch(width);

    for (uint64_t n = row0; n < row0 + KERN_DEVICE_SCAN_ROWS && n < p->rows; n++) {
        double r = twin_row_scale(t, twin_final_row(t, n)), lse = 0, at_target = 0;
        uint64_t slot = n * table->head_splits + span;

        for (uint64_t i = 0; i < count; i++)
            z[i] = logit(t, r, scaled_row(t, n), id0 + i);
        lse = log_sum(z, count);
        memset(sum, 0, width * sizeof *sum);
        for (uint64_t i = 0; i < count; i++) {
            const uint16_t *w = head_row(t, id0 + i);

            if (id0 + i == targets[n]) {
                at_target = z[i];
                continue;
            }
            for (uint64_t j = 0; j < width; j++)
                sum[j] += exp(z[i] - lse) * from_bf16(w[j]);
        }
        f32_at(t, KERN_DEV_SPAN_LSE, 0)[slot] = (float)lse;
        f32_at(t, KERN_DEV_SPAN_TARGET, 0)[slot] = (float)at_target;
        if (t->slot.kind == KERN_TRAIN)
            for (uint64_t j = 0; j < width; j++)
                f32_at(t, KERN_DEV_HEAD_SPLIT, (uint32_t)span)[n * width + j] = (float)sum[j];
    }
    free(z);
    free(sum);
}

/* A row's loss over all spans; its lse and the target's probability. */
static double row_loss(const struct kern_device_twin *t, uint64_t n, double *ret_lse, double *ret_p)
{
    uint32_t splits = t->table->head_splits;
    const float *of = f32_at(t, KERN_DEV_SPAN_LSE, 0) + n * splits;
    const float *at_target = f32_at(t, KERN_DEV_SPAN_TARGET, 0) + n * splits;
    bool counts = u32_at(t, KERN_DEV_TARGETS, 0)[n] != KERN_NO_TARGET;
    double *z = twin_scratch(splits), target = 0;

    for (uint32_t s = 0; s < splits; s++)
        z[s] = (double)of[s], target += (double)at_target[s];
    *ret_lse = log_sum(z, splits);
    *ret_p = exp(target - *ret_lse);
    free(z);
    return counts ? *ret_lse - target : 0;
}

/* The gradient of XG * head^T with respect to XG, times rf: what the norm is taken back through. */
static void input_gradient(const struct kern_device_twin *t, uint64_t n, double lse, double p,
                           double f, double *ret_a)
{
    const struct kern_device_table *table = t->table;
    uint32_t target = u32_at(t, KERN_DEV_TARGETS, 0)[n];
    uint64_t width = table->model.width;

    memset(ret_a, 0, width * sizeof *ret_a);
    if (target == KERN_NO_TARGET)
        return;
    for (uint32_t s = 0; s < table->head_splits; s++) {
        double of = (double)f32_at(t, KERN_DEV_SPAN_LSE, 0)[n * table->head_splits + s];
        const float *share = f32_at(t, KERN_DEV_HEAD_SPLIT, s) + n * width;

        for (uint64_t j = 0; j < width; j++)
            ret_a[j] += f * exp(of - lse) * (double)share[j];
    }
    for (uint64_t j = 0; j < width; j++)
        ret_a[j] += f * (p - 1) * from_bf16(head_row(t, target)[j]);
}

void twin_head_loss(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_model *m = &t->table->model;
    uint64_t width = m->width, each = t->table->final_rows, begin = tile * each;
    uint64_t end = begin + each < p->rows ? begin + each : p->rows;
    bool training = t->slot.kind == KERN_TRAIN;
    double *a = twin_scratch(width), *row = twin_scratch(width), *dgain = twin_scratch(width);
    double total = 0;

    for (uint64_t n = begin; n < end; n++) {
        const uint16_t *x = twin_final_row(t, n);
        double lse = 0, at_target = 0, nll = row_loss(t, n, &lse, &at_target);
        double r = twin_row_scale(t, x), f = r * (double)t->slot.inverse_targets;

        f32_at(t, KERN_DEV_NLL, 0)[n] = (float)nll;
        total += (double)(float)nll;
        if (n + 1 == end || n % KERN_DEVICE_LOSS_ROWS == KERN_DEVICE_LOSS_ROWS - 1) {
            f32_at(t, KERN_DEV_NLL_SLOT, 0)[n / KERN_DEVICE_LOSS_ROWS] = (float)total;
            total = 0;
        }
        if (!training)
            continue;
        if (u32_at(t, KERN_DEV_TARGETS, 0)[n] == KERN_NO_TARGET)
            f = 0;
        input_gradient(t, n, lse, at_target, f, a);
        twin_norm_row(t, x, gain_of(t, m->layers, 0), a, row);
        for (uint64_t j = 0; j < width; j++) {
            bf16_at(t, KERN_DEV_DX, 0)[n * width + j] = to_bf16(row[j]);
            dgain[j] += a[j] * from_bf16(x[j]);
        }
        float *terms = f32_at(t, KERN_DEV_HEAD_TERMS, 0) + 4 * n;
        terms[0] = (float)(r / log(2)), terms[1] = (float)(lse / log(2));
        terms[2] = (float)f, terms[3] = 0;
    }
    for (uint64_t j = 0; j < width && training; j++)
        f32_at(t, KERN_DEV_FINAL_SLOT, 0)[tile * width + j] = (float)dgain[j];
    free(a);
    free(row);
    free(dgain);
}

void twin_head_weight(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width, id0 = (uint64_t)tile * KERN_DEVICE_SCAN_ROWS;
    double *sum = twin_scratch(width);

    for (uint64_t id = id0; id < id0 + KERN_DEVICE_SCAN_ROWS && id < table->vocab_padded; id++) {
        float *out = f32_at(t, KERN_DEV_GRADIENTS, 0) + table->layout.head + id * width;

        memset(sum, 0, width * sizeof *sum);
        for (uint64_t n = 0; n < p->rows && id < table->model.vocab; n++) {
            const float *terms = f32_at(t, KERN_DEV_HEAD_TERMS, 0) + 4 * n;
            const uint16_t *x = scaled_row(t, n);
            bool target = u32_at(t, KERN_DEV_TARGETS, 0)[n] == id;
            double r = (double)terms[0] * log(2), lse = (double)terms[1] * log(2);
            double d = (exp(logit(t, r, x, id) - lse) - target) * (double)terms[2];

            for (uint64_t j = 0; j < width; j++)
                sum[j] += d * from_bf16(x[j]);
        }
        for (uint64_t j = 0; j < width; j++)
            out[j] = (float)((t->slot.first_micro ? 0 : (double)out[j]) + sum[j]);
    }
    free(sum);
}
