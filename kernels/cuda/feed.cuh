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
 * The leader: waits until the host has published slot `number` and lets the other blocks go. It alone
 * asks: reads of one host word by all blocks stand in line for 80 ns each. False: the kernel is to end.
 */
__device__ __forceinline__ bool await_slot(const kern_cuda_run &r, uint64_t number)
{
    uint64_t since = nanoseconds(), seen = 0;
    for (uint32_t round = 0;; round++) {
        seen = load_acquire_system(&r.control->ready);
        if (seen > number) {
            store_release(&r.state->granted, (uint32_t)number + 1);
            return true;
        }
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

/* Thread 0 of the other blocks. The leader keeps the deadline. */
__device__ __forceinline__ bool await_leader(const kern_cuda_run &r, uint64_t number)
{
    for (uint32_t round = 0;; round++) {
        if ((int32_t)(load_acquire(&r.state->granted) - (uint32_t)number) > 0)
            return true;
        if (round % 64 == 63) {
            if (given_up(r))
                return false;
            __nanosleep(200);
        }
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

/* 256 positions of the five arrays, 16 bytes a read: a read over the bus takes 1.3 us, but many at once
 * do not take longer. */
__device__ __noinline__ void fetch_tile(uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const unsigned char *from = slot_at(r, state_here()->number) + KERN_CUDA_SLOT_HEADER;
    uint64_t array = kern_cuda_slot_array(r.tokens);
    uint32_t T = r.seq_len, *firsts = reinterpret_cast<uint32_t *>(lines_of(b)); /* [256] */
    /* RUNS has one number more, for which the last tile has room or reads it apart */
    uint32_t n = tile * 256 + threadIdx.x % 64 * 4;

    auto take = [&](uint32_t which) {
        const int ids[5] = {KERN_DEV_TOKENS, KERN_DEV_TARGETS, KERN_DEV_ORDER, KERN_DEV_RUNS, KERN_DEV_FIRST};
        const uint32_t place[5] = {0, 1, 3, 4, 2};
        uint32_t count = r.tokens + (which == 3), v[4];
        if (n >= count)
            return;
        const volatile uint32_t *at = reinterpret_cast<const volatile uint32_t *>(from) + place[which] * array + n;
        asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                     : "=r"(v[0]), "=r"(v[1]), "=r"(v[2]), "=r"(v[3])
                     : "l"(at));
        uint32_t *to = buffer<uint32_t>(r, ids[which]) + n;
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (n + e < count) {
                to[e] = v[e];
                if (which == 4)
                    firsts[threadIdx.x % 64 * 4 + e] = v[e];
            }
    };
    take(threadIdx.x / 64);
    if (threadIdx.x < 64)
        take(4);
    if (tile + 1 == b.phase.tiles && threadIdx.x == 64 && tile * 256 + 256 == r.tokens)
        buffer<uint32_t>(r, KERN_DEV_RUNS)[r.tokens] = host_word(from + 4 * 4 * array, r.tokens);
    __syncthreads();

    uint32_t *mins = buffer<uint32_t>(r, KERN_DEV_FIRST_MIN), at = tile * 256 + threadIdx.x;
    if (T % 32 == 0) {
        uint32_t least = __reduce_min_sync(0xffffffffu, at < r.tokens ? firsts[threadIdx.x] : UINT32_MAX);
        if (threadIdx.x % 32 == 0 && at < r.tokens)
            mins[at / 32] = least;
    } else if (at < r.tokens && at % T % 32 == 0) {
        uint32_t least = firsts[threadIdx.x], last = min(at + 32, (at / T + 1) * T);
        for (uint32_t i = at + 1; i < last; i++)
            least = min(least, host_word(from + 2 * 4 * array, i));
        mins[at / T * r.first_blocks + at % T / 32] = least;
    }
}

/* One block, when everything of the slot is done and seen. The leader may be at the next slot already. */
__device__ __noinline__ void result_tile()
{
    const block b = here();
    const uint64_t number = state_here()->number;
    const kern_cuda_run &r = b.run;
    kern_cuda_state *state = r.state;
    const float *slots = buffer<float>(r, KERN_DEV_NLL_SLOT);
    bool train = b.slot.kind == KERN_TRAIN, leads = threadIdx.x == 0;
    double nll = 0;
    uint64_t clocks[3] = {0, 0, 0}; /* busy, all, ns */

    /* the next slot waits for this block: what is read comes at once */
    uint64_t began = leads ? state->began_ns[number % 2] : 0, asked = leads ? state->asked_ns[number % 2] : 0;
    uint64_t waited = leads ? state->wait_ns : 0, worked = leads ? state->work_ns : 0;
    uint64_t posted = leads ? state->posted : 0;
    double before = leads ? state->nll : 0, norm = leads ? state->norm : 0;
    uint32_t updated = leads ? state->updated : 0;
    for (uint32_t i = threadIdx.x; i < r.blocks; i += 256) {
        clocks[0] += *(volatile uint64_t *)&r.clocks[i].busy;
        clocks[1] += *(volatile uint64_t *)&r.clocks[i].all;
        clocks[2] += *(volatile uint64_t *)&r.clocks[i].ns;
    }
    for (uint32_t i = threadIdx.x; i < (r.tokens + KERN_DEVICE_LOSS_ROWS - 1) / KERN_DEVICE_LOSS_ROWS; i += 256)
        nll += (double)slots[i];
    /* all phases but FETCH, which the other blocks may have begun again, lie behind a barrier */
    for (uint32_t i = threadIdx.x + 1; i < r.phase_count; i += 256)
        r.tickets[i] = 0;
    double *nlls = reinterpret_cast<double *>(lines_of(b)); /* [8], and clocks [8][3] */
    uint64_t *sums = reinterpret_cast<uint64_t *>(nlls + 8);
    nll = lanes_sum<32>(nll);
    for (int i = 0; i < 3; i++)
        clocks[i] = lanes_sum<32>(clocks[i]);
    if (threadIdx.x % 32 == 0) {
        nlls[threadIdx.x / 32] = nll;
        for (int i = 0; i < 3; i++)
            sums[threadIdx.x / 32 * 3 + i] = clocks[i];
    }
    __syncthreads();
    if (!leads)
        return;
    for (int warp = 1; warp < 8; warp++) {
        nll += nlls[warp];
        for (int i = 0; i < 3; i++)
            clocks[i] += sums[warp * 3 + i];
    }
    uint64_t wait = began - asked, work = nanoseconds() - began;
    if (train && !b.slot.first_micro)
        nll += before, wait += waited, work += worked;
    if (train)
        state->nll = nll, state->wait_ns = wait, state->work_ns = work;
    if (!train || b.slot.when == KERN_DEV_LAST) {
        volatile kern_cuda_result *to = &r.control->results[posted % KERN_CUDA_RESULTS];
        to->number = number;
        to->step = b.slot.step;
        to->kind = b.slot.kind;
        to->updated = train && updated;
        to->targets = train ? b.slot.step_targets : b.slot.targets;
        to->nll = nll;
        to->norm = train ? norm : 0;
        to->wait_ns = wait;
        to->work_ns = work;
        to->busy_clocks = clocks[0];
        to->clocks = clocks[1];
        to->clocks_ns = clocks[2];
        state->posted = posted + 1;
        __threadfence_system();
        *(volatile uint64_t *)&r.control->posted = posted + 1;
    }
    state->number = number + 1;
    *(volatile uint64_t *)&r.control->consumed = number + 1; /* the slot was read before a barrier */
}

#endif
