/*
 * Every float phase against the double reference, phase by phase through a whole step: before each,
 * both arenas hold the same numbers (those of the double run, rounded to float), what the phase is
 * to overwrite is not-a-number, and afterwards only what the table says it writes may have changed.
 */
#include "t.h"

#include "kern/attention.h"
#include "kern/embed.h"
#include "kern/head.h"
#include "kern/mlp.h"
#include "kern/update.h"
#include "lab.h"

static double tolerance(enum kern_op op)
{
    switch (op) {
    case KERN_QKV_FORWARD:
    case KERN_QKV_BACKWARD:
        return KERN_QKV_TOLERANCE;
    case KERN_ATTENTION_FORWARD:
    case KERN_ATTENTION_BACKWARD:
    case KERN_OUT_FORWARD:
    case KERN_OUT_BACKWARD:
        return KERN_ATTENTION_TOLERANCE;
    case KERN_GATE_UP_FORWARD:
    case KERN_GATE_UP_BACKWARD:
    case KERN_DOWN_FORWARD:
    case KERN_DOWN_BACKWARD:
        return KERN_MLP_TOLERANCE;
    case KERN_FINAL_NORM_FORWARD:
    case KERN_LOGITS:
    case KERN_LOSS:
    case KERN_HEAD_BACKWARD:
    case KERN_FINAL_NORM_BACKWARD:
        return KERN_HEAD_TOLERANCE;
    default:
        return KERN_UPDATE_TOLERANCE;
    }
}

static bool stands_in(const uint8_t *list, unsigned n, unsigned id)
{
    for (unsigned i = 0; i < n; i++)
        if (list[i] == id)
            return true;
    return false;
}

/* Rounds the double arena to floats and gives the float arena the same numbers. */
static void equalise(struct lab *exact, struct lab *fast)
{
    double *e = exact->arena;
    float *f = fast->arena;

    for (uint64_t i = 0; i < exact->table->plan.size; i++)
        e[i] = (double)(f[i] = (float)e[i]);
    fast->verdict = exact->verdict;
}

/* The copy that a phase of layer l writes or reads of a buffer. */
static uint32_t copy_for(const struct kern_phase *p, unsigned id)
{
    if (id == KERN_BUF_X)
        return p->op == KERN_DOWN_FORWARD ? p->layer + 1 : p->layer;
    return p->layer;
}

static void poison(struct lab *lab, const struct kern_phase *p)
{
    for (unsigned i = 0; i < KERN_PHASE_WRITES && p->writes[i] != KERN_NO_BUFFER; i++) {
        unsigned id = p->writes[i];
        const struct kern_place *place = &lab->table->plan.at[id];
        /* In place, or a buffer of which this phase writes a part only. */
        if (stands_in(p->reads, KERN_PHASE_READS, id) || id == KERN_BUF_GAIN_SLOT || p->part ||
            id == KERN_BUF_DX || id == KERN_BUF_LOGSUM || id == KERN_BUF_NLL)
            continue;
        uint32_t copies = id == KERN_BUF_HEAD_SLOT ? lab->table->vocab_groups : 1;
        for (uint32_t c = 0; c < copies; c++)
            for (uint64_t j = 0; j < place->size; j++)
                lab_set(lab,
                        lab_at(lab, (enum kern_buffer)id, copies > 1 ? c : copy_for(p, id)) + j,
                        NAN);
    }
}

/* Every buffer that the table does not name for this phase. */
static void blank_others(struct lab *lab, const struct kern_phase *p)
{
    const struct kern_plan *plan = &lab->table->plan;

    for (unsigned id = 0; id < KERN_BUFFER_COUNT; id++) {
        uint64_t end = id + 1 < KERN_BUFFER_COUNT ? plan->at[id + 1].offset : plan->size;
        if (!stands_in(p->reads, KERN_PHASE_READS, id) &&
            !stands_in(p->writes, KERN_PHASE_WRITES, id))
            memset((float *)lab->arena + plan->at[id].offset, 0xff,
                   (end - plan->at[id].offset) * sizeof(float));
    }
}

/* Relative error over a stretch; NaN must be NaN in both. */
static double difference(const struct lab *exact, const struct lab *fast, uint64_t at, uint64_t n)
{
    double error = 0, size = 0;

    for (uint64_t i = at; i < at + n; i++) {
        double a = lab_get(exact, i), b = lab_get(fast, i);
        if (isnan(a) != isnan(b))
            return INFINITY;
        if (isnan(a))
            continue;
        error += (a - b) * (a - b);
        size += a * a;
    }
    return size > 0 ? sqrt(error / size) : sqrt(error);
}

struct twins {
    const char *name;
    struct lab *exact, *fast;
    float *before;
    double worst[KERN_OP_COUNT];
};

static void compare(struct twins *w, const struct kern_phase *p)
{
    const struct kern_plan *plan = &w->exact->table->plan;
    double allowed = tolerance(p->op);

    for (unsigned id = 0; id < KERN_BUFFER_COUNT; id++) {
        const struct kern_place *place = &plan->at[id];
        uint64_t end = id + 1 < KERN_BUFFER_COUNT ? plan->at[id + 1].offset : plan->size;

        if (!stands_in(p->writes, KERN_PHASE_WRITES, id)) {
            if (memcmp((float *)w->fast->arena + place->offset, w->before + place->offset,
                       (end - place->offset) * sizeof(float)) != 0)
                T_FAIL("%s: %s changed buffer %u, which the table does not say", w->name,
                       kern_op_name(p->op), id);
            continue;
        }
        if (p->op == KERN_HEAD_BACKWARD && id == KERN_BUF_LOGITS)
            continue; /* undefined by contract */
        /* Copy by copy: a small one must not hide behind a large one. */
        uint64_t step = place->stride ? place->stride : end - place->offset;
        for (uint64_t at = place->offset; at < end; at += step) {
            double error = difference(w->exact, w->fast, at, place->size);
            if (error > w->worst[p->op])
                w->worst[p->op] = error;
            if (!(error <= allowed))
                T_FAIL("%s: %s, layer %u, part %u: buffer %u is off by %g, allowed %g", w->name,
                       kern_op_name(p->op), p->layer, p->part, id, error, allowed);
        }
    }
}

static void step(struct twins *w)
{
    const struct kern_table *t = w->exact->table;

    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_phase *p = &t->phases[i];

        equalise(w->exact, w->fast);
        poison(w->exact, p);
        poison(w->fast, p);
        blank_others(w->fast, p);
        memcpy(w->before, w->fast->arena, t->plan.size * sizeof(float));
        memset(w->fast->scratch, 0xff, t->plan.scratch);
        lab_phase(w->exact, p);
        lab_phase(w->fast, p);
        compare(w, p);
        if (p->op == KERN_NORM) {
            struct kern_verdict *a = &w->exact->verdict, *b = &w->fast->verdict;
            T_TRUE(fabs(a->norm - b->norm) <= KERN_UPDATE_TOLERANCE * a->norm);
            T_EQ_INT(a->update, b->update);
        }
    }
}

static void check_twins(const char *name, unsigned isa, struct kern_config config, double scale)
{
    uint64_t seed = 41;
    struct twins w = {.name = name,
                      .exact = lab_new(&config, true, true, seed),
                      .fast = lab_new(&config, false, true, seed)};
    const struct kern_table *t = w.exact->table;

    w.before = calloc(t->plan.size, sizeof(float));
    T_REQUIRE(w.before);
    kern_functions_fill(&w.fast->functions, isa);
    lab_fill_weights(w.exact, seed);
    for (uint64_t i = 0; scale != 1 && i < t->at.layer; i++) { /* the embedding, larger */
        uint64_t at = lab_at(w.exact, KERN_BUF_WEIGHTS, 0) + i;
        lab_set(w.exact, at, scale * lab_get(w.exact, at));
    }
    lab_fill(w.exact, KERN_BUF_MOMENT1, 0, 0.1, 0, seed);
    lab_fill(w.exact, KERN_BUF_MOMENT2, 0, 0.1, 0.11, seed);
    step(&w);
    for (uint64_t i = 0; i < t->parameters; i++)
        if (isnan(lab_get(w.fast, lab_at(w.fast, KERN_BUF_GRADIENTS, 0) + i))) {
            T_FAIL("%s: gradient %" PRIu64 " was never written", name, i);
            break;
        }
    /* A second micro-batch: weight gradients are added to. */
    w.exact->run.first_micro = w.fast->run.first_micro = false;
    step(&w);
    unsigned top = 0;
    for (unsigned op = 0; op < KERN_OP_COUNT; op++)
        top = w.worst[op] > w.worst[top] ? op : top;
    printf("%s, isa %x: worst relative error %.1e in %s\n", name, isa, w.worst[top],
           kern_op_name((enum kern_op)top));
    free(w.before);
    lab_free(w.exact);
    lab_free(w.fast);
}

static void all_isas(const char *name, struct kern_config config, double scale)
{
    unsigned here = kern_isa_here();

    check_twins(name, 0, config, scale);
    check_twins(name, KERN_ISA_VECTOR, config, scale);
    if (here & KERN_ISA_AVX2_FMA)
        check_twins(name, KERN_ISA_AVX2_FMA, config, scale);
}

T_CASE(head_64)
{
    all_isas("head 64", lab_config(2, 24, 2, 2, 64, 40, 61, false, 2, 40), 1);
}

T_CASE(grouped_128_untied)
{
    all_isas("grouped 128, untied", lab_config(1, 33, 4, 2, 128, 29, 100, true, 2, 70), 1);
}

/* Odd widths everywhere, sequences of one token. */
T_CASE(odd)
{
    all_isas("odd", lab_config(1, 1, 1, 1, 2, 1, 2, false, 1, 1), 1);
    all_isas("odd", lab_config(1, 7, 3, 1, 6, 5, 17, true, 3, 1), 1);
    all_isas("odd", lab_config(2, 7, 3, 3, 6, 5, 17, false, 3, 11), 1);
    all_isas("odd", lab_config(1, 17, 3, 1, 10, 9, 33, true, 1, 67), 1);
}

/* Two head chunks, several row blocks, more than one panel in each direction. */
T_CASE(many_tiles)
{
    all_isas("many tiles", lab_config(1, 40, 2, 1, 20, 300, 1037, false, 4, 75), 1);
}

/* Depths beyond one panel in every product, the head's too. */
T_CASE(wide)
{
    all_isas("wide", lab_config(1, 300, 3, 1, 100, 280, 530, true, 1, 40), 1);
}

/* Logits far apart: the softmax must take its maximum first. */
T_CASE(large_logits)
{
    all_isas("large logits", lab_config(1, 24, 2, 2, 12, 20, 90, false, 2, 40), 60);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
