/* QKV of ops.h: projections, the norm's scale, RoPE. */
#ifndef KERN_CUDA_QKV_CUH
#define KERN_CUDA_QKV_CUH

#include "product.cuh"

template <class S> __device__ __noinline__ void qkv_tile(uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = tile_place<S>(p, tile);
    uint32_t l = b.phase.layer, half = r.head_dim / 2, pitch = r.qkv_width;
    const float *squares = buffer<float>(r, KERN_DEV_SS, l), *rope = buffer<float>(r, KERN_DEV_ROPE);
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST);
    bf16 *to = buffer<bf16>(r, KERN_DEV_QKV_OUT, l);
    float *scale = lines_of(b);                                         /* [SIDE] */
    uint32_t *position = reinterpret_cast<uint32_t *>(lines_of(b) + 128); /* [SIDE] in the segment */
    sums<S> c;

    multiply<S, false, false>(b, p, at, c, [&] {
        uint32_t n = at.m0 + threadIdx.x;
        if (threadIdx.x < S::SIDE && n < at.m) {
            scale[threadIdx.x] = rms_scale(r, squares, n);
            position[threadIdx.x] = n % r.seq_len - starts[n];
        }
    });
    float *rows = lay_out(b, c);
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8, in_head = column % r.head_dim;
    bool turns = column < r.q_width + r.kv_width, second = column % 16 >= 8;
    each_row<S>(rows, at, [&](uint32_t row, uint32_t in_tile, float (&v)[8], bool inside) {
        if (!inside)
            return;
        if (turns) {
            float other[8], angle[16];
            const float *turn = rope + ((uint64_t)position[row] * half + in_head / 16 * 8) * 2;
            load_sums<S>(other, rows, row, in_tile ^ 8);
#pragma unroll
            for (int e = 0; e < 4; e++)
                *reinterpret_cast<float4 *>(angle + 4 * e) = reinterpret_cast<const float4 *>(turn)[e];
#pragma unroll
            for (int e = 0; e < 8; e++) {
                float cosine = angle[2 * e], sine = angle[2 * e + 1];
                v[e] = second ? v[e] * cosine + other[e] * sine : v[e] * cosine - other[e] * sine;
            }
        }
#pragma unroll
        for (int e = 0; e < 8; e++)
            v[e] *= scale[row];
        store8(to + (uint64_t)(at.m0 + row) * pitch + column, v);
    });
}

#endif
