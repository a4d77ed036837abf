/* What every tile function gets: the run, its phase and slot in shared memory, and shared memory. */
#ifndef KERN_CUDA_BLOCK_CUH
#define KERN_CUDA_BLOCK_CUH

#include "hw/mma.cuh"
#include "hw/reduce.cuh"
#include "run.h"

/* What a step's update is, the same in every block. */
struct verdict {
    float norm, scale;
    bool update;
};

/*
 * Beside the tile: what a block needs between tiles and through all of them, in shared memory. Tiles have all
 * registers; and a function that is not part of the kernel gets at the kernel's arguments by way of
 * memory only, through a cache that every grid barrier empties.
 */
struct block_state {
    float lines[KERN_CUDA_LINES];
    kern_cuda_run run;
    kern_device_phase phase, coming; /* the next one is on its way */
    kern_device_slot slot;
    uint64_t number; /* of the slot */
    verdict judged;
    uint32_t go_on;
    uint32_t rank;  /* of this block among all */
    uint32_t index; /* of the phase */
    uint32_t tile;  /* the block's: by no argument, which would go through memory that every barrier moves far away */
    uint32_t waits_from; /* first phase before which there is a barrier to be waited for */
    uint32_t owes;  /* a slot's result is still to be told */
    uint64_t fetched, headed; /* the slots whose positions, this block's, and whose header it has brought ahead of time */
    uint32_t next;  /* tile, drawn */
    uint32_t ahead; /* the next slot is granted already */
    /* thread 0's */
    uint32_t *ticket; /* where to draw; NULL: no block works more than one tile of this phase */
    uint64_t closed, closed_ns; /* the slot whose result is to be told */
    /* the clerk's (barrier.cuh) */
    uint32_t turn, left; /* barriers so far; the phase of the last */
    uint32_t timer;      /* this block times phases */
    uint64_t since, entered, ns, busy, all;
    int64_t came, start;
};
static_assert(sizeof(block_state) <= KERN_CUDA_SHARED_BYTES - KERN_CUDA_TILE_BYTES, "lines beside a tile");

/* By the array's own name, which tells the compiler that they are in shared memory. */
extern __shared__ uint4 block_memory[];

__device__ __forceinline__ block_state *state_here()
{
    return reinterpret_cast<block_state *>(reinterpret_cast<unsigned char *>(block_memory) + KERN_CUDA_TILE_BYTES);
}

__device__ __forceinline__ uint32_t tile_here()
{
    return *(volatile uint32_t *)&state_here()->tile;
}

/* Whether the barrier before the phase is still to be waited for when the block begins its first tile, `rank`: it is a product's
 * then, which asks for its weights before. The other tiles are drawn, and larger. */
__device__ __forceinline__ bool waits_inside(uint32_t tile)
{
    const block_state *l = state_here();
    return l->index >= l->waits_from && tile == l->rank && tile < l->phase.product.tiles && !l->phase.weights_first;
}

/*
 * Draws the block's next tile. Once a tile, after its operands are asked for: the answer takes as long as they do, and
 * is waited for at once, because what a call leaves in registers goes to memory.
 */
__device__ __forceinline__ void draw()
{
    block_state *l = state_here();
    if (threadIdx.x == 0 && l->ticket)
        l->next = gridDim.x + atomicAdd(l->ticket, 1);
}

/*
 * threadIdx.x where the loop over phases asks for it. What the compiler knows to be the same all the time it computes once, whether
 * a thread is this or that one included, and keeps in local memory.
 */
__device__ __forceinline__ uint32_t thread_here()
{
    uint32_t thread;
    asm volatile("mov.u32 %0, %%tid.x;" : "=r"(thread));
    return thread;
}

struct block {
    const kern_cuda_run &run;
    const kern_device_phase &phase;
    const kern_device_slot &slot;
};

__device__ __forceinline__ block here()
{
    return {state_here()->run, state_here()->phase, state_here()->slot};
}

/* [KERN_CUDA_TILE_BYTES], undefined at a tile's beginning and end. */
__device__ __forceinline__ unsigned char *tile_of(const block &)
{
    return reinterpret_cast<unsigned char *>(block_memory);
}

/* [KERN_CUDA_LINES] beside it, likewise. */
__device__ __forceinline__ float *lines_of(const block &)
{
    return state_here()->lines;
}

template <class T>
__device__ __forceinline__ T *buffer(const kern_cuda_run &r, int id, uint32_t copy = 0)
{
    T *p = reinterpret_cast<T *>(r.arena + ((uint64_t)r.at[id] + (uint64_t)copy * r.stride[id]) * KERN_CUDA_UNIT);
    __builtin_assume(__isGlobal(p)); /* else every access would ask which memory it is */
    return p;
}

template <class T> __device__ __forceinline__ T *in_arena(const kern_cuda_run &r, uint64_t offset)
{
    T *p = reinterpret_cast<T *>(r.arena + offset);
    __builtin_assume(__isGlobal(p));
    return p;
}

__device__ __forceinline__ const float *master(const kern_cuda_run &r, uint64_t element)
{
    return buffer<float>(r, KERN_DEV_MASTER) + element;
}

__device__ __forceinline__ uint64_t layer_at(const kern_cuda_run &r, uint32_t layer, uint64_t within)
{
    return r.layout.layer + layer * r.layout.stride + within;
}

/*
 * The sum of a row of slots by LANES neighbouring lanes, each of which gets it; all lanes of a warp call. Its first loads
 * are under way from the start on.
 */
template <int LANES> struct slot_sum {
    static constexpr int FLIGHT = LANES == 1 ? 8 : 4;
    const float *slots;
    uint32_t count;
    float v[FLIGHT];

    __device__ __forceinline__ slot_sum(const float *slots_, uint32_t count_) : slots(slots_), count(count_)
    {
        fetch(0);
    }
    __device__ __forceinline__ void fetch(uint32_t first)
    {
#pragma unroll
        for (int j = 0; j < FLIGHT; j++) {
            uint32_t i = first + j * LANES + threadIdx.x % LANES;
            v[j] = i < count ? slots[i] : 0;
        }
    }
    __device__ __forceinline__ float value()
    {
        float sum = 0;
#pragma unroll 1
        for (uint32_t first = 0;;) {
#pragma unroll
            for (int j = 0; j < FLIGHT; j++)
                sum += v[j];
            first += FLIGHT * LANES;
            if (first >= count)
                break;
            fetch(first);
        }
        return lanes_sum<LANES>(sum);
    }
};

/* 1 / rms of a row with that sum of squares. */
__device__ __forceinline__ float rms_scale(const kern_cuda_run &r, float squares)
{
    return rsqrtf(squares * reciprocal((float)r.width) + r.constants.rms_eps);
}

/* Of row n of SS or SS_MID. */
__device__ __forceinline__ float rms_scale(const kern_cuda_run &r, const float *slots, uint32_t n)
{
    return rms_scale(r, slot_sum<1>(slots + (uint64_t)n * r.norm_slots, r.norm_slots).value());
}

#endif
