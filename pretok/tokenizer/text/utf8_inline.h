/* UTF-8 that is known to be well-formed: reading and writing characters. */
#ifndef TOK_UTF8_INLINE_H
#define TOK_UTF8_INLINE_H

#include "text/utf8.h"

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

#endif
