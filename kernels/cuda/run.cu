/*
 * The one kernel. Resident: all phases of slot after slot, a barrier of the whole grid between two of
 * them, until a slot says stop. Else: phases [first, last) of the slot at work, once; then the launches'
 * order takes the barriers' place. Tiles of a phase go round the blocks; no result depends on whose
 * turn it is.
 */
#include "attention_backward.cuh"
#include "embed.cuh"
#include "feed.cuh"
#include "head.cuh"
#include "launch.h"
#include "mlp.cuh"
#include "qkv.cuh"
#include "residual.cuh"
#include "scan.cuh"
#include "update.cuh"

#define BY_SHAPE(function, shape) ((shape) == KERN_DEV_LARGE ? function<large_tile>() : function<small_tile>())
#define BY_HEAD(function, rows)                                                                    \
    (b.run.head_dim == 128 ? function<attention_128>()                                             \
     : (rows) == 64        ? function<attention_64>()                                              \
                           : function<attention_64_few>())

/* The block's tile. Every tile draws the next one. Few jumps: each may lead where the code is still to be fetched. */
__device__ __forceinline__ void work(const block &b)
{
    const kern_device_phase &p = b.phase;
    if (p.product.tiles) {
        if (p.weights_first ? tile_here() < p.weight.tiles : tile_here() >= p.product.tiles)
            return BY_SHAPE(weight_tile, p.weight.shape);
#define PRODUCT(op, function)                                                                      \
    case 2 * (op) + KERN_DEV_LARGE:                                                                \
        return function<large_tile>();                                                             \
    case 2 * (op) + KERN_DEV_SMALL:                                                                \
        return function<small_tile>();
        static_assert(KERN_DEV_LARGE + KERN_DEV_SMALL == 1, "two shapes");
        switch (2 * p.op + p.product.shape) {
            PRODUCT(KERN_DEV_QKV, qkv_tile)
            PRODUCT(KERN_DEV_OUT, residual_tile)
            PRODUCT(KERN_DEV_DOWN, residual_tile)
            PRODUCT(KERN_DEV_GATE_UP, gate_up_tile)
            PRODUCT(KERN_DEV_LOGITS, logits_tile)
            PRODUCT(KERN_DEV_HEAD_BACKWARD, head_input_tile)
            PRODUCT(KERN_DEV_DOWN_BACKWARD, down_backward_tile)
            PRODUCT(KERN_DEV_GATE_UP_BACKWARD, norm_backward_tile)
            PRODUCT(KERN_DEV_QKV_BACKWARD, norm_backward_tile)
            PRODUCT(KERN_DEV_OUT_BACKWARD, out_backward_tile)
        }
#undef PRODUCT
        return;
    }
    switch (p.op) {
    case KERN_DEV_FETCH:
        return fetch_tile();
    case KERN_DEV_EMBED:
        return embed_tile();
    case KERN_DEV_ATTENTION:
        return BY_HEAD(attention_tile, b.run.attention_rows);
    case KERN_DEV_LOSS:
        return loss_tile();
    case KERN_DEV_FINAL_BACKWARD:
        return final_backward_tile();
    case KERN_DEV_HEAD_SCAN:
        return head_scan_tile();
    case KERN_DEV_HEAD_LOSS:
        return head_loss_tile();
    case KERN_DEV_HEAD_WEIGHT:
        return head_weight_tile();
    case KERN_DEV_ATTENTION_BACKWARD:
        if (tile_here() < key_tiles(b.run))
            return BY_HEAD(key_backward_tile, b.run.attention_back_rows);
        return BY_HEAD(query_backward_tile, b.run.attention_back_rows);
    case KERN_DEV_EMBED_BACKWARD:
        return embed_backward_tile();
    case KERN_DEV_COLLECT:
        return collect_tile();
    case KERN_DEV_ADAMW:
        return adamw_tile();
    }
}

__device__ __noinline__ bool barrier(uint32_t phase)
{
    arrive(here().run, state_here(), phase, [] {});
    return await_phase();
}

/*
 * Numbers the resident blocks so that the first so many stand on different multiprocessors: where a phase
 * has fewer tiles than there are blocks, no two share one. Thread 0; `nth` is this block's on its own.
 */
__device__ __noinline__ uint32_t rank_of(const kern_cuda_run &r, uint32_t processor, uint32_t nth)
{
    uint32_t rank = 0;
    for (uint32_t i = 0; i < KERN_CUDA_PROCESSORS; i++) {
        uint32_t blocks = *(volatile uint32_t *)&r.state->on[i];
        rank += min(blocks, nth) + (i < processor && blocks > nth);
    }
    return rank;
}

/* A structure by the block's threads, a word each. */
template <class T> __device__ __forceinline__ uint32_t word_of(const T *from)
{
    static_assert(sizeof(T) % 4 == 0 && sizeof(T) / 4 <= 256, "words");
    return threadIdx.x < sizeof(T) / 4 ? reinterpret_cast<const volatile uint32_t *>(from)[threadIdx.x] : 0;
}

template <class T> __device__ __forceinline__ void put_word(T *to, uint32_t word)
{
    if (threadIdx.x < sizeof(T) / 4)
        reinterpret_cast<uint32_t *>(to)[threadIdx.x] = word;
}

/* Synchronises after. */
template <class T> __device__ __forceinline__ void load_words(T *to, const T *from)
{
    put_word(to, word_of(from));
    __syncthreads();
}

/* The description of a phase on its way to where turn_page() takes it from: each thread its word. */
__device__ __forceinline__ void ask_page(block_state *l, const kern_device_phase *from)
{
    static_assert(sizeof *from % 4 == 0 && sizeof *from / 4 <= KERN_DEVICE_THREADS, "words");
    uint32_t thread = thread_here();
    if (thread < sizeof *from / 4)
        async_copy4(shared_address(&l->coming) + 4 * thread, reinterpret_cast<const uint32_t *>(from) + thread, true);
    async_commit();
}

/* The phase after `index` is the block's: when all its threads have done with this one. */
__device__ __forceinline__ void turn_page(block_state *l, uint32_t next)
{
    uint32_t thread = thread_here();
    async_wait<0>();
    if (thread < sizeof l->phase / 4)
        reinterpret_cast<uint32_t *>(&l->phase)[thread] = reinterpret_cast<const uint32_t *>(&l->coming)[thread];
    if (thread == 0)
        l->index = next, l->tile = l->rank;
}

/* The whole grid copies weights and moments. */
__device__ __noinline__ void take_snapshot(const kern_cuda_run &r, uint32_t rank)
{
    const int ids[3] = {KERN_DEV_MASTER, KERN_DEV_MOMENT1, KERN_DEV_MOMENT2};
    uint64_t vectors = r.layout.size / 4;
    for (int i = 0; i < 3; i++) {
        const float4 *from = buffer<const float4>(r, ids[i]);
        float4 *to = reinterpret_cast<float4 *>(r.kept + i * r.layout.size);
#pragma unroll 4
        for (uint64_t j = rank * 256 + threadIdx.x; j < vectors; j += gridDim.x * 256)
            to[j] = from[j];
    }
}

/* Slots that end without a result: the host may go on. */
__device__ __forceinline__ void let_go(const kern_cuda_run &r, uint64_t number)
{
    r.state->number = number + 1;
    __threadfence_system();
    *(volatile uint64_t *)&r.control->consumed = number + 1;
}

/*
 * What only one phase of a slot needs stands in functions of its own: the loop over phases is fetched anew after
 * every tile, and what it does not jump over comes sooner.
 */

/* FETCH: waits for the slot. A block that has a result to tell does that first, and waits afterwards. */
__device__ __noinline__ bool begin_slot()
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;
    uint32_t rank = l->rank;
    bool leader = rank == 0 && threadIdx.x == 0;

    if (l->owes)
        return true;
    if (leader)
        r.state->asked_ns[l->number % 2] = nanoseconds();
    if (threadIdx.x == 0)
        l->go_on = leader ? await_slot(r, l->number) : await_leader(r, l->number);
    __syncthreads();
    if (l->go_on && takes_header(r, rank) && l->headed != l->number)
        take_header(r, l->number);
    return l->go_on;
}

/*
 * RESULT, in the last block, as the leader has the next slot to ask for. Adding up and telling the host take
 * longer than FETCH: a block without a tile there does it when it has arrived at FETCH's barrier, so that no other waits for
 * it. It never waits for the next slot first: the host may give that only once it has the result.
 */
__device__ __noinline__ void end_slot(uint32_t resident)
{
    block_state *l = state_here();
    bool later = resident && l->rank && l->rank >= l->run.phases[0].tiles;
    close_slot(l->run, l);
    if (later && threadIdx.x == 0)
        l->owes = 1;
    __syncthreads();
    if (!later)
        tell_result();
}

/* In that block, all others being free to go on: what end_slot() left. */
__device__ __noinline__ void make_up()
{
    block_state *l = state_here();
    tell_result();
    if (threadIdx.x == 0) {
        await_leader(l->run, l->number); /* who gives up says why: the barrier sees it */
        l->owes = 0;
    }
}

enum slot_end { SLOT_WORKS, SLOT_TAKEN, SLOT_STOPS };

/* After FETCH, all blocks having seen the slot: what it wants. */
__device__ __noinline__ slot_end read_slot(uint32_t i, uint32_t resident)
{
    block_state *l = state_here();
    uint32_t rank = l->rank;
    const kern_cuda_run &r = l->run;
    bool leader = rank == 0 && threadIdx.x == 0;

    if (leader) {
        r.state->began_ns[l->number % 2] = nanoseconds();
        r.tickets[i] = 0;
    }
    if (!resident)
        return SLOT_WORKS;
    load_words(&l->slot, &r.state->slot);
    if (l->slot.kind == KERN_STOP) {
        if (leader)
            let_go(r, l->number);
        return SLOT_STOPS;
    }
    if (l->slot.kind != KERN_CUDA_SNAPSHOT)
        return SLOT_WORKS;
    take_snapshot(r, rank);
    if (!barrier(i))
        return SLOT_STOPS;
    if (leader)
        let_go(r, l->number);
    if (threadIdx.x == 0)
        l->number++, l->index = i;
    load_words(&l->phase, &r.phases[i]); /* FETCH again */
    return SLOT_TAKEN;
}

/* Phases that last, before COLLECT, and COLLECT: the last block looks for the next slot, so that FETCH need not begin with a read
 * over the bus. */
__device__ __noinline__ void look_ahead()
{
    block_state *l = state_here();
    uint64_t ready;
    if (l->rank == gridDim.x - 1 && threadIdx.x == 0 && !slot_granted(l->run, l->number + 1))
        grant_slot(l->run, l->number + 1, &ready);
}

/* Phases before whose tiles there is something else to do. */
#define BIT(op) (1u << (op))
#define BEGINS_APART                                                                               \
    (BIT(KERN_DEV_FETCH) | BIT(KERN_DEV_LOSS) | BIT(KERN_DEV_HEAD_LOSS) | BIT(KERN_DEV_COLLECT) | BIT(KERN_DEV_ADAMW) | \
     BIT(KERN_DEV_RESULT))

/* ADAMW: what the update is. */
__device__ __noinline__ void begin_update()
{
    block_state *l = state_here();
    verdict judged = judge(here());

    if (threadIdx.x == 0)
        l->judged = judged;
    __syncthreads();
    if (l->rank == 0 && threadIdx.x == 0)
        l->run.state->norm = judged.norm, l->run.state->updated = judged.update;
}

/* The clerk: what the block has done since its tiles began, or since this was called, was work. */
__device__ __forceinline__ void count_busy(block_state *l)
{
    int64_t now = clock64();
    l->busy += now - l->start;
    l->start = now;
}

/* The clerk: the block's clocks for RESULT. */
__device__ __noinline__ void tell_clocks()
{
    block_state *l = state_here();
    kern_cuda_clocks *clocks = &l->run.clocks[blockIdx.x];

    count_busy(l);
    clocks->busy = l->busy;
    clocks->all = l->all + (clock64() - l->came);
    clocks->ns = l->ns + (nanoseconds() - l->entered);
}

/* The block's number among the resident; UINT32_MAX: one gave up. */
__device__ __noinline__ uint32_t enter()
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;
    uint32_t processor = 0, nth = 0;

    asm volatile("mov.u32 %0, %smid;" : "=r"(processor));
    if (threadIdx.x == 0)
        nth = atomicAdd(&r.state->on[processor], 1);
    if (!barrier(UINT32_MAX - 1))
        return UINT32_MAX;
    __syncthreads(); /* all have seen that they go on */
    if (threadIdx.x == 0)
        l->go_on = rank_of(r, processor, nth);
    __syncthreads();
    uint32_t rank = l->go_on;
    __syncthreads();
    return rank;
}

extern "C" __global__ void __launch_bounds__(KERN_DEVICE_THREADS, 2)
kern_cuda_kernel(const __grid_constant__ kern_cuda_run run, uint32_t first, uint32_t last, uint32_t resident)
{
    block_state *l = state_here();
    const block b = here();

    static_assert(sizeof run % 4 == 0, "words");
    for (uint32_t i = threadIdx.x; i < sizeof run / 4; i += KERN_DEVICE_THREADS)
        reinterpret_cast<uint32_t *>(&l->run)[i] = reinterpret_cast<const uint32_t *>(&run)[i];
    if (threadIdx.x == 0) {
        const kern_cuda_clocks *clocks = &run.clocks[blockIdx.x];
        l->number = *(volatile uint64_t *)&run.state->number;
        l->busy = clocks->busy, l->all = clocks->all, l->ns = clocks->ns;
        l->entered = nanoseconds(), l->came = clock64();
        l->turn = 0;
        l->timer = 0;
    }
    __syncthreads();
    uint32_t rank = resident ? enter() : blockIdx.x;
    if (rank == UINT32_MAX)
        return;
    if (threadIdx.x == 0) {
        l->rank = l->tile = rank, l->index = first, l->owes = 0;
        l->fetched = l->headed = UINT64_MAX;
        l->waits_from = resident ? first + 2 : UINT32_MAX; /* FETCH's is waited for at once */
        /* phases are timed by the block that has nothing to do in small ones */
        l->timer = rank == gridDim.x - 1, l->since = nanoseconds();
    }
    load_words(&l->phase, &run.phases[first]);
    load_words(&l->slot, &run.state->slot);
    /* What is needed past a tile is read again: what a call leaves in registers goes to memory, which every barrier
     * moves far away. */
    for (;;) {
        uint32_t i = l->index, op = l->phase.op;
        ask_page(l, &run.phases[i + 1 < last ? i + 1 : first]);
        if (op == KERN_DEV_FETCH || l->phase.when <= l->slot.when) {
            if (thread_here() == 0)
                l->ticket = l->phase.tiles > gridDim.x ? &run.tickets[i] : nullptr;
            if (i >= l->waits_from && !waits_inside(l->rank) && !await_phase())
                return;
            if (BEGINS_APART >> op & 1) {
                if (op == KERN_DEV_FETCH && !begin_slot())
                    return;
                if (op == KERN_DEV_ADAMW)
                    begin_update();
                if (op == KERN_DEV_LOSS || op == KERN_DEV_HEAD_LOSS || op == KERN_DEV_COLLECT)
                    look_ahead();
                if (op == KERN_DEV_COLLECT && resident)
                    fetch_ahead();
                if (op == KERN_DEV_RESULT && l->rank == gridDim.x - 1)
                    end_slot(resident);
            }
            if (thread_here() == CLERK)
                l->start = clock64();
            /* every block's first tile is given, the others are drawn: tiles differ in cost */
#pragma unroll 1
            while (l->phase.op != KERN_DEV_RESULT && tile_here() < l->phase.tiles) {
                work(b);
                if (l->phase.tiles <= gridDim.x)
                    break;
                __syncthreads();
                if (thread_here() == 0)
                    l->tile = l->next;
                __syncthreads();
            }
            i = l->index, op = l->phase.op;
            if (resident && op != KERN_DEV_FETCH && !l->go_on)
                return;
            /* once a slot is enough: also stores are waited for at barriers */
            if (thread_here() == CLERK && (op == KERN_DEV_FETCH || i + 2 == last || !resident))
                tell_clocks();
            uint32_t next = i + 1 < last ? i + 1 : first;
            if (resident && op != KERN_DEV_RESULT) {
                arrive(run, l, i, [&] {
                    turn_page(l, next);
                    if (thread_here() == CLERK)
                        count_busy(l);
                });
            } else {
                if (thread_here() == CLERK) {
                    count_busy(l);
                    if (l->timer)
                        tell_phase(run, l, i);
                }
                __syncthreads();
                turn_page(l, next);
                if (op == KERN_DEV_RESULT && thread_here() == 0)
                    l->number++;
                __syncthreads();
            }
            if (op == KERN_DEV_FETCH) {
                if (resident && l->owes)
                    make_up();
                if (resident && !await_phase())
                    return;
                slot_end end = read_slot(i, resident);
                if (end == SLOT_STOPS)
                    return;
            }
        } else { /* not of this slot */
            __syncthreads();
            turn_page(l, i + 1);
            __syncthreads();
        }
        if (!resident && i + 1 == last)
            return;
    }
}

const void *kern_cuda_entry(void)
{
    return reinterpret_cast<const void *>(kern_cuda_kernel);
}
