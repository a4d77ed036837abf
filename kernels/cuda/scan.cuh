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
#define SCAN_COLUMNS 32 /* of a stage's rows, worked at once */
#define SCAN_STAGES 3
#define SCAN_STAGE_BYTES (STREAM * SCAN_WIDTH * 2)
#define SCAN_OWN_BYTES (SCAN_OWN * SCAN_WIDTH * 2)
#define SCAN_SLACK 8.0f /* powers of two */
static_assert(SCAN_OWN == 16 * KERN_DEVICE_THREADS / 32 && SCAN_OWN == 2 * STREAM, "rows of a warp, copies");
/* beside the stages of HEAD_WEIGHT: terms and targets of their rows */
static_assert(SCAN_OWN_BYTES + SCAN_STAGES * (SCAN_STAGE_BYTES + STREAM * 20) <= (int)KERN_CUDA_TILE_BYTES, "stages");

__device__ __forceinline__ void copy_own(const row_copies<SCAN_WIDTH> &copies, uint32_t own, const bf16 *from,
                                         uint32_t pitch, uint32_t limit)
{
    copies.copy(own, from, limit);
    copies.copy(own + STREAM * SCAN_WIDTH * 2, from + (uint64_t)STREAM * pitch, limit > STREAM ? limit - STREAM : 0);
}

__device__ __forceinline__ void clear(float (&v)[SCAN_WIDTH / 8][4])
{
#pragma unroll
    for (int j = 0; j < SCAN_WIDTH / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            v[j][e] = 0;
}

__device__ __noinline__ void head_scan_tile(uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, tokens = r.tokens, splits = r.head_splits;
    uint32_t blocks = (tokens + SCAN_OWN - 1) / SCAN_OWN, span = tile / blocks, m0 = tile % blocks * SCAN_OWN;
    uint32_t id0 = span * r.head_span, id1 = min(id0 + r.head_span, r.vocab), count = (id1 - id0 + STREAM - 1) / STREAM;
    const bf16 *head = buffer<bf16>(r, KERN_DEV_WEIGHTS) + r.layout.head + (uint64_t)id0 * width;
    uint32_t own = shared_address(tile_of(b)), stages = own + SCAN_OWN_BYTES;
    uint32_t m = threadIdx.x / 32 * 16, lane = threadIdx.x % 32;
    bool train = b.slot.when >= KERN_DEV_TRAINING && b.slot.kind == KERN_TRAIN;
    row_copies<SCAN_WIDTH> copies(width, width);
    uint32_t row[2] = {m0 + m + lane / 4, m0 + m + lane / 4 + 8}, target[2];
    /* in powers of two: the reference; sums of exp, of this lane's ids, against it */
    float scale[2], top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0}, o[SCAN_WIDTH / 8][4];
    float *found = lines_of(b) + m; /* [16] the targets' logits of this warp's rows */

    auto stream = [&](uint32_t i, uint32_t stage) {
        if (i < count)
            copies.copy(stages + stage * SCAN_STAGE_BYTES, head + (uint64_t)i * STREAM * width, id1 - id0 - i * STREAM);
        async_commit();
    };
    copy_own(copies, own, buffer<bf16>(r, KERN_DEV_XG, r.layers) + (uint64_t)m0 * width, width, tokens - m0);
#pragma unroll 1
    for (int i = 0; i < SCAN_STAGES - 1; i++)
        stream(i, i);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        bool there = row[i] < tokens;
        target[i] = there ? buffer<uint32_t>(r, KERN_DEV_TARGETS)[row[i]] : KERN_NO_TARGET;
        scale[i] = there ? rms_scale(r, buffer<float>(r, KERN_DEV_SS, r.layers), row[i]) * LOG2E : 0;
    }
    clear(o);
    if (lane < 16)
        found[lane] = 0;

    uint32_t now = 0, next = SCAN_STAGES - 1;
#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        async_wait<SCAN_STAGES - 2>();
        __syncthreads();
        stream(t + SCAN_STAGES - 1, next);
#pragma unroll 1
        for (int c = 0; c < STREAM; c += SCAN_COLUMNS) {
            uint32_t part = stages + now * SCAN_STAGE_BYTES + c * SCAN_WIDTH * 2, first = id0 + t * STREAM + c;
            float s[SCAN_COLUMNS / 8][4], most[2] = {-INFINITY, -INFINITY};
            scores<SCAN_WIDTH, SCAN_COLUMNS>(s, own, m, part);
            if (first + SCAN_COLUMNS > id1)
#pragma unroll
                for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        s[j][e] = first + j * 8 + lane % 4 * 2 + e % 2 < id1 ? s[j][e] : -INFINITY;
#pragma unroll
            for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    most[e / 2] = fmaxf(most[e / 2], s[j][e]);
            bool leaves = most[0] * scale[0] > top[0] + SCAN_SLACK || most[1] * scale[1] > top[1] + SCAN_SLACK;
            if (__any_sync(0xffffffffu, leaves))
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    float higher = fmaxf(top[i], lanes_max<4>(most[i]) * scale[i]), less = power2(top[i] - higher);
                    top[i] = higher, total[i] *= less;
#pragma unroll
                    for (int j = 0; j < SCAN_WIDTH / 8; j++)
                        o[j][2 * i] *= less, o[j][2 * i + 1] *= less;
                }
            bool near = target[0] - first < SCAN_COLUMNS || target[1] - first < SCAN_COLUMNS;
            near = __any_sync(0xffffffffu, near);
            if (near)
#pragma unroll
                for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        if (first + j * 8 + lane % 4 * 2 + e % 2 == target[e / 2])
                            found[lane / 4 + e / 2 * 8] = s[j][e] * scale[e / 2];
#pragma unroll
            for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    s[j][e] = power2(fmaf(s[j][e], scale[e / 2], -top[e / 2]));
                    total[e / 2] += s[j][e];
                }
            if (near) /* the target counts apart: p - 1 would lose its digits in bf16 */
#pragma unroll
                for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        s[j][e] = first + j * 8 + lane % 4 * 2 + e % 2 == target[e / 2] ? 0 : s[j][e];
            if (train)
                mix<SCAN_WIDTH, SCAN_COLUMNS>(o, s, part);
        }
        now = now + 1 == SCAN_STAGES ? 0 : now + 1;
        next = next + 1 == SCAN_STAGES ? 0 : next + 1;
    }
    async_wait<0>();
    __syncwarp();
    float *shares = buffer<float>(r, KERN_DEV_HEAD_SPLIT, span);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float sum = lanes_sum<4>(total[i]);
        if (row[i] >= tokens)
            continue;
        if (lane % 4 == 0) {
            buffer<float>(r, KERN_DEV_SPAN_LSE)[(uint64_t)row[i] * splits + span] = (top[i] + log2f(sum)) * LN2;
            buffer<float>(r, KERN_DEV_SPAN_TARGET)[(uint64_t)row[i] * splits + span] = found[lane / 4 + i * 8] * LN2;
        }
        sum = 1 / sum;
        float *to = shares + (uint64_t)row[i] * width + lane % 4 * 2;
#pragma unroll
        for (int j = 0; j < SCAN_WIDTH / 8; j++)
            if (train && j * 8 < width)
                *reinterpret_cast<float2 *>(to + j * 8) = make_float2(o[j][2 * i] * sum, o[j][2 * i + 1] * sum);
    }
}

/* A warp a row: lse over the spans, the loss, and in training what DX is made of. */
__device__ __noinline__ void head_loss_tile(uint32_t tile)
{
    const block b = here();
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
__device__ __noinline__ void head_weight_tile(uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const uint32_t width = r.width, tokens = r.tokens, vocab = r.vocab;
    uint32_t id0 = tile * SCAN_OWN, count = (tokens + STREAM - 1) / STREAM;
    const bf16 *x = buffer<bf16>(r, KERN_DEV_XG, r.layers);
    const float4 *terms = buffer<float4>(r, KERN_DEV_HEAD_TERMS);
    const uint32_t *targets = buffer<uint32_t>(r, KERN_DEV_TARGETS);
    uint32_t own = shared_address(tile_of(b)), stages = own + SCAN_OWN_BYTES;
    constexpr uint32_t TERMS = SCAN_OWN_BYTES + SCAN_STAGES * SCAN_STAGE_BYTES, TARGETS = TERMS + SCAN_STAGES * STREAM * 16;
    uint32_t m = threadIdx.x / 32 * 16, lane = threadIdx.x % 32, id[2] = {id0 + m + lane / 4, id0 + m + lane / 4 + 8};
    row_copies<SCAN_WIDTH> copies(width, width);
    float o[SCAN_WIDTH / 8][4];

    auto stream = [&](uint32_t i, uint32_t stage) {
        if (i < count) {
            uint32_t at = i * STREAM, left = tokens - at, thread = threadIdx.x;
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
#pragma unroll 1
    for (int i = 0; i < SCAN_STAGES - 1; i++)
        stream(i, i);
    clear(o);

    uint32_t now = 0, next = SCAN_STAGES - 1;
#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        async_wait<SCAN_STAGES - 2>();
        __syncthreads();
        stream(t + SCAN_STAGES - 1, next);
#pragma unroll 1
        for (int c = 0; c < STREAM; c += SCAN_COLUMNS) {
            uint32_t part = stages + now * SCAN_STAGE_BYTES + c * SCAN_WIDTH * 2;
            const float4 *of = reinterpret_cast<const float4 *>(tile_of(b) + TERMS) + now * STREAM + c;
            const uint32_t *wanted = reinterpret_cast<const uint32_t *>(tile_of(b) + TARGETS) + now * STREAM + c;
            float s[SCAN_COLUMNS / 8][4];
            scores<SCAN_WIDTH, SCAN_COLUMNS>(s, own, m, part);
            bool near = __any_sync(0xffffffffu, wanted[lane] - (id0 + m) < 16);
#pragma unroll
            for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                for (int k = 0; k < 2; k++) {
                    float4 term = of[j * 8 + lane % 4 * 2 + k];
#pragma unroll
                    for (int i = 0; i < 2; i++) {
                        float &d = s[j][2 * i + k];
                        d = power2(fmaf(d, term.x, -term.y)) * term.z;
                    }
                }
            if (near)
#pragma unroll
                for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        uint32_t token = j * 8 + lane % 4 * 2 + e % 2;
                        if (wanted[token] == id[e / 2])
                            s[j][e] -= of[token].z;
                    }
            if (id0 + SCAN_OWN > vocab) /* padding ids */
#pragma unroll
                for (int j = 0; j < SCAN_COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        s[j][e] = id[e / 2] < vocab ? s[j][e] : 0;
            mix<SCAN_WIDTH, SCAN_COLUMNS>(o, s, part);
        }
        now = now + 1 == SCAN_STAGES ? 0 : now + 1;
        next = next + 1 == SCAN_STAGES ? 0 : next + 1;
    }
    async_wait<0>();
    float *gradients = buffer<float>(r, KERN_DEV_GRADIENTS) + r.layout.head;
    bool adds = !b.slot.first_micro;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (id[i] >= r.vocab_padded)
            continue;
        float2 *to = reinterpret_cast<float2 *>(gradients + (uint64_t)id[i] * width + lane % 4 * 2);
#pragma unroll
        for (int j = 0; j < SCAN_WIDTH / 8; j++)
            if (j * 8 < width) {
                float2 v = make_float2(o[j][2 * i], o[j][2 * i + 1]);
                if (adds)
                    v.x += to[j * 4].x, v.y += to[j * 4].y;
                to[j * 4] = v;
            }
    }
}

#endif
