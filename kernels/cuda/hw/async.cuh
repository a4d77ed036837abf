/* Copies from global to shared memory behind the threads' back (cp.async, sm_80), and the swizzle that
 * keeps eight rows of 16 bytes in different banks. */
#ifndef KERN_CUDA_HW_ASYNC_CUH
#define KERN_CUDA_HW_ASYNC_CUH

#include <stdint.h>

__device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* 16 bytes, or zeros where !valid (global is then not read). Goes past L1, which is not coherent. */
__device__ __forceinline__ void async_copy16(uint32_t shared, const void *global, bool valid)
{
    int bytes = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(global), "r"(bytes)
                 : "memory");
}

/* 4 bytes, likewise; these may come from L1, which a grid barrier's acquire has emptied. */
__device__ __forceinline__ void async_copy4(uint32_t shared, const void *global, bool valid)
{
    int bytes = valid ? 4 : 0;
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared), "l"(global), "r"(bytes) : "memory");
}

__device__ __forceinline__ void async_commit()
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most N of this thread's groups are under way. */
template <int N> __device__ __forceinline__ void async_wait()
{
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

/* Byte offset of 16-byte chunk `chunk` of row `row` in a tile of rows of ROW bytes (128 or more). */
template <int ROW> __device__ __forceinline__ uint32_t swizzled(uint32_t row, uint32_t chunk)
{
    return row * ROW + ((chunk ^ (row & 7)) << 4);
}

#endif
