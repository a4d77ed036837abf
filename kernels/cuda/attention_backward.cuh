/*
 * ATTENTION_BACKWARD and OUT_BACKWARD of ops.h. Scores are computed twice, with keys and with queries as own
 * rows: seven products instead of five, and nothing is added up between blocks.
 */
#ifndef KERN_CUDA_ATTENTION_BACKWARD_CUH
#define KERN_CUDA_ATTENTION_BACKWARD_CUH

#include "attention.cuh"

/* How many of ATTENTION_BACKWARD's tiles, the first ones, are keys. */
__device__ __forceinline__ uint32_t key_tiles(const kern_cuda_run &r)
{
    uint32_t T = r.seq_len; /* by constants: shifts */
    return r.rows * r.kv_heads * (r.attention_back_rows == KERN_DEVICE_ATTENTION_FEW ? (T + 31) / 32 : (T + 63) / 64);
}

/* Angles of a position for this lane's of COLUMNS columns. */
template <int COLUMNS> struct turns {
    float4 v[COLUMNS / 16];

    __device__ __forceinline__ void load(const float *angles)
    {
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++)
            v[j] = *reinterpret_cast<const float4 *>(angles + (j * 8 + threadIdx.x % 4 * 2) * 2);
    }
};

/* A gradient of q or k back through RoPE, in place: the pair is in neighbouring column tiles. */
template <int COLUMNS>
__device__ __forceinline__ void turn_back(float (&d)[COLUMNS / 8][4], int i, const turns<COLUMNS> &of)
{
#pragma unroll
    for (int j = 0; j < COLUMNS / 8; j += 2) {
        const float4 &turn = of.v[j / 2];
        float a0 = d[j][2 * i], a1 = d[j][2 * i + 1], b0 = d[j + 1][2 * i], b1 = d[j + 1][2 * i + 1];
        d[j][2 * i] = a0 * turn.x + b0 * turn.y;
        d[j + 1][2 * i] = b0 * turn.x - a0 * turn.y;
        d[j][2 * i + 1] = a1 * turn.z + b1 * turn.w;
        d[j + 1][2 * i + 1] = b1 * turn.z - a1 * turn.w;
    }
}

/* Sum over COLUMNS columns of d . x, x being those from chunk `chunk` on of row m of a swizzled tile; over the row's four
 * lanes. */
template <int HD, int COLUMNS>
__device__ __forceinline__ float row_dot(const float (&d)[COLUMNS / 8][4], int i, const unsigned char *tile, uint32_t m,
                                         uint32_t chunk = 0)
{
    uint32_t lane = threadIdx.x % 32;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < COLUMNS / 8; j++) {
        uint32_t x = *reinterpret_cast<const uint32_t *>(tile + swizzled<HD * 2>(m, chunk + j) + lane % 4 * 4);
        sum += d[j][2 * i] * low_half(x) + d[j][2 * i + 1] * high_half(x);
    }
    return lanes_sum<4>(sum);
}

/*
 * How many blocks from that of p0 on keys [p0, p0 + A::OWN) need: those after begin with later segments alone. Starts ascend,
 * so a block's first 32 positions tell. Every lane of a warp makes and calls it; the first loads are under way from the start.
 */
template <class A> struct blocks_seen {
    const uint32_t *mins;
    uint32_t p0, begin, end, least;

    __device__ __forceinline__ blocks_seen(const kern_cuda_run &r, uint32_t sequence, uint32_t p0_)
        : mins(buffer<uint32_t>(r, KERN_DEV_FIRST_MIN) + (uint64_t)sequence * r.first_blocks), p0(p0_), begin(p0_ / A::BLOCK),
          end((r.seq_len + A::BLOCK - 1) / A::BLOCK)
    {
        load(begin);
    }
    __device__ __forceinline__ void load(uint32_t first)
    {
        uint32_t t = first + threadIdx.x % 32;
        least = t < end ? mins[t * (A::BLOCK / 32)] : 0;
    }
    __device__ __forceinline__ uint32_t count()
    {
#pragma unroll 1
        for (uint32_t t = begin;;) {
            uint32_t later = __ballot_sync(0xffffffffu, least >= p0 + A::OWN);
            if (later)
                return t + __ffs((int)later) - 1 - begin;
            t += 32;
            if (t >= end)
                return end - begin;
            load(t);
        }
    }
};

/* What the end of a tile's rows of q or k takes beside their gradients, in the block's lines. */
template <class A> struct row_ends {
    float back[A::OWN]; /* 1 / rms */
    uint32_t position[A::OWN];
    static_assert(A::OWN * 8 <= sizeof block_state::lines, "rows");

    __device__ __forceinline__ static row_ends &of(const block &b)
    {
        return *reinterpret_cast<row_ends *>(lines_of(b));
    }
};

/* Finds them, four threads a row: loads before the operands, which would come first else; put() is seen after the next
 * synchronisation. */
template <class A> struct row_ends_asked {
    uint32_t in_tile, there, start;
    slot_sum<4> squares;

    __device__ __forceinline__ row_ends_asked(const kern_cuda_run &r, uint32_t l, uint32_t base, uint32_t p0)
        : in_tile(threadIdx.x / 4), there(min(p0 + in_tile, r.seq_len - 1)), start(buffer<uint32_t>(r, KERN_DEV_FIRST)[base + there]),
          squares(buffer<float>(r, KERN_DEV_SS, l) + (uint64_t)(base + there) * r.norm_slots, r.norm_slots)
    {
    }
    __device__ __forceinline__ void put(const kern_cuda_run &r, row_ends<A> &to)
    {
        float sum = squares.value();
        if (in_tile < A::OWN && threadIdx.x % 4 == 0)
            to.back[in_tile] = rms_scale(r, sum), to.position[in_tile] = there - start;
    }
};

/* Row i of d, times back, to 16-byte aligned memory. */
template <int COLUMNS>
__device__ __forceinline__ void store_row(bf16 *to, const float (&d)[COLUMNS / 8][4], int i, float back)
{
    uint32_t *out = reinterpret_cast<uint32_t *>(to + threadIdx.x % 4 * 2);
#pragma unroll
    for (int j = 0; j < COLUMNS / 8; j++)
        out[j * 4] = pack(d[j][2 * i] * back, d[j][2 * i + 1] * back);
}

/*
 * dk and dv of a tile's keys of a key/value head: queries and the gradients of their mixes stream by, of all heads that
 * share it. A team has 16 keys: each of its warps works p and ds of its share of a stage's queries; then half of
 * them add up dv, the others dk, over all queries, each for some of the columns.
 */
template <class A> __device__ __noinline__ void key_backward_tile()
{
    constexpr int HD = A::HD, OWN = A::OWN, BLOCK = A::BLOCK, SHARE = A::SHARE;
    constexpr int STAGES = HD == 128 ? 1 : stream_stages<A>, COLUMNS = 2 * HD / A::TEAM; /* of a warp's sums */
    constexpr uint32_t OWN_BYTES = A::OWN_BYTES, PART = A::PART, STAGE = A::STAGE;
    constexpr uint32_t WEIGHTS = 2 * OWN_BYTES + STAGES * STAGE, WEIGHT = OWN * BLOCK * 2; /* p, then ds */
    constexpr uint32_t LINES = WEIGHTS + 2 * WEIGHT; /* of the streaming queries, by stage: lse, delta, first */
    static_assert(LINES + 3 * STAGES * BLOCK * 4 <= KERN_CUDA_TILE_BYTES, "stages");
    const block b = here();
    const uint32_t tile = tile_here();
    const kern_cuda_run &r = b.run;
    /* in registers, as above */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width;
    const uint32_t all_heads = r.heads, kv_heads = r.kv_heads;
    const own_tile mine(tile, r.rows * kv_heads, r.by_rows_kv_heads, kv_heads, r.by_kv_heads);
    uint32_t l = b.phase.layer, group = kern_device_divide(all_heads, r.by_kv_heads);
    uint32_t sequence = mine.sequence, kv = mine.head, p0 = mine.block * OWN;
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *k = qkv + q_width + kv * HD, *v = k + kv_width;
    const bf16 *mixed = buffer<bf16>(r, KERN_DEV_DMIX) + base * q_width;
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base;
    const float *lse = buffer<float>(r, KERN_DEV_LSE, l) + base * all_heads;
    const float *delta = buffer<float>(r, KERN_DEV_DELTA) + base * all_heads;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % A::TEAMS * 16, member = warp / A::TEAMS;
    bool keys = member % 2; /* sums of dk, or of dv: columns from `column` on */
    uint32_t column = member / 2 * COLUMNS;
    uint32_t own = shared_address(tile_of(b)), stages = own + 2 * OWN_BYTES, lines = own + LINES;
    const float *lines_lse = reinterpret_cast<float *>(tile_of(b) + LINES), *lines_delta = lines_lse + STAGES * BLOCK;
    const uint32_t *lines_first = reinterpret_cast<const uint32_t *>(lines_delta + STAGES * BLOCK);
    uint32_t row[2] = {p0 + m + lane / 4, p0 + m + lane / 4 + 8};
    float scale = rsqrtf((float)HD), grow = scale * LOG2E;

    /* blocks of queries from the keys' own on; how many is found out while the first is on its way */
    row_copies<HD> wide(r.qkv_width), narrow(q_width); /* rows of q, k, v; of dmix */
    uint32_t begin = p0 / BLOCK, span = UINT32_MAX, asked = 0, head = kv * group;
    auto stream = [&](uint32_t stage) {
        if (asked < span) {
            uint32_t to = stages + stage * STAGE, at = (begin + asked) * BLOCK, limit = seq_len - at;
            wide.template copy<BLOCK>(to, qkv + at * pitch + head * HD, limit);
            narrow.template copy<BLOCK>(to + PART, mixed + (uint64_t)at * q_width + head * HD, limit);
            if (threadIdx.x < BLOCK) {
                /* queries that are not there have zeros, also for dmix: they add nothing */
                uint32_t to_line = lines + (stage * BLOCK + threadIdx.x) * 4, n = at + threadIdx.x;
                bool ok = n < seq_len;
                async_copy4(to_line, lse + (uint64_t)n * all_heads + head, ok);
                async_copy4(to_line + STAGES * BLOCK * 4, delta + (uint64_t)n * all_heads + head, ok);
                async_copy4(to_line + 2 * STAGES * BLOCK * 4, starts + n, ok);
            }
            if (++asked == span && head + 1 < (kv + 1) * group)
                asked = 0, head++; /* of the next head */
        }
        async_commit();
    };

    blocks_seen<A> seen(r, sequence, p0);
    row_ends_asked<A> asked_ends(r, l, (uint32_t)base, p0);
    wide.template copy<OWN>(own, k + p0 * pitch, seq_len - p0);
    wide.template copy<OWN>(own + OWN_BYTES, v + p0 * pitch, seq_len - p0);
    stream(0);
    span = seen.count();
    if (asked == span && group > 1) /* it was the head's only one */
        asked = 0, head++;
#pragma unroll 1
    for (int i = 1; i < STAGES - 1; i++)
        stream(i);
    row_ends<A> &ends = row_ends<A>::of(b);
    asked_ends.put(r, ends);
    draw();
    float sum[COLUMNS / 8][4];
    clear(sum);

    /* where this lane's parts of p and ds go, and where their fragments and those of what they weigh begin */
    uint32_t block_of = lane / 8, in = lane % 8;
    uint32_t put = own + WEIGHTS + swizzled<BLOCK * 2>(m + lane / 4, member * 4) + lane % 4 * 4;
    uint32_t a_at = own + WEIGHTS + keys * WEIGHT + swizzled<BLOCK * 2>(m + (block_of & 1) * 8 + in, block_of >> 1);
    uint32_t b_at = (keys ? 0 : PART) + (lane_at<HD>((block_of & 1) * 8 + in, block_of >> 1) ^ column * 2);
    uint32_t now = 0, next = STAGES - 1, at = begin * BLOCK;
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
        uint32_t stage = stages + now * STAGE, line = now * BLOCK + member * SHARE, query = at + member * SHARE;
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        at = at == (begin + span - 1) * BLOCK ? begin * BLOCK : at + BLOCK;
        float s[SHARE / 8][4], d[SHARE / 8][4];
        if (query + SHARE <= p0 + m) { /* all keys lie in the future of all queries */
#pragma unroll
            for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    s[j][e] = d[j][e] = 0;
        } else {
            scores<HD, SHARE>(s, own, m, stage + member * SHARE * HD * 2);
            scores<HD, SHARE>(d, own + OWN_BYTES, m, stage + PART + member * SHARE * HD * 2);
            /* starts ascend: the last of these queries has the latest */
            bool whole = query >= p0 + m + 15 && query + SHARE <= seq_len && lines_first[line + SHARE - 1] <= p0 + m;
            if (!whole)
#pragma unroll
                for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        uint32_t column = j * 8 + lane % 4 * 2 + e % 2;
                        bool seen = row[e / 2] <= query + column && row[e / 2] >= lines_first[line + column];
                        s[j][e] = seen ? s[j][e] : -INFINITY;
                    }
#pragma unroll
            for (int j = 0; j < SHARE / 8; j++) {
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
        for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                uint32_t to = (put ^ (j << 4)) + h * 8 * BLOCK * 2;
                store_shared(to, pack(s[j][2 * h], s[j][2 * h + 1]));
                store_shared(to + WEIGHT, pack(d[j][2 * h], d[j][2 * h + 1]));
            }
        team_sync<A::TEAM>(1 + warp % A::TEAMS);
#pragma unroll
        for (int c = 0; c < BLOCK / 16; c++) {
            uint32_t a[4];
            load_blocks(a, a_at ^ (c << 5));
#pragma unroll
            for (int j = 0; j < COLUMNS / 16; j++) {
                uint32_t w[4];
                load_blocks_transposed(w, ((stage + b_at) ^ (j << 5)) + c * 16 * HD * 2);
                mma(sum[2 * j], a, w[0], w[1]);
                mma(sum[2 * j + 1], a, w[2], w[3]);
            }
        }
    }
    /* what the rows' end takes is on its way while all meet; also where it is not needed, as what is unset would live in memory */
    const float *rope = buffer<float>(r, KERN_DEV_ROPE) + column;
    constexpr int AT_ONCE = COLUMNS <= 64 ? 2 : 1; /* rows whose angles registers hold */
    turns<COLUMNS> angles[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
        angles[i].load(rope + (uint64_t)ends.position[m + lane / 4 + 8 * i] * HD);
    async_wait<0>();
    __syncthreads();
    float *dots = buffer<float>(r, KERN_DEV_QKV_C), *meet = reinterpret_cast<float *>(tile_of(b) + 2 * OWN_BYTES); /* [TEAM][own] */
#pragma unroll
    for (int i = 0; i < 2; i++) {
        uint32_t in_tile = m + lane / 4 + 8 * i;
        if (keys)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++)
                sum[j][2 * i] *= scale, sum[j][2 * i + 1] *= scale; /* of the scores */
        float dot = row_dot<HD, COLUMNS>(sum, i, tile_of(b) + (keys ? 0 : OWN_BYTES), in_tile, column / 8);
        if (lane % 4 == 0)
            meet[member * OWN + in_tile] = dot;
    }
    __syncthreads();
    bf16 *to = buffer<bf16>(r, KERN_DEV_DQKV) + base * pitch + q_width + kv * HD + (keys ? 0 : kv_width) + column;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (row[i] >= seq_len)
            continue;
        if (member == 1 && lane % 4 == 0) {
            float dot = 0;
#pragma unroll
            for (int w = 0; w < A::TEAM; w++)
                dot += meet[w * OWN + m + lane / 4 + 8 * i];
            dots[(base + row[i]) * (all_heads + kv_heads) + all_heads + kv] = dot;
        }
        if (keys) {
            if (AT_ONCE == 1 && i)
                angles[0].load(rope + (uint64_t)ends.position[m + lane / 4 + 8] * HD);
            turn_back<COLUMNS>(sum, i, angles[i % AT_ONCE]);
        }
        store_row<COLUMNS>(to + row[i] * pitch, sum, i, ends.back[m + lane / 4 + 8 * i]);
    }
}

/* The block's tile, in ATTENTION's numbering. */
__device__ __forceinline__ uint32_t query_tile_here(const block &b)
{
    return kern_device_query_tile(tile_here(), key_tiles(b.run), b.phase.tiles);
}

/* dq of a tile's queries of a head: keys and values stream by. Teams of warps as in attention_tile(). */
template <class A> __device__ __noinline__ void query_backward_tile()
{
    constexpr int STAGES = stream_stages<A>, HD = A::HD, OWN = A::OWN, BLOCK = A::BLOCK, SHARE = A::SHARE;
    constexpr uint32_t OWN_BYTES = A::OWN_BYTES, PART = A::PART, STAGE = A::STAGE;
    static_assert(2 * OWN_BYTES + STAGES * STAGE <= KERN_CUDA_TILE_BYTES, "stages");
    const block b = here();
    uint32_t tile = query_tile_here(b);
    const kern_cuda_run &r = b.run;
    /* in registers, as above */
    const uint32_t seq_len = r.seq_len, q_width = r.q_width, kv_width = r.kv_width;
    const uint32_t all_heads = r.heads, kv_heads = r.kv_heads;
    const own_tile mine(tile, r.rows * all_heads, r.by_rows_heads, all_heads, r.by_heads);
    uint32_t l = b.phase.layer, blocks = (seq_len + OWN - 1) / OWN, p0 = (blocks - 1 - mine.block) * OWN;
    uint32_t sequence = mine.sequence, head = mine.head, kv = kern_device_divide(head, r.by_group);
    uint64_t base = (uint64_t)sequence * seq_len, pitch = r.qkv_width;
    const bf16 *qkv = buffer<bf16>(r, KERN_DEV_QKV_OUT, l) + base * pitch;
    const bf16 *k = qkv + q_width + kv * HD, *v = k + kv_width;
    const uint32_t *starts = buffer<uint32_t>(r, KERN_DEV_FIRST) + base;
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32, m = warp % A::TEAMS * 16, share = warp / A::TEAMS * SHARE;
    uint32_t own = shared_address(tile_of(b)), stages = own + 2 * OWN_BYTES;
    uint32_t row[2] = {p0 + m + lane / 4, p0 + m + lane / 4 + 8};
    float scale = rsqrtf((float)HD), grow = scale * LOG2E;

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
    uint32_t earliest = first_of(r, sequence, p0);
    row_ends_asked<A> asked_ends(r, l, (uint32_t)base, p0);
    row_copies<HD> wide(r.qkv_width), narrow(q_width); /* rows of q, k, v; of dmix */
    wide.template copy<OWN>(own, qkv + p0 * pitch + head * HD, seq_len - p0);
    narrow.template copy<OWN>(own + OWN_BYTES, buffer<bf16>(r, KERN_DEV_DMIX) + (base + p0) * q_width + head * HD, seq_len - p0);
    uint32_t begin = earliest / BLOCK;
    uint32_t end_block = (min(p0 + OWN, seq_len) + BLOCK - 1) / BLOCK, asked = begin;
    auto stream = [&](uint32_t stage) {
        if (asked < end_block) {
            uint32_t to = stages + stage * STAGE, at = asked++ * BLOCK;
            wide.template copy<BLOCK>(to, k + at * pitch, seq_len - at);
            wide.template copy<BLOCK>(to + PART, v + at * pitch, seq_len - at);
        }
        async_commit();
    };
#pragma unroll 1
    for (int i = 0; i < STAGES - 1; i++)
        stream(i);
    row_ends<A> &ends = row_ends<A>::of(b);
    asked_ends.put(r, ends);
    draw();
    clear(dq);

    /* starts ascend: the warp's last row has the latest */
    uint32_t now = 0, next = STAGES - 1, latest = __shfl_sync(0xffffffffu, own_first[1], 31);
#pragma unroll 1
    for (uint32_t t = begin; t < end_block; t++) {
        uint32_t stage = stages + now * STAGE + share * HD * 2, key0 = t * BLOCK + share;
        async_wait<STAGES - 2>();
        __syncthreads();
        stream(next);
        now = now + 1 == STAGES ? 0 : now + 1;
        next = next + 1 == STAGES ? 0 : next + 1;
        if (key0 > p0 + m + 15)
            continue; /* all of it is in the future of this warp's rows */
        float s[SHARE / 8][4], d[SHARE / 8][4];
        scores<HD, SHARE>(s, own, m, stage);
        scores<HD, SHARE>(d, own + OWN_BYTES, m, stage + PART);
        if (key0 + SHARE - 1 > p0 + m || key0 < latest) /* not all are seen by all */
#pragma unroll
            for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) {
                    uint32_t key = key0 + j * 8 + lane % 4 * 2 + e % 2;
                    bool seen = key <= row[e / 2] && key >= own_first[e / 2];
                    s[j][e] = seen ? s[j][e] : -INFINITY;
                }
#pragma unroll
        for (int j = 0; j < SHARE / 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                d[j][e] = power2(fmaf(s[j][e], grow, -own_lse[e / 2])) * (d[j][e] - own_delta[e / 2]);
        mix<HD, SHARE>(dq, d, stage);
    }
    /* what the rows' end takes is on its way while teams meet */
    const float *rope = buffer<float>(r, KERN_DEV_ROPE);
    constexpr int AT_ONCE = HD == 64 ? 2 : 1; /* rows whose angles registers hold */
    turns<HD> angles[AT_ONCE];
#pragma unroll
    for (int i = 0; i < AT_ONCE; i++)
        angles[i].load(rope + (uint64_t)ends.position[m + lane / 4 + 8 * i] * HD);
    async_wait<0>();
    __syncthreads();
    constexpr int VALUES = HD / 2, OTHERS = A::TEAM - 1;
    static_assert(A::TEAMS * OTHERS * VALUES * 32 * 4 <= STAGES * STAGE, "where teams meet");
    float *meet = reinterpret_cast<float *>(tile_of(b) + 2 * OWN_BYTES) + warp % A::TEAMS * OTHERS * VALUES * 32 + lane;
    if (share)
        hand_over(meet + (share / SHARE - 1) * VALUES * 32, dq);
    __syncthreads();
    if (share)
        return;
#pragma unroll
    for (int w = 0; w < OTHERS; w++)
        add_up(dq, meet + w * VALUES * 32);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DQKV) + base * pitch + head * HD;
#pragma unroll
    for (int i = 0; i < 2; i++) {
#pragma unroll
        for (int j = 0; j < HD / 8; j++)
            dq[j][2 * i] *= scale, dq[j][2 * i + 1] *= scale; /* of the scores */
        float dot = row_dot<HD, HD>(dq, i, tile_of(b), m + lane / 4 + 8 * i);
        if (row[i] >= seq_len)
            continue;
        if (lane % 4 == 0)
            buffer<float>(r, KERN_DEV_QKV_C)[(base + row[i]) * (all_heads + kv_heads) + head] = dot;
        if (AT_ONCE == 1 && i)
            angles[0].load(rope + (uint64_t)ends.position[m + lane / 4 + 8] * HD);
        turn_back<HD>(dq, i, angles[i % AT_ONCE]);
        store_row<HD>(to + row[i] * pitch, dq, i, ends.back[m + lane / 4 + 8 * i]);
    }
}

/* OUT_BACKWARD: DMIX, and delta of the heads whose columns the tile holds, whole ones (table.c). */
template <class S> __device__ __noinline__ void out_backward_tile()
{
    const block b = here();
    const kern_cuda_run &r = b.run;
    const kern_device_product &p = b.phase.product;
    place at = product_place<S>(b);
    const bf16 *mixes = buffer<bf16>(r, KERN_DEV_MIX, b.phase.layer);
    bf16 *to = buffer<bf16>(r, KERN_DEV_DMIX);
    float *delta = buffer<float>(r, KERN_DEV_DELTA);
    const uint32_t q_width = r.q_width, head_dim = r.head_dim, heads = r.heads;
    uint32_t column = at.n0 + threadIdx.x % S::LANES * 8;
    auto where = [&](uint32_t row, int) { return vector_at(mixes + (uint64_t)(at.m0 + row) * q_width + column); };
    row_inputs<S, 1> inputs;
    sums<S> c;

    multiply<S, false, true>(
        b, p, at, c, [] { return nothing(); }, [&](nothing) { inputs.ahead(at, where); });
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
