/*
 * Attention as matrix products over one block of queries and all keys that any of them sees. What
 * a query must not see is put to zero after the exponential; keys before the block's earliest
 * segment and after its last query are not touched at all.
 */
#include "kern/attention.h"
#include "functions.h"
#include "rows.h"

/* A query head of one sequence. */
struct head {
    const float *q, *k, *v; /* rows `stride` apart */
    const uint32_t *first;
    uint64_t stride;
    uint32_t dim;
    float scale;
};

static struct head head_at(const struct kern_run *r, uint32_t layer, uint32_t row, uint32_t head)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint64_t base = (uint64_t)row * t->seq_len;
    const float *qkv = buffer(r, KERN_BUF_QKV, layer) + base * t->qkv_width;
    uint32_t kv = head / (m->heads / m->kv_heads);

    return (struct head){
        .q = qkv + head * m->head_dim,
        .k = qkv + t->q_width + kv * m->head_dim,
        .v = qkv + t->q_width + t->kv_width + kv * m->head_dim,
        .first = r->first + base,
        .stride = t->qkv_width,
        .dim = m->head_dim,
        .scale = 1 / sqrtf((float)m->head_dim),
    };
}

/* The keys that some query of the block sees: from the earliest segment's start to the last query.
 */
static struct range keys_of(const uint32_t *first, struct range queries)
{
    struct range keys = {first[queries.begin], queries.end};
    for (uint32_t i = queries.begin; i < queries.end; i++)
        keys.begin = first[i] < keys.begin ? first[i] : keys.begin;
    return keys;
}

/* s [queries, keys], rows s_row apart = q k^T, unscaled. */
static void scores(float *s, uint64_t s_row, const struct head *h, struct range queries,
                   struct range keys, void *scratch)
{
    matmul_run(&(struct matmul){.m = queries.end - queries.begin,
                                .n = keys.end - keys.begin,
                                .k = h->dim,
                                .a = {h->q + queries.begin * h->stride, h->stride, 1},
                                .b = {h->k + keys.begin * h->stride, 1, h->stride},
                                .c = s,
                                .c_row = s_row},
               scratch);
}

/* s[j] = exp(scale * s[j] - shift) inside [seen.begin, seen.end), zero outside; returns the sum. */
static float exp_row(float *s, struct range seen, uint32_t n, float scale, float shift)
{
    vec sum = {0};

    memset(s, 0, seen.begin * sizeof *s);
    for (uint32_t j = seen.begin; j < seen.end; j += LANES) {
        unsigned count = lanes(j, seen.end);
        vec e = vec_exp(vec_fma(load_some(s + j, count), vec_all(scale), vec_all(-shift)));
        store_some(s + j, e, count);
        sum += load_some(s + j, count); /* again, so that lanes beyond the end count nothing */
    }
    memset(s + seen.end, 0, (n - seen.end) * sizeof *s);
    return vec_sum(sum);
}

static float top_of_row(const float *s, struct range seen)
{
    vec top = vec_all(s[seen.begin]);
    float best = 0;
    uint32_t j = seen.begin;

    for (; j + LANES <= seen.end; j += LANES)
        top = vec_max(vec_load(s + j), top);
    best = vec_top(top);
    for (; j < seen.end; j++)
        best = s[j] > best ? s[j] : best;
    return best;
}

void VEC(attention_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                            void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t pairs = t->rows * m->heads, block = t->query_blocks - 1 - tile / pairs;
    uint32_t row = tile % pairs / m->heads, head = tile % m->heads;
    uint64_t base = (uint64_t)row * t->seq_len, s_row = t->seq_len;
    struct head h = head_at(r, p->layer, row, head);
    struct range queries = block_range(block, t->query_block, t->seq_len);
    struct range keys = keys_of(h.first, queries);
    uint32_t n = keys.end - keys.begin;
    float *mix = buffer(r, KERN_BUF_MIX, p->layer) + base * t->q_width + head * m->head_dim;
    float *lse = buffer(r, KERN_BUF_LSE, p->layer) + base * m->heads + head;
    float *s = scratch_own(scratch), sums[64];

    scores(s, s_row, &h, queries, keys, scratch);
    for (uint64_t i = queries.begin; i < queries.end; i++) {
        float *si = s + (i - queries.begin) * s_row;
        struct range seen = {h.first[i] - keys.begin, (uint32_t)i + 1 - keys.begin};
        float top = h.scale * top_of_row(si, seen), sum = exp_row(si, seen, n, h.scale, top);

        lse[i * m->heads] = top + logf(sum);
        sums[i - queries.begin] = 1 / sum;
    }
    matmul_run(&(struct matmul){.m = queries.end - queries.begin,
                                .n = h.dim,
                                .k = n,
                                .a = {s, s_row, 1},
                                .b = {h.v + keys.begin * h.stride, h.stride, 1},
                                .c = mix + queries.begin * (uint64_t)t->q_width,
                                .c_row = t->q_width},
               scratch);
    for (uint64_t i = queries.begin; i < queries.end; i++)
        for (uint32_t c = 0; c < h.dim; c++)
            mix[i * t->q_width + c] *= sums[i - queries.begin];
}

/* One block of queries of one head: dq overwritten, dk and dv added to. own: 2 * 64 * seq_len. */
static void block_backward(const struct kern_run *r, uint32_t layer, uint32_t row, uint32_t head,
                           struct range queries, void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint64_t base = (uint64_t)row * t->seq_len, s_row = t->seq_len;
    struct head h = head_at(r, layer, row, head);
    struct range keys = keys_of(h.first, queries);
    uint32_t n = keys.end - keys.begin, rows = queries.end - queries.begin;
    const float *qkv = buffer(r, KERN_BUF_QKV, layer);
    float *dqkv = buffer(r, KERN_BUF_DQKV, 0);
    float *dq = dqkv + (h.q - qkv), *dk = dqkv + (h.k - qkv), *dv = dqkv + (h.v - qkv);
    uint64_t mix_at = (base + queries.begin) * t->q_width + head * m->head_dim;
    const float *mix = buffer(r, KERN_BUF_MIX, layer) + mix_at;
    const float *dmix = buffer(r, KERN_BUF_DMIX, 0) + mix_at;
    const float *lse = buffer(r, KERN_BUF_LSE, layer) + base * m->heads + head;
    float *weight = scratch_own(scratch), *dscore = weight + (uint64_t)t->query_block * s_row;

    scores(weight, s_row, &h, queries, keys, scratch);
    for (uint64_t i = queries.begin; i < queries.end; i++)
        (void)exp_row(weight + (i - queries.begin) * s_row,
                      (struct range){h.first[i] - keys.begin, (uint32_t)i + 1 - keys.begin}, n,
                      h.scale, lse[i * m->heads]);
    matmul_run(&(struct matmul){.m = n,
                                .n = h.dim,
                                .k = rows,
                                .a = {weight, 1, s_row},
                                .b = {dmix, t->q_width, 1},
                                .c = dv + keys.begin * h.stride,
                                .c_row = h.stride,
                                .start = dv + keys.begin * h.stride,
                                .start_row = h.stride},
               scratch);
    matmul_run(&(struct matmul){.m = rows,
                                .n = n,
                                .k = h.dim,
                                .a = {dmix, t->q_width, 1},
                                .b = {h.v + keys.begin * h.stride, 1, h.stride},
                                .c = dscore,
                                .c_row = s_row},
               scratch);
    for (uint64_t i = 0; i < rows; i++) {
        vec delta = vec_all(vec_dot(mix + i * t->q_width, dmix + i * t->q_width, h.dim));
        float *w = weight + i * s_row, *d = dscore + i * s_row;

        for (uint32_t j = 0; j < n; j += LANES) {
            unsigned count = lanes(j, n);
            vec ds = vec_all(h.scale) * load_some(w + j, count) * (load_some(d + j, count) - delta);
            store_some(d + j, ds, count);
        }
    }
    matmul_run(&(struct matmul){.m = rows,
                                .n = h.dim,
                                .k = n,
                                .a = {dscore, s_row, 1},
                                .b = {h.k + keys.begin * h.stride, h.stride, 1},
                                .c = dq + queries.begin * h.stride,
                                .c_row = h.stride},
               scratch);
    matmul_run(&(struct matmul){.m = n,
                                .n = h.dim,
                                .k = rows,
                                .a = {dscore, 1, s_row},
                                .b = {h.q + queries.begin * h.stride, h.stride, 1},
                                .c = dk + keys.begin * h.stride,
                                .c_row = h.stride,
                                .start = dk + keys.begin * h.stride,
                                .start_row = h.stride},
               scratch);
}

/* As rotate_back of ref/attention.c. */
static void rotate_back(float *x, const float *angle, uint32_t half)
{
    for (uint32_t i = 0; i < half; i++) {
        float c = angle[2 * i], s = angle[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c + b * s;
        x[i + half] = b * c - a * s;
    }
}

void VEC(attention_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                             void *scratch)
{
    const struct kern_table *t = r->table;
    const struct kern_model *m = &t->model;
    uint32_t hd = m->head_dim, group = m->heads / m->kv_heads;
    uint32_t row = tile / m->kv_heads, kv = tile % m->kv_heads;
    uint64_t base = (uint64_t)row * t->seq_len, stride = t->qkv_width;
    float *dqkv = buffer(r, KERN_BUF_DQKV, 0) + base * stride;
    float *dk = dqkv + t->q_width + kv * hd, *dv = dk + t->kv_width;
    const float *rope = buffer(r, KERN_BUF_ROPE, 0);

    for (uint64_t i = 0; i < t->seq_len; i++) {
        memset(dk + i * stride, 0, hd * sizeof *dk);
        memset(dv + i * stride, 0, hd * sizeof *dv);
    }
    for (uint32_t head = kv * group; head < (kv + 1) * group; head++)
        for (uint32_t block = 0; block < t->query_blocks; block++)
            block_backward(r, p->layer, row, head, block_range(block, t->query_block, t->seq_len),
                           scratch);
    for (uint64_t i = 0; i < t->seq_len; i++) {
        const float *angle = rope + (i - r->first[base + i]) * hd;

        for (uint32_t head = kv * group; head < (kv + 1) * group; head++)
            rotate_back(dqkv + i * stride + head * hd, angle, hd / 2);
        rotate_back(dk + i * stride, angle, hd / 2);
    }
}

void VEC(out_forward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                      void *scratch)
{
    const struct kern_table *t = r->table;

    linear_forward(buffer(r, KERN_BUF_MID, p->layer), buffer(r, KERN_BUF_MIX, p->layer),
                   weights(r, layer_at(t, p->layer, t->at.out)), buffer(r, KERN_BUF_X, p->layer),
                   row_range(t, tile), t->model.width, t->q_width, scratch);
}

void VEC(out_backward)(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                       void *scratch)
{
    const struct kern_table *t = r->table;
    uint32_t width = t->model.width, in = t->q_width;
    uint64_t w_at = layer_at(t, p->layer, t->at.out);
    const float *dmid = buffer(r, KERN_BUF_DX, 0);
    struct range rows = {0, 0};

    if (tile >= p->row_tiles) {
        linear_weight_rows(gradients(r, w_at), dmid, buffer(r, KERN_BUF_MIX, p->layer), t->tokens,
                           width, in, block_range(tile - p->row_tiles, t->weight_block, width),
                           r->first_micro, scratch);
        return;
    }
    rows = row_range(t, tile);
    linear_input_rows(buffer(r, KERN_BUF_DMIX, 0) + (uint64_t)rows.begin * in, in, dmid,
                      weights(r, w_at), rows, width, in, scratch);
}
