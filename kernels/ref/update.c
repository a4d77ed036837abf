/* Reference of kern/update.h, over the flat vectors. */
#include "kern/update.h"
#include "real.h"

void REF(gain_reduce)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                      void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, layer = tile / 2;
    const real *slot = buffer(r, KERN_BUF_GAIN_SLOT, tile);
    uint64_t at = t->at.norm;

    (void)p, (void)scratch;
    if (layer < t->model.layers)
        at = layer_at(t, layer, tile % 2 == GAIN_ATTENTION ? t->at.norm1 : t->at.norm2);
    real *dgain = gradients(r, at);
    for (uint32_t j = 0; j < width; j++) {
        real sum = 0;
        for (uint32_t block = 0; block < t->row_blocks; block++)
            sum += slot[(uint64_t)block * width + j];
        dgain[j] = r->first_micro ? sum : dgain[j] + sum;
    }
}

void REF(squares)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                  void *scratch)
{
    const struct kern_table *t = r->table;
    struct range64 range = square_range(t, tile);
    const real *g = gradients(r, 0);
    double sum = 0;

    (void)p, (void)scratch;
    for (uint64_t i = range.begin; i < range.end; i++)
        sum += (double)g[i] * (double)g[i];
    buffer(r, KERN_BUF_SQUARES, 0)[tile] = (real)sum;
}

void REF(norm)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    const real *squares = buffer(r, KERN_BUF_SQUARES, 0);
    double sum = 0;

    (void)p, (void)tile, (void)scratch;
    for (uint32_t i = 0; i < t->square_tiles; i++)
        sum += (double)squares[i];

    struct kern_verdict *v = r->verdict;
    v->norm = sqrt(sum);
    v->update = r->step_targets > 0 && isfinite(v->norm);
    /* As torch.nn.utils.clip_grad_norm_ has it, 1e-6 included; no clipping where clip is 0. */
    double factor = r->clip / (v->norm + 1e-6);
    v->scale = r->clip > 0 && factor < 1 ? factor : 1;
}

void REF(adamw)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile, void *scratch)
{
    const struct kern_table *t = r->table;
    struct range64 range = square_range(t, tile);
    const real *g = gradients(r, 0);
    real *w = weights(r, 0);
    real *m1 = buffer(r, KERN_BUF_MOMENT1, 0), *m2 = buffer(r, KERN_BUF_MOMENT2, 0);
    real scale = (real)r->verdict->scale, lr = (real)r->lr, eps = (real)r->adam_eps;
    real beta1 = (real)r->beta1, beta2 = (real)r->beta2;
    real one_less1 = (real)(1 - r->beta1), one_less2 = (real)(1 - r->beta2);
    real step = (real)(r->lr / r->bias1), root2 = (real)(1 / sqrt(r->bias2));

    (void)p, (void)scratch;
    if (!r->verdict->update)
        return;
    for (uint64_t i = range.begin, stop = 0; i < range.end; i = stop) {
        real decay = decays(t, i, &stop) ? lr * (real)r->weight_decay : 0;

        stop = stop < range.end ? stop : range.end;
        for (; i < stop; i++) {
            real d = g[i] * scale;
            m1[i] = beta1 * m1[i] + one_less1 * d;
            m2[i] = beta2 * m2[i] + one_less2 * d * d;
            w[i] = w[i] - decay * w[i] - step * m1[i] / ((real)sqrt(m2[i]) * root2 + eps);
        }
    }
}
