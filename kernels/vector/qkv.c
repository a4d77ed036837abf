/* kern/qkv.h as matrix products over a block of rows. */
#include "kern/qkv.h"
#include "functions.h"
#include "rows.h"

/* As rotate of ref/qkv.c. angle [half, 2]. */
static void rotate(float *x, const float *angle, uint32_t half)
{
    for (uint32_t i = 0; i < half; i++) {
        float c = angle[2 * i], s = angle[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = b * c + a * s;
    }
}

void VEC(qkv_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                      void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    const float *rope = buffer(r, KERN_BUF_ROPE, 0);
    float *norm = buffer(r, KERN_BUF_NORM1, p->layer), *qkv = buffer(r, KERN_BUF_QKV, p->layer);
    struct range rows = row_range(t, tile);

    norm_rows(norm, buffer(r, KERN_BUF_RSTD1, p->layer), buffer(r, KERN_BUF_X, p->layer),
              weights(r, layer_at(t, p->layer, t->at.norm1)), rows, m->width, m->rms_eps);
    linear_forward(qkv, norm, weights(r, layer_at(t, p->layer, t->at.qkv)), NULL, rows,
                   t->qkv_width, m->width, scratch);
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        uint64_t position = n % t->seq_len - r->first[n];
        for (uint32_t head = 0; head < m->heads + m->kv_heads; head++)
            rotate(qkv + n * t->qkv_width + head * m->head_dim, rope + position * m->head_dim,
                   m->head_dim / 2);
    }
}

void VEC(qkv_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, out = t->qkv_width;
    uint64_t w_at = layer_at(t, p->layer, t->at.qkv);
    const float *dqkv = buffer(r, KERN_BUF_DQKV, 0);

    if (tile >= p->row_tiles)
        linear_weight_rows(gradients(r, w_at), dqkv, buffer(r, KERN_BUF_NORM1, p->layer), t->tokens,
                           out, width, block_range(tile - p->row_tiles, t->weight_block, out),
                           r->first_micro, scratch);
    else
        norm_linear_backward_fast(r, tile, dqkv, w_at, out, buffer(r, KERN_BUF_X, p->layer),
                                  layer_at(t, p->layer, t->at.norm1),
                                  buffer(r, KERN_BUF_RSTD1, p->layer),
                                  gain_index(p->layer, GAIN_ATTENTION), scratch);
}
