/* Sums in a fixed order: over the lanes of a row, over a warp, over a block. */
#ifndef KERN_CUDA_HW_REDUCE_CUH
#define KERN_CUDA_HW_REDUCE_CUH

/* Over WIDTH neighbouring lanes (a power of two); every lane gets the sum. */
template <int WIDTH, class T> __device__ __forceinline__ T lanes_sum(T v)
{
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, step);
    return v;
}

template <int WIDTH> __device__ __forceinline__ float lanes_max(float v)
{
#pragma unroll
    for (int step = WIDTH / 2; step > 0; step /= 2)
        v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, step));
    return v;
}

/* Over the block; every thread gets the sum. shared: 8 elements; synchronises before and after. */
template <class T> __device__ __forceinline__ T block_sum(T v, T *shared)
{
    v = lanes_sum<32>(v);
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        shared[threadIdx.x / 32] = v;
    __syncthreads();
    T sum = 0;
#pragma unroll
    for (int i = 0; i < 8; i++)
        sum += shared[i];
    __syncthreads();
    return sum;
}

#endif
