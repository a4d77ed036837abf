/* UTF-8: reading well-formed text, writing, and finding out whether bytes are well-formed. */
#ifndef TOK_UTF8_INLINE_H
#define TOK_UTF8_INLINE_H

#include <stdint.h>
#include <string.h>

/* The character at `at` of well-formed text; *ret_size bytes. */
static inline uint32_t tok_utf8_get(const uint8_t *at, unsigned *ret_size)
{
    if (at[0] < 0x80) {
        *ret_size = 1;
        return at[0];
    }
    if (at[0] < 0xE0) {
        *ret_size = 2;
        return (at[0] & 31u) << 6 | (at[1] & 63u);
    }
    if (at[0] < 0xF0) {
        *ret_size = 3;
        return (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u);
    }
    *ret_size = 4;
    return (at[0] & 7u) << 18 | (at[1] & 63u) << 12 | (at[2] & 63u) << 6 | (at[3] & 63u);
}

static inline unsigned tok_utf8_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Up to 4 bytes; returns how many. */
static inline unsigned tok_utf8_put(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xC0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xE0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (c & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (c & 63));
    return 4;
}

/* Where the character before `at` begins; at > start, text well-formed. */
static inline const uint8_t *tok_utf8_back(const uint8_t *start, const uint8_t *at)
{
    do
        at--;
    while (at > start && (*at & 0xC0) == 0x80);
    return at;
}

/* How many leading ASCII bytes of at [n], in steps of 8 and then one by one. */
static inline uint64_t tok_ascii_prefix(const uint8_t *at, uint64_t n)
{
    uint64_t i = 0, word;

    for (; n - i >= 8; i += 8) {
        memcpy(&word, at + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (i < n && at[i] < 0x80)
        i++;
    return i;
}

/* Length of the longest well-formed prefix (Unicode, table 3-7). */
static inline uint64_t tok_utf8_valid_prefix(const uint8_t *s, uint64_t n)
{
    uint64_t i = 0;

    while ((i += tok_ascii_prefix(s + i, n - i)) < n) {
        uint8_t a = s[i], low = 0x80, high = 0xBF;
        unsigned more = a < 0xE0 ? 1 : a < 0xF0 ? 2 : 3;
        if (a < 0xC2 || a > 0xF4 || n - i <= more)
            return i;
        if (a == 0xE0)
            low = 0xA0;
        else if (a == 0xED)
            high = 0x9F;
        else if (a == 0xF0)
            low = 0x90;
        else if (a == 0xF4)
            high = 0x8F;
        if (s[i + 1] < low || s[i + 1] > high)
            return i;
        for (unsigned k = 2; k <= more; k++)
            if ((s[i + k] & 0xC0) != 0x80)
                return i;
        i += more + 1;
    }
    return n;
}
#endif
