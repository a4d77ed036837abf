/*
 * The product itself: matmul_run cuts C into panels of MATMUL_WIDTH columns and MATMUL_DEPTH terms,
 * packs that piece of B, and matmul_packed walks it column panel by column panel, so that 16
 * columns of B stay in the first-level cache while all rows of A pass by.
 */
#include "matmul.h"
#include "vector.h"

#define ROWS MATMUL_ROWS
#define COLS MATMUL_COLS

/* One register tile: rows x 16 over depth k. The panel is [k][16]; a's element (i, k) stands at
 * a[i * row + k * col]. rows is a constant where this is inlined, so that sums stay in registers.
 */
INLINE void tile(const unsigned rows, uint32_t depth, const float *a, uint64_t row, uint64_t col,
                 const float *panel, vec sum[ROWS][2])
{
    for (uint32_t k = 0; k < depth; k++) {
        vec b0 = vec_load(panel), b1 = vec_load(panel + 8);
#pragma GCC unroll 6
        for (unsigned i = 0; i < rows; i++) {
            vec x = vec_all(a[i * row]);
            sum[i][0] = vec_fma(x, b0, sum[i][0]);
            sum[i][1] = vec_fma(x, b1, sum[i][1]);
        }
        a += col;
        panel += COLS;
    }
}

/* The tile with its beginning and end: sums start from `start` (NULL: zero), the first `cols` of 16
 * columns are stored. */
INLINE void whole_tile(const unsigned rows, uint32_t depth, const float *a, uint64_t row,
                       uint64_t col, const float *panel, float *c, uint64_t c_row,
                       const float *start, uint64_t start_row, unsigned cols)
{
    vec sum[ROWS][2];

#pragma GCC unroll 6
    for (unsigned i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = vec_all(0);
    tile(rows, depth, a, row, col, panel, sum);
    if (cols == COLS) {
#pragma GCC unroll 6
        for (unsigned i = 0; i < rows; i++) {
            if (start) {
                sum[i][0] += vec_load(start + i * start_row);
                sum[i][1] += vec_load(start + i * start_row + 8);
            }
            vec_store(c + i * c_row, sum[i][0]);
            vec_store(c + i * c_row + 8, sum[i][1]);
        }
        return;
    }
    for (unsigned i = 0; i < rows; i++)
        for (unsigned j = 0; j < cols; j++) {
            float x = sum[i][j / LANES][j % LANES];
            c[i * c_row + j] = start ? start[i * start_row + j] + x : x;
        }
}

static void rows_of_panel(uint32_t rows, uint32_t depth, const float *a, uint64_t row, uint64_t col,
                          const float *panel, float *c, uint64_t c_row, const float *start,
                          uint64_t start_row, unsigned cols)
{
    switch (rows) {
    case 6:
        whole_tile(6, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    case 5:
        whole_tile(5, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    case 4:
        whole_tile(4, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    case 3:
        whole_tile(3, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    case 2:
        whole_tile(2, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    default:
        whole_tile(1, depth, a, row, col, panel, c, c_row, start, start_row, cols);
        break;
    }
}

/* Rows of B are contiguous: copy 16 at a time. */
static void pack_rows(float *to, const float *b, uint64_t row, uint32_t depth, uint32_t n)
{
    for (uint32_t j = 0; j < n; j += COLS) {
        unsigned cols = n - j < COLS ? n - j : COLS;

        if (cols == COLS)
            for (uint32_t k = 0; k < depth; k++, to += COLS) {
                vec_store(to, vec_load(b + k * row + j));
                vec_store(to + 8, vec_load(b + k * row + j + 8));
            }
        else
            for (uint32_t k = 0; k < depth; k++, to += COLS) {
                memset(to, 0, COLS * sizeof *to);
                memcpy(to, b + k * row + j, cols * sizeof *to);
            }
    }
}

/* An 8 x 8 block turned: rows of v become columns. */
INLINE void transpose(vec v[8])
{
    vec a[8], b[8];

    for (unsigned i = 0; i < 8; i += 2) {
        a[i] = __builtin_shufflevector(v[i], v[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        a[i + 1] = __builtin_shufflevector(v[i], v[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (unsigned i = 0; i < 8; i += 4)
        for (unsigned j = 0; j < 2; j++) {
            b[i + 2 * j] =
                __builtin_shufflevector(a[i + j], a[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            b[i + 2 * j + 1] =
                __builtin_shufflevector(a[i + j], a[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (unsigned i = 0; i < 4; i++) {
        v[i] = __builtin_shufflevector(b[i], b[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        v[i + 4] = __builtin_shufflevector(b[i], b[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* Columns of B are contiguous, `col` apart: turn 8 x 8 blocks. */
static void pack_cols(float *to, const float *b, uint64_t col, uint32_t depth, uint32_t n)
{
    for (uint32_t j = 0; j < n; j += COLS, to += (uint64_t)depth * COLS) {
        uint32_t cols = n - j < COLS ? n - j : COLS, k = 0;

        if (cols < COLS)
            memset(to, 0, (uint64_t)depth * COLS * sizeof *to);
        for (; cols == COLS && k + 8 <= depth; k += 8)
            for (unsigned half = 0; half < COLS; half += 8) {
                vec v[8];
                for (unsigned i = 0; i < 8; i++)
                    v[i] = vec_load(b + (j + half + i) * col + k);
                transpose(v);
                for (unsigned i = 0; i < 8; i++)
                    vec_store(to + (k + i) * COLS + half, v[i]);
            }
        for (; k < depth; k++)
            for (uint32_t i = 0; i < cols; i++)
                to[k * COLS + i] = b[(j + i) * col + k];
    }
}

void matmul_pack(float *packed, const struct operand *b, uint32_t k, uint32_t n)
{
    if (b->col == 1)
        pack_rows(packed, b->at, b->row, k, n);
    else
        pack_cols(packed, b->at, b->col, k, n);
}

/* A strip of a strided A as panels [k][6]: the register tile would otherwise touch a cache line for
 * every k, all in the same few sets when the stride is a power of two. */
static void pack_strip(float *to, const float *a, uint64_t col, uint32_t rows, uint32_t depth)
{
    uint32_t whole = rows / ROWS, rest = rows % ROWS;

    for (uint32_t k = 0; k < depth; k++, a += col, to += ROWS) {
        for (uint32_t i = 0; i < whole; i++)
            memcpy(to + (uint64_t)i * depth * ROWS, a + i * ROWS, ROWS * sizeof *to);
        if (rest)
            memcpy(to + (uint64_t)whole * depth * ROWS, a + whole * ROWS, rest * sizeof *to);
    }
}

void matmul_packed(const struct matmul *p, const float *packed, float *strip)
{
    uint32_t step = p->a.col == 1 ? p->m : MATMUL_STRIP;

    for (uint32_t top = 0; top < p->m; top += step) {
        uint32_t rows = p->m - top < step ? p->m - top : step;

        if (p->a.col != 1)
            pack_strip(strip, p->a.at + top, p->a.col, rows, p->k);
        for (uint32_t j = 0; j < p->n; j += COLS) {
            const float *panel = packed + (uint64_t)j * p->k;
            unsigned cols = p->n - j < COLS ? p->n - j : COLS;

            for (uint32_t i = 0; i < rows; i += ROWS) {
                uint32_t n = rows - i < ROWS ? rows - i : ROWS;
                uint64_t r = top + i;
                float *c = p->c + r * p->c_row + j;
                const float *start = p->start ? p->start + r * p->start_row + j : NULL;

                if (p->a.col == 1)
                    rows_of_panel(n, p->k, p->a.at + r * p->a.row, p->a.row, 1, panel, c, p->c_row,
                                  start, p->start_row, cols);
                else
                    rows_of_panel(n, p->k, strip + (uint64_t)i * p->k, 1, ROWS, panel, c, p->c_row,
                                  start, p->start_row, cols);
            }
        }
    }
}

void matmul_run(const struct matmul *p, float *scratch)
{
    float *strip = scratch + MATMUL_DEPTH * MATMUL_WIDTH;

    for (uint32_t j = 0; j < p->n; j += MATMUL_WIDTH) {
        uint32_t n = p->n - j < MATMUL_WIDTH ? p->n - j : MATMUL_WIDTH;

        for (uint32_t k = 0; k < p->k; k += MATMUL_DEPTH) {
            uint32_t depth = p->k - k < MATMUL_DEPTH ? p->k - k : MATMUL_DEPTH;
            struct operand b = {p->b.at + k * p->b.row + j * p->b.col, p->b.row, p->b.col};
            struct matmul part = {
                .m = p->m,
                .n = n,
                .k = depth,
                .a = {p->a.at + k * p->a.col, p->a.row, p->a.col},
                .c = p->c + j,
                .c_row = p->c_row,
                .start = k          ? p->c + j
                         : p->start ? p->start + j
                                    : NULL,
                .start_row = k ? p->c_row : p->start_row,
            };
            matmul_pack(scratch, &b, depth, n);
            matmul_packed(&part, scratch, strip);
        }
    }
}
