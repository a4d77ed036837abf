/* Look-ups in the generated table, and the one decoder of UTF-8 that all of tok uses. */
#include "text/unicode.h"

#include "text/unicode_table.h"

uint8_t tok_unicode_category(uint32_t c)
{
    if (c < TOK_UNICODE_TABLED)
        return tok_unicode_category_at[tok_unicode_page[c >> 6] * 64u + (c & 63)];
    for (uint32_t i = 0; i < tok_unicode_tail_count && c >= tok_unicode_tail[i].first; i++)
        if (c <= tok_unicode_tail[i].last)
            return tok_unicode_tail[i].category;
    return TOK_UNICODE_UNASSIGNED;
}

uint8_t tok_unicode_class(uint32_t c)
{
    return tok_unicode_class_of[tok_unicode_category(c)];
}

static uint32_t tail_bits(uint8_t b)
{
    return b & 0x3Fu;
}

uint32_t tok_unicode_decode(const uint8_t *text, uint64_t n, uint64_t at, unsigned *ret_size)
{
    const uint8_t *p = text + at;
    uint64_t left = n - at;
    uint32_t c;

    *ret_size = 1;
    if (p[0] < 0x80)
        return p[0];
    if (p[0] < 0xC2 || left < 2 || (p[1] & 0xC0) != 0x80)
        return 0xFFFD;
    if (p[0] < 0xE0) {
        *ret_size = 2;
        return (p[0] & 0x1Fu) << 6 | tail_bits(p[1]);
    }
    if (left < 3 || (p[2] & 0xC0) != 0x80)
        return 0xFFFD;
    if (p[0] < 0xF0) {
        c = (p[0] & 0x0Fu) << 12 | tail_bits(p[1]) << 6 | tail_bits(p[2]);
        if (c < 0x800 || (c >= 0xD800 && c < 0xE000))
            return 0xFFFD;
        *ret_size = 3;
        return c;
    }
    if (p[0] > 0xF4 || left < 4 || (p[3] & 0xC0) != 0x80)
        return 0xFFFD;
    c = (p[0] & 0x07u) << 18 | tail_bits(p[1]) << 12 | tail_bits(p[2]) << 6 | tail_bits(p[3]);
    if (c < 0x10000 || c > 0x10FFFF)
        return 0xFFFD;
    *ret_size = 4;
    return c;
}
