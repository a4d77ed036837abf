/*
 * The loops of scan_sp.c, 32 bytes at a time. UTF-8 is checked as in Keiser and Lemire, "Validating
 * UTF-8 In Less Than One Instruction Per Byte" (2020): three look-ups by nibble say which errors a
 * pair of bytes may be part of, and their conjunction is the error.
 */
#include <immintrin.h>

#include "text/scan_sp.h"
#include "text/scan_sp_wide.h"

enum {
    TOO_SHORT = 1 << 0, /* a lead byte or ASCII where a continuation must be */
    TOO_LONG = 1 << 1,  /* a continuation after ASCII */
    OVERLONG_3 = 1 << 2,
    TOO_LARGE = 1 << 3,
    SURROGATE = 1 << 4,
    OVERLONG_2 = 1 << 5,
    TOO_LARGE_1000 = 1 << 6, /* F5 and above */
    OVERLONG_4 = 1 << 6,     /* shares its bit: distinguished by the second byte */
    TWO_CONTS = 1 << 7,      /* fine if a longer sequence explains them */
    CARRY = TOO_SHORT | TOO_LONG | TWO_CONTS,
};

static __m256i table(const uint8_t *t)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)t));
}

static __m256i load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

static uint32_t mask_of(__m256i v)
{
    return (uint32_t)_mm256_movemask_epi8(v);
}

static const uint8_t first_high[16] = {
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TWO_CONTS,
    TWO_CONTS,
    TWO_CONTS,
    TWO_CONTS,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4,
};
#define LARGE (CARRY | TOO_LARGE | TOO_LARGE_1000)
static const uint8_t first_low[16] = {
    CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
    CARRY | OVERLONG_2,
    CARRY,
    CARRY,
    CARRY | TOO_LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE,
    LARGE | SURROGATE,
    LARGE,
    LARGE,
};
#define CONT (TOO_LONG | OVERLONG_2 | TWO_CONTS)
static const uint8_t second_high[16] = {
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    CONT | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
    CONT | OVERLONG_3 | TOO_LARGE,
    CONT | SURROGATE | TOO_LARGE,
    CONT | SURROGATE | TOO_LARGE,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
};

static uint64_t clean(const uint8_t *text, uint64_t n)
{
    const __m256i t1 = table(first_high), t2 = table(first_low), t3 = table(second_high);
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i before = _mm256_setzero_si256();
    uint64_t at = 0;

    for (; at + 32 <= n; at += 32) {
        __m256i v = load(text + at);
        if (mask_of(_mm256_or_si256(v, before)) == 0) {
            before = v;
            continue;
        }
        __m256i straddle = _mm256_permute2x128_si256(before, v, 0x21);
        __m256i p1 = _mm256_alignr_epi8(v, straddle, 15);
        __m256i p2 = _mm256_alignr_epi8(v, straddle, 14);
        __m256i p3 = _mm256_alignr_epi8(v, straddle, 13);
        __m256i e1 = _mm256_shuffle_epi8(t1, _mm256_and_si256(_mm256_srli_epi16(p1, 4), nibble));
        __m256i e2 = _mm256_shuffle_epi8(t2, _mm256_and_si256(p1, nibble));
        __m256i e3 = _mm256_shuffle_epi8(t3, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        __m256i error = _mm256_and_si256(_mm256_and_si256(e1, e2), e3);
        /* the third and fourth byte of a sequence must be continuations, and only they may */
        __m256i third = _mm256_subs_epu8(p2, _mm256_set1_epi8(0xE0 - 0x80));
        __m256i fourth = _mm256_subs_epu8(p3, _mm256_set1_epi8((char)(0xF0 - 0x80)));
        __m256i must =
            _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
        error = _mm256_xor_si256(must, error);
        __m256i marker =
            _mm256_and_si256(_mm256_and_si256(_mm256_cmpeq_epi8(p2, _mm256_set1_epi8((char)0xE2)),
                                              _mm256_cmpeq_epi8(p1, _mm256_set1_epi8((char)0x96))),
                             _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)0x81)));
        error = _mm256_or_si256(error, marker);
        if (!_mm256_testz_si256(error, error))
            break;
        before = v;
    }
    /* what the last good block began, the scalar loop begins again */
    for (unsigned back = 0; back < 3 && at > 0 && text[at - 1] >= 0x80; back++) {
        at--;
        if (text[at] >= 0xC0)
            break;
    }
    while (at > 0 && at < n && (text[at] & 0xC0) == 0x80)
        at--;
    return at + tok_sp_clean_c(text + at, n - at);
}

static uint64_t copy(const struct tok_sp_classes *classes, const uint8_t *text, uint64_t n,
                     uint8_t *out, bool *space, uint8_t **ret_out)
{
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128};
    const __m256i same_table = table(classes->same), space_table = table(classes->space);
    const __m256i bit_table = table(bits), nibble = _mm256_set1_epi8(15);
    const __m256i zero = _mm256_setzero_si256(), blank = _mm256_set1_epi8(' ');
    uint32_t carry = *space;
    uint64_t at = 0;

    while (at + 33 <= n) {
        __m256i v = load(text + at);
        __m256i low = _mm256_and_si256(v, nibble);
        __m256i bit =
            _mm256_shuffle_epi8(bit_table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
        __m256i not_same =
            _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(same_table, low), bit), zero);
        __m256i not_space =
            _mm256_cmpeq_epi8(_mm256_and_si256(_mm256_shuffle_epi8(space_table, low), bit), zero);
        uint32_t spaces = ~mask_of(not_space);
        uint32_t bad =
            mask_of(_mm256_and_si256(not_same, not_space)) | mask_of(load(text + at + 1));
        uint32_t again = classes->squeeze ? spaces & (spaces << 1 | carry) : 0;
        uint32_t stop = bad | again;
        unsigned take = stop ? (unsigned)__builtin_ctz(stop) : 32;
        _mm256_storeu_si256((__m256i *)(void *)out, _mm256_blendv_epi8(blank, v, not_space));
        out += take;
        at += take;
        if (take)
            carry = spaces >> (take - 1) & 1;
        if (take == 32)
            continue;
        if (bad >> take & 1)
            goto out;
        /* a run of spaces: drop it as far as this block knows */
        uint32_t ends = (~spaces | bad) >> take;
        at += ends ? (unsigned)__builtin_ctz(ends) : 32 - take;
    }
out:
    *space = carry;
    at += tok_sp_copy_c(classes, text + at, n - at, out, space, ret_out);
    return at;
}

static bool space_joins_letters(const struct tok_sp_cuts *cuts)
{
    bool all = true;

    for (uint8_t c = 'a'; c <= 'z'; c++)
        all = all && tok_sp_joins(cuts, ' ', c) && tok_sp_joins(cuts, ' ', c ^ 0x20);
    return all;
}

static uint64_t cut(const struct tok_sp_cuts *cuts, const uint8_t *text, uint64_t n, uint64_t from,
                    uint32_t *ends, uint64_t room)
{
    static const uint8_t bits[16] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128};
    const __m256i bit_table = table(bits), loose_table = table(cuts->loose_nibbles);
    const __m256i letter = _mm256_set1_epi8(0x20), nibble = _mm256_set1_epi8(15);
    const __m256i blank = _mm256_set1_epi8(' ');
    const __m256i below = _mm256_set1_epi8('a' - 1), above = _mm256_set1_epi8('z' + 1);
    uint64_t count = 0, last = from, at = from;
    struct tok_sp_loose before = {UINT64_MAX, 0};
    /* the byte before is part of a word, is a space: at `from` itself no cut is looked for */
    uint32_t carry = 1, space = 0;
    /* What is known of all spaces alike need not be looked up for each: in a run of them, and in
     * front of letters. */
    const uint32_t in_runs = tok_sp_joins(cuts, ' ', ' ') ? UINT32_MAX : 0;
    const uint32_t to_letters = space_joins_letters(cuts) ? UINT32_MAX : 0;

    for (; at < n && count + 2 * 32 < room; at += 32) {
        __m256i v = load(text + at), folded = _mm256_or_si256(v, letter);
        uint32_t high = mask_of(v);
        uint32_t words = high | mask_of(_mm256_and_si256(_mm256_cmpgt_epi8(folded, below),
                                                         _mm256_cmpgt_epi8(above, folded)));
        uint32_t mask = ~(words & (words << 1 | carry));
        uint32_t spaces = mask_of(_mm256_cmpeq_epi8(v, blank));
        mask &= ~((spaces << 1 | space) & ((spaces & in_runs) | (words & ~high & to_letters)));
        space = spaces >> 31;
        uint32_t wides = 0;
        if (high) {
            __m256i bit =
                _mm256_shuffle_epi8(bit_table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
            __m256i loose = _mm256_shuffle_epi8(loose_table, _mm256_and_si256(v, nibble));
            wides =
                ~mask_of(_mm256_cmpeq_epi8(_mm256_and_si256(loose, bit), _mm256_setzero_si256()));
        }
        carry = words >> 31;
        if (at == from)
            mask &= ~UINT32_C(1);
        if (n - at < 32) {
            mask &= (UINT32_C(1) << (n - at)) - 1;
            wides &= (UINT32_C(1) << (n - at)) - 1;
        }
        if (!wides) {
            for (; mask; mask &= mask - 1) {
                uint64_t p = at + (unsigned)__builtin_ctz(mask);
                /* without a branch: what it would depend on is the text */
                ends[count] = (uint32_t)p;
                count += !tok_sp_joins(cuts, text[p - 1], text[p]) && p > last;
            }
            if (count)
                last = ends[count - 1];
            continue;
        }
        for (uint32_t left = mask | wides; left; left &= left - 1) {
            unsigned bit = (unsigned)__builtin_ctz(left);
            uint64_t p = at + bit;
            if ((mask >> bit & 1) && p > last && !tok_sp_joins(cuts, text[p - 1], text[p]))
                ends[count++] = (uint32_t)(last = p);
            if (wides >> bit & 1)
                count = tok_sp_cut_wide(cuts, text, n, p, &before, &last, ends, count);
        }
    }
    if (at >= n && last < n)
        ends[count++] = (uint32_t)n;
    return count;
}

void tok_sp_scan_avx2(struct tok_sp_scan *scan)
{
    *scan = (struct tok_sp_scan){clean, copy, cut};
}
