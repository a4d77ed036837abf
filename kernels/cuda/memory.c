/* The CUDA backend's memory: the GPU, its arena, the rings in pinned memory, copies in host memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/backend.h"
#include "cuda/launch.h"

enum kern_status kern_cuda_find(struct kern_cuda *c, struct kern_error *reterr)
{
    int count = 0, major = 0, cooperative = 0, processors = 0, per = 0;
    enum kern_status status = KERN_OK;
    cudaError_t code = cudaGetDeviceCount(&count);

    if (code != cudaSuccess || !count)
        return kern_fail(reterr, KERN_E_UNAVAILABLE, "no CUDA device: %s; use --device cpu",
                         code != cudaSuccess ? cudaGetErrorString(code) : "none is there");
    KERN_CUDA_TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0),
                  "asking the GPU");
    KERN_CUDA_TRY(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, 0),
                  "asking the GPU");
    if (major < 8 || !cooperative)
        return kern_fail(
            reterr, KERN_E_UNAVAILABLE,
            "the GPU has compute capability %d.x: 8.0 or later is needed; use --device cpu", major);
    KERN_CUDA_TRY(cudaFuncSetAttribute(kern_cuda_entry(),
                                       cudaFuncAttributeMaxDynamicSharedMemorySize,
                                       KERN_CUDA_SHARED_BYTES),
                  "giving a block its shared memory");
    KERN_CUDA_TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0),
                  "asking the GPU");
    KERN_CUDA_TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                      &per, kern_cuda_entry(), (int)KERN_DEVICE_THREADS, KERN_CUDA_SHARED_BYTES),
                  "counting resident blocks");
    c->ctas = (uint32_t)(processors * per);
    if (c->config.ctas) {
        if (c->config.ctas > c->ctas)
            return kern_fail(reterr, KERN_E_SHAPE, "--ctas %u: the GPU holds %u blocks at once",
                             c->config.ctas, c->ctas);
        c->ctas = c->config.ctas;
    }
out:
    return status;
}

static void describe_run(struct kern_cuda *c)
{
    const struct kern_device_table *t = c->table;
    const struct kern_model *m = &t->model;
    struct kern_cuda_run *r = &c->run;

    for (int i = 0; i < KERN_DEVICE_BUFFERS; i++)
        r->at[i] = (uint32_t)(t->at[i].offset / KERN_CUDA_UNIT),
        r->stride[i] = (uint32_t)(t->at[i].stride / KERN_CUDA_UNIT);
    r->deadline_ns = c->deadline_ns;
    r->blocks = c->ctas;
    r->phase_count = t->phase_count, r->piece_count = t->piece_count;
    r->tokens = t->tokens, r->seq_len = t->seq_len, r->rows = t->rows;
    r->first_blocks = t->first_blocks;
    r->layers = m->layers, r->width = m->width, r->heads = m->heads, r->kv_heads = m->kv_heads;
    r->head_dim = m->head_dim, r->ffn = m->ffn, r->vocab = m->vocab;
    r->vocab_padded = t->vocab_padded;
    r->q_width = t->q_width, r->kv_width = t->kv_width, r->qkv_width = t->qkv_width;
    r->final_rows = t->final_rows;
    r->norm_slots = t->norm_slots, r->mlp_slots = t->mlp_slots, r->vocab_tiles = t->vocab_tiles;
    r->attention_rows = t->attention_rows, r->attention_back_rows = t->attention_back_rows;
    r->by_heads = kern_device_divisor(m->heads), r->by_rows_heads = kern_device_divisor(t->rows * m->heads);
    r->by_kv_heads = kern_device_divisor(m->kv_heads), r->by_rows_kv_heads = kern_device_divisor(t->rows * m->kv_heads);
    r->by_group = kern_device_divisor(m->heads / m->kv_heads), r->by_seq_len = kern_device_divisor(t->seq_len);
    r->head_splits = t->head_splits, r->head_span = t->head_span;
    r->head_rows = t->head_rows, r->gain_slots = t->gain_slots;
    r->untied = m->untied, r->forward_only = t->forward_only;
    r->layout = t->layout;
    r->constants =
        (struct kern_device_constants){m->rms_eps,         c->config.beta1,        c->config.beta2,
                                       c->config.adam_eps, c->config.weight_decay, c->config.clip};
    r->skip_barrier = UINT32_MAX;
}

/* RoPE's angles, computed in double, rounded once. */
static void fill_rope(const struct kern_device_table *t, float *rope)
{
    uint32_t half = t->model.head_dim / 2;

    for (uint32_t position = 0; position < t->seq_len; position++)
        for (uint32_t i = 0; i < half; i++) {
            double angle =
                position * pow((double)t->model.rope_theta, -2.0 * i / t->model.head_dim);
            rope[2 * ((uint64_t)position * half + i)] = (float)cos(angle);
            rope[2 * ((uint64_t)position * half + i) + 1] = (float)sin(angle);
        }
}

/* What does not fit is told with what it would be if activations were made again. */
static enum kern_status too_large(const struct kern_cuda *c, struct kern_error *reterr)
{
    const struct kern_device_table *t = c->table;
    struct kern_device_table *other = NULL;
    struct kern_config config = c->config;
    size_t free_bytes = 0, total = 0;
    char less[64] = "";

    (void)cudaMemGetInfo(&free_bytes, &total);
    config.recompute = true;
    if (!t->recompute && kern_device_table_new(&config, &other, NULL) == KERN_OK) {
        if (other->arena < t->arena)
            snprintf(less, sizeof less, ", or --recompute, which needs %.2f GB", (double)other->arena / 1e9);
        kern_device_table_free(&other);
    }
    return kern_fail(reterr, KERN_E_NOMEM,
                     "%.2f GB for a micro-batch of %u x %u tokens%s, and the GPU has %.2f GB free: take a "
                     "smaller --micro-batch%s",
                     (double)t->arena / 1e9, t->rows, t->seq_len, t->recompute ? " with --recompute" : "",
                     (double)free_bytes / 1e9, less);
}

static enum kern_status device_memory(struct kern_cuda *c, struct kern_error *reterr)
{
    const struct kern_device_table *t = c->table;
    struct kern_cuda_run *r = &c->run;
    uint64_t phases = t->phase_count * sizeof *t->phases,
             pieces = t->piece_count * sizeof *t->pieces;
    enum kern_status status = KERN_OK;
    cudaError_t code = cudaSuccess;
    float *rope = NULL;

    code = cudaMalloc((void **)&r->arena, t->arena);
    if (code == cudaErrorMemoryAllocation)
        return too_large(c, reterr);
    KERN_CUDA_TRY(code, "allocating the model");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->phases, phases), "allocating the phase table");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->pieces, pieces ? pieces : 1),
                  "allocating the phase table");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->state, sizeof *r->state), "allocating the run's state");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->clocks, c->ctas * sizeof *r->clocks),
                  "allocating the run's state");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->tickets, t->phase_count * sizeof *r->tickets),
                  "allocating the run's state");
    KERN_CUDA_TRY(cudaMemset(r->tickets, 0, t->phase_count * sizeof *r->tickets),
                  "clearing the run's state");
    KERN_CUDA_TRY(cudaMalloc((void **)&r->phase_ns, t->phase_count * sizeof *r->phase_ns),
                  "allocating the run's state");
    KERN_CUDA_TRY(
        cudaMemcpy((void *)(uintptr_t)r->phases, t->phases, phases, cudaMemcpyHostToDevice),
        "the phase table");
    KERN_CUDA_TRY(
        cudaMemcpy((void *)(uintptr_t)r->pieces, t->pieces, pieces, cudaMemcpyHostToDevice),
        "the phase table");
    KERN_CUDA_TRY(cudaMemset(r->arena, 0, t->arena), "clearing the model");
    KERN_CUDA_TRY(cudaMemset(r->state, 0, sizeof *r->state), "clearing the run's state");
    KERN_CUDA_TRY(cudaMemset(r->clocks, 0, c->ctas * sizeof *r->clocks),
                  "clearing the run's state");
    KERN_CUDA_TRY(cudaMemset(r->phase_ns, 0, t->phase_count * sizeof *r->phase_ns),
                  "clearing the run's state");
    /* what does not fit costs a pause at each checkpoint, no more */
    if (!t->forward_only &&
        cudaMalloc((void **)&c->kept, 3 * t->layout.size * sizeof(float)) != cudaSuccess) {
        (void)cudaGetLastError();
        c->kept = NULL;
    }
    r->kept = c->kept;
    rope = malloc(t->at[KERN_DEV_ROPE].size);
    if (!rope)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for RoPE's angles");
    fill_rope(t, rope);
    KERN_CUDA_TRY(cudaMemcpy(r->arena + t->at[KERN_DEV_ROPE].offset, rope,
                             t->at[KERN_DEV_ROPE].size, cudaMemcpyHostToDevice),
                  "RoPE's angles");
out:
    free(rope);
    return status;
}

static enum kern_status host_memory(struct kern_cuda *c, struct kern_error *reterr)
{
    const struct kern_device_table *t = c->table;
    struct kern_cuda_run *r = &c->run;
    enum kern_status status = KERN_OK;

    r->slot_bytes = KERN_CUDA_SLOT_HEADER + 5 * 4 * kern_cuda_slot_array(t->tokens);
    KERN_CUDA_TRY(cudaHostAlloc((void **)&c->control, sizeof *c->control, cudaHostAllocMapped),
                  "allocating the rings");
    KERN_CUDA_TRY(
        cudaHostAlloc((void **)&c->slots, KERN_CUDA_SLOTS * r->slot_bytes, cudaHostAllocMapped),
        "allocating the rings");
    if (c->kept)
        KERN_CUDA_TRY(cudaHostAlloc(&c->bounce, KERN_CUDA_BOUNCE, cudaHostAllocDefault),
                      "allocating room for checkpoints on their way");
    memset(c->control, 0, sizeof *c->control);
    memset(c->slots, 0, KERN_CUDA_SLOTS * r->slot_bytes);
    KERN_CUDA_TRY(cudaHostGetDevicePointer((void **)&r->control, c->control, 0),
                  "mapping the rings");
    KERN_CUDA_TRY(cudaHostGetDevicePointer((void **)&r->slots, c->slots, 0), "mapping the rings");
    c->scratch = calloc(t->tokens, sizeof *c->scratch);
    c->staging = calloc(t->layout.size, sizeof *c->staging);
    c->drained = calloc(t->layout.size, sizeof *c->drained);
    c->rounded = calloc(t->layout.size, sizeof *c->rounded);
    c->canonical = calloc(kern_parameter_count(&t->model), sizeof *c->canonical);
    if (!kern_results_init(&c->results) || !c->scratch || !c->staging || !c->rounded ||
        !c->canonical || !c->drained)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a copy of the model in host memory");
out:
    return status;
}

enum kern_status kern_cuda_allocate(struct kern_cuda *c, struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;

    describe_run(c);
    status = device_memory(c, reterr);
    if (status == KERN_OK)
        status = host_memory(c, reterr);
    if (status != KERN_OK)
        return status;
    KERN_CUDA_TRY(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "making a stream");
    KERN_CUDA_TRY(cudaStreamCreateWithFlags(&c->copies, cudaStreamNonBlocking), "making a stream");
    KERN_CUDA_TRY(cudaStreamCreateWithFlags(&c->drain, cudaStreamNonBlocking), "making a stream");
    KERN_CUDA_TRY(cudaDeviceSynchronize(), "setting up");
out:
    return status;
}

void kern_cuda_release(struct kern_cuda *c)
{
    for (unsigned i = 0; i < KERN_CUDA_GRAPHS; i++)
        if (c->graphs[i])
            cudaGraphExecDestroy(c->graphs[i]);
    cudaFree(c->run.arena);
    cudaFree((void *)(uintptr_t)c->run.phases);
    cudaFree((void *)(uintptr_t)c->run.pieces);
    cudaFree(c->run.state);
    cudaFree(c->run.clocks);
    cudaFree(c->run.tickets);
    cudaFree(c->run.phase_ns);
    cudaFree(c->kept);
    free(c->kept_host);
    free(c->drained);
    cudaFreeHost(c->bounce);
    cudaFreeHost(c->control);
    cudaFreeHost(c->slots);
    if (c->drain)
        cudaStreamDestroy(c->drain);
    if (c->copies)
        cudaStreamDestroy(c->copies);
    if (c->stream)
        cudaStreamDestroy(c->stream);
    free(c->scratch);
    free(c->staging);
    free(c->rounded);
    free(c->canonical);
}
