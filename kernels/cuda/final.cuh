/* The gradient that comes from the head, back through the final norm. */
#ifndef KERN_CUDA_FINAL_CUH
#define KERN_CUDA_FINAL_CUH

#include "product.cuh"

/*
 * Up to 32 rows from row0 on, some at a time: a warp a row takes the gradient a of x . gain and the norm's dot
 * product of it, so that a common offset of the logits, whose rounding would spoil the sum over them,
 * does no harm; then threads keep their columns, so that the gain's share needs no exchange but at the end.
 *
 * begin(row in tile), then gradient(row in tile, v, a) for columns 8 v .. 8 v + 7, both called by every lane of
 * the warp; GROUP lanes (32, or 16 for rows of up to 128 columns) have different v, and groups all get the
 * same sums. share [width]: the gain's. Uses the first 8 floats beside the tile. Ends synchronised.
 */
template <int GROUP, class B, class G>
__device__ __forceinline__ void norm_rows(const block &b, uint32_t row0, uint32_t count, B begin, G gradient, float *share)
{
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, batch = min(8u, 16384 / width ? 16384 / width : 1);
    const float *gain = master(r, r.layout.norm), *squares = buffer<float>(r, KERN_DEV_SS, r.layers);
    const bf16 *x = buffer<bf16>(r, KERN_DEV_X, r.layers) + (uint64_t)row0 * width;
    bf16 *dx = buffer<bf16>(r, KERN_DEV_DX) + (uint64_t)row0 * width;
    float *factor = lines_of(b);                      /* [batch] r^2 / W * dot */
    float *a = reinterpret_cast<float *>(tile_of(b)); /* [batch][width] */
    float *partial = a + batch * width;               /* [groups][width] */
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, vectors = width / 8, groups = 1;
    while (groups < batch && groups * 2 * vectors <= 256)
        groups *= 2;
    uint32_t group = threadIdx.x / (256 / groups), first = threadIdx.x % (256 / groups);

    for (uint32_t i = threadIdx.x; i < groups * width; i += 256)
        partial[i] = 0;
    for (uint32_t done = 0; done < count; done += batch) {
        uint32_t rows = min(batch, count - done);
        __syncthreads();
        if (warp < rows) {
            float dot = 0;
            begin(done + warp);
            for (uint32_t v0 = 0; v0 < vectors; v0 += GROUP) {
                uint32_t v = v0 + lane % GROUP, there = min(v, vectors - 1);
                float sum[8], in[8], g[8];
                load8(in, x + (uint64_t)(done + warp) * width + there * 8);
                load8(g, gain + there * 8);
                gradient(done + warp, there, sum);
                if (v < vectors && lane < GROUP)
#pragma unroll
                    for (int e = 0; e < 8; e++) {
                        a[warp * width + v * 8 + e] = sum[e];
                        dot += in[e] * g[e] * sum[e];
                    }
            }
            dot = lanes_sum<32>(dot);
            if (lane == 0) {
                float scale = rms_scale(r, squares, row0 + done + warp);
                factor[warp] = scale * scale * dot * reciprocal((float)width);
            }
        }
        __syncthreads();
        for (uint32_t v = first; v < vectors; v += 256 / groups) {
            float g[8], of_gain[8] = {0, 0, 0, 0, 0, 0, 0, 0};
            load8(g, gain + v * 8);
            for (uint32_t row = group; row < rows; row += groups) {
                uint64_t at = (uint64_t)(done + row) * width + v * 8;
                float in[8], out[8];
                load8(in, x + at);
#pragma unroll
                for (int e = 0; e < 8; e++) {
                    float of = a[row * width + v * 8 + e];
                    of_gain[e] += of * in[e];
                    out[e] = g[e] * of - in[e] * factor[row];
                }
                store8(dx + at, out);
            }
#pragma unroll
            for (int e = 0; e < 8; e++)
                partial[group * width + v * 8 + e] += of_gain[e];
        }
    }
    __syncthreads();
    for (uint32_t column = threadIdx.x; column < width; column += 256) {
        float sum = 0;
        for (uint32_t i = 0; i < groups; i++)
            sum += partial[i * width + column];
        share[column] = sum;
    }
    __syncthreads();
}

#endif
