#include "input/json_string.h"

#include <stdbool.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

static bool special(uint8_t c)
{
    return c == '"' || c == '\\' || c < 0x20;
}

/* What stands for the letter behind a backslash; 0: no escape of one letter. */
static const uint8_t unescaped[256] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* Sixteen bytes at a time: SSE2, which every x86-64 has; elsewhere two words. */
#define STEP PRETOK_JSON_STRING_SLACK

#ifdef __SSE2__

/* How many of the STEP bytes come before the first special one. */
static unsigned before_special(const uint8_t *at, uint8_t *copy)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
    __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, slash)));

    if (copy)
        _mm_storeu_si128((__m128i *)(void *)copy, v);
    return mask ? (unsigned)__builtin_ctz(mask) : STEP;
}

#else

static bool word_has_special(const uint8_t *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    uint64_t v, quote, slash;

    memcpy(&v, at, 8);
    quote = v ^ ones * '"';
    slash = v ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((v - ones * 0x20) & ~v)) &
           tops;
}

static unsigned before_special(const uint8_t *at, uint8_t *copy)
{
    unsigned n = 0;

    if (copy)
        memcpy(copy, at, STEP);
    if (!word_has_special(at))
        n = 8;
    if (n == 8 && !word_has_special(at + 8))
        return STEP;
    while (n < STEP && !special(at[n])) /* the test of a word may err behind what it found */
        n++;
    return n;
}

#endif

const uint8_t *pretok_json_string_run(const uint8_t *at, const uint8_t *end)
{
    while (end - at >= (int)STEP) {
        unsigned n = before_special(at, NULL);
        at += n;
        if (n < STEP)
            return at;
    }
    while (at < end && !special(*at))
        at++;
    return at;
}

const uint8_t *pretok_json_string_copy(const uint8_t *at, const uint8_t *end, uint8_t **out)
{
    uint8_t *to = *out;

    while (end - at >= (int)STEP) {
        unsigned n = before_special(at, to);
        at += n;
        to += n;
        if (n == STEP)
            continue;
        if (*at != '\\' || end - at < 2 || !unescaped[at[1]])
            break;
        *to++ = unescaped[at[1]];
        at += 2;
    }
    *out = to;
    return at;
}
