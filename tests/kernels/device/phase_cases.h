/*
 * The shapes and numbers that every phase is checked on (phase_check.h): a step of one or two
 * micro-batches, then a validation slot. Small, as twins in double on one core are what takes time.
 */
#ifndef TEST_KERNELS_PHASE_CASES_H
#define TEST_KERNELS_PHASE_CASES_H

#include "kern/device/validate.h"
#include "phase_check.h"

#include <time.h>

#define PHASE_CASES_LR 1e-3
#define PHASE_CASES_BIAS1 0.1
#define PHASE_CASES_BIAS2 0.05

/* What the weights have that random ones have not. */
enum phase_numbers {
    PHASE_PLAIN = 0,
    PHASE_OUTLIER,    /* a channel of the residual stream 300 times the others */
    PHASE_OFFSET,     /* all logits of a row near 100 */
    PHASE_NO_TARGETS, /* a step without any: nothing may change */
};

struct phase_case {
    const char *name;
    uint32_t layers, width, heads, kv_heads, head_dim, ffn, vocab, rows, seq_len;
    bool untied, segments, forward_only;
    unsigned micros;
    enum phase_numbers numbers;
    bool recompute;
};

/* clang-format off */
static const struct phase_case phase_cases[] = {
    /* name                    L  width  h kv  hd  ffn vocab rows  T   untied seg    fwd    micros */
    {"one_token",              1,   8,   1, 1,  64,  8,    2,  1,   1, false, false, false, 1, PHASE_PLAIN, false},
    {"faults",                 1,  72,   2, 1,  64,  40,   77, 1,  70, true,  true,  false, 1, PHASE_PLAIN, false},
    {"head_64",                2, 136,   3, 1,  64, 200, 301,  3,  77, false, true,  false, 2, PHASE_PLAIN, false},
    {"grouped_64_untied",      1, 256,   4, 2,  64, 264, 1001, 2, 200, true,  true,  false, 2, PHASE_PLAIN, false},
    {"head_128",               1, 264,   2, 2, 128, 200, 777,  2, 130, false, false, false, 1, PHASE_PLAIN, false},
    {"grouped_128",            1,  72,   3, 1, 128, 200,  77,  3, 175, true,  true,  false, 2, PHASE_PLAIN, false},
    {"many_heads",             1,  72,   4, 2,  64,  40,   77, 24, 150, false, true,  false, 1, PHASE_PLAIN, false},
    {"width_768",              1, 768,   2, 1,  64, 136, 264,  1, 128, false, true,  false, 1, PHASE_PLAIN, false},
    {"large_tiles",            1, 136,   1, 1,  64, 136,  40, 64, 100, false, true,  false, 1, PHASE_PLAIN, false},
    {"large_logits",           1,  64,   1, 1,  64,  64, 1001, 13, 128, false, true, false, 1, PHASE_PLAIN, false},
    {"head_chunks",            1,   8,   1, 1,  64,   8, 1100, 68, 128, true, false, false, 1, PHASE_PLAIN, false},
    {"outlier",                2, 128,   2, 2,  64, 192, 301,  2, 150, true,  true,  false, 1, PHASE_OUTLIER, false},
    {"offset",                 1, 128,   2, 2,  64, 192, 1001, 2, 150, true,  true,  false, 1, PHASE_OFFSET, false},
    {"no_targets",             1,  64,   1, 1,  64,  64,   77, 2,  40, false, true,  false, 1, PHASE_NO_TARGETS, false},
    {"scanned",                1, 128,   2, 1,  64, 192, 4099, 2, 150, false, true,  false, 2, PHASE_PLAIN, false},
    {"scanned_narrow",         1,  72,   1, 1,  64,  64, 4200, 1,  70, true,  true,  false, 1, PHASE_PLAIN, false},
    {"scanned_offset",         1, 128,   1, 1,  64,  64, 4100, 1, 130, true,  true,  false, 1, PHASE_OFFSET, false},
    {"scanned_no_targets",     1,  64,   1, 1,  64,  64, 4096, 2,  40, false, true,  false, 1, PHASE_NO_TARGETS, false},
    {"scanned_forward",        1, 128,   2, 1,  64, 200, 4100, 2, 150, false, true,  true,  0, PHASE_PLAIN, false},
    {"forward_only",           2, 136,   2, 1,  64, 200, 301,  2, 150, false, true,  true,  0, PHASE_PLAIN, false},
    {"recompute",              3,  72,   2, 1,  64,  72,  77,  2, 150, false, true,  false, 2, PHASE_PLAIN, true},
};
/* clang-format on */
#define PHASE_CASES (sizeof phase_cases / sizeof phase_cases[0])

static inline struct kern_config phase_case_config(const struct phase_case *s)
{
    struct kern_config c = lab_config(s->layers, s->width, s->heads, s->kv_heads, s->head_dim,
                                      s->ffn, s->vocab, s->untied, s->rows, s->seq_len);
    c.forward_only = s->forward_only;
    c.recompute = s->recompute;
    c.launch = KERN_STEPWISE;
    c.deadline = 5;
    return c;
}

/* Column `column` of the embedding to value + spread * [-1, 1), of the head to `head` (0: left), and
 * what each layer's first norm makes of it.
 * Attention gets it down to the size of the others: where all values that a query sees are alike but
 * for a hundredth, delta from a MIX in bf16 leaves nothing of dq, in any flash attention. */
static inline void phase_case_column(const struct kern_model *m, float *canonical, uint32_t column,
                                     double value, double spread, double head, double gain,
                                     uint64_t seed)
{
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        if (strstr(t.name, "input_layernorm"))
            canonical[t.offset + column] = (float)gain;
        for (uint32_t row = 0; row < t.rows; row++) {
            float *at = canonical + t.offset + (uint64_t)row * t.cols + column;
            if (strstr(t.name, "embed_tokens"))
                *at = (float)(value + spread * lab_uniform(&seed));
            else if (strstr(t.name, "lm_head") && head > 0)
                *at = (float)head;
        }
    }
}

static inline void phase_case_numbers(const struct phase_case *s, struct device_lab *lab,
                                      uint64_t seed)
{
    const struct kern_model *m = &lab->config.model;
    float *canonical = device_lab_canonical(m, false, seed);

    if (s->numbers == PHASE_OUTLIER)
        phase_case_column(m, canonical, 5, 0, 300, 0, 1 / 300.0, seed);
    if (s->numbers == PHASE_OFFSET)
        phase_case_column(m, canonical, 0, 4, 0.05, 14, 0.02, seed);
    device_lab_set_weights(lab, canonical);
    free(canonical);
    if (s->forward_only)
        return;
    float *m1 = device_lab_at(lab, KERN_DEV_MOMENT1, 0),
          *m2 = device_lab_at(lab, KERN_DEV_MOMENT2, 0);
    for (uint64_t i = 0; i < lab->table->layout.size; i++) {
        double u = lab_uniform(&seed);
        m1[i] = (float)(1e-3 * u);
        m2[i] = (float)(1e-5 * u * u);
    }
}

static inline void phase_case_rows(const struct phase_case *s, struct device_lab *lab,
                                   uint64_t seed)
{
    device_lab_rows(lab, s->segments, seed);
    if (s->numbers == PHASE_NO_TARGETS)
        memset(lab->targets, 0xff, lab->table->tokens * sizeof *lab->targets);
}

/* That the numbers are what the case says they are. */
static inline void phase_case_premise(const struct phase_case *s, struct phase_check *c,
                                      const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->lab->table;
    const uint16_t *logits = device_lab_at(c->lab, KERN_DEV_LOGITS_OUT, 0);
    const float *lses = device_lab_at(c->lab, KERN_DEV_SPAN_LSE, 0);
    const uint16_t *x = device_lab_at(c->lab, KERN_DEV_X, t->model.layers);
    double sum = 0, channel = 0, others = 0;

    if (p->op != KERN_DEV_LOGITS && p->op != KERN_DEV_HEAD_SCAN)
        return;
    if (t->head_scanned) /* a mean, as good as another */
        for (uint64_t i = 0; i < (uint64_t)t->tokens * t->head_splits; i++)
            sum += (double)lses[i] - log(t->head_span);
    else
        for (uint64_t n = 0; n < p->rows; n++)
            for (uint32_t id = 0; id < t->model.vocab; id++)
                sum += (double)device_lab_from_bf16(logits[n * t->vocab_padded + id]);
    sum /= t->head_scanned ? (double)t->tokens * t->head_splits : (double)p->rows * t->model.vocab;
    for (uint64_t i = 0; i < (uint64_t)t->tokens * t->model.width; i++) {
        double v = (double)device_lab_from_bf16(x[i]);
        *(i % t->model.width == 5 ? &channel : &others) += v * v;
    }
    channel = sqrt(channel / others * (t->model.width - 1));
    if (s->numbers == PHASE_OFFSET && !(sum > 50 && sum < 200))
        phase_check_fail(c, p, "the mean of the logits is %.3g, not about 100", sum);
    if (s->numbers == PHASE_OUTLIER && !(channel > 100 && channel < 1000))
        phase_check_fail(c, p, "the outlier is %.3g times the others, not about 300", channel);
}

/* The result that the device posts for a step or a validation slot. */
static inline void phase_case_result(struct phase_check *c, double nll)
{
    const struct kern_device_twin *t = &c->lab->twin;
    const struct kern_device_phase *p = &t->table->phases[t->table->phase_count - 1];
    bool train = t->slot.kind == KERN_TRAIN, wanted = !train || t->slot.when == KERN_DEV_LAST;
    struct kern_result r = {0};

    if (!c->device.result)
        return;
    if (c->device.result(c->device.context, &r) != wanted) {
        phase_check_fail(c, p, wanted ? "no result" : "a result before the step's end");
        return;
    }
    if (!wanted)
        return;
    if (!(fabs(r.nll - nll) <= KERN_DEVICE_TOLERANCE_F32 * nll) ||
        r.targets != (train ? t->slot.step_targets : t->slot.targets))
        phase_check_fail(c, p, "loss %.9g of %llu targets, the twin's is %.9g", r.nll,
                         (unsigned long long)r.targets, nll);
    if (train && (!(fabs(r.grad_norm - t->norm) <= KERN_DEVICE_TOLERANCE_F32 * t->norm) ||
                  r.updated != (t->updated != 0)))
        phase_check_fail(c, p, "norm %.9g, updated %d; the twin has %.9g, %d", r.grad_norm,
                         r.updated, t->norm, (int)t->updated);
}

static inline void phase_case_slot(const struct phase_case *s, struct phase_check *c,
                                   enum kern_slot_kind kind, bool first, bool last,
                                   uint64_t step_targets, double *nll)
{
    struct device_lab *lab = c->lab;
    const struct kern_device_table *t = lab->table;

    device_lab_slot(lab, kind, first, last, step_targets);
    if (!step_targets) /* device_lab_slot counts them itself */
        step_targets = lab->twin.slot.step_targets;
    c->slot = (struct kern_slot){.kind = kind,
                                 .step = 1,
                                 .rows = t->rows,
                                 .tokens = lab->tokens,
                                 .targets = lab->targets,
                                 .first = lab->first,
                                 .first_micro = first,
                                 .last_micro = last,
                                 .step_targets = step_targets,
                                 .lr = PHASE_CASES_LR,
                                 .bias1 = PHASE_CASES_BIAS1,
                                 .bias2 = PHASE_CASES_BIAS2};
    for (uint32_t i = 0; i < t->phase_count; i++)
        if (t->phases[i].when <= lab->twin.slot.when)
            phase_check_run(c, i), phase_case_premise(s, c, &t->phases[i]);
    *nll += lab->twin.nll;
    phase_case_result(c, *nll);
}

/* The whole case on `device`, which serves the lab's table. */
static inline uint64_t phase_case_walk(const struct phase_case *s, struct device_lab *lab,
                                       struct phase_device device, bool quiet, uint64_t seed,
                                       struct phase_worst *worst)
{
    struct phase_check c;
    struct kern_error error = {0};
    uint64_t step_targets = 0, failures = 0;
    double nll = 0;

    phase_check_init(&c, s->name, lab, device, worst);
    c.quiet = quiet;
    c.offset = s->numbers == PHASE_OFFSET;
    if (kern_device_validate(lab->table, &error) != KERN_OK)
        phase_check_fail(&c, lab->table->phases, "%s", error.message);
    phase_case_numbers(s, lab, seed);
    for (unsigned m = 0; m < s->micros; m++) {
        phase_case_rows(s, lab, seed + 1 + m);
        step_targets += device_lab_targets(lab);
    }
    for (unsigned m = 0; m < s->micros; m++) {
        phase_case_rows(s, lab, seed + 1 + m);
        phase_case_slot(s, &c, KERN_TRAIN, m == 0, m + 1 == s->micros, step_targets, &nll);
    }
    nll = 0;
    phase_case_rows(s, lab, seed + 9);
    phase_case_slot(s, &c, KERN_VALIDATE, true, true, 0, &nll);
    failures = c.failures;
    phase_check_done(&c);
    return failures;
}

static inline struct device_lab *phase_case_lab(const struct phase_case *s, uint64_t seed)
{
    struct kern_config config = phase_case_config(s);
    return device_lab_new(&config, s->segments, seed);
}

/* NGT_TEST_SEED, or the clock's. */
static inline uint64_t phase_case_seed(void)
{
    const char *given = getenv("NGT_TEST_SEED");
    struct timespec t = {0};
    uint64_t seed = 0;

    clock_gettime(CLOCK_REALTIME, &t);
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)t.tv_sec ^ (uint64_t)t.tv_nsec << 20;
    printf("NGT_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

#endif
