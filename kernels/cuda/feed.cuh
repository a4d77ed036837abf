/* FETCH and RESULT of ops.h: the two ends of the rings, and the waits. */
#ifndef KERN_CUDA_FEED_CUH
#define KERN_CUDA_FEED_CUH

#include "barrier.cuh"
#include "product.cuh"

/* Whether the leader has seen slot `number`. */
__device__ __forceinline__ bool slot_granted(const kern_cuda_run &r, uint64_t number)
{
    return (int32_t)(load_acquire(&r.state->granted) - (uint32_t)number) > 0;
}

/* The leader lets the blocks go to slot `number` if the host has published it. */
__device__ __forceinline__ bool grant_slot(const kern_cuda_run &r, uint64_t number, uint64_t *ret_ready)
{
    *ret_ready = load_acquire_system(&r.control->ready);
    if (*ret_ready <= number)
        return false;
    store_release(&r.state->granted, (uint32_t)number + 1);
    return true;
}

/*
 * The leader: waits until slot `number` is granted. It alone asks the host: reads of one host word by all
 * blocks stand in line for 80 ns each. False: the kernel is to end.
 */
__device__ __forceinline__ bool await_slot(const kern_cuda_run &r, uint64_t number)
{
    uint64_t since = nanoseconds(), ready = 0;
    if (slot_granted(r, number)) /* ahead of time */
        return true;
    for (uint32_t round = 0;; round++) {
        if (grant_slot(r, number, &ready))
            return true;
        if (given_up(r))
            return false;
        if (load_relaxed_system(&r.control->stop)) {
            give_up(r, KERN_CUDA_FAULT_STOPPED, 0, number, number + 1, ready);
            return false;
        }
        if (nanoseconds() - since > r.deadline_ns) {
            give_up(r, KERN_CUDA_FAULT_FEED, 0, number, number + 1, ready);
            return false;
        }
        if (round > 4)
            __nanosleep(500);
    }
}

/* Thread 0 of other blocks. The leader keeps the deadline. */
__device__ __forceinline__ bool await_leader(const kern_cuda_run &r, uint64_t number)
{
    for (uint32_t round = 0;; round++) {
        if (slot_granted(r, number))
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

__device__ __forceinline__ uint4 host_vector(const unsigned char *from)
{
    uint4 v;
    asm volatile("ld.volatile.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
                 : "l"(from));
    return v;
}

/* Words n .. n + 3 of an array of `count`, as far as they are there. */
__device__ __forceinline__ void put_words(uint32_t *to, const uint4 &v, uint32_t n, uint32_t count)
{
    if (n + 4 <= count) {
        *reinterpret_cast<uint4 *>(to) = v;
        return;
    }
    if (n < count)
        to[0] = v.x;
    if (n + 1 < count)
        to[1] = v.y;
    if (n + 2 < count)
        to[2] = v.z;
}

/* Where T is no multiple of 32: position `at` begins a span of the smallest first positions, which may reach into the next
 * tile. */
__device__ __noinline__ void span_min(uint32_t at, const uint32_t *firsts, const unsigned char *of_first)
{
    const kern_cuda_run &r = here().run;
    uint32_t T = r.seq_len, least = firsts[threadIdx.x], last = min(at + 32, (at / T + 1) * T);
    for (uint32_t i = at + 1; i < last; i++)
        least = min(least, host_word(of_first, i));
    buffer<uint32_t>(r, KERN_DEV_FIRST_MIN)[at / T * r.first_blocks + at % T / 32] = least;
}

/*
 * 256 positions of the five arrays, 16 bytes a read: a read over the bus takes 1.3 us, but many at once do not take
 * longer: all are asked for before the first is needed (the slot's arrays are padded). Short, as nothing of it is in any
 * cache.
 */
__device__ __noinline__ void fetch_positions(uint64_t number, uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    uint64_t array = kern_cuda_slot_array(r.tokens);
    const unsigned char *from = slot_at(r, number) + KERN_CUDA_SLOT_HEADER, *of_first = from + 4 * 2 * array;
    uint4 *firsts = reinterpret_cast<uint4 *>(lines_of(b)); /* [64] of four */
    uint32_t n = tile * 256 + threadIdx.x % 64 * 4, which = threadIdx.x / 64;
    /* tokens, targets, order, runs; then first positions. RUNS has one number more, for which the last tile has room or
     * reads it apart. */
    uint32_t place = which + which / 2, count = r.tokens + (which == 3);
    uint32_t id = which == 0 ? KERN_DEV_TOKENS : which == 1 ? KERN_DEV_TARGETS : which == 2 ? KERN_DEV_ORDER : KERN_DEV_RUNS;
    bool more = threadIdx.x == 255 && n + 4 == r.tokens;
    uint4 v = make_uint4(0, 0, 0, 0), f = v;
    uint32_t rest = 0;

    if (n < count)
        v = host_vector(from + 4 * (place * array + n));
    if (which == 0 && n < r.tokens)
        f = host_vector(of_first + 4 * n);
    if (more)
        rest = host_word(from + 4 * 4 * array, r.tokens);
    put_words(buffer<uint32_t>(r, id) + n, v, n, count);
    if (which == 0) {
        put_words(buffer<uint32_t>(r, KERN_DEV_FIRST) + n, f, n, r.tokens);
        firsts[threadIdx.x] = f;
    }
    if (more)
        buffer<uint32_t>(r, KERN_DEV_RUNS)[r.tokens] = rest;
    __syncthreads();

    const uint32_t *each = reinterpret_cast<const uint32_t *>(firsts);
    uint32_t at = tile * 256 + threadIdx.x;
    if (r.seq_len % 32 == 0) {
        uint32_t least = __reduce_min_sync(0xffffffffu, at < r.tokens ? each[threadIdx.x] : UINT32_MAX);
        if (threadIdx.x % 32 == 0 && at < r.tokens)
            buffer<uint32_t>(r, KERN_DEV_FIRST_MIN)[at / 32] = least;
    } else if (at < r.tokens && at % r.seq_len % 32 == 0) {
        span_min(at, each, of_first);
    }
}

__device__ __forceinline__ void fetch_tile()
{
    const block_state *l = state_here();
    uint32_t tile = tile_here();

    draw();
    if (tile != l->rank || l->fetched != l->number)
        fetch_positions(l->number, tile);
}

/* The slot's header to device memory, by one warp. */
__device__ __forceinline__ void take_header(const kern_cuda_run &r, uint64_t number)
{
    const unsigned char *from = slot_at(r, number);
    if (threadIdx.x < sizeof(kern_device_slot) / 4)
        reinterpret_cast<uint32_t *>(&r.state->slot)[threadIdx.x] = host_word(from, threadIdx.x);
}

/* The block that brings the header: one that has no tile at FETCH, if there is one, as both take a read over the bus. */
__device__ __forceinline__ bool takes_header(const kern_cuda_run &r, uint32_t rank)
{
    uint32_t tiles = r.phases[0].tiles;
    return rank == (tiles + 1 < gridDim.x ? tiles : 0);
}

/*
 * COLLECT: nothing of this slot's header and positions is read any more (the header stands in every block), so those of the next
 * take their places if it is there already. The tiles of this phase are drawn: it is done as soon.
 */
__device__ __noinline__ void fetch_ahead()
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;
    uint64_t number = l->number + 1;
    bool fetches = l->rank < r.phases[0].tiles, heads = takes_header(r, l->rank);

    if (!fetches && !heads)
        return;
    if (threadIdx.x == 0)
        l->ahead = slot_granted(r, number);
    __syncthreads();
    if (!l->ahead)
        return;
    if (heads)
        take_header(r, number);
    if (fetches)
        fetch_positions(number, l->rank);
    if (threadIdx.x == 0) {
        if (heads)
            l->headed = number;
        if (fetches)
            l->fetched = number;
    }
    __syncthreads();
}

/* One block, when everything of the slot is done and seen. All phases but FETCH, which the other blocks may have begun
 * again, lie behind a barrier. */
__device__ __forceinline__ void close_slot(const kern_cuda_run &r, block_state *l)
{
    for (uint32_t i = threadIdx.x + 1; i < r.phase_count; i += 256)
        r.tickets[i] = 0;
    if (threadIdx.x == 0)
        l->closed = l->number, l->closed_ns = nanoseconds();
}

/* That block, before it reads the next slot: adds up, and tells the host. */
__device__ __noinline__ void tell_result()
{
    const block b = here();
    const uint64_t number = state_here()->closed;
    const kern_cuda_run &r = b.run;
    kern_cuda_state *state = r.state;
    const float *slots = buffer<float>(r, KERN_DEV_NLL_SLOT);
    bool train = b.slot.kind == KERN_TRAIN, leads = threadIdx.x == 0;
    double nll = 0;
    uint64_t clocks[3] = {0, 0, 0}; /* busy, all, ns */

    /* what is read comes at once */
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
    uint64_t wait = began - asked, work = state_here()->closed_ns - began;
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
