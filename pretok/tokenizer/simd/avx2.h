/* Lanes of AVX2, with BMI, BMI2, LZCNT and POPCNT; see lanes.h, which includes this. */
#define LANES 32
typedef __m256i bytes, test, table16;
typedef uint32_t lane_mask;

INLINE bytes load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

INLINE void store(uint8_t *at, bytes x)
{
    _mm256_storeu_si256((__m256i *)(void *)at, x);
}

INLINE bytes all(unsigned c)
{
    return _mm256_set1_epi8((char)c);
}

INLINE bytes bytes_and(bytes x, bytes y)
{
    return _mm256_and_si256(x, y);
}

INLINE bytes bytes_or(bytes x, bytes y)
{
    return _mm256_or_si256(x, y);
}

INLINE bytes bytes_xor(bytes x, bytes y)
{
    return _mm256_xor_si256(x, y);
}

INLINE bytes bytes_less(bytes x, bytes y)
{
    return _mm256_subs_epu8(x, y);
}

INLINE table16 table(const uint8_t *at)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)at));
}

INLINE bytes by_low_ascii(table16 t, bytes x)
{
    return _mm256_shuffle_epi8(t, x);
}

INLINE bytes by_low(table16 t, bytes x)
{
    return _mm256_shuffle_epi8(t, _mm256_and_si256(x, all(15)));
}

INLINE bytes by_high(table16 t, bytes x)
{
    return _mm256_shuffle_epi8(t, _mm256_and_si256(_mm256_srli_epi16(x, 4), all(15)));
}

/* the upper half of `before` and the lower one of x, so that each half finds its predecessor */
INLINE bytes straddle(bytes x, bytes before)
{
    return _mm256_permute2x128_si256(before, x, 0x21);
}

INLINE bytes behind_1(bytes x, bytes before)
{
    return _mm256_alignr_epi8(x, straddle(x, before), 15);
}

INLINE bytes behind_2(bytes x, bytes before)
{
    return _mm256_alignr_epi8(x, straddle(x, before), 14);
}

INLINE bytes behind_3(bytes x, bytes before)
{
    return _mm256_alignr_epi8(x, straddle(x, before), 13);
}

INLINE test is(bytes x, unsigned c)
{
    return _mm256_cmpeq_epi8(x, all(c));
}

/* there is no unsigned comparison */
INLINE test within(bytes x, unsigned low, unsigned high)
{
    bytes moved = _mm256_sub_epi8(x, all(low));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(moved, all(high - low)), moved);
}

/* what is shifted in from a neighbour does not reach the highest bit */
INLINE test has(bytes x, unsigned bits)
{
    unsigned other = bits & (bits - 1);
    test one = _mm256_slli_epi16(x, 7 - __builtin_ctz(bits));
    return other ? _mm256_or_si256(one, _mm256_slli_epi16(x, 7 - __builtin_ctz(other))) : one;
}

INLINE test misses(bytes x, bytes y)
{
    return _mm256_cmpeq_epi8(_mm256_and_si256(x, y), _mm256_setzero_si256());
}

INLINE test test_none(void)
{
    return _mm256_setzero_si256();
}

INLINE test test_and(test a, test b)
{
    return _mm256_and_si256(a, b);
}

INLINE test test_or(test a, test b)
{
    return _mm256_or_si256(a, b);
}

INLINE test test_andnot(test a, test b)
{
    return _mm256_andnot_si256(a, b);
}

INLINE bytes bytes_of(test t)
{
    return t;
}

INLINE bytes pick(test t, bytes x, bytes y)
{
    return _mm256_blendv_epi8(y, x, t);
}

INLINE lane_mask mask_of(test t)
{
    return (lane_mask)_mm256_movemask_epi8(t);
}

INLINE bool any(bytes x)
{
    return !_mm256_testz_si256(x, x);
}

INLINE bool ascii(bytes x)
{
    return _mm256_movemask_epi8(x) == 0;
}

INLINE void write_bits(uint32_t *out, uint32_t base, uint64_t mask)
{
    write_bits_singly(out, base, mask);
}

INLINE uint32_t least_of_32(const uint32_t *at)
{
    const __m256i *from = (const __m256i *)(const void *)at;
    __m256i a = _mm256_min_epu32(_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1));
    __m256i b = _mm256_min_epu32(_mm256_loadu_si256(from + 2), _mm256_loadu_si256(from + 3));
    __m128i c;

    a = _mm256_min_epu32(a, b);
    c = _mm_min_epu32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    c = _mm_min_epu32(c, _mm_shuffle_epi32(c, 0x4E));
    c = _mm_min_epu32(c, _mm_shuffle_epi32(c, 0xB1));
    return (uint32_t)_mm_cvtsi128_si32(c);
}
