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

#define BY_SHAPE(function, shape)                                                                  \
    ((shape) == KERN_DEV_LARGE ? function<large_tile>(tile) : function<small_tile>(tile))
#define BY_HEAD(call64, call128) (b.run.head_dim == 64 ? call64 : call128)

__device__ __forceinline__ void product_tile(const block &b, uint32_t tile)
{
    uint32_t shape = b.phase.product.shape;
    switch (b.phase.op) {
    case KERN_DEV_QKV:
        return BY_SHAPE(qkv_tile, shape);
    case KERN_DEV_OUT:
    case KERN_DEV_DOWN:
        return BY_SHAPE(residual_tile, shape);
    case KERN_DEV_GATE_UP:
        return BY_SHAPE(gate_up_tile, shape);
    case KERN_DEV_LOGITS:
        return BY_SHAPE(logits_tile, shape);
    case KERN_DEV_HEAD_BACKWARD:
        return BY_SHAPE(head_input_tile, shape);
    case KERN_DEV_DOWN_BACKWARD:
        return BY_SHAPE(down_backward_tile, shape);
    case KERN_DEV_GATE_UP_BACKWARD:
    case KERN_DEV_QKV_BACKWARD:
        return BY_SHAPE(norm_backward_tile, shape);
    case KERN_DEV_OUT_BACKWARD:
        return BY_SHAPE(out_backward_tile, shape);
    }
}

/* `waits`: TILE_WAITS or 0, for a product's tile. */
__device__ __forceinline__ void work(const block &b, uint32_t tile, uint32_t waits)
{
    switch (b.phase.op) {
    case KERN_DEV_FETCH:
        return fetch_tile(tile);
    case KERN_DEV_EMBED:
        return embed_tile(tile);
    case KERN_DEV_ATTENTION:
        return BY_HEAD(attention_tile<64>(tile), attention_tile<128>(tile));
    case KERN_DEV_LOSS:
        return loss_tile(tile);
    case KERN_DEV_FINAL_BACKWARD:
        return final_backward_tile(tile);
    case KERN_DEV_HEAD_SCAN:
        return head_scan_tile(tile);
    case KERN_DEV_HEAD_LOSS:
        return head_loss_tile(tile);
    case KERN_DEV_HEAD_WEIGHT:
        return head_weight_tile(tile);
    case KERN_DEV_ATTENTION_BACKWARD: {
        uint32_t keys = b.run.rows * b.run.kv_heads * ((b.run.seq_len + KERN_DEVICE_ATTENTION_ROWS - 1) / KERN_DEVICE_ATTENTION_ROWS);
        if (tile < keys)
            return BY_HEAD(key_backward_tile<64>(tile), key_backward_tile<128>(tile));
        tile = kern_device_query_tile(tile, keys, b.phase.tiles);
        return BY_HEAD(query_backward_tile<64>(tile), query_backward_tile<128>(tile));
    }
    case KERN_DEV_EMBED_BACKWARD:
        return embed_backward_tile(tile);
    case KERN_DEV_COLLECT:
        return collect_tile(tile);
    case KERN_DEV_ADAMW:
        return adamw_tile(tile);
    default:
        if (tile < b.phase.product.tiles)
            return product_tile(b, tile | waits);
        tile -= b.phase.product.tiles;
        return BY_SHAPE(weight_tile, b.phase.weight.shape);
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

/* The slot's header to device memory, by one warp. */
__device__ __forceinline__ void take_header(const kern_cuda_run &r, uint64_t number)
{
    const unsigned char *from = slot_at(r, number);
    if (threadIdx.x < sizeof(kern_device_slot) / 4)
        reinterpret_cast<uint32_t *>(&r.state->slot)[threadIdx.x] = host_word(from, threadIdx.x);
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

/* FETCH: waits for the slot. `late`: the block has its result to tell first and waits afterwards. */
__device__ __noinline__ bool begin_slot(uint32_t rank, bool late)
{
    block_state *l = state_here();
    const kern_cuda_run &r = l->run;
    bool leader = rank == 0 && threadIdx.x == 0;

    if (late)
        return true;
    if (leader)
        r.state->asked_ns[l->number % 2] = nanoseconds();
    if (threadIdx.x == 0)
        l->go_on = leader ? await_slot(r, l->number) : await_leader(r, l->number);
    __syncthreads();
    /* by a block that has no tile, if there is one: both take a read over the bus */
    if (l->go_on && rank == (l->phase.tiles + 1 < gridDim.x ? l->phase.tiles : 0))
        take_header(r, l->number);
    return l->go_on;
}

/*
 * RESULT, in the last block, as the leader has the next slot to ask for. Adding up and telling the host take
 * longer than FETCH: a block without a tile there does it when it has arrived at FETCH's barrier, so that no other waits for
 * it. It never waits for the next slot first: the host may give that only once it has the result. True: it is still
 * to be done.
 */
__device__ __noinline__ bool end_slot(uint32_t rank, uint32_t resident)
{
    block_state *l = state_here();
    close_slot(l->run, l);
    if (resident && rank && rank >= l->run.phases[0].tiles)
        return true;
    __syncthreads();
    tell_result();
    return false;
}

/* In that block, all others being free to go on: what end_slot() left. */
__device__ __noinline__ void make_up()
{
    tell_result();
    if (threadIdx.x == 0)
        await_leader(state_here()->run, state_here()->number); /* who gives up says why: the barrier sees it */
}

enum slot_end { SLOT_WORKS, SLOT_TAKEN, SLOT_STOPS };

/* After FETCH, all blocks having seen the slot: what it wants. */
__device__ __noinline__ slot_end read_slot(uint32_t rank, uint32_t i, uint32_t resident)
{
    block_state *l = state_here();
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
        l->number++;
    load_words(&l->phase, &r.phases[i]);
    return SLOT_TAKEN;
}

/* COLLECT: the leader looks for the next slot, so that FETCH need not begin with a read over the bus. */
__device__ __noinline__ void look_ahead(uint32_t rank)
{
    block_state *l = state_here();
    uint64_t ready;
    if (rank == 0 && threadIdx.x == 0)
        grant_slot(l->run, l->number + 1, &ready);
}

/* ADAMW: what the update is. */
__device__ __noinline__ void begin_update(uint32_t rank)
{
    block_state *l = state_here();
    verdict judged = judge(here());

    if (threadIdx.x == 0)
        l->judged = judged;
    __syncthreads();
    if (rank == 0 && threadIdx.x == 0)
        l->run.state->norm = judged.norm, l->run.state->updated = judged.update;
}

/* Thread 0: the block's clocks for RESULT. */
__device__ __noinline__ void tell_clocks()
{
    block_state *l = state_here();
    kern_cuda_clocks *clocks = &l->run.clocks[blockIdx.x];

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
    if (threadIdx.x == 0) /* phases are timed by the block that has nothing to do in small ones */
        l->timer = rank == gridDim.x - 1, l->since = nanoseconds();
    load_words(&l->phase, &run.phases[first]);
    load_words(&l->slot, &run.state->slot);
    bool owes = false;    /* a result */
    bool pending = false; /* the block has not waited yet for the others to end a phase */
    for (uint32_t i = first;;) {
        uint32_t next = i + 1 < last ? i + 1 : first, op = l->phase.op;
        /* the next phase's description comes while the barrier is waited for */
        uint32_t word = word_of(&run.phases[next]);
        auto turn_page = [&] { put_word(&l->phase, word); };
        if (op == KERN_DEV_FETCH || l->phase.when <= l->slot.when) {
            bool inside = pending && rank < l->phase.product.tiles; /* the first tile waits when it has to */
            if (pending && !inside && !await_phase())
                return;
            pending = false;
            if (op == KERN_DEV_FETCH && !begin_slot(rank, owes))
                return;
            if (op == KERN_DEV_ADAMW)
                begin_update(rank);
            if (op == KERN_DEV_COLLECT)
                look_ahead(rank);
            if (op == KERN_DEV_RESULT && rank == gridDim.x - 1)
                owes = end_slot(rank, resident);
            if (threadIdx.x == 0)
                l->start = clock64();
            /* Every block's first tile is given, the others are drawn, each while the one before is worked: tiles
             * differ in cost. */
            uint32_t tile = op == KERN_DEV_RESULT ? UINT32_MAX : rank, waits = inside ? TILE_WAITS : 0;
#pragma unroll 1
            while (tile < l->phase.tiles) {
                uint32_t drawn = threadIdx.x == 0 ? gridDim.x + atomicAdd(&run.tickets[i], 1) : 0;
                work(b, tile, waits);
                waits = 0;
                if (threadIdx.x == 0)
                    l->next = drawn;
                __syncthreads();
                tile = l->next;
            }
            if (inside && !l->go_on)
                return;
            if (threadIdx.x == 0) {
                l->busy += clock64() - l->start;
                /* once a slot is enough: also stores are waited for at barriers */
                if (op == KERN_DEV_FETCH || i + 2 == last || !resident)
                    tell_clocks();
            }
            if (resident && op == KERN_DEV_FETCH) {
                arrive(run, l, i, [&] {
                    turn_page();
                    if (owes)
                        make_up();
                    owes = false;
                });
                if (!await_phase())
                    return;
            } else if (resident && op != KERN_DEV_RESULT) {
                arrive(run, l, i, turn_page);
                pending = true;
            } else {
                if (l->timer && threadIdx.x == 0)
                    tell_phase(run, l, i);
                __syncthreads();
                turn_page();
            }
            __syncthreads();
            if (op == KERN_DEV_FETCH) {
                slot_end end = read_slot(rank, i, resident);
                if (end == SLOT_STOPS)
                    return;
                if (end == SLOT_TAKEN)
                    continue; /* FETCH again */
            }
        } else { /* not of this slot */
            __syncthreads();
            turn_page();
            __syncthreads();
        }
        if (++i == last) {
            if (!resident)
                return;
            i = first;
            if (threadIdx.x == 0)
                l->number++;
            __syncthreads();
        }
    }
}

const void *kern_cuda_entry(void)
{
    return reinterpret_cast<const void *>(kern_cuda_kernel);
}
