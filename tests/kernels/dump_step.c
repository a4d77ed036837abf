/*
 * One training step on the CPU backend, from a raw file to a raw file, for scripts/compare-torch.
 *
 *   dump_step IN OUT
 *   dump_step LAYERS WIDTH HEADS KV_HEADS HEAD_DIM FFN VOCAB UNTIED ROWS SEQ_LEN    lists the
 * tensors
 *
 * IN, little-endian: those ten numbers as u32, the learning rate and AdamW's eps as f64, f32
 * weights in canonical order, then u32 tokens, targets and segment starts [ROWS * SEQ_LEN] each.
 * OUT: f64 loss, f64 gradient norm, f32 gradients, f32 weights after the step.
 */
#include "kern/backend.h"
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>

#define SHAPE 10

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
    };
}

static void need(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "dump_step: %s\n", what);
    exit(1);
}

static void *take(FILE *f, size_t size, size_t n)
{
    void *p = calloc(n, size);
    need(p && fread(p, size, n, f) == n, "the input is too short");
    return p;
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

int main(int argc, char **argv)
{
    struct pool *pool = pool_new(2);
    struct kern_workers workers = {2, pool, pool_run};
    struct kern_backend *b = NULL;
    struct kern_error error = {0};
    struct kern_result result = {0};
    bool have = false;

    if (argc == 1 + SHAPE) {
        list(argv + 1);
        pool_free(&pool);
        return 0;
    }
    need(argc == 3, "IN OUT, or the ten numbers of a shape");
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    need(in && out, "cannot open the files");

    uint32_t *shape = take(in, sizeof *shape, SHAPE);
    double *rates = take(in, sizeof *rates, 2);
    struct kern_config c = config_of(shape);
    c.adam_eps = (float)rates[1];
    uint64_t parameters = kern_parameter_count(&c.model), n = (uint64_t)c.rows * c.seq_len;
    float *weights = take(in, sizeof *weights, parameters);
    uint32_t *tokens = take(in, sizeof *tokens, n), *targets = take(in, sizeof *targets, n);
    uint32_t *first = take(in, sizeof *first, n);
    struct kern_slot slot = {.kind = KERN_TRAIN,
                             .rows = c.rows,
                             .tokens = tokens,
                             .targets = targets,
                             .first = first,
                             .first_micro = true,
                             .last_micro = true,
                             .lr = rates[0],
                             .bias1 = 0.1,
                             .bias2 = 0.05};

    for (uint64_t i = 0; i < n; i++)
        slot.step_targets += targets[i] != KERN_NO_TARGET;
    need(kern_cpu_new(&c, &workers, &b, &error) == KERN_OK, error.message);
    need(kern_state_set(b, KERN_WEIGHTS, weights, &error) == KERN_OK, error.message);
    need(kern_submit(b, &slot, &error) == KERN_OK, error.message);
    need(kern_collect(b, true, &have, &result, &error) == KERN_OK && have && result.updated,
         "no result");
    double head[2] = {result.nll / (double)result.targets, result.grad_norm};
    need(fwrite(head, sizeof head, 1, out) == 1, "cannot write");
    need(kern_state_get(b, KERN_GRADIENTS, weights, &error) == KERN_OK, error.message);
    need(fwrite(weights, sizeof *weights, parameters, out) == parameters, "cannot write");
    need(kern_state_get(b, KERN_WEIGHTS, weights, &error) == KERN_OK, error.message);
    need(fwrite(weights, sizeof *weights, parameters, out) == parameters, "cannot write");
    need(fclose(out) == 0, "cannot write");
    fclose(in);
    kern_backend_free(&b);
    free(shape);
    free(rates);
    free(weights);
    free(tokens);
    free(targets);
    free(first);
    pool_free(&pool);
    return 0;
}
