/* OUT and DOWN of ops.h, and the backward pass of the norms: what touches the residual stream. */
#ifndef KERN_CUDA_RESIDUAL_CUH
#define KERN_CUDA_RESIDUAL_CUH

#include "product.cuh"

/* x' = product + x, x'g, and the block's shares of the sum of squares. */
template <class S> __device__ __noinline__ void residual_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    uint32_t l = b.phase.layer, width = r.width, norm_slots = r.norm_slots;
    bool out = b.phase.op == KERN_DEV_OUT;
    const bf16 *x = out ? buffer<bf16>(r, KERN_DEV_X, l) : buffer<bf16>(r, KERN_DEV_MID, l);
    bf16 *to = out ? buffer<bf16>(r, KERN_DEV_MID, l) : buffer<bf16>(r, KERN_DEV_X, l + 1);
    bf16 *to_g = out ? buffer<bf16>(r, KERN_DEV_MIDG, l) : buffer<bf16>(r, KERN_DEV_XG, l + 1);
    float *squares = out ? buffer<float>(r, KERN_DEV_SS_MID, l) : buffer<float>(r, KERN_DEV_SS, l + 1);
    uint64_t gain_at = out ? layer_at(r, l, r.layout.norm2)
                       : l + 1 < r.layers ? layer_at(r, l + 1, r.layout.norm1) : r.layout.norm;
    const float *gain = master(r, gain_at);
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    auto where = [&](uint32_t row, int) { return vector_at(x + (uint64_t)(at.m0 + row) * width + column); };
    row_inputs<S, 1> inputs;
    sums<S> c;
    float g[8] = {0, 0, 0, 0, 0, 0, 0, 0};

    multiply<S, false, false>(
        b, p, at, c, [] { return nothing(); },
        [&](nothing) {
            inputs.ahead(at, where);
            if (S::AHEAD && column < at.n)
                load8(g, gain + column);
        });
    float *rows = lay_out(b, c, at, inputs, where);
    if (!S::AHEAD && column < at.n)
        load8(g, gain + column);
    each_row<S, 1>(rows, at, inputs, where, [&](uint32_t row, uint32_t, float (&v)[8], uint4 *in, bool inside) {
        uint32_t n = at.m0 + row;
        float sum = 0;
        if (inside) {
            float old[8], scaled[8];
            uint64_t i = (uint64_t)n * width + column;
            unpack(old, in[0]);
#pragma unroll
            for (int e = 0; e < 8; e++)
                v[e] += old[e];
            round8(v);
            store8(to + i, v);
#pragma unroll
            for (int e = 0; e < 8; e++) {
                sum += v[e] * v[e];
                scaled[e] = v[e] * g[e];
            }
            store8(to_g + i, scaled);
        }
        sum = lanes_sum<S::LANES>(sum);
        if (threadIdx.x % S::LANES == 0 && n < at.m)
            squares[(uint64_t)n * norm_slots + at.n0 / S::SIDE] = sum;
    });
}

/*
 * The gradient of x through y = rmsnorm(x) W^T, added to the residual's, from a = (r dY) W; and the
 * gain's share. The two norms of a layer by the phase's op.
 */
template <class S> __device__ __noinline__ void norm_backward_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    uint32_t l = b.phase.layer, width = r.width;
    bool mlp = b.phase.op == KERN_DEV_GATE_UP_BACKWARD;
    const bf16 *x = mlp ? buffer<bf16>(r, KERN_DEV_MID, l) : buffer<bf16>(r, KERN_DEV_X, l);
    const float *squares = mlp ? buffer<float>(r, KERN_DEV_SS_MID, l) : buffer<float>(r, KERN_DEV_SS, l);
    const float *dots = mlp ? buffer<float>(r, KERN_DEV_MLP_C) : buffer<float>(r, KERN_DEV_QKV_C);
    uint32_t dots_count = mlp ? r.mlp_slots : r.heads + r.kv_heads;
    const float *gain = master(r, layer_at(r, l, mlp ? r.layout.norm2 : r.layout.norm1));
    float *shares = buffer<float>(r, KERN_DEV_GAIN_SLOT, 2 * l + (mlp ? 1 : 0)) +
                    (uint64_t)(at.m0 / S::SIDE) * width;
    bf16 *dx = buffer<bf16>(r, KERN_DEV_DX);
    float *factor = lines_of(b); /* [SIDE] r^2 c / W */
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    auto where = [&](uint32_t row, int j) { return vector_at((j ? x : dx) + (uint64_t)(at.m0 + row) * width + column); };
    row_inputs<S, 2> inputs;
    sums<S> c;
    float g[8] = {0, 0, 0, 0, 0, 0, 0, 0}, share[8] = {0, 0, 0, 0, 0, 0, 0, 0};

    struct beside {
        tile_row<S> mine;
        slot_sum<tile_row<S>::LANES> of_row, of_x;
    };
    multiply<S, false, true>(
        b, p, at, c,
        [&] {
            tile_row<S> mine(at);
            return beside{mine, mine.sum(dots, dots_count), mine.sum(squares, r.norm_slots)};
        },
        [&](beside &is) {
            inputs.ahead(at, where);
            if (S::AHEAD && column < at.n)
                load8(g, gain + column);
            float dot = is.of_row.value(), scale = rms_scale(r, is.of_x.value());
            if (is.mine.there && is.mine.first)
                factor[is.mine.row] = scale * scale * dot * reciprocal((float)width);
        });
    float *rows = lay_out(b, c, at, inputs, where);
    if (!S::AHEAD && column < at.n)
        load8(g, gain + column);
    each_row<S, 2>(rows, at, inputs, where, [&](uint32_t row, uint32_t, float (&v)[8], uint4 *in, bool inside) {
        if (!inside)
            return;
        float old[8], xs[8];
        uint64_t i = (uint64_t)(at.m0 + row) * width + column;
        unpack(old, in[0]);
        unpack(xs, in[1]);
#pragma unroll
        for (int e = 0; e < 8; e++) {
            share[e] += v[e] * xs[e];
            old[e] += g[e] * v[e] - xs[e] * factor[row];
        }
        store8(dx + i, old);
    });
    /* columns: row groups in order */
    __syncthreads();
    float *groups = reinterpret_cast<float *>(tile_of(b)) + threadIdx.x / S::LANES * S::PITCH +
                    threadIdx.x % S::LANES * 8;
#pragma unroll
    for (int e = 0; e < 8; e++)
        groups[e] = share[e];
    __syncthreads();
    if (threadIdx.x < S::SIDE && at.n0 + threadIdx.x < at.n) {
        float sum = 0;
        for (int i = 0; i < S::ROWS; i++)
            sum += reinterpret_cast<float *>(tile_of(b))[i * S::PITCH + threadIdx.x];
        shares[at.n0 + threadIdx.x] = sum;
    }
}

#endif
