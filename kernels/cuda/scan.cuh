/*
 * HEAD_SCAN, HEAD_LOSS, HEAD_WEIGHT of ops.h: the head of a narrow model without its logits in memory. Both products
 * that need them make them again from rows in shared memory, as attention does: to the scan, rows of
 * tokens are queries and the head's rows are keys and values at once; to the weight's gradient it is
 * the other way round.
 *
 * The scan's running maximum is a reference that follows only when a logit leaves it by 2^8: sums and
 * weights stay far from overflow, and almost no step pays for scaling what was summed before.
 */
#ifndef KERN_CUDA_SCAN_CUH
#define KERN_CUDA_SCAN_CUH

#include "final.cuh"
#include "rows.cuh"

#define SCAN_WIDTH ((int)KERN_DEVICE_SCAN_WIDTH)
#define SCAN_OWN ((int)KERN_DEVICE_SCAN_ROWS)
#define SCAN_STAGES 2
#define SCAN_STAGE_BYTES (STREAM * SCAN_WIDTH * 2)
#define SCAN_OWN_BYTES (SCAN_OWN * SCAN_WIDTH * 2)
#define SCAN_WEIGHTS (SCAN_OWN_BYTES + SCAN_STAGES * SCAN_STAGE_BYTES) /* where [own][STREAM] in bf16 stand */
#define SCAN_BESIDE (SCAN_WEIGHTS + SCAN_OWN * STREAM * 2)
#define SCAN_SLACK 8.0f /* powers of two */
static_assert(SCAN_OWN == 4 * 32 && SCAN_OWN == 2 * STREAM, "rows of a warp, copies");
/* beside the stages of HEAD_WEIGHT: terms and targets of their rows */
static_assert(SCAN_BESIDE + SCAN_STAGES * STREAM * 20 <= (int)KERN_CUDA_TILE_BYTES, "stages");
static_assert(3 * SCAN_OWN <= (int)KERN_CUDA_LINES, "lines");

__device__ __forceinline__ void copy_own(const row_copies<SCAN_WIDTH> &copies, uint32_t own, const bf16 *from,
                                         uint32_t pitch, uint32_t limit)
{
    copies.copy(own, from, limit);
    copies.copy(own + STREAM * SCAN_WIDTH * 2, from + (uint64_t)STREAM * pitch, limit > STREAM ? limit - STREAM : 0);
}

/*
 * Two warps share 32 own rows: each takes their products with half of a stage's rows, then, from the weights of
 * both, the sum of half of the columns. Each loads less than if it had rows of its own.
 */
struct scan_warp {
    uint32_t m, half, pair; /* first own row; 0 or 1; the pair's barrier */

    __device__ __forceinline__ scan_warp()
    {
        uint32_t warp = threadIdx.x / 32;
        m = warp % 4 * 32, half = warp / 4, pair = 1 + warp % 4;
    }
    __device__ __forceinline__ void meet() const
    {
        team_sync<2>(pair);
    }
    /* Whether it holds for a thread of either. */
    __device__ __forceinline__ bool meet_any(bool holds) const
    {
        uint32_t any;
        asm volatile("{\n"
                     ".reg .pred p, q;\n"
                     "setp.ne.u32 q, %2, 0;\n"
                     "bar.red.or.pred p, %1, 64, q;\n"
                     "selp.u32 %0, 1, 0, p;\n"
                     "}"
                     : "=r"(any)
                     : "r"(pair), "r"((uint32_t)holds)
                     : "memory");
        return any;
    }
};

/* s [32, 32] = own rows . this half of the stage's rows^T */
__device__ __forceinline__ void scan_scores(float (&s)[2][4][4], const scan_warp &w, uint32_t own, uint32_t stage)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    uint32_t a_at = own + lane_at<SCAN_WIDTH>(w.m + (block & 1) * 8 + r, block >> 1);
    uint32_t b_at = stage + lane_at<SCAN_WIDTH>(w.half * 32 + (block >> 1) * 8 + r, block & 1);
    clear(s[0]), clear(s[1]);
#pragma unroll
    for (int k = 0; k < SCAN_WIDTH / 16; k++) {
        uint32_t a[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++)
            load_blocks(a[i], (a_at ^ (k << 5)) + i * 16 * SCAN_WIDTH * 2);
#pragma unroll
        for (int j = 0; j < 2; j++) {
            uint32_t b[4];
            load_blocks(b, (b_at ^ (k << 5)) + j * 16 * SCAN_WIDTH * 2);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                mma(s[i][2 * j], a[i], b[0], b[1]);
                mma(s[i][2 * j + 1], a[i], b[2], b[3]);
            }
        }
    }
}

/* This warp's weights to shared memory. */
__device__ __forceinline__ void scan_put(const float (&s)[2][4][4], const scan_warp &w, uint32_t weights)
{
    uint32_t lane = threadIdx.x % 32, row = w.m + lane / 4;
    uint32_t at = weights + swizzled<STREAM * 2>(row, w.half * 4) + lane % 4 * 4;
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int h = 0; h < 2; h++)
                store_shared((at ^ (j << 4)) + (i * 16 + h * 8) * STREAM * 2,
                             pack(s[i][j][2 * h], s[i][j][2 * h + 1]));
}

/* o [32, 64] += weights [32, STREAM] . this half of the stage's columns */
__device__ __forceinline__ void scan_mix(float (&o)[2][8][4], const scan_warp &w, uint32_t weights, uint32_t stage)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    uint32_t a_at = weights + swizzled<STREAM * 2>(w.m + (block & 1) * 8 + r, block >> 1);
    uint32_t b_at = stage + lane_at<SCAN_WIDTH>((block & 1) * 8 + r, w.half * 8 + (block >> 1));
#pragma unroll
    for (int k = 0; k < STREAM / 16; k++) {
        uint32_t a[2][4];
#pragma unroll
        for (int i = 0; i < 2; i++)
            load_blocks(a[i], (a_at ^ (k << 5)) + i * 16 * STREAM * 2);
#pragma unroll
        for (int j = 0; j < 4; j++) {
            uint32_t b[4];
            load_blocks_transposed(b, (b_at ^ (j << 5)) + k * 16 * SCAN_WIDTH * 2);
#pragma unroll
            for (int i = 0; i < 2; i++) {
                mma(o[i][2 * j], a[i], b[0], b[1]);
                mma(o[i][2 * j + 1], a[i], b[2], b[3]);
            }
        }
    }
}

__device__ __noinline__ void head_scan_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, tokens = r.tokens, splits = r.head_splits;
    uint32_t blocks = (tokens + SCAN_OWN - 1) / SCAN_OWN, span = tile / blocks, m0 = tile % blocks * SCAN_OWN;
    uint32_t id0 = span * r.head_span, id1 = min(id0 + r.head_span, r.vocab), count = (id1 - id0 + STREAM - 1) / STREAM;
    const bf16 *head = buffer<bf16>(r, KERN_DEV_WEIGHTS) + r.layout.head + (uint64_t)id0 * width;
    uint32_t own = shared_address(tile_of(b)), stages = own + SCAN_OWN_BYTES, weights = own + SCAN_WEIGHTS;
    uint32_t lane = threadIdx.x % 32;
    bool train = b.slot.when >= KERN_DEV_TRAINING && b.slot.kind == KERN_TRAIN;
    row_copies<SCAN_WIDTH> copies(width, width);
    scan_warp w;
    float *most_of = lines_of(b);           /* [2][own] of a half's products */
    float *found = lines_of(b) + 2 * SCAN_OWN; /* [own] the targets' logits */
    float *scales = reinterpret_cast<float *>(tile_of(b) + SCAN_BESIDE); /* [own] what makes logits powers of two */
    uint32_t *targets = reinterpret_cast<uint32_t *>(scales + SCAN_OWN); /* [own] */
    /* this thread's rows are `row` + 8 i. In powers of two: the reference; sums of exp, of this lane's ids, against it */
    const uint32_t row = w.m + lane / 4;
    float top[4], total[4], o[2][8][4];

    auto stream = [&](uint32_t i) {
        if (i < count)
            copies.copy(stages + i % SCAN_STAGES * SCAN_STAGE_BYTES, head + (uint64_t)i * STREAM * width,
                        id1 - id0 - i * STREAM);
        async_commit();
    };
    copy_own(copies, own, buffer<bf16>(r, KERN_DEV_XG, r.layers) + (uint64_t)m0 * width, width, tokens - m0);
    stream(0);
    if (threadIdx.x < SCAN_OWN) {
        uint32_t n = m0 + threadIdx.x;
        bool there = n < tokens;
        targets[threadIdx.x] = there ? buffer<uint32_t>(r, KERN_DEV_TARGETS)[n] : KERN_NO_TARGET;
        scales[threadIdx.x] = there ? rms_scale(r, buffer<float>(r, KERN_DEV_SS, r.layers), n) * LOG2E : 0;
        found[threadIdx.x] = 0;
    }
    draw();
#pragma unroll
    for (int i = 0; i < 4; i++)
        top[i] = -INFINITY, total[i] = 0;
    clear(o[0]), clear(o[1]);

#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        uint32_t stage = stages + t % SCAN_STAGES * SCAN_STAGE_BYTES, first = id0 + t * STREAM + w.half * 32;
        float s[2][4][4];
        async_wait<0>();
        __syncthreads();
        stream(t + 1);
        scan_scores(s, w, own, stage);
        if (first + 32 > id1)
#pragma unroll
            for (int i = 0; i < 2; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        s[i][j][e] = first + j * 8 + lane % 4 * 2 + e % 2 < id1 ? s[i][j][e] : -INFINITY;
        /* row i of the four is s[i / 2][..][i % 2 * 2 ..] */
        float most[4];
        bool leaves = false;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            most[i] = -INFINITY;
#pragma unroll
            for (int j = 0; j < 4; j++)
                most[i] = fmaxf(most[i], fmaxf(s[i / 2][j][i % 2 * 2], s[i / 2][j][i % 2 * 2 + 1]));
            leaves |= most[i] * scales[row + 8 * i] > top[i] + SCAN_SLACK;
        }
        if (w.meet_any(leaves)) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                most[i] = lanes_max<4>(most[i]);
                if (lane % 4 == 0)
                    most_of[w.half * SCAN_OWN + row + 8 * i] = most[i];
            }
            w.meet();
#pragma unroll
            for (int i = 0; i < 4; i++) {
                float there = most_of[(1 - w.half) * SCAN_OWN + row + 8 * i];
                float higher = fmaxf(top[i], fmaxf(most[i], there) * scales[row + 8 * i]), less = power2(top[i] - higher);
                top[i] = higher, total[i] *= less;
#pragma unroll
                for (int j = 0; j < 8; j++)
                    o[i / 2][j][i % 2 * 2] *= less, o[i / 2][j][i % 2 * 2 + 1] *= less;
            }
        }
        bool near = false;
#pragma unroll
        for (int i = 0; i < 4; i++)
            near |= targets[row + 8 * i] - first < 32;
        near = __any_sync(0xffffffffu, near);
        if (near)
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int k = 0; k < 8; k++)
                    if (first + k / 2 * 8 + lane % 4 * 2 + k % 2 == targets[row + 8 * i])
                        found[row + 8 * i] = s[i / 2][k / 2][i % 2 * 2 + k % 2] * scales[row + 8 * i];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            float scale = scales[row + 8 * i];
#pragma unroll
            for (int k = 0; k < 8; k++) {
                float &x = s[i / 2][k / 2][i % 2 * 2 + k % 2];
                x = power2(fmaf(x, scale, -top[i]));
                total[i] += x;
            }
        }
        if (near) /* the target counts apart: p - 1 would lose its digits in bf16 */
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int k = 0; k < 8; k++) {
                    float &x = s[i / 2][k / 2][i % 2 * 2 + k % 2];
                    x = first + k / 2 * 8 + lane % 4 * 2 + k % 2 == targets[row + 8 * i] ? 0 : x;
                }
        if (train) {
            scan_put(s, w, weights);
            w.meet();
            scan_mix(o, w, weights, stage);
        }
    }
    async_wait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 4; i++) {
        total[i] = lanes_sum<4>(total[i]);
        if (lane % 4 == 0)
            most_of[w.half * SCAN_OWN + row + 8 * i] = total[i];
    }
    w.meet();
    float *shares = buffer<float>(r, KERN_DEV_HEAD_SPLIT, span);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        uint32_t in_tile = row + 8 * i, n = m0 + in_tile;
        float sum = most_of[in_tile] + most_of[SCAN_OWN + in_tile];
        if (n >= tokens)
            continue;
        if (lane % 4 == 0 && w.half == 0) {
            buffer<float>(r, KERN_DEV_SPAN_LSE)[(uint64_t)n * splits + span] = (top[i] + log2f(sum)) * LN2;
            buffer<float>(r, KERN_DEV_SPAN_TARGET)[(uint64_t)n * splits + span] = found[in_tile] * LN2;
        }
        sum = 1 / sum;
        uint32_t column = w.half * 64 + lane % 4 * 2;
        float *to = shares + (uint64_t)n * width + column;
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (train && column + j * 8 < width)
                *reinterpret_cast<float2 *>(to + j * 8) =
                    make_float2(o[i / 2][j][i % 2 * 2] * sum, o[i / 2][j][i % 2 * 2 + 1] * sum);
    }
}

/* A warp a row: lse over the spans, the loss, and in training what DX is made of. */
__device__ __noinline__ void head_loss_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, splits = r.head_splits, row0 = tile * r.final_rows;
    const uint32_t rows = min(r.final_rows, r.tokens - row0);
    const float *lses = buffer<float>(r, KERN_DEV_SPAN_LSE), *found = buffer<float>(r, KERN_DEV_SPAN_TARGET);
    const float *shares = buffer<float>(r, KERN_DEV_HEAD_SPLIT);
    const uint64_t stride = (uint64_t)r.stride[KERN_DEV_HEAD_SPLIT] * (KERN_CUDA_UNIT / 4);
    const bf16 *head = buffer<bf16>(r, KERN_DEV_WEIGHTS) + r.layout.head;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    bool train = b.slot.when >= KERN_DEV_TRAINING && b.slot.kind == KERN_TRAIN;
    float *losses = lines_of(b) + 64; /* [32], beside what norm_rows() has there */

    draw();
    /* a [8] of a row's columns 8 v and on; every lane of the warp calls, lanes 16 apart for the same columns */
    struct {
        float top, inverse; /* of the spans' lses the largest; 1 / the sum of their exps against it */
        float factor, minus;
        const bf16 *target;
    } of;
    auto begin = [&](uint32_t in_tile) {
        uint64_t n = row0 + in_tile;
        uint32_t target = buffer<uint32_t>(r, KERN_DEV_TARGETS)[n];
        float top = -INFINITY, sum = 0, logit = 0;
        for (uint32_t s = lane; s < splits; s += 32)
            top = fmaxf(top, lses[n * splits + s]);
        top = lanes_max<32>(top);
        for (uint32_t s = lane; s < splits; s += 32) {
            sum += power2((lses[n * splits + s] - top) * LOG2E);
            logit += found[n * splits + s];
        }
        /* lse itself, far from 0, has fewer digits than what is taken against its parts */
        sum = lanes_sum<32>(sum), logit = lanes_sum<32>(logit);
        of.top = top, of.inverse = 1 / sum;
        bool has = target != KERN_NO_TARGET;
        float nll = has ? (top - logit) + logf(sum) : 0;
        if (lane == 0) {
            losses[in_tile] = nll;
            buffer<float>(r, KERN_DEV_NLL)[n] = nll;
        }
        if (!train)
            return;
        float scale = rms_scale(r, buffer<float>(r, KERN_DEV_SS, r.layers), n);
        of.factor = has ? b.slot.inverse_targets * scale : 0;
        of.minus = has ? power2(-nll * LOG2E) - 1 : 0;
        of.target = head + (uint64_t)(has ? target : 0) * width;
        if (lane == 0)
            buffer<float4>(r, KERN_DEV_HEAD_TERMS)[n] = make_float4(scale * LOG2E, top * LOG2E + log2f(sum), of.factor, 0);
    };
    auto gradient = [&](uint32_t in_tile, uint32_t v, float (&a)[8]) {
        uint64_t n = row0 + in_tile;
        const float *from = shares + n * width + v * 8, *weight = lses + n * splits;
#pragma unroll
        for (int e = 0; e < 8; e++)
            a[e] = 0;
#pragma unroll 4
        for (uint32_t s = lane / 16; s < splits; s += 2) {
            float part[8], w = power2((weight[s] - of.top) * LOG2E);
            load8(part, from + s * stride);
#pragma unroll
            for (int e = 0; e < 8; e++)
                a[e] = fmaf(w, part[e], a[e]);
        }
        float t[8];
        load8(t, of.target + v * 8);
#pragma unroll
        for (int e = 0; e < 8; e++) {
            a[e] += __shfl_xor_sync(0xffffffffu, a[e], 16);
            a[e] = of.factor == 0 ? 0 : of.factor * fmaf(a[e], of.inverse, of.minus * t[e]); /* selected */
        }
    };
    if (train) {
        norm_rows<16>(b, row0, rows, begin, gradient, buffer<float>(r, KERN_DEV_FINAL_SLOT) + (uint64_t)tile * width);
    } else {
        for (uint32_t i = warp; i < rows; i += 8)
            begin(i);
        __syncthreads();
    }
    if (threadIdx.x < (rows + 1) / 2) {
        float sum = losses[2 * threadIdx.x];
        if (2 * threadIdx.x + 1 < rows)
            sum += losses[2 * threadIdx.x + 1];
        buffer<float>(r, KERN_DEV_NLL_SLOT)[row0 / KERN_DEVICE_LOSS_ROWS + threadIdx.x] = sum;
    }
    static_assert(KERN_DEVICE_LOSS_ROWS == 2, "slots of pairs");
}

/* Own rows are the head's, tokens stream by. */
__device__ __noinline__ void head_weight_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, tokens = r.tokens, vocab = r.vocab;
    uint32_t id0 = tile * SCAN_OWN, count = (tokens + STREAM - 1) / STREAM;
    const bf16 *x = buffer<bf16>(r, KERN_DEV_XG, r.layers);
    const float4 *terms = buffer<float4>(r, KERN_DEV_HEAD_TERMS);
    const uint32_t *targets = buffer<uint32_t>(r, KERN_DEV_TARGETS);
    uint32_t own = shared_address(tile_of(b)), stages = own + SCAN_OWN_BYTES, weights = own + SCAN_WEIGHTS;
    constexpr uint32_t TERMS = SCAN_BESIDE, TARGETS = TERMS + SCAN_STAGES * STREAM * 16;
    uint32_t lane = threadIdx.x % 32;
    row_copies<SCAN_WIDTH> copies(width, width);
    scan_warp w;
    uint32_t id = id0 + w.m + lane / 4; /* and 8, 16, 24 on */
    float o[2][8][4];

    auto stream = [&](uint32_t i) {
        if (i < count) {
            uint32_t at = i * STREAM, left = tokens - at, thread = threadIdx.x, stage = i % SCAN_STAGES;
            copies.copy(stages + stage * SCAN_STAGE_BYTES, x + (uint64_t)at * width, left);
            if (thread < STREAM) /* rows that are not there: a factor of 0 */
                async_copy16(own + TERMS + (stage * STREAM + thread) * 16, terms + at + thread, thread < left);
            else if (thread < STREAM + STREAM / 4) /* the buffer's end is padded */
                async_copy16(own + TARGETS + stage * STREAM * 4 + (thread - STREAM) * 16,
                             targets + at + (thread - STREAM) * 4, (thread - STREAM) * 4 < left);
        }
        async_commit();
    };
    copy_own(copies, own, buffer<bf16>(r, KERN_DEV_WEIGHTS) + r.layout.head + (uint64_t)id0 * width, width,
             id0 < vocab ? vocab - id0 : 0);
    stream(0);
    draw();
    clear(o[0]), clear(o[1]);

#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        uint32_t slot = t % SCAN_STAGES, stage = stages + slot * SCAN_STAGE_BYTES;
        const float4 *of = reinterpret_cast<const float4 *>(tile_of(b) + TERMS) + slot * STREAM + w.half * 32;
        const uint32_t *wanted = reinterpret_cast<const uint32_t *>(tile_of(b) + TARGETS) + slot * STREAM + w.half * 32;
        float s[2][4][4];
        async_wait<0>();
        __syncthreads();
        stream(t + 1);
        scan_scores(s, w, own, stage);
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int k = 0; k < 2; k++) {
                float4 term = of[j * 8 + lane % 4 * 2 + k];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    float &d = s[i / 2][j][i % 2 * 2 + k];
                    d = power2(fmaf(d, term.x, -term.y)) * term.z;
                }
            }
        if (__any_sync(0xffffffffu, wanted[lane] - (id0 + w.m) < 32))
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int k = 0; k < 8; k++) {
                    uint32_t token = k / 2 * 8 + lane % 4 * 2 + k % 2;
                    if (wanted[token] == id + 8 * i)
                        s[i / 2][k / 2][i % 2 * 2 + k % 2] -= of[token].z;
                }
        if (id0 + SCAN_OWN > vocab) /* padding ids */
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int k = 0; k < 8; k++) {
                    float &d = s[i / 2][k / 2][i % 2 * 2 + k % 2];
                    d = id + 8 * i < vocab ? d : 0;
                }
        scan_put(s, w, weights);
        w.meet();
        scan_mix(o, w, weights, stage);
    }
    async_wait<0>();
    float *gradients = buffer<float>(r, KERN_DEV_GRADIENTS) + r.layout.head;
    uint32_t column = w.half * 64 + lane % 4 * 2;
    bool adds = !b.slot.first_micro;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (id + 8 * i >= r.vocab_padded)
            continue;
        float2 *to = reinterpret_cast<float2 *>(gradients + (uint64_t)(id + 8 * i) * width + column);
#pragma unroll
        for (int j = 0; j < 8; j++)
            if (column + j * 8 < width) {
                float2 v = make_float2(o[i / 2][j][i % 2 * 2], o[i / 2][j][i % 2 * 2 + 1]);
                if (adds)
                    v.x += to[j * 4].x, v.y += to[j * 4].y;
                to[j * 4] = v;
            }
    }
}

#endif
