/*
 * Tensor cores by mma.sync m16n8k16 with bf16 operands and f32 sums (sm_80), and the loads of its
 * fragments. Of C [16, 8] a thread holds rows lane / 4 and lane / 4 + 8, columns 2 (lane % 4) and the
 * next: c[0], c[1] in the upper row, c[2], c[3] in the lower.
 */
#ifndef KERN_CUDA_HW_MMA_CUH
#define KERN_CUDA_HW_MMA_CUH

#include <cuda_bf16.h>
#include <stdint.h>

typedef __nv_bfloat16 bf16;

__device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
                 "{%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/* Four 8 x 8 blocks; lane i gives the address of row i % 8 of block i / 8. */
__device__ __forceinline__ void load_blocks(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ void load_blocks_transposed(uint32_t (&r)[4], uint32_t address)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(address)
                 : "memory");
}

__device__ __forceinline__ uint32_t pack(float low, float high)
{
    __nv_bfloat162 v = __floats2bfloat162_rn(low, high);
    return *reinterpret_cast<uint32_t *>(&v);
}

__device__ __forceinline__ float low_half(uint32_t v)
{
    return __uint_as_float(v << 16);
}

__device__ __forceinline__ float high_half(uint32_t v)
{
    return __uint_as_float(v & 0xffff0000u);
}

/* Eight bf16 of a 16-byte vector. */
__device__ __forceinline__ void unpack(float (&to)[8], const uint4 &v)
{
    to[0] = low_half(v.x), to[1] = high_half(v.x), to[2] = low_half(v.y), to[3] = high_half(v.y);
    to[4] = low_half(v.z), to[5] = high_half(v.z), to[6] = low_half(v.w), to[7] = high_half(v.w);
}

__device__ __forceinline__ uint4 pack8(const float (&v)[8])
{
    return make_uint4(pack(v[0], v[1]), pack(v[2], v[3]), pack(v[4], v[5]), pack(v[6], v[7]));
}

/* 2^x, to 2 ulp; 0 for -inf. */
__device__ __forceinline__ float power2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* 1 / x, to 1 ulp; 0 for inf. */
__device__ __forceinline__ float reciprocal(float x)
{
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f

#endif
