/*
 * Our side of scripts/bench-train: one model on the GPU that trains when it is told to.
 *
 *   serve_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise [FILE]]
 *
 * Says {"ready": true} when the model is there; then, for each line with a number of steps, trains a few
 * more than these and says what one of these took by the clock, in JSON. Between two lines nothing of it
 * runs on the GPU: the resident kernel is stopped. Tokens are random, or those of a FILE of dump_batches.
 */
#include "bench_lab.h"
#include "cuda/device.h"

#define WARM 4u /* steps before the clock starts: the ring is full, clocks are up */

struct server {
    struct kern_backend *backend;
    struct kern_config config;
    struct bench_batch batch;
    uint64_t step;
};

static void serve(struct server *s, uint64_t steps)
{
    struct kern_error error = {0};
    double began = 0, wait = 0, work = 0, busy = 0, loss = 0, ms = 0;
    uint64_t sent = 0, got = 0, all = steps + WARM;

    while (got < all) {
        struct kern_result r;
        bool have = false;

        if (sent < all)
            bench_submit(s->backend, &s->config, &s->batch, s->step++), sent++;
        bench_must(kern_collect(s->backend, sent == all, &have, &r, &error), &error);
        if (!have)
            continue;
        loss = r.nll / (double)r.targets;
        if (++got == WARM)
            began = bench_now();
        if (got > WARM)
            wait += r.wait_seconds, work += r.compute_seconds, busy += r.busy;
    }
    ms = 1e3 * (bench_now() - began) / (double)steps;
    bench_must(kern_submit(s->backend, &(struct kern_slot){.kind = KERN_STOP}, &error), &error);
    if (!isfinite(loss)) {
        printf("{\"error\": \"the loss is no number\"}\n");
        exit(1);
    }
    printf("{\"ms\": %.6f, \"loss\": %.6f, \"wait\": %.6f, \"busy\": %.4f}\n", ms, loss,
           wait / (wait + work), busy / (double)steps);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct server s = {0};
    struct kern_error error = {0};
    char line[64];

    if (argc < 4 ||
        !bench_config(argv[1], argv[2], argv[3], argc > 4 ? argv[4] : "persistent", &s.config)) {
        fprintf(stderr, "serve_cuda PRESET ROWS SEQ_LEN [persistent|graph|stepwise [FILE]]\n");
        return 2;
    }
    if (kern_cuda_new(&s.config, &s.backend, &error) != KERN_OK) {
        printf("{\"error\": \"%s\", \"memory\": %s}\n", error.message,
               error.code == KERN_E_NOMEM ? "true" : "false");
        return error.code == KERN_E_UNAVAILABLE ? 77 : 1;
    }
    bench_fill_weights(s.backend, &s.config.model);
    s.batch = bench_batch_new(&s.config);
    if (argc > 5 && !bench_batch_load(&s.batch, &s.config, argv[5])) {
        printf("{\"error\": \"%s is not of this shape\", \"memory\": false}\n", argv[5]);
        return 1;
    }
    printf("{\"ready\": true, \"blocks\": %u}\n", kern_cuda_blocks(s.backend));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        uint64_t steps = strtoull(line, NULL, 10);
        if (steps)
            serve(&s, steps);
    }
    kern_backend_free(&s.backend);
    bench_batch_free(&s.batch);
    return 0;
}
