/*
 * What attention and the scanned head have in common: a block owns some rows, others stream by; a warp holds 16 own
 * rows, takes their products with streamed ones, and adds streamed rows up, weighted by something of the
 * products. Rows have HD elements.
 */
#ifndef KERN_CUDA_ROWS_CUH
#define KERN_CUDA_ROWS_CUH

#include "block.cuh"
#include "hw/async.cuh"

#define STREAM 64 /* rows of a stage, where nothing else is said */

__device__ __forceinline__ void store_shared(uint32_t at, uint32_t v)
{
    asm volatile("st.shared.b32 [%0], %1;" ::"r"(at), "r"(v) : "memory");
}

/* WARPS that share rows; `team`, not 0, is theirs alone. */
template <int WARPS> __device__ __forceinline__ void team_sync(uint32_t team)
{
    asm volatile("bar.sync %0, %1;" ::"r"(team), "n"(WARPS * 32) : "memory");
}

/* This thread's copies of rows of HD elements from a row-major matrix into a swizzled tile. */
template <int HD> struct row_copies {
    static constexpr int CHUNKS = HD / 8, STEP = 256 / CHUNKS;
    static_assert(STEP % 8 == 0, "copies of a thread share their swizzle");
    uint64_t offset, step; /* elements */
    uint32_t to, row;
    bool there;

    /* Columns from `columns`, a multiple of 8, on are zero. */
    __device__ __forceinline__ row_copies(uint32_t pitch, uint32_t columns = HD)
    {
        uint32_t chunk = threadIdx.x % CHUNKS;
        there = chunk * 8 < columns;
        row = threadIdx.x / CHUNKS, to = swizzled<HD * 2>(row, chunk);
        offset = (uint64_t)row * pitch + chunk * 8, step = (uint64_t)STEP * pitch;
    }
    /* ROWS of them. Rows from `limit` on are not read but zero. */
    template <int ROWS = STREAM> __device__ __forceinline__ void copy(uint32_t shared, const bf16 *from, uint32_t limit) const
    {
        static_assert(ROWS % STEP == 0, "copies of all threads");
        from += offset;
#pragma unroll
        for (int i = 0; i < ROWS / STEP; i++)
            async_copy16(shared + to + i * STEP * HD * 2, from + i * step, there && row + i * STEP < limit);
    }
};

template <int N> __device__ __forceinline__ void clear(float (&v)[N][4])
{
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            v[j][e] = 0;
}

/*
 * Where this lane's rows of a fragment begin: row `row` of a tile, chunk `chunk` (0 or 1) of its swizzled row. The
 * next fragment along a row stands at XOR 32, 64, ... (tiles are aligned to their rows), the one below
 * sixteen rows on: no more than an instruction each.
 */
template <int HD> __device__ __forceinline__ uint32_t lane_at(uint32_t row, uint32_t chunk)
{
    return swizzled<HD * 2>(row, chunk);
}

/* s [16, COLUMNS] = own rows (at row `m` of tile `own`) . other rows^T */
template <int HD, int COLUMNS>
__device__ __forceinline__ void scores(float (&s)[COLUMNS / 8][4], uint32_t own, uint32_t m, uint32_t other)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    uint32_t a_at = own + lane_at<HD>(m + (block & 1) * 8 + r, block >> 1);
    uint32_t w_at = other + lane_at<HD>((block >> 1) * 8 + r, block & 1);
    clear(s);
#pragma unroll
    for (int k = 0; k < HD / 16; k++) {
        uint32_t a[4];
        load_blocks(a, a_at ^ (k << 5));
#pragma unroll
        for (int j = 0; j < COLUMNS / 16; j++) {
            uint32_t w[4];
            load_blocks(w, (w_at ^ (k << 5)) + j * 16 * HD * 2);
            mma(s[2 * j], a, w[0], w[1]);
            mma(s[2 * j + 1], a, w[2], w[3]);
        }
    }
}

/* to [16, HD] += p [16, COLUMNS] (rounded to bf16) . other rows */
template <int HD, int COLUMNS>
__device__ __forceinline__ void mix(float (&to)[HD / 8][4], const float (&p)[COLUMNS / 8][4], uint32_t other)
{
    uint32_t lane = threadIdx.x % 32, block = lane / 8, r = lane % 8;
    uint32_t w_at = other + lane_at<HD>((block & 1) * 8 + r, block >> 1);
    uint32_t a[COLUMNS / 16][4];
#pragma unroll
    for (int k = 0; k < COLUMNS / 16; k++) {
        a[k][0] = pack(p[2 * k][0], p[2 * k][1]), a[k][1] = pack(p[2 * k][2], p[2 * k][3]);
        a[k][2] = pack(p[2 * k + 1][0], p[2 * k + 1][1]), a[k][3] = pack(p[2 * k + 1][2], p[2 * k + 1][3]);
    }
#pragma unroll
    for (int j = 0; j < HD / 16; j++)
#pragma unroll
        for (int k = 0; k < COLUMNS / 16; k++) {
            uint32_t w[4];
            load_blocks_transposed(w, (w_at ^ (j << 5)) + k * 16 * HD * 2);
            mma(to[2 * j], a[k], w[0], w[1]);
            mma(to[2 * j + 1], a[k], w[2], w[3]);
        }
}

#endif
