/* The head and the loss of ops.h. */
#ifndef KERN_CUDA_HEAD_CUH
#define KERN_CUDA_HEAD_CUH

#include "final.cuh"
#include "product.cuh"

/*
 * A large tile's logits and their maxima and sums straight from registers: a warp's columns of a row are in four
 * lanes; four warps' meet in shared memory, where the rounded logits become rows to be stored.
 */
template <class S>
__device__ __forceinline__ void logits_from_registers(const block &b, const sums<S> &c, const place &at, const float *scale)
{
    const kern_cuda_run &r = b.run;
    bf16 *rows = reinterpret_cast<bf16 *>(tile_of(b)); /* [SIDE] */
    float *top_of = reinterpret_cast<float *>(rounded_at<S::SIDE>(rows, S::SIDE, 0)), *sum_of = top_of + S::WARPS_N * S::SIDE;
    warp_block<S> own;
    uint32_t lane = threadIdx.x % 32, column = own.n + lane % 4 * 2, warp = own.n / S::WARP_N;
    bool padded = at.n0 + S::SIDE > r.vocab; /* padding ids count for nothing */
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            uint32_t row = own.m + i * 16 + h * 8 + lane / 4;
            float factor = scale[row], top = -INFINITY, sum = 0, v[S::NJ][2];
#pragma unroll
            for (int j = 0; j < S::NJ; j++) {
                uint32_t two = pack(c.v[i][j][2 * h] * factor, c.v[i][j][2 * h + 1] * factor);
                *reinterpret_cast<uint32_t *>(rounded_at<S::SIDE>(rows, row, column + j * 8)) = two;
                v[j][0] = low_half(two), v[j][1] = high_half(two);
                if (padded)
#pragma unroll
                    for (int e = 0; e < 2; e++)
                        v[j][e] = at.n0 + column + j * 8 + e < r.vocab ? v[j][e] : -INFINITY;
                top = fmaxf(top, fmaxf(v[j][0], v[j][1]));
            }
            top = lanes_max<4>(top);
            float shift = top == -INFINITY ? 0 : top * LOG2E;
#pragma unroll
            for (int j = 0; j < S::NJ; j++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                    sum += power2(fmaf(v[j][e], LOG2E, -shift));
            sum = lanes_sum<4>(sum);
            if (lane % 4 == 0)
                top_of[warp * S::SIDE + row] = top, sum_of[warp * S::SIDE + row] = sum;
        }
    __syncthreads();
    if (threadIdx.x < S::SIDE && at.m0 + threadIdx.x < at.m) {
        float top = -INFINITY, sum = 0;
        for (int i = 0; i < S::WARPS_N; i++)
            top = fmaxf(top, top_of[i * S::SIDE + threadIdx.x]);
        for (int i = 0; i < S::WARPS_N && top > -INFINITY; i++)
            sum += sum_of[i * S::SIDE + threadIdx.x] * power2((top_of[i * S::SIDE + threadIdx.x] - top) * LOG2E);
        uint64_t slot = (uint64_t)(at.m0 + threadIdx.x) * r.vocab_tiles + at.n0 / S::SIDE;
        buffer<float>(r, KERN_DEV_LOGIT_MAX)[slot] = top;
        buffer<float>(r, KERN_DEV_LOGIT_SUM)[slot] = sum;
    }
    store_rounded<S::SIDE, S::SIDE>(rows, buffer<bf16>(r, KERN_DEV_LOGITS_OUT) + (uint64_t)at.m0 * r.vocab_padded + at.n0,
                                    r.vocab_padded, at.m - at.m0, at.n - at.n0);
}

template <class S> __device__ __noinline__ void logits_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    const float *squares = buffer<float>(r, KERN_DEV_SS, r.layers);
    bf16 *to = buffer<bf16>(r, KERN_DEV_LOGITS_OUT);
    float *most = buffer<float>(r, KERN_DEV_LOGIT_MAX), *total = buffer<float>(r, KERN_DEV_LOGIT_SUM);
    float *scale = lines_of(b); /* [SIDE] */
    /* in registers: a store might change what the run says */
    const uint32_t vocab = r.vocab, pitch = r.vocab_padded, tiles = r.vocab_tiles;
    sums<S> c;

    multiply<S, false, false>(
        b, p, at, c, [&] { return row_scales<S>(r, at, squares, b.phase.row0); },
        [&](row_scales<S> &scales) { scales.put(r, scale); });
    if constexpr (S::PARTS == 1) {
        logits_from_registers(b, c, at, scale);
        return;
    }
    float *rows = lay_out(b, c);
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    each_row<S>(rows, at, [&](uint32_t row, uint32_t, float (&v)[8], bool inside) {
        uint64_t n = at.m0 + row;
        float top = -INFINITY, sum = 0;
        if (inside) {
#pragma unroll
            for (int e = 0; e < 8; e++)
                v[e] *= scale[row];
            round8(v);
            store8(to + n * pitch + column, v);
            if (column + 8 > vocab) { /* padding ids count for nothing */
#pragma unroll
                for (int e = 0; e < 8; e++)
                    v[e] = column + e < vocab ? v[e] : -INFINITY;
            }
#pragma unroll
            for (int e = 0; e < 8; e++)
                top = fmaxf(top, v[e]);
        }
        top = lanes_max<S::LANES>(top);
        if (inside) {
            float shift = top == -INFINITY ? 0 : top * LOG2E;
#pragma unroll
            for (int e = 0; e < 8; e++)
                sum += power2(fmaf(v[e], LOG2E, -shift));
        }
        sum = lanes_sum<S::LANES>(sum);
        if (threadIdx.x % S::LANES == 0 && n < at.m) {
            uint64_t i = n * tiles + at.n0 / S::SIDE;
            most[i] = top, total[i] = sum;
        }
    });
}

/* Four warps a row. */
__device__ __noinline__ void loss_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    constexpr uint32_t THREADS = 256 / KERN_DEVICE_LOSS_ROWS, FLIGHT = 8;
    const kern_cuda_run &r = b.run;
    uint32_t in_tile = threadIdx.x / THREADS, thread = threadIdx.x % THREADS;
    uint32_t lane = threadIdx.x % 32, row = tile * KERN_DEVICE_LOSS_ROWS + in_tile; /* of the chunk */
    bool there = row < b.phase.rows;
    uint32_t n = b.phase.row0 + row, columns = b.phase.product.tiles_n;
    bf16 *v = buffer<bf16>(r, KERN_DEV_LOGITS_OUT) + (uint64_t)row * r.vocab_padded;
    float *meet = lines_of(b); /* [LOSS_ROWS] nll of a row */
    bool train = b.slot.when >= KERN_DEV_TRAINING && b.slot.kind == KERN_TRAIN, has = false;
    const uint32_t vocab = r.vocab, padded = r.vocab_padded; /* in registers: a store might change them */
    float lse = 0, nll = 0;
    uint32_t target = KERN_NO_TARGET;

    draw();
    if (there) {
        /* every warp by itself: there are few pairs */
        const float *most = buffer<float>(r, KERN_DEV_LOGIT_MAX) + (uint64_t)row * r.vocab_tiles;
        const float *total = buffer<float>(r, KERN_DEV_LOGIT_SUM) + (uint64_t)row * r.vocab_tiles;
        float top = -INFINITY, sum = 0;
        target = buffer<uint32_t>(r, KERN_DEV_TARGETS)[n];
        has = target != KERN_NO_TARGET;
        nll = has ? __bfloat162float(v[target]) : 0;
        for (uint32_t i = lane; i < columns; i += 32)
            top = fmaxf(top, most[i]);
        top = lanes_max<32>(top);
        for (uint32_t i = lane; i < columns; i += 32)
            sum += total[i] * power2((most[i] - top) * LOG2E);
        lse = top + logf(lanes_sum<32>(sum));
        nll = has ? lse - nll : 0;
    }
    __syncthreads(); /* every thread has read the target's logit before it is overwritten */
    if (there && train) {
        float inverse = has ? b.slot.inverse_targets : 0, shift = lse * LOG2E;
        float scale = inverse * rms_scale(r, buffer<float>(r, KERN_DEV_SS, r.layers), n);
        for (uint32_t first = thread * 8; first < padded; first += FLIGHT * 8 * THREADS) {
            /* several loads under way before the first store, which might alias */
            uint4 raw[FLIGHT];
#pragma unroll
            for (int i = 0; i < FLIGHT; i++)
                raw[i] = first + i * 8 * THREADS < padded
                             ? *reinterpret_cast<const uint4 *>(v + first + i * 8 * THREADS)
                             : make_uint4(0, 0, 0, 0);
#pragma unroll
            for (int i = 0; i < FLIGHT; i++) {
                uint32_t at = first + i * 8 * THREADS;
                float d[8];
                if (at >= padded)
                    break;
                unpack(d, raw[i]);
                bool special = at / 8 == target / 8 || at + 8 > vocab;
#pragma unroll
                for (int e = 0; e < 8; e++) {
                    float p = power2(fmaf(d[e], LOG2E, -shift));
                    if (special) {
                        p = at + e == target ? p - 1 : p;
                        p = at + e < vocab ? p : 0;
                    }
                    d[e] = p * scale;
                }
                if (!has) /* selected, not multiplied */
#pragma unroll
                    for (int e = 0; e < 8; e++)
                        d[e] = 0;
                store8(v + at, d);
            }
        }
    }
    if (thread == 0) {
        meet[in_tile] = nll;
        if (there)
            buffer<float>(r, KERN_DEV_NLL)[n] = nll;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        float sum = 0;
        for (uint32_t i = 0; i < KERN_DEVICE_LOSS_ROWS; i++)
            sum += meet[i];
        buffer<float>(r, KERN_DEV_NLL_SLOT)[b.phase.row0 / KERN_DEVICE_LOSS_ROWS + tile] = sum;
    }
}

template <class S> __device__ __noinline__ void head_input_tile()
{
    const block b = here();
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    sums<S> c;

    multiply<S, false, true>(
        b, p, at, c, [] { return nothing(); }, [](nothing) {});
    store_sums(b, c, at, buffer<float>(b.run, KERN_DEV_HEAD_SPLIT, at.split), false);
}

__device__ __noinline__ void final_backward_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, splits = b.phase.product.splits, each = r.final_rows;
    const uint32_t row0 = b.phase.row0 + tile * each;
    const float *shares = buffer<float>(r, KERN_DEV_HEAD_SPLIT) + (uint64_t)tile * each * width;
    const uint64_t stride = (uint64_t)r.stride[KERN_DEV_HEAD_SPLIT] * (KERN_CUDA_UNIT / 4);

    draw();
    norm_rows<32>(
        b, row0, min(each, b.phase.rows - tile * each), [](uint32_t) {},
        [&](uint32_t in_tile, uint32_t v, float (&a)[8]) {
            const float *from = shares + (uint64_t)in_tile * width + v * 8;
#pragma unroll
            for (int e = 0; e < 8; e++)
                a[e] = 0;
#pragma unroll 4
            for (uint32_t s = 0; s < splits; s++) {
                float part[8];
                load8(part, from + s * stride);
#pragma unroll
                for (int e = 0; e < 8; e++)
                    a[e] += part[e];
            }
        },
        buffer<float>(r, KERN_DEV_FINAL_SLOT) + (uint64_t)(row0 / each) * width);
}

#endif
