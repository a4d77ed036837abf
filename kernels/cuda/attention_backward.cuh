/*
 * ATTENTION_BACKWARD and OUT_BACKWARD of ops.h. Scores are computed twice, with keys and with queries as own
 * rows: seven products instead of five, and nothing is added up between blocks.
 */
#ifndef KERN_CUDA_ATTENTION_BACKWARD_CUH
#define KERN_CUDA_ATTENTION_BACKWARD_CUH

#include "attention.cuh"

/* Angles of a position for this lane's columns. */
template <int HD> struct turns {
    float4 v[HD / 16];

    __device__ __forceinline__ void load(const float *angles)
    {
#pragma unroll
        for (int j = 0; j < HD / 16; j++)
            v[j] = *reinterpret_cast<const float4 *>(angles + (j * 8 + threadIdx.x % 4 * 2) * 2);
    }
};

/* A gradient of q or k back through RoPE, in place: the pair is in neighbouring column tiles. */
template <int HD>
__device__ __forceinline__ void turn_back(float (&d)[HD / 8][4], int i, const turns<HD> &of)
{
#pragma unroll
    for (int j = 0; j < HD / 8; j += 2) {
        const float4 &turn = of.v[j / 2];
        float a0 = d[j][2 * i], a1 = d[j][2 * i + 1], b0 = d[j + 1][2 * i], b1 = d[j + 1][2 * i + 1];
        d[j][2 * i] = a0 * turn.x + b0 * turn.y;
        d[j + 1][2 * i] = b0 * turn.x - a0 * turn.y;
        d[j][2 * i + 1] = a1 * turn.z + b1 * turn.w;
        d[j + 1][2 * i + 1] = b1 * turn.z - a1 * turn.w;
    }
}

/* Sum over a row of d . x, x being row m (+ 8) of a swizzled tile, and over the row's four lanes. */
template <int HD>
__device__ __forceinline__ float row_dot(const float (&d)[HD / 8][4], int i, const unsigned char *tile, uint32_t m)
{
    uint32_t lane = threadIdx.x % 32;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < HD / 8; j++) {
        uint32_t x = *reinterpret_cast<const uint32_t *>(tile + swizzled<HD * 2>(m, j) + lane % 4 * 4);
        sum += d[j][2 * i] * low_half(x) + d[j][2 * i + 1] * high_half(x);
    }
    return lanes_sum<4>(sum);
}

/*
 * The first block, counted from `begin`, that keys [p0, p0 + OWN_ROWS) need no more: all its segments begin later.
 * Every lane of a warp calls.
 */
__device__ __forceinline__ uint32_t blocks_seen(const kern_cuda_run &r, uint32_t sequence, uint32_t p0)
{
    const uint32_t *mins = buffer<uint32_t>(r, KERN_DEV_FIRST_MIN) + (uint64_t)sequence * r.first_blocks;
    uint32_t begin = p0 / STREAM, end = (r.seq_len + STREAM - 1) / STREAM, found = end, lane = threadIdx.x % 32;
    for (uint32_t t = begin; t < end && found == end; t += 32) {
        uint32_t at = (t + lane) * (STREAM / 32), least = 0;
        if (t + lane < end) {
            least = mins[at];
            if (at + 1 < r.first_blocks)
                least = min(least, mins[at + 1]);
        }
        uint32_t later = __ballot_sync(0xffffffffu, t + lane < end && least >= p0 + OWN_ROWS);
        if (later)
            found = t + __ffs((int)later) - 1;
    }
    return found - begin;
}

/* What the end of two rows of q or k takes beside their gradients. A row's four lanes call together. */
struct row_ends {
    float back[2]; /* 1 / rms */
    uint32_t position[2];

    __device__ __forceinline__ row_ends(const kern_cuda_run &r, uint32_t l, uint32_t base, const uint32_t (&row)[2])
    {
        const float *squares = buffer<float>(r, KERN_DEV_SS, l);
        const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base, slots = r.norm_slots;
        uint32_t there[2] = {min(row[0], r.seq_len - 1), min(row[1], r.seq_len - 1)};
        slot_sum<4> a(squares + (uint64_t)(base + there[0]) * slots, slots), b(squares + (uint64_t)(base + there[1]) * slots, slots);
#pragma unroll
        for (int i = 0; i < 2; i++)
            position[i] = there[i] - starts[there[i]];
        back[0] = rms_scale(r, a.value());
        back[1] = rms_scale(r, b.value());
    }
};

/* Row i of d, times back, to 16-byte aligned memory. */
template <int HD> __device__ __forceinline__ void store_row(bf16 *to, const float (&d)[HD / 8][4], int i, float back)
{
    uint32_t *out = reinterpret_cast<uint32_t *>(to + threadIdx.x % 4 * 2);
#pragma unroll
    for (int j = 0; j < HD / 8; j++)
        out[j * 4] = pack(d[j][2 * i] * back, d[j][2 * i + 1] * back);
}

/*
 * dk and dv of 64 keys of a key/value head: queries and the gradients of their mixes stream by, of all heads that
 * share it. Two warps have 16 keys together: each works p and ds of half of a stage's queries; then
 * one adds up dv, the other dk, over all of them.
 */
template <int HD> __device__ __noinline__ void key_backward_tile(uint32_t tile)
{
    constexpr int STAGES = HD == 64 ? 3 : 1;
    constexpr uint32_t OWN = OWN_ROWS * HD * 2, PART = STREAM * HD * 2, STAGE = 2 * PART;
    constexpr uint32_t WEIGHTS = 2 * OWN + STAGES * STAGE, WEIGHT = OWN_ROWS * STREAM * 2; /* p, then ds */
    constexpr uint32_t LINES = WEIGHTS + 2 * WEIGHT; /* of the streaming queries, by stage: lse, delta, first */
    static_assert(LINES + 3 * STAGES * STREAM * 4 <= KERN_CUDA_TILE_BYTES, "stages");
    const block b = here();
    const kern_cuda_run &r = b.run;
    /* in registers, as above */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width;
    const uint32_t all_heads = r.heads, kv_heads = r.kv_heads;
    uint32_t l = b.phase.layer, group = all_heads / kv_heads, count = r.rows * kv_heads;
    uint32_t index = tile / count, sequence = tile % count / kv_heads, kv = tile % kv_heads, p0 = index * OWN_ROWS;
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *k = qkv + q_width + kv * HD, *v = k + kv_width;
    const bf16 *mixed = buffer<bf16>(r, KERN_DEV_DMIX) + base * q_width;
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base;
    const float *lse = buffer<float>(r, KERN_DEV_LSE, l) + base * all_heads;
    const float *delta = buffer<float>(r, KERN_DEV_DELTA) + base * all_heads;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % 4 * 16, half = warp / 4;
    uint32_t own = shared_address(tile_of(b)), stages = own + 2 * OWN, lines = own + LINES;
    const float *lines_lse = reinterpret_cast<float *>(tile_of(b) + LINES), *lines_delta = lines_lse + STAGES * STREAM;
    const uint32_t *lines_first = reinterpret_cast<const uint32_t *>(lines_delta + STAGES * STREAM);
    uint32_t row[2] = {p0 + m + lane / 4, p0 + m + lane / 4 + 8};
    float scale = rsqrtf((float)HD), grow = scale * LOG2E;

    /* blocks of queries from the keys' own on; how many is found out while the first is on its way */
    row_copies<HD> wide(r.qkv_width), narrow(q_width); /* rows of q, k, v; of dmix */
    uint32_t begin = p0 / STREAM, span = UINT32_MAX, asked = 0, head = kv * group;
    auto stream = [&](uint32_t stage) {
        if (asked < span) {
            uint32_t to = stages + stage * STAGE, at = (begin + asked) * STREAM, limit = seq_len - at;
            wide.copy(to, qkv + at * pitch + head * HD, limit);
            narrow.copy(to + PART, mixed + (uint64_t)at * q_width + head * HD, limit);
            if (threadIdx.x < STREAM) {
                /* queries that are not there have zeros, also for dmix: they add nothing */
                uint32_t to_line = lines + (stage * STREAM + threadIdx.x) * 4, n = at + threadIdx.x;
                bool ok = n < seq_len;
                async_copy4(to_line, lse + (uint64_t)n * all_heads + head, ok);
                async_copy4(to_line + STAGES * STREAM * 4, delta + (uint64_t)n * all_heads + head, ok);
                async_copy4(to_line + 2 * STAGES * STREAM * 4, starts + n, ok);
            }
            if (++asked == span && head + 1 < (kv + 1) * group)
                asked = 0, head++; /* of the next head */
        }
        async_commit();
    };

    wide.copy(own, k + p0 * pitch, seq_len - p0);
    wide.copy(own + OWN, v + p0 * pitch, seq_len - p0);
    stream(0);
    span = blocks_seen(r, sequence, p0);
    if (asked == span && group > 1) /* it was the head's only one */
        asked = 0, head++;
#pragma unroll 1
    for (int i = 1; i < STAGES - 1; i++)
        stream(i);
    draw();
    float sum[HD / 8][4]; /* of dv (half 0) or dk (half 1) */
    clear(sum);

    /* where this lane's parts of p and ds go, and where their fragments and those of what they weigh begin */
    uint32_t block_of = lane / 8, in = lane % 8;
    uint32_t put = own + WEIGHTS + swizzled<STREAM * 2>(m + lane / 4, half * 4) + lane % 4 * 4;
    uint32_t a_at = own + WEIGHTS + half * WEIGHT + swizzled<STREAM * 2>(m + (block_of & 1) * 8 + in, block_of >> 1);
    uint32_t b_at = (half ? 0 : PART) + lane_at<HD>((block_of & 1) * 8 + in, block_of >> 1);
    uint32_t now = 0, next = STAGES - 1, at = begin * STREAM;
#pragma unroll 1
    for (uint32_t i = 0; i < span * group; i++) {
        if (STAGES == 1 && i) {
            __syncthreads();
            stream(0);
        }
        async_wait<STAGES == 1 ? 0 : STAGES - 2>();
        __syncthreads();
        if (STAGES > 1)
            stream(next);
        uint32_t stage = stages + now * STAGE, line = now * STREAM + half * HALF, query = at + half * HALF;
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        at = at == (begin + span - 1) * STREAM ? begin * STREAM : at + STREAM;
        float s[HALF / 8][4], d[HALF / 8][4];
        if (query + HALF <= p0 + m) { /* all keys lie in the future of all queries */
#pragma unroll
            for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    s[j][e] = d[j][e] = 0;
        } else {
            scores<HD, HALF>(s, own, m, stage + half * HALF * HD * 2);
            scores<HD, HALF>(d, own + OWN, m, stage + PART + half * HALF * HD * 2);
            /* starts ascend: the last of these queries has the latest */
            bool whole = query >= p0 + m + 15 && query + HALF <= seq_len && lines_first[line + HALF - 1] <= p0 + m;
            if (!whole)
#pragma unroll
                for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        uint32_t column = j * 8 + lane % 4 * 2 + e % 2;
                        bool seen = row[e / 2] <= query + column && row[e / 2] >= lines_first[line + column];
                        s[j][e] = seen ? s[j][e] : -INFINITY;
                    }
#pragma unroll
            for (int j = 0; j < HALF / 8; j++) {
                uint32_t column = line + j * 8 + lane % 4 * 2;
                float2 of_lse = *reinterpret_cast<const float2 *>(lines_lse + column);
                float2 of_delta = *reinterpret_cast<const float2 *>(lines_delta + column);
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    s[j][e] = power2(fmaf(s[j][e], grow, -(e % 2 ? of_lse.y : of_lse.x) * LOG2E));
                    d[j][e] = s[j][e] * (d[j][e] - (e % 2 ? of_delta.y : of_delta.x));
                }
            }
        }
#pragma unroll
        for (int j = 0; j < HALF / 8; j++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t to = (put ^ (j << 4)) + h * 8 * STREAM * 2;
                store_shared(to, pack(s[j][2 * h], s[j][2 * h + 1]));
                store_shared(to + WEIGHT, pack(d[j][2 * h], d[j][2 * h + 1]));
            }
        pair_sync(1 + warp % 4);
#pragma unroll
        for (int c = 0; c < STREAM / 16; c++) {
            uint32_t a[4];
            load_blocks(a, a_at ^ (c << 5));
#pragma unroll
            for (int j = 0; j < HD / 16; j++) {
                uint32_t w[4];
                load_blocks_transposed(w, ((stage + b_at) ^ (j << 5)) + c * 16 * HD * 2);
                mma(sum[2 * j], a, w[0], w[1]);
                mma(sum[2 * j + 1], a, w[2], w[3]);
            }
        }
    }
    /* what the rows' end takes is on its way while all meet */
    row_ends end(r, l, (uint32_t)base, row);
    async_wait<0>();
    __syncthreads();
    const float *rope = buffer<float>(r, KERN_DEV_ROPE);
    float *dots = buffer<float>(r, KERN_DEV_QKV_C), *meet = reinterpret_cast<float *>(tile_of(b) + 2 * OWN); /* [own] */
    constexpr int AT_ONCE = HD == 64 ? 2 : 1; /* rows whose angles registers hold */
    turns<HD> angles[AT_ONCE];
    if (AT_ONCE == 2 && half)
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
            angles[i].load(rope + (uint64_t)end.position[i] * HD);
    float dot[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (half)
#pragma unroll
            for (int j = 0; j < HD / 8; j++)
                sum[j][2 * i] *= scale, sum[j][2 * i + 1] *= scale; /* of the scores */
        dot[i] = row_dot<HD>(sum, i, tile_of(b) + (half ? 0 : OWN), m + lane / 4 + 8 * i);
        if (!half && lane % 4 == 0)
            meet[m + lane / 4 + 8 * i] = dot[i];
    }
    __syncthreads();
    bf16 *to = buffer<bf16>(r, KERN_DEV_DQKV) + base * pitch + q_width + kv * HD + (half ? 0 : kv_width);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (row[i] >= seq_len)
            continue;
        if (half) {
            if (lane % 4 == 0)
                dots[(base + row[i]) * (all_heads + kv_heads) + all_heads + kv] = dot[i] + meet[m + lane / 4 + 8 * i];
            if (AT_ONCE == 1)
                angles[0].load(rope + (uint64_t)end.position[i] * HD);
            turn_back<HD>(sum, i, angles[i % AT_ONCE]);
        }
        store_row<HD>(to + row[i] * pitch, sum, i, end.back[i]);
    }
}

/* dq of 64 queries of a head: keys and values stream by. Pairs of warps as in attention_tile(). */
template <int HD> __device__ __noinline__ void query_backward_tile(uint32_t tile)
{
    constexpr int STAGES = stream_stages<HD>;
    constexpr uint32_t OWN = OWN_ROWS * HD * 2, PART = STREAM * HD * 2, STAGE = 2 * PART;
    static_assert(2 * OWN + STAGES * STAGE <= KERN_CUDA_TILE_BYTES, "stages");
    const block b = here();
    const kern_cuda_run &r = b.run;
    /* in registers, as above */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width;
    const uint32_t all_heads = r.heads, kv_heads = r.kv_heads;
    uint32_t l = b.phase.layer, blocks = (seq_len + OWN_ROWS - 1) / OWN_ROWS, count = r.rows * all_heads;
    uint32_t sequence = tile % count / all_heads, head = tile % all_heads, kv = head / (all_heads / kv_heads);
    uint32_t p0 = (blocks - 1 - tile / count) * OWN_ROWS;
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *k = qkv + q_width + kv * HD, *v = k + kv_width;
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % 4 * 16, half = warp / 4 * HALF;
    uint32_t own = shared_address(tile_of(b)), stages = own + 2 * OWN;
    uint32_t row[2] = {p0 + m + lane / 4, p0 + m + lane / 4 + 8};
    float scale = rsqrtf((float)HD), grow = scale * LOG2E;

    row_copies<HD> wide(r.qkv_width), narrow(q_width); /* rows of q, k, v; of dmix */
    wide.copy(own, qkv + p0 * pitch + head * HD, seq_len - p0);
    narrow.copy(own + OWN, buffer<bf16>(r, KERN_DEV_DMIX) + (base + p0) * q_width + head * HD, seq_len - p0);
    uint32_t begin = first_of(r, sequence, p0, OWN_ROWS) / STREAM;
    uint32_t end_block = (min(p0 + OWN_ROWS, seq_len) + STREAM - 1) / STREAM, asked = begin;
    auto stream = [&](uint32_t stage) {
        if (asked < end_block) {
            uint32_t to = stages + stage * STAGE, at = asked++ * STREAM;
            wide.copy(to, k + at * pitch, seq_len - at);
            wide.copy(to + PART, v + at * pitch, seq_len - at);
        }
        async_commit();
    };
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        stream(i);
    float own_lse[2] = {0, 0}, own_delta[2] = {0, 0}, dq[HD / 8][4];
    uint32_t own_first[2] = {UINT32_MAX, UINT32_MAX}; /* rows that are not there see nothing */
#pragma unroll
    for (int i = 0; i < 2; i++)
        if (row[i] < seq_len) {
            uint64_t at = (base + row[i]) * all_heads + head;
            own_lse[i] = buffer<float>(r, KERN_DEV_LSE, l)[at] * LOG2E;
            own_delta[i] = buffer<float>(r, KERN_DEV_DELTA)[at];
            own_first[i] = starts[row[i]];
        }
    draw();
    clear(dq);

    /* starts ascend: the warp's last row has the latest */
    uint32_t now = 0, next = STAGES - 1, latest = __shfl_sync(0xffffffffu, own_first[1], 31);
#pragma unroll 1
    for (uint32_t t = begin; t < end_block; t++) {
        uint32_t stage = stages + now * STAGE + half * HD * 2, key0 = t * STREAM + half;
        async_wait<STAGES - 2>();
        __syncthreads();
        stream(next);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        if (key0 > p0 + m + 15)
            continue; /* all of it is in the future of this warp's rows */
        float s[HALF / 8][4], d[HALF / 8][4];
        scores<HD, HALF>(s, own, m, stage);
        scores<HD, HALF>(d, own + OWN, m, stage + PART);
        if (key0 + HALF - 1 > p0 + m || key0 < latest) /* not all are seen by all */
#pragma unroll
            for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    uint32_t key = key0 + j * 8 + lane % 4 * 2 + e % 2;
                    bool seen = key <= row[e / 2] && key >= own_first[e / 2];
                    s[j][e] = seen ? s[j][e] : -INFINITY;
                }
#pragma unroll
        for (int j = 0; j < HALF / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                d[j][e] = power2(fmaf(s[j][e], grow, -own_lse[e / 2])) * (d[j][e] - own_delta[e / 2]);
        mix<HD, HALF>(dq, d, stage);
    }
    /* what the rows' end takes is on its way while pairs meet */
    row_ends end(r, l, (uint32_t)base, row);
    async_wait<0>();
    __syncthreads();
    constexpr int VALUES = HD / 2;
    static_assert(4 * VALUES * 32 * 4 <= STAGES * STAGE, "where pairs meet");
    float *meet = reinterpret_cast<float *>(tile_of(b) + 2 * OWN) + warp % 4 * VALUES * 32 + lane;
    if (half)
        hand_over(meet, dq);
    __syncthreads();
    if (half)
        return;
    const float *rope = buffer<float>(r, KERN_DEV_ROPE);
    constexpr int AT_ONCE = HD == 64 ? 2 : 1; /* rows whose angles registers hold */
    turns<HD> angles[AT_ONCE];
    if (AT_ONCE == 2)
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
            angles[i].load(rope + (uint64_t)end.position[i] * HD);
    add_up(dq, meet);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DQKV) + base * pitch + head * HD;
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int j = 0; j < HD / 8; j++)
            dq[j][2 * i] *= scale, dq[j][2 * i + 1] *= scale; /* of the scores */
        float dot = row_dot<HD>(dq, i, tile_of(b), m + lane / 4 + 8 * i);
        if (row[i] >= seq_len)
            continue;
        if (lane % 4 == 0)
            buffer<float>(r, KERN_DEV_QKV_C)[(base + row[i]) * (all_heads + kv_heads) + head] = dot;
        if (AT_ONCE == 1)
            angles[0].load(rope + (uint64_t)end.position[i] * HD);
        turn_back<HD>(dq, i, angles[i % AT_ONCE]);
        store_row<HD>(to + row[i] * pitch, dq, i, end.back[i]);
    }
}

/* OUT_BACKWARD: DMIX, and delta of the heads whose columns the tile holds, whole ones (table.c). */
template <class S> __device__ __noinline__ void out_backward_tile(uint32_t tile)
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = tile_place<S>(p, tile);
    const bf16 *mixes = buffer<bf16>(r, KERN_DEV_MIX, b.phase.layer);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DMIX);
    float *delta = buffer<float>(r, KERN_DEV_DELTA);
    const uint32_t q_width = r.q_width, head_dim = r.head_dim, heads = r.heads;
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    auto where = [&](uint32_t row, int) { return vector_at(mixes + (uint64_t)(at.m0 + row) * q_width + column); };
    row_inputs<S, 1> inputs;
    sums<S> c;

    multiply<S, false, true>(b, p, at, c, [&] { inputs.ahead(at, where); });
    float *rows = lay_out(b, c, at, inputs, where);
    each_row<S, 1>(rows, at, inputs, where, [&](uint32_t row, uint32_t, float (&v)[8], uint4 *in, bool inside) {
        uint64_t n = at.m0 + row, i = n * q_width + column;
        float dot = 0;
        if (inside) {
            float o[8];
            unpack(o, in[0]);
            round8(v);
            store8(to + i, v);
#pragma unroll
            for (int e = 0; e < 8; e++)
                dot += v[e] * o[e];
        }
        float wide = lanes_sum<8>(dot);
        if (head_dim == 128)
            wide += __shfl_xor_sync(0xffffffffu, wide, 8);
        if (inside && column % head_dim == 0)
            delta[n * heads + column / head_dim] = wide;
    });
}

#endif
