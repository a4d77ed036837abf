/* What every tile function gets: the run, its phase and slot in shared memory, and shared memory. */
#ifndef KERN_CUDA_BLOCK_CUH
#define KERN_CUDA_BLOCK_CUH

#include "hw/mma.cuh"
#include "run.h"

struct block {
    const kern_cuda_run &run;
    const kern_device_phase &phase; /* shared */
    const kern_device_slot &slot;   /* shared */
    unsigned char *tile; /* [KERN_CUDA_TILE_BYTES], undefined at entry and exit */
    float *lines;        /* [KERN_CUDA_LINES] beside it, likewise */
};

template <class T>
__device__ __forceinline__ T *buffer(const kern_cuda_run &r, int id, uint32_t copy = 0)
{
    return reinterpret_cast<T *>(r.arena + r.at[id] + copy * r.stride[id]);
}

__device__ __forceinline__ const float *master(const kern_cuda_run &r, uint64_t element)
{
    return buffer<float>(r, KERN_DEV_MASTER) + element;
}

__device__ __forceinline__ uint64_t layer_at(const kern_cuda_run &r, uint32_t layer, uint64_t within)
{
    return r.layout.layer + layer * r.layout.stride + within;
}

/* 1 / rms of row n from its slots; the order of the sum is the slots'. */
__device__ __forceinline__ float rms_scale(const kern_cuda_run &r, const float *slots, uint32_t n)
{
    float sum = 0;
    for (uint32_t i = 0; i < r.norm_slots; i++)
        sum += slots[(uint64_t)n * r.norm_slots + i];
    return rsqrtf(sum / r.width + r.constants.rms_eps);
}

#endif
