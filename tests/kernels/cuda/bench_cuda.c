/*
 * Times training steps of a preset on the GPU with random tokens:
 *
 *   bench_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise] [STEPS] [profile] [recompute]
 *
 * Prints the median of the steps' times as the device took them, tokens a second, the shares of waiting
 * and of busy multiprocessors, host CPU; `profile` adds the time in each kind of phase, `recompute` makes
 * activations again instead of keeping them.
 */
#include <sys/resource.h>

#include "bench_lab.h"
#include "cuda/device.h"

static double host_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
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
    bench_must(kern_cuda_phase_times(b, ns, &error), &error);
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
    struct kern_config c = {0};
    struct kern_backend *b = NULL;
    struct kern_error error = {0};
    uint32_t steps = 20, warm = 5;
    const char *mode = argc > 4 ? argv[4] : "persistent";
    bool profile = false;

    if (argc < 4 || !bench_config(argv[1], argv[2], argv[3], mode, &c)) {
        fprintf(stderr,
                "bench_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise] [STEPS] [profile] [recompute]\n");
        return 2;
    }
    if (argc > 5)
        steps = (uint32_t)atoi(argv[5]);
    for (int i = 6; i < argc; i++) {
        profile |= strcmp(argv[i], "profile") == 0;
        c.recompute |= strcmp(argv[i], "recompute") == 0;
    }
    bench_must(kern_cuda_new(&c, &b, &error), &error);
    bench_fill_weights(b, &c.model);

    struct bench_batch batch = bench_batch_new(&c);
    uint64_t n = batch.n;
    double *seconds = calloc(steps + warm, sizeof *seconds), wait = 0, work = 0, busy = 0, loss = 0;
    double begin = 0, cpu = 0;
    uint32_t got = 0;
    if (!seconds)
        abort();
    for (uint32_t s = 0; s < steps + warm || got < steps + warm;) {
        struct kern_result r;
        bool have = false;
        if (s < steps + warm) {
            bench_submit(b, &c, &batch, s);
            s++;
        }
        bench_must(kern_collect(b, s == steps + warm, &have, &r, &error), &error);
        if (!have)
            continue;
        seconds[got] = r.compute_seconds + r.wait_seconds;
        loss = r.nll / (double)r.targets;
        if (got++ < warm) {
            begin = bench_now(), cpu = host_seconds();
            continue;
        }
        wait += r.wait_seconds, work += r.compute_seconds, busy += r.busy;
    }
    double wall = bench_now() - begin;
    cpu = host_seconds() - cpu;
    qsort(seconds + warm, steps, sizeof *seconds, ascending);
    double ms = 1e3 * seconds[warm + steps / 2];
    printf("%s %ux%u %s: %.3f ms a step (wall %.3f), %.0f tokens/s, wait %.2f%%, busy %.1f%%, host "
           "%.1f%%, "
           "%.1f TFLOP/s, loss %.4f, %u blocks, %.2f GB\n",
           argv[1], c.rows, c.seq_len, mode, ms, 1e3 * wall / steps, (double)n / ms * 1e3,
           100 * wait / (wait + work), 100 * busy / steps, 100 * cpu / wall,
           kern_flop_per_token(&c.model, c.seq_len) * (double)n / ms / 1e9, loss,
           kern_cuda_blocks(b), (double)kern_cuda_table(b)->arena / 1e9);
    if (profile)
        print_profile(b, steps + warm);
    bench_must(kern_submit(b, &(struct kern_slot){.kind = KERN_STOP}, &error), &error);
    kern_backend_free(&b);
    bench_batch_free(&batch);
    free(seconds);
    return 0;
}
