/* Matrix products at edge shapes, compiled once for each instruction set, against plain sums in
 * double; guard zones of not-a-number around C, poison in C. */
#include "t.h"

#include "kern/functions.h"
#include "matmul.h"

#include <math.h>
#include <stdbool.h>

static const uint32_t sizes[] = {1, 2, 5, 6, 7, 8, 15, 16, 17, 31, 33, 96, 97, 255, 256, 257, 300};
#define SIZES (sizeof sizes / sizeof sizes[0])
/* Each sum is one chain of k roundings: the error stays below k * 2^-24 of the sum of sizes. */
#define UNIT 0x1p-24
#define GUARD 3

static uint64_t state = 17;

static float number(void)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((double)(state >> 33) / 0x1p30 - 1);
}

static float *numbers(uint64_t n)
{
    float *v = calloc(n, sizeof *v);

    T_REQUIRE(v);
    for (uint64_t i = 0; i < n; i++)
        v[i] = number();
    return v;
}

static double at(const struct operand *o, uint32_t i, uint32_t j)
{
    return (double)o->at[i * o->row + j * o->col];
}

/* start: 0 none, 1 another matrix, 2 c itself. */
static void check(uint32_t m, uint32_t n, uint32_t k, bool turn_a, bool turn_b, unsigned start)
{
    uint64_t c_row = n + GUARD, c_size = (m + 2) * c_row;
    float *a = numbers((uint64_t)m * k), *b = numbers((uint64_t)k * n);
    float *c = numbers(c_size), *d = numbers((uint64_t)m * n), *old = numbers(c_size);
    float *scratch = aligned_alloc(64, MATMUL_SCRATCH * sizeof *scratch);
    struct matmul p = {.m = m,
                       .n = n,
                       .k = k,
                       .a = {a, turn_a ? 1 : k, turn_a ? m : 1},
                       .b = {b, turn_b ? 1 : n, turn_b ? k : 1},
                       .c = c + c_row,
                       .c_row = c_row};

    T_REQUIRE(scratch);
    memset(scratch, 0xff, MATMUL_SCRATCH * sizeof *scratch);
    for (uint64_t i = 0; i < c_size; i++)
        if (i < c_row || i >= (m + 1) * c_row || i % c_row >= n || start != 2)
            c[i] = NAN;
    memcpy(old, c, c_size * sizeof *c);
    if (start == 1)
        p.start = d, p.start_row = n;
    if (start == 2)
        p.start = p.c, p.start_row = c_row;
    matmul_run(&p, scratch);
    for (uint64_t i = 0; i < c_size; i++) {
        uint64_t row = i / c_row, col = i % c_row;
        double sum = 0, size = 0;

        if (row < 1 || row > m || col >= n) {
            if (!isnan(c[i]))
                T_FAIL("%u x %u x %u: wrote outside at %llu", m, n, k, (unsigned long long)i);
            continue;
        }
        for (uint32_t x = 0; x < k; x++) {
            double term = at(&p.a, (uint32_t)row - 1, x) * at(&p.b, x, (uint32_t)col);
            sum += term;
            size += fabs(term);
        }
        if (start) {
            double s = start == 1 ? (double)d[(row - 1) * n + col] : (double)old[i];
            sum += s;
            size += fabs(s);
        }
        if (!(fabs((double)c[i] - sum) <= (k + 1) * UNIT * size)) {
            T_FAIL("%u x %u x %u, turned %d %d, start %u: (%llu, %llu) is %.9g, expected %.9g", m,
                   n, k, turn_a, turn_b, start, (unsigned long long)row - 1,
                   (unsigned long long)col, (double)c[i], sum);
            break;
        }
    }
    free(a);
    free(b);
    free(c);
    free(d);
    free(old);
    free(scratch);
}

static bool absent(void)
{
#ifdef __AVX2__
    return !(kern_isa_here() & KERN_ISA_AVX2_FMA);
#else
    return false;
#endif
}

/* Every size in each place beside two others that change with it. */
T_CASE(edges)
{
    if (absent())
        T_SKIP("no AVX2 here");
    for (unsigned i = 0; i < SIZES; i++)
        for (unsigned j = 0; j < SIZES; j++)
            for (unsigned form = 0; form < 4; form++) {
                unsigned start = (i + j + form) % 3;
                check(sizes[i], sizes[j], sizes[(i * 5 + j * 3) % SIZES], form & 1, form & 2,
                      start);
            }
}

/* A row's result must not depend on which rows stand beside it. */
T_CASE(rows_apart)
{
    uint32_t m = 13, n = 37, k = 300;
    float *a = numbers((uint64_t)m * k), *b = numbers((uint64_t)k * n);
    float *whole = numbers((uint64_t)m * n), *single = numbers(n);
    float *scratch = aligned_alloc(64, MATMUL_SCRATCH * sizeof *scratch);

    if (absent())
        T_SKIP("no AVX2 here");
    struct matmul p = {
        .m = m, .n = n, .k = k, .a = {a, k, 1}, .b = {b, n, 1}, .c = whole, .c_row = n};
    matmul_run(&p, scratch);
    for (uint32_t i = 0; i < m; i++) {
        p.m = 1, p.a.at = a + i * k, p.c = single;
        matmul_run(&p, scratch);
        T_EQ_MEM(single, whole + i * n, n * sizeof *single);
    }
    free(a);
    free(b);
    free(whole);
    free(single);
    free(scratch);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
