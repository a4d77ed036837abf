/*
 * Times training steps of a preset on the GPU with random tokens:
 *
 *   bench_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise] [STEPS] [profile]
 *
 * Prints the median of the steps' times as the device took them, tokens a second, the shares of waiting
 * and of busy multiprocessors, host CPU; `profile` adds the time in each kind of phase.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "cuda/device.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double host_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void must(enum kern_status status, const struct kern_error *error)
{
    if (status == KERN_OK)
        return;
    fprintf(stderr, "bench_cuda: %s\n", error->message);
    exit(status == KERN_E_UNAVAILABLE ? 77 : 1);
}

static void fill_weights(struct kern_backend *b, const struct kern_model *m)
{
    uint64_t state = 1;
    struct kern_error error = {0};
    float *w = calloc(kern_parameter_count(m), sizeof *w);

    if (!w)
        abort();
    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        for (uint64_t j = 0; j < (uint64_t)t.rows * t.cols; j++)
            w[t.offset + j] =
                t.init_std > 0
                    ? t.init_std * (float)(sqrt(12) * ((double)next(&state) / 0x1p31 - 0.5))
                    : 1;
    }
    must(kern_state_set(b, KERN_WEIGHTS, w, &error), &error);
    free(w);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print_profile(struct kern_backend *b, uint32_t steps)
{
    const struct kern_device_table *t = kern_cuda_table(b);
    uint64_t *ns = calloc(t->phase_count, sizeof *ns);
    struct kern_error error = {0};
    double sum[KERN_DEVICE_OPS] = {0}, all = 0;
    unsigned count[KERN_DEVICE_OPS] = {0};

    if (!ns)
        abort();
    must(kern_cuda_phase_times(b, ns, &error), &error);
    for (uint32_t i = 0; i < t->phase_count; i++) {
        sum[t->phases[i].op] += (double)ns[i];
        count[t->phases[i].op]++;
        all += (double)ns[i];
    }
    for (unsigned op = 0; op < KERN_DEVICE_OPS; op++) {
        const struct kern_device_phase *p = NULL;
        for (uint32_t i = 0; i < t->phase_count && !p; i++)
            if (t->phases[i].op == op)
                p = &t->phases[i];
        if (p)
            printf("  %-20s %9.1f us a step %5.1f%%  %7.2f us a phase; tiles %u + %u (%u x %u "
                   "splits)\n",
                   kern_device_op_name(op), sum[op] / 1e3 / steps, 100 * sum[op] / all,
                   sum[op] / 1e3 / steps / count[op],
                   p->product.tiles ? p->product.tiles : p->tiles, p->weight.tiles,
                   p->product.splits, p->weight.splits);
    }
    free(ns);
}

int main(int argc, char **argv)
{
    struct kern_config c = {
        .beta1 = 0.9f, .beta2 = 0.95f, .adam_eps = 1e-8f, .weight_decay = 0.1f, .clip = 1};
    struct kern_backend *b = NULL;
    struct kern_error error = {0};
    uint32_t steps = 20, warm = 5;
    const char *mode = argc > 4 ? argv[4] : "persistent";

    if (argc < 4 || !kern_model_preset(argv[1], &c.model)) {
        fprintf(stderr,
                "bench_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise] [STEPS] [profile]\n");
        return 2;
    }
    c.model.vocab = 32000;
    c.rows = (uint32_t)atoi(argv[2]), c.seq_len = (uint32_t)atoi(argv[3]);
    c.launch = !strcmp(mode, "graph")      ? KERN_GRAPH
               : !strcmp(mode, "stepwise") ? KERN_STEPWISE
                                           : KERN_PERSISTENT;
    if (argc > 5)
        steps = (uint32_t)atoi(argv[5]);
    must(kern_cuda_new(&c, &b, &error), &error);
    fill_weights(b, &c.model);

    uint64_t n = (uint64_t)c.rows * c.seq_len, state = 42;
    uint32_t *tokens = calloc(n, 4), *targets = calloc(n, 4), *first = calloc(n, 4);
    double *seconds = calloc(steps + warm, sizeof *seconds), wait = 0, work = 0, busy = 0, loss = 0;
    double begin = 0, cpu = 0;
    uint32_t got = 0;
    if (!tokens || !targets || !first || !seconds)
        abort();
    for (uint32_t s = 0; s < steps + warm || got < steps + warm;) {
        struct kern_result r;
        bool have = false;
        if (s < steps + warm) {
            for (uint64_t i = 0; i < n; i++) {
                tokens[i] = (uint32_t)(next(&state) % c.model.vocab);
                targets[i] = (uint32_t)(next(&state) % c.model.vocab);
            }
            must(kern_submit(b,
                             &(struct kern_slot){.kind = KERN_TRAIN,
                                                 .step = s,
                                                 .rows = c.rows,
                                                 .tokens = tokens,
                                                 .targets = targets,
                                                 .first = first,
                                                 .first_micro = true,
                                                 .last_micro = true,
                                                 .step_targets = n,
                                                 .lr = 3e-4,
                                                 .bias1 = 1,
                                                 .bias2 = 1},
                             &error),
                 &error);
            s++;
        }
        must(kern_collect(b, s == steps + warm, &have, &r, &error), &error);
        if (!have)
            continue;
        seconds[got] = r.compute_seconds + r.wait_seconds;
        loss = r.nll / (double)r.targets;
        if (got++ < warm) {
            begin = now(), cpu = host_seconds();
            continue;
        }
        wait += r.wait_seconds, work += r.compute_seconds, busy += r.busy;
    }
    double wall = now() - begin;
    cpu = host_seconds() - cpu;
    qsort(seconds + warm, steps, sizeof *seconds, ascending);
    double ms = 1e3 * seconds[warm + steps / 2];
    printf("%s %ux%u %s: %.3f ms a step (wall %.3f), %.0f tokens/s, wait %.2f%%, busy %.1f%%, host "
           "%.1f%%, "
           "%.1f TFLOP/s, loss %.4f, %u blocks\n",
           argv[1], c.rows, c.seq_len, mode, ms, 1e3 * wall / steps, (double)n / ms * 1e3,
           100 * wait / (wait + work), 100 * busy / steps, 100 * cpu / wall,
           kern_flop_per_token(&c.model, c.seq_len) * (double)n / ms / 1e9, loss,
           kern_cuda_blocks(b));
    if (argc > 6)
        print_profile(b, steps + warm);
    must(kern_submit(b, &(struct kern_slot){.kind = KERN_STOP}, &error), &error);
    kern_backend_free(&b);
    return 0;
}
