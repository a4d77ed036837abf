/*
 * Whole steps of the CUDA backend beside the CPU backend's, which computes in fp32: same weights, same
 * tokens. Loss within 1e-3, every gradient tensor within what bf16 operands allow. Then the promises of
 * the launch modes: equal bits for any number of resident blocks, with blocks that dawdle, and for all
 * three modes. Skipped where there is no GPU.
 */
#include <math.h>

#include "crew.h"
#include "cuda/device.h"
#include "lab.h"
#include "t.h"

/* bf16 has 8 bits: 2^-9 a rounding, and a gradient sees a few dozen in a row. */
#define GRADIENT_TOLERANCE 3e-2

struct shape {
    const char *name;
    struct kern_config config;
    bool segments;
};

static struct kern_config shape(uint32_t layers, uint32_t width, uint32_t heads, uint32_t kv_heads,
                                uint32_t head_dim, uint32_t ffn, uint32_t vocab, bool untied,
                                uint32_t rows, uint32_t seq_len)
{
    struct kern_config c =
        lab_config(layers, width, heads, kv_heads, head_dim, ffn, vocab, untied, rows, seq_len);
    c.deadline = 5;
    return c;
}

static bool cuda_here(void)
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

/* Weights as a trained model has them: rounded to bf16, so that both backends multiply by the same. */
static float *make_weights(const struct kern_model *m, uint64_t seed)
{
    float *w = calloc(kern_parameter_count(m), sizeof *w);

    if (!w)
        abort();
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++) {
            double u = lab_uniform(&seed);
            float value = (float)(t.decay ? u * 1.5 / sqrt(t.cols) : 1 + 0.3 * u);
            uint32_t bits;
            memcpy(&bits, &value, 4);
            bits = t.decay ? (bits + 0x8000u) & 0xffff0000u : bits;
            memcpy(&value, &bits, 4);
            w[t.offset + j] = value;
        }
    }
    return w;
}

struct batch {
    uint32_t *tokens, *targets, *first;
    uint64_t count;
};

static struct batch make_batch(const struct kern_config *c, bool segments, uint64_t seed)
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

static void free_batch(struct batch *b)
{
    free(b->tokens);
    free(b->targets);
    free(b->first);
}

static void submit(struct kern_backend *b, const struct kern_slot *s)
{
    struct kern_error error = {0};
    if (kern_submit(b, s, &error) != KERN_OK) {
        T_FAIL("submit: %s", error.message);
        exit(1);
    }
}

static struct kern_result collect(struct kern_backend *b)
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
static struct kern_result step(struct kern_backend *b, const struct kern_config *c, bool segments,
                               unsigned micros, uint64_t number)
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

static double difference(const float *a, const float *b, uint64_t n)
{
    double error = 0, norm = 0;
    for (uint64_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];
        error += d * d, norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(error / norm) : sqrt(error);
}

static float *state_of(struct kern_backend *b, const struct kern_model *m, enum kern_state which)
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

static struct kern_backend *open_cuda(const struct kern_config *c, const float *weights)
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

static void compare(const struct shape *s, unsigned micros)
{
    const struct kern_config *c = &s->config;
    const struct kern_model *m = &c->model;
    unsigned threads = 8;
    struct kern_workers workers = crew(&threads);
    struct kern_backend *cpu = NULL, *cuda = NULL;
    struct kern_error error = {0};
    float *weights = make_weights(m, 7);

    if (kern_cpu_new(c, &workers, &cpu, &error) != KERN_OK ||
        kern_state_set(cpu, KERN_WEIGHTS, weights, &error) != KERN_OK) {
        T_FAIL("cpu: %s", error.message);
        return;
    }
    cuda = open_cuda(c, weights);
    struct kern_result a = step(cpu, c, s->segments, micros, 1),
                       b = step(cuda, c, s->segments, micros, 1);
    float *ga = state_of(cpu, m, KERN_GRADIENTS), *gb = state_of(cuda, m, KERN_GRADIENTS);
    float *wa = state_of(cpu, m, KERN_WEIGHTS), *wb = state_of(cuda, m, KERN_WEIGHTS);
    double worst = 0;
    char worst_name[64] = "";

    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        double d = difference(gb + t.offset, ga + t.offset, (uint64_t)t.rows * t.cols);
        if (!(d <= worst)) {
            worst = d;
            strcpy(worst_name, t.name);
        }
        if (!(d < GRADIENT_TOLERANCE))
            T_FAIL("%s: gradient of %s is off by %.3g", s->name, t.name, d);
    }
    printf("%-28s x%u loss %.6f cpu %.6f (%.1e) norm %.4f cpu %.4f worst gradient %.2e %s, weights "
           "%.1e\n",
           s->name, micros, b.nll / (double)b.targets, a.nll / (double)a.targets,
           fabs(b.nll - a.nll) / a.nll, b.grad_norm, a.grad_norm, worst, worst_name,
           difference(wb, wa, kern_parameter_count(m)));
    fflush(stdout);
    T_TRUE(fabs(b.nll - a.nll) <= 1e-3 * a.nll);
    T_TRUE(fabs(b.grad_norm - a.grad_norm) <= 1e-2 * a.grad_norm);
    T_TRUE(b.updated && b.targets == a.targets);
    submit(cuda, &(struct kern_slot){.kind = KERN_STOP});
    kern_backend_free(&cpu);
    kern_backend_free(&cuda);
    free(ga), free(gb), free(wa), free(wb), free(weights);
}

T_CASE(steps_agree_with_the_cpu)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    const struct shape shapes[] = {
        {"one layer, no segments", shape(1, 128, 2, 2, 64, 128, 256, false, 2, 128), false},
        {"two layers", shape(2, 128, 2, 2, 64, 192, 1000, false, 4, 256), true},
        {"1m at 2 x 256", shape(5, 128, 2, 2, 64, 384, 4000, false, 2, 256), true},
        {"grouped queries, untied", shape(2, 256, 4, 2, 64, 512, 1001, true, 2, 320), true},
        {"head 128", shape(2, 256, 2, 2, 128, 512, 777, false, 3, 200), true},
        {"head 128, grouped", shape(2, 512, 4, 1, 128, 1408, 500, true, 2, 384), true},
        {"odd sizes", shape(2, 136, 3, 1, 64, 200, 301, false, 3, 77), true},
        {"many rows", shape(1, 256, 4, 4, 64, 512, 2000, false, 16, 1024), true},
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        compare(&shapes[i], 1);
        if (i == 3 || i == 5)
            compare(&shapes[i], 3);
    }
}

/* Three steps and a validation between them; everything that comes out of it, as bytes. */
struct trail {
    double nll[4], norm[3];
    float *weights, *moment;
};

/* The snapshot is the state as it was, whatever slots follow. */
static void check_snapshot(struct kern_backend *b, const struct kern_config *c,
                           const float *weights)
{
    uint64_t n = kern_parameter_count(&c->model);
    struct kern_error error = {0};
    float *kept = calloc(n, sizeof *kept), *moment = state_of(b, &c->model, KERN_MOMENT1);

    if (!kept || kern_snapshot_take(b, &error) != KERN_OK) {
        T_FAIL("snapshot: %s", error.message);
        exit(1);
    }
    (void)step(b, c, true, 1, 77);
    T_TRUE(kern_snapshot_get(b, KERN_WEIGHTS, kept, &error) == KERN_OK &&
           memcmp(kept, weights, n * sizeof *kept) == 0);
    T_TRUE(kern_snapshot_get(b, KERN_MOMENT1, kept, &error) == KERN_OK &&
           memcmp(kept, moment, n * sizeof *kept) == 0);
    free(kept);
    free(moment);
}

static struct trail walk(struct kern_config c, uint64_t delay_key, const float *weights)
{
    struct kern_backend *b = open_cuda(&c, weights);
    struct trail t = {0};

    kern_cuda_disturb(b, delay_key, UINT32_MAX);
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
    check_snapshot(b, &c, t.weights);
    t.moment = state_of(b, &c.model, KERN_MOMENT2);
    submit(b, &(struct kern_slot){.kind = KERN_STOP});
    kern_backend_free(&b);
    return t;
}

static void same(const char *what, const struct trail *a, const struct trail *b, uint64_t n)
{
    bool equal = memcmp(a->nll, b->nll, sizeof a->nll) == 0 &&
                 memcmp(a->norm, b->norm, sizeof a->norm) == 0 &&
                 memcmp(a->weights, b->weights, n * 4) == 0 &&
                 memcmp(a->moment, b->moment, n * 4) == 0;
    printf("%-28s %s\n", what, equal ? "same bits" : "DIFFERS");
    fflush(stdout);
    if (!equal)
        T_FAIL("%s: nll %.17g %.17g, weights off by %.3g", what, a->nll[2], b->nll[2],
               difference(a->weights, b->weights, n));
}

static void done(struct trail *t)
{
    free(t->weights);
    free(t->moment);
}

T_CASE(bits_do_not_depend_on_blocks_or_launches)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    struct kern_config c = shape(3, 128, 2, 2, 64, 384, 3000, false, 4, 256);
    uint64_t n = kern_parameter_count(&c.model);
    float *weights = make_weights(&c.model, 5);
    struct trail all = walk(c, 0, weights);

    for (unsigned i = 0; i < 3; i++) {
        char what[64];
        struct trail t = walk(c, 0x1234567 + i, weights);
        snprintf(what, sizeof what, "dawdling blocks, key %u", i);
        same(what, &all, &t, n);
        done(&t);
    }
    const uint32_t ctas[] = {1, 7, 66, 131};
    for (unsigned i = 0; i < 4; i++) {
        struct kern_config some = c;
        char what[64];
        some.ctas = ctas[i];
        struct trail t = walk(some, i == 2 ? 99 : 0, weights);
        snprintf(what, sizeof what, "%u blocks", ctas[i]);
        same(what, &all, &t, n);
        done(&t);
    }
    const enum kern_launch modes[] = {KERN_GRAPH, KERN_STEPWISE};
    for (unsigned i = 0; i < 2; i++) {
        struct kern_config other = c;
        other.launch = modes[i];
        struct trail t = walk(other, 0, weights);
        same(i ? "stepwise" : "graph", &all, &t, n);
        done(&t);
    }
    done(&all);
    free(weights);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
