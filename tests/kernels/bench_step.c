/*
 * Times training steps of a preset on the CPU backend with random tokens:
 *
 *   bench_step PRESET ROWS SEQ_LEN THREADS [reference|plain|avx2] [profile]
 *
 * Reads a line for each measurement (the number of steps) and answers with the seconds they took
 * and the loss, so that scripts/bench-cpu can alternate it with a peer. `profile` adds, at the end,
 * the seconds spent in each kind of phase, summed over threads.
 */
#include "bench_model.h"
#include "kern/cpu.h"
#include "kern/functions.h"
#include "kern/table.h"
#include "pool.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_profile(const struct kern_backend *b)
{
    double seconds[KERN_OP_COUNT], all = 0;

    kern_cpu_times(b, seconds);
    for (unsigned op = 0; op < KERN_OP_COUNT; op++)
        all += seconds[op];
    for (unsigned op = 0; op < KERN_OP_COUNT; op++)
        printf("%-20s %8.3f s %5.1f%%\n", kern_op_name(op), seconds[op], 100 * seconds[op] / all);
}

int main(int argc, char **argv)
{
    struct kern_config c = {
        .beta1 = 0.9f, .beta2 = 0.95f, .adam_eps = 1e-8f, .weight_decay = 0.1f, .clip = 1};
    struct kern_backend *b = NULL;
    struct kern_error error = {0};
    unsigned mask = ~0u;
    char line[64];

    if (argc < 5 || !kern_model_preset(argv[1], &c.model)) {
        fprintf(stderr,
                "bench_step PRESET ROWS SEQ_LEN THREADS [reference|plain|avx2] [profile]\n");
        return 2;
    }
    c.model.vocab = 32000;
    c.rows = (uint32_t)atoi(argv[2]);
    c.seq_len = (uint32_t)atoi(argv[3]);
    if (argc > 5)
        mask = !strcmp(argv[5], "reference") ? 0
               : !strcmp(argv[5], "plain")   ? KERN_ISA_VECTOR
                                             : ~0u;

    struct pool *pool = pool_new((unsigned)atoi(argv[4]));
    struct kern_workers workers = {pool->count, pool, pool_run};
    if (kern_cpu_new_isa(&c, &workers, mask, &b, &error) != KERN_OK) {
        fprintf(stderr, "bench_step: %s\n", error.message);
        return 1;
    }
    bench_fill_weights(b, &c.model);

    uint64_t n = (uint64_t)c.rows * c.seq_len, state = 7, step = 0;
    uint32_t *tokens = calloc(n, sizeof *tokens), *targets = calloc(n, sizeof *targets);
    uint32_t *first = calloc(n, sizeof *first);
    if (!tokens || !targets || !first)
        abort();
    for (uint64_t i = 0; i < n; i++) {
        tokens[i] = (uint32_t)(bench_next(&state) % c.model.vocab);
        targets[i] = (uint32_t)(bench_next(&state) % c.model.vocab);
    }
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double start = now();
        struct kern_result r = {0};
        bool have = false;

        for (int i = atoi(line); i > 0; i--, step++) {
            struct kern_slot slot = {
                .kind = KERN_TRAIN,
                .step = step,
                .rows = c.rows,
                .tokens = tokens,
                .targets = targets,
                .first = first,
                .first_micro = true,
                .last_micro = true,
                .step_targets = n,
                .lr = 3e-4,
                .bias1 = 1 - pow(0.9, (double)step + 1),
                .bias2 = 1 - pow(0.95, (double)step + 1),
            };
            if (kern_submit(b, &slot, &error) != KERN_OK ||
                kern_collect(b, true, &have, &r, &error) != KERN_OK) {
                fprintf(stderr, "bench_step: %s\n", error.message);
                return 1;
            }
        }
        printf("%.6f %.6f\n", now() - start, r.nll / (double)n);
        fflush(stdout);
    }
    if (argc > 6)
        print_profile(b);
    free(tokens);
    free(targets);
    free(first);
    kern_backend_free(&b);
    pool_free(&pool);
    return 0;
}
