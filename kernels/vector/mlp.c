/* kern/mlp.h as matrix products over a block of rows, SwiGLU eight at a time. */
#include "kern/mlp.h"
#include "functions.h"
#include "rows.h"

void VEC(gate_up_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                          void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, ffn = t->model.ffn;
    float *norm = buffer(r, KERN_BUF_NORM2, p->layer);
    float *gate_up = buffer(r, KERN_BUF_GATE_UP, p->layer);
    float *hidden = buffer(r, KERN_BUF_HIDDEN, p->layer);
    struct range rows = row_range(t, tile);

    norm_rows(norm, buffer(r, KERN_BUF_RSTD2, p->layer), buffer(r, KERN_BUF_MID, p->layer),
              weights(r, layer_at(t, p->layer, t->at.norm2)), rows, width, t->model.rms_eps);
    linear_forward(gate_up, norm, weights(r, layer_at(t, p->layer, t->at.gate_up)), NULL, rows,
                   2 * ffn, width, scratch);
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        const float *gate = gate_up + n * 2 * ffn, *up = gate + ffn;

        for (uint32_t j = 0; j < ffn; j += LANES) {
            unsigned count = lanes(j, ffn);
            vec g = load_some(gate + j, count);
            store_some(hidden + n * ffn + j, g * vec_sigmoid(g) * load_some(up + j, count), count);
        }
    }
}

void VEC(down_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;

    linear_forward(buffer(r, KERN_BUF_X, p->layer + 1), buffer(r, KERN_BUF_HIDDEN, p->layer),
                   weights(r, layer_at(t, p->layer, t->at.down)), buffer(r, KERN_BUF_MID, p->layer),
                   row_range(t, tile), t->model.width, t->model.ffn, scratch);
}

void VEC(down_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, ffn = t->model.ffn;
    uint64_t w_at = layer_at(t, p->layer, t->at.down);
    const float *dx = buffer(r, KERN_BUF_DX, 0);
    const float *gate_up = buffer(r, KERN_BUF_GATE_UP, p->layer);
    float *dgate_up = buffer(r, KERN_BUF_DGATE_UP, 0);

    if (tile >= p->row_tiles) {
        linear_weight_rows(gradients(r, w_at), dx, buffer(r, KERN_BUF_HIDDEN, p->layer), t->tokens,
                           width, ffn, block_range(tile - p->row_tiles, t->weight_block, width),
                           r->first_micro, scratch);
        return;
    }
    struct range rows = row_range(t, tile);
    /* The gradient of hidden, in dgate's place. */
    linear_input_rows(dgate_up + (uint64_t)rows.begin * 2 * ffn, 2 * (uint64_t)ffn, dx,
                      weights(r, w_at), rows, width, ffn, scratch);
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        const float *gate = gate_up + n * 2 * ffn, *up = gate + ffn;
        float *dgate = dgate_up + n * 2 * ffn, *dup = dgate + ffn;

        for (uint32_t j = 0; j < ffn; j += LANES) {
            unsigned count = lanes(j, ffn);
            vec g = load_some(gate + j, count), u = load_some(up + j, count);
            vec dhidden = load_some(dgate + j, count), s = vec_sigmoid(g);
            store_some(dup + j, dhidden * g * s, count);
            store_some(dgate + j, dhidden * u * s * (vec_all(1) + g * (vec_all(1) - s)), count);
        }
    }
}

void VEC(gate_up_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                           void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, out = 2 * t->model.ffn;
    uint64_t w_at = layer_at(t, p->layer, t->at.gate_up);
    const float *dgate_up = buffer(r, KERN_BUF_DGATE_UP, 0);

    if (tile >= p->row_tiles)
        linear_weight_rows(
            gradients(r, w_at), dgate_up, buffer(r, KERN_BUF_NORM2, p->layer), t->tokens, out,
            width, block_range(tile - p->row_tiles, t->weight_block, out), r->first_micro, scratch);
    else
        norm_linear_backward_fast(r, tile, dgate_up, w_at, out, buffer(r, KERN_BUF_MID, p->layer),
                                  layer_at(t, p->layer, t->at.norm2),
                                  buffer(r, KERN_BUF_RSTD2, p->layer),
                                  gain_index(p->layer, GAIN_MLP), scratch);
}
