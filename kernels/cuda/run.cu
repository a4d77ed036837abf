/*
 * The one kernel. Resident: all phases of slot after slot, a barrier of the whole grid between two of
 * them, until a slot says stop. Else: phases [first, last) of the slot at work, once; then the launches'
 * order takes the barriers' place. Tiles of a phase go round the blocks; no result depends on whose
 * turn it is.
 */
#include "attention.cuh"
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

__device__ __forceinline__ void work(const block &b, uint32_t tile)
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
            return BY_HEAD((attention_backward_tile<64, true>(tile)),
                           (attention_backward_tile<128, true>(tile)));
        tile = kern_device_query_tile(tile, keys, b.phase.tiles);
        return BY_HEAD((attention_backward_tile<64, false>(tile)),
                       (attention_backward_tile<128, false>(tile)));
    }
    case KERN_DEV_EMBED_BACKWARD:
        return embed_backward_tile(tile);
    case KERN_DEV_COLLECT:
        return collect_tile(tile);
    case KERN_DEV_ADAMW:
        return adamw_tile(tile);
    case KERN_DEV_RESULT:
        return result_tile();
    default:
        if (tile < b.phase.product.tiles)
            return product_tile(b, tile);
        tile -= b.phase.product.tiles;
        return BY_SHAPE(weight_tile, b.phase.weight.shape);
    }
}

/* Tests: some blocks are late by up to `most` ns, by a hash of (key, block, phase). */
__device__ __noinline__ void dawdle(uint64_t key, uint32_t phase, uint32_t most)
{
    uint64_t h = (key + blockIdx.x * 0x9e3779b97f4a7c15ull) ^ (phase * 0xbf58476d1ce4e5b9ull);
    h ^= h >> 31, h *= 0x94d049bb133111ebull, h ^= h >> 29;
    if (h % 3 == 0)
        __nanosleep((uint32_t)(h >> 32) % most);
}

/*
 * All blocks have finished phase `phase` and see each other's writes. Thread 0's release covers the
 * block's writes, its acquire the block's later reads (bar.sync is cumulative). `arrived` only grows:
 * turn t ends at t * blocks. False: a block gave up or did not come within the deadline.
 */
__device__ __forceinline__ bool barrier(const kern_cuda_run &r, block_state *l, uint32_t phase, uint32_t turn)
{
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t target = turn * gridDim.x, seen = 0;
        bool ok = true;
        if (r.delay_key)
            dawdle(r.delay_key, phase, 20000);
        add_release(&r.state->arrived, 1);
        uint64_t since = 0;
        for (uint32_t round = 0; r.skip_barrier != phase; round++) {
            seen = load_acquire(&r.state->arrived);
            if ((int32_t)(seen - target) >= 0)
                break;
            if (round % 1024 != 1023)
                continue;
            uint64_t now = nanoseconds();
            since = since ? since : now;
            if (given_up(r)) {
                ok = false;
                break;
            }
            if (now - since > r.deadline_ns) {
                give_up(r, KERN_CUDA_FAULT_BARRIER, phase, r.state->number, target, seen);
                ok = false;
                break;
            }
        }
        if (r.delay_key) /* late with the next phase: who does not wait for it gets ahead */
            dawdle(~r.delay_key, phase, 100000);
        l->go_on = ok;
    }
    __syncthreads();
    return l->go_on;
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

template <class T> __device__ __forceinline__ void put_words(T *to, uint32_t word)
{
    if (threadIdx.x < sizeof(T) / 4)
        reinterpret_cast<uint32_t *>(to)[threadIdx.x] = word;
    __syncthreads();
}

template <class T> __device__ __forceinline__ void load_words(T *to, const T *from)
{
    put_words(to, word_of(from));
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

extern "C" __global__ void __launch_bounds__(KERN_DEVICE_THREADS, 2)
kern_cuda_kernel(const __grid_constant__ kern_cuda_run run, uint32_t first, uint32_t last, uint32_t resident)
{
    block_state *l = state_here();
    const block b = here();
    kern_cuda_clocks *clocks = &run.clocks[blockIdx.x];
    uint32_t turn = 0, rank = blockIdx.x;

    static_assert(sizeof run % 4 == 0, "words");
    for (uint32_t i = threadIdx.x; i < sizeof run / 4; i += KERN_DEVICE_THREADS)
        reinterpret_cast<uint32_t *>(&l->run)[i] = reinterpret_cast<const uint32_t *>(&run)[i];
    if (threadIdx.x == 0) {
        l->number = *(volatile uint64_t *)&run.state->number;
        l->busy = clocks->busy, l->all = clocks->all, l->ns = clocks->ns;
        l->entered = nanoseconds(), l->came = clock64();
    }
    if (resident) {
        uint32_t processor = 0, nth = 0;
        asm volatile("mov.u32 %0, %smid;" : "=r"(processor));
        if (threadIdx.x == 0)
            nth = atomicAdd(&run.state->on[processor], 1);
        if (!barrier(run, l, UINT32_MAX - 1, ++turn))
            return;
        if (threadIdx.x == 0)
            l->go_on = rank_of(run, processor, nth);
        __syncthreads();
        rank = l->go_on;
    }
    bool leader = rank == 0 && threadIdx.x == 0;
    load_words(&l->phase, &run.phases[first]);
    load_words(&l->slot, &run.state->slot);
    for (uint32_t i = first;;) {
        if (l->phase.op == KERN_DEV_FETCH || l->phase.when <= l->slot.when) {
            if (leader)
                l->since = nanoseconds();
            if (l->phase.op == KERN_DEV_FETCH) {
                if (leader)
                    run.state->asked_ns[l->number % 2] = l->since;
                if (threadIdx.x == 0)
                    l->go_on = leader ? await_slot(run, l->number) : await_leader(run, l->number);
                __syncthreads();
                if (!l->go_on)
                    return;
                if (rank == 0)
                    take_header(run, l->number);
            }
            if (l->phase.op == KERN_DEV_ADAMW) {
                verdict judged = judge(b);
                if (threadIdx.x == 0)
                    l->judged = judged;
                __syncthreads();
                if (leader)
                    run.state->norm = judged.norm, run.state->updated = judged.update;
            }
            if (threadIdx.x == 0)
                l->start = clock64();
            /* RESULT goes to the last block, as the leader has the next slot to ask for. Every block's first
             * tile is given, the others are drawn, each while the one before is worked:
             * tiles differ in cost. */
            uint32_t tile = l->phase.op == KERN_DEV_RESULT ? gridDim.x - 1 - rank : rank;
#pragma unroll 1
            while (tile < l->phase.tiles) {
                uint32_t drawn = threadIdx.x == 0 ? gridDim.x + atomicAdd(&run.tickets[i], 1) : 0;
                work(b, tile);
                if (threadIdx.x == 0)
                    l->next = drawn;
                __syncthreads();
                tile = l->next;
            }
            if (threadIdx.x == 0) {
                int64_t now = clock64();
                l->busy += now - l->start;
                clocks->busy = l->busy;
                clocks->all = l->all + (now - l->came);
                clocks->ns = l->ns + (nanoseconds() - l->entered);
            }
            /* the next phase's description comes while the barrier is waited for */
            bool stays = resident && l->phase.op != KERN_DEV_RESULT;
            uint32_t op = l->phase.op, next = i + 1 < last ? i + 1 : first;
            uint32_t word = word_of(&run.phases[next]);
            if (stays && !barrier(run, l, i, ++turn))
                return;
            if (!stays)
                __syncthreads();
            if (leader) /* not waited for */
                atomicAdd(reinterpret_cast<unsigned long long *>(&run.phase_ns[i]), nanoseconds() - l->since);
            if (op == KERN_DEV_FETCH) {
                if (leader) {
                    run.state->began_ns[l->number % 2] = nanoseconds();
                    run.tickets[i] = 0;
                }
                if (resident)
                    load_words(&l->slot, &run.state->slot);
                if (resident && l->slot.kind == KERN_STOP) {
                    if (leader)
                        let_go(run, l->number);
                    return;
                }
                if (resident && l->slot.kind == KERN_CUDA_SNAPSHOT) {
                    take_snapshot(run, rank);
                    if (!barrier(run, l, i, ++turn))
                        return;
                    if (leader)
                        let_go(run, l->number);
                    __syncthreads();
                    if (threadIdx.x == 0)
                        l->number++;
                    __syncthreads();
                    continue; /* FETCH again */
                }
            }
            put_words(&l->phase, word);
        } else { /* not of this slot */
            uint32_t next = i + 1 < last ? i + 1 : first, word = word_of(&run.phases[next]);
            __syncthreads();
            put_words(&l->phase, word);
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
