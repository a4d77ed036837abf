/* Reference of kern/mlp.h: one row at a time. */
#include "kern/mlp.h"
#include "real.h"

static real sigmoid(real x)
{
    return 1 / (1 + (real)exp(-x));
}

void REF(gate_up_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                          void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, ffn = t->model.ffn;
    const real *gain = weights(r, layer_at(t, p->layer, t->at.norm2));
    const real *w = weights(r, layer_at(t, p->layer, t->at.gate_up));
    const real *mid = buffer(r, KERN_BUF_MID, p->layer);
    real *norm = buffer(r, KERN_BUF_NORM2, p->layer), *rstd = buffer(r, KERN_BUF_RSTD2, p->layer);
    real *gate_up = buffer(r, KERN_BUF_GATE_UP, p->layer);
    real *hidden = buffer(r, KERN_BUF_HIDDEN, p->layer);
    struct range rows = row_range(t, tile);

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        real *gate = gate_up + n * 2 * ffn, *up = gate + ffn;

        rstd[n] = norm_row(norm + n * width, mid + n * width, gain, width, (real)t->model.rms_eps);
        linear_row(gate, norm + n * width, w, 2 * ffn, width);
        for (uint32_t j = 0; j < ffn; j++)
            hidden[n * ffn + j] = gate[j] * sigmoid(gate[j]) * up[j];
    }
}

void REF(down_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, ffn = t->model.ffn;
    const real *w = weights(r, layer_at(t, p->layer, t->at.down));
    const real *hidden = buffer(r, KERN_BUF_HIDDEN, p->layer);
    const real *mid = buffer(r, KERN_BUF_MID, p->layer);
    real *x = buffer(r, KERN_BUF_X, p->layer + 1);
    struct range rows = row_range(t, tile);

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        linear_row(x + n * width, hidden + n * ffn, w, width, ffn);
        for (uint32_t j = 0; j < width; j++)
            x[n * width + j] += mid[n * width + j];
    }
}

void REF(down_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                        void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, ffn = t->model.ffn;
    uint64_t w_at = layer_at(t, p->layer, t->at.down);
    const real *dx = buffer(r, KERN_BUF_DX, 0);
    const real *gate_up = buffer(r, KERN_BUF_GATE_UP, p->layer);
    real *dgate_up = buffer(r, KERN_BUF_DGATE_UP, 0);

    (void)scratch;
    if (tile >= p->row_tiles) {
        struct range o = block_range(tile - p->row_tiles, t->weight_block, width);
        linear_weight(gradients(r, w_at), dx, buffer(r, KERN_BUF_HIDDEN, p->layer), t->tokens,
                      width, ffn, o, r->first_micro);
        return;
    }
    struct range rows = row_range(t, tile);
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        const real *gate = gate_up + n * 2 * ffn, *up = gate + ffn;
        real *dgate = dgate_up + n * 2 * ffn, *dup = dgate + ffn;

        /* dgate holds the gradient of hidden until it is replaced element by element. */
        linear_row_input(dgate, dx + n * width, weights(r, w_at), width, ffn);
        for (uint32_t j = 0; j < ffn; j++) {
            real s = sigmoid(gate[j]), dhidden = dgate[j];
            dup[j] = dhidden * gate[j] * s;
            dgate[j] = dhidden * up[j] * s * (1 + gate[j] * (1 - s));
        }
    }
}

void REF(gate_up_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                           void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, out = 2 * t->model.ffn;
    uint64_t w_at = layer_at(t, p->layer, t->at.gate_up);
    const real *dgate_up = buffer(r, KERN_BUF_DGATE_UP, 0);

    if (tile >= p->row_tiles) {
        struct range o = block_range(tile - p->row_tiles, t->weight_block, out);
        linear_weight(gradients(r, w_at), dgate_up, buffer(r, KERN_BUF_NORM2, p->layer), t->tokens,
                      out, width, o, r->first_micro);
        return;
    }
    norm_linear_backward(r, tile, dgate_up, w_at, out, buffer(r, KERN_BUF_MID, p->layer),
                         layer_at(t, p->layer, t->at.norm2), buffer(r, KERN_BUF_RSTD2, p->layer),
                         gain_index(p->layer, GAIN_MLP), scratch);
}
