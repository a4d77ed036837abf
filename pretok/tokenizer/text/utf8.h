/*
 * UTF-8 as Unicode defines it (no surrogates, nothing above U+10FFFF, shortest form), which is also
 * what SentencePiece takes as valid.
 */
#ifndef TOK_TEXT_UTF8_H
#define TOK_TEXT_UTF8_H

#include <stdint.h>
#include <string.h>

/* Bytes of the character that text [n], n >= 1, starts with; 0 when it is malformed. */
static inline unsigned tok_utf8_size(const uint8_t *text, uint64_t n)
{
    uint8_t a = text[0];

    if (a < 0x80)
        return 1;
    if (a < 0xC2 || n < 2 || (text[1] & 0xC0) != 0x80)
        return 0;
    if (a < 0xE0)
        return 2;
    if (n < 3 || (text[2] & 0xC0) != 0x80)
        return 0;
    if (a < 0xF0)
        return (a == 0xE0 && text[1] < 0xA0) || (a == 0xED && text[1] >= 0xA0) ? 0 : 3;
    if (n < 4 || (text[3] & 0xC0) != 0x80 || a > 0xF4 || (a == 0xF0 && text[1] < 0x90) ||
        (a == 0xF4 && text[1] >= 0x90))
        return 0;
    return 4;
}

/* Bytes of the character that begins with this byte, in valid text. */
static inline unsigned tok_utf8_lead_size(uint8_t lead)
{
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* How many bytes at the start of text [n] are ASCII: in steps of 8, then one by one. */
static inline uint64_t tok_ascii_prefix(const uint8_t *text, uint64_t n)
{
    uint64_t at = 0, word;

    for (; n - at >= 8; at += 8) {
        memcpy(&word, text + at, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    while (at < n && text[at] < 0x80)
        at++;
    return at;
}

static inline uint64_t tok_utf8_valid_prefix(const uint8_t *text, uint64_t n)
{
    uint64_t at = 0;
    unsigned size;

    while ((at += tok_ascii_prefix(text + at, n - at)) < n &&
           (size = tok_utf8_size(text + at, n - at)) != 0)
        at += size;
    return at;
}
#endif
