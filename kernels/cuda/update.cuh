/* COLLECT and ADAMW of ops.h, over pieces of the flat vector. */
#ifndef KERN_CUDA_UPDATE_CUH
#define KERN_CUDA_UPDATE_CUH

#include "product.cuh"

__device__ __forceinline__ float square(float4 v)
{
    return v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
}

__device__ __forceinline__ float4 plus(float4 a, float4 b)
{
    return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}

/* Shares in order, then the old gradient. */
__device__ __forceinline__ float4 add_shares(const unsigned char *from, uint64_t stride, uint32_t count)
{
    float4 sum = make_float4(0, 0, 0, 0);
#pragma unroll 4
    for (uint32_t s = 0; s < count; s++) {
        float4 v = *reinterpret_cast<const float4 *>(from + s * stride);
        sum = plus(sum, v);
    }
    return sum;
}

__device__ __noinline__ void collect_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    const kern_device_piece piece = r.pieces[tile];
    float4 *g = reinterpret_cast<float4 *>(buffer<float>(r, KERN_DEV_GRADIENTS) + piece.begin);
    const unsigned char *from = in_arena<const unsigned char>(r, piece.from);
    uint32_t vectors = piece.length / 4;
    bool last = b.slot.when == KERN_DEV_LAST;
    float sum = 0;

    draw();
    if (piece.source == KERN_DEV_DIRECT) {
        if (last)
#pragma unroll 4
            for (uint32_t i = threadIdx.x; i < vectors; i += 256)
                sum += square(g[i]);
    } else if (piece.source == KERN_DEV_SHARES) {
        /* two vectors and four shares of each at once: eight loads under way */
#pragma unroll 1
        for (uint32_t i = threadIdx.x; i < vectors; i += 2 * 256) {
            bool two = i + 256 < vectors;
            float4 v[2] = {make_float4(0, 0, 0, 0), make_float4(0, 0, 0, 0)};
#pragma unroll 1
            for (uint32_t s0 = 0; s0 < piece.count; s0 += 4) {
                float4 share[4][2];
#pragma unroll
                for (int s = 0; s < 4; s++) {
                    const float4 *at = reinterpret_cast<const float4 *>(from + (s0 + s) * piece.stride) + i;
                    share[s][0] = share[s][1] = make_float4(0, 0, 0, 0);
                    if (s0 + s < piece.count)
                        share[s][0] = at[0];
                    if (s0 + s < piece.count && two)
                        share[s][1] = at[256];
                }
#pragma unroll
                for (int s = 0; s < 4; s++)
#pragma unroll
                    for (int j = 0; j < 2; j++)
                        v[j] = plus(v[j], share[s][j]);
            }
#pragma unroll
            for (int j = 0; j < 2; j++)
                if (j == 0 || two) {
                    if (!b.slot.first_micro)
                        v[j] = plus(v[j], g[i + j * 256]);
                    g[i + j * 256] = v[j];
                    sum += square(v[j]);
                }
        }
    } else {
        /* many rows, few columns: eight groups of rows for 32 vectors at a time */
        float4 *groups = reinterpret_cast<float4 *>(tile_of(b)); /* [8][32] */
        uint32_t group = threadIdx.x / 32, lane = threadIdx.x % 32, span = (piece.count + 7) / 8;
        uint32_t first = min(group * span, piece.count), rows = min(span, piece.count - first);
        for (uint32_t i0 = 0; i0 < vectors; i0 += 32) {
            uint32_t i = i0 + lane;
            if (i < vectors)
                groups[threadIdx.x] =
                    add_shares(from + first * piece.stride + 16 * (uint64_t)i, piece.stride, rows);
            __syncthreads();
            if (group == 0 && i < vectors) {
                float4 v = add_shares(reinterpret_cast<unsigned char *>(groups + lane), 32 * 16, 8);
                if (!b.slot.first_micro)
                    v = plus(v, g[i]);
                g[i] = v;
                sum += square(v);
            }
            __syncthreads();
        }
    }
    if (last) {
        sum = block_sum(sum, lines_of(b));
        if (threadIdx.x == 0)
            buffer<float>(r, KERN_DEV_SQUARES)[tile] = sum;
    }
}

__device__ __forceinline__ verdict judge(const block &b)
{
    const kern_cuda_run &r = b.run;
    const float *squares = buffer<float>(r, KERN_DEV_SQUARES);
    double sum = 0;
    for (uint32_t i = threadIdx.x; i < r.piece_count; i += 256)
        sum += (double)squares[i];
    sum = block_sum(sum, reinterpret_cast<double *>(lines_of(b)));
    verdict v;
    v.norm = (float)sqrt(sum);
    v.update = b.slot.step_targets > 0 && isfinite(v.norm);
    float factor = r.constants.clip / (v.norm + 1e-6f);
    v.scale = r.constants.clip > 0 && factor < 1 ? factor : 1;
    return v;
}

__device__ __noinline__ void adamw_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    /* the last pieces first: their gradients are the ones that COLLECT left in L2 */
    const kern_device_piece piece = r.pieces[b.phase.tiles - 1 - tile_here()];
    const float4 *g = reinterpret_cast<const float4 *>(buffer<float>(r, KERN_DEV_GRADIENTS) + piece.begin);
    float4 *w = reinterpret_cast<float4 *>(buffer<float>(r, KERN_DEV_MASTER) + piece.begin);
    float4 *m1 = reinterpret_cast<float4 *>(buffer<float>(r, KERN_DEV_MOMENT1) + piece.begin);
    float4 *m2 = reinterpret_cast<float4 *>(buffer<float>(r, KERN_DEV_MOMENT2) + piece.begin);
    uint2 *rounded = reinterpret_cast<uint2 *>(buffer<bf16>(r, KERN_DEV_WEIGHTS) + piece.begin);
    float beta1 = r.constants.beta1, beta2 = r.constants.beta2, eps = r.constants.adam_eps;
    float decay = piece.decay ? b.slot.lr * r.constants.weight_decay : 0;
    float step = b.slot.step_size, root2 = b.slot.root2, scale = state_here()->judged.scale;

    draw();
    if (!state_here()->judged.update)
        return;
    auto one = [&](float grad, float &first, float &second, float &weight) {
        float d = grad * scale;
        first = beta1 * first + (1 - beta1) * d;
        second = beta2 * second + (1 - beta2) * d * d;
        weight = weight - decay * weight - step * first / (sqrtf(second) * root2 + eps);
    };
    /* two vectors are always under way: the next one is asked for before one is stored, which might alias */
    const uint32_t count = piece.length / 4;
    const float4 zero = make_float4(0, 0, 0, 0);
    float4 d[2], a[2], c[2], v[2];
    auto fetch = [&](int j, uint32_t i) {
        bool there = i < count;
        d[j] = there ? g[i] : zero, a[j] = there ? m1[i] : zero;
        c[j] = there ? m2[i] : zero, v[j] = there ? w[i] : zero;
    };
    fetch(0, threadIdx.x);
    fetch(1, threadIdx.x + 256);
#pragma unroll 1
    for (uint32_t first = threadIdx.x; first < count; first += 2 * 256) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
            uint32_t i = first + j * 256;
            float4 x = a[j], y = c[j], z = v[j];
            if (i >= count)
                break;
            one(d[j].x, x.x, y.x, z.x);
            one(d[j].y, x.y, y.y, z.y);
            one(d[j].z, x.z, y.z, z.z);
            one(d[j].w, x.w, y.w, z.w);
            fetch(j, i + 2 * 256);
            m1[i] = x, m2[i] = y, w[i] = z;
            rounded[i] = make_uint2(pack(z.x, z.y), pack(z.z, z.w));
        }
    }
}

#endif
