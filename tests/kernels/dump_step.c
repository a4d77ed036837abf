/*
 * Training steps of one model, from a raw file to a raw file, for scripts/compare-torch.
 *
 *   dump_step cpu|cuda|twin IN OUT
 *   dump_step LAYERS WIDTH HEADS KV_HEADS HEAD_DIM FFN VOCAB UNTIED ROWS SEQ_LEN    lists the
 * tensors
 *
 * IN, little-endian: those ten numbers and the micro-batches of a step as u32, the learning rate and
 * AdamW's eps as f64; then trials until the file ends. A trial: f32 weights in canonical order, then
 * for each micro-batch u32 tokens, targets and segment starts [ROWS * SEQ_LEN] each.
 * OUT, for each trial: f64 loss, f64 gradient norm, f32 gradients, f32 weights after the step.
 *
 * twin: what the CUDA kernels are held against, in double with bf16 where they store bf16. A stand-in
 * for them where there is no GPU; it is no backend and leaves the norm to the reader (NaN).
 */
#include "device_lab.h"
#include "kern/backend.h"
#include "pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHAPE 10

struct dump {
    FILE *in, *out;
    struct kern_config config;
    uint64_t parameters, positions;
    uint32_t micros;
    double lr;
    float *weights;
    uint32_t *batch;              /* [micros][3][positions] tokens, targets, segment starts */
    uint64_t targets;             /* of the step */
    struct kern_backend *backend; /* or */
    struct device_lab *lab;       /* the twins */
};

static struct kern_config config_of(const uint32_t n[SHAPE])
{
    return (struct kern_config){
        .model = {n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7] != 0, 1e-5f, 10000.0f},
        .rows = n[8],
        .seq_len = n[9],
        .beta1 = 0.9f,
        .beta2 = 0.95f,
        .adam_eps = 1e-8f,
        .weight_decay = 0.1f,
        .clip = 1,
        .deadline = 30,
    };
}

static void need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "dump_step: %s\n", what);
    exit(1);
}

static void must(enum kern_status status, const struct kern_error *error)
{
    if (status == KERN_E_UNAVAILABLE) {
        fprintf(stderr, "dump_step: %s\n", error->message);
        exit(77);
    }
    need(status == KERN_OK, error->message);
}

static void *room(uint64_t size, uint64_t n)
{
    void *p = calloc(n, size);
    need(p != NULL, "out of memory");
    return p;
}

static void take(FILE *f, void *to, uint64_t size, uint64_t n)
{
    need(fread(to, size, n, f) == n, "the input is too short");
}

static void give(FILE *f, const void *from, uint64_t size, uint64_t n)
{
    need(fwrite(from, size, n, f) == n, "cannot write");
}

static void list(char **argv)
{
    uint32_t shape[SHAPE];

    for (unsigned i = 0; i < SHAPE; i++)
        shape[i] = (uint32_t)atoi(argv[i]);
    struct kern_config c = config_of(shape);
    for (uint32_t i = 0; i < kern_tensor_count(&c.model); i++) {
        struct kern_tensor t;
        kern_tensor_at(&c.model, i, &t);
        printf("%s %u %u %llu\n", t.name, t.rows, t.cols, (unsigned long long)t.offset);
    }
}

static void open_input(struct dump *d)
{
    uint32_t head[SHAPE + 1];
    double rates[2];

    take(d->in, head, sizeof *head, SHAPE + 1);
    take(d->in, rates, sizeof *rates, 2);
    d->config = config_of(head);
    d->config.adam_eps = (float)rates[1];
    d->micros = head[SHAPE];
    d->lr = rates[0];
    d->parameters = kern_parameter_count(&d->config.model);
    d->positions = (uint64_t)d->config.rows * d->config.seq_len;
    d->weights = room(sizeof *d->weights, d->parameters);
    d->batch = room(sizeof *d->batch, 3 * d->positions * d->micros);
}

/* false: no more trials */
static bool next_trial(struct dump *d)
{
    uint64_t got = fread(d->weights, sizeof *d->weights, d->parameters, d->in);

    if (!got)
        return false;
    need(got == d->parameters, "the input is too short");
    take(d->in, d->batch, sizeof *d->batch, 3 * d->positions * d->micros);
    d->targets = 0;
    for (uint32_t m = 0; m < d->micros; m++)
        for (uint64_t i = 0; i < d->positions; i++)
            d->targets += d->batch[(3 * m + 1) * d->positions + i] != KERN_NO_TARGET;
    return true;
}

/* ---- a backend ---- */

static void give_state(struct dump *d, enum kern_state which)
{
    struct kern_error error = {0};

    must(kern_state_get(d->backend, which, d->weights, &error), &error);
    give(d->out, d->weights, sizeof *d->weights, d->parameters);
}

static void step_backend(struct dump *d)
{
    struct kern_error error = {0};
    struct kern_result result = {0};
    bool have = false;

    must(kern_state_set(d->backend, KERN_WEIGHTS, d->weights, &error), &error);
    memset(d->weights, 0, d->parameters * sizeof *d->weights);
    must(kern_state_set(d->backend, KERN_MOMENT1, d->weights, &error), &error);
    must(kern_state_set(d->backend, KERN_MOMENT2, d->weights, &error), &error);
    for (uint32_t m = 0; m < d->micros; m++) {
        const uint32_t *at = d->batch + 3 * m * d->positions;
        struct kern_slot slot = {.kind = KERN_TRAIN,
                                 .rows = d->config.rows,
                                 .tokens = at,
                                 .targets = at + d->positions,
                                 .first = at + 2 * d->positions,
                                 .first_micro = m == 0,
                                 .last_micro = m + 1 == d->micros,
                                 .step_targets = d->targets,
                                 .lr = d->lr,
                                 .bias1 = 0.1,
                                 .bias2 = 0.05};
        must(kern_submit(d->backend, &slot, &error), &error);
    }
    must(kern_collect(d->backend, true, &have, &result, &error), &error);
    need(have && result.updated, "no update");
    double head[2] = {result.nll / (double)d->targets, result.grad_norm};
    give(d->out, head, sizeof *head, 2);
    give_state(d, KERN_GRADIENTS);
    give_state(d, KERN_WEIGHTS);
}

/* ---- the twins ---- */

static void give_buffer(struct dump *d, enum kern_device_buffer id)
{
    const struct kern_device_table *t = d->lab->table;

    kern_device_layout_from(&t->model, &t->layout, device_lab_at(d->lab, id, 0), d->weights);
    give(d->out, d->weights, sizeof *d->weights, d->parameters);
}

static void step_twin(struct dump *d)
{
    struct device_lab *lab = d->lab;
    const struct kern_device_table *t = lab->table;
    double head[2] = {0, NAN};

    device_lab_set_weights(lab, d->weights);
    memset(device_lab_at(lab, KERN_DEV_MOMENT1, 0), 0, t->at[KERN_DEV_MOMENT1].size);
    memset(device_lab_at(lab, KERN_DEV_MOMENT2, 0), 0, t->at[KERN_DEV_MOMENT2].size);
    for (uint32_t m = 0; m < d->micros; m++) {
        const uint32_t *at = d->batch + 3 * m * d->positions;
        uint64_t bytes = d->positions * sizeof *at;

        memcpy(lab->tokens, at, bytes);
        memcpy(lab->targets, at + d->positions, bytes);
        memcpy(lab->first, at + 2 * d->positions, bytes);
        device_lab_sort(lab);
        device_lab_slot(lab, KERN_TRAIN, m == 0, m + 1 == d->micros, d->targets);
        lab->twin.slot.lr = (float)d->lr;
        lab->twin.slot.step_size = (float)(d->lr / 0.1);
        device_lab_walk(lab);
        head[0] += lab->twin.nll / (double)d->targets;
    }
    give(d->out, head, sizeof *head, 2);
    give_buffer(d, KERN_DEV_GRADIENTS);
    give_buffer(d, KERN_DEV_MASTER);
}

int main(int argc, char **argv)
{
    struct pool *pool = pool_new(2);
    struct kern_workers workers = {2, pool, pool_run};
    struct kern_error error = {0};
    struct dump d = {0};

    if (argc == 1 + SHAPE) {
        list(argv + 1);
        pool_free(&pool);
        return 0;
    }
    need(argc == 4, "cpu|cuda|twin IN OUT, or the ten numbers of a shape");
    d.in = fopen(argv[2], "rb"), d.out = fopen(argv[3], "wb");
    need(d.in && d.out, "cannot open the files");
    open_input(&d);
    if (!strcmp(argv[1], "cuda"))
        must(kern_cuda_new(&d.config, &d.backend, &error), &error);
    else if (!strcmp(argv[1], "cpu"))
        must(kern_cpu_new(&d.config, &workers, &d.backend, &error), &error);
    else
        d.lab = device_lab_new(&d.config, false, 1);
    while (next_trial(&d))
        d.lab ? step_twin(&d) : step_backend(&d);
    need(fclose(d.out) == 0, "cannot write");
    fclose(d.in);
    kern_backend_free(&d.backend);
    if (d.lab)
        device_lab_free(d.lab);
    free(d.weights);
    free(d.batch);
    pool_free(&pool);
    return 0;
}
