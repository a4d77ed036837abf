/*
 * The CUDA backend in a test: weights, batches, steps, and the trail of bits that a few steps leave,
 * from fixed seeds.
 */
#ifndef TEST_KERNELS_CUDA_LAB_H
#define TEST_KERNELS_CUDA_LAB_H

#include "cuda/device.h"
#include "device_lab.h"
#include "t.h"

static inline struct kern_config shape(uint32_t layers, uint32_t width, uint32_t heads,
                                       uint32_t kv_heads, uint32_t head_dim, uint32_t ffn,
                                       uint32_t vocab, bool untied, uint32_t rows, uint32_t seq_len)
{
    struct kern_config c =
        lab_config(layers, width, heads, kv_heads, head_dim, ffn, vocab, untied, rows, seq_len);
    c.deadline = 5;
    return c;
}

static inline bool cuda_here(void)
{
    struct kern_config c = shape(1, 64, 1, 1, 64, 64, 64, false, 1, 64);
    struct kern_backend *b = NULL;
    struct kern_error error = {0};

    if (kern_cuda_new(&c, &b, &error) != KERN_OK) {
        fprintf(stderr, "no GPU: %s\n", error.message);
        return false;
    }
    kern_backend_free(&b);
    return true;
}

struct batch {
    uint32_t *tokens, *targets, *first;
    uint64_t count;
};

static inline struct batch make_batch(const struct kern_config *c, bool segments, uint64_t seed)
{
    uint64_t n = (uint64_t)c->rows * c->seq_len;
    struct batch b = {calloc(n, 4), calloc(n, 4), calloc(n, 4), 0};

    if (!b.tokens || !b.targets || !b.first)
        abort();
    lab_rows(b.tokens, b.targets, b.first, c->rows, c->seq_len, c->model.vocab, segments, seed);
    for (uint64_t i = 0; i < n; i++)
        b.count += b.targets[i] != KERN_NO_TARGET;
    return b;
}

static inline void free_batch(struct batch *b)
{
    free(b->tokens);
    free(b->targets);
    free(b->first);
}

static inline void submit(struct kern_backend *b, const struct kern_slot *s)
{
    struct kern_error error = {0};
    if (kern_submit(b, s, &error) != KERN_OK) {
        T_FAIL("submit: %s", error.message);
        exit(1);
    }
}

static inline struct kern_result collect(struct kern_backend *b)
{
    struct kern_result r = {0};
    struct kern_error error = {0};
    bool have = false;

    if (kern_collect(b, true, &have, &r, &error) != KERN_OK || !have) {
        T_FAIL("collect: %s", error.message);
        exit(1);
    }
    return r;
}

/* A step of `micros` micro-batches, unequal in targets. */
static inline struct kern_result step(struct kern_backend *b, const struct kern_config *c,
                                      bool segments, unsigned micros, uint64_t number)
{
    struct batch batch[4];
    uint64_t targets = 0;

    for (unsigned m = 0; m < micros; m++) {
        batch[m] = make_batch(c, segments, 1000 * number + m);
        targets += batch[m].count;
    }
    for (unsigned m = 0; m < micros; m++)
        submit(b, &(struct kern_slot){.kind = KERN_TRAIN,
                                      .step = number,
                                      .rows = c->rows,
                                      .tokens = batch[m].tokens,
                                      .targets = batch[m].targets,
                                      .first = batch[m].first,
                                      .first_micro = m == 0,
                                      .last_micro = m + 1 == micros,
                                      .step_targets = targets,
                                      .lr = 1e-3,
                                      .bias1 = 0.1,
                                      .bias2 = 0.05});
    struct kern_result r = collect(b);
    for (unsigned m = 0; m < micros; m++)
        free_batch(&batch[m]);
    return r;
}

static inline double difference(const float *a, const float *b, uint64_t n)
{
    double error = 0, norm = 0;
    for (uint64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        error += d * d, norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(error / norm) : sqrt(error);
}

static inline float *state_of(struct kern_backend *b, const struct kern_model *m,
                              enum kern_state which)
{
    struct kern_error error = {0};
    float *v = calloc(kern_parameter_count(m), sizeof *v);
    if (!v)
        abort();
    if (kern_state_get(b, which, v, &error) != KERN_OK) {
        T_FAIL("state: %s", error.message);
        exit(1);
    }
    return v;
}

static inline struct kern_backend *open_cuda(const struct kern_config *c, const float *weights)
{
    struct kern_backend *b = NULL;
    struct kern_error error = {0};
    if (kern_cuda_new(c, &b, &error) != KERN_OK ||
        kern_state_set(b, KERN_WEIGHTS, weights, &error) != KERN_OK) {
        T_FAIL("cuda: %s", error.message);
        exit(1);
    }
    return b;
}

/* Three steps of two micro-batches and a validation between them; everything that comes out of it, as
 * bytes. Arguments as of kern_cuda_disturb. */
struct trail {
    double nll[4], norm[3];
    float *weights, *moment;
};

static inline struct trail walk(struct kern_config c, uint64_t delay_key, uint32_t skip_barrier,
                                const float *weights)
{
    struct kern_backend *b = open_cuda(&c, weights);
    struct trail t = {0};

    kern_cuda_disturb(b, delay_key, skip_barrier);
    for (unsigned i = 0; i < 3; i++) {
        struct kern_result r = step(b, &c, true, 2, i + 1);
        t.nll[i] = r.nll, t.norm[i] = r.grad_norm;
        if (i == 1) {
            struct batch batch = make_batch(&c, true, 99);
            submit(b, &(struct kern_slot){.kind = KERN_VALIDATE,
                                          .rows = c.rows - 1,
                                          .tokens = batch.tokens,
                                          .targets = batch.targets,
                                          .first = batch.first});
            t.nll[3] = collect(b).nll;
            free_batch(&batch);
        }
    }
    t.weights = state_of(b, &c.model, KERN_WEIGHTS);
    t.moment = state_of(b, &c.model, KERN_MOMENT2);
    submit(b, &(struct kern_slot){.kind = KERN_STOP});
    kern_backend_free(&b);
    return t;
}

/* n: parameters */
static inline bool same_bits(const struct trail *a, const struct trail *b, uint64_t n)
{
    return memcmp(a->nll, b->nll, sizeof a->nll) == 0 &&
           memcmp(a->norm, b->norm, sizeof a->norm) == 0 &&
           memcmp(a->weights, b->weights, n * 4) == 0 && memcmp(a->moment, b->moment, n * 4) == 0;
}

static inline void done(struct trail *t)
{
    free(t->weights);
    free(t->moment);
}

#endif
