/* EMBED and EMBED_BACKWARD of ops.h: a warp a row, eight columns a lane. */
#ifndef KERN_CUDA_EMBED_CUH
#define KERN_CUDA_EMBED_CUH

#include "product.cuh"

__device__ __noinline__ void embed_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    uint32_t lane = threadIdx.x % 32, n = tile * 8 + threadIdx.x / 32, width = r.width;
    const float *gain = master(r, layer_at(r, 0, r.layout.norm1));

    draw();
    if (n < r.tokens) {
        uint64_t id = buffer<uint32_t>(r, KERN_DEV_TOKENS)[n];
        const bf16 *from = buffer<bf16>(r, KERN_DEV_WEIGHTS) + r.layout.embed + id * width;
        bf16 *x = buffer<bf16>(r, KERN_DEV_X) + (uint64_t)n * width;
        bf16 *xg = buffer<bf16>(r, KERN_DEV_XG) + (uint64_t)n * width;
        float *squares = buffer<float>(r, KERN_DEV_SS) + (uint64_t)n * r.norm_slots, sum = 0;
        for (uint32_t j = lane * 8; j < width; j += 256) {
            float v[8], g[8];
            load8(v, from + j);
            load8(g, gain + j);
            store8(x + j, v);
#pragma unroll
            for (int e = 0; e < 8; e++) {
                sum += v[e] * v[e];
                v[e] *= g[e];
            }
            store8(xg + j, v);
        }
        sum = lanes_sum<32>(sum);
        for (uint32_t i = lane; i < r.norm_slots; i += 32)
            squares[i] = i ? 0 : sum;
    }
    if (r.untied && b.slot.kind == KERN_TRAIN && b.slot.first_micro) {
        uint64_t rows = r.vocab_padded, first = rows * tile / b.phase.tiles, last = rows * (tile + 1) / b.phase.tiles;
        float4 *g = reinterpret_cast<float4 *>(buffer<float>(r, KERN_DEV_GRADIENTS) + r.layout.embed);
        for (uint64_t i = first * width / 4 + threadIdx.x; i < last * width / 4; i += 256)
            g[i] = make_float4(0, 0, 0, 0);
    }
}

__device__ __noinline__ void embed_backward_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    uint32_t lane = threadIdx.x % 32, width = r.width, spans = (width + 255) / 256;
    uint32_t item = tile * 8 + threadIdx.x / 32, run = item / spans, column = item % spans * 256 + lane * 8;

    draw();
    if (run >= b.slot.runs || column >= width)
        return;
    const uint32_t *order = buffer<uint32_t>(r, KERN_DEV_ORDER), *runs = buffer<uint32_t>(r, KERN_DEV_RUNS);
    const bf16 *dx = buffer<bf16>(r, KERN_DEV_DX) + column;
    uint32_t first = runs[run], last = runs[run + 1];
    uint64_t id = buffer<uint32_t>(r, KERN_DEV_TOKENS)[order[first]];
    float *g = buffer<float>(r, KERN_DEV_GRADIENTS) + r.layout.embed + id * width + column;
    float sum[8];

    load8(sum, g);
    for (uint32_t i = first; i < last; i += 8) {
        uint4 part[8];
#pragma unroll
        for (int j = 0; j < 8; j++)
            part[j] = i + j < last ? *reinterpret_cast<const uint4 *>(dx + (uint64_t)order[i + j] * width)
                                   : make_uint4(0, 0, 0, 0);
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (i + j < last) {
                float v[8];
                unpack(v, part[j]);
#pragma unroll
                for (int e = 0; e < 8; e++)
                    sum[e] += v[e];
            }
    }
    *reinterpret_cast<float4 *>(g) = make_float4(sum[0], sum[1], sum[2], sum[3]);
    *reinterpret_cast<float4 *>(g + 4) = make_float4(sum[4], sum[5], sum[6], sum[7]);
}

#endif
