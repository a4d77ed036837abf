/* Reference of kern/attention.h: one query at a time, every sum written out; no shortcut is taken
 * that a faster twin takes (delta from its definition, scores computed again for the backward
 * pass). */
#include "kern/attention.h"
#include "real.h"

/* Tile number -> sequence, query head, block of queries; the last block, which has most keys, first
 * so that a worker never ends on the longest tile. */
void REF(attention_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                            void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t hd = m->head_dim, pairs = t->rows * m->heads;
    uint32_t block = t->query_blocks - 1 - tile / pairs;
    uint32_t row = tile % pairs / m->heads, head = tile % m->heads;
    uint32_t kv = head / (m->heads / m->kv_heads);
    uint64_t base = (uint64_t)row * t->seq_len, stride = t->qkv_width;
    const real *q = buffer(r, KERN_BUF_QKV, p->layer) + base * stride + head * hd;
    const real *k =
        buffer(r, KERN_BUF_QKV, p->layer) + base * stride + t->q_width + (uint64_t)kv * hd;
    const real *v = k + t->kv_width;
    real *mix = buffer(r, KERN_BUF_MIX, p->layer) + base * t->q_width + head * hd;
    real *lse = buffer(r, KERN_BUF_LSE, p->layer) + base * m->heads + head;
    real *s = scratch, scale = 1 / (real)sqrt((real)hd);
    struct range queries = block_range(block, t->query_block, t->seq_len);

    for (uint64_t i = queries.begin; i < queries.end; i++) {
        uint32_t first = r->first[base + i];
        real top = -INFINITY, sum = 0, *o = mix + i * t->q_width;

        for (uint64_t j = first; j <= i; j++) {
            s[j] = scale * dot(q + i * stride, k + j * stride, hd);
            top = s[j] > top ? s[j] : top;
        }
        for (uint64_t j = first; j <= i; j++)
            sum += (real)exp(s[j] - top);
        lse[i * m->heads] = top + (real)log(sum);
        for (uint32_t c = 0; c < hd; c++)
            o[c] = 0;
        for (uint64_t j = first; j <= i; j++) {
            real weight = (real)exp(s[j] - lse[i * m->heads]);
            for (uint32_t c = 0; c < hd; c++)
                o[c] += weight * v[j * stride + c];
        }
    }
}

/* The inverse of qkv.c's rotate: the transpose of a rotation turns back. */
static void rotate_back(real *x, const real *angle, uint32_t half)
{
    for (uint32_t i = 0; i < half; i++) {
        real c = angle[2 * i], s = angle[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c + b * s;
        x[i + half] = b * c - a * s;
    }
}

/* One query head of the tile's sequence; dk and dv are added to, dq is overwritten. */
static void head_backward(const struct kern_run *r, uint32_t layer, uint32_t row, uint32_t head,
                          real *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t hd = m->head_dim, kv = head / (m->heads / m->kv_heads);
    uint64_t base = (uint64_t)row * t->seq_len, stride = t->qkv_width;
    uint64_t q_at = base * stride + head * hd, k_at = base * stride + t->q_width + kv * hd;
    const real *q = buffer(r, KERN_BUF_QKV, layer) + q_at;
    const real *k = buffer(r, KERN_BUF_QKV, layer) + k_at, *v = k + t->kv_width;
    real *dq = buffer(r, KERN_BUF_DQKV, 0) + q_at;
    real *dk = buffer(r, KERN_BUF_DQKV, 0) + k_at, *dv = dk + t->kv_width;
    const real *dmix = buffer(r, KERN_BUF_DMIX, 0) + base * t->q_width + head * hd;
    const real *lse = buffer(r, KERN_BUF_LSE, layer) + base * m->heads + head;
    real *weight = scratch, *dweight = scratch + t->seq_len, scale = 1 / (real)sqrt((real)hd);

    for (uint64_t i = 0; i < t->seq_len; i++) {
        const real *doi = dmix + i * t->q_width;
        real delta = 0;

        for (uint64_t j = r->first[base + i]; j <= i; j++) {
            real s = scale * dot(q + i * stride, k + j * stride, hd);
            weight[j] = (real)exp(s - lse[i * m->heads]);
            dweight[j] = dot(doi, v + j * stride, hd);
            delta += weight[j] * dweight[j];
        }
        for (uint32_t c = 0; c < hd; c++)
            dq[i * stride + c] = 0;
        for (uint64_t j = r->first[base + i]; j <= i; j++) {
            real ds = scale * weight[j] * (dweight[j] - delta);
            for (uint32_t c = 0; c < hd; c++) {
                dq[i * stride + c] += ds * k[j * stride + c];
                dk[j * stride + c] += ds * q[i * stride + c];
                dv[j * stride + c] += weight[j] * doi[c];
            }
        }
    }
}

void REF(attention_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                             void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t hd = m->head_dim, group = m->heads / m->kv_heads;
    uint32_t row = tile / m->kv_heads, kv = tile % m->kv_heads;
    uint64_t base = (uint64_t)row * t->seq_len, stride = t->qkv_width;
    real *dqkv = buffer(r, KERN_BUF_DQKV, 0) + base * stride;
    const real *rope = buffer(r, KERN_BUF_ROPE, 0);

    for (uint64_t i = 0; i < t->seq_len; i++)
        for (uint32_t c = 0; c < hd; c++) {
            dqkv[i * stride + t->q_width + kv * hd + c] = 0;
            dqkv[i * stride + t->q_width + t->kv_width + kv * hd + c] = 0;
        }
    for (uint32_t head = kv * group; head < (kv + 1) * group; head++)
        head_backward(r, p->layer, row, head, scratch);
    for (uint64_t i = 0; i < t->seq_len; i++) {
        const real *angle = rope + (i - r->first[base + i]) * hd;

        for (uint32_t head = kv * group; head < (kv + 1) * group; head++)
            rotate_back(dqkv + i * stride + head * hd, angle, hd / 2);
        rotate_back(dqkv + i * stride + t->q_width + kv * hd, angle, hd / 2);
    }
}

void REF(out_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                      void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width;
    const real *w = weights(r, layer_at(t, p->layer, t->at.out));
    const real *mix = buffer(r, KERN_BUF_MIX, p->layer), *x = buffer(r, KERN_BUF_X, p->layer);
    real *mid = buffer(r, KERN_BUF_MID, p->layer);
    struct range rows = row_range(t, tile);

    (void)scratch;
    for (uint64_t n = rows.begin; n < rows.end; n++) {
        linear_row(mid + n * width, mix + n * t->q_width, w, width, t->q_width);
        for (uint32_t j = 0; j < width; j++)
            mid[n * width + j] += x[n * width + j];
    }
}

void REF(out_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, in = t->q_width;
    uint64_t w_at = layer_at(t, p->layer, t->at.out);
    const real *dmid = buffer(r, KERN_BUF_DX, 0), *mix = buffer(r, KERN_BUF_MIX, p->layer);
    real *dmix = buffer(r, KERN_BUF_DMIX, 0);

    (void)scratch;
    if (tile >= p->row_tiles) {
        struct range o = block_range(tile - p->row_tiles, t->weight_block, width);
        linear_weight(gradients(r, w_at), dmid, mix, t->tokens, width, in, o, r->first_micro);
        return;
    }
    struct range rows = row_range(t, tile);
    for (uint64_t n = rows.begin; n < rows.end; n++)
        linear_row_input(dmix + n * in, dmid + n * width, weights(r, w_at), width, in);
}
