/* The sums of a product's tile, and the epilogues that two phases share. */
#include "twin.h"

#include <stdlib.h>

/* Reduction that is unpacked to doubles at once. */
#define DEPTH 256u

double *twin_scratch(uint64_t n)
{
    double *s = calloc(n ? n : 1, sizeof *s);

    if (!s)
        abort();
    return s;
}

static uint32_t at_most(uint64_t n, uint32_t limit)
{
    return n < limit ? (uint32_t)n : limit;
}

struct twin_block twin_block(const struct kern_device_product *p, uint32_t tile)
{
    struct kern_device_coordinates c = kern_device_tile(p, tile);
    uint32_t side = p->shape == KERN_DEV_LARGE ? 128 : 64;

    return (struct twin_block){
        .m0 = c.m * side,
        .m1 = at_most(((uint64_t)c.m + 1) * side, p->m),
        .n0 = c.n * side,
        .n1 = at_most(((uint64_t)c.n + 1) * side, p->n),
        .k0 = at_most((uint64_t)c.split * p->k_split, p->k),
        .k1 = at_most(((uint64_t)c.split + 1) * p->k_split, p->k),
        .m = c.m,
        .n = c.n,
        .split = c.split,
    };
}

/* Elements [row0, row1) x [k0, k1) of an operand as out[(row - row0) * row_step + (k - k0) *
 * k_step]. */
static void unpack(const uint16_t *from, uint64_t ld, enum twin_order order, uint32_t row0,
                   uint32_t row1, uint32_t k0, uint32_t k1, double *out, uint64_t row_step,
                   uint64_t k_step)
{
    uint64_t row_ld = order == TWIN_K_LAST ? ld : 1, k_ld = order == TWIN_K_LAST ? 1 : ld;

    for (uint64_t row = row0; row < row1; row++)
        for (uint64_t k = k0; k < k1; k++)
            out[(row - row0) * row_step + (k - k0) * k_step] =
                from_bf16(from[row * row_ld + k * k_ld]);
}

double *twin_product(const struct kern_device_twin *t, const struct kern_device_product *p,
                     const struct twin_block *b, enum twin_order a_order, enum twin_order b_order)
{
    uint32_t rows = b->m1 - b->m0, cols = b->n1 - b->n0;
    double *out = twin_scratch((uint64_t)rows * cols);
    double *left = twin_scratch((uint64_t)rows * DEPTH);
    double *right = twin_scratch((uint64_t)DEPTH * cols);
    const uint16_t *a = (const void *)(t->arena + p->a), *w = (const void *)(t->arena + p->b);

    for (uint32_t k0 = b->k0; k0 < b->k1; k0 += DEPTH) {
        uint32_t k1 = at_most((uint64_t)k0 + DEPTH, b->k1);

        unpack(a, p->lda, a_order, b->m0, b->m1, k0, k1, left, DEPTH, 1);
        unpack(w, p->ldb, b_order, b->n0, b->n1, k0, k1, right, 1, cols);
        for (uint64_t i = 0; i < rows; i++)
            for (uint64_t k = 0; k < k1 - k0; k++) {
                double factor = left[i * DEPTH + k];
                const double *restrict from = right + k * cols;
                double *restrict to = out + i * cols;

                for (uint32_t j = 0; j < cols; j++)
                    to[j] += factor * from[j];
            }
    }
    free(left);
    free(right);
    return out;
}

void twin_weight(const struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_product *w = &p->weight;
    struct twin_block b = twin_block(w, tile);
    double *sums = twin_product(t, w, &b, TWIN_K_FIRST, TWIN_K_FIRST);
    float *out = (void *)(t->arena + p->weight_out);
    bool adds = p->weight_adds == KERN_DEV_ADDS_ALWAYS ||
                (p->weight_adds == KERN_DEV_ADDS_LATER && !t->slot.first_micro);

    out += (uint64_t)b.split * w->m * w->n;
    for (uint64_t i = b.m0; i < b.m1; i++)
        for (uint64_t j = b.n0; j < b.n1; j++) {
            float *g = out + i * w->n + j;
            double sum = sums[(i - b.m0) * (b.n1 - b.n0) + j - b.n0];
            *g = (float)(adds ? (double)*g + sum : sum);
        }
    free(sums);
}

double twin_row_scale(const struct kern_device_twin *t, const uint16_t *row)
{
    uint32_t width = t->table->model.width;
    double sum = 0;

    for (uint32_t j = 0; j < width; j++)
        sum += from_bf16(row[j]) * from_bf16(row[j]);
    return 1 / sqrt(sum / width + (double)t->constants.rms_eps);
}

void twin_residual(const struct kern_device_twin *t, const struct kern_device_phase *p,
                   uint32_t tile, const uint16_t *residual, const float *gain, uint16_t *out,
                   uint16_t *scaled, float *slots)
{
    uint64_t width = t->table->model.width;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_LAST);

    for (uint64_t n = b.m0; n < b.m1; n++) {
        const double *row = y + (n - b.m0) * (b.n1 - b.n0);
        double squares = 0;

        for (uint64_t j = b.n0; j < b.n1; j++) {
            uint16_t stored = to_bf16(row[j - b.n0] + from_bf16(residual[n * width + j]));
            double v = from_bf16(stored);

            out[n * width + j] = stored;
            scaled[n * width + j] = to_bf16(v * (double)gain[j]);
            squares += v * v;
        }
        slots[n * t->table->norm_slots + b.n] = (float)squares;
    }
    free(y);
}

void twin_norm_row(const struct kern_device_twin *t, const uint16_t *x, const float *gain,
                   const double *a, double *ret_dx)
{
    uint32_t width = t->table->model.width;
    double r = twin_row_scale(t, x), sum = 0;

    for (uint32_t j = 0; j < width; j++)
        sum += from_bf16(x[j]) * (double)gain[j] * a[j];
    sum *= r * r / width;
    for (uint32_t j = 0; j < width; j++)
        ret_dx[j] = (double)gain[j] * a[j] - from_bf16(x[j]) * sum;
}

void twin_norm_backward(const struct kern_device_twin *t, const struct kern_device_phase *p,
                        uint32_t tile, const uint16_t *x, const float *gain, uint32_t gain_copy)
{
    uint64_t width = t->table->model.width;
    struct twin_block b = twin_block(&p->product, tile), whole = b;
    uint16_t *dx = bf16_at(t, KERN_DEV_DX, 0);
    float *slot = f32_at(t, KERN_DEV_GAIN_SLOT, gain_copy) + b.m * width;
    double *row = twin_scratch(width), *dgain = twin_scratch(width);

    whole.n0 = 0, whole.n1 = p->product.n;
    double *a = twin_product(t, &p->product, &whole, TWIN_K_LAST, TWIN_K_FIRST);
    for (uint64_t n = b.m0; n < b.m1; n++) {
        const double *of_row = a + (n - b.m0) * width;

        twin_norm_row(t, x + n * width, gain, of_row, row);
        for (uint64_t j = b.n0; j < b.n1; j++) {
            dx[n * width + j] = to_bf16(from_bf16(dx[n * width + j]) + row[j]);
            dgain[j] += of_row[j] * from_bf16(x[n * width + j]);
        }
    }
    for (uint64_t j = b.n0; j < b.n1; j++)
        slot[j] = (float)dgain[j];
    free(a);
    free(row);
    free(dgain);
}
