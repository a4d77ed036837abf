/* Reference of kern/qkv.h: one row at a time. */
#include "kern/qkv.h"
#include "real.h"

/* Rotates the pairs (x[i], x[i + half]) of one head by the angles of a position:
 * Su et al. 2021 (RoPE, eq. 34) with pairs half a head apart, as Hugging Face lays them out. */
static void rotate(real *x, const real *angle, uint32_t half)
{
    for (uint32_t i = 0; i < half; i++) {
        real c = angle[2 * i], s = angle[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = b * c + a * s;
    }
}

void REF(rope_fill)(const struct kern_run *r)
{
    const struct kern_table *t = r->table;
    uint32_t half = t->model.head_dim / 2;
    real *rope = buffer(r, KERN_BUF_ROPE, 0);

    for (uint32_t position = 0; position < t->seq_len; position++)
        for (uint32_t i = 0; i < half; i++) {
            double angle =
                position * pow((double)t->model.rope_theta, -2.0 * i / t->model.head_dim);
            rope[2 * ((uint64_t)position * half + i)] = (real)cos(angle);
            rope[2 * ((uint64_t)position * half + i) + 1] = (real)sin(angle);
        }
}

void REF(qkv_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                      void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t width = m->width, half = m->head_dim / 2;
    const real *gain = weights(r, layer_at(t, p->layer, t->at.norm1));
    const real *w = weights(r, layer_at(t, p->layer, t->at.qkv));
    const real *x = buffer(r, KERN_BUF_X, p->layer), *rope = buffer(r, KERN_BUF_ROPE, 0);
    real *norm = buffer(r, KERN_BUF_NORM1, p->layer), *rstd = buffer(r, KERN_BUF_RSTD1, p->layer);
    real *qkv = buffer(r, KERN_BUF_QKV, p->layer);
    struct range rows = row_range(t, tile);

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        uint32_t position = (uint32_t)(n % t->seq_len) - r->first[n];
        real *y = qkv + n * t->qkv_width;

        rstd[n] = norm_row(norm + n * width, x + n * width, gain, width, (real)m->rms_eps);
        linear_row(y, norm + n * width, w, t->qkv_width, width);
        for (uint32_t head = 0; head < m->heads + m->kv_heads; head++)
            rotate(y + head * m->head_dim, rope + (uint64_t)position * m->head_dim, half);
    }
}

void REF(qkv_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, out = t->qkv_width;
    uint64_t gain_at = layer_at(t, p->layer, t->at.norm1), w_at = layer_at(t, p->layer, t->at.qkv);
    const real *dqkv = buffer(r, KERN_BUF_DQKV, 0);
    const real *norm = buffer(r, KERN_BUF_NORM1, p->layer);

    if (tile >= p->row_tiles) {
        struct range o = block_range(tile - p->row_tiles, t->weight_block, out);
        linear_weight(gradients(r, w_at), dqkv, norm, t->tokens, out, width, o, r->first_micro);
        return;
    }
    norm_linear_backward(r, tile, dqkv, w_at, out, buffer(r, KERN_BUF_X, p->layer), gain_at,
                         buffer(r, KERN_BUF_RSTD1, p->layer), gain_index(p->layer, GAIN_ATTENTION),
                         scratch);
}
