/* kern/update.h where it is long: the sum of squares and AdamW. */
#include "kern/update.h"
#include "functions.h"
#include "rows.h"

void VEC(squares)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                  void *scratch)
{
    const struct kern_table *t = r->table;
    struct range64 range = square_range(t, tile);
    const float *g = gradients(r, 0);
    vecd sum[4] = {{0}};
    uint64_t i = range.begin;
    double total = 0;

    (void)p, (void)scratch;
    for (; i + 16 <= range.end; i += 16)
        for (unsigned j = 0; j < 4; j++) {
            const float *from = g + i + 4 * j;
            vecd x = {(double)from[0], (double)from[1], (double)from[2], (double)from[3]};
            sum[j] += x * x;
        }
    for (; i < range.end; i++)
        total += (double)g[i] * (double)g[i];
    vecd all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    total += (all[0] + all[2]) + (all[1] + all[3]);
    buffer(r, KERN_BUF_SQUARES, 0)[tile] = (float)total;
}

static vec root(vec x)
{
#ifdef __AVX2__
    return (vec)_mm256_sqrt_ps((__m256)x);
#else
    for (unsigned i = 0; i < LANES; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

void VEC(adamw)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    struct range64 range = square_range(t, tile);
    const float *g = gradients(r, 0);
    float *w = weights(r, 0);
    float *m1 = buffer(r, KERN_BUF_MOMENT1, 0), *m2 = buffer(r, KERN_BUF_MOMENT2, 0);
    vec scale = vec_all((float)r->verdict->scale), eps = vec_all((float)r->adam_eps);
    vec beta1 = vec_all((float)r->beta1), beta2 = vec_all((float)r->beta2);
    vec less1 = vec_all((float)(1 - r->beta1)), less2 = vec_all((float)(1 - r->beta2));
    vec step = vec_all((float)(r->lr / r->bias1)), root2 = vec_all((float)(1 / sqrt(r->bias2)));

    (void)p, (void)scratch;
    if (!r->verdict->update)
        return;
    while (range.begin < range.end) {
        uint64_t stop = 0;
        bool decay = decays(t, range.begin, &stop);
        vec keep = vec_all(decay ? (float)r->lr * (float)r->weight_decay : 0);

        stop = stop < range.end ? stop : range.end;
        for (uint64_t i = range.begin; i < stop; i += LANES) {
            unsigned n = lanes(i, stop);
            vec d = load_some(g + i, n) * scale, x = load_some(w + i, n);
            vec a = vec_fma(beta1, load_some(m1 + i, n), less1 * d);
            vec b = vec_fma(beta2, load_some(m2 + i, n), less2 * d * d);
            store_some(m1 + i, a, n);
            store_some(m2 + i, b, n);
            store_some(w + i, x - keep * x - step * a / vec_fma(root(b), root2, eps), n);
        }
        range.begin = stop;
    }
}
