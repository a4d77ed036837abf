/*
 * Whole steps walked through the device's twins against the reference in double: the twins share
 * neither code, layout nor tiling with it, and round to bf16 where the device stores so. Same
 * logical weights (rounded to bf16), same tokens.
 */
#include "t.h"

#include "device_lab.h"
#include "kern/update.h"

/* Errors of the sums of squares of a tensor's gradient, and of the loss: bf16 keeps 8 bits, and a
 * gradient has passed some dozen roundings, which mostly even out. */
#define GRADIENT_TOLERANCE 2e-2
#define LOSS_TOLERANCE 2e-3
/* What is stored in f32 and depends on other f32 alone. */
#define F32_TOLERANCE 1e-6

static double relative(double error, double size)
{
    return sqrt(error / (size > 1e-24 ? size : 1e-24));
}

/* The reference takes the weights and the tokens of the device's lab. */
static void copy_slot(struct lab *reference, const struct device_lab *lab)
{
    uint64_t bytes = lab->table->tokens * sizeof(uint32_t);

    memcpy(reference->tokens, lab->tokens, bytes);
    memcpy(reference->targets, lab->targets, bytes);
    memcpy(reference->first, lab->first, bytes);
    reference->run.first_micro = lab->twin.slot.first_micro;
    reference->run.step_targets = lab->twin.slot.step_targets;
}

static void copy_weights(struct lab *reference, const float *canonical)
{
    uint64_t n = kern_parameter_count(&reference->table->model);

    for (uint64_t i = 0; i < n; i++)
        lab_set(reference, lab_at(reference, KERN_BUF_WEIGHTS, 0) + i, (double)canonical[i]);
}

/* A flat f32 vector of the device in canonical order; to be freed. */
static float *canonical_of(const struct device_lab *lab, enum kern_device_buffer id)
{
    const struct kern_device_table *t = lab->table;
    float *v = calloc(kern_parameter_count(&t->model), sizeof *v);

    T_REQUIRE(v);
    kern_device_layout_from(&t->model, &t->layout, device_lab_at(lab, id, 0), v);
    return v;
}

static double check_gradients(const char *name, const struct device_lab *lab,
                              const struct lab *reference)
{
    const struct kern_model *m = &lab->table->model;
    uint64_t at = lab_at(reference, KERN_BUF_GRADIENTS, 0);
    float *got = canonical_of(lab, KERN_DEV_GRADIENTS);
    double worst = 0, whole = 0;

    for (uint64_t i = 0; i < kern_parameter_count(m); i++)
        whole += lab_get(reference, at + i) * lab_get(reference, at + i);
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        /* With one key to see, queries have no gradient: what is left is rounding. */
        double error = 0, size = 1e-10 * whole;

        kern_tensor_at(m, i, &t);
        for (uint64_t j = t.offset; j < t.offset + (uint64_t)t.rows * t.cols; j++) {
            double e = lab_get(reference, at + j), d = (double)got[j] - e;
            error += d * d;
            size += e * e;
        }
        error = relative(error, size);
        worst = error > worst ? error : worst;
        if (!(error <= GRADIENT_TOLERANCE))
            T_FAIL("%s: gradient of %s is off by %g, allowed %g", name, t.name, error,
                   GRADIENT_TOLERANCE);
    }
    free(got);
    return worst;
}

/* Padding of the vocabulary and between tensors never gets a gradient or a weight. */
static void check_padding(const char *name, const struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    const float *g = device_lab_at(lab, KERN_DEV_GRADIENTS, 0);
    const float *w = device_lab_at(lab, KERN_DEV_MASTER, 0);
    uint64_t width = t->model.width, starts[2] = {t->layout.embed, t->layout.head};

    for (unsigned k = 0; k < 2; k++)
        for (uint64_t i = starts[k] + t->model.vocab * width;
             i < starts[k] + t->vocab_padded * width; i++)
            if (g[i] != 0 || w[i] != 0) {
                T_FAIL("%s: padding of the vocabulary has gradient %g, weight %g", name,
                       (double)g[i], (double)w[i]);
                return;
            }
}

/* The embedding's gradient (untied) and the gains', from what stands in DX and in the slots. */
static void check_sums(const char *name, const struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    const float *g = device_lab_at(lab, KERN_DEV_GRADIENTS, 0);
    uint64_t width = t->model.width;
    double error = 0, size = 0;

    if (t->model.untied) {
        double *sum = calloc(t->vocab_padded * width, sizeof *sum);
        const uint16_t *dx = device_lab_at(lab, KERN_DEV_DX, 0);

        T_REQUIRE(sum);
        for (uint32_t n = 0; n < t->tokens; n++)
            for (uint64_t j = 0; j < width; j++)
                sum[lab->tokens[n] * width + j] += (double)device_lab_from_bf16(dx[n * width + j]);
        for (uint64_t i = 0; i < t->vocab_padded * width; i++) {
            double d = (double)g[t->layout.embed + i] - sum[i];
            error += d * d;
            size += sum[i] * sum[i];
        }
        if (!(relative(error, size) <= F32_TOLERANCE))
            T_FAIL("%s: the embedding's gradient is not the sum of DX: off by %g", name,
                   relative(error, size));
        free(sum);
    }
    const float *slot = device_lab_at(lab, KERN_DEV_FINAL_SLOT, 0);
    error = size = 0;
    for (uint64_t j = 0; j < width; j++) {
        double sum = 0, d = 0;
        for (uint64_t block = 0; block < (t->tokens + t->final_rows - 1) / t->final_rows; block++)
            sum += (double)slot[block * width + j];
        d = (double)g[t->layout.norm + j] - sum;
        error += d * d;
        size += sum * sum;
    }
    if (!(relative(error, size) <= F32_TOLERANCE))
        T_FAIL("%s: the final gain's gradient is not the sum of its slots: off by %g", name,
               relative(error, size));
}

/* ---- the slots by which a device takes its shortcuts: the twins write and never read them ---- */

struct tally {
    double error, size;
};

static void tell(struct tally *t, double got, double expected)
{
    t->error += (got - expected) * (got - expected);
    t->size += expected * expected;
}

static void judge(const char *name, const char *slots, struct tally t, double allowed)
{
    if (!(relative(t.error, t.size) <= allowed))
        T_FAIL("%s: %s are off by %g, allowed %g", name, slots, relative(t.error, t.size), allowed);
}

static double sum_of(const float *slots, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += (double)slots[i];
    return sum;
}

/* Sums of squares in SS and SS_MID of layer 0. */
static void check_squares(const char *name, const struct device_lab *lab,
                          enum kern_device_buffer slots, enum kern_device_buffer x)
{
    const struct kern_device_table *t = lab->table;
    const float *s = device_lab_at(lab, slots, 0);
    const uint16_t *row = device_lab_at(lab, x, 0);
    struct tally tally = {0};

    for (uint64_t n = 0; n < t->tokens; n++, row += t->model.width) {
        double sum = 0;
        for (uint32_t j = 0; j < t->model.width; j++)
            sum += (double)device_lab_from_bf16(row[j]) * (double)device_lab_from_bf16(row[j]);
        tell(&tally, sum_of(s + n * t->norm_slots, t->norm_slots), sum);
    }
    judge(name, "sums of squares", tally, F32_TOLERANCE);
}

/* c of a norm: what the slots add up to beside the sum of x g a, a = dy W with dy [N, out]. */
static void check_c(const char *name, const struct device_lab *lab, enum kern_device_buffer dy,
                    uint64_t out, uint64_t weight, enum kern_device_buffer x, uint64_t gain,
                    enum kern_device_buffer slots, uint64_t per_row)
{
    const struct kern_device_table *t = lab->table;
    uint64_t width = t->model.width;
    const uint16_t *d = device_lab_at(lab, dy, 0), *row = device_lab_at(lab, x, 0);
    const uint16_t *w = (const uint16_t *)device_lab_at(lab, KERN_DEV_WEIGHTS, 0) + weight;
    const float *g = (const float *)device_lab_at(lab, KERN_DEV_MASTER, 0) + gain;
    const float *s = device_lab_at(lab, slots, 0);
    struct tally tally = {0};

    for (uint64_t n = 0; n < t->tokens; n++) {
        double sum = 0;
        for (uint64_t k = 0; k < out; k++) {
            double y = 0;
            for (uint64_t j = 0; j < width; j++)
                y += (double)device_lab_from_bf16(row[n * width + j]) * (double)g[j] *
                     (double)device_lab_from_bf16(w[k * width + j]);
            sum += y * (double)device_lab_from_bf16(d[n * out + k]);
        }
        tell(&tally, sum_of(s + n * per_row, per_row), sum);
    }
    judge(name, slots == KERN_DEV_MLP_C ? "mlp_c" : "qkv_c", tally, GRADIENT_TOLERANCE);
}

static void check_delta(const char *name, const struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    uint64_t hd = t->model.head_dim, heads = t->model.heads;
    const uint16_t *dmix = device_lab_at(lab, KERN_DEV_DMIX, 0);
    const uint16_t *mix = device_lab_at(lab, KERN_DEV_MIX, 0);
    const float *delta = device_lab_at(lab, KERN_DEV_DELTA, 0);
    struct tally tally = {0};

    for (uint64_t i = 0; i < t->tokens * heads; i++) {
        double sum = 0;
        for (uint64_t c = i * hd; c < (i + 1) * hd; c++)
            sum += (double)device_lab_from_bf16(dmix[c]) * (double)device_lab_from_bf16(mix[c]);
        tell(&tally, (double)delta[i], sum);
    }
    judge(name, "delta", tally, F32_TOLERANCE);
}

/* The pairs of a forward pass, whose logits still stand there: of its last chunk. */
static void check_pairs(const char *name, struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    const float *most = device_lab_at(lab, KERN_DEV_LOGIT_MAX, 0);
    const float *total = device_lab_at(lab, KERN_DEV_LOGIT_SUM, 0);
    const float *nll = device_lab_at(lab, KERN_DEV_NLL, 0);
    const uint16_t *logits = device_lab_at(lab, KERN_DEV_LOGITS_OUT, 0);
    uint64_t row0 = (uint64_t)(t->head_parts - 1) * t->head_rows;
    const struct kern_device_phase *p = t->phases;
    struct tally tally = {0};

    device_lab_slot(lab, KERN_VALIDATE, true, true, 0);
    device_lab_walk(lab);
    while (p->op != KERN_DEV_LOSS || p->part + 1 != t->head_parts)
        p++;
    for (uint64_t n = row0; n < t->tokens; n++) {
        const float *m = most + (n - row0) * t->vocab_tiles,
                    *s = total + (n - row0) * t->vocab_tiles;
        double sum = 0;

        if (lab->targets[n] == KERN_NO_TARGET)
            continue;
        for (uint32_t i = 0; i < p->product.tiles_n; i++)
            sum += (double)s[i] * exp((double)m[i]);
        double target =
            (double)device_lab_from_bf16(logits[(n - row0) * t->vocab_padded + lab->targets[n]]);
        tell(&tally, (double)nll[n], log(sum) - target);
    }
    judge(name, "logit_max and logit_sum", tally, F32_TOLERANCE);
}

static void check_first_min(const char *name, const struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    const uint32_t *least = device_lab_at(lab, KERN_DEV_FIRST_MIN, 0);

    for (uint32_t n = 0; n < t->tokens; n++) {
        uint32_t block = n / t->seq_len * t->first_blocks + n % t->seq_len / 32;
        uint32_t end = n + 32 - n % t->seq_len % 32, last = (n / t->seq_len + 1) * t->seq_len;
        bool met = false;

        for (uint32_t i = n - n % t->seq_len % 32; i < end && i < last; i++) {
            met |= lab->first[i] == least[block];
            if (lab->first[i] < least[block])
                T_FAIL("%s: first_min of position %u is %u, beyond %u", name, n, least[block],
                       lab->first[i]);
        }
        T_TRUE(met);
    }
}

/* After a training step, before the weights that it used are gone: layer 0's are the last ones. */
static void check_slots(const char *name, const struct device_lab *lab)
{
    const struct kern_device_table *t = lab->table;
    const struct kern_device_layout *o = &t->layout;
    const struct kern_model *m = &t->model;

    check_squares(name, lab, KERN_DEV_SS, KERN_DEV_X);
    check_squares(name, lab, KERN_DEV_SS_MID, KERN_DEV_MID);
    check_c(name, lab, KERN_DEV_DGU, 2 * m->ffn, o->layer + o->gate_up, KERN_DEV_MID,
            o->layer + o->norm2, KERN_DEV_MLP_C, t->mlp_slots);
    check_c(name, lab, KERN_DEV_DQKV, t->qkv_width, o->layer + o->qkv, KERN_DEV_X,
            o->layer + o->norm1, KERN_DEV_QKV_C, m->heads + m->kv_heads);
    if (t->head_parts == 1)
        check_delta(name, lab);
    check_first_min(name, lab);
}

/* Norm and AdamW of the reference on the twins' own gradients. */
static void check_update(const char *name, const struct device_lab *lab, struct lab *reference)
{
    static const struct {
        enum kern_device_buffer got;
        enum kern_buffer expected;
    } pairs[] = {{KERN_DEV_MASTER, KERN_BUF_WEIGHTS},
                 {KERN_DEV_MOMENT1, KERN_BUF_MOMENT1},
                 {KERN_DEV_MOMENT2, KERN_BUF_MOMENT2}};
    uint64_t n = kern_parameter_count(&lab->table->model);
    float *g = canonical_of(lab, KERN_DEV_GRADIENTS);

    for (uint64_t i = 0; i < n; i++) {
        lab_set(reference, lab_at(reference, KERN_BUF_GRADIENTS, 0) + i, (double)g[i]);
        lab_set(reference, lab_at(reference, KERN_BUF_MOMENT1, 0) + i, 0);
        lab_set(reference, lab_at(reference, KERN_BUF_MOMENT2, 0) + i, 0);
    }
    free(g);
    lab_op(reference, KERN_SQUARES, 0);
    lab_op(reference, KERN_NORM, 0);
    lab_op(reference, KERN_ADAMW, 0);
    double norm = reference->verdict.norm;
    if (!(fabs(lab->twin.norm - norm) <= F32_TOLERANCE * norm))
        T_FAIL("%s: norm %.9g, expected %.9g", name, lab->twin.norm, norm);
    T_EQ_INT(lab->twin.updated, reference->verdict.update);
    for (unsigned k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        float *got = canonical_of(lab, pairs[k].got);
        double error = 0, size = 0;

        for (uint64_t i = 0; i < n; i++) {
            double e = lab_get(reference, lab_at(reference, pairs[k].expected, 0) + i);
            error += ((double)got[i] - e) * ((double)got[i] - e);
            size += e * e;
        }
        if (!(relative(error, size) <= F32_TOLERANCE))
            T_FAIL("%s: buffer %d after the update is off by %g", name, pairs[k].got,
                   relative(error, size));
        free(got);
    }
    const float *master = device_lab_at(lab, KERN_DEV_MASTER, 0);
    const uint16_t *rounded = device_lab_at(lab, KERN_DEV_WEIGHTS, 0);
    for (uint64_t i = 0; i < lab->table->layout.size; i++)
        if (rounded[i] != device_lab_to_bf16(master[i])) {
            T_FAIL("%s: WEIGHTS[%" PRIu64 "] is not the rounded master", name, i);
            break;
        }
}

T_CASE(slots)
{
    static const struct {
        const char *name;
        uint32_t heads, kv_heads, head_dim, vocab, rows, seq_len;
    } cases[] = {{"slots, head 64", 2, 1, 64, 1001, 2, 264},
                 {"slots, head 128", 1, 1, 128, 77, 3, 50},
                 {"slots, large tiles", 1, 1, 64, 1001, 13, 128}};

    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kern_config config =
            lab_config(2, 136, cases[i].heads, cases[i].kv_heads, cases[i].head_dim, 72,
                       cases[i].vocab, true, cases[i].rows, cases[i].seq_len);
        struct device_lab *lab = device_lab_new(&config, true, 7 + i);

        device_lab_slot(lab, KERN_TRAIN, true, false, 0); /* no update: weights stay */
        device_lab_walk(lab);
        check_slots(cases[i].name, lab);
        check_pairs(cases[i].name, lab);
        device_lab_free(lab);
    }
}

/* What a case is there for: it fails when the table stops having it. */
enum wants { LARGE = 1, SMALL = 2, SPLITS = 4, PARTS = 8, SHARES = 16 };

static unsigned has(const struct kern_device_table *t)
{
    unsigned found = t->head_parts > 1 ? PARTS : 0;

    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_device_product *both[2] = {&t->phases[i].product, &t->phases[i].weight};
        for (unsigned k = 0; k < 2; k++) {
            if (!both[k]->tiles)
                continue;
            found |= both[k]->shape == KERN_DEV_LARGE ? LARGE : SMALL;
            if (both[k]->splits > 1)
                found |= k ? SPLITS : SHARES;
        }
    }
    return found;
}

static void check_step(const char *name, struct kern_config config, unsigned wants, bool segments,
                       unsigned micros)
{
    uint64_t seed = 91, step_targets = 0;
    struct device_lab *lab = device_lab_new(&config, segments, seed);
    struct lab *reference = lab_new(&config, true, segments, seed);
    float *canonical = device_lab_canonical(&config.model, true, seed);
    double nll = 0, expected = 0, worst = 0;

    if ((has(lab->table) & wants) != wants)
        T_FAIL("%s: has %x, wants %x", name, has(lab->table), wants);
    device_lab_set_weights(lab, canonical);
    copy_weights(reference, canonical);
    for (unsigned i = 0; i < micros; i++) {
        device_lab_rows(lab, segments, seed + i);
        step_targets += device_lab_targets(lab);
    }
    for (unsigned i = 0; i < micros; i++) {
        device_lab_rows(lab, segments, seed + i);
        device_lab_slot(lab, KERN_TRAIN, i == 0, i + 1 == micros, step_targets);
        copy_slot(reference, lab);
        device_lab_walk(lab);
        lab_walk(reference, KERN_WHEN_TRAINING);
        nll += lab->twin.nll;
        expected += lab_nll(reference);
    }
    if (!(fabs(nll - expected) <= LOSS_TOLERANCE * expected))
        T_FAIL("%s: loss %g, expected %g", name, nll, expected);
    worst = check_gradients(name, lab, reference);
    check_padding(name, lab);
    if (micros == 1)
        check_sums(name, lab);
    check_update(name, lab, reference);
    printf("%s: loss off by %.1e, gradients by %.1e\n", name, fabs(nll / expected - 1), worst);
    free(canonical);
    lab_free(reference);
    device_lab_free(lab);
}

T_CASE(head_64)
{
    check_step("head 64", lab_config(2, 64, 1, 1, 64, 72, 77, false, 3, 264), SMALL | SPLITS, true,
               1);
}

T_CASE(grouped_64_untied)
{
    check_step("grouped 64, untied", lab_config(2, 136, 4, 2, 64, 120, 1001, true, 3, 264),
               SMALL | SPLITS | SHARES, true, 1);
}

T_CASE(grouped_128)
{
    check_step("grouped 128", lab_config(1, 72, 3, 1, 128, 200, 77, false, 5, 175),
               SMALL | LARGE | SPLITS, true, 1);
}

/* One token a sequence, fewer than eight, and more columns than one of EMBED_BACKWARD's. */
T_CASE(tiny)
{
    check_step("tiny", lab_config(1, 8, 1, 1, 64, 8, 2, false, 1, 1), SMALL, false, 1);
    check_step("wide", lab_config(1, 264, 1, 1, 64, 8, 5, true, 3, 13), SMALL, true, 1);
}

T_CASE(large_tiles)
{
    check_step("large tiles", lab_config(1, 64, 1, 1, 64, 64, 1001, false, 13, 128), LARGE | SMALL,
               false, 1);
}

/* The last chunk is cut into other tiles and shares than the first. */
T_CASE(head_chunks)
{
    check_step("head chunks", lab_config(1, 8, 1, 1, 64, 8, 1100, true, 68, 128),
               PARTS | SHARES | LARGE, true, 1);
}

T_CASE(accumulation)
{
    check_step("accumulation", lab_config(1, 72, 2, 1, 64, 40, 101, false, 3, 264), SPLITS, true,
               2);
    check_step("accumulation, untied", lab_config(1, 72, 2, 1, 64, 40, 101, true, 3, 264), SPLITS,
               true, 3);
}

/* A validation slot leaves the loss and nothing else; a forward-only table gives the same. */
T_CASE(validation)
{
    struct kern_config config = lab_config(2, 64, 2, 1, 64, 72, 77, false, 2, 150);
    struct device_lab *lab = device_lab_new(&config, true, 5);
    config.forward_only = true;
    struct device_lab *forward = device_lab_new(&config, true, 5);
    uint64_t p = lab->table->layout.size;
    float *master = malloc(p * sizeof *master);

    T_REQUIRE(master);
    memcpy(master, device_lab_at(lab, KERN_DEV_MASTER, 0), p * sizeof *master);
    device_lab_walk(lab);
    double expected = lab->twin.nll;
    T_TRUE(memcmp(master, device_lab_at(lab, KERN_DEV_MASTER, 0), p * sizeof *master) != 0);
    device_lab_slot(forward, KERN_VALIDATE, true, true, 0);
    device_lab_walk(forward);
    if (forward->twin.nll != expected)
        T_FAIL("forward only: %.17g, expected %.17g", forward->twin.nll, expected);

    memcpy(master, device_lab_at(lab, KERN_DEV_MASTER, 0), p * sizeof *master);
    float *g = device_lab_at(lab, KERN_DEV_GRADIENTS, 0);
    memset(g, 0xff, p * sizeof *g);
    device_lab_slot(lab, KERN_VALIDATE, true, true, 0);
    device_lab_walk(lab);
    T_EQ_MEM(master, device_lab_at(lab, KERN_DEV_MASTER, 0), p * sizeof *master);
    for (uint64_t i = 0; i < p; i++)
        if (!isnan(g[i])) {
            T_FAIL("validation wrote gradient %" PRIu64, i);
            break;
        }
    free(master);
    device_lab_free(lab);
    device_lab_free(forward);
}

/* No targets at all: no update, and nothing that is not a number. */
T_CASE(no_targets)
{
    struct kern_config config = lab_config(1, 64, 1, 1, 64, 72, 77, false, 1, 40);
    struct device_lab *lab = device_lab_new(&config, true, 5);
    const float *g = device_lab_at(lab, KERN_DEV_GRADIENTS, 0);

    for (uint32_t n = 0; n < lab->table->tokens; n++)
        lab->targets[n] = KERN_NO_TARGET;
    device_lab_slot(lab, KERN_TRAIN, true, true, 0);
    device_lab_walk(lab);
    T_EQ_INT(lab->twin.updated, 0);
    T_TRUE(lab->twin.nll == 0);
    T_TRUE(lab->twin.norm == 0);
    T_TRUE(g[0] == 0);
    device_lab_free(lab);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
