/* Whole steps: gradients of the model against finite differences, and the backend's promises. */
#include "t.h"

#include "crew.h"
#include "kern/cpu.h"
#include "lab.h"

/* Central differences of the loss in double, h = 1e-5: truncation ~h^2, rounding ~1e-16 / h. */
#define STEP 1e-5
#define WHOLE_TOLERANCE 1e-6

static double loss_at(struct lab *lab, uint64_t at, double value)
{
    double old = lab_get(lab, at), nll = 0;

    lab_set(lab, at, value);
    lab_walk(lab, KERN_WHEN_ALWAYS);
    nll = lab_nll(lab);
    lab_set(lab, at, old);
    return nll / (double)lab->run.step_targets;
}

/* Some elements of every tensor; for the embedding, rows of tokens that occur too. */
static void check_model(const char *name, struct kern_config config, uint64_t seed)
{
    struct lab *lab = lab_new(&config, true, true, seed);
    const struct kern_model *m = &config.model;
    uint64_t weights = lab_at(lab, KERN_BUF_WEIGHTS, 0), state = seed;
    uint64_t gradients = lab_at(lab, KERN_BUF_GRADIENTS, 0);
    double worst = 0;

    lab_fill_weights(lab, seed);
    lab_walk(lab, KERN_WHEN_TRAINING);
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        double error = 0, size = 0;

        kern_tensor_at(m, i, &t);
        for (unsigned k = 0; k < 6; k++) {
            uint64_t j = lab_next(&state) % ((uint64_t)t.rows * t.cols);
            if (t.rows == m->vocab && k < 3) /* a row that was read and one that was a target */
                j = lab->tokens[k] * (uint64_t)t.cols + j % t.cols;
            double w = lab_get(lab, weights + t.offset + j);
            double up = loss_at(lab, weights + t.offset + j, w + STEP);
            double down = loss_at(lab, weights + t.offset + j, w - STEP);
            double expected = (up - down) / (2 * STEP);
            double got = lab_get(lab, gradients + t.offset + j);
            error += (got - expected) * (got - expected);
            size += expected * expected;
        }
        error = sqrt(error / (size > 1e-16 ? size : 1e-16));
        worst = error > worst ? error : worst;
        if (!(error < WHOLE_TOLERANCE))
            T_FAIL("%s, seed %llu: %s is off by %g, allowed %g", name, (unsigned long long)seed,
                   t.name, error, WHOLE_TOLERANCE);
    }
    printf("%s: worst relative error %.2g\n", name, worst);
    lab_free(lab);
}

T_CASE(model_tied)
{
    check_model("tied", lab_config(2, 12, 2, 2, 4, 10, 19, false, 2, 9), 1);
}

T_CASE(model_untied)
{
    check_model("untied", lab_config(2, 12, 2, 2, 4, 10, 19, true, 2, 9), 2);
}

T_CASE(model_grouped_64)
{
    check_model("grouped, head 64", lab_config(1, 20, 4, 2, 64, 24, 37, false, 1, 11), 3);
}

T_CASE(model_grouped_128)
{
    check_model("grouped, head 128", lab_config(1, 20, 3, 1, 128, 24, 37, true, 1, 11), 4);
}

/* More than one row tile, head chunk and vocabulary tile. */
T_CASE(model_many_tiles)
{
    check_model("many tiles", lab_config(1, 8, 2, 1, 4, 12, 70, false, 3, 33), 5);
}

struct batch {
    uint32_t tokens[512], targets[512], first[512];
    uint64_t targets_count;
};

static struct batch make_batch(const struct kern_config *c, bool segments, uint64_t seed)
{
    struct batch b = {0};

    T_REQUIRE(c->rows * c->seq_len <= 512);
    lab_rows(b.tokens, b.targets, b.first, c->rows, c->seq_len, c->model.vocab, segments, seed);
    for (uint32_t n = 0; n < c->rows * c->seq_len; n++)
        b.targets_count += b.targets[n] != KERN_NO_TARGET;
    return b;
}

static struct kern_slot train_slot(const struct kern_config *c, const struct batch *b,
                                   uint64_t step)
{
    return (struct kern_slot){
        .kind = KERN_TRAIN,
        .step = step,
        .rows = c->rows,
        .tokens = b->tokens,
        .targets = b->targets,
        .first = b->first,
        .first_micro = true,
        .last_micro = true,
        .step_targets = b->targets_count,
        .lr = 1e-2,
        .bias1 = 1 - pow(0.9, (double)step + 1),
        .bias2 = 1 - pow(0.95, (double)step + 1),
    };
}

static void set_weights(struct kern_backend *b, const struct kern_model *m, uint64_t seed)
{
    uint64_t n = kern_parameter_count(m);
    float *w = calloc(n, sizeof *w);

    T_REQUIRE(w);
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++)
            w[t.offset + j] = t.decay ? (float)(lab_uniform(&seed) * 1.5 / sqrt(t.cols)) : 1.0f;
    }
    T_EQ_INT(kern_state_set(b, KERN_WEIGHTS, w, NULL), KERN_OK);
    free(w);
}

static float *get_state(struct kern_backend *b, const struct kern_model *m, enum kern_state which)
{
    float *v = calloc(kern_parameter_count(m), sizeof *v);

    T_REQUIRE(v);
    T_EQ_INT(kern_state_get(b, which, v, NULL), KERN_OK);
    return v;
}

static struct kern_result work(struct kern_backend *b, const struct kern_slot *slot)
{
    struct kern_result result = {0};
    struct kern_error error = {0};
    bool have = false;

    if (kern_submit(b, slot, &error) != KERN_OK)
        T_FAIL("submit: %s", error.message);
    T_EQ_INT(kern_collect(b, true, &have, &result, NULL), KERN_OK);
    T_TRUE(have);
    return result;
}

static struct kern_backend *new_backend(const struct kern_config *c, unsigned *workers,
                                        unsigned isa)
{
    struct kern_backend *b = NULL;
    struct kern_workers w = crew(workers);
    struct kern_error error = {0};

    if (kern_cpu_new_isa(c, &w, isa, &b, &error) != KERN_OK)
        T_FAIL("new: %s", error.message);
    T_REQUIRE(b);
    return b;
}

static void same_for_any_workers(unsigned isa)
{
    struct kern_config c = lab_config(2, 32, 4, 2, 8, 48, 300, false, 4, 48);
    struct batch batch = make_batch(&c, true, 7);
    uint64_t n = kern_parameter_count(&c.model);
    float *expected = NULL;
    double nll = 0;

    for (unsigned workers = 1; workers <= 8; workers += workers == 1 ? 1 : 6) {
        struct kern_backend *b = new_backend(&c, &workers, isa);
        struct kern_result r = {0};

        set_weights(b, &c.model, 11);
        for (uint64_t step = 0; step < 4; step++) {
            struct kern_slot slot = train_slot(&c, &batch, step);
            r = work(b, &slot);
            T_TRUE(r.updated);
        }
        float *w = get_state(b, &c.model, KERN_WEIGHTS);
        if (expected) {
            T_EQ_MEM(w, expected, n * sizeof *w);
            T_EQ_MEM(&nll, &r.nll, sizeof nll);
            free(w);
        } else {
            expected = w;
            nll = r.nll;
        }
        kern_backend_free(&b);
    }
    free(expected);
}

T_CASE(same_bits_for_1_2_8_workers_reference)
{
    same_for_any_workers(0);
}

T_CASE(same_bits_for_1_2_8_workers_vector)
{
    same_for_any_workers(~0u);
}

T_CASE(loss_falls)
{
    struct kern_config c = lab_config(2, 32, 4, 2, 8, 48, 60, false, 4, 24);
    struct batch batch = make_batch(&c, true, 8);
    unsigned workers = 2;
    struct kern_backend *b = new_backend(&c, &workers, ~0u);
    double begin = 0, end = 0;

    set_weights(b, &c.model, 12);
    for (uint64_t step = 0; step < 30; step++) {
        struct kern_slot slot = train_slot(&c, &batch, step);
        struct kern_result r = work(b, &slot);
        T_EQ_U64(r.step, step);
        T_EQ_U64(r.targets, batch.targets_count);
        end = r.nll / (double)r.targets;
        begin = step ? begin : end;
    }
    printf("loss %.3f -> %.3f\n", begin, end);
    T_TRUE(end < begin / 2);
    kern_backend_free(&b);
}

T_CASE(no_targets_no_update)
{
    struct kern_config c = lab_config(1, 16, 2, 2, 8, 16, 30, false, 2, 8);
    struct batch batch = make_batch(&c, false, 9);
    unsigned workers = 2;
    struct kern_backend *b = new_backend(&c, &workers, ~0u);

    set_weights(b, &c.model, 13);
    float *before = get_state(b, &c.model, KERN_WEIGHTS);
    for (unsigned i = 0; i < 16; i++)
        batch.targets[i] = KERN_NO_TARGET;
    batch.targets_count = 0;
    struct kern_slot slot = train_slot(&c, &batch, 0);
    struct kern_result r = work(b, &slot);
    T_TRUE(!r.updated);
    T_TRUE(r.nll == 0 && r.grad_norm == 0);
    float *after = get_state(b, &c.model, KERN_WEIGHTS);
    T_EQ_MEM(after, before, kern_parameter_count(&c.model) * sizeof *after);
    free(before);
    free(after);
    kern_backend_free(&b);
}

T_CASE(infinite_norm_no_update)
{
    struct kern_config c = lab_config(1, 16, 2, 2, 8, 16, 30, false, 2, 8);
    struct batch batch = make_batch(&c, false, 9);
    unsigned workers = 2;
    struct kern_backend *b = new_backend(&c, &workers, ~0u);

    set_weights(b, &c.model, 13);
    float *w = get_state(b, &c.model, KERN_WEIGHTS);
    w[batch.tokens[0] * 16] = INFINITY;
    T_EQ_INT(kern_state_set(b, KERN_WEIGHTS, w, NULL), KERN_OK);
    struct kern_slot slot = train_slot(&c, &batch, 0);
    struct kern_result r = work(b, &slot);
    T_TRUE(!r.updated);
    T_TRUE(!isfinite(r.grad_norm));
    float *after = get_state(b, &c.model, KERN_WEIGHTS);
    T_EQ_MEM(after, w, kern_parameter_count(&c.model) * sizeof *after);
    free(w);
    free(after);
    kern_backend_free(&b);
}

/* Two micro-batches of two rows against one of four: equal up to the order of sums. */
T_CASE(accumulation)
{
    struct kern_config c4 = lab_config(2, 32, 4, 2, 8, 48, 60, false, 4, 24), c2 = c4;
    struct batch batch = make_batch(&c4, true, 10);
    unsigned workers = 2;
    struct kern_backend *whole = new_backend(&c4, &workers, ~0u), *halves = NULL;
    struct kern_slot slot = train_slot(&c4, &batch, 0);
    struct kern_result a = {0}, b = {0};
    bool have = true;

    c2.rows = 2;
    halves = new_backend(&c2, &workers, ~0u);
    set_weights(whole, &c4.model, 14);
    set_weights(halves, &c4.model, 14);
    a = work(whole, &slot);
    slot.rows = 2;
    slot.last_micro = false;
    T_EQ_INT(kern_submit(halves, &slot, NULL), KERN_OK);
    T_EQ_INT(kern_collect(halves, true, &have, &b, NULL), KERN_OK);
    T_TRUE(!have);
    /* A validation between micro-batches leaves the step alone. */
    slot.kind = KERN_VALIDATE;
    (void)work(halves, &slot);
    slot.kind = KERN_TRAIN;
    slot.tokens += 48, slot.targets += 48, slot.first += 48;
    slot.first_micro = false, slot.last_micro = true;
    b = work(halves, &slot);
    T_TRUE(fabs(a.nll - b.nll) < 1e-5 * a.nll);
    T_TRUE(fabs(a.grad_norm - b.grad_norm) < 1e-5 * a.grad_norm);
    T_EQ_U64(a.targets, b.targets);

    float *ga = get_state(whole, &c4.model, KERN_GRADIENTS);
    float *gb = get_state(halves, &c4.model, KERN_GRADIENTS);
    double error = 0, size = 0;
    for (uint64_t i = 0; i < kern_parameter_count(&c4.model); i++) {
        error += (double)(ga[i] - gb[i]) * (double)(ga[i] - gb[i]);
        size += (double)ga[i] * (double)ga[i];
    }
    T_TRUE(sqrt(error / size) < 1e-5);
    free(ga);
    free(gb);
    kern_backend_free(&whole);
    kern_backend_free(&halves);
}

/* Validation changes nothing, short slots count their own rows only, and the decoder's logits give
 * the same loss. */
T_CASE(validate_and_decode)
{
    struct kern_config c = lab_config(2, 32, 4, 2, 8, 48, 60, true, 3, 24);
    struct batch batch = make_batch(&c, false, 15);
    unsigned workers = 2;
    struct kern_backend *b = new_backend(&c, &workers, ~0u), *forward = NULL;
    struct kern_slot slot = train_slot(&c, &batch, 0);
    struct kern_decoder *d = NULL;
    float logits[60];
    double nll = 0;

    set_weights(b, &c.model, 16);
    slot.kind = KERN_VALIDATE;
    slot.rows = 1;
    struct kern_result r = work(b, &slot);
    T_EQ_U64(r.targets, 24);
    T_EQ_INT(r.kind, KERN_VALIDATE);
    T_TRUE(!r.updated);

    T_EQ_INT(kern_decoder_new(b, 24, &d, NULL), KERN_OK);
    for (uint32_t i = 0; i < 24; i++) {
        double sum = 0;
        T_EQ_INT(kern_decoder_step(d, batch.tokens[i], logits, NULL), KERN_OK);
        for (unsigned v = 0; v < 60; v++)
            sum += exp((double)logits[v]);
        nll += log(sum) - (double)logits[batch.targets[i]];
    }
    T_TRUE(fabs(nll - r.nll) < 1e-5 * nll);
    if (!(fabs(nll - r.nll) < 1e-5 * nll))
        T_FAIL("decoder %.7f, validation %.7f", nll, r.nll);
    T_EQ_INT(kern_decoder_step(d, 0, NULL, NULL), KERN_E_SHAPE);
    kern_decoder_free(&d);

    c.forward_only = true;
    forward = new_backend(&c, &workers, ~0u);
    set_weights(forward, &c.model, 16);
    struct kern_result f = work(forward, &slot);
    T_EQ_MEM(&f.nll, &r.nll, sizeof f.nll);
    slot.kind = KERN_TRAIN;
    T_EQ_INT(kern_submit(forward, &slot, NULL), KERN_E_SHAPE);
    kern_backend_free(&forward);
    kern_backend_free(&b);
}

T_CASE(refusals)
{
    struct kern_config c = lab_config(1, 16, 2, 2, 8, 16, 30, false, 2, 8);
    struct batch batch = make_batch(&c, false, 9);
    unsigned workers = 1;
    struct kern_backend *b = new_backend(&c, &workers, ~0u);
    struct kern_slot slot = train_slot(&c, &batch, 0);
    struct kern_error error = {0};

    batch.tokens[9] = 30;
    T_EQ_INT(kern_submit(b, &slot, &error), KERN_E_SHAPE);
    T_EQ_STR(error.message, "token 30 at row 1, position 1: the vocabulary has 30");
    batch.tokens[9] = 0, batch.targets[8] = 31;
    T_EQ_INT(kern_submit(b, &slot, NULL), KERN_E_SHAPE);
    batch.targets[8] = 0, batch.first[8] = 1;
    T_EQ_INT(kern_submit(b, &slot, NULL), KERN_E_SHAPE);
    batch.first[8] = 0, slot.rows = 3;
    T_EQ_INT(kern_submit(b, &slot, NULL), KERN_E_SHAPE);
    kern_backend_free(&b);
    kern_backend_free(&b);

    c.model.kv_heads = 3;
    struct kern_workers w = crew(&workers);
    T_EQ_INT(kern_cpu_new(&c, &w, &b, &error), KERN_E_SHAPE);
    T_EQ_STR(error.message, "3 key/value heads: must divide the 2 heads");
    T_EQ_INT(kern_cuda_new(&c, &b, &error), KERN_E_UNAVAILABLE);
    T_TRUE(strstr(error.message, "CUDA") != NULL);
}

T_CASE(presets)
{
    struct kern_model m;

    T_TRUE(!kern_model_preset("2m", &m));
    T_TRUE(kern_model_preset("124m", &m));
    m.vocab = 32000;
    T_EQ_U64(kern_parameter_count(&m), 123685632); /* 123.69M, as researched */
    T_TRUE(fabs(kern_flop_per_token(&m, 1024) - (742.0e6 + 56.6e6)) < 0.2e6);
    T_TRUE(kern_model_preset("1m", &m));
    m.vocab = 32000;
    T_TRUE(fabs(kern_flop_per_token(&m, 256) - (31.0e6 + 1.0e6)) < 0.1e6);
    struct kern_tensor t;
    kern_tensor_at(&m, kern_tensor_count(&m) - 1, &t);
    T_EQ_STR(t.name, "model.norm.weight");
    kern_tensor_at(&m, 9, &t);
    T_EQ_STR(t.name, "model.layers.0.mlp.down_proj.weight");
    uint64_t offset = 0;
    for (uint32_t i = 0; i < kern_tensor_count(&m); i++) {
        kern_tensor_at(&m, i, &t);
        bool norm = strstr(t.name, "norm") != NULL;
        bool residual = strstr(t.name, "o_proj") || strstr(t.name, "down_proj");
        double std = norm ? 0 : residual ? 0.02 / sqrt(10) : 0.02;
        T_EQ_U64(t.offset, offset);
        T_EQ_INT(t.decay, !norm);
        if (!(fabs((double)t.init_std - std) < 1e-8))
            T_FAIL("%s: init_std %g, expected %g", t.name, (double)t.init_std, std);
        offset += (uint64_t)t.rows * t.cols;
    }
    T_EQ_U64(offset, kern_parameter_count(&m));
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
