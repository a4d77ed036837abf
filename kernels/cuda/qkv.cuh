/* QKV of ops.h: projections, the norm's scale, RoPE. */
#ifndef KERN_CUDA_QKV_CUH
#define KERN_CUDA_QKV_CUH

#include "product.cuh"

/* Two neighbours of a head's first half, two of its second, turned in place; turn: cosine, sine of both. */
__device__ __forceinline__ void turn_pairs(float (&a)[2], float (&b)[2], const float4 &turn)
{
    float a0 = a[0], a1 = a[1];
    a[0] = a0 * turn.x - b[0] * turn.y;
    a[1] = a1 * turn.z - b[1] * turn.w;
    b[0] = b[0] * turn.x + a0 * turn.y;
    b[1] = b[1] * turn.z + a1 * turn.w;
}

/* A large tile's rows straight from registers, where both halves of a pair are in neighbouring column tiles. */
template <class S>
__device__ __forceinline__ void qkv_from_registers(const block &b, const sums<S> &c, const place &at, const float *scale,
                                                   const uint32_t *position, const float *rope, bf16 *to, uint32_t pitch)
{
    const kern_cuda_run &r = b.run;
    const uint32_t head_dim = r.head_dim, turning = r.q_width + r.kv_width;
    bf16 *rows = reinterpret_cast<bf16 *>(tile_of(b));
    warp_block<S> own;
    uint32_t lane = threadIdx.x % 32, column = own.n + lane % 4 * 2;
    /* angles of two rows' columns at a time, all asked for before they are used */
    auto angle = [&](int i, int h, int j) {
        uint32_t row = own.m + i * 16 + h * 8 + lane / 4, in_head = (at.n0 + own.n + j * 8) % head_dim;
        bool needed = at.n0 + own.n + j * 8 < turning && at.m0 + row < at.m;
        const float *from = rope + (uint64_t)(needed ? position[row] : 0) * head_dim + in_head + lane % 4 * 4;
        return needed ? *reinterpret_cast<const float4 *>(from) : make_float4(1, 0, 1, 0);
    };
    float4 turn[2][S::NJ / 2], then[2][S::NJ / 2];
#pragma unroll
    for (int h = 0; h < 2; h++)
#pragma unroll
        for (int j = 0; j < S::NJ / 2; j++)
            turn[h][j] = angle(0, h, 2 * j);
#pragma unroll
    for (int i = 0; i < S::MI; i++) {
        if (i + 1 < S::MI)
#pragma unroll
            for (int h = 0; h < 2; h++)
#pragma unroll
                for (int j = 0; j < S::NJ / 2; j++)
                    then[h][j] = angle(i + 1, h, 2 * j);
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t row = own.m + i * 16 + h * 8 + lane / 4;
            float factor = scale[row];
#pragma unroll
            for (int j = 0; j < S::NJ; j += 2) {
                float x[2] = {c.v[i][j][2 * h], c.v[i][j][2 * h + 1]};
                float y[2] = {c.v[i][j + 1][2 * h], c.v[i][j + 1][2 * h + 1]};
                turn_pairs(x, y, turn[h][j / 2]);
                *reinterpret_cast<uint32_t *>(rounded_at<S::SIDE>(rows, row, column + j * 8)) =
                    pack(x[0] * factor, x[1] * factor);
                *reinterpret_cast<uint32_t *>(rounded_at<S::SIDE>(rows, row, column + j * 8 + 8)) =
                    pack(y[0] * factor, y[1] * factor);
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++)
#pragma unroll
            for (int j = 0; j < S::NJ / 2; j++)
                turn[h][j] = then[h][j];
    }
    __syncthreads();
    store_rounded<S::SIDE, S::SIDE>(rows, to + (uint64_t)at.m0 * pitch + at.n0, pitch, at.m - at.m0, at.n - at.n0);
}

template <class S> __device__ __noinline__ void qkv_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    const uint32_t l = b.phase.layer, head_dim = r.head_dim, turning = r.q_width + r.kv_width, pitch = r.qkv_width;
    const float *squares = buffer<float>(r, KERN_DEV_SS, l), *rope = buffer<float>(r, KERN_DEV_ROPE);
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST);
    bf16 *to = buffer<bf16>(r, KERN_DEV_QKV_OUT, l);
    float *scale = lines_of(b);                                         /* [SIDE] */
    uint32_t *position = reinterpret_cast<uint32_t *>(lines_of(b) + 128); /* [SIDE] in the segment */
    sums<S> c;

    struct beside {
        row_scales<S> scales;
        uint32_t start;
    };
    multiply<S, false, false>(
        b, p, at, c,
        [&] {
            row_scales<S> scales(r, at, squares);
            return beside{scales, scales.mine.there ? starts[scales.mine.n] : 0};
        },
        [&](beside &is) {
            const tile_row<S> &mine = is.scales.mine;
            is.scales.put(r, scale);
            if (mine.there && mine.first)
                position[mine.row] = mine.n - kern_device_divide(mine.n, r.by_seq_len) * r.seq_len - is.start;
        });
    if constexpr (S::PARTS == 1) {
        qkv_from_registers(b, c, at, scale, position, rope, to, pitch);
        return;
    }
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8, in_head = column % head_dim;
    bool turns = column < turning, second = column % 16 >= 8;
    row_inputs<S, 4> angles; /* cosines and sines of the eight columns */
    auto where = [&](uint32_t row, int j) {
        return turns ? vector_at(rope + (uint64_t)position[row] * head_dim + in_head / 16 * 16) + j : nullptr;
    };
    angles.fetch(at, threadIdx.x / S::LANES, where);
    float *rows = lay_out(b, c);
    each_row<S, 4>(rows, at, angles, where, [&](uint32_t row, uint32_t in_tile, float (&v)[8], uint4 *in, bool inside) {
        if (!inside)
            return;
        if (turns) {
            float other[8];
            load_sums<S>(other, rows, row, in_tile ^ 8);
#pragma unroll
            for (int e = 0; e < 8; e++) {
                float cosine = __uint_as_float(e % 2 ? in[e / 2].z : in[e / 2].x);
                float sine = __uint_as_float(e % 2 ? in[e / 2].w : in[e / 2].y);
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
