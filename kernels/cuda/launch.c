/* The CUDA backend's three ways to launch its kernel, and what went wrong on the device. */
#include "cuda/launch.h"

#include "cuda/backend.h"

enum kern_status kern_cuda_failed(struct kern_error *reterr, cudaError_t code, const char *what)
{
    return kern_fail(reterr, code == cudaErrorMemoryAllocation ? KERN_E_NOMEM : KERN_E_DEVICE,
                     "%s: %s (CUDA error %d)", what, cudaGetErrorString(code), (int)code);
}

/* ---- what went wrong on the device ---- */

enum kern_status kern_cuda_fault(const struct kern_cuda *c, struct kern_error *reterr)
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
enum kern_status kern_cuda_alive(struct kern_cuda *c, struct kern_error *reterr)
{
    cudaError_t code = cudaSuccess;
    enum kern_status status = kern_cuda_fault(c, reterr);

    if (status != KERN_OK)
        return status;
    code = cudaStreamQuery(c->stream);
    if (code == cudaErrorNotReady)
        return KERN_OK;
    if (code != cudaSuccess)
        return kern_cuda_failed(reterr, code, "the GPU kernel");
    if (c->resident && kern_cuda_fault(c, reterr) == KERN_OK)
        return kern_fail(reterr, KERN_E_DEVICE,
                         "the GPU kernel ended by itself: please report this");
    return kern_cuda_fault(c, reterr);
}

/* ---- launches ---- */

cudaError_t kern_cuda_launch(struct kern_cuda *c, uint32_t first, uint32_t last, uint32_t resident)
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
static cudaError_t launch_phases(struct kern_cuda *c, uint32_t when, uint32_t first, uint32_t last)
{
    cudaError_t code = cudaSuccess;

    for (uint32_t i = first; i < last && code == cudaSuccess; i++)
        if (c->table->phases[i].when <= when)
            code = kern_cuda_launch(c, i, i + 1, 0);
    if (code == cudaSuccess && c->wait_phases)
        code = cudaStreamSynchronize(c->stream);
    return code;
}

static cudaError_t make_graph(struct kern_cuda *c, uint32_t when)
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

enum kern_status kern_cuda_start(struct kern_cuda *c, uint32_t when, struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;

    switch (c->config.launch) {
    case KERN_PERSISTENT:
        if (!c->resident) {
            KERN_CUDA_TRY(cudaMemsetAsync(c->run.state->on, 0, sizeof c->run.state->on, c->stream),
                          "starting the resident kernel");
            KERN_CUDA_TRY(
                cudaMemsetAsync(&c->run.state->arrived, 0, sizeof c->run.state->arrived, c->stream),
                "starting the resident kernel");
            KERN_CUDA_TRY(kern_cuda_launch(c, 0, c->table->phase_count, 1),
                          "starting the resident kernel");
            c->resident = true;
        }
        break;
    case KERN_GRAPH:
        if (!c->graphs[when])
            KERN_CUDA_TRY(make_graph(c, when), "capturing the graph of a slot");
        KERN_CUDA_TRY(cudaGraphLaunch(c->graphs[when], c->stream), "launching the graph of a slot");
        break;
    case KERN_STEPWISE:
        KERN_CUDA_TRY(launch_phases(c, when, c->first, c->last), "launching a phase");
        KERN_CUDA_TRY(cudaStreamSynchronize(c->stream), "a phase");
        break;
    }
out:
    return status;
}
