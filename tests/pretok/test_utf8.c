/* Replacement of what is ill-formed by maximal subparts. */
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
        T_TRUE(pretok_utf8_repair(&b, 4, tok_utf8_check(), &replaced));
        if (replaced != cases[i].replaced || b.size - 4 != strlen(cases[i].expected) ||
            memcmp(b.at, "keep", 4) != 0 || memcmp(b.at + 4, cases[i].expected, b.size - 4) != 0)
            T_FAIL("%s: %.*s, %u replaced", cases[i].name, (int)b.size, (char *)b.at,
                   (unsigned)replaced);
        pretok_bytes_done(&b);
    }
}

T_CASE(repair_is_idempotent)
{
    const tok_utf8_fn check = tok_utf8_check();
    uint64_t seed = 1, again = 0;

    for (int round = 0; round < 2000; round++) {
        struct pretok_bytes b = {0};
        uint64_t replaced = 0;
        for (int i = 0; i < 40; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint8_t byte = (uint8_t)(seed >> 56);
            T_REQUIRE(pretok_bytes_append(&b, &byte, 1));
        }
        T_TRUE(pretok_utf8_repair(&b, 0, check, &replaced));
        T_EQ_U64(check(b.at, b.size), b.size);
        T_TRUE(pretok_utf8_repair(&b, 0, check, &again));
        pretok_bytes_done(&b);
    }
    T_EQ_U64(again, 0);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
