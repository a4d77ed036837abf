/* Eight bytes as one integer, the first one lowest on any machine. */
#ifndef TOK_TEXT_LOAD8_H
#define TOK_TEXT_LOAD8_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t tok_load8(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static inline uint64_t tok_load4(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

/* The first eight of bytes [n], zeros behind a shorter string; nothing else is read. */
static inline uint64_t tok_load_first8(const uint8_t *at, uint64_t n)
{
    if (n >= 8)
        return tok_load8(at);
    if (n >= 4)
        return tok_load4(at) | tok_load4(at + n - 4) << 8 * (n - 4);
    return n == 0 ? 0
                  : at[0] | (uint64_t)at[n / 2] << 8 * (n / 2) | (uint64_t)at[n - 1] << 8 * (n - 1);
}

/* The same where 8 bytes may be read, without a branch. */
static inline uint64_t tok_load_masked8(const uint8_t *at, uint64_t n)
{
    uint64_t v = tok_load8(at);

    return n >= 8 ? v : v & ((UINT64_C(1) << 8 * n) - 1);
}

/* memcmp(a, b, n) == 0 of short strings, without a call. */
static inline bool tok_same(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    if (n < 8)
        return tok_load_first8(a, n) == tok_load_first8(b, n);
    for (uint64_t i = 0; i + 8 < n; i += 8)
        if (tok_load8(a + i) != tok_load8(b + i))
            return false;
    return tok_load8(a + n - 8) == tok_load8(b + n - 8);
}

/* The same where 8 bytes behind both may be read. */
static inline bool tok_same_masked(const uint8_t *a, const uint8_t *b, uint64_t n)
{
    for (uint64_t i = 0; i < n; i += 8)
        if (tok_load_masked8(a + i, n - i) != tok_load_masked8(b + i, n - i))
            return false;
    return true;
}
#endif
