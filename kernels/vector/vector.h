/*
 * Eight floats at a time. Every file of this folder is compiled once for any machine (the compiler
 * splits a vec into what there is) and once for each instruction set that has a library of its own
 * in meson.build; KERN_VECTOR_NAME(x) is the symbol of x there. Elementwise operations are those of
 * GCC's and Clang's vector extension; a fused multiply-add is always asked for by name.
 */
#ifndef KERN_VECTOR_PRIVATE_H
#define KERN_VECTOR_PRIVATE_H

#include <stdint.h>
#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define LANES 8

typedef float vec __attribute__((vector_size(32)));
typedef int32_t veci __attribute__((vector_size(32)));
typedef double vecd __attribute__((vector_size(32)));
typedef float vec_loose __attribute__((vector_size(32), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vec vec_load(const float *p)
{
    return *(const vec_loose *)p;
}

INLINE void vec_store(float *p, vec v)
{
    *(vec_loose *)p = v;
}

INLINE vec vec_all(float x)
{
    return (vec){x, x, x, x, x, x, x, x};
}

/* a * b + c, rounded once where the machine can. */
INLINE vec vec_fma(vec a, vec b, vec c)
{
#ifdef __FMA__
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
    return a * b + c;
#endif
}

/* m's lanes are all ones or all zeros. */
INLINE vec vec_select(veci m, vec yes, vec no)
{
#ifdef __AVX2__
    return (vec)_mm256_blendv_ps((__m256)no, (__m256)yes, (__m256)m);
#else
    return (vec)((m & (veci)yes) | (~m & (veci)no));
#endif
}

/* b where either is not a number. */
INLINE vec vec_max(vec a, vec b)
{
#ifdef __AVX2__
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vec_select(a > b, a, b);
#endif
}

/* Always in this order: part of a result's bits. */
INLINE float vec_sum(vec v)
{
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

INLINE float vec_top(vec v)
{
    float top = v[0];
    for (unsigned i = 1; i < LANES; i++)
        top = v[i] > top ? v[i] : top;
    return top;
}

/* The first n < LANES floats of p, zeros after them. */
INLINE vec vec_load_part(const float *p, unsigned n)
{
    vec v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}

INLINE void vec_store_part(float *p, vec v, unsigned n)
{
    memcpy(p, &v, n * sizeof *p);
}

/*
 * e^x to 2 units in the last place; 0 below -87.3 (where a float begins to lose bits), e^88 above
 * 88, not-a-number stays one. x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and
 * Waite 1980), e^r by its Taylor series to r^7 / 7!, whose remainder is 2^-27 of it there.
 */
INLINE vec vec_exp(vec x)
{
    const vec round = vec_all(12582912.0f); /* 1.5 * 2^23: adding it leaves the nearest integer */
    veci low = x<vec_all(-87.33f), high = x> vec_all(88.0f);
    x = vec_select(low, vec_all(-87.33f), x);
    x = vec_select(high, vec_all(88.0f), x);
    vec shifted = vec_fma(x, vec_all(1.44269504f), round);
    vec n = shifted - round;
    vec r = vec_fma(n, vec_all(-0.693359375f), x);
    r = vec_fma(n, vec_all(2.12194440e-4f), r);
    vec p = vec_all(1.0f / 5040);
    p = vec_fma(p, r, vec_all(1.0f / 720));
    p = vec_fma(p, r, vec_all(1.0f / 120));
    p = vec_fma(p, r, vec_all(1.0f / 24));
    p = vec_fma(p, r, vec_all(1.0f / 6));
    p = vec_fma(p, r, vec_all(0.5f));
    p = vec_fma(p, r, vec_all(1.0f));
    p = vec_fma(p, r, vec_all(1.0f));
    /* 2^n through the exponent's bits: `shifted` holds n in its lowest mantissa bits. */
    veci power = ((veci)shifted - (veci)round + 127) << 23;
    return vec_select(low, vec_all(0), p * (vec)power);
}

INLINE vec vec_sigmoid(vec x)
{
    return vec_all(1) / (vec_all(1) + vec_exp(-x));
}

/* Sum of a[i] * b[i] over two running vectors. */
INLINE float vec_dot(const float *a, const float *b, uint64_t n)
{
    vec s0 = {0}, s1 = {0};
    uint64_t i = 0;

    for (; i + 16 <= n; i += 16) {
        s0 = vec_fma(vec_load(a + i), vec_load(b + i), s0);
        s1 = vec_fma(vec_load(a + i + 8), vec_load(b + i + 8), s1);
    }
    for (; i < n; i += LANES) {
        unsigned left = n - i < LANES ? (unsigned)(n - i) : LANES;
        s0 = vec_fma(vec_load_part(a + i, left), vec_load_part(b + i, left), s0);
    }
    return vec_sum(s0 + s1);
}

#endif
