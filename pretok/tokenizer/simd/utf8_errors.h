/*
 * Errors of UTF-8 in a block of LANES bytes, as in Keiser and Lemire, "Validating UTF-8 In Less Than One
 * Instruction Per Byte" (2020): three look-ups by nibble say which errors a pair of bytes may be part
 * of, and their conjunction is the error. For loops that include simd/lanes.h.
 */
#ifndef TOK_SIMD_UTF8_ERRORS_H
#define TOK_SIMD_UTF8_ERRORS_H

#include "simd/lanes.h"

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

struct utf8_tables {
    table16 first_high, first_low, second_high;
};

INLINE struct utf8_tables utf8_tables(void)
{
    return (struct utf8_tables){table(first_high), table(first_low), table(second_high)};
}

/* Not 0 where x, or what `before` began, goes wrong. p1, p2, p3: x moved by so many bytes. What x
 * itself leaves unfinished is no error yet. */
INLINE bytes utf8_errors(const struct utf8_tables *t, bytes x, bytes p1, bytes p2, bytes p3)
{
    bytes error = bytes_and(bytes_and(by_high(t->first_high, p1), by_low(t->first_low, p1)),
                            by_high(t->second_high, x));
    /* the third and fourth byte of a sequence must be continuations, and only they may */
    bytes must = bytes_or(bytes_less(p2, all(0xE0 - 0x80)), bytes_less(p3, all(0xF0 - 0x80)));

    return bytes_xor(bytes_and(must, all(0x80)), error);
}

/* text [at] was found good block by block, up to a last character that may be unfinished: where that
 * one begins, or at. */
INLINE uint64_t utf8_last_whole(const uint8_t *text, uint64_t n, uint64_t at)
{
    for (unsigned back = 0; back < 3 && at > 0 && text[at - 1] >= 0x80; back++) {
        at--;
        if (text[at] >= 0xC0)
            break;
    }
    while (at > 0 && at < n && (text[at] & 0xC0) == 0x80)
        at--;
    return at;
}
#endif
