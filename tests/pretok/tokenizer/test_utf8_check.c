/*
 * Well-formedness after table 3-7 of Unicode, by the scalar function and each vector one that is here;
 * test_simd.c compares these with the scalar one on random text.
 */
#include "text/utf8_check.h"

#include "t.h"

static unsigned put(uint32_t code, uint8_t *out)
{
    const unsigned n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

    for (unsigned i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (uint8_t)(0x80 | (code & 0x3F));
    out[0] = (uint8_t)(n == 1 ? code : (0xF00u >> n & 0xFF) | code);
    return n;
}

/* Every code point, whole and cut, at every distance from the borders of blocks. */
static void every_code_point(tok_utf8_fn check)
{
    uint8_t text[160];

    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        unsigned before = code % 131, n;
        memset(text, 'x', sizeof text);
        n = put(code, text + before);
        T_EQ_U64(check(text, sizeof text), sizeof text);
        if (n > 1 && check(text, before + n - 1) != before)
            T_FAIL("U+%04X cut by a byte is taken for well-formed", code);
    }
}

/* Well-formed bytes at the beginning, by decoding: no surrogate, nothing that fewer bytes could say. */
static unsigned decoded(const uint8_t *at, unsigned n)
{
    unsigned i = 0;

    while (i < n) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned need = at[i] < 0x80 ? 1 : at[i] >= 0xF0 ? 4 : at[i] >= 0xE0 ? 3 : 2, k;
        uint32_t code = at[i] & (need == 1 ? 0x7Fu : 0xFFu >> (need + 1));
        if (at[i] >= 0x80 && (at[i] < 0xC0 || at[i] >= 0xF8))
            return i;
        for (k = 1; k < need && i + k < n && (at[i + k] & 0xC0) == 0x80; k++)
            code = code << 6 | (at[i + k] & 0x3F);
        if (k < need || code < least[need] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
            return i;
        i += need;
    }
    return n;
}

/* All that two bytes can be, before and behind sequences of two and three. */
static void every_two_bytes(tok_utf8_fn check)
{
    static const char *const before[] = {"", "\xC3\xA9", "\xE4\xB8\x80",
                                         "\xC3\xA9\xD0\xB0\xD0\xB1"};
    static const unsigned starts[] = {0, 24, 30, 57, 63, 127};
    static const char behind[][3] = {"\x80", "\xBF", "\x7F", "\xC3\xA9", "\xE4\xB8"};

    for (unsigned pair = 0; pair < 65536; pair++)
        for (unsigned b = 0; b < 4; b++)
            for (unsigned e = 0; e < 5; e++) {
                uint8_t text[140];
                /* at the beginning, where scalar code is, and across the borders of blocks */
                unsigned at = starts[(pair + b + e) % 6], n = at + (unsigned)strlen(before[b]);
                memset(text, 'x', sizeof text);
                memcpy(text + at, before[b], n - at);
                text[n] = (uint8_t)(pair >> 8);
                text[n + 1] = (uint8_t)pair;
                memcpy(text + n + 2, behind[e], strlen(behind[e]));
                if (check(text, sizeof text) != decoded(text, sizeof text))
                    T_FAIL("%02X %02X behind %u and before %u, at %u: %u, expected %u", pair >> 8,
                           pair & 255, b, e, at, (unsigned)check(text, sizeof text),
                           decoded(text, sizeof text));
            }
}

static void all_of(enum tok_isa isa)
{
    if (!tok_isa_here(isa))
        T_SKIP("not in this build, or not in this processor");
    every_code_point(tok_utf8_check_of(isa));
    every_two_bytes(tok_utf8_check_of(isa));
}

T_CASE(scalar)
{
    all_of(TOK_SCALAR);
}

T_CASE(avx2)
{
    all_of(TOK_AVX2);
}

T_CASE(avx512)
{
    all_of(TOK_AVX512);
}

T_CASE(neon)
{
    all_of(TOK_NEON);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
