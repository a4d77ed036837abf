/* Well-formedness after table 3-7 of Unicode, replacement by maximal subparts. */
#include "input/utf8.h"
#include "t.h"

static const struct {
    const char *name, *input, *expected;
    unsigned replaced;
} cases[] = {
#define BAD "\xEF\xBF\xBD"
    {"empty", "", "", 0},
    {"ASCII", "plain text, longer than sixteen bytes", "plain text, longer than sixteen bytes", 0},
    {"two bytes", "\xC3\xA9", "\xC3\xA9", 0},
    {"three bytes", "\xE2\x96\x81", "\xE2\x96\x81", 0},
    {"four bytes", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80", 0},
    {"lone continuation", "a\x80z", "a" BAD "z", 1},
    {"two lone continuations", "\x80\xBF", BAD BAD, 2},
    {"overlong slash", "\xC0\xAF", BAD BAD, 2},
    {"overlong three", "\xE0\x80\xAF", BAD BAD BAD, 3},
    {"overlong four", "\xF0\x80\x80\xAF", BAD BAD BAD BAD, 4},
    {"surrogate", "\xED\xA0\x80", BAD BAD BAD, 3},
    {"above the last", "\xF4\x90\x80\x80", BAD BAD BAD BAD, 4},
    {"F5", "\xF5\x80", BAD BAD, 2},
    {"cut in two", "\xC3", BAD, 1},
    {"cut in three", "\xE2\x96", BAD, 1},
    {"cut in four", "\xF0\x9F\x98", BAD, 1},
    {"cut, then ASCII",
     "\xE2\x96"
     "A",
     BAD "A", 1},
    {"cut, then a lead", "\xF0\x9F\xC3\xA9", BAD "\xC3\xA9", 1},
    /* Unicode 15.0, table 3-8 */
    {"table 3-8", "\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
     "\x61" BAD BAD BAD "\x62" BAD "\x63" BAD BAD "\x64", 6},
    {"FF", "\xFF\xFE", BAD BAD, 2},
};

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pretok_bytes b = {0};
        uint64_t replaced = 0;
        T_REQUIRE(pretok_bytes_append(&b, "keep", 4));
        T_REQUIRE(pretok_bytes_append(&b, cases[i].input, strlen(cases[i].input)));
        T_TRUE(pretok_utf8_repair(&b, 4, &replaced));
        if (replaced != cases[i].replaced || b.size - 4 != strlen(cases[i].expected) ||
            memcmp(b.at, "keep", 4) != 0 || memcmp(b.at + 4, cases[i].expected, b.size - 4) != 0)
            T_FAIL("%s: %.*s, %u replaced", cases[i].name, (int)b.size, (char *)b.at,
                   (unsigned)replaced);
        pretok_bytes_done(&b);
    }
}

/* Every code point, written and read back, at every distance from the fast path's border. */
T_CASE(every_code_point)
{
    uint8_t text[64];

    for (uint32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000)
            continue;
        unsigned before = code % 19, n;
        memset(text, 'x', sizeof text);
        n = pretok_utf8_put(code, text + before);
        T_EQ_U64(pretok_utf8_valid_prefix(text, sizeof text), sizeof text);
        if (n > 1 && pretok_utf8_valid_prefix(text, before + n - 1) != before)
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
T_CASE(every_two_bytes)
{
    static const char *const before[] = {"", "\xC3\xA9", "\xE4\xB8\x80",
                                         "\xC3\xA9\xD0\xB0\xD0\xB1"};
    static const char behind[][3] = {"\x80", "\xBF", "\x7F", "\xC3\xA9", "\xE4\xB8"};

    for (unsigned pair = 0; pair < 65536; pair++)
        for (unsigned b = 0; b < 4; b++)
            for (unsigned e = 0; e < 5; e++) {
                uint8_t text[16] = "";
                unsigned n = (unsigned)strlen(before[b]);
                memset(text, 'x', sizeof text);
                memcpy(text, before[b], n);
                text[n] = (uint8_t)(pair >> 8);
                text[n + 1] = (uint8_t)pair;
                memcpy(text + n + 2, behind[e], strlen(behind[e]));
                if (pretok_utf8_valid_prefix(text, sizeof text) != decoded(text, sizeof text))
                    T_FAIL("%02X %02X behind %u and before %u: %u, expected %u", pair >> 8,
                           pair & 255, b, e, (unsigned)pretok_utf8_valid_prefix(text, sizeof text),
                           decoded(text, sizeof text));
            }
}

T_CASE(repair_is_idempotent)
{
    uint64_t seed = 1, again = 0;

    for (int round = 0; round < 2000; round++) {
        struct pretok_bytes b = {0};
        uint64_t replaced = 0;
        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint8_t byte = (uint8_t)(seed >> 56);
            T_REQUIRE(pretok_bytes_append(&b, &byte, 1));
        }
        T_TRUE(pretok_utf8_repair(&b, 0, &replaced));
        T_EQ_U64(pretok_utf8_valid_prefix(b.at, b.size), b.size);
        T_TRUE(pretok_utf8_repair(&b, 0, &again));
        pretok_bytes_done(&b);
    }
    T_EQ_U64(again, 0);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
