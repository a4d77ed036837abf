/* The CUDA backend: its beginning, its end, its name; and what tests see of it (cuda/device.h). */
#include <stdio.h>
#include <stdlib.h>

#include "cuda/backend.h"
#include "cuda/device.h"
#include "kern/device/validate.h"

#define DEADLINE_SECONDS 60.0

/*
 * Dense bf16 products with f32 sums, FLOP a clock and multiprocessor, by compute capability (NVIDIA's
 * architecture papers: A100 312 TFLOP/s, H100 989, consumer Ampere and Ada at half of that a unit).
 */
static double flop_per_clock(int major, int minor)
{
    if (major == 8 && minor == 0)
        return 2048;
    if (major == 8)
        return 512;
    if (major == 9)
        return 4096;
    return 0;
}

static void cuda_describe(const struct kern_backend *b, struct kern_device_name *ret_name)
{
    const struct kern_cuda *c = (const struct kern_cuda *)b;
    struct cudaDeviceProp p;
    int khz = 0;

    if (cudaGetDeviceProperties(&p, 0) != cudaSuccess)
        return;
    snprintf(ret_name->name, sizeof ret_name->name, "%.80s, %u blocks, %s", p.name, c->ctas,
             c->config.launch == KERN_PERSISTENT ? "one resident kernel"
             : c->config.launch == KERN_GRAPH    ? "a graph a step"
                                                 : "a launch a phase");
    if (cudaDeviceGetAttribute(&khz, cudaDevAttrClockRate, 0) == cudaSuccess)
        ret_name->peak_flops = flop_per_clock(p.major, p.minor) * p.multiProcessorCount * 1e3 * khz;
}

static void cuda_free(struct kern_backend *b)
{
    struct kern_cuda *c = (struct kern_cuda *)b;

    if (c->resident && c->control) {
        __atomic_store_n(&c->control->stop, 1, __ATOMIC_RELEASE);
        (void)cudaStreamSynchronize(c->stream);
    }
    kern_cuda_release(c);
    kern_device_table_free(&c->table);
    kern_results_done(&c->results);
    free(c);
}

static const struct kern_backend_ops cuda_ops = {
    .free = cuda_free,
    .submit = kern_cuda_submit,
    .collect = kern_cuda_collect,
    .state_get = kern_cuda_state_get,
    .state_set = kern_cuda_state_set,
    .snapshot_take = kern_cuda_snapshot_take,
    .snapshot_get = kern_cuda_snapshot_get,
    .describe = cuda_describe,
    .weights = kern_cuda_weights,
};

enum kern_status kern_cuda_new(const struct kern_config *config, struct kern_backend **ret_backend,
                               struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;
    struct kern_cuda *c = calloc(1, sizeof *c);

    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
    if (!c)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a backend");
    c->base = (struct kern_backend){&cuda_ops, config->model};
    c->config = *config;
    c->deadline_ns = (uint64_t)((config->deadline > 0 ? config->deadline : DEADLINE_SECONDS) * 1e9);
    status = kern_cuda_find(c, reterr);
    if (status == KERN_OK)
        status = kern_device_table_new(config, &c->table, reterr);
    if (status == KERN_OK)
        status = kern_device_validate(c->table, reterr);
    if (status == KERN_OK) {
        c->last = c->table->phase_count;
        status = kern_cuda_allocate(c, reterr);
    }
    if (status != KERN_OK)
        goto out;
    *ret_backend = &c->base;
    return KERN_OK;

out:
    cuda_free(&c->base);
    return status;
}

/* ---- for tests and benches: cuda/device.h ---- */

const struct kern_device_table *kern_cuda_table(const struct kern_backend *b)
{
    return ((const struct kern_cuda *)b)->table;
}

enum kern_status kern_cuda_arena_get(struct kern_backend *b, uint64_t offset, uint64_t bytes,
                                     void *ret_bytes, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    return kern_cuda_copy(c, ret_bytes, c->run.arena + offset, bytes, cudaMemcpyDeviceToHost,
                          reterr);
}

enum kern_status kern_cuda_arena_set(struct kern_backend *b, uint64_t offset, uint64_t bytes,
                                     const void *from, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    return kern_cuda_copy(c, c->run.arena + offset, from, bytes, cudaMemcpyHostToDevice, reterr);
}

void kern_cuda_range(struct kern_backend *b, uint32_t first, uint32_t last)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    c->first = first, c->last = last;
}

enum kern_status kern_cuda_phase_only(struct kern_backend *b, uint32_t phase,
                                      struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    enum kern_status status = KERN_OK;

    KERN_CUDA_TRY(cudaMemsetAsync(c->run.tickets, 0, c->table->phase_count * sizeof *c->run.tickets,
                                  c->stream),
                  "launching a phase");
    KERN_CUDA_TRY(kern_cuda_launch(c, phase, phase + 1, 0), "launching a phase");
    KERN_CUDA_TRY(cudaStreamSynchronize(c->stream), "a phase");
out:
    return status;
}

void kern_cuda_wait_phases(struct kern_backend *b, bool wait)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    c->wait_phases = wait;
}

void kern_cuda_disturb(struct kern_backend *b, uint64_t delay_key, uint32_t skip_barrier)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    c->run.delay_key = delay_key;
    c->run.skip_barrier = skip_barrier;
}

enum kern_status kern_cuda_phase_times(struct kern_backend *b, uint64_t *ret_ns,
                                       struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    return kern_cuda_copy(c, ret_ns, c->run.phase_ns, c->table->phase_count * sizeof *ret_ns,
                          cudaMemcpyDeviceToHost, reterr);
}

uint32_t kern_cuda_blocks(const struct kern_backend *b)
{
    return ((const struct kern_cuda *)b)->ctas;
}
