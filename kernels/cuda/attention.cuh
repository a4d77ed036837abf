/*
 * ATTENTION of ops.h. A tile's 64 own rows belong to four pairs of warps, sixteen rows a pair; blocks of 64
 * rows of the other side stream through stages of shared memory, each warp of a pair taking one half of
 * every block, and the pair's sums meet at the end. Scores stay in registers and become the next product's
 * left operand there (FlashAttention-2, Dao 2023).
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
    draw();
    clear(o);

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

#endif
