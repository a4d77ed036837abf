/*
 * Generation: one sequence, token by token, keys and values of all earlier tokens kept. It computes
 * what the forward phases compute for the last row, a row at a time: every product is a matrix by a
 * vector, which memory bounds, so plain loops over the weights serve.
 */
#include "backend_ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct kern_decoder {
    struct kern_backend *backend;
    struct kern_model model;
    uint32_t limit, used;
    uint64_t q_width, kv_width;
    float *keys, *values; /* [layers][limit, K], keys after RoPE */
    float *x, *norm;      /* [W] */
    float *qkv;           /* [Q + 2K] */
    float *mix;           /* [Q] */
    float *gate_up;       /* [2F] */
    float *scores;        /* [limit] */
};

/* Sixteen running sums: what a compiler may turn into vectors without reordering a sum. */
static float dot(const float *a, const float *b, uint64_t n)
{
    float part[16] = {0}, sum = 0;
    uint64_t i = 0;

    for (; i + 16 <= n; i += 16)
        for (unsigned j = 0; j < 16; j++)
            part[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        part[i % 16] += a[i] * b[i];
    for (unsigned j = 0; j < 16; j++)
        sum += part[j];
    return sum;
}

/* Advances *weights past the [out, in] matrix it stands at. */
static void linear(float *y, const float *x, const float **weights, uint64_t out, uint64_t in)
{
    for (uint64_t i = 0; i < out; i++)
        y[i] = dot(*weights + i * in, x, in);
    *weights += out * in;
}

static void rms_norm(float *y, const float *x, const float **gain, uint32_t width, float eps)
{
    float rstd = 1 / sqrtf(dot(x, x, width) / (float)width + eps);

    for (uint32_t j = 0; j < width; j++)
        y[j] = x[j] * rstd * (*gain)[j];
    *gain += width;
}

static void rotate(float *x, uint32_t position, uint32_t head_dim, float theta)
{
    uint32_t half = head_dim / 2;

    for (uint32_t i = 0; i < half; i++) {
        double angle = position * pow((double)theta, -2.0 * i / head_dim);
        float c = (float)cos(angle), s = (float)sin(angle), a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = b * c + a * s;
    }
}

enum kern_status kern_decoder_new(struct kern_backend *b, uint32_t limit,
                                  struct kern_decoder **ret_decoder, struct kern_error *reterr)
{
    const struct kern_model *m = &b->model;
    struct kern_decoder *d = NULL;
    uint64_t cache = 0;

    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
    if (!limit)
        return kern_fail(reterr, KERN_E_SHAPE, "a sequence of 0 tokens: at least 1 is needed");
    d = calloc(1, sizeof *d);
    if (!d)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a decoder");
    d->backend = b;
    d->model = *m;
    d->limit = limit;
    d->q_width = (uint64_t)m->heads * m->head_dim;
    d->kv_width = (uint64_t)m->kv_heads * m->head_dim;
    cache = m->layers * (uint64_t)limit * d->kv_width; /* < 2^10 * 2^32 * 2^20 */
    d->keys = calloc(cache, sizeof(float));
    d->values = calloc(cache, sizeof(float));
    d->x = calloc(m->width, sizeof(float));
    d->norm = calloc(m->width, sizeof(float));
    d->qkv = calloc(d->q_width + 2 * d->kv_width, sizeof(float));
    d->mix = calloc(d->q_width, sizeof(float));
    d->gate_up = calloc(2 * (uint64_t)m->ffn, sizeof(float));
    d->scores = calloc(limit, sizeof(float));
    if (!d->keys || !d->values || !d->x || !d->norm || !d->qkv || !d->mix || !d->gate_up ||
        !d->scores) {
        kern_decoder_free(&d);
        return kern_fail(reterr, KERN_E_NOMEM,
                         "no memory for keys and values of %u tokens (%.2f GB)", limit,
                         2.0 * (double)cache * sizeof(float) / 1e9);
    }
    *ret_decoder = d;
    return KERN_OK;
}

void kern_decoder_free(struct kern_decoder **decoder)
{
    struct kern_decoder *d = *decoder;

    if (!d)
        return;
    free(d->keys);
    free(d->values);
    free(d->x);
    free(d->norm);
    free(d->qkv);
    free(d->mix);
    free(d->gate_up);
    free(d->scores);
    free(d);
    *decoder = NULL;
}

/* One query head over the cache of its key/value head. */
static void attend(struct kern_decoder *d, const float *keys, const float *values, uint32_t head)
{
    const struct kern_model *m = &d->model;
    uint64_t kv = head / (m->heads / m->kv_heads) * (uint64_t)m->head_dim;
    const float *q = d->qkv + (uint64_t)head * m->head_dim;
    float *o = d->mix + (uint64_t)head * m->head_dim, scale = 1 / sqrtf((float)m->head_dim);
    float top = -INFINITY, sum = 0;

    for (uint64_t j = 0; j <= d->used; j++) {
        d->scores[j] = scale * dot(q, keys + j * d->kv_width + kv, m->head_dim);
        top = d->scores[j] > top ? d->scores[j] : top;
    }
    for (uint64_t j = 0; j <= d->used; j++)
        sum += d->scores[j] = expf(d->scores[j] - top);
    memset(o, 0, m->head_dim * sizeof *o);
    for (uint64_t j = 0; j <= d->used; j++)
        for (uint32_t c = 0; c < m->head_dim; c++)
            o[c] += d->scores[j] / sum * values[j * d->kv_width + kv + c];
}

static const float *layer_step(struct kern_decoder *d, uint32_t layer, const float *w)
{
    const struct kern_model *m = &d->model;
    float *keys = d->keys + (uint64_t)layer * d->limit * d->kv_width;
    float *values = d->values + (uint64_t)layer * d->limit * d->kv_width;
    float *gate = d->gate_up, *up = gate + m->ffn;

    rms_norm(d->norm, d->x, &w, m->width, m->rms_eps);
    linear(d->qkv, d->norm, &w, d->q_width + 2 * d->kv_width, m->width);
    for (uint32_t head = 0; head < m->heads + m->kv_heads; head++)
        rotate(d->qkv + (uint64_t)head * m->head_dim, d->used, m->head_dim, m->rope_theta);
    memcpy(keys + d->used * d->kv_width, d->qkv + d->q_width, d->kv_width * sizeof *keys);
    memcpy(values + d->used * d->kv_width, d->qkv + d->q_width + d->kv_width,
           d->kv_width * sizeof *values);
    for (uint32_t head = 0; head < m->heads; head++)
        attend(d, keys, values, head);
    linear(d->norm, d->mix, &w, m->width, d->q_width);
    for (uint32_t j = 0; j < m->width; j++)
        d->x[j] += d->norm[j];

    rms_norm(d->norm, d->x, &w, m->width, m->rms_eps);
    linear(d->gate_up, d->norm, &w, 2 * (uint64_t)m->ffn, m->width);
    for (uint32_t j = 0; j < m->ffn; j++)
        gate[j] = gate[j] / (1 + expf(-gate[j])) * up[j];
    linear(d->norm, gate, &w, m->width, m->ffn);
    for (uint32_t j = 0; j < m->width; j++)
        d->x[j] += d->norm[j];
    return w;
}

enum kern_status kern_decoder_step(struct kern_decoder *d, uint32_t token, float *ret_logits,
                                   struct kern_error *reterr)
{
    const struct kern_model *m = &d->model;
    const float *embed = d->backend->ops->weights(d->backend);
    const float *w = embed + (uint64_t)m->vocab * m->width; /* layers follow the embedding */

    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
    if (token >= m->vocab)
        return kern_fail(reterr, KERN_E_SHAPE, "token %u: the vocabulary has %u", token, m->vocab);
    if (d->used == d->limit)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "the sequence has reached its %u tokens: start one with a higher limit",
                         d->limit);
    memcpy(d->x, embed + (uint64_t)token * m->width, m->width * sizeof *d->x);
    for (uint32_t layer = 0; layer < m->layers; layer++)
        w = layer_step(d, layer, w);
    d->used++;
    if (!ret_logits)
        return KERN_OK;
    rms_norm(d->norm, d->x, &w, m->width, m->rms_eps);
    if (!m->untied)
        w = embed;
    linear(ret_logits, d->norm, &w, m->vocab, m->width);
    return KERN_OK;
}
