/*
 * The CPU backend: the phase table in fp32 on the caller's workers. One run of the workers per
 * slot, in which they walk the table together with a barrier between phases, as the blocks of the
 * resident kernel do. Everything is allocated at the start.
 *
 * Invariants: tiles of a phase are handed out by a ticket, so any worker may work any tile; no
 * result depends on which (kern/phase.h). A slot with fewer rows than the table's is filled up with
 * rows of padding: same tiles, same bits.
 */
#include "kern/cpu.h"
#include "backend_ops.h"
#include "barrier.h"
#include "kern/backend.h"
#include "kern/functions.h"
#include "kern/qkv.h"
#include "kern/table.h"
#include "slot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

/* A worker's clocks, on lines of their own. */
struct lane {
    _Alignas(64) double op_seconds[KERN_OP_COUNT];
};

/* What a result sums up: one slot, or the micro-batches of a step. */
struct tally {
    double nll, compute, wait, busy;
};

struct cpu {
    struct kern_backend base;
    struct kern_config config;
    struct kern_workers workers;
    struct kern_table *table;
    struct kern_functions functions;
    struct kern_run run;
    struct kern_verdict verdict;

    float *arena;
    unsigned char *scratch; /* [workers] of table->plan.scratch */
    uint32_t *tokens, *targets, *first;
    atomic_uint *tickets; /* [phase_count] next tile */
    struct lane *lanes;   /* [workers] */
    struct kern_barrier barrier;
    enum kern_when limit; /* phases beyond it sit this slot out */

    struct tally step; /* of the training step under way; a validation between may not touch it */
    double idle_since; /* when the last slot ended; 0 before the first */

    float *snapshot; /* [3][parameters], made with the first one */

    struct kern_results results;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Whole huge pages: the weights and logits are walked in long strides, and 4 KB pages would miss
 * the TLB on each. */
static void *allocate(size_t bytes)
{
    const size_t page = (size_t)2 << 20, line = 64;
    size_t unit = bytes >= page ? page : line;
    size_t rounded = (bytes + unit - 1) / unit * unit;
    void *p = NULL;

    if (rounded < bytes)
        return NULL;
    p = aligned_alloc(unit, rounded ? rounded : unit);
    if (!p)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (unit == page)
        (void)madvise(p, rounded, MADV_HUGEPAGE);
#endif
    return memset(p, 0, rounded ? rounded : unit);
}

static void cpu_free(struct kern_backend *b)
{
    struct cpu *c = (struct cpu *)b;

    kern_table_free(&c->table);
    free(c->arena);
    free(c->scratch);
    free(c->tokens);
    free(c->targets);
    free(c->first);
    free(c->tickets);
    free(c->lanes);
    kern_results_done(&c->results);
    free(c->snapshot);
    free(c);
}

/* What every worker does with a slot. */
static void walk(void *arg, unsigned worker)
{
    struct cpu *c = arg;
    const struct kern_table *t = c->table;
    void *scratch = c->scratch + worker * t->plan.scratch;

    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_phase *p = &t->phases[i];
        kern_phase_fn *run = c->functions.run[p->op];
        double start = 0;

        if (p->when > c->limit)
            continue;
        start = now();
        for (;;) {
            uint32_t tile = atomic_fetch_add_explicit(&c->tickets[i], 1, memory_order_relaxed);
            if (tile >= p->tiles)
                break;
            run(&c->run, p, tile, scratch);
        }
        c->lanes[worker].op_seconds[p->op] += now() - start;
        kern_barrier_wait(&c->barrier);
    }
}

static double busy_seconds(const struct cpu *c)
{
    double sum = 0;
    for (unsigned w = 0; w < c->workers.count; w++)
        for (unsigned op = 0; op < KERN_OP_COUNT; op++)
            sum += c->lanes[w].op_seconds[op];
    return sum;
}

static void work_slot(struct cpu *c, const struct kern_slot *s, struct tally *tally)
{
    double start = now(), busy = busy_seconds(c);

    tally->wait += c->idle_since > 0 ? start - c->idle_since : 0;
    kern_slot_rows(&c->config, s, c->tokens, c->targets, c->first);
    c->limit = s->kind != KERN_TRAIN ? KERN_WHEN_ALWAYS
               : s->last_micro       ? KERN_WHEN_LAST
                                     : KERN_WHEN_TRAINING;
    c->run.first_micro = s->first_micro;
    c->run.step_targets = s->step_targets;
    c->run.lr = s->lr;
    c->run.bias1 = s->bias1;
    c->run.bias2 = s->bias2;
    for (uint32_t i = 0; i < c->table->phase_count; i++)
        atomic_store_explicit(&c->tickets[i], 0, memory_order_relaxed);
    c->workers.run(c->workers.context, walk, c);

    const float *nll = c->arena + c->table->plan.at[KERN_BUF_NLL].offset;
    for (uint32_t n = 0; n < c->table->tokens; n++)
        tally->nll += (double)nll[n];
    c->idle_since = now();
    tally->compute += c->idle_since - start;
    tally->busy += busy_seconds(c) - busy;
}

static enum kern_status cpu_submit(struct kern_backend *b, const struct kern_slot *s,
                                   struct kern_error *reterr)
{
    struct cpu *c = (struct cpu *)b;
    enum kern_status status = KERN_OK;
    bool train = s->kind == KERN_TRAIN;
    struct tally single = {0}, *tally = train ? &c->step : &single;
    uint64_t targets = 0;

    if (s->kind == KERN_STOP)
        return KERN_OK;
    status = kern_slot_check(&c->config, s, reterr);
    if (status != KERN_OK)
        return status;
    if (train && s->first_micro)
        c->step = (struct tally){0};
    work_slot(c, s, tally);
    if (train && !s->last_micro)
        return KERN_OK;
    targets = kern_slot_targets(&c->config, s);
    return kern_results_push(&c->results,
                             &(struct kern_result){
                                 .kind = s->kind,
                                 .step = s->step,
                                 .targets = train ? s->step_targets : targets,
                                 .nll = tally->nll,
                                 .grad_norm = train ? c->verdict.norm : 0,
                                 .updated = train && c->verdict.update,
                                 .compute_seconds = tally->compute,
                                 .wait_seconds = tally->wait,
                                 .busy = tally->busy / (tally->compute * c->workers.count),
                             },
                             reterr);
}

static enum kern_status cpu_collect(struct kern_backend *b, bool wait, bool *ret_have,
                                    struct kern_result *ret_result, struct kern_error *reterr)
{
    struct cpu *c = (struct cpu *)b;

    (void)wait, (void)reterr; /* submit has done the work: nothing is ever outstanding */
    *ret_have = kern_results_pop(&c->results, ret_result);
    return KERN_OK;
}

static float *state_at(struct cpu *c, enum kern_state which, struct kern_error *reterr)
{
    static const enum kern_buffer ids[] = {
        [KERN_WEIGHTS] = KERN_BUF_WEIGHTS,
        [KERN_MOMENT1] = KERN_BUF_MOMENT1,
        [KERN_MOMENT2] = KERN_BUF_MOMENT2,
        [KERN_GRADIENTS] = KERN_BUF_GRADIENTS,
    };
    const struct kern_place *p = &c->table->plan.at[ids[which]];

    if (!p->size) {
        (void)kern_fail(reterr, KERN_E_SHAPE,
                        "a forward-only backend keeps weights alone: no moments, no gradients");
        return NULL;
    }
    return c->arena + p->offset;
}

static enum kern_status cpu_state_get(struct kern_backend *b, enum kern_state which,
                                      float *ret_values, struct kern_error *reterr)
{
    struct cpu *c = (struct cpu *)b;
    const float *from = state_at(c, which, reterr);

    if (!from)
        return KERN_E_SHAPE;
    memcpy(ret_values, from, c->table->parameters * sizeof *from);
    return KERN_OK;
}

static enum kern_status cpu_state_set(struct kern_backend *b, enum kern_state which,
                                      const float *values, struct kern_error *reterr)
{
    struct cpu *c = (struct cpu *)b;
    float *to = NULL;

    if (which == KERN_GRADIENTS)
        return kern_fail(reterr, KERN_E_SHAPE, "gradients can be read only");
    to = state_at(c, which, reterr);
    if (!to)
        return KERN_E_SHAPE;
    memcpy(to, values, c->table->parameters * sizeof *to);
    return KERN_OK;
}

static enum kern_status cpu_snapshot_take(struct kern_backend *b, struct kern_error *reterr)
{
    struct cpu *c = (struct cpu *)b;
    uint64_t count = c->table->parameters;

    if (!c->snapshot)
        c->snapshot = allocate(3 * count * sizeof *c->snapshot);
    if (!c->snapshot)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for %.2f GB of a checkpoint",
                         3 * (double)count * sizeof *c->snapshot / 1e9);
    for (int which = KERN_WEIGHTS; which <= KERN_MOMENT2; which++) {
        const float *from = state_at(c, (enum kern_state)which, reterr);
        if (!from)
            return KERN_E_SHAPE;
        memcpy(c->snapshot + (uint64_t)which * count, from, count * sizeof *from);
    }
    return KERN_OK;
}

static enum kern_status cpu_snapshot_get(struct kern_backend *b, enum kern_state which,
                                         float *ret_values, struct kern_error *reterr)
{
    const struct cpu *c = (const struct cpu *)b;
    uint64_t count = c->table->parameters;

    if (!c->snapshot || which > KERN_MOMENT2)
        return kern_fail(reterr, KERN_E_SHAPE, "no snapshot was taken of this");
    memcpy(ret_values, c->snapshot + (uint64_t)which * count, count * sizeof *ret_values);
    return KERN_OK;
}

static void cpu_describe(const struct kern_backend *b, struct kern_device_name *ret_name)
{
    const struct cpu *c = (const struct cpu *)b;
    snprintf(ret_name->name, sizeof ret_name->name, "CPU, %u threads", c->workers.count);
}

static const float *cpu_weights(struct kern_backend *b)
{
    struct cpu *c = (struct cpu *)b;
    return c->arena + c->table->plan.at[KERN_BUF_WEIGHTS].offset;
}

static const struct kern_backend_ops cpu_ops = {
    .free = cpu_free,
    .submit = cpu_submit,
    .collect = cpu_collect,
    .state_get = cpu_state_get,
    .state_set = cpu_state_set,
    .snapshot_take = cpu_snapshot_take,
    .snapshot_get = cpu_snapshot_get,
    .describe = cpu_describe,
    .weights = cpu_weights,
};

enum kern_status kern_cpu_new_isa(const struct kern_config *config,
                                  const struct kern_workers *workers, unsigned isa_mask,
                                  struct kern_backend **ret_backend, struct kern_error *reterr)
{
    struct cpu *c = NULL;
    enum kern_status status = KERN_OK;

    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
    if (!workers->count || workers->count > 4096)
        return kern_fail(reterr, KERN_E_SHAPE, "%u workers: 1 to 4096 are possible",
                         workers->count);
    c = allocate(sizeof *c);
    if (!c)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a backend");
    c->base = (struct kern_backend){&cpu_ops, config->model};
    c->config = *config;
    c->workers = *workers;
    status = kern_table_new(config, &c->table, reterr);
    if (status != KERN_OK)
        goto out;

    uint64_t tokens = c->table->tokens, floats = c->table->plan.size;
    c->arena = allocate(floats * sizeof *c->arena);
    c->scratch = allocate(workers->count * c->table->plan.scratch);
    c->tokens = allocate(tokens * sizeof *c->tokens);
    c->targets = allocate(tokens * sizeof *c->targets);
    c->first = allocate(tokens * sizeof *c->first);
    c->tickets = allocate(c->table->phase_count * sizeof *c->tickets);
    c->lanes = allocate(workers->count * sizeof *c->lanes);
    if (!c->arena || !c->scratch || !c->tokens || !c->targets || !c->first || !c->tickets ||
        !c->lanes || !kern_results_init(&c->results)) {
        status = kern_fail(reterr, KERN_E_NOMEM,
                           "no memory for %.2f GB of model and activations: take fewer rows a "
                           "micro-batch",
                           (double)floats * sizeof *c->arena / 1e9);
        goto out;
    }
    kern_functions_fill(&c->functions, isa_mask & kern_isa_here());
    kern_barrier_init(&c->barrier, workers->count);
    c->run = (struct kern_run){
        .table = c->table,
        .arena = c->arena,
        .tokens = c->tokens,
        .targets = c->targets,
        .first = c->first,
        .beta1 = (double)config->beta1,
        .beta2 = (double)config->beta2,
        .adam_eps = (double)config->adam_eps,
        .weight_decay = (double)config->weight_decay,
        .clip = (double)config->clip,
        .verdict = &c->verdict,
    };
    kern_f32_rope_fill(&c->run);
    *ret_backend = &c->base;
    return KERN_OK;

out:
    cpu_free(&c->base);
    return status;
}

enum kern_status kern_cpu_new(const struct kern_config *config, const struct kern_workers *workers,
                              struct kern_backend **ret_backend, struct kern_error *reterr)
{
    return kern_cpu_new_isa(config, workers, ~0u, ret_backend, reterr);
}

void kern_cpu_times(const struct kern_backend *b, double *ret_seconds)
{
    const struct cpu *c = (const struct cpu *)b;

    for (unsigned op = 0; op < KERN_OP_COUNT; op++) {
        ret_seconds[op] = 0;
        for (unsigned w = 0; w < c->workers.count; w++)
            ret_seconds[op] += c->lanes[w].op_seconds[op];
    }
}
