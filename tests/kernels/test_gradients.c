/*
 * Every backward phase against central finite differences of its forward phase, in double. For a
 * random upstream gradient c the loss is sum(c * output); the phase's output must be the gradient
 * of that loss. Small values with h = 1e-4 leave an error near 1e-9, far below the bound.
 */
#include "t.h"

#include "lab.h"

#define H 1e-4
#define TOLERANCE 1e-6

struct shape {
    const char *name;
    struct kern_config config;
};

/* Head dimensions 64 and 128, grouped queries, widths that are no multiple of anything, untied; and
 * 300 tokens: several row blocks and two head chunks, the last short. */
static struct shape shapes(unsigned i)
{
    switch (i) {
    case 0:
        return (struct shape){"head 64", lab_config(2, 10, 2, 2, 64, 14, 23, false, 2, 9)};
    case 1:
        return (struct shape){"grouped 128", lab_config(1, 13, 4, 2, 128, 11, 37, true, 1, 17)};
    case 2:
        return (struct shape){"many tiles", lab_config(2, 7, 4, 1, 6, 9, 70, false, 5, 60)};
    default:
        return (struct shape){.name = NULL};
    }
}

struct probe {
    struct lab *lab;
    const char *name;
    uint32_t layer;
    uint64_t seed;
    double (*loss)(struct probe *p);
    enum kern_op forward;
    double *c;              /* [count] */
    uint64_t output, count; /* where the output stands */
};

static double weighted_output(struct probe *p)
{
    double sum = 0;

    lab_op(p->lab, p->forward, p->layer);
    for (uint64_t i = 0; i < p->count; i++)
        sum += p->c[i] * lab_get(p->lab, p->output + i);
    return sum;
}

/* Compares up to 40 elements of [at, at + n) with what the backward phase gave, less `before`. */
static void check(struct probe *p, const char *what, uint64_t at, uint64_t n, const double *got)
{
    double error = 0, size = 0;

    for (unsigned k = 0; k < 40 && k < n; k++) {
        uint64_t i = n <= 40 ? k : lab_next(&p->seed) % n;
        double x = lab_get(p->lab, at + i), up = 0, down = 0;

        lab_set(p->lab, at + i, x + H);
        up = p->loss(p);
        lab_set(p->lab, at + i, x - H);
        down = p->loss(p);
        lab_set(p->lab, at + i, x);
        double expected = (up - down) / (2 * H);
        error += (got[i] - expected) * (got[i] - expected);
        size += expected * expected;
    }
    error = sqrt(error / (size > 1e-20 ? size : 1e-20));
    if (!(error < TOLERANCE))
        T_FAIL("%s: %s is off by %g, allowed %g", p->name, what, error, TOLERANCE);
}

static double *copy(const struct lab *lab, uint64_t at, uint64_t n)
{
    double *v = calloc(n, sizeof *v);

    T_REQUIRE(v);
    for (uint64_t i = 0; i < n; i++)
        v[i] = lab_get(lab, at + i);
    return v;
}

/* As check, for a gradient that stands in the arena. */
static void check_at(struct probe *p, const char *what, uint64_t at, uint64_t n, uint64_t gradient)
{
    double *got = copy(p->lab, gradient, n);

    check(p, what, at, n, got);
    free(got);
}

/* As check, for one that was added to the residual's gradient. */
static void check_added(struct probe *p, const char *what, uint64_t at, uint64_t n,
                        const double *before, uint64_t gradient)
{
    double *got = copy(p->lab, gradient, n);

    for (uint64_t i = 0; i < n; i++)
        got[i] -= before[i];
    check(p, what, at, n, got);
    free(got);
}

/* As check, for a gain whose gradient lies in slots. */
static void check_gain(struct probe *p, const char *what, uint64_t at, uint32_t slot)
{
    const struct kern_table *t = p->lab->table;
    uint32_t width = t->model.width;
    double *got = calloc(width, sizeof *got);

    T_REQUIRE(got);
    for (uint32_t b = 0; b < t->row_blocks; b++)
        for (uint32_t j = 0; j < width; j++)
            got[j] += lab_get(p->lab, lab_at(p->lab, KERN_BUF_GAIN_SLOT, slot) + b * width + j);
    check(p, what, at, width, got);
    free(got);
}

static struct lab *start(const struct shape *s, uint64_t seed)
{
    struct lab *lab = lab_new(&s->config, true, true, seed);

    lab_fill_weights(lab, seed + 1);
    return lab;
}

static uint64_t weight_at(const struct lab *lab, uint32_t layer, uint64_t within)
{
    const struct kern_table *t = lab->table;
    return lab_at(lab, KERN_BUF_WEIGHTS, 0) + t->at.layer + layer * t->at.stride + within;
}

static uint64_t gradient_of(const struct lab *lab, uint64_t weight)
{
    return weight - lab_at(lab, KERN_BUF_WEIGHTS, 0) + lab_at(lab, KERN_BUF_GRADIENTS, 0);
}

/* Fills `upstream` with the random c and keeps a copy of it; the output is `output` of copy_of. */
static struct probe new_probe(struct lab *lab, const char *name, uint32_t layer,
                              enum kern_op forward, enum kern_buffer upstream,
                              enum kern_buffer output, uint32_t copy_of)
{
    uint64_t count = lab->table->plan.at[output].size;

    T_EQ_U64(lab->table->plan.at[upstream].size, count);
    lab_fill(lab, upstream, 0, 1, 0, 96);
    return (struct probe){
        .lab = lab,
        .name = name,
        .layer = layer,
        .seed = 99,
        .loss = weighted_output,
        .forward = forward,
        .c = copy(lab, lab_at(lab, upstream, 0), count),
        .output = lab_at(lab, output, copy_of),
        .count = count,
    };
}

static void done(struct probe *p)
{
    free(p->c);
    lab_free(p->lab);
}

#define FOR_EACH_SHAPE(s) for (unsigned i_ = 0; (s = shapes(i_)).name; i_++)

T_CASE(embed)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 1);
        uint64_t n = (uint64_t)s.config.model.vocab * s.config.model.width;
        struct probe p = new_probe(lab, s.name, 0, KERN_EMBED_FORWARD, KERN_BUF_DX, KERN_BUF_X, 0);

        if (!s.config.model.untied) /* the head's backward has been there */
            for (uint64_t i = 0; i < n; i++)
                lab_set(lab, lab_at(lab, KERN_BUF_GRADIENTS, 0) + i, 0);
        lab_op(lab, KERN_EMBED_BACKWARD, 0);
        check_at(&p, "d embed", lab_at(lab, KERN_BUF_WEIGHTS, 0), n,
                 lab_at(lab, KERN_BUF_GRADIENTS, 0));
        done(&p);
    }
}

/* Turns the first Q + K columns of every row by sign * the angle of its position, head by head:
 * written again here, so that a wrong sign in the phases cannot hide. */
static void rope(struct lab *lab, uint64_t at, double sign)
{
    const struct kern_table *t = lab->table;
    const struct kern_model *m = &t->model;

    for (uint32_t n = 0; n < t->tokens; n++) {
        double position = n % t->seq_len - lab->first[n];
        for (uint32_t h = 0; h < m->heads + m->kv_heads; h++)
            for (uint32_t i = 0; i < m->head_dim / 2; i++) {
                double angle = sign * position * pow((double)m->rope_theta, -2.0 * i / m->head_dim);
                uint64_t a = at + (uint64_t)n * t->qkv_width + h * m->head_dim + i;
                uint64_t b = a + m->head_dim / 2;
                double x = lab_get(lab, a), y = lab_get(lab, b);
                lab_set(lab, a, x * cos(angle) - y * sin(angle));
                lab_set(lab, b, y * cos(angle) + x * sin(angle));
            }
    }
}

T_CASE(qkv)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 3);
        const struct kern_table *t = lab->table;
        uint32_t layer = t->model.layers - 1;
        struct probe p =
            new_probe(lab, s.name, layer, KERN_QKV_FORWARD, KERN_BUF_DQKV, KERN_BUF_QKV, layer);
        uint64_t n = t->plan.at[KERN_BUF_X].size, w = weight_at(lab, layer, t->at.qkv);

        lab_fill(lab, KERN_BUF_X, layer, 1, 0, 4);
        lab_fill(lab, KERN_BUF_DX, 0, 1, 0, 5);
        rope(lab, lab_at(lab, KERN_BUF_DQKV, 0), -1);
        double *before = copy(lab, lab_at(lab, KERN_BUF_DX, 0), n);
        lab_op(lab, KERN_QKV_FORWARD, layer);
        lab_op(lab, KERN_QKV_BACKWARD, layer);
        check_added(&p, "d x", lab_at(lab, KERN_BUF_X, layer), n, before,
                    lab_at(lab, KERN_BUF_DX, 0));
        check_at(&p, "d weight", w, (uint64_t)t->qkv_width * t->model.width, gradient_of(lab, w));
        check_gain(&p, "d gain", weight_at(lab, layer, t->at.norm1), 2 * layer);
        free(before);
        done(&p);
    }
}

/* QKV holds what stands before RoPE: turned for the phase, then put back. */
static double attention_loss(struct probe *p)
{
    struct lab *lab = p->lab;
    uint64_t qkv = lab_at(lab, KERN_BUF_QKV, p->layer), n = lab->table->plan.at[KERN_BUF_QKV].size;
    double *keep = copy(lab, qkv, n), sum = 0;

    rope(lab, qkv, 1);
    sum = weighted_output(p);
    memcpy((double *)lab->arena + qkv, keep, n * sizeof *keep);
    free(keep);
    return sum;
}

T_CASE(attention)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 7);
        const struct kern_table *t = lab->table;
        uint32_t layer = t->model.layers - 1;
        struct probe p = new_probe(lab, s.name, layer, KERN_ATTENTION_FORWARD, KERN_BUF_DMIX,
                                   KERN_BUF_MIX, layer);
        uint64_t qkv = lab_at(lab, KERN_BUF_QKV, layer), n = t->plan.at[KERN_BUF_QKV].size;

        p.loss = attention_loss;
        lab_fill(lab, KERN_BUF_QKV, layer, 1, 0, 8);
        double *unturned = copy(lab, qkv, n);
        rope(lab, qkv, 1);
        lab_op(lab, KERN_ATTENTION_FORWARD, layer);
        lab_op(lab, KERN_ATTENTION_BACKWARD, layer);
        memcpy((double *)lab->arena + qkv, unturned, n * sizeof *unturned);
        check_at(&p, "d qkv", qkv, n, lab_at(lab, KERN_BUF_DQKV, 0));
        free(unturned);
        done(&p);
    }
}

T_CASE(out)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 10);
        const struct kern_table *t = lab->table;
        uint32_t layer = t->model.layers - 1;
        struct probe p =
            new_probe(lab, s.name, layer, KERN_OUT_FORWARD, KERN_BUF_DX, KERN_BUF_MID, layer);
        uint64_t w = weight_at(lab, layer, t->at.out), mix = lab_at(lab, KERN_BUF_MIX, layer);

        lab_fill(lab, KERN_BUF_X, layer, 1, 0, 11);
        lab_fill(lab, KERN_BUF_MIX, layer, 1, 0, 12);
        lab_op(lab, KERN_OUT_BACKWARD, layer);
        check_at(&p, "d mix", mix, t->plan.at[KERN_BUF_MIX].size, lab_at(lab, KERN_BUF_DMIX, 0));
        check_at(&p, "d weight", w, (uint64_t)t->model.width * t->q_width, gradient_of(lab, w));
        /* the residual: DX is the gradient of x as it stands */
        check_at(&p, "d x", lab_at(lab, KERN_BUF_X, layer), t->plan.at[KERN_BUF_X].size,
                 lab_at(lab, KERN_BUF_DX, 0));
        done(&p);
    }
}

/* GATE_UP to HIDDEN, then the down projection. */
static double down_loss(struct probe *p)
{
    struct lab *lab = p->lab;
    uint64_t f = lab->table->model.ffn, at = lab_at(lab, KERN_BUF_GATE_UP, p->layer);

    for (uint64_t n = 0; n < lab->table->tokens; n++)
        for (uint64_t j = 0; j < f; j++) {
            double g = lab_get(lab, at + n * 2 * f + j), u = lab_get(lab, at + n * 2 * f + f + j);
            lab_set(lab, lab_at(lab, KERN_BUF_HIDDEN, p->layer) + n * f + j, g / (1 + exp(-g)) * u);
        }
    return weighted_output(p);
}

T_CASE(down)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 14);
        const struct kern_table *t = lab->table;
        uint32_t layer = t->model.layers - 1;
        struct probe p =
            new_probe(lab, s.name, layer, KERN_DOWN_FORWARD, KERN_BUF_DX, KERN_BUF_X, layer + 1);
        uint64_t w = weight_at(lab, layer, t->at.down);

        p.loss = down_loss;
        lab_fill(lab, KERN_BUF_MID, layer, 1, 0, 15);
        lab_fill(lab, KERN_BUF_GATE_UP, layer, 2, 0, 16);
        (void)down_loss(&p);
        lab_op(lab, KERN_DOWN_BACKWARD, layer);
        check_at(&p, "d gate, up", lab_at(lab, KERN_BUF_GATE_UP, layer),
                 t->plan.at[KERN_BUF_GATE_UP].size, lab_at(lab, KERN_BUF_DGATE_UP, 0));
        check_at(&p, "d weight", w, (uint64_t)t->model.width * t->model.ffn, gradient_of(lab, w));
        check_at(&p, "d mid", lab_at(lab, KERN_BUF_MID, layer), t->plan.at[KERN_BUF_MID].size,
                 lab_at(lab, KERN_BUF_DX, 0));
        done(&p);
    }
}

T_CASE(gate_up)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 18);
        const struct kern_table *t = lab->table;
        uint32_t layer = t->model.layers - 1;
        struct probe p = new_probe(lab, s.name, layer, KERN_GATE_UP_FORWARD, KERN_BUF_DGATE_UP,
                                   KERN_BUF_GATE_UP, layer);
        uint64_t w = weight_at(lab, layer, t->at.gate_up), n = t->plan.at[KERN_BUF_MID].size;

        lab_fill(lab, KERN_BUF_MID, layer, 1, 0, 19);
        lab_fill(lab, KERN_BUF_DX, 0, 1, 0, 21);
        double *before = copy(lab, lab_at(lab, KERN_BUF_DX, 0), n);
        lab_op(lab, KERN_GATE_UP_FORWARD, layer);
        lab_op(lab, KERN_GATE_UP_BACKWARD, layer);
        check_added(&p, "d mid", lab_at(lab, KERN_BUF_MID, layer), n, before,
                    lab_at(lab, KERN_BUF_DX, 0));
        check_at(&p, "d weight", w, 2 * (uint64_t)t->model.width * t->model.ffn,
                 gradient_of(lab, w));
        check_gain(&p, "d gain", weight_at(lab, layer, t->at.norm2), 2 * layer + 1);
        free(before);
        done(&p);
    }
}

static bool forward_head(enum kern_op op)
{
    return op == KERN_LOGITS || op == KERN_LOSS;
}

static double head_loss(struct probe *p)
{
    struct lab *lab = p->lab;

    if (p->forward == KERN_FINAL_NORM_FORWARD)
        lab_op(lab, KERN_FINAL_NORM_FORWARD, 0);
    for (uint32_t i = 0; i < lab->table->phase_count; i++)
        if (forward_head(lab->table->phases[i].op))
            lab_phase(lab, &lab->table->phases[i]);
    return lab_nll(lab) / (double)lab->run.step_targets;
}

/* The head's own gradients: of its matrix, and of NORMF through the slots of each chunk. */
T_CASE(head)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 22);
        const struct kern_table *t = lab->table;
        uint32_t width = t->model.width;
        struct probe p = {.lab = lab, .name = s.name, .seed = 98, .loss = head_loss};
        uint64_t w = lab_at(lab, KERN_BUF_WEIGHTS, 0) + t->at.head;
        double *dnorm = calloc((uint64_t)t->tokens * width, sizeof *dnorm);

        T_REQUIRE(dnorm);
        lab_fill(lab, KERN_BUF_NORMF, 0, 1, 0, 23);
        for (uint32_t i = 0; i < t->phase_count; i++) {
            const struct kern_phase *phase = &t->phases[i];
            uint64_t begin = (uint64_t)phase->part * t->head_rows;
            if (!forward_head(phase->op) && phase->op != KERN_HEAD_BACKWARD)
                continue;
            lab_phase(lab, phase);
            if (phase->op != KERN_HEAD_BACKWARD)
                continue;
            for (uint64_t n = begin; n < t->tokens && n < begin + t->head_rows; n++)
                for (uint32_t g = 0; g < t->vocab_groups; g++)
                    for (uint32_t j = 0; j < width; j++)
                        dnorm[n * width + j] += lab_get(lab, lab_at(lab, KERN_BUF_HEAD_SLOT, g) +
                                                                 (n - begin) * width + j);
        }
        double *dw = copy(lab, gradient_of(lab, w), (uint64_t)t->model.vocab * width);
        check(&p, "d normf", lab_at(lab, KERN_BUF_NORMF, 0), (uint64_t)t->tokens * width, dnorm);
        check(&p, "d head", w, (uint64_t)t->model.vocab * width, dw);
        free(dw);
        free(dnorm);
        lab_free(lab);
    }
}

/* Rows without a target: their gradients are exact zeros even where logits are infinite. */
T_CASE(no_target_is_exact_zero)
{
    struct shape s = shapes(0);
    struct lab *lab = start(&s, 24);
    const struct kern_table *t = lab->table;
    uint32_t width = t->model.width;

    lab_fill(lab, KERN_BUF_NORMF, 0, 1, 0, 25);
    lab->targets[3] = KERN_NO_TARGET;
    for (uint32_t i = 0; i < t->phase_count; i++)
        if (forward_head(t->phases[i].op))
            lab_phase(lab, &t->phases[i]);
    T_TRUE(lab_get(lab, lab_at(lab, KERN_BUF_NLL, 0) + 3) == 0);
    for (uint32_t v = 0; v < t->model.vocab; v++)
        lab_set(lab, lab_at(lab, KERN_BUF_LOGITS, 0) + (uint64_t)v * t->head_rows + 3, INFINITY);
    lab_op(lab, KERN_HEAD_BACKWARD, 0);
    for (uint32_t g = 0; g < t->vocab_groups; g++)
        for (uint32_t j = 0; j < width; j++)
            T_TRUE(lab_get(lab, lab_at(lab, KERN_BUF_HEAD_SLOT, g) + 3 * width + j) == 0);
    lab_free(lab);
}

T_CASE(final_norm)
{
    struct shape s;
    FOR_EACH_SHAPE(s)
    {
        struct lab *lab = start(&s, 26);
        const struct kern_table *t = lab->table;
        struct probe p = {.lab = lab,
                          .name = s.name,
                          .seed = 97,
                          .loss = head_loss,
                          .forward = KERN_FINAL_NORM_FORWARD};
        uint64_t x = lab_at(lab, KERN_BUF_X, t->model.layers), n = t->plan.at[KERN_BUF_X].size;

        lab_fill(lab, KERN_BUF_X, t->model.layers, 1, 0, 27);
        lab_op(lab, KERN_FINAL_NORM_FORWARD, 0);
        for (uint32_t i = 0; i < t->phase_count; i++)
            if (t->phases[i].op >= KERN_LOGITS && t->phases[i].op <= KERN_FINAL_NORM_BACKWARD)
                lab_phase(lab, &t->phases[i]);
        check_at(&p, "d x", x, n, lab_at(lab, KERN_BUF_DX, 0));
        check_gain(&p, "d gain", lab_at(lab, KERN_BUF_WEIGHTS, 0) + t->at.norm,
                   2 * t->model.layers);
        lab_free(lab);
    }
}

/* Sums by their definition. */
T_CASE(gain_reduce_squares_norm)
{
    struct shape s = shapes(2);
    struct lab *lab = start(&s, 28);
    const struct kern_table *t = lab->table;
    uint32_t width = t->model.width, copies = 2 * t->model.layers + 1;
    double sum = 0;

    lab_fill(lab, KERN_BUF_GRADIENTS, 0, 1, 0, 29);
    for (uint32_t i = 0; i < copies; i++)
        lab_fill(lab, KERN_BUF_GAIN_SLOT, i, 1, 0, 30 + i);
    double *before = copy(lab, lab_at(lab, KERN_BUF_GRADIENTS, 0), t->parameters);
    for (unsigned first = 0; first < 2; first++) {
        lab->run.first_micro = first == 1;
        memcpy((double *)lab->arena + lab_at(lab, KERN_BUF_GRADIENTS, 0), before,
               t->parameters * sizeof *before);
        lab_op(lab, KERN_GAIN_REDUCE, 0);
        for (uint32_t i = 0; i < copies; i++) {
            uint64_t at = i == copies - 1 ? t->at.norm
                                          : t->at.layer + i / 2 * t->at.stride +
                                                (i % 2 ? t->at.norm2 : t->at.norm1);
            for (uint32_t j = 0; j < width; j++) {
                double expected = first ? 0 : before[at + j];
                for (uint32_t b = 0; b < t->row_blocks; b++)
                    expected += lab_get(lab, lab_at(lab, KERN_BUF_GAIN_SLOT, i) + b * width + j);
                double got = lab_get(lab, lab_at(lab, KERN_BUF_GRADIENTS, 0) + at + j);
                if (!(fabs(got - expected) < 1e-12))
                    T_FAIL("gain %u, %u: %.15g, expected %.15g", i, j, got, expected);
            }
        }
    }
    for (uint64_t i = 0; i < t->parameters; i++) {
        double g = lab_get(lab, lab_at(lab, KERN_BUF_GRADIENTS, 0) + i);
        sum += g * g;
    }
    lab_op(lab, KERN_SQUARES, 0);
    lab_op(lab, KERN_NORM, 0);
    T_TRUE(fabs(lab->verdict.norm - sqrt(sum)) < 1e-10 * sqrt(sum));
    T_TRUE(fabs(lab->verdict.scale - 1 / (sqrt(sum) + 1e-6)) < 1e-12);
    T_TRUE(lab->verdict.update);
    lab->run.clip = 2 * sqrt(sum);
    lab_op(lab, KERN_NORM, 0);
    T_TRUE(lab->verdict.scale == 1);
    lab->run.step_targets = 0;
    lab_op(lab, KERN_NORM, 0);
    T_TRUE(!lab->verdict.update);
    lab->run.step_targets = 1;
    lab_set(lab, lab_at(lab, KERN_BUF_SQUARES, 0), NAN);
    lab_op(lab, KERN_NORM, 0);
    T_TRUE(!lab->verdict.update);
    free(before);
    lab_free(lab);
}

/* AdamW in the order of torch.optim.AdamW, tensor by tensor from the canonical list. */
T_CASE(adamw)
{
    struct shape s = shapes(1);
    struct lab *lab = start(&s, 31);
    const struct kern_table *t = lab->table;
    const struct kern_run *r = &lab->run;
    enum kern_buffer ids[4] = {KERN_BUF_WEIGHTS, KERN_BUF_GRADIENTS, KERN_BUF_MOMENT1,
                               KERN_BUF_MOMENT2};
    double *old[4];

    for (unsigned i = 0; i < 4; i++) {
        lab_fill(lab, ids[i], 0, 0.5, i == 3 ? 0.6 : 0, 32 + i);
        old[i] = copy(lab, lab_at(lab, ids[i], 0), t->parameters);
    }
    lab->verdict = (struct kern_verdict){1, 0.25, false};
    lab_op(lab, KERN_ADAMW, 0);
    for (uint64_t i = 0; i < t->parameters; i++)
        T_TRUE(lab_get(lab, lab_at(lab, KERN_BUF_WEIGHTS, 0) + i) == old[0][i]);
    lab->verdict.update = true;
    lab_op(lab, KERN_ADAMW, 0);
    for (uint32_t k = 0; k < kern_tensor_count(&t->model); k++) {
        struct kern_tensor tensor;
        kern_tensor_at(&t->model, k, &tensor);
        for (uint64_t j = 0; j < (uint64_t)tensor.rows * tensor.cols; j++) {
            uint64_t i = tensor.offset + j;
            double g = 0.25 * old[1][i], w = old[0][i];
            double m1 = old[2][i] + (g - old[2][i]) * (1 - r->beta1);
            double m2 = old[3][i] * r->beta2 + (1 - r->beta2) * g * g;
            if (tensor.decay)
                w *= 1 - r->lr * r->weight_decay;
            w -= r->lr / r->bias1 * m1 / (sqrt(m2) / sqrt(r->bias2) + r->adam_eps);
            double got = lab_get(lab, lab_at(lab, KERN_BUF_WEIGHTS, 0) + i);
            if (!(fabs(got - w) < 1e-13))
                T_FAIL("%s %" PRIu64 ": %.15g, expected %.15g", tensor.name, j, got, w);
            T_TRUE(fabs(lab_get(lab, lab_at(lab, KERN_BUF_MOMENT1, 0) + i) - m1) < 1e-14);
            T_TRUE(fabs(lab_get(lab, lab_at(lab, KERN_BUF_MOMENT2, 0) + i) - m2) < 1e-14);
        }
    }
    for (unsigned i = 0; i < 4; i++)
        free(old[i]);
    lab_free(lab);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
