/*
 * Whole steps of the CUDA backend beside the CPU backend's, which computes in fp32: same weights, same
 * tokens. Loss within 1e-3, every gradient tensor within what bf16 operands allow. Then the promises of
 * the launch modes: equal bits for any number of resident blocks, with blocks that dawdle, for all
 * three modes, and with activations made again instead of kept. Skipped where there is no GPU.
 */
#include <math.h>
#include <time.h>

#include "crew.h"
#include "cuda_lab.h"

/* bf16 has 8 bits: 2^-9 a rounding, and a gradient sees a few dozen in a row. */
#define GRADIENT_TOLERANCE 3e-2

struct shape {
    const char *name;
    struct kern_config config;
    bool segments;
};

static void compare(const struct shape *s, unsigned micros)
{
    const struct kern_config *c = &s->config;
    const struct kern_model *m = &c->model;
    unsigned threads = 8;
    struct kern_workers workers = crew(&threads);
    struct kern_backend *cpu = NULL, *cuda = NULL;
    struct kern_error error = {0};
    float *weights = device_lab_canonical(m, true, 7);

    if (kern_cpu_new(c, &workers, &cpu, &error) != KERN_OK ||
        kern_state_set(cpu, KERN_WEIGHTS, weights, &error) != KERN_OK) {
        T_FAIL("cpu: %s", error.message);
        return;
    }
    cuda = open_cuda(c, weights);
    struct kern_result a = step(cpu, c, s->segments, micros, 1),
                       b = step(cuda, c, s->segments, micros, 1);
    float *ga = state_of(cpu, m, KERN_GRADIENTS), *gb = state_of(cuda, m, KERN_GRADIENTS);
    float *wa = state_of(cpu, m, KERN_WEIGHTS), *wb = state_of(cuda, m, KERN_WEIGHTS);
    double worst = 0;
    char worst_name[64] = "";

    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        kern_tensor_at(m, i, &t);
        double d = difference(gb + t.offset, ga + t.offset, (uint64_t)t.rows * t.cols);
        if (!(d <= worst)) {
            worst = d;
            strcpy(worst_name, t.name);
        }
        if (!(d < GRADIENT_TOLERANCE))
            T_FAIL("%s: gradient of %s is off by %.3g", s->name, t.name, d);
    }
    printf("%-28s x%u loss %.6f cpu %.6f (%.1e) norm %.4f cpu %.4f worst gradient %.2e %s, weights "
           "%.1e\n",
           s->name, micros, b.nll / (double)b.targets, a.nll / (double)a.targets,
           fabs(b.nll - a.nll) / a.nll, b.grad_norm, a.grad_norm, worst, worst_name,
           difference(wb, wa, kern_parameter_count(m)));
    fflush(stdout);
    T_TRUE(fabs(b.nll - a.nll) <= 1e-3 * a.nll);
    T_TRUE(fabs(b.grad_norm - a.grad_norm) <= 1e-2 * a.grad_norm);
    T_TRUE(b.updated && b.targets == a.targets);
    submit(cuda, &(struct kern_slot){.kind = KERN_STOP});
    kern_backend_free(&cpu);
    kern_backend_free(&cuda);
    free(ga), free(gb), free(wa), free(wb), free(weights);
}

T_CASE(steps_agree_with_the_cpu)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    const struct shape shapes[] = {
        {"one layer, no segments", shape(1, 128, 2, 2, 64, 128, 256, false, 2, 128), false},
        {"two layers", shape(2, 128, 2, 2, 64, 192, 1000, false, 4, 256), true},
        {"1m at 2 x 256", shape(5, 128, 2, 2, 64, 384, 5000, false, 2, 256), true},
        {"grouped queries, untied", shape(2, 256, 4, 2, 64, 512, 1001, true, 2, 320), true},
        {"head 128", shape(2, 256, 2, 2, 128, 512, 777, false, 3, 200), true},
        {"head 128, grouped", shape(2, 512, 4, 1, 128, 1408, 500, true, 2, 384), true},
        {"odd sizes", shape(2, 136, 3, 1, 64, 200, 301, false, 3, 77), true},
        {"many rows", shape(1, 256, 4, 4, 64, 512, 2000, false, 16, 1024), true},
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        compare(&shapes[i], 1);
        if (i == 3 || i == 5)
            compare(&shapes[i], 3);
    }
}

static void same(const char *what, const struct trail *a, const struct trail *b, uint64_t n)
{
    bool equal = same_bits(a, b, n);
    printf("%-28s %s\n", what, equal ? "same bits" : "DIFFERS");
    fflush(stdout);
    if (!equal)
        T_FAIL("%s: nll %.17g %.17g, weights off by %.3g", what, a->nll[2], b->nll[2],
               difference(a->weights, b->weights, n));
}

T_CASE(bits_do_not_depend_on_blocks_or_launches)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    struct kern_config c = shape(3, 128, 2, 2, 64, 384, 3000, false, 4, 256);
    uint64_t n = kern_parameter_count(&c.model);
    float *weights = device_lab_canonical(&c.model, true, 5);
    struct trail all = walk(c, 0, UINT32_MAX, weights);

    for (unsigned i = 0; i < 3; i++) {
        char what[64];
        struct trail t = walk(c, 0x1234567 + i, UINT32_MAX, weights);
        snprintf(what, sizeof what, "dawdling blocks, key %u", i);
        same(what, &all, &t, n);
        done(&t);
    }
    const uint32_t ctas[] = {1, 7, 66, 131};
    for (unsigned i = 0; i < 4; i++) {
        struct kern_config some = c;
        char what[64];
        some.ctas = ctas[i];
        struct trail t = walk(some, i == 2 ? 99 : 0, UINT32_MAX, weights);
        snprintf(what, sizeof what, "%u blocks", ctas[i]);
        same(what, &all, &t, n);
        done(&t);
    }
    const enum kern_launch modes[] = {KERN_GRAPH, KERN_STEPWISE};
    for (unsigned i = 0; i < 2; i++) {
        struct kern_config other = c;
        other.launch = modes[i];
        struct trail t = walk(other, 0, UINT32_MAX, weights);
        same(i ? "stepwise" : "graph", &all, &t, n);
        done(&t);
    }
    done(&all);
    free(weights);
}

T_CASE(recompute_changes_no_bit)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    const struct shape shapes[] = {
        {"recompute, three layers", shape(3, 128, 2, 2, 64, 384, 3000, false, 4, 256), true},
        {"recompute, scanned head", shape(4, 128, 2, 1, 64, 384, 5000, false, 4, 256), true},
        {"recompute, head 128", shape(3, 512, 4, 1, 128, 1408, 500, true, 3, 384), true},
        {"recompute, large tiles", shape(2, 768, 12, 12, 64, 2048, 4000, false, 16, 512), true},
    };
    for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct kern_config kept = shapes[i].config, again = kept;
        uint64_t n = kern_parameter_count(&kept.model);
        float *weights = device_lab_canonical(&kept.model, true, 5);
        const enum kern_launch modes[] = {KERN_PERSISTENT, KERN_GRAPH, KERN_STEPWISE};
        struct trail a = walk(kept, 0, UINT32_MAX, weights);

        again.recompute = true;
        for (unsigned k = 0; k < (i ? 1 : 3); k++) {
            again.launch = modes[k];
            struct trail b = walk(again, 0, UINT32_MAX, weights);
            same(shapes[i].name, &a, &b, n);
            done(&b);
        }
        again.launch = KERN_PERSISTENT, again.ctas = 7;
        struct trail late = walk(again, 99, UINT32_MAX, weights);
        same(shapes[i].name, &a, &late, n);
        done(&a), done(&late);
        free(weights);
    }
}

/* Told with what would help. */
T_CASE(what_does_not_fit)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    struct kern_config c = shape(12, 768, 12, 12, 64, 2048, 32000, false, 2048, 1024);
    struct kern_backend *b = NULL;
    struct kern_error error = {0};

    T_TRUE(kern_cuda_new(&c, &b, &error) == KERN_E_NOMEM);
    printf("too large: %s\n", error.message);
    T_TRUE(strstr(error.message, "take a smaller --micro-batch, or --recompute, which needs ") != NULL);
    c.recompute = true;
    T_TRUE(kern_cuda_new(&c, &b, &error) == KERN_E_NOMEM);
    printf("too large: %s\n", error.message);
    T_TRUE(strstr(error.message, "take a smaller --micro-batch") && !strstr(error.message, ", or"));
}

/* The snapshot is the state as it was, whatever slots follow; in every launch mode. */
T_CASE(snapshots_stay)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    const enum kern_launch modes[] = {KERN_PERSISTENT, KERN_GRAPH, KERN_STEPWISE};
    for (unsigned i = 0; i < 3; i++) {
        struct kern_config c = shape(2, 128, 2, 2, 64, 384, 300, false, 2, 64);
        uint64_t n = kern_parameter_count(&c.model);
        float *weights = device_lab_canonical(&c.model, true, 5), *kept = calloc(n, sizeof *kept);
        struct kern_error error = {0};

        c.launch = modes[i];
        struct kern_backend *b = open_cuda(&c, weights);
        (void)step(b, &c, true, 1, 1);
        float *before = state_of(b, &c.model, KERN_WEIGHTS);
        float *moment = state_of(b, &c.model, KERN_MOMENT1);
        if (!kept || kern_snapshot_take(b, &error) != KERN_OK) {
            T_FAIL("snapshot: %s", error.message);
            exit(1);
        }
        (void)step(b, &c, true, 1, 2);
        T_TRUE(kern_snapshot_get(b, KERN_WEIGHTS, kept, &error) == KERN_OK &&
               memcmp(kept, before, n * sizeof *kept) == 0);
        T_TRUE(kern_snapshot_get(b, KERN_MOMENT1, kept, &error) == KERN_OK &&
               memcmp(kept, moment, n * sizeof *kept) == 0);
        kern_backend_free(&b);
        free(before), free(moment), free(kept), free(weights);
    }
}

static void doze(double seconds)
{
    nanosleep(&(struct timespec){(time_t)seconds, (long)(1e9 * (seconds - floor(seconds)))}, NULL);
}

/* A feed that is late by more than the deadline ends the kernel, and the host says who waited for what. */
T_CASE(late_feed_ends_with_a_message)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    struct kern_config c = shape(1, 64, 1, 1, 64, 64, 64, false, 1, 64);
    c.deadline = 0.4;
    float *weights = device_lab_canonical(&c.model, true, 5);
    struct kern_backend *b = open_cuda(&c, weights);
    struct batch batch = make_batch(&c, false, 1);
    struct kern_slot slot = {.kind = KERN_VALIDATE,
                             .rows = 1,
                             .tokens = batch.tokens,
                             .targets = batch.targets,
                             .first = batch.first};
    struct kern_error error = {0};

    submit(b, &slot);
    (void)collect(b);
    doze(1.5);
    T_TRUE(kern_submit(b, &slot, &error) == KERN_E_DEVICE);
    T_TRUE(strstr(error.message, "waited 0.4 s for slot 1") != NULL);
    printf("late feed: %s\n", error.message);
    kern_backend_free(&b);
    free_batch(&batch);
    free(weights);
}

/* Nobody says stop: the backend still comes to its end, at once. */
T_CASE(freed_while_resident)
{
    if (!cuda_here()) {
        t_skipped++;
        return;
    }
    struct kern_config c = shape(1, 64, 1, 1, 64, 64, 64, false, 1, 64);
    float *weights = device_lab_canonical(&c.model, true, 5);
    struct kern_backend *b = open_cuda(&c, weights);
    struct timespec begin, end;

    (void)step(b, &c, false, 1, 1);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    kern_backend_free(&b);
    clock_gettime(CLOCK_MONOTONIC, &end);
    T_TRUE(end.tv_sec - begin.tv_sec < 3); /* the deadline is 5 s */
    free(weights);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
