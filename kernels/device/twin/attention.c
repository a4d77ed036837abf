/*
 * ATTENTION, OUT and their backward phases of kern/device/ops.h. Scores and probabilities stay in
 * double: that the device rounds p and ds to bf16 for its products is part of its tolerance. delta
 * comes from its definition, the sum of p dp.
 */
#include "twin.h"

#include <stdlib.h>

/* One (sequence, query head): where its operands stand. Row i of the sequence is at + i * stride. */
struct head {
    uint32_t head, kv;
    uint64_t base; /* the sequence's first token */
    const uint16_t *q, *k, *v, *dmix;
    const float *lse;
    const uint32_t *first;
    double scale;
};

static struct head head_of(const struct kern_device_twin *t, uint32_t layer, uint32_t sequence,
                           uint32_t head)
{
    const struct kern_device_table *table = t->table;
    const struct kern_model *m = &table->model;
    struct head h = {.head = head,
                     .kv = head / (m->heads / m->kv_heads),
                     .base = (uint64_t)sequence * table->seq_len,
                     .scale = 1 / sqrt((double)m->head_dim)};
    const uint16_t *qkv = bf16_at(t, KERN_DEV_QKV_OUT, layer) + h.base * table->qkv_width;

    h.q = qkv + (uint64_t)head * m->head_dim;
    h.k = qkv + table->q_width + (uint64_t)h.kv * m->head_dim;
    h.v = h.k + table->kv_width;
    h.lse = f32_at(t, KERN_DEV_LSE, layer) + h.base * m->heads + head;
    h.first = u32_at(t, KERN_DEV_FIRST, 0) + h.base;
    return h;
}

static double dot(const uint16_t *a, const uint16_t *b, uint32_t n)
{
    double sum = 0;
    for (uint32_t c = 0; c < n; c++)
        sum += from_bf16(a[c]) * from_bf16(b[c]);
    return sum;
}

struct span {
    uint32_t begin, end;
};

static struct span block_of(const struct kern_device_table *table, uint32_t rows, uint32_t block)
{
    uint32_t begin = block * rows, left = table->seq_len - begin;
    return (struct span){begin, begin + (left < rows ? left : rows)};
}

/* ATTENTION's numbering of tiles, the longest first. */
static struct span query_tile(const struct kern_device_table *table, uint32_t rows, uint32_t tile,
                              uint32_t *ret_sequence, uint32_t *ret_head)
{
    uint32_t heads = table->model.heads, pairs = table->rows * heads;
    uint32_t blocks = (table->seq_len + rows - 1) / rows;

    *ret_sequence = tile % pairs / heads;
    *ret_head = tile % heads;
    return block_of(table, rows, blocks - 1 - tile / pairs);
}

void twin_attention(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint32_t hd = table->model.head_dim, sequence = 0, head = 0;
    uint64_t stride = table->qkv_width;
    struct span queries = query_tile(table, table->attention_rows, tile, &sequence, &head);
    struct head h = head_of(t, p->layer, sequence, head);
    double *s = twin_scratch(table->seq_len), *sum = twin_scratch(hd);

    for (uint64_t i = queries.begin; i < queries.end; i++) {
        uint16_t *mix = bf16_at(t, KERN_DEV_MIX, p->layer) + (h.base + i) * table->q_width +
                        (uint64_t)head * hd;
        double top = -INFINITY, total = 0;

        for (uint64_t j = h.first[i]; j <= i; j++) {
            s[j] = h.scale * dot(h.q + i * stride, h.k + j * stride, hd);
            top = s[j] > top ? s[j] : top;
        }
        for (uint64_t j = h.first[i]; j <= i; j++)
            total += exp(s[j] - top);
        double lse = top + log(total);
        f32_at(t, KERN_DEV_LSE, p->layer)[(h.base + i) * table->model.heads + head] = (float)lse;
        memset(sum, 0, hd * sizeof *sum);
        for (uint64_t j = h.first[i]; j <= i; j++) {
            double weight = exp(s[j] - lse);
            for (uint32_t c = 0; c < hd; c++)
                sum[c] += weight * from_bf16(h.v[j * stride + c]);
        }
        for (uint32_t c = 0; c < hd; c++)
            mix[c] = to_bf16(sum[c]);
    }
    free(s);
    free(sum);
}

/* p[j] and ds[j] of query i for its keys among begin .. end - 1; returns the first of them. delta is the one that OUT_BACKWARD has
 * left: from a MIX in bf16, which is another matter (an outlier among channels makes 3e-2 of it in a block of dk). */
static uint64_t query_gradients(const struct kern_device_twin *t, const struct head *h, uint64_t i, uint64_t begin,
                                uint64_t end, double *p, double *ds)
{
    const struct kern_device_table *table = t->table;
    uint32_t hd = table->model.head_dim;
    uint64_t stride = table->qkv_width;
    const uint16_t *dmix =
        bf16_at(t, KERN_DEV_DMIX, 0) + (h->base + i) * table->q_width + (uint64_t)h->head * hd;
    double lse = (double)h->lse[i * table->model.heads];
    double delta = (double)f32_at(t, KERN_DEV_DELTA, 0)[(h->base + i) * table->model.heads + h->head];

    begin = begin > h->first[i] ? begin : h->first[i];
    for (uint64_t j = begin; j < end && j <= i; j++) {
        p[j] = exp(h->scale * dot(h->q + i * stride, h->k + j * stride, hd) - lse);
        ds[j] = p[j] * (dot(dmix, h->v + j * stride, hd) - delta) * h->scale;
    }
    return begin;
}

/* Stores a head's gradient of row n, columns from `column`: turned back when it was turned. */
static void store(const struct kern_device_twin *t, uint32_t layer, uint64_t n, uint64_t column,
                  double *gradient, bool turned)
{
    const struct kern_device_table *table = t->table;
    uint64_t width = table->model.width;
    double r = twin_row_scale(t, bf16_at(t, KERN_DEV_X, layer) + n * width);
    uint16_t *out = bf16_at(t, KERN_DEV_DQKV, 0) + n * table->qkv_width + column;

    for (uint32_t c = 0; c < table->model.head_dim; c++)
        if (turned && c % 16 < 8)
            turn(gradient + c, c, angles_of(t, n), true);
    for (uint32_t c = 0; c < table->model.head_dim; c++)
        out[c] = to_bf16(r * gradient[c]);
}

static float *share_of_c(const struct kern_device_twin *t, uint64_t n, uint32_t head)
{
    const struct kern_model *m = &t->table->model;
    return f32_at(t, KERN_DEV_QKV_C, 0) + n * (m->heads + m->kv_heads) + head;
}

/* dq of a block of queries. */
static void query_backward(const struct kern_device_twin *t, uint32_t layer, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint32_t hd = table->model.head_dim, sequence = 0, head = 0;
    struct span queries = query_tile(table, table->attention_back_rows, tile, &sequence, &head);
    struct head h = head_of(t, layer, sequence, head);
    double *p = twin_scratch(table->seq_len), *ds = twin_scratch(table->seq_len);
    double *dq = twin_scratch(hd);

    for (uint64_t i = queries.begin; i < queries.end; i++) {
        double c_share = 0;

        (void)query_gradients(t, &h, i, 0, i + 1, p, ds);
        memset(dq, 0, hd * sizeof *dq);
        for (uint64_t j = h.first[i]; j <= i; j++)
            for (uint32_t c = 0; c < hd; c++)
                dq[c] += ds[j] * from_bf16(h.k[j * table->qkv_width + c]);
        for (uint32_t c = 0; c < hd; c++)
            c_share += dq[c] * from_bf16(h.q[i * table->qkv_width + c]);
        *share_of_c(t, h.base + i, head) = (float)c_share;
        store(t, layer, h.base + i, (uint64_t)head * hd, dq, true);
    }
    free(p);
    free(ds);
    free(dq);
}

/* dk and dv of a block of keys over the query heads of their kv head. */
static void key_backward(const struct kern_device_twin *t, uint32_t layer, uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    const struct kern_model *m = &table->model;
    uint32_t hd = m->head_dim, group = m->heads / m->kv_heads, pairs = table->rows * m->kv_heads;
    uint32_t sequence = tile % pairs / m->kv_heads, kv = tile % m->kv_heads;
    struct span keys = block_of(table, table->attention_back_rows, tile / pairs);
    uint64_t count = keys.end - keys.begin, stride = table->qkv_width;
    double *p = twin_scratch(table->seq_len), *ds = twin_scratch(table->seq_len);
    double *dk = twin_scratch(count * hd), *dv = twin_scratch(count * hd);
    struct head h = {0};

    for (uint32_t head = kv * group; head < (kv + 1) * group; head++) {
        h = head_of(t, layer, sequence, head);
        for (uint64_t i = keys.begin; i < table->seq_len; i++) {
            if (h.first[i] >= keys.end)
                continue;
            const uint16_t *dmix =
                bf16_at(t, KERN_DEV_DMIX, 0) + (h.base + i) * table->q_width + (uint64_t)head * hd;

            for (uint64_t j = query_gradients(t, &h, i, keys.begin, keys.end, p, ds); j < keys.end && j <= i; j++)
                for (uint32_t c = 0; c < hd; c++) {
                    dk[(j - keys.begin) * hd + c] += ds[j] * from_bf16(h.q[i * stride + c]);
                    dv[(j - keys.begin) * hd + c] += p[j] * from_bf16(dmix[c]);
                }
        }
    }
    for (uint64_t j = keys.begin; j < keys.end; j++) {
        double *k = dk + (j - keys.begin) * hd, *v = dv + (j - keys.begin) * hd, c_share = 0;
        uint64_t column = table->q_width + (uint64_t)kv * hd;

        for (uint32_t c = 0; c < hd; c++)
            c_share +=
                k[c] * from_bf16(h.k[j * stride + c]) + v[c] * from_bf16(h.v[j * stride + c]);
        *share_of_c(t, h.base + j, m->heads + kv) = (float)c_share;
        store(t, layer, h.base + j, column, k, true);
        store(t, layer, h.base + j, column + table->kv_width, v, false);
    }
    free(p);
    free(ds);
    free(dk);
    free(dv);
}

void twin_attention_backward(struct kern_device_twin *t, const struct kern_device_phase *p,
                             uint32_t tile)
{
    const struct kern_device_table *table = t->table;
    uint32_t keys = table->rows * table->model.kv_heads *
                    ((table->seq_len + table->attention_back_rows - 1) / table->attention_back_rows);

    if (tile < keys)
        key_backward(t, p->layer, tile);
    else
        query_backward(t, p->layer, kern_device_query_tile(tile, keys, p->tiles));
}

void twin_out(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    twin_residual(t, p, tile, bf16_at(t, KERN_DEV_X, p->layer), gain_of(t, p->layer, 1),
                  bf16_at(t, KERN_DEV_MID, p->layer), bf16_at(t, KERN_DEV_MIDG, p->layer),
                  f32_at(t, KERN_DEV_SS_MID, p->layer));
}

void twin_out_backward(struct kern_device_twin *t, const struct kern_device_phase *p, uint32_t tile)
{
    if (tile >= p->product.tiles) {
        twin_weight(t, p, tile - p->product.tiles);
        return;
    }
    const struct kern_device_table *table = t->table;
    uint64_t hd = table->model.head_dim, heads = table->model.heads;
    struct twin_block b = twin_block(&p->product, tile);
    double *y = twin_product(t, &p->product, &b, TWIN_K_LAST, TWIN_K_FIRST);
    const uint16_t *mix = bf16_at(t, KERN_DEV_MIX, p->layer);
    uint16_t *dmix = bf16_at(t, KERN_DEV_DMIX, 0);
    float *delta = f32_at(t, KERN_DEV_DELTA, 0);

    for (uint64_t n = b.m0; n < b.m1; n++)
        for (uint64_t j = b.n0; j < b.n1; j += hd) { /* a block holds whole heads */
            double sum = 0;

            for (uint64_t c = j; c < j + hd; c++) {
                uint16_t stored = to_bf16(y[(n - b.m0) * (b.n1 - b.n0) + c - b.n0]);

                dmix[n * table->q_width + c] = stored;
                sum += from_bf16(stored) * from_bf16(mix[n * table->q_width + c]);
            }
            delta[n * heads + j / hd] = (float)sum;
        }
    free(y);
}
