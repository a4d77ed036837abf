/*
 * One tile of a matrix product (kern_device_product): a pipeline of cp.async stages, ldmatrix, mma.sync.
 * Large tiles: stages of 64 steps of k, eight warps as 2 x 4. Small ones, where a warp's part of C would be
 * so small that shared memory bounds it: stages of 128 steps, four warps as 2 x 2 for each half of a stage,
 * whose sums meet at the end. Then the tile's f32 sums go through shared memory once, so that epilogues
 * see rows: a thread gets eight neighbouring columns and global memory 16-byte accesses.
 */
#ifndef KERN_CUDA_PRODUCT_CUH
#define KERN_CUDA_PRODUCT_CUH

#include "barrier.cuh"
#include "hw/async.cuh"

#define DEPTH ((int)KERN_DEVICE_DEPTH)

template <int SIDE_, int STAGES_, int PARTS_> struct tile_shape {
    static constexpr int SIDE = SIDE_, STAGES = STAGES_;
    static constexpr int PARTS = PARTS_; /* of a stage, each with 8 / PARTS warps of its own */
    static constexpr int WARPS_N = 4 / PARTS;
    static constexpr int WARP_M = SIDE / 2, WARP_N = SIDE / WARPS_N; /* of a warp's block of C */
    static constexpr int MI = WARP_M / 16, NJ = WARP_N / 8;
    static constexpr int PART = SIDE * DEPTH * 2;  /* bytes of a part of one operand */
    static constexpr int OPERAND = PARTS * PART;   /* of a stage */
    static constexpr int PITCH = SIDE + 8;         /* floats of a row of sums in shared memory */
    static constexpr int LANES = SIDE / 8;         /* threads that share a row in row passes */
    static constexpr int ROWS = 256 / LANES;       /* rows of one pass */
    static constexpr int PASSES = SIDE / ROWS;
    static constexpr int BATCH = PASSES < 4 ? PASSES : 4; /* rows whose inputs are fetched at once */
    static constexpr bool AHEAD = PASSES == BATCH;        /* before the product, that is */
    static_assert(STAGES * 2 * OPERAND <= (int)KERN_CUDA_TILE_BYTES, "stages");
    static_assert(PARTS * SIDE * PITCH * 4 <= (int)KERN_CUDA_TILE_BYTES, "sums");
};
typedef tile_shape<128, 3, 1> large_tile;
typedef tile_shape<64, 3, 2> small_tile;

/* Where a tile of C lies. */
struct place {
    uint32_t m0, n0, m, n, split; /* first row and column; sizes of C */
    bool waits;                   /* the block has not waited yet for the phase before: multiply() does */
};

template <class S> __device__ __forceinline__ place place_of(const kern_device_product &p, uint32_t tile, bool waits)
{
    kern_device_coordinates c = kern_device_tile(&p, tile);
    return {c.m * S::SIDE, c.n * S::SIDE, p.m, p.n, c.split, waits};
}

/* The block's tile being one of the phase's product. */
template <class S> __device__ __forceinline__ place product_place(const block &b)
{
    uint32_t tile = tile_here();
    return place_of<S>(b.phase.product, tile - (b.phase.weights_first ? b.phase.weight.tiles : 0), waits_inside(tile));
}

/* The same, being one of its weight. */
template <class S> __device__ __forceinline__ place weight_place(const block &b)
{
    return place_of<S>(b.phase.weight, tile_here() - (b.phase.weights_first ? 0 : b.phase.product.tiles), false);
}

/*
 * The copies of one operand by this thread, stage after stage. FIRST: stored as k rows of `extent` (a part:
 * 64 rows of SIDE), else as `extent` rows of k (SIDE rows of 64).
 */
template <class S, bool FIRST> struct operand {
    static constexpr int COPIES = S::SIDE * DEPTH / 8 / 256;
    static constexpr int ROW = FIRST ? S::SIDE * 2 : DEPTH * 2; /* bytes */
    static constexpr int CHUNKS = ROW / 16, STEP = 256 / CHUNKS; /* chunks of a row; rows apart */
    static_assert(STEP % 8 == 0, "copies of a thread share their swizzle");
    const bf16 *at; /* of the next stage */
    uint64_t pitch, stage;
    uint32_t to, first; /* in a part; step of k */
    uint32_t valid;     /* bit i: copy i lies inside `extent` */

    __device__ __forceinline__ operand(const bf16 *base, uint32_t ld, uint32_t e0, uint32_t extent, uint32_t k)
    {
        uint32_t row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
        to = swizzled<ROW>(row, chunk);
        pitch = (uint64_t)STEP * ld;
        valid = 0;
        if (FIRST) {
            valid = e0 + chunk * 8 < extent ? ~0u : 0;
            at = base + (uint64_t)(k + row) * ld + e0 + chunk * 8;
            stage = (uint64_t)S::PARTS * DEPTH * ld;
            first = row;
        } else {
#pragma unroll
            for (int i = 0; i < COPIES; i++)
                valid |= (e0 + row + i * STEP < extent ? 1u : 0u) << i;
            at = base + (uint64_t)(e0 + row) * ld + k + chunk * 8;
            stage = S::PARTS * DEPTH;
            first = chunk * 8;
        }
    }
    /* The next stage, of whose steps of k the first `left` exist. What is not there is not read. */
    __device__ __forceinline__ void copy(uint32_t shared, uint32_t left)
    {
#pragma unroll
        for (int g = 0; g < S::PARTS; g++)
#pragma unroll
            for (int i = 0; i < COPIES; i++) {
                bool ok = (valid >> i & 1) && first + (FIRST ? i * STEP : 0) + g * DEPTH < left;
                const bf16 *from = FIRST ? at + (g * COPIES + i) * pitch : at + i * pitch + g * DEPTH;
                async_copy16(shared + to + g * S::PART + i * STEP * ROW, from, ok);
            }
        at += stage;
    }
};

/* Fragment of A for rows m .. m + 15 of the tile and steps 16 s .. 16 s + 15 of the stage. */
template <int SIDE, bool FIRST>
__device__ __forceinline__ void load_a(uint32_t (&a)[4], uint32_t stage, uint32_t m, uint32_t s)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    if (FIRST)
        load_blocks_transposed(a, stage + swizzled<SIDE * 2>(s * 16 + (block >> 1) * 8 + r,
                                                             m / 8 + (block & 1)));
    else
        load_blocks(a, stage + swizzled<DEPTH * 2>(m + (block & 1) * 8 + r, s * 2 + (block >> 1)));
}

/* Fragments of B for columns n .. n + 15: b[0], b[1] of the first eight, b[2], b[3] of the next. */
template <int SIDE, bool FIRST>
__device__ __forceinline__ void load_b(uint32_t (&b)[4], uint32_t stage, uint32_t n, uint32_t s)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    if (FIRST)
        load_blocks_transposed(b, stage + swizzled<SIDE * 2>(s * 16 + (block & 1) * 8 + r,
                                                             n / 8 + (block >> 1)));
    else
        load_blocks(b, stage + swizzled<DEPTH * 2>(n + (block >> 1) * 8 + r, s * 2 + (block & 1)));
}

/* The sums of a tile in registers: element [i][j] is rows 16 i and columns 8 j of the warp's block. */
template <class S> struct sums {
    float v[S::MI][S::NJ][4];
};

/* This warp's: its part of the stages, where its block of C begins. */
template <class S> struct warp_block {
    uint32_t part, m, n;
    __device__ __forceinline__ warp_block()
    {
        uint32_t warp = threadIdx.x / 32, in = warp % (8 / S::PARTS);
        part = warp / (8 / S::PARTS), m = in / S::WARPS_N * S::WARP_M, n = in % S::WARPS_N * S::WARP_N;
    }
};

/*
 * The main loop. Reads A and B past L1; returns after all warps have left the stages. Where the phase before is still to be
 * waited for, B's first stages are asked for first: B is weights then, which only an update writes (table.c).
 * `ask` loads what the phase before wrote beside the operands, and gives it to `use` once they are asked for, too: what is
 * loaded behind them comes after them. No synchronisation inside either.
 */
template <class S, bool A_FIRST, bool B_FIRST, class Ask, class Use>
__device__ __forceinline__ void multiply(const block &b, const kern_device_product &p, const place &at,
                                         sums<S> &c, Ask ask_beside, Use use)
{
    constexpr uint32_t DEEP = S::PARTS * DEPTH;
    uint32_t begin = at.split * p.k_split, left = min(p.k_split, p.k - begin); /* not asked for yet */
    uint32_t steps = (left + DEEP - 1) / DEEP;
    uint32_t a_base = shared_address(tile_of(b)), b_base = a_base + S::STAGES * S::OPERAND;
    operand<S, A_FIRST> a(in_arena<const bf16>(b.run, p.a), p.lda, at.m0, p.m, begin);
    operand<S, B_FIRST> w(in_arena<const bf16>(b.run, p.b), p.ldb, at.n0, p.n, begin);
    warp_block<S> own;

    auto ask = [&](uint32_t stage) {
        if (left) {
            a.copy(a_base + stage * S::OPERAND, left);
            w.copy(b_base + stage * S::OPERAND, left);
            left -= min(left, DEEP);
        }
        async_commit();
    };
#pragma unroll 1
    for (uint32_t i = 0, rest = left; i < S::STAGES - 1 && rest; i++, rest -= min(rest, DEEP))
        w.copy(b_base + i * S::OPERAND, rest);
    if (at.waits)
        await_phase();
    auto beside = ask_beside();
#pragma unroll 1
    for (int i = 0; i < S::STAGES - 1; i++) {
        if (left) {
            a.copy(a_base + i * S::OPERAND, left);
            left -= min(left, DEEP);
        }
        async_commit(); /* the first group has all of B so far */
    }
    use(beside);
    draw();
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int j = 0; j < S::NJ; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                c.v[i][j][e] = 0;

    uint32_t stage = 0, next = S::STAGES - 1;
#pragma unroll 1
    for (uint32_t step = 0; step < steps; step++) {
        async_wait<S::STAGES - 2>();
        __syncthreads();
        ask(next);
        uint32_t as = a_base + stage * S::OPERAND + own.part * S::PART;
        uint32_t bs = b_base + stage * S::OPERAND + own.part * S::PART;
#pragma unroll
        for (int s = 0; s < DEPTH / 16; s++) {
            uint32_t fa[S::MI][4], fb[S::NJ / 2][4];
#pragma unroll
            for (int i = 0; i < S::MI; i++)
                load_a<S::SIDE, A_FIRST>(fa[i], as, own.m + i * 16, s);
#pragma unroll
            for (int j = 0; j < S::NJ / 2; j++)
                load_b<S::SIDE, B_FIRST>(fb[j], bs, own.n + j * 16, s);
#pragma unroll
            for (int i = 0; i < S::MI; i++)
#pragma unroll
                for (int j = 0; j < S::NJ; j++)
                    mma(c.v[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1]);
        }
        stage = stage + 1 == S::STAGES ? 0 : stage + 1;
        next = next + 1 == S::STAGES ? 0 : next + 1;
    }
    async_wait<0>();
    __syncthreads();
}

/* Sums to shared memory, row by row, a plane for each part; synchronises after. */
template <class S> __device__ __forceinline__ float *lay_out(const block &b, const sums<S> &c)
{
    float *rows = reinterpret_cast<float *>(tile_of(b));
    uint32_t lane = threadIdx.x % 32;
    warp_block<S> own;
    float *at = rows + (own.part * S::SIDE + own.m + lane / 4) * S::PITCH + own.n + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int j = 0; j < S::NJ; j++)
#pragma unroll
            for (int h = 0; h < 2; h++)
                *reinterpret_cast<float2 *>(at + (i * 16 + h * 8) * S::PITCH + j * 8) =
                    make_float2(c.v[i][j][2 * h], c.v[i][j][2 * h + 1]);
    __syncthreads();
    return rows;
}

__device__ __forceinline__ void load8(float (&v)[8], const float *from)
{
    float4 a = *reinterpret_cast<const float4 *>(from), b = *reinterpret_cast<const float4 *>(from + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

__device__ __forceinline__ void load8(float (&v)[8], const bf16 *from)
{
    unpack(v, *reinterpret_cast<const uint4 *>(from));
}

__device__ __forceinline__ void store8(bf16 *to, const float (&v)[8])
{
    *reinterpret_cast<uint4 *>(to) = pack8(v);
}

/* As they come back from bf16. */
__device__ __forceinline__ void round8(float (&v)[8])
{
    unpack(v, pack8(v));
}

/* Eight sums of a row, from what lay_out() gave. */
template <class S> __device__ __forceinline__ void load_sums(float (&v)[8], const float *rows, uint32_t row, uint32_t column)
{
    const float *from = rows + row * S::PITCH + column;
    load8(v, from);
    if (S::PARTS == 2) {
        float w[8];
        load8(w, from + S::SIDE * S::PITCH);
#pragma unroll
        for (int e = 0; e < 8; e++)
            v[e] += w[e];
    }
}

/*
 * What rows of the tile need beside their sums: N vectors each, BATCH rows at a time, all fetched before the first of
 * them is worked, as a store there might alias the next load. Where there is one batch it comes with the product's
 * operands; of two, the first while the sums are laid out.
 */
template <class S, int N> struct row_inputs {
    uint4 v[S::BATCH][N ? N : 1];

    /* where(row, j): vector j of a row of the tile, NULL: zeros. */
    template <class W> __device__ __forceinline__ void fetch(const place &at, uint32_t row0, W where)
    {
        bool fits = at.n0 + threadIdx.x % S::LANES * 8 < at.n;
#pragma unroll
        for (int i = 0; i < S::BATCH; i++)
#pragma unroll
            for (int j = 0; j < N; j++) {
                v[i][j] = make_uint4(0, 0, 0, 0); /* unset elements would live in memory */
                if (fits && at.m0 + row0 + i * S::ROWS < at.m)
                    if (const uint4 *from = where(row0 + i * S::ROWS, j))
                        v[i][j] = *from;
            }
    }
    /* To be called while the product's operands come. */
    template <class W> __device__ __forceinline__ void ahead(const place &at, W where)
    {
        if (S::AHEAD)
            fetch(at, threadIdx.x / S::LANES, where);
    }
};

/* The sums of a tile laid out, while what its first rows need comes. */
template <class S, int N, class W>
__device__ __forceinline__ float *lay_out(const block &b, const sums<S> &c, const place &at, row_inputs<S, N> &in, W where)
{
    if (!S::AHEAD)
        in.fetch(at, threadIdx.x / S::LANES, where);
    return lay_out(b, c);
}

/*
 * Calls f(row, column, v, in, inside) for every row of the tile and this thread's eight columns; the LANES
 * threads of a row are neighbouring lanes, and all lanes of a warp make the call (also for rows and columns
 * beyond C: f checks `inside`). in [N]: the row's inputs.
 */
template <class S, int N, class W, class F>
__device__ __forceinline__ void each_row(const float *rows, const place &at, row_inputs<S, N> &in, W where, F f)
{
    uint32_t column = threadIdx.x % S::LANES * 8, first = threadIdx.x / S::LANES;
    bool fits = at.n0 + column < at.n;
    auto batch = [&](uint32_t row0) {
#pragma unroll
        for (int i = 0; i < S::BATCH; i++) {
            uint32_t row = row0 + i * S::ROWS;
            float v[8];
            load_sums<S>(v, rows, row, column);
            f(row, column, v, in.v[i], fits && at.m0 + row < at.m);
        }
    };
    if constexpr (S::AHEAD) {
        batch(first);
    } else {
#pragma unroll 1
        for (uint32_t row0 = first; row0 < S::SIDE; row0 += S::BATCH * S::ROWS) {
            if (N && row0 != first)
                in.fetch(at, row0, where);
            batch(row0);
        }
    }
}

/* The same where nothing is to be fetched. */
template <class S, class F>
__device__ __forceinline__ void each_row(const float *rows, const place &at, F f)
{
    row_inputs<S, 0> none;
    each_row<S, 0>(
        rows, at, none, [](uint32_t, int) -> const uint4 * { return nullptr; },
        [&](uint32_t row, uint32_t column, float (&v)[8], uint4 *, bool inside) { f(row, column, v, inside); });
}

/* Rounded rows of COLUMNS in shared memory, on their way from registers: an element's place. */
template <int COLUMNS> __device__ __forceinline__ bf16 *rounded_at(bf16 *rows, uint32_t row, uint32_t column)
{
    return rows + row * (COLUMNS + 8) + column; /* eight rows in different banks */
}

/* ROWS of them to `to`, rows `pitch` apart, as far as they are there. */
template <int ROWS, int COLUMNS>
__device__ __forceinline__ void store_rounded(bf16 *rows, bf16 *to, uint32_t pitch, uint32_t rows_there, uint32_t columns_there)
{
    constexpr int LANES = COLUMNS / 8, STEP = 256 / LANES;
    uint32_t column = threadIdx.x % LANES * 8;
    if (column >= columns_there)
        return;
#pragma unroll
    for (int i = 0; i < ROWS / STEP; i++) {
        uint32_t row = threadIdx.x / LANES + i * STEP;
        if (row < rows_there)
            *reinterpret_cast<uint4 *>(to + (uint64_t)row * pitch + column) =
                *reinterpret_cast<const uint4 *>(rounded_at<COLUMNS>(rows, row, column));
    }
}

/* A row of the tile for each group of LANES threads, if C has it: of a small tile for four threads, as many loads one
 * after the other would be waited for; of a large one, which has work for that time, for one. */
template <class S> struct tile_row {
    static constexpr int LANES = S::AHEAD ? 256 / S::SIDE : 1;
    uint32_t row, n;
    bool there, first; /* this thread is the group's first */

    __device__ __forceinline__ explicit tile_row(const place &at)
        : row(threadIdx.x / LANES), n(at.m0 + row), there(row < S::SIDE && n < at.m), first(threadIdx.x % LANES == 0)
    {
    }
    __device__ __forceinline__ slot_sum<LANES> sum(const float *slots, uint32_t count, uint32_t row0 = 0) const
    {
        return slot_sum<LANES>(slots + (uint64_t)(row0 + n) * count, there ? count : 0);
    }
};

/* 1 / rms of the tile's rows, which are row0 .. of the residual stream: asked for at once, stored by put(). */
template <class S> struct row_scales {
    tile_row<S> mine;
    slot_sum<tile_row<S>::LANES> squares;

    __device__ __forceinline__ row_scales(const kern_cuda_run &r, const place &at, const float *of, uint32_t row0 = 0)
        : mine(at), squares(mine.sum(of, r.norm_slots, row0))
    {
    }
    __device__ __forceinline__ void put(const kern_cuda_run &r, float *scale)
    {
        float sum = squares.value();
        if (mine.there && mine.first)
            scale[mine.row] = rms_scale(r, sum);
    }
};

/* What a product that needs nothing else gives multiply(). */
struct nothing {};

__device__ __forceinline__ const uint4 *vector_at(const void *from)
{
    return reinterpret_cast<const uint4 *>(from);
}

/* f32 sums to row-major memory [m, n], overwriting or adding: straight from registers where they are whole
 * there. */
template <class S>
__device__ __forceinline__ void store_sums(const block &b, const sums<S> &c, const place &at, float *to, bool adds)
{
    if (S::PARTS == 2) {
        float *rows = lay_out(b, c);
        each_row<S>(rows, at, [&](uint32_t row, uint32_t column, float (&v)[8], bool inside) {
            if (!inside)
                return;
            float4 *p = reinterpret_cast<float4 *>(to + (uint64_t)(at.m0 + row) * at.n + at.n0 + column);
            if (adds) {
                float old[8];
                load8(old, reinterpret_cast<float *>(p));
#pragma unroll
                for (int e = 0; e < 8; e++)
                    v[e] += old[e];
            }
            p[0] = make_float4(v[0], v[1], v[2], v[3]);
            p[1] = make_float4(v[4], v[5], v[6], v[7]);
        });
        return;
    }
    warp_block<S> own;
    uint32_t lane = threadIdx.x % 32;
    uint32_t row = at.m0 + own.m + lane / 4, column = at.n0 + own.n + lane % 4 * 2;
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int h = 0; h < 2; h++)
#pragma unroll
            for (int j = 0; j < S::NJ; j++) {
                uint32_t m = row + i * 16 + h * 8, n = column + j * 8;
                if (m >= at.m || n >= at.n)
                    continue;
                float2 *p = reinterpret_cast<float2 *>(to + (uint64_t)m * at.n + n);
                float2 v = make_float2(c.v[i][j][2 * h], c.v[i][j][2 * h + 1]);
                if (adds) {
                    float2 old = *p;
                    v.x += old.x, v.y += old.y;
                }
                *p = v;
            }
}

/* The weight's part of a backward phase: dW = dY^T X. */
template <class S> __device__ __noinline__ void weight_tile()
{
    const block b = here();
    const kern_device_product &p = b.phase.weight;
    place at = weight_place<S>(b);
    sums<S> c;
    bool adds = b.phase.weight_adds == KERN_DEV_ADDS_ALWAYS ||
                (b.phase.weight_adds == KERN_DEV_ADDS_LATER && !b.slot.first_micro);

    multiply<S, true, true>(
        b, p, at, c, [] { return nothing(); }, [](nothing) {});
    store_sums(b, c, at, in_arena<float>(b.run, b.phase.weight_out) +
                             (uint64_t)at.split * p.m * p.n, adds);
}

#endif
