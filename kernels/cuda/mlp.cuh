/* GATE_UP and DOWN_BACKWARD of ops.h: the two sides of SwiGLU. In the interleaved matrix a thread's
 * eight columns are gates or ups; the other half stands 8 columns apart in the same row. */
#ifndef KERN_CUDA_MLP_CUH
#define KERN_CUDA_MLP_CUH

#include "product.cuh"

__device__ __forceinline__ float sigmoid(float x)
{
    return reciprocal(1.0f + power2(-x * LOG2E));
}

/* A large tile's rows straight from registers, where a gate and its up are in neighbouring column tiles. */
template <class S>
__device__ __forceinline__ void gate_up_from_registers(const block &b, const sums<S> &c, const place &at, const float *scale,
                                                       bf16 *to, bf16 *hidden, uint32_t ffn)
{
    bf16 *rows = reinterpret_cast<bf16 *>(tile_of(b)), *products = rounded_at<S::SIDE>(rows, S::SIDE, 0);
    warp_block<S> own;
    uint32_t lane = threadIdx.x % 32, column = own.n + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t row = own.m + i * 16 + h * 8 + lane / 4;
            float factor = scale[row];
#pragma unroll
            for (int j = 0; j < S::NJ; j += 2) {
                uint32_t gates = pack(c.v[i][j][2 * h] * factor, c.v[i][j][2 * h + 1] * factor);
                uint32_t ups = pack(c.v[i][j + 1][2 * h] * factor, c.v[i][j + 1][2 * h + 1] * factor);
                float g0 = low_half(gates), g1 = high_half(gates);
                *reinterpret_cast<uint32_t *>(rounded_at<S::SIDE>(rows, row, column + j * 8)) = gates;
                *reinterpret_cast<uint32_t *>(rounded_at<S::SIDE>(rows, row, column + j * 8 + 8)) = ups;
                *reinterpret_cast<uint32_t *>(
                    rounded_at<S::SIDE / 2>(products, row, own.n / 2 + j * 4 + lane % 4 * 2)) =
                    pack(low_half(ups) * (g0 * sigmoid(g0)), high_half(ups) * (g1 * sigmoid(g1)));
            }
        }
    __syncthreads();
    store_rounded<S::SIDE, S::SIDE>(rows, to + (uint64_t)at.m0 * 2 * ffn + at.n0, 2 * ffn, at.m - at.m0, at.n - at.n0);
    store_rounded<S::SIDE, S::SIDE / 2>(products, hidden + (uint64_t)at.m0 * ffn + at.n0 / 2, ffn, at.m - at.m0,
                                        (at.n - at.n0) / 2);
}

template <class S> __device__ __noinline__ void gate_up_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    uint32_t l = b.phase.layer, ffn = r.ffn;
    const float *squares = buffer<float>(r, KERN_DEV_SS_MID, l);
    bf16 *to = buffer<bf16>(r, KERN_DEV_GU, l), *hidden = buffer<bf16>(r, KERN_DEV_HIDDEN, l);
    float *scale = lines_of(b); /* [SIDE] */
    sums<S> c;

    multiply<S, false, false>(
        b, p, at, c, [&] { return row_scales<S>(r, at, squares); }, [&](row_scales<S> &scales) { scales.put(r, scale); });
    if constexpr (S::PARTS == 1) {
        gate_up_from_registers(b, c, at, scale, to, hidden, ffn);
        return;
    }
    float *rows = lay_out(b, c);
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    each_row<S>(rows, at, [&](uint32_t row, uint32_t in_tile, float (&v)[8], bool inside) {
        if (!inside)
            return;
        uint64_t n = at.m0 + row;
#pragma unroll
        for (int e = 0; e < 8; e++)
            v[e] *= scale[row];
        round8(v);
        store8(to + n * 2 * ffn + column, v);
        if (column % 16 < 8) {
            float up[8];
            load_sums<S>(up, rows, row, in_tile + 8);
#pragma unroll
            for (int e = 0; e < 8; e++)
                up[e] *= scale[row];
            round8(up);
#pragma unroll
            for (int e = 0; e < 8; e++)
                up[e] *= v[e] * sigmoid(v[e]);
            store8(hidden + n * ffn + column / 2, up);
        }
    });
}

template <class S> __device__ __noinline__ void down_backward_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    uint32_t l = b.phase.layer, ffn = r.ffn, mlp_slots = r.mlp_slots;
    const float *squares = buffer<float>(r, KERN_DEV_SS_MID, l);
    const bf16 *gu = buffer<bf16>(r, KERN_DEV_GU, l);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DGU);
    float *dots = buffer<float>(r, KERN_DEV_MLP_C), *scale = lines_of(b); /* [SIDE] */
    uint32_t unit = at.n0 + threadIdx.x % S::LANES * 8;
    auto where = [&](uint32_t row, int j) {
        return vector_at(gu + (uint64_t)(at.m0 + row) * 2 * ffn + unit * 2 + j * 8);
    };
    row_inputs<S, 2> inputs;
    sums<S> c;

    multiply<S, false, true>(
        b, p, at, c, [&] { return row_scales<S>(r, at, squares); },
        [&](row_scales<S> &scales) {
            inputs.ahead(at, where);
            scales.put(r, scale);
        });
    float *rows = lay_out(b, c, at, inputs, where);
    each_row<S, 2>(rows, at, inputs, where, [&](uint32_t row, uint32_t, float (&v)[8], uint4 *in, bool inside) {
        uint32_t n = at.m0 + row;
        float dot = 0;
        if (inside) {
            float g[8], u[8];
            uint64_t i = (uint64_t)n * 2 * ffn + unit * 2;
            unpack(g, in[0]);
            unpack(u, in[1]);
#pragma unroll
            for (int e = 0; e < 8; e++) {
                /* the row's scale is in dh already; silu' = s + silu (1 - s) */
                float s = sigmoid(g[e]), dh = v[e] * scale[row], silu = g[e] * s;
                float dg = dh * u[e] * (s + fmaf(-silu, s, silu)), du = dh * silu;
                dot = fmaf(dg, g[e], fmaf(du, u[e], dot));
                g[e] = dg, u[e] = du;
            }
            store8(to + i, g);
            store8(to + i + 8, u);
        }
        dot = lanes_sum<S::LANES>(dot);
        if (threadIdx.x % S::LANES == 0 && n < at.m)
            dots[(uint64_t)n * mlp_slots + at.n0 / S::SIDE] = dot * reciprocal(scale[row]);
    });
}

#endif
