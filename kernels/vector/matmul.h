/*
 * Matrix products of floats on one core: C = A B, C = D + A B (D may be C). Packed panels of B, a
 * register tile of 6 x 16 (12 vectors of sums, 2 of B, 1 of A: the 16 registers of AVX2).
 *
 * Each element of C is one chain of fused multiply-adds over k in ascending order (in runs of
 * MATMUL_DEPTH added up in order), whatever M, N and the element's place: so results do not depend
 * on how a caller cuts M and N.
 */
#ifndef KERN_MATMUL_PRIVATE_H
#define KERN_MATMUL_PRIVATE_H

#include <stdint.h>

#define MATMUL_ROWS 6
#define MATMUL_COLS 16
/* Depth of a panel: 256 * 16 floats are half of a 32 KB first-level cache. */
#define MATMUL_DEPTH 256u
/* Columns packed at once: 256 * 256 floats are half of a 512 KB second-level cache. */
#define MATMUL_WIDTH 256u
/* Rows of a strided A packed at once. */
#define MATMUL_STRIP 96u

/* Floats of scratch that matmul needs, at 64-byte alignment. */
#define MATMUL_SCRATCH (MATMUL_DEPTH * (MATMUL_WIDTH + MATMUL_STRIP))

/* Vocabulary that vector/head.c works at once; here because plan.c sizes its scratch. */
#define VECTOR_HEAD_IDS 128u

/* Element (i, j) of an operand stands at at[i * row + j * col]; one of row, col is 1. */
struct operand {
    const float *at;
    uint64_t row, col;
};

struct matmul {
    uint32_t m, n, k;
    struct operand a; /* [m, k] */
    struct operand b; /* [k, n] */
    float *c;         /* [m, n], rows c_row apart; overlaps no operand */
    uint64_t c_row;
    const float *start; /* [m, n], added to the product; NULL: nothing; may be c */
    uint64_t start_row;
};

#define MATMUL_NAME2(isa, name) kern_##isa##_##name
#define MATMUL_NAME1(isa, name) MATMUL_NAME2(isa, name)
/* KERN_VECTOR_ISA comes from meson.build. */
#define KERN_VECTOR_NAME(name) MATMUL_NAME1(KERN_VECTOR_ISA, name)

#define matmul_run KERN_VECTOR_NAME(matmul_run)
#define matmul_pack KERN_VECTOR_NAME(matmul_pack)
#define matmul_packed KERN_VECTOR_NAME(matmul_packed)

/* scratch: MATMUL_SCRATCH floats. */
void matmul_run(const struct matmul *p, float *scratch);

/* For callers that use one B many times: k <= MATMUL_DEPTH. packed: k * (n rounded up to 16)
 * floats. */
void matmul_pack(float *packed, const struct operand *b, uint32_t k, uint32_t n);
/* p->b is not read. strip: MATMUL_STRIP * MATMUL_DEPTH floats, needed where p->a.col != 1. */
void matmul_packed(const struct matmul *p, const float *packed, float *strip);

#endif
