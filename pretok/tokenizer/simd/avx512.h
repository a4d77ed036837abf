/*
 * Lanes of AVX-512 with BW, VL and VBMI2, and what avx2.h needs besides; see lanes.h, which includes
 * this. VBMI2 begins with Ice Lake and Zen 4. Processors before those have no vpcompressb, lower
 * their clock for vectors of 512 bits, and take AVX2 instead.
 */
#define LANES 64
typedef __m512i bytes, table16;
typedef __mmask64 test;
typedef uint64_t lane_mask;

INLINE bytes load(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

INLINE void store(uint8_t *at, bytes x)
{
    _mm512_storeu_si512(at, x);
}

INLINE bytes all(unsigned c)
{
    return _mm512_set1_epi8((char)c);
}

INLINE bytes bytes_and(bytes x, bytes y)
{
    return _mm512_and_si512(x, y);
}

INLINE bytes bytes_or(bytes x, bytes y)
{
    return _mm512_or_si512(x, y);
}

INLINE bytes bytes_xor(bytes x, bytes y)
{
    return _mm512_xor_si512(x, y);
}

INLINE bytes bytes_less(bytes x, bytes y)
{
    return _mm512_subs_epu8(x, y);
}

INLINE table16 table(const uint8_t *at)
{
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)at));
}

INLINE bytes by_low_ascii(table16 t, bytes x)
{
    return _mm512_shuffle_epi8(t, x);
}

INLINE bytes by_low(table16 t, bytes x)
{
    return _mm512_shuffle_epi8(t, _mm512_and_si512(x, all(15)));
}

INLINE bytes by_high(table16 t, bytes x)
{
    return _mm512_shuffle_epi8(t, _mm512_and_si512(_mm512_srli_epi16(x, 4), all(15)));
}

/* the last quarter of `before` and the first three of x, so that each quarter finds its predecessor */
INLINE bytes straddle(bytes x, bytes before)
{
    return _mm512_alignr_epi32(x, before, 12);
}

INLINE bytes behind_1(bytes x, bytes before)
{
    return _mm512_alignr_epi8(x, straddle(x, before), 15);
}

INLINE bytes behind_2(bytes x, bytes before)
{
    return _mm512_alignr_epi8(x, straddle(x, before), 14);
}

INLINE bytes behind_3(bytes x, bytes before)
{
    return _mm512_alignr_epi8(x, straddle(x, before), 13);
}

INLINE test is(bytes x, unsigned c)
{
    return _mm512_cmpeq_epi8_mask(x, all(c));
}

INLINE test within(bytes x, unsigned low, unsigned high)
{
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(x, all(low)), all(high - low));
}

INLINE test has(bytes x, unsigned bits)
{
    return bits == 0x80 ? _mm512_movepi8_mask(x) : _mm512_test_epi8_mask(x, all(bits));
}

INLINE test misses(bytes x, bytes y)
{
    return _mm512_testn_epi8_mask(x, y);
}

INLINE test test_none(void)
{
    return 0;
}

INLINE test test_and(test a, test b)
{
    return a & b;
}

INLINE test test_or(test a, test b)
{
    return a | b;
}

INLINE test test_andnot(test a, test b)
{
    return ~a & b;
}

INLINE bytes bytes_of(test t)
{
    return _mm512_movm_epi8(t);
}

INLINE bytes pick(test t, bytes x, bytes y)
{
    return _mm512_mask_blend_epi8(t, y, x);
}

INLINE lane_mask mask_of(test t)
{
    return t;
}

INLINE bool any(bytes x)
{
    return _mm512_test_epi8_mask(x, x) != 0;
}

INLINE bool ascii(bytes x)
{
    return _mm512_movepi8_mask(x) == 0;
}

/* Sixteen at a time. Few windows have more than 32 pieces, many more than 16: a branch there would
 * be mispredicted. */
INLINE void write_bits(uint32_t *out, uint32_t base, uint64_t mask)
{
    static const uint8_t places[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const __m512i from = _mm512_set1_epi32((int)base);
    __m512i set = _mm512_maskz_compress_epi8(mask, load(places));
    __m512i a = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(set));
    __m512i b = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(set, 1));

    _mm512_storeu_si512(out, _mm512_add_epi32(a, from));
    _mm512_storeu_si512(out + 16, _mm512_add_epi32(b, from));
    if (__builtin_expect(__builtin_popcountll(mask) > 32, 0)) {
        a = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(set, 2));
        b = _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(set, 3));
        _mm512_storeu_si512(out + 32, _mm512_add_epi32(a, from));
        _mm512_storeu_si512(out + 48, _mm512_add_epi32(b, from));
    }
}

INLINE uint32_t least_of_32(const uint32_t *at)
{
    return _mm512_reduce_min_epu32(
        _mm512_min_epu32(_mm512_loadu_si512(at), _mm512_loadu_si512(at + 16)));
}
