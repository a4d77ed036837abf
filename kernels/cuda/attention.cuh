/*
 * ATTENTION of ops.h. A tile's own rows belong to teams of warps, sixteen rows a team; blocks of rows of the other side
 * stream through stages of shared memory, each warp of a team taking 32 rows of every block, and the team's sums meet at
 * the end. Scores stay in registers and become the next product's left operand there (FlashAttention-2, Dao 2023).
 */
#ifndef KERN_CUDA_ATTENTION_CUH
#define KERN_CUDA_ATTENTION_CUH

#include "block.cuh"
#include "product.cuh"
#include "rows.cuh"

/*
 * 64 own rows: four teams of two warps, blocks of 64 rows. 32, where there are few tiles (table.c): two teams of four,
 * blocks of 128, so that the longest tile has half as many blocks, each as long as those of the others.
 */
template <int HEAD_DIM, int ROWS> struct attention_shape {
    static constexpr int HD = HEAD_DIM, OWN = ROWS;
    static constexpr int TEAMS = OWN / 16, TEAM = 8 / TEAMS; /* warps of each */
    static constexpr int SHARE = 32, BLOCK = TEAM * SHARE;   /* streamed rows of a warp; of a stage */
    static constexpr uint32_t OWN_BYTES = OWN * HD * 2, PART = BLOCK * HD * 2, STAGE = 2 * PART;
};
typedef attention_shape<64, 64> attention_64;
typedef attention_shape<64, 32> attention_64_few;
typedef attention_shape<128, 64> attention_128;

/* A tile's number taken apart: of `pairs` sequences and heads. */
struct own_tile {
    uint32_t block, sequence, head;

    __device__ __forceinline__ own_tile(uint32_t tile, uint32_t pairs, uint64_t by_pairs, uint32_t heads, uint64_t by_heads)
    {
        block = kern_device_divide(tile, by_pairs);
        uint32_t pair = tile - block * pairs;
        sequence = kern_device_divide(pair, by_heads), head = pair - sequence * heads;
    }
};

/* The segment start that position p0 of a sequence has, a multiple of 32, and none after it is before. */
__device__ __forceinline__ uint32_t first_of(const kern_cuda_run &r, uint32_t sequence, uint32_t p0)
{
    return buffer<uint32_t>(r, KERN_DEV_FIRST_MIN)[(uint64_t)sequence * r.first_blocks + p0 / 32];
}

/* Stages that fit beside the own rows. */
template <class A> constexpr int stream_stages = A::PART <= 8192 ? 3 : 2;

/* Sums of a team's other warps to shared memory, one thread's values 32 floats apart. */
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

template <class A> __device__ __noinline__ void attention_tile()
{
    const block b = here();
    const uint32_t tile = tile_here();
    constexpr int STAGES = stream_stages<A>, HD = A::HD, OWN = A::OWN, BLOCK = A::BLOCK, SHARE = A::SHARE;
    constexpr uint32_t PART = A::PART, STAGE = A::STAGE;
    static_assert(A::OWN_BYTES + STAGES * STAGE <= KERN_CUDA_TILE_BYTES, "stages");
    const kern_cuda_run &r = b.run;
    /* in registers: past a store or a copy the compiler would load them again */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width, all_heads = r.heads;
    const own_tile mine(tile, r.rows * all_heads, r.by_rows_heads, all_heads, r.by_heads);
    uint32_t l = b.phase.layer, blocks = (seq_len + OWN - 1) / OWN, q0 = (blocks - 1 - mine.block) * OWN;
    uint32_t sequence = mine.sequence, head = mine.head, kv = kern_device_divide(head, r.by_group);
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *q = qkv + q0 * pitch + head * HD, *k = qkv + q_width + kv * HD, *v = k + kv_width;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % A::TEAMS * 16, share = warp / A::TEAMS * SHARE;
    uint32_t own = shared_address(tile_of(b)), stages = own + A::OWN_BYTES;
    uint32_t earliest = first_of(r, sequence, q0), begin = 0, count = 0; /* blocks of keys */
    /* this thread's two rows */
    uint32_t row[2] = {q0 + m + lane / 4, q0 + m + lane / 4 + 8}, first[2];
    float o[HD / 8][4], top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
    float scale = rsqrtf((float)HD) * LOG2E;

    row_copies<HD> copies(r.qkv_width);
    auto stream = [&](uint32_t i, uint32_t stage) {
        if (i < count) {
            uint32_t to = stages + stage * STAGE, at = (begin + i) * BLOCK;
            copies.template copy<BLOCK>(to, k + at * pitch, seq_len - at);
            copies.template copy<BLOCK>(to + PART, v + at * pitch, seq_len - at);
        }
        async_commit();
    };
#pragma unroll
    for (int i = 0; i < 2; i++)
        first[i] = row[i] < seq_len ? buffer<uint32_t>(r, KERN_DEV_FIRST)[base + row[i]] : row[i];
    copies.template copy<OWN>(own, q, seq_len - q0);
    begin = earliest / BLOCK, count = (min(q0 + OWN, seq_len) + BLOCK - 1) / BLOCK - begin;
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        stream(i, i);
    draw();
    clear(o);

    /* starts ascend: the warp's last row has the latest */
    uint32_t latest = __shfl_sync(0xffffffffu, first[1], 31);
    uint32_t now = 0, next = STAGES - 1;
#pragma unroll 1
    for (uint32_t t = 0; t < count; t++) {
        uint32_t stage = stages + now * STAGE + share * HD * 2, k0 = (begin + t) * BLOCK + share;
        async_wait<STAGES - 2>();
        __syncthreads();
        stream(t + STAGES - 1, next);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        if (k0 > q0 + m + 15)
            continue; /* all of it is in the future of this warp's rows */
        float s[SHARE / 8][4];
        scores<HD, SHARE>(s, own, m, stage);
        if (k0 + SHARE - 1 > q0 + m || k0 < latest) /* not all are seen by all */
#pragma unroll
            for (int j = 0; j < SHARE / 8; j++)
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
            for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
                for (int e = 0; e < 2; e++)
                    most = fmaxf(most, s[j][2 * i + e]);
            most = lanes_max<4>(most);
            float zero = most == -INFINITY ? 0 : most * scale; /* no key of this row yet */
            less = power2(fmaf(top[i], scale, -zero));
#pragma unroll
            for (int j = 0; j < SHARE / 8; j++)
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
        mix<HD, SHARE>(o, s, stage + PART);
    }
    async_wait<0>();
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 2; i++)
        total[i] = lanes_sum<4>(total[i]), top[i] *= scale;
    constexpr int VALUES = HD / 2 + 4, OTHERS = A::TEAM - 1; /* a thread's */
    static_assert(A::TEAMS * OTHERS * VALUES * 32 * 4 <= KERN_CUDA_TILE_BYTES, "where teams meet");
    float *meet = reinterpret_cast<float *>(tile_of(b)) + (uint64_t)(warp % A::TEAMS) * OTHERS * VALUES * 32 + lane;
    if (share) {
        float *to = meet + (share / SHARE - 1) * VALUES * 32;
        hand_over(to, o);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            to[(HD / 2 + i) * 32] = top[i];
            to[(HD / 2 + 2 + i) * 32] = total[i];
        }
    }
    __syncthreads();
    if (share)
        return;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (row[i] >= seq_len)
            continue;
        uint64_t n = base + row[i];
        float other[OTHERS], most = top[i];
#pragma unroll
        for (int w = 0; w < OTHERS; w++)
            other[w] = meet[(w * VALUES + HD / 2 + i) * 32], most = fmaxf(most, other[w]);
        float mine = power2(top[i] - most), sum = total[i] * mine;
#pragma unroll
        for (int w = 0; w < OTHERS; w++) {
            other[w] = power2(other[w] - most);
            sum += meet[(w * VALUES + HD / 2 + 2 + i) * 32] * other[w];
        }
        mine /= sum;
#pragma unroll
        for (int w = 0; w < OTHERS; w++)
            other[w] /= sum;
        uint32_t *to = reinterpret_cast<uint32_t *>(buffer<bf16>(r, KERN_DEV_MIX, l) + n * q_width +
                                                    head * HD + lane % 4 * 2);
#pragma unroll
        for (int j = 0; j < HD / 8; j++) {
            float x = o[j][2 * i] * mine, y = o[j][2 * i + 1] * mine;
#pragma unroll
            for (int w = 0; w < OTHERS; w++) {
                x += meet[(w * VALUES + j * 4 + 2 * i) * 32] * other[w];
                y += meet[(w * VALUES + j * 4 + 2 * i + 1) * 32] * other[w];
            }
            to[j * 4] = pack(x, y);
        }
        if (lane % 4 == 0)
            buffer<float>(r, KERN_DEV_LSE, l)[n * all_heads + head] = (most + log2f(sum)) * LN2;
    }
}

#endif
