/* FETCH and RESULT of ops.h: the two ends of the rings, and the waits. */
#ifndef KERN_CUDA_FEED_CUH
#define KERN_CUDA_FEED_CUH

#include "hw/order.cuh"
#include "product.cuh"

/* One block's account of why it leaves; the first one is told to the host. */
__device__ __noinline__ void give_up(const kern_cuda_run &r, uint32_t code, uint32_t phase, uint64_t slot,
                                     uint64_t expected, uint64_t seen)
{
    if (atomicExch(&r.state->abort, 1))
        return;
    auto &fault = r.control->fault;
    volatile uint64_t *numbers = &fault.slot;
    numbers[0] = slot, numbers[1] = expected, numbers[2] = seen;
    *(volatile uint32_t *)&fault.block = blockIdx.x;
    *(volatile uint32_t *)&fault.phase = phase;
    __threadfence_system();
    *(volatile uint32_t *)&fault.code = code;
    __threadfence_system();
}

__device__ __forceinline__ bool given_up(const kern_cuda_run &r)
{
    return *(volatile uint32_t *)&r.state->abort != 0;
}

/*
 * Thread 0: waits until the host has published slot `number`. Every block asks for itself; all wait for
 * the same count, so all go on. False: the kernel is to end.
 */
__device__ __noinline__ bool await_slot(const kern_cuda_run &r, uint64_t number)
{
    uint64_t since = nanoseconds(), seen = 0;
    for (uint32_t round = 0;; round++) {
        seen = load_acquire_system(&r.control->ready);
        if (seen > number)
            return true;
        if (given_up(r))
            return false;
        if (load_relaxed_system(&r.control->stop)) {
            give_up(r, KERN_CUDA_FAULT_STOPPED, 0, number, number + 1, seen);
            return false;
        }
        if (nanoseconds() - since > r.deadline_ns) {
            give_up(r, KERN_CUDA_FAULT_FEED, 0, number, number + 1, seen);
            return false;
        }
        if (round > 4)
            __nanosleep(500);
    }
}

__device__ __forceinline__ const unsigned char *slot_at(const kern_cuda_run &r, uint64_t number)
{
    return r.slots + number % KERN_CUDA_SLOTS * r.slot_bytes;
}

__device__ __forceinline__ uint32_t host_word(const unsigned char *array, uint64_t index)
{
    return *(volatile const uint32_t *)(array + 4 * index);
}

__device__ __noinline__ void fetch_tile(const block &b, uint32_t tile, uint64_t number)
{
    const kern_cuda_run &r = b.run;
    const unsigned char *from = slot_at(r, number) + KERN_CUDA_SLOT_HEADER;
    uint64_t array = 4 * kern_cuda_slot_array(r.tokens);
    uint32_t n = tile * 256 + threadIdx.x, T = r.seq_len, value[5] = {0, 0, UINT32_MAX, 0, 0};
    const int ids[5] = {KERN_DEV_TOKENS, KERN_DEV_TARGETS, KERN_DEV_FIRST, KERN_DEV_ORDER, KERN_DEV_RUNS};

#pragma unroll
    for (int i = 0; i < 5; i++)
        if (n < r.tokens + (i == 4))
            value[i] = host_word(from + i * array, n);
#pragma unroll
    for (int i = 0; i < 5; i++)
        if (n < r.tokens + (i == 4))
            buffer<uint32_t>(r, ids[i])[n] = value[i];
    if (tile + 1 == b.phase.tiles && threadIdx.x == 0 && tile * 256 + 256 == r.tokens)
        buffer<uint32_t>(r, KERN_DEV_RUNS)[r.tokens] = host_word(from + 4 * array, r.tokens);

    uint32_t *mins = buffer<uint32_t>(r, KERN_DEV_FIRST_MIN);
    if (T % 32 == 0) {
        uint32_t least = __reduce_min_sync(0xffffffffu, value[2]);
        if (threadIdx.x % 32 == 0 && n < r.tokens)
            mins[n / 32] = least;
    } else if (n < r.tokens && n % T % 32 == 0) {
        uint32_t least = value[2], last = min(n + 32, (n / T + 1) * T);
        for (uint32_t i = n + 1; i < last; i++)
            least = min(least, host_word(from + 2 * array, i));
        mins[n / T * r.first_blocks + n % T / 32] = least;
    }
}

/* Block 0, when everything of the slot is done and seen. */
__device__ __noinline__ void result_tile(const block &b, uint64_t number)
{
    const kern_cuda_run &r = b.run;
    kern_cuda_state *state = r.state;
    const float *slots = buffer<float>(r, KERN_DEV_NLL_SLOT);
    bool train = b.slot.kind == KERN_TRAIN;
    double nll = 0;

    for (uint32_t i = threadIdx.x; i < (r.tokens + 7) / 8; i += 256)
        nll += (double)slots[i];
    nll = block_sum(nll, reinterpret_cast<double *>(b.lines));
    if (threadIdx.x)
        return;
    uint64_t now = nanoseconds();
    if (train) {
        state->nll = b.slot.first_micro ? nll : state->nll + nll;
        nll = state->nll;
    }
    uint64_t wait = state->began_ns - state->asked_ns, work = now - state->began_ns;
    if (train && !b.slot.first_micro)
        wait += state->wait_ns, work += state->work_ns;
    if (train)
        state->wait_ns = wait, state->work_ns = work;
    if (!train || b.slot.when == KERN_DEV_LAST) {
        uint64_t posted = state->posted, busy = 0, all = 0, ns = 0;
        volatile kern_cuda_result *to = &r.control->results[posted % KERN_CUDA_RESULTS];
        for (uint32_t i = 0; i < gridDim.x; i++) {
            busy += *(volatile uint64_t *)&r.clocks[i].busy;
            all += *(volatile uint64_t *)&r.clocks[i].all;
            ns += *(volatile uint64_t *)&r.clocks[i].ns;
        }
        to->number = number;
        to->step = b.slot.step;
        to->kind = b.slot.kind;
        to->updated = train && state->updated;
        to->targets = train ? b.slot.step_targets : b.slot.targets;
        to->nll = nll;
        to->norm = train ? state->norm : 0;
        to->wait_ns = wait;
        to->work_ns = work;
        to->busy_clocks = busy;
        to->clocks = all;
        to->clocks_ns = ns;
        state->posted = posted + 1;
        store_release_system(&r.control->posted, posted + 1);
    }
    state->number = number + 1;
    store_release_system(&r.control->consumed, number + 1);
}

#endif
