/*
 * One tile of a matrix product (kern_device_product): a pipeline of cp.async stages of 64 steps of k,
 * eight warps as 2 x 4, ldmatrix, mma.sync. Then the tile's f32 sums go through shared memory once, so
 * that epilogues see rows: a thread gets eight neighbouring columns and global memory 16-byte accesses.
 */
#ifndef KERN_CUDA_PRODUCT_CUH
#define KERN_CUDA_PRODUCT_CUH

#include "block.cuh"
#include "hw/async.cuh"
#include "hw/reduce.cuh"

#define DEPTH ((int)KERN_DEVICE_DEPTH)

template <int SIDE_, int STAGES_> struct tile_shape {
    static constexpr int SIDE = SIDE_, STAGES = STAGES_;
    static constexpr int WARP_M = SIDE / 2, WARP_N = SIDE / 4; /* of a warp's part */
    static constexpr int MI = WARP_M / 16, NJ = WARP_N / 8;
    static constexpr int OPERAND = SIDE * DEPTH * 2; /* bytes of a stage of one operand */
    static constexpr int PITCH = SIDE + 8;           /* floats of a row of sums in shared memory */
    static constexpr int LANES = SIDE / 8;           /* threads that share a row in row passes */
    static constexpr int ROWS = 256 / LANES;         /* rows of one pass */
    static_assert(STAGES * 2 * OPERAND <= (int)KERN_CUDA_TILE_BYTES, "stages");
    static_assert(SIDE * PITCH * 4 <= (int)KERN_CUDA_TILE_BYTES, "sums");
};
typedef tile_shape<128, 3> large_tile;
typedef tile_shape<64, 6> small_tile;

/* Where a tile of C lies. */
struct place {
    uint32_t m0, n0, m, n, split; /* first row and column; sizes of C */
};

template <class S>
__device__ __forceinline__ place tile_place(const kern_device_product &p, uint32_t tile)
{
    kern_device_coordinates c = kern_device_tile(&p, tile);
    return {c.m * S::SIDE, c.n * S::SIDE, p.m, p.n, c.split};
}

/*
 * The copies of one operand by this thread. FIRST: stored as k rows of `extent` (the tile: 64 rows of
 * SIDE), else as `extent` rows of k (SIDE rows of 64).
 */
template <int SIDE, bool FIRST> struct operand {
    static constexpr int COPIES = SIDE * DEPTH / 8 / 256;
    static constexpr int ROW = FIRST ? SIDE * 2 : DEPTH * 2;      /* bytes */
    static constexpr int CHUNKS = ROW / 16, STEP = 256 / CHUNKS; /* chunks of a row; rows apart */
    const bf16 *at;
    uint64_t pitch;
    uint32_t row, chunk;
    uint32_t valid; /* bit i: copy i lies inside `extent` */

    __device__ __forceinline__ operand(const bf16 *base, uint32_t ld, uint32_t e0, uint32_t extent)
    {
        row = threadIdx.x / CHUNKS, chunk = threadIdx.x % CHUNKS;
        valid = 0;
        if (FIRST) {
            valid = e0 + chunk * 8 < extent ? ~0u : 0;
            at = base + (uint64_t)row * ld + e0 + chunk * 8;
            pitch = (uint64_t)STEP * ld;
        } else {
#pragma unroll
            for (int i = 0; i < COPIES; i++)
                valid |= (e0 + row + i * STEP < extent ? 1u : 0u) << i;
            at = base + (uint64_t)(e0 + row) * ld + chunk * 8;
            pitch = (uint64_t)STEP * ld;
        }
    }
    /* Stage of steps k .. k + 63, of which those below `end` exist; base: of the first step (k = 0). */
    __device__ __forceinline__ void copy(uint32_t shared, uint32_t ld, uint32_t k, uint32_t end) const
    {
        const bf16 *from = FIRST ? at + (uint64_t)k * ld : at + k;
#pragma unroll
        for (int i = 0; i < COPIES; i++) {
            bool ok = (valid >> i & 1) && (FIRST ? k + row + i * STEP < end : k + chunk * 8 < end);
            async_copy16(shared + swizzled<ROW>(row + i * STEP, chunk), ok ? from + i * pitch : at, ok);
        }
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

/* The sums of a tile in registers: element [i][j] is rows 16 i and columns 8 j of the warp's part. */
template <class S> struct sums {
    float v[S::MI][S::NJ][4];
};

/*
 * The main loop. Reads A and B past L1; returns after all warps have left the stages. `meanwhile` runs
 * while the first stages are on their way (no synchronisation inside).
 */
template <class S, bool A_FIRST, bool B_FIRST, class F>
__device__ __forceinline__ void multiply(const block &b, const kern_device_product &p, const place &at,
                                         sums<S> &c, F meanwhile)
{
    /* in registers: past a copy the compiler would load them again */
    const uint32_t lda = p.lda, ldb = p.ldb;
    uint32_t begin = at.split * p.k_split, end = min(begin + p.k_split, p.k);
    uint32_t steps = (end - begin + DEPTH - 1) / DEPTH;
    uint32_t a_base = shared_address(tile_of(b)), b_base = a_base + S::STAGES * S::OPERAND;
    operand<S::SIDE, A_FIRST> a(in_arena<const bf16>(b.run, p.a), lda, at.m0, p.m);
    operand<S::SIDE, B_FIRST> w(in_arena<const bf16>(b.run, p.b), ldb, at.n0, p.n);
    uint32_t warp = threadIdx.x / 32, wm = warp / 4 * S::WARP_M, wn = warp % 4 * S::WARP_N;

#pragma unroll
    for (int i = 0; i < S::STAGES - 1; i++) {
        if (i < (int)steps) {
            a.copy(a_base + i * S::OPERAND, lda, begin + i * DEPTH, end);
            w.copy(b_base + i * S::OPERAND, ldb, begin + i * DEPTH, end);
        }
        async_commit();
    }
    meanwhile();
#pragma unroll
    for (int i = 0; i < S::MI; i++)
#pragma unroll
        for (int j = 0; j < S::NJ; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                c.v[i][j][e] = 0;

    uint32_t stage = 0, next = S::STAGES - 1;
    for (uint32_t step = 0; step < steps; step++) {
        async_wait<S::STAGES - 2>();
        __syncthreads();
        if (step + S::STAGES - 1 < steps) {
            uint32_t k = begin + (step + S::STAGES - 1) * DEPTH;
            a.copy(a_base + next * S::OPERAND, lda, k, end);
            w.copy(b_base + next * S::OPERAND, ldb, k, end);
        }
        async_commit();
        uint32_t as = a_base + stage * S::OPERAND, bs = b_base + stage * S::OPERAND;
#pragma unroll
        for (int s = 0; s < DEPTH / 16; s++) {
            uint32_t fa[S::MI][4], fb[S::NJ / 2][4];
#pragma unroll
            for (int i = 0; i < S::MI; i++)
                load_a<S::SIDE, A_FIRST>(fa[i], as, wm + i * 16, s);
#pragma unroll
            for (int j = 0; j < S::NJ / 2; j++)
                load_b<S::SIDE, B_FIRST>(fb[j], bs, wn + j * 16, s);
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

/* Sums to shared memory, row by row; synchronises after. */
template <class S> __device__ __forceinline__ float *lay_out(const block &b, const sums<S> &c)
{
    float *rows = reinterpret_cast<float *>(tile_of(b));
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    float *at = rows + (warp / 4 * S::WARP_M + lane / 4) * S::PITCH + warp % 4 * S::WARP_N + lane % 4 * 2;
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

/*
 * Calls f(row, column, v, in, inside) for every row of the tile and this thread's eight columns; the LANES
 * threads of a row are neighbouring lanes, and all lanes of a warp make the call (also for rows and columns
 * beyond C: f checks `inside`). in [N]: what load(row, in) fetched, for four rows at a time before the
 * first of them is worked, as a store in f might alias the next load.
 */
template <class S, int N, class L, class F>
__device__ __forceinline__ void each_row(const float *rows, const place &at, L load, F f)
{
    constexpr int BATCH = S::SIDE / S::ROWS < 4 ? S::SIDE / S::ROWS : 4;
    uint32_t column = threadIdx.x % S::LANES * 8, first = threadIdx.x / S::LANES;
    bool fits = at.n0 + column < at.n;
    for (uint32_t row0 = first; row0 < S::SIDE; row0 += BATCH * S::ROWS) {
        uint4 in[BATCH][N ? N : 1];
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
#pragma unroll
            for (int j = 0; j < N; j++)
                in[i][j] = make_uint4(0, 0, 0, 0); /* unset elements would live in memory */
            if (fits && at.m0 + row0 + i * S::ROWS < at.m)
                load(row0 + i * S::ROWS, in[i]);
        }
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            uint32_t row = row0 + i * S::ROWS;
            float v[8];
            load8(v, rows + row * S::PITCH + column);
            f(row, column, v, in[i], fits && at.m0 + row < at.m);
        }
    }
}

/* The same where nothing is to be fetched. */
template <class S, class F>
__device__ __forceinline__ void each_row(const float *rows, const place &at, F f)
{
    each_row<S, 0>(
        rows, at, [](uint32_t, uint4 *) {},
        [&](uint32_t row, uint32_t column, float (&v)[8], uint4 *, bool inside) { f(row, column, v, inside); });
}

__device__ __forceinline__ uint4 fetch8(const bf16 *from)
{
    return *reinterpret_cast<const uint4 *>(from);
}

/* f32 sums straight to row-major memory [m, n], overwriting or adding. */
template <class S>
__device__ __forceinline__ void store_sums(const sums<S> &c, const place &at, float *to, bool adds)
{
    uint32_t warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    uint32_t row = at.m0 + warp / 4 * S::WARP_M + lane / 4, column = at.n0 + warp % 4 * S::WARP_N + lane % 4 * 2;
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
template <class S> __device__ __noinline__ void weight_tile(const block &b, uint32_t tile)
{
    const kern_device_product &p = b.phase.weight;
    place at = tile_place<S>(p, tile);
    sums<S> c;
    bool adds = b.phase.weight_adds == KERN_DEV_ADDS_ALWAYS ||
                (b.phase.weight_adds == KERN_DEV_ADDS_LATER && !b.slot.first_micro);

    multiply<S, true, true>(b, p, at, c, [] {});
    store_sums(c, at, in_arena<float>(b.run, b.phase.weight_out) +
                          (uint64_t)at.split * p.m * p.n, adds);
}

#endif
