/*
 * The barrier of the whole grid, in two halves: a block arrives when it is done with a phase, and waits before it reads what
 * others wrote there. Between the two it may do what depends on neither.
 */
#ifndef KERN_CUDA_BARRIER_CUH
#define KERN_CUDA_BARRIER_CUH

#include "block.cuh"
#include "hw/order.cuh"

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

/* Tests: some blocks are late by up to `most` ns, by a hash of (key, block, phase). */
__device__ __noinline__ void dawdle(uint64_t key, uint32_t phase, uint32_t most)
{
    uint64_t h = (key + blockIdx.x * 0x9e3779b97f4a7c15ull) ^ (phase * 0xbf58476d1ce4e5b9ull);
    h ^= h >> 31, h *= 0x94d049bb133111ebull, h ^= h >> 29;
    if (h % 3 == 0)
        __nanosleep((uint32_t)(h >> 32) % most);
}

/* What waiting at a barrier comes to now and then: false once a block has given up or the deadline is over. */
__device__ __noinline__ bool still_waits(uint32_t phase, uint32_t target, uint32_t seen, uint64_t *since)
{
    const kern_cuda_run &r = here().run;
    uint64_t now = nanoseconds();

    *since = *since ? *since : now;
    if (given_up(r))
        return false;
    if (now - *since <= r.deadline_ns)
        return true;
    give_up(r, KERN_CUDA_FAULT_BARRIER, phase, r.state->number, target, seen);
    return false;
}

/*
 * The thread that waits at barriers and keeps the block's clocks. Not thread 0: that one's release takes as long as the
 * block's last writes, and a look at the others' arrivals as long again as the way to L2 and back; by another warp
 * the two go side by side.
 */
#define CLERK (KERN_DEVICE_THREADS - 1)

/* The clerk of the block that times phases: one ends, the next begins. Not waited for. */
__device__ __forceinline__ void tell_phase(const kern_cuda_run &r, block_state *l, uint32_t phase)
{
    uint64_t now = nanoseconds();
    atomicAdd(reinterpret_cast<unsigned long long *>(&r.phase_ns[phase]), now - l->since);
    l->since = now;
}

/*
 * This block is done with phase `phase`. Thread 0's release covers the block's writes, as the clerk's acquire in await_phase()
 * does the block's later reads (bar.sync is cumulative). `arrived` only grows: turn t ends at t * blocks (the clerk counts
 * them). `between` is run by all threads when all are done and seen by all afterwards. Nobody waits for thread 0, whose
 * release takes as long as the block's last writes: the others fetch the code of what comes next meanwhile.
 */
template <class F>
__device__ __forceinline__ void arrive(const kern_cuda_run &r, block_state *l, uint32_t phase, F between)
{
    __syncthreads();
    between();
    __syncthreads();
    if (thread_here() == 0) {
        if (r.delay_key)
            dawdle(r.delay_key, phase, 20000);
        add_release(&r.state->arrived, 1);
    }
    if (thread_here() == CLERK)
        l->turn++, l->left = phase;
}

/* The clerk, when a barrier opens; where it is asked for. */
__device__ __noinline__ void at_opening(uint32_t phase)
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;

    if (r.delay_key) /* late with the next phase: who does not wait for it gets ahead */
        dawdle(~r.delay_key, phase, 100000);
    if (l->timer)
        tell_phase(r, l, phase);
}

/*
 * All blocks have finished the phase that this one arrived from, and see each other's writes. False: a block gave up or did
 * not come within the deadline (then go_on says so too). Synchronises.
 */
__device__ __forceinline__ bool await_phase()
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;

    if (threadIdx.x == CLERK) {
        uint32_t phase = l->left, target = l->turn * gridDim.x, seen = 0;
        uint64_t since = 0;
        bool ok = true;
        for (uint32_t round = 1; r.skip_barrier != phase; round++) {
            seen = load_acquire(&r.state->arrived);
            if ((int32_t)(seen - target) >= 0)
                break;
            if (round % 1024 == 0 && !still_waits(phase, target, seen, &since)) {
                ok = false;
                break;
            }
        }
        if (r.delay_key || l->timer)
            at_opening(phase);
        l->go_on = ok;
        l->start = clock64();
    }
    __syncthreads();
    return l->go_on;
}

#endif
