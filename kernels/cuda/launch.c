/*
 * The CUDA backend's host side: memory, the rings, three ways to launch the one kernel. Plain C on the
 * runtime's C interface.
 *
 * Invariants: everything is allocated before the first launch, as an allocation or a free may wait for a
 * resident kernel to end; while it is resident the host only writes pinned memory and copies on a stream
 * of its own. One thread calls.
 */
#include "cuda/launch.h"

#include <cuda_runtime_api.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "backend_ops.h"
#include "cuda/device.h"
#include "cuda/run.h"
#include "kern/device/sort.h"
#include "kern/device/validate.h"

#define DEADLINE_SECONDS 60.0
#define GRAPHS 3u /* by enum kern_device_when */

struct cuda {
    struct kern_backend base;
    struct kern_config config;
    struct kern_device_table *table;
    struct kern_cuda_run run; /* device addresses; control and slots as the device sees them */
    struct kern_cuda_control *control;
    unsigned char *slots;
    uint32_t ctas;
    uint64_t deadline_ns;
    cudaStream_t stream, copies;
    cudaGraphExec_t graphs[GRAPHS];
    uint32_t first, last; /* phases of a launch outside residency */
    bool resident;        /* the kernel is launched and has not been seen to end */

    uint64_t submitted, collected; /* slots published; results taken from the ring */
    uint64_t open;                 /* results that submitted slots will give */
    uint64_t *scratch;             /* [tokens] of the sort */
    float *staging;                /* [layout.size] host, of state_get and state_set */
    uint16_t *rounded;             /* [layout.size] */
    float *canonical;              /* [parameters] what weights() lends */
    bool canonical_valid;
    uint64_t busy_before;

    /* the snapshot: on the device where there is room, else in host memory */
    float *kept;        /* device [3][layout.size], or NULL */
    float *kept_host;   /* [3][layout.size], made with the first one where kept is NULL */
    float *drained;     /* [layout.size] */
    cudaStream_t drain; /* of whoever reads it */
    bool taken;

    struct kern_result *results; /* queue [capacity] of results nobody has collected */
    uint64_t head, count, capacity;
};

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void nap(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static enum kern_status cuda_failed(struct kern_error *reterr, cudaError_t code, const char *what)
{
    return kern_fail(reterr, code == cudaErrorMemoryAllocation ? KERN_E_NOMEM : KERN_E_DEVICE,
                     "%s: %s (CUDA error %d)", what, cudaGetErrorString(code), (int)code);
}

/* Jumps to `out` with status set when a call fails. */
#define TRY(call, what)                                                                            \
    do {                                                                                           \
        cudaError_t code_ = (call);                                                                \
        if (code_ != cudaSuccess) {                                                                \
            status = cuda_failed(reterr, code_, what);                                             \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

/* ---- what went wrong on the device ---- */

static enum kern_status fault(const struct cuda *c, struct kern_error *reterr)
{
    const volatile struct kern_cuda_control *k = c->control;
    unsigned long long slot = k->fault.slot, expected = k->fault.expected, seen = k->fault.seen;
    double seconds = (double)c->deadline_ns / 1e9;

    switch (k->fault.code) {
    case KERN_CUDA_FAULT_FEED:
        return kern_fail(reterr, KERN_E_DEVICE,
                         "the GPU waited %.3g s for slot %llu and the feed did not give it: is the "
                         "data's disk stalled? run again to go on, with a longer --deadline if it "
                         "is only slow",
                         seconds, slot);
    case KERN_CUDA_FAULT_BARRIER:
        return kern_fail(
            reterr, KERN_E_DEVICE,
            "a block of the GPU kernel did not finish phase %u (%s) of slot %llu within "
            "%.3g s: %llu of %llu arrivals; run again to go on from the checkpoint",
            k->fault.phase, kern_device_op_name(c->table->phases[k->fault.phase].op), slot, seconds,
            seen, expected);
    case KERN_CUDA_FAULT_STOPPED:
        return kern_fail(reterr, KERN_E_DEVICE, "the GPU kernel was told to stop at slot %llu",
                         slot);
    default:
        return KERN_OK;
    }
}

/* Whether the device still works: a fault it told of, or an error of the stream. */
static enum kern_status alive(struct cuda *c, struct kern_error *reterr)
{
    cudaError_t code = cudaSuccess;
    enum kern_status status = fault(c, reterr);

    if (status != KERN_OK)
        return status;
    code = cudaStreamQuery(c->stream);
    if (code == cudaErrorNotReady)
        return KERN_OK;
    if (code != cudaSuccess)
        return cuda_failed(reterr, code, "the GPU kernel");
    if (c->resident && fault(c, reterr) == KERN_OK)
        return kern_fail(reterr, KERN_E_DEVICE,
                         "the GPU kernel ended by itself: please report this");
    return fault(c, reterr);
}

/* ---- results ---- */

static enum kern_status push_result(struct cuda *c, const struct kern_cuda_result *r,
                                    struct kern_error *reterr)
{
    uint64_t busy = r->busy_clocks - c->busy_before;
    double rate = r->clocks_ns ? (double)r->clocks / (double)r->clocks_ns : 1; /* clocks a ns */
    double wall = (double)r->work_ns * c->ctas * rate;

    if (c->count == c->capacity) { /* only when nobody collects */
        uint64_t wider = 2 * c->capacity;
        struct kern_result *to = calloc(wider, sizeof *to);
        if (!to)
            return kern_fail(reterr, KERN_E_NOMEM, "no memory for %llu uncollected results",
                             (unsigned long long)wider);
        for (uint64_t i = 0; i < c->count; i++)
            to[i] = c->results[(c->head + i) % c->capacity];
        free(c->results);
        c->results = to, c->capacity = wider, c->head = 0;
    }
    c->busy_before = r->busy_clocks;
    c->results[(c->head + c->count++) % c->capacity] = (struct kern_result){
        .kind = r->kind,
        .step = r->step,
        .targets = r->targets,
        .nll = r->nll,
        .grad_norm = r->norm,
        .updated = r->updated,
        .compute_seconds = (double)r->work_ns / 1e9,
        .wait_seconds = (double)r->wait_ns / 1e9,
        .busy = wall > 0 ? (double)busy / wall : 0,
    };
    c->canonical_valid = c->canonical_valid && r->kind != KERN_TRAIN;
    return KERN_OK;
}

/* Takes what the device has posted. */
static enum kern_status drain(struct cuda *c, struct kern_error *reterr)
{
    uint64_t posted = __atomic_load_n(&c->control->posted, __ATOMIC_ACQUIRE);
    enum kern_status status = KERN_OK;

    while (status == KERN_OK && c->collected < posted) {
        status = push_result(c, &c->control->results[c->collected % KERN_CUDA_RESULTS], reterr);
        c->collected++, c->open--;
    }
    return status;
}

/* ---- launches ---- */

static cudaError_t launch(struct cuda *c, uint32_t first, uint32_t last, uint32_t resident)
{
    void *args[] = {&c->run, &first, &last, &resident};
    dim3 grid = {c->ctas, 1, 1}, block = {KERN_DEVICE_THREADS, 1, 1};

    if (!resident && last == first + 1 && c->table->phases[first].tiles < c->ctas)
        grid.x = c->table->phases[first].tiles; /* spread over the multiprocessors */
    if (resident)
        return cudaLaunchCooperativeKernel(kern_cuda_entry(), grid, block, args,
                                           KERN_CUDA_SHARED_BYTES, c->stream);
    return cudaLaunchKernel(kern_cuda_entry(), grid, block, args, KERN_CUDA_SHARED_BYTES,
                            c->stream);
}

/* One launch a phase that slots up to `when` have. */
static cudaError_t launch_phases(struct cuda *c, uint32_t when, uint32_t first, uint32_t last)
{
    cudaError_t code = cudaSuccess;

    for (uint32_t i = first; i < last && code == cudaSuccess; i++)
        if (c->table->phases[i].when <= when)
            code = launch(c, i, i + 1, 0);
    return code;
}

static cudaError_t make_graph(struct cuda *c, uint32_t when)
{
    cudaGraph_t graph = NULL;
    cudaError_t code = cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal);

    if (code != cudaSuccess)
        return code;
    code = launch_phases(c, when, 0, c->table->phase_count);
    cudaError_t ended = cudaStreamEndCapture(c->stream, &graph);
    if (code == cudaSuccess)
        code = ended;
    if (code == cudaSuccess)
        code = cudaGraphInstantiate(&c->graphs[when], graph, 0);
    if (graph)
        cudaGraphDestroy(graph);
    return code;
}

static enum kern_status start(struct cuda *c, uint32_t when, struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;

    switch (c->config.launch) {
    case KERN_PERSISTENT:
        if (!c->resident) {
            TRY(cudaMemsetAsync(c->run.state->on, 0, sizeof c->run.state->on, c->stream),
                "starting the resident kernel");
            TRY(cudaMemsetAsync(&c->run.state->arrived, 0, sizeof c->run.state->arrived, c->stream),
                "starting the resident kernel");
            TRY(launch(c, 0, c->table->phase_count, 1), "starting the resident kernel");
            c->resident = true;
        }
        break;
    case KERN_GRAPH:
        if (!c->graphs[when])
            TRY(make_graph(c, when), "capturing the graph of a slot");
        TRY(cudaGraphLaunch(c->graphs[when], c->stream), "launching the graph of a slot");
        break;
    case KERN_STEPWISE:
        TRY(launch_phases(c, when, c->first, c->last), "launching a phase");
        TRY(cudaStreamSynchronize(c->stream), "a phase");
        break;
    }
out:
    return status;
}

/* ---- slots ---- */

static enum kern_status check_slot(const struct cuda *c, const struct kern_slot *s,
                                   struct kern_error *reterr)
{
    uint32_t seq_len = c->config.seq_len, vocab = c->config.model.vocab;

    if (s->kind == KERN_TRAIN && c->config.forward_only)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "a training slot for a forward-only backend: make one that trains");
    if (!s->rows || s->rows > c->config.rows)
        return kern_fail(reterr, KERN_E_SHAPE, "a slot of %u rows: 1 to %u are possible", s->rows,
                         c->config.rows);
    for (uint64_t n = 0; n < (uint64_t)s->rows * seq_len; n++) {
        unsigned long long row = n / seq_len, position = n % seq_len;
        if (s->tokens[n] >= vocab)
            return kern_fail(reterr, KERN_E_SHAPE,
                             "token %u at row %llu, position %llu: the vocabulary has %u",
                             s->tokens[n], row, position, vocab);
        if (s->targets[n] >= vocab && s->targets[n] != KERN_NO_TARGET)
            return kern_fail(reterr, KERN_E_SHAPE,
                             "target %u at row %llu, position %llu: the vocabulary has %u",
                             s->targets[n], row, position, vocab);
        if (s->first[n] > position || (position && s->first[n] < s->first[n - 1]))
            return kern_fail(
                reterr, KERN_E_SHAPE,
                "segment start %u at row %llu, position %llu: after it, or before the last "
                "one's",
                s->first[n], row, position);
    }
    return KERN_OK;
}

/* Writes slot `number` into its place in the ring; returns its `when`. */
static uint32_t fill(struct cuda *c, const struct kern_slot *s, uint64_t number)
{
    unsigned char *at = c->slots + number % KERN_CUDA_SLOTS * c->run.slot_bytes;
    uint64_t array = kern_cuda_slot_array(c->table->tokens);
    uint32_t *tokens = (uint32_t *)(at + KERN_CUDA_SLOT_HEADER), *targets = tokens + array;
    uint32_t *first = targets + array, *order = first + array, *runs = order + array;
    struct kern_device_slot h = {.number = number, .step = s->step, .kind = s->kind};

    if (s->kind != KERN_STOP) {
        uint64_t given = (uint64_t)s->rows * c->config.seq_len;
        memcpy(tokens, s->tokens, given * sizeof *tokens);
        memcpy(targets, s->targets, given * sizeof *targets);
        memcpy(first, s->first, given * sizeof *first);
        for (uint64_t n = given; n < c->table->tokens; n++) {
            tokens[n] = 0;
            targets[n] = KERN_NO_TARGET;
            first[n] = (uint32_t)(n % c->config.seq_len);
        }
        for (uint64_t n = 0; n < given; n++)
            h.targets += s->targets[n] != KERN_NO_TARGET;
        if (s->kind == KERN_TRAIN)
            h.runs = kern_device_sort(tokens, c->table->tokens, c->config.model.vocab, c->scratch,
                                      order, runs);
        h.when = s->kind != KERN_TRAIN ? KERN_DEV_ALWAYS
                 : s->last_micro       ? KERN_DEV_LAST
                                       : KERN_DEV_TRAINING;
        h.first_micro = s->first_micro;
        h.step_targets = s->step_targets;
        h.lr = (float)s->lr;
        h.step_size = s->bias1 > 0 ? (float)(s->lr / s->bias1) : 0;
        h.root2 = s->bias2 > 0 ? (float)(1 / sqrt(s->bias2)) : 0;
        h.inverse_targets = s->step_targets ? (float)(1.0 / (double)s->step_targets) : 0;
    }
    memcpy(at, &h, sizeof h);
    return h.when;
}

/* Waits for *word > than, taking results meanwhile. */
static enum kern_status await(struct cuda *c, const uint64_t *word, uint64_t than,
                              struct kern_error *reterr)
{
    uint64_t since = now_ns(), pause = 1000, asked = since;

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) <= than) {
        uint64_t now = now_ns();
        enum kern_status status = drain(c, reterr);
        if (status != KERN_OK)
            return status;
        if (now - asked > 20000000) { /* asking the driver costs more than a look at memory */
            asked = now;
            status = alive(c, reterr);
            if (status != KERN_OK && __atomic_load_n(word, __ATOMIC_ACQUIRE) <= than)
                return status;
        }
        /* a step may take long; a phase longer than the deadline the device finds itself */
        if (now - since > 100 * c->deadline_ns)
            return kern_fail(reterr, KERN_E_DEVICE, "the GPU did not answer for %.3g s",
                             (double)(now - since) / 1e9);
        nap(pause);
        pause = pause < 100000 ? pause * 2 : pause;
    }
    return drain(c, reterr);
}

static enum kern_status cuda_submit(struct kern_backend *b, const struct kern_slot *s,
                                    struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    enum kern_status status = KERN_OK;

    if (s->kind == KERN_STOP && !c->resident)
        return KERN_OK;
    if (s->kind != KERN_STOP)
        status = check_slot(c, s, reterr);
    if (status == KERN_OK && c->submitted >= KERN_CUDA_SLOTS)
        status = await(c, &c->control->consumed, c->submitted - KERN_CUDA_SLOTS, reterr);
    if (status == KERN_OK)
        status = drain(c, reterr);
    if (status == KERN_OK && c->resident)
        status = fault(c, reterr);
    if (status != KERN_OK)
        return status;
    uint32_t when = fill(c, s, c->submitted);
    if (s->kind == KERN_VALIDATE || when == KERN_DEV_LAST)
        c->open++;
    __atomic_store_n(&c->control->ready, c->submitted + 1, __ATOMIC_RELEASE);
    c->submitted++;
    if (s->kind != KERN_STOP)
        return start(c, when, reterr);
    TRY(cudaStreamSynchronize(c->stream), "the resident kernel's end");
    c->resident = false;
    status = fault(c, reterr);
out:
    return status;
}

static enum kern_status cuda_collect(struct kern_backend *b, bool wait, bool *ret_have,
                                     struct kern_result *ret_result, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    enum kern_status status = drain(c, reterr);

    if (status == KERN_OK && wait && !c->count && c->open)
        status = await(c, &c->control->posted, c->collected, reterr);
    if (status != KERN_OK)
        return status;
    *ret_have = c->count > 0;
    if (c->count) {
        *ret_result = c->results[c->head];
        c->head = (c->head + 1) % c->capacity;
        c->count--;
    }
    return KERN_OK;
}

/* ---- state ---- */

/* Every slot submitted has been worked; a resident kernel waits for the next. */
static enum kern_status settle(struct cuda *c, struct kern_error *reterr)
{
    if (!c->submitted)
        return KERN_OK;
    return await(c, &c->control->consumed, c->submitted - 1, reterr);
}

static enum kern_device_buffer buffer_of(enum kern_state which)
{
    static const enum kern_device_buffer ids[] = {
        [KERN_WEIGHTS] = KERN_DEV_MASTER,
        [KERN_MOMENT1] = KERN_DEV_MOMENT1,
        [KERN_MOMENT2] = KERN_DEV_MOMENT2,
        [KERN_GRADIENTS] = KERN_DEV_GRADIENTS,
    };
    return ids[which];
}

static enum kern_status check_state(const struct cuda *c, enum kern_state which,
                                    struct kern_error *reterr)
{
    if (c->table->at[buffer_of(which)].size)
        return KERN_OK;
    return kern_fail(reterr, KERN_E_SHAPE,
                     "a forward-only backend keeps weights alone: no moments, no gradients");
}

static enum kern_status copy(struct cuda *c, void *to, const void *from, uint64_t bytes,
                             enum cudaMemcpyKind kind, struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;

    TRY(cudaMemcpyAsync(to, from, bytes, kind, c->copies), "copying the model's state");
    TRY(cudaStreamSynchronize(c->copies), "copying the model's state");
out:
    return status;
}

static enum kern_status cuda_state_get(struct kern_backend *b, enum kern_state which,
                                       float *ret_values, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    const struct kern_device_table *t = c->table;
    enum kern_status status = check_state(c, which, reterr);

    if (status == KERN_OK)
        status = settle(c, reterr);
    if (status == KERN_OK)
        status = copy(c, c->staging, c->run.arena + t->at[buffer_of(which)].offset,
                      t->layout.size * sizeof(float), cudaMemcpyDeviceToHost, reterr);
    if (status == KERN_OK)
        kern_device_layout_from(&t->model, &t->layout, c->staging, ret_values);
    return status;
}

/* To nearest even, as the device rounds; weights are finite. */
static uint16_t round_bf16(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static enum kern_status cuda_state_set(struct kern_backend *b, enum kern_state which,
                                       const float *values, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    const struct kern_device_table *t = c->table;
    enum kern_status status = KERN_OK;

    if (which == KERN_GRADIENTS)
        return kern_fail(reterr, KERN_E_SHAPE, "gradients can be read only");
    status = check_state(c, which, reterr);
    if (status == KERN_OK)
        status = settle(c, reterr);
    if (status != KERN_OK)
        return status;
    kern_device_layout_to(&t->model, &t->layout, values, c->staging);
    status = copy(c, c->run.arena + t->at[buffer_of(which)].offset, c->staging,
                  t->layout.size * sizeof(float), cudaMemcpyHostToDevice, reterr);
    if (status != KERN_OK || which != KERN_WEIGHTS)
        return status;
    c->canonical_valid = false;
    for (uint64_t i = 0; i < t->layout.size; i++)
        c->rounded[i] = round_bf16(c->staging[i]);
    return copy(c, c->run.arena + t->at[KERN_DEV_WEIGHTS].offset, c->rounded,
                t->layout.size * sizeof *c->rounded, cudaMemcpyHostToDevice, reterr);
}

/* ---- the snapshot ---- */

static enum kern_status cuda_snapshot_take(struct kern_backend *b, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    const struct kern_device_table *t = c->table;
    uint64_t bytes = t->layout.size * sizeof(float);
    enum kern_status status = check_state(c, KERN_MOMENT1, reterr);

    if (status == KERN_OK)
        status = settle(c, reterr);
    if (status != KERN_OK)
        return status;
    if (!c->kept && !c->kept_host)
        c->kept_host = malloc(3 * bytes);
    if (!c->kept && !c->kept_host)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for %.2f GB of a checkpoint",
                         3 * (double)bytes / 1e9);
    for (int which = KERN_WEIGHTS; which <= KERN_MOMENT2 && status == KERN_OK; which++) {
        const unsigned char *from = c->run.arena + t->at[buffer_of((enum kern_state)which)].offset;
        uint64_t at = (uint64_t)which * t->layout.size;
        status = c->kept ? copy(c, c->kept + at, from, bytes, cudaMemcpyDeviceToDevice, reterr)
                         : copy(c, c->kept_host + at, from, bytes, cudaMemcpyDeviceToHost, reterr);
    }
    c->taken = status == KERN_OK;
    return status;
}

static enum kern_status cuda_snapshot_get(struct kern_backend *b, enum kern_state which,
                                          float *ret_values, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    const struct kern_device_table *t = c->table;
    uint64_t at = (uint64_t)which * t->layout.size, bytes = t->layout.size * sizeof(float);
    const float *from = c->kept_host + at;
    enum kern_status status = KERN_OK;

    if (!c->taken || which > KERN_MOMENT2)
        return kern_fail(reterr, KERN_E_SHAPE, "no snapshot was taken of this");
    if (c->kept) {
        TRY(cudaMemcpyAsync(c->drained, c->kept + at, bytes, cudaMemcpyDeviceToHost, c->drain),
            "copying a checkpoint");
        TRY(cudaStreamSynchronize(c->drain), "copying a checkpoint");
        from = c->drained;
    }
    kern_device_layout_from(&t->model, &t->layout, from, ret_values);
out:
    return status;
}

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
    const struct cuda *c = (const struct cuda *)b;
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

static const float *cuda_weights(struct kern_backend *b)
{
    struct cuda *c = (struct cuda *)b;
    struct kern_error ignored = {0};

    if (!c->canonical_valid)
        c->canonical_valid = cuda_state_get(b, KERN_WEIGHTS, c->canonical, &ignored) == KERN_OK;
    return c->canonical;
}

/* ---- beginning and end ---- */

static void cuda_free(struct kern_backend *b)
{
    struct cuda *c = (struct cuda *)b;

    if (c->resident && c->control) {
        __atomic_store_n(&c->control->stop, 1, __ATOMIC_RELEASE);
        (void)cudaStreamSynchronize(c->stream);
    }
    for (unsigned i = 0; i < GRAPHS; i++)
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
    cudaFreeHost(c->control);
    cudaFreeHost(c->slots);
    if (c->drain)
        cudaStreamDestroy(c->drain);
    if (c->copies)
        cudaStreamDestroy(c->copies);
    if (c->stream)
        cudaStreamDestroy(c->stream);
    kern_device_table_free(&c->table);
    free(c->scratch);
    free(c->staging);
    free(c->rounded);
    free(c->canonical);
    free(c->results);
    free(c);
}

static enum kern_status find_device(struct cuda *c, struct kern_error *reterr)
{
    int count = 0, major = 0, cooperative = 0, processors = 0, per = 0;
    enum kern_status status = KERN_OK;
    cudaError_t code = cudaGetDeviceCount(&count);

    if (code != cudaSuccess || !count)
        return kern_fail(reterr, KERN_E_UNAVAILABLE, "no CUDA device: %s; use --device cpu",
                         code != cudaSuccess ? cudaGetErrorString(code) : "none is there");
    TRY(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0), "asking the GPU");
    TRY(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, 0), "asking the GPU");
    if (major < 8 || !cooperative)
        return kern_fail(
            reterr, KERN_E_UNAVAILABLE,
            "the GPU has compute capability %d.x: 8.0 or later is needed; use --device cpu", major);
    TRY(cudaFuncSetAttribute(kern_cuda_entry(), cudaFuncAttributeMaxDynamicSharedMemorySize,
                             KERN_CUDA_SHARED_BYTES),
        "giving a block its shared memory");
    TRY(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), "asking the GPU");
    TRY(cudaOccupancyMaxActiveBlocksPerMultiprocessor(
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

static void describe_run(struct cuda *c)
{
    const struct kern_device_table *t = c->table;
    const struct kern_model *m = &t->model;
    struct kern_cuda_run *r = &c->run;

    for (int i = 0; i < KERN_DEVICE_BUFFERS; i++)
        r->at[i] = t->at[i].offset, r->stride[i] = t->at[i].stride;
    r->deadline_ns = c->deadline_ns;
    r->phase_count = t->phase_count, r->piece_count = t->piece_count;
    r->tokens = t->tokens, r->seq_len = t->seq_len, r->rows = t->rows;
    r->first_blocks = t->first_blocks;
    r->layers = m->layers, r->width = m->width, r->heads = m->heads, r->kv_heads = m->kv_heads;
    r->head_dim = m->head_dim, r->ffn = m->ffn, r->vocab = m->vocab;
    r->vocab_padded = t->vocab_padded;
    r->q_width = t->q_width, r->kv_width = t->kv_width, r->qkv_width = t->qkv_width;
    r->norm_slots = t->norm_slots, r->mlp_slots = t->mlp_slots, r->vocab_tiles = t->vocab_tiles;
    r->head_splits = t->head_splits, r->head_rows = t->head_rows, r->gain_slots = t->gain_slots;
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

static enum kern_status device_memory(struct cuda *c, struct kern_error *reterr)
{
    const struct kern_device_table *t = c->table;
    struct kern_cuda_run *r = &c->run;
    uint64_t phases = t->phase_count * sizeof *t->phases,
             pieces = t->piece_count * sizeof *t->pieces;
    enum kern_status status = KERN_OK;
    cudaError_t code = cudaSuccess;
    size_t free_bytes = 0, total = 0;
    float *rope = NULL;

    code = cudaMalloc((void **)&r->arena, t->arena);
    if (code == cudaErrorMemoryAllocation) {
        (void)cudaMemGetInfo(&free_bytes, &total);
        return kern_fail(
            reterr, KERN_E_NOMEM,
            "%.2f GB for a micro-batch of %u x %u tokens, and the GPU has %.2f GB free: take "
            "a smaller --micro-batch",
            (double)t->arena / 1e9, t->rows, t->seq_len, (double)free_bytes / 1e9);
    }
    TRY(code, "allocating the model");
    TRY(cudaMalloc((void **)&r->phases, phases), "allocating the phase table");
    TRY(cudaMalloc((void **)&r->pieces, pieces ? pieces : 1), "allocating the phase table");
    TRY(cudaMalloc((void **)&r->state, sizeof *r->state), "allocating the run's state");
    TRY(cudaMalloc((void **)&r->clocks, c->ctas * sizeof *r->clocks), "allocating the run's state");
    TRY(cudaMalloc((void **)&r->tickets, t->phase_count * sizeof *r->tickets),
        "allocating the run's state");
    TRY(cudaMemset(r->tickets, 0, t->phase_count * sizeof *r->tickets), "clearing the run's state");
    TRY(cudaMalloc((void **)&r->phase_ns, t->phase_count * sizeof *r->phase_ns),
        "allocating the run's state");
    TRY(cudaMemcpy((void *)(uintptr_t)r->phases, t->phases, phases, cudaMemcpyHostToDevice),
        "the phase table");
    TRY(cudaMemcpy((void *)(uintptr_t)r->pieces, t->pieces, pieces, cudaMemcpyHostToDevice),
        "the phase table");
    TRY(cudaMemset(r->arena, 0, t->arena), "clearing the model");
    TRY(cudaMemset(r->state, 0, sizeof *r->state), "clearing the run's state");
    TRY(cudaMemset(r->clocks, 0, c->ctas * sizeof *r->clocks), "clearing the run's state");
    TRY(cudaMemset(r->phase_ns, 0, t->phase_count * sizeof *r->phase_ns),
        "clearing the run's state");
    /* what does not fit costs a pause at each checkpoint, no more */
    if (!t->forward_only &&
        cudaMalloc((void **)&c->kept, 3 * t->layout.size * sizeof(float)) != cudaSuccess) {
        (void)cudaGetLastError();
        c->kept = NULL;
    }
    rope = malloc(t->at[KERN_DEV_ROPE].size);
    if (!rope)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for RoPE's angles");
    fill_rope(t, rope);
    TRY(cudaMemcpy(r->arena + t->at[KERN_DEV_ROPE].offset, rope, t->at[KERN_DEV_ROPE].size,
                   cudaMemcpyHostToDevice),
        "RoPE's angles");
out:
    free(rope);
    return status;
}

static enum kern_status host_memory(struct cuda *c, struct kern_error *reterr)
{
    const struct kern_device_table *t = c->table;
    struct kern_cuda_run *r = &c->run;
    enum kern_status status = KERN_OK;

    r->slot_bytes = KERN_CUDA_SLOT_HEADER + 5 * 4 * kern_cuda_slot_array(t->tokens);
    TRY(cudaHostAlloc((void **)&c->control, sizeof *c->control, cudaHostAllocMapped),
        "allocating the rings");
    TRY(cudaHostAlloc((void **)&c->slots, KERN_CUDA_SLOTS * r->slot_bytes, cudaHostAllocMapped),
        "allocating the rings");
    memset(c->control, 0, sizeof *c->control);
    memset(c->slots, 0, KERN_CUDA_SLOTS * r->slot_bytes);
    TRY(cudaHostGetDevicePointer((void **)&r->control, c->control, 0), "mapping the rings");
    TRY(cudaHostGetDevicePointer((void **)&r->slots, c->slots, 0), "mapping the rings");
    c->capacity = 64;
    c->results = calloc(c->capacity, sizeof *c->results);
    c->scratch = calloc(t->tokens, sizeof *c->scratch);
    c->staging = calloc(t->layout.size, sizeof *c->staging);
    c->drained = calloc(t->layout.size, sizeof *c->drained);
    c->rounded = calloc(t->layout.size, sizeof *c->rounded);
    c->canonical = calloc(kern_parameter_count(&t->model), sizeof *c->canonical);
    if (!c->results || !c->scratch || !c->staging || !c->rounded || !c->canonical || !c->drained)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a copy of the model in host memory");
out:
    return status;
}

static const struct kern_backend_ops cuda_ops = {
    .free = cuda_free,
    .submit = cuda_submit,
    .collect = cuda_collect,
    .state_get = cuda_state_get,
    .state_set = cuda_state_set,
    .snapshot_take = cuda_snapshot_take,
    .snapshot_get = cuda_snapshot_get,
    .describe = cuda_describe,
    .weights = cuda_weights,
};

enum kern_status kern_cuda_new(const struct kern_config *config, struct kern_backend **ret_backend,
                               struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;
    struct cuda *c = calloc(1, sizeof *c);

    if (reterr)
        *reterr = (struct kern_error){.code = KERN_OK};
    if (!c)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for a backend");
    c->base = (struct kern_backend){&cuda_ops, config->model};
    c->config = *config;
    c->deadline_ns = (uint64_t)((config->deadline > 0 ? config->deadline : DEADLINE_SECONDS) * 1e9);
    status = find_device(c, reterr);
    if (status == KERN_OK)
        status = kern_device_table_new(config, &c->table, reterr);
    if (status == KERN_OK)
        status = kern_device_validate(c->table, reterr);
    if (status != KERN_OK)
        goto out;
    c->last = c->table->phase_count;
    describe_run(c);
    status = device_memory(c, reterr);
    if (status == KERN_OK)
        status = host_memory(c, reterr);
    if (status != KERN_OK)
        goto out;
    TRY(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), "making a stream");
    TRY(cudaStreamCreateWithFlags(&c->copies, cudaStreamNonBlocking), "making a stream");
    TRY(cudaStreamCreateWithFlags(&c->drain, cudaStreamNonBlocking), "making a stream");
    TRY(cudaDeviceSynchronize(), "setting up");
    *ret_backend = &c->base;
    return KERN_OK;

out:
    cuda_free(&c->base);
    return status;
}

/* ---- for tests and benches: cuda/device.h ---- */

const struct kern_device_table *kern_cuda_table(const struct kern_backend *b)
{
    return ((const struct cuda *)b)->table;
}

enum kern_status kern_cuda_arena_get(struct kern_backend *b, uint64_t offset, uint64_t bytes,
                                     void *ret_bytes, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    return copy(c, ret_bytes, c->run.arena + offset, bytes, cudaMemcpyDeviceToHost, reterr);
}

enum kern_status kern_cuda_arena_set(struct kern_backend *b, uint64_t offset, uint64_t bytes,
                                     const void *from, struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    return copy(c, c->run.arena + offset, from, bytes, cudaMemcpyHostToDevice, reterr);
}

void kern_cuda_range(struct kern_backend *b, uint32_t first, uint32_t last)
{
    struct cuda *c = (struct cuda *)b;
    c->first = first, c->last = last;
}

enum kern_status kern_cuda_phase_only(struct kern_backend *b, uint32_t phase,
                                      struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    enum kern_status status = KERN_OK;

    TRY(cudaMemsetAsync(c->run.tickets, 0, c->table->phase_count * sizeof *c->run.tickets,
                        c->stream),
        "launching a phase");
    TRY(launch(c, phase, phase + 1, 0), "launching a phase");
    TRY(cudaStreamSynchronize(c->stream), "a phase");
out:
    return status;
}

void kern_cuda_disturb(struct kern_backend *b, uint64_t delay_key, uint32_t skip_barrier)
{
    struct cuda *c = (struct cuda *)b;
    c->run.delay_key = delay_key;
    c->run.skip_barrier = skip_barrier;
}

enum kern_status kern_cuda_phase_times(struct kern_backend *b, uint64_t *ret_ns,
                                       struct kern_error *reterr)
{
    struct cuda *c = (struct cuda *)b;
    return copy(c, ret_ns, c->run.phase_ns, c->table->phase_count * sizeof *ret_ns,
                cudaMemcpyDeviceToHost, reterr);
}

uint32_t kern_cuda_blocks(const struct kern_backend *b)
{
    return ((const struct cuda *)b)->ctas;
}
