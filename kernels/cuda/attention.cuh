/*
 * Attention of ops.h. A tile's 64 own rows belong to four pairs of warps, sixteen rows a pair; blocks of 64
 * rows of the other side stream through stages of shared memory, each warp of a pair taking one half of
 * every block, and the pair's sums meet at the end. Scores stay in registers and become the next product's
 * left operand there (FlashAttention-2, Dao 2023). The backward pass computes scores twice, once with
 * keys and once with queries as own rows: seven products instead of five, and nothing is added up
 * between blocks.
 */
#ifndef KERN_CUDA_ATTENTION_CUH
#define KERN_CUDA_ATTENTION_CUH

#include "block.cuh"
#include "product.cuh"
#include "rows.cuh"

#define OWN_ROWS ((int)KERN_DEVICE_ATTENTION_ROWS)
#define HALF 32   /* of a stage's rows, a warp's */
static_assert(OWN_ROWS == STREAM, "both are copied alike");

/* Smallest segment start of positions [p0, p0 + span) of a sequence; both multiples of 32. */
__device__ __forceinline__ uint32_t first_of(const kern_cuda_run &r, uint32_t sequence, uint32_t p0, uint32_t span)
{
    const uint32_t *mins = buffer<uint32_t>(r, KERN_DEV_FIRST_MIN) + (uint64_t)sequence * r.first_blocks;
    uint32_t least = UINT32_MAX;
    for (uint32_t i = p0 / 32; i < (p0 + span) / 32 && i < r.first_blocks; i++)
        least = min(least, mins[i]);
    return least;
}

/* Stages that fit beside the own rows. */
template <int HD> constexpr int stream_stages = HD == 64 ? 3 : 2;

/* Sums of the second warp of a pair to shared memory, one thread's values 32 floats apart. */
template <int N> __device__ __forceinline__ void hand_over(float *to, const float (&v)[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            to[(j * 4 + e) * 32] = v[j][e];
}

template <int N> __device__ __forceinline__ void add_up(float (&v)[N][4], const float *from)
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            v[j][e] += from[(j * 4 + e) * 32];
}

template <int HD> __device__ __noinline__ void attention_tile(uint32_t tile)
{
    const block b = here();
    constexpr int STAGES = stream_stages<HD>;
    constexpr uint32_t OWN = OWN_ROWS * HD * 2, PART = STREAM * HD * 2, STAGE = 2 * PART;
    static_assert(OWN + STAGES * STAGE <= KERN_CUDA_TILE_BYTES, "stages");
    const kern_cuda_run &r = b.run;
    /* in registers: past a store or a copy the compiler would load them again */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width, all_heads = r.heads;
    uint32_t l = b.phase.layer, heads = r.rows * all_heads, blocks = (seq_len + OWN_ROWS - 1) / OWN_ROWS;
    uint32_t index = blocks - 1 - tile / heads, sequence = tile % heads / all_heads, head = tile % all_heads;
    uint32_t kv = head / (all_heads / r.kv_heads), q0 = index * OWN_ROWS;
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *q = qkv + q0 * pitch + head * HD, *k = qkv + q_width + kv * HD, *v = k + kv_width;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % 4 * 16, half = warp / 4 * HALF;
    uint32_t own = shared_address(tile_of(b)), stages = own + OWN;
    uint32_t begin = first_of(r, sequence, q0, OWN_ROWS) / STREAM;
    uint32_t count = (min(q0 + OWN_ROWS, seq_len) + STREAM - 1) / STREAM - begin;
    /* this thread's two rows */
    uint32_t row[2] = {q0 + m + lane / 4, q0 + m + lane / 4 + 8}, first[2];
    float o[HD / 8][4], top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
    float scale = rsqrtf((float)HD) * LOG2E;

    row_copies<HD> copies(r.qkv_width);
    auto stream = [&](uint32_t i, uint32_t stage) {
        if (i < count) {
            uint32_t to = stages + stage * STAGE, at = (begin + i) * STREAM;
            copies.copy(to, k + at * pitch, seq_len - at);
            copies.copy(to + PART, v + at * pitch, seq_len - at);
        }
        async_commit();
    };
    copies.copy(own, q, seq_len - q0);
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        stream(i, i);
#pragma unroll
    for (int i = 0; i < 2; i++)
        first[i] = row[i] < seq_len ? buffer<uint32_t>(r, KERN_DEV_FIRST)[base + row[i]] : row[i];
#pragma unroll
    for (int j = 0; j < HD / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            o[j][e] = 0;

    /* starts ascend: the warp's last row has the latest */
    uint32_t latest = __shfl_sync(0xffffffffu, first[1], 31);
    uint32_t now = 0, next = STAGES - 1;
#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        uint32_t stage = stages + now * STAGE + half * HD * 2, k0 = (begin + t) * STREAM + half;
        async_wait<STAGES - 2>();
        __syncthreads();
        stream(t + STAGES - 1, next);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        if (k0 > q0 + m + 15)
            continue; /* all of it is in the future of this warp's rows */
        float s[HALF / 8][4];
        scores<HD, HALF>(s, own, m, stage);
        if (k0 + HALF - 1 > q0 + m || k0 < latest) /* not all are seen by all */
#pragma unroll
            for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    uint32_t key = k0 + j * 8 + lane % 4 * 2 + e % 2;
                    bool seen = key <= row[e / 2] && key >= first[e / 2];
                    s[j][e] = seen ? s[j][e] : -INFINITY;
                }
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float most = top[i], less, sum = 0;
#pragma unroll
            for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                    most = fmaxf(most, s[j][2 * i + e]);
            most = lanes_max<4>(most);
            float zero = most == -INFINITY ? 0 : most * scale; /* no key of this row yet */
            less = power2(fmaf(top[i], scale, -zero));
#pragma unroll
            for (int j = 0; j < HALF / 8; j++)
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[j][2 * i + e];
                    x = power2(fmaf(x, scale, -zero));
                    sum += x;
                }
            total[i] = total[i] * less + sum; /* of this lane's columns */
            top[i] = most;
#pragma unroll
            for (int j = 0; j < HD / 8; j++) {
                o[j][2 * i] *= less;
                o[j][2 * i + 1] *= less;
            }
        }
        mix<HD, HALF>(o, s, stage + PART);
    }
    async_wait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; i++)
        total[i] = lanes_sum<4>(total[i]), top[i] *= scale;
    float *meet = reinterpret_cast<float *>(tile_of(b)) + warp % 4 * (HD / 2 + 4) * 32 + lane;
    if (half) {
        hand_over(meet, o);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            meet[(HD / 2 + i) * 32] = top[i];
            meet[(HD / 2 + 2 + i) * 32] = total[i];
        }
    }
    __syncthreads();
    if (half)
        return;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (row[i] >= seq_len)
            continue;
        uint64_t n = base + row[i];
        float other = meet[(HD / 2 + i) * 32], most = fmaxf(top[i], other);
        float mine = power2(top[i] - most), theirs = power2(other - most);
        float sum = total[i] * mine + meet[(HD / 2 + 2 + i) * 32] * theirs;
        mine /= sum, theirs /= sum;
        uint32_t *to = reinterpret_cast<uint32_t *>(buffer<bf16>(r, KERN_DEV_MIX, l) + n * q_width +
                                                    head * HD + lane % 4 * 2);
#pragma unroll
        for (int j = 0; j < HD / 8; j++)
            to[j * 4] = pack(o[j][2 * i] * mine + meet[(j * 4 + 2 * i) * 32] * theirs,
                             o[j][2 * i + 1] * mine + meet[(j * 4 + 2 * i + 1) * 32] * theirs);
        if (lane % 4 == 0)
            buffer<float>(r, KERN_DEV_LSE, l)[n * all_heads + head] = (most + log2f(sum)) * LN2;
    }
}

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
 * KEYS: dk and dv of 64 keys of a key/value head; else dq of 64 queries of a head. Own rows are the keys
 * (with the values) or the queries (with the gradients of their mixes), the other pair streams.
 */
template <int HD, bool KEYS> __device__ __noinline__ void attention_backward_tile(uint32_t tile)
{
    const block b = here();
    constexpr int STAGES = stream_stages<HD>;
    constexpr int COLUMNS = KEYS ? 16 : HALF; /* worked at once: what registers hold beside two sums */
    constexpr uint32_t OWN = OWN_ROWS * HD * 2, PART = STREAM * HD * 2, STAGE = 2 * PART;
    static_assert(2 * OWN + STAGES * STAGE <= KERN_CUDA_TILE_BYTES, "stages");
    constexpr uint32_t LINES = 3 * STAGES * STREAM; /* beside the stages if there is room, else beside the tile */
    constexpr bool INSIDE = 2 * OWN + STAGES * STAGE + LINES * 4 <= KERN_CUDA_TILE_BYTES;
    static_assert(INSIDE || LINES <= KERN_CUDA_LINES, "lines");
    const kern_cuda_run &r = b.run;
    /* in registers, as above */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width;
    const uint32_t all_heads = r.heads, kv_heads = r.kv_heads;
    uint32_t l = b.phase.layer, blocks = (seq_len + OWN_ROWS - 1) / OWN_ROWS, group = all_heads / kv_heads;
    uint32_t count = r.rows * (KEYS ? kv_heads : all_heads), per = KEYS ? kv_heads : all_heads;
    uint32_t index = tile / count, sequence = tile % count / per, own_head = tile % per;
    uint32_t p0 = (KEYS ? index : blocks - 1 - index) * OWN_ROWS;
    uint32_t head0 = KEYS ? own_head * group : own_head, kv = KEYS ? own_head : own_head / group;
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *k = qkv + q_width + kv * HD, *v = k + kv_width;
    const bf16 *mixed = buffer<bf16>(r, KERN_DEV_DMIX) + base * q_width;
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base;
    const float *lse = buffer<float>(r, KERN_DEV_LSE, l) + base * all_heads;
    const float *delta = buffer<float>(r, KERN_DEV_DELTA) + base * all_heads;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % 4 * 16, half = warp / 4 * HALF;
    uint32_t own = shared_address(tile_of(b)), stages = own + 2 * OWN;
    /* KEYS: of the streaming queries, by stage */
    const float *lines_lse = INSIDE ? reinterpret_cast<float *>(tile_of(b) + 2 * OWN + STAGES * STAGE) : lines_of(b);
    const float *lines_delta = lines_lse + STAGES * STREAM;
    const uint32_t *lines_first = reinterpret_cast<const uint32_t *>(lines_lse + 2 * STAGES * STREAM);
    uint32_t lines = shared_address(lines_lse);
    /* streamed blocks of one head: how many is found out while the first is on its way */
    uint32_t begin = KEYS ? p0 / STREAM : first_of(r, sequence, p0, OWN_ROWS) / STREAM, span = UINT32_MAX;
    uint32_t row[2] = {p0 + m + lane / 4, p0 + m + lane / 4 + 8};
    float scale = rsqrtf((float)HD), grow = scale * LOG2E;

    /* rows of q, k, v; of dmix */
    row_copies<HD> wide(r.qkv_width), narrow(q_width);
    uint32_t asked = 0, head = head0; /* of `span` blocks of `head` */
    auto stream = [&](uint32_t stage) {
        if (asked < span) {
            uint32_t to = stages + stage * STAGE, at = (begin + asked) * STREAM, limit = seq_len - at;
            if (KEYS) {
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
            } else {
                wide.copy(to, k + at * pitch, limit);
                wide.copy(to + PART, v + at * pitch, limit);
            }
            if (++asked == span && KEYS && head + 1 < head0 + group)
                asked = 0, head++; /* of the next head */
        }
        async_commit();
    };

    if (KEYS) {
        wide.copy(own, k + p0 * pitch, seq_len - p0);
        wide.copy(own + OWN, v + p0 * pitch, seq_len - p0);
    } else {
        wide.copy(own, qkv + p0 * pitch + own_head * HD, seq_len - p0);
        narrow.copy(own + OWN, mixed + (uint64_t)p0 * q_width + own_head * HD, seq_len - p0);
    }
    stream(0);
    if (KEYS) {
        /* up to the first block whose segments all begin later */
        const uint32_t *mins = buffer<uint32_t>(r, KERN_DEV_FIRST_MIN) + (uint64_t)sequence * r.first_blocks;
        uint32_t end = (seq_len + STREAM - 1) / STREAM, found = end;
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
        span = found - begin;
    } else {
        span = (min(p0 + OWN_ROWS, seq_len) + STREAM - 1) / STREAM - begin;
    }
    uint32_t total = span * (KEYS ? group : 1);
    if (asked == span && KEYS && group > 1) /* it was the head's only one */
        asked = 0, head++;
#pragma unroll 1
    for (int i = 1; i < STAGES - 1; i++)
        stream(i);
    float own_lse[2] = {0, 0}, own_delta[2] = {0, 0};
    uint32_t own_first[2] = {UINT32_MAX, UINT32_MAX}; /* rows that are not there see nothing */
    if (!KEYS)
#pragma unroll
        for (int i = 0; i < 2; i++)
            if (row[i] < seq_len) {
                own_lse[i] = lse[(uint64_t)row[i] * all_heads + own_head] * LOG2E;
                own_delta[i] = delta[(uint64_t)row[i] * all_heads + own_head];
                own_first[i] = starts[row[i]];
            }
    float d0[HD / 8][4], d1[KEYS ? HD / 8 : 1][4]; /* dk and dv, or dq */
#pragma unroll
    for (int j = 0; j < HD / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            d0[j][e] = 0;
            if (KEYS)
                d1[j][e] = 0;
        }

    uint32_t now = 0, next = STAGES - 1, block_at = begin * STREAM;
    /* starts ascend: the warp's last row has the latest */
    uint32_t latest = KEYS ? 0 : __shfl_sync(0xffffffffu, own_first[1], 31);
#pragma unroll 1
    for (uint32_t i = 0; i < total; i++) {
        uint32_t stage = stages + now * STAGE + half * HD * 2, line = now * STREAM + half, at = block_at + half;
        async_wait<STAGES - 2>();
        __syncthreads();
        stream(next);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        block_at = KEYS && block_at == (begin + span - 1) * STREAM ? begin * STREAM : block_at + STREAM;
        /* nothing to see where all keys lie in the future of all queries */
        if (KEYS ? at + HALF <= p0 + m : at > p0 + m + 15)
            continue;
        bool whole = KEYS ? at >= p0 + m + 15 && at + HALF <= seq_len && lines_first[line + HALF - 1] <= p0 + m
                          : at + HALF - 1 <= p0 + m && at >= latest;
#pragma unroll 1
        for (int c = 0; c < HALF; c += COLUMNS) {
            float s[COLUMNS / 8][4], d[COLUMNS / 8][4];
            uint32_t part = stage + c * HD * 2;
            scores<HD, COLUMNS>(s, own, m, part);
            scores<HD, COLUMNS>(d, own + OWN, m, part + PART);
            if (!whole)
#pragma unroll
                for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        uint32_t column = c + j * 8 + lane % 4 * 2 + e % 2, other = at + column;
                        bool seen = KEYS ? row[e / 2] <= other && row[e / 2] >= lines_first[line + column]
                                         : other <= row[e / 2] && other >= own_first[e / 2];
                        s[j][e] = seen ? s[j][e] : -INFINITY;
                    }
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++) {
                uint32_t column = line + c + j * 8 + lane % 4 * 2;
                float2 other_lse, other_delta;
                if (KEYS) {
                    other_lse = *reinterpret_cast<const float2 *>(lines_lse + column);
                    other_delta = *reinterpret_cast<const float2 *>(lines_delta + column);
                }
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    float less = KEYS ? (e % 2 ? other_lse.y : other_lse.x) * LOG2E : own_lse[e / 2];
                    float minus = KEYS ? (e % 2 ? other_delta.y : other_delta.x) : own_delta[e / 2];
                    s[j][e] = power2(fmaf(s[j][e], grow, -less));
                    d[j][e] = s[j][e] * (d[j][e] - minus);
                }
            }
            mix<HD, COLUMNS>(d0, d, part);
            if constexpr (KEYS)
                mix<HD, COLUMNS>(d1, s, part + PART);
        }
    }
#pragma unroll
    for (int j = 0; j < HD / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            d0[j][e] *= scale; /* of the scores */
    /* what the rows' end takes is on its way while pairs meet */
    const float *squares = buffer<float>(r, KERN_DEV_SS, l), *rope = buffer<float>(r, KERN_DEV_ROPE);
    float back[2];
    uint32_t position[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        uint32_t there = min(row[i], seq_len - 1);
        position[i] = there - starts[there];
        back[i] = rms_scale(r, squares, (uint32_t)base + there);
    }
    async_wait<0>();
    __syncthreads();
    constexpr int VALUES = (KEYS ? 2 : 1) * HD / 2;
    static_assert(4 * VALUES * 32 * 4 <= STAGES * STAGE, "where pairs meet");
    float *meet = reinterpret_cast<float *>(tile_of(b) + 2 * OWN) + warp % 4 * VALUES * 32 + lane;
    if (half) {
        hand_over(meet, d0);
        if constexpr (KEYS)
            hand_over(meet + HD / 2 * 32, d1);
    }
    __syncthreads();
    if (half)
        return;
    constexpr int AT_ONCE = HD == 64 ? 2 : 1; /* rows whose angles registers hold */
    turns<HD> angles[AT_ONCE];
    if (AT_ONCE == 2)
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++)
            angles[i].load(rope + (uint64_t)position[i] * HD);
    add_up(d0, meet);
    if constexpr (KEYS)
        add_up(d1, meet + HD / 2 * 32);

    float *dots = buffer<float>(r, KERN_DEV_QKV_C);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DQKV);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        uint32_t in_tile = m + lane / 4 + 8 * i;
        bool ok = row[i] < seq_len;
        uint32_t n = (uint32_t)base + (ok ? row[i] : 0);
        float dot = row_dot<HD>(d0, i, tile_of(b), in_tile);
        if constexpr (KEYS)
            dot += row_dot<HD>(d1, i, tile_of(b) + OWN, in_tile);
        if (!ok)
            continue;
        if (lane % 4 == 0)
            dots[(uint64_t)n * (all_heads + kv_heads) + (KEYS ? all_heads + kv : own_head)] = dot;
        if (AT_ONCE == 1)
            angles[0].load(rope + (uint64_t)position[i] * HD);
        turn_back<HD>(d0, i, angles[i % AT_ONCE]);
        uint32_t *out = reinterpret_cast<uint32_t *>(to + (uint64_t)n * pitch +
                                                     (KEYS ? q_width + kv * HD : own_head * HD) +
                                                     lane % 4 * 2);
#pragma unroll
        for (int j = 0; j < HD / 8; j++)
            out[j * 4] = pack(d0[j][2 * i] * back[i], d0[j][2 * i + 1] * back[i]);
        if constexpr (KEYS) {
            out += kv_width / 2;
#pragma unroll
            for (int j = 0; j < HD / 8; j++)
                out[j * 4] = pack(d1[j][2 * i] * back[i], d1[j][2 * i + 1] * back[i]);
        }
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
    auto load = [&](uint32_t row, uint4 *in) {
        in[0] = fetch8(mixes + (uint64_t)(at.m0 + row) * q_width + column);
    };
    row_inputs<S, 1> inputs;
    sums<S> c;

    multiply<S, false, true>(b, p, at, c, [&] { inputs.ahead(at, load); });
    float *rows = lay_out(b, c);
    each_row<S, 1>(rows, at, inputs, load, [&](uint32_t row, uint32_t, float (&v)[8], uint4 *in, bool inside) {
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
