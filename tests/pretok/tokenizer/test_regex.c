/* The matcher: cases by construct, what is refused and where, no exponential and no quadratic work. */
#include "split/charset.h"
#include "split/regex.h"
#include "t.h"
#include "text/unicode.h"


enum { BOTH = -1 };

static const struct {
    const char *pattern;
    int dialect;
    const char *text, *matches; /* joined by | */
} cases[] = {
    {"abc", BOTH, "xabcabcx", "abc|abc"},
    {"a|ab", BOTH, "ab", "a"},
    {"ab|a", BOTH, "aba", "ab|a"},
    {"a.c", BOTH,
     "abc a\nc a\xE4\xB8\xAD"
     "c",
     "abc|a\xE4\xB8\xAD"
     "c"},
    {"[a-c]+", BOTH, "abcdab", "abc|ab"},
    {"[^a-c]+", BOTH, "abcde", "de"},
    {"[xa]?[ab]+", BOTH, "xabx xxa aa x", "xab|xa|aa"},
    {"x?[ab]", BOTH, "xabx xxa aax", "xa|b|xa|a|a"},
    {"\\s?\\p{L}+", BOTH, " a  b\xC3\xA9 \xE4\xB8\xAD. \n", " a| b\xC3\xA9| \xE4\xB8\xAD"},
    {"x?+[xa]+", BOTH, "xx xa", "xx|xa"},
    {"x??[xa]+", BOTH, "xxa", "xxa"},
    {"x?[xa]+?", BOTH, "xxa", "xx|a"},
    {"x?x+", BOTH, "x xx", "x|xx"},
    {"[]a]+", BOTH, "b]a", "]a"},
    {"[^]a]+", BOTH, "b]a", "b"},
    {"[a-]+", BOTH, "b-a", "-a"},
    {"[-a]+", BOTH, "b-a", "-a"},
    {"[a[bc]]+", BOTH, "dabc", "abc"},
    {"[a-z&&[^aeiou]]+", BOTH, "hello", "h|ll"},
    {" ?[^(\\s|[.,!]|;)]+", BOTH, "ab cd.e(f;g", "ab| cd|e|f|g"},
    {"[^a-z&&[aeiou]]+", BOTH, "hello", "h|ll"},
    {"[\\[\\]\\-\\\\]+", BOTH, "a[-]\\", "[-]\\"},
    {"[\\s\\S]", BOTH, "a\n", "a|\n"},
    {"[\\b]", BOTH, "a\b", "\b"},
    {"\\r\\n\\t\\f\\v\\a", BOTH, "\r\n\t\f\v\a", "\r\n\t\f\v\a"},
    {"\\x41\\x{4e2d}\\u4E2D", BOTH, "A\xE4\xB8\xAD\xE4\xB8\xAD", "A\xE4\xB8\xAD\xE4\xB8\xAD"},
    {"\\.\\*\\/\\ ", BOTH, ".*/ ", ".*/ "},
    {"a{", BOTH, "a{", "a{"},
    {"a{x}", BOTH, "a{x}", "a{x}"},
    {"]}", BOTH, "]}", "]}"},
    {"\\d+", BOTH, "12\xD9\xA3x\xC2\xB2", "12\xD9\xA3"},
    {"\\D+", BOTH, "12ab", "ab"},
    {"\\w+", BOTH, "a_1\xCC\x81 \xE4\xB8\xAD!", "a_1\xCC\x81|\xE4\xB8\xAD"},
    {"\\w+", TOK_FANCY,
     "a\xE2\x80\x8D"
     "b",
     "a\xE2\x80\x8D"
     "b"},
    {"\\w+", TOK_ONIGURUMA,
     "a\xE2\x80\x8D"
     "b",
     "a|b"},
    {"\\w+", TOK_ONIGURUMA, "\xC2\xBD", "\xC2\xBD"},
    {"[\\w]+", TOK_ONIGURUMA, "\xC2\xBD", ""},
    {"\\w+", TOK_FANCY, "\xC2\xBD", ""},
    {"\\h+", BOTH, "fAg9", "fA|9"},
    {"\\s+", BOTH, "a \t\xC2\x85\xC2\xA0\xE3\x80\x80\xE2\x80\x8B",
     " \t\xC2\x85\xC2\xA0\xE3\x80\x80"},
    {"\\p{L}+", BOTH, "ab1\xC3\xA9\xCC\x81", "ab|\xC3\xA9"},
    {"\\P{L}+", BOTH, "ab1\xC3\xA9", "1"},
    {"\\p{^L}+", BOTH, "ab1\xC3\xA9", "1"},
    {"\\P{^L}+", BOTH, "ab1\xC3\xA9", "ab|\xC3\xA9"},
    {"\\pL+", TOK_FANCY, "ab1", "ab"},
    {"\\p{Lu}\\p{Ll}", BOTH,
     "AbaB\xC7\x85"
     "a",
     "Ab"},
    {"\\p{Letter}+", BOTH, "ab1", "ab"},
    {"\\p{Nd}+", BOTH, "1\xC2\xB2", "1"},
    {"\\p{Sc}", BOTH, "$+\xE2\x82\xAC", "$|\xE2\x82\xAC"},
    {"\\p{Han}+", BOTH, "a\xE4\xB8\xAD\xE6\x96\x87\xE3\x81\x82", "\xE4\xB8\xAD\xE6\x96\x87"},
    {"\\p{Cyrillic}+", BOTH, "a\xD0\x96\xD0\xB6", "\xD0\x96\xD0\xB6"},
    {"\\p{Script=Thai}+", TOK_FANCY, "a\xE0\xB8\x81", "\xE0\xB8\x81"},
    {"[\\p{Lo}\\p{Nd}_]+", BOTH, "a\xE4\xB8\xAD_1", "\xE4\xB8\xAD_1"},
    {"(?i:ab)c", BOTH, "ABc aBC", "ABc"},
    {"(?i)ab|c", BOTH, "ABCc", "AB|C|c"},
    {"(?:a(?-i:b))", BOTH, "abAB", "ab"},
    {"(?i:'s)", BOTH, "'s'S'\xC5\xBF", "'s|'S|'\xC5\xBF"},
    {"(?i:k)", BOTH, "kK\xE2\x84\xAA", "k|K|\xE2\x84\xAA"},
    {"(?i:[k])", BOTH, "kK\xE2\x84\xAA", "k|K|\xE2\x84\xAA"},
    {"(?i:[^k])", BOTH,
     "kK\xE2\x84\xAA"
     "a",
     "a"},
    {"(?i:\xCF\x83)", BOTH, "\xCE\xA3\xCF\x82\xCF\x83", "\xCE\xA3|\xCF\x82|\xCF\x83"},
    {"(?i:\\p{Lu})", TOK_FANCY, "aA1", "a|A"},
    {"(?i:\\p{N})", BOTH, "a\xE2\x85\xA7", "\xE2\x85\xA7"},
    {"(a)(?<x>b)", BOTH, "ab", "ab"},
    {"(?P<x>b)", TOK_FANCY, "ab", "b"},
    {"a?b", BOTH, "abb", "ab|b"},
    {"a*?b", BOTH, "aab", "aab"},
    {"a+?", BOTH, "aa", "a|a"},
    {"a??b", BOTH, "ab", "ab"},
    {"a{2}", BOTH, "aaaaa", "aa|aa"},
    {"a{2,}", BOTH, "a aaa", "aaa"},
    {"a{1,3}", BOTH, "aaaaa", "aaa|aa"},
    {"a{1,3}?", BOTH, "aa", "a|a"},
    {"ba{,2}", BOTH, "baaa", "baa"},
    {"(?:ab){2,3}", BOTH, "abababab", "ababab"},
    {"(?:ab){1,2}?c", BOTH, "ababc", "ababc"},
    {"(?:a|ab)(?:c|bcd)", BOTH, "abcd", "abcd"},
    {"(?:a|ab)++c", BOTH, "abc", ""},
    {"a++a", BOTH, "aaa", ""},
    {"a*+a", BOTH, "aaa", ""},
    {"a?+a", BOTH, "a", ""},
    {"a?+a", BOTH, "aa", "aa"},
    {"(?>a|ab)c", BOTH, "abc ac", "ac"},
    {"(?>a+)b", BOTH, "aab", "aab"},
    {"(?:(?>a)|b)+c", BOTH, "abac", "abac"},
    {"a(?=b(?>b+)c)b", BOTH, "abbc abb", "ab"},
    {"a(?!b(?>b+)c)b", BOTH, "abbc abb", "ab"},
    {"(?>a(?>b|bc)d|a)b", BOTH, "abcd abd", "ab"},
    {"a{1,3}+a", TOK_FANCY, "aaa", ""},
    {"a{1,3}+a", TOK_ONIGURUMA, "aaaaa", "aaaaa"},
    {"a{2}?", TOK_ONIGURUMA, "aa", "aa|"},
    {"a{2}?", TOK_FANCY, "aaa", "aa"},
    {"a(?=b)", BOTH, "abac", "a"},
    {"a(?!b)", BOTH, "aba", "a"},
    {"a(?=bc|d)", BOTH, "abd abc ad", "a|a"},
    {"a(?!bc|d)", BOTH, "abd abc ad", "a"},
    {"(?<=a)b", BOTH, "bab", "b"},
    {"(?<!a)b", BOTH, "bab", "b"},
    {"(?<=\xC3\xA9)b", BOTH,
     "b\xC3\xA9"
     "b",
     "b"},
    {"(?<=ab|cd)e", BOTH, "abe cde e", "e|e"},
    {"(?<!ab)e", BOTH, "abe xxe", "e"},
    {"(?=a(?!c))ab?", BOTH, "acab", "ab"},
    {"\\s+(?!\\S)|\\s+", BOTH, "a  b ", " | | "},
    {"\\Aa", BOTH, "aa\na", "a"},
    {"a\\z", BOTH, "a\na", "a"},
    {"^a", TOK_FANCY, "a\na", "a"},
    {"^a", TOK_ONIGURUMA, "a\na", "a|a"},
    {"a$", TOK_FANCY, "a\na", "a"},
    {"a$", TOK_ONIGURUMA, "a\na", "a|a"},
    {"\\s++$", BOTH, "a \n b  ", "  "},
    {"\\ba", BOTH, "a ba a", "a|a"},
    {"a\\b", BOTH, "ab ba", "a"},
    {"\\Ba", BOTH, "aab", "a"},
    {"(?:a|b|)c", BOTH, "acbcc", "ac|bc|c"},
};

static void run_case(const char *pattern, enum tok_dialect dialect, const char *text,
                     const char *expected, bool machine)
{
    struct tok_regex_scratch scratch = {0};
    struct tok_regex *regex = NULL;
    struct ngt_error error;
    char joined[256];
    uint64_t n = strlen(text), at = 0, start = 0, end = 0, out = 0;
    bool found = true;

    if (tok_regex_new(pattern, strlen(pattern), dialect, NULL, &regex, &error) != NGT_OK) {
        T_FAIL("%s: %s", pattern, error.message);
        return;
    }
    if (machine)
        tok_regex_use_machine(regex);
    while (at <= n) {
        T_REQUIRE(tok_regex_find(regex, &scratch, (const uint8_t *)text, n, at, &found, &start,
                                 &end, NULL) == NGT_OK);
        if (!found)
            break;
        if (out)
            joined[out++] = '|';
        memcpy(joined + out, text + start, end - start);
        out += end - start;
        at = end > start ? end : end + 1;
    }
    joined[out] = 0;
    if (strcmp(joined, expected) != 0)
        T_FAIL("/%s/ in \"%s\", dialect %d: \"%s\", expected \"%s\"", pattern, text, (int)dialect,
               joined, expected);
    tok_regex_free(&regex);
    tok_regex_scratch_done(&scratch);
}

T_CASE(matches)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int d = 0; d < 4; d++)
            if (cases[i].dialect == BOTH || cases[i].dialect == d / 2)
                run_case(cases[i].pattern, (enum tok_dialect)(d / 2), cases[i].text,
                         cases[i].matches, d % 2);
}

static const struct {
    const char *pattern;
    int dialect;
    uint64_t offset;
} refused[] = {
    {"a(b", BOTH, 1},
    {"ab)", BOTH, 2},
    {"[ab", BOTH, 0},
    {"x[b-a]", BOTH, 2},
    {"a**", BOTH, 2},
    {"+a", BOTH, 0},
    {"\\", BOTH, 0},
    {"a\\1", BOTH, 1},
    {"\\p{Foo}", BOTH, 0},
    {"\\p{L", BOTH, 0},
    {"(?z:a)", BOTH, 0},
    {"a(?i)b", BOTH, 1},
    {"(?:a?)*", BOTH, 6},
    {"(?<=a+)b", BOTH, 0},
    {"[[:alpha:]]", BOTH, 1},
    {"\\X", BOTH, 0},
    {"\\R", BOTH, 0},
    {"\\K", BOTH, 0},
    {"a{5,2}", BOTH, 1},
    {"a{2000}", BOTH, 1},
    {"(?=a)*", BOTH, 5},
    {"[a--b]", BOTH, 2},
    {"[\\d-x]", BOTH, 3},
    {"\\x{110000}", BOTH, 0},
    {"\\x{D800}", BOTH, 0},
    {"(?P<x>a)", TOK_ONIGURUMA, 0},
    {"\\pL", TOK_ONIGURUMA, 0},
    {"(?i:ss)", TOK_ONIGURUMA, 5},
    {"(?i:\\p{Lu})", TOK_ONIGURUMA, 4},
    {"\\xFF", TOK_ONIGURUMA, 0},
    {"a(*FAIL)", BOTH, 1},
    {"[a&&]", BOTH, 4},
};

T_CASE(refuses)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        for (int d = 0; d < 2; d++) {
            struct tok_regex *regex = NULL;
            struct ngt_error error;
            if (refused[i].dialect != BOTH && refused[i].dialect != d)
                continue;
            enum ngt_status status = tok_regex_new(refused[i].pattern, strlen(refused[i].pattern),
                                                   (enum tok_dialect)d, "file", &regex, &error);
            if (status != NGT_E_DATA || error.offset != refused[i].offset)
                T_FAIL("%s, dialect %d: status %d, offset %" PRIu64 ", expected %" PRIu64,
                       refused[i].pattern, d, (int)status, status == NGT_E_DATA ? error.offset : 0,
                       refused[i].offset);
            tok_regex_free(&regex);
        }
}

static const struct {
    const char *pattern;
    bool covers;
} covering[] = {
    {"[\\s\\S]", true},     {"\\s+|\\S+", true},        {"\\s+", false},
    {"\\p{L}", false},      {"\\s+(?!\\S)|\\S", false}, {" ?\\S+|\\s", true},
    {" ?+\\S+|\\s", true},  {"a?+[\\s\\S]", false},     {"a?+[^a]|a", true},
    {"a*|[\\s\\S]", false}, {"(?>\\S+)|\\s", false}, /* true, but not evident */
};

T_CASE(covers)
{
    for (size_t i = 0; i < sizeof covering / sizeof *covering; i++) {
        struct tok_regex *regex = NULL;
        T_REQUIRE(tok_regex_new(covering[i].pattern, strlen(covering[i].pattern), TOK_FANCY, NULL,
                                &regex, NULL) == NGT_OK);
        if (tok_regex_covers(regex) != covering[i].covers)
            T_FAIL("%s: covers is %d", covering[i].pattern, !covering[i].covers);
        tok_regex_free(&regex);
    }
}

/* Expressions that take a plain backtracker exponential or quadratic time: it would not end within
 * the time that the test suite gives a test. */
T_CASE(bounded_work)
{
    static const struct {
        const char *pattern;
        char fill;
        uint64_t n;
        bool matched;
    } heavy[] = {
        {"(?:a+)+b", 'a', 20000, false},
        {"(?:a|a)*b", 'a', 20000, false},
        {"(?:a|aa)+\\z", 'a', 20000, true},
        {"(?:(?:a+)+)+b", 'a', 5000, false},
        {"(?:(?>a+)b?)+c", 'a', 20000, false},
        {"(?:a(?!b))+c", 'a', 20000, false},
        {"(?:a(?=aa|b))+c", 'a', 20000, false},
        {"a{1,3}a{1,3}a{1,3}b", 'a', 5000, false},
        {"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", ' ', 4000000, true},
        {"[\\p{Lu}\\p{Lo}]*[\\p{Ll}\\p{Lo}]+|\\p{Lu}+", 'A', 4000000, true},
    };
    uint8_t *text = malloc(4000000);
    T_REQUIRE(text);

    for (size_t i = 0; i < sizeof heavy / sizeof *heavy; i++) {
        struct tok_regex_scratch scratch = {0};
        struct tok_regex *regex = NULL;
        bool matched = false;
        uint64_t end;
        memset(text, heavy[i].fill, heavy[i].n);
        T_REQUIRE(tok_regex_new(heavy[i].pattern, strlen(heavy[i].pattern), TOK_FANCY, NULL, &regex,
                                NULL) == NGT_OK);
        T_REQUIRE(tok_regex_match(regex, &scratch, text, heavy[i].n, 0, &matched, &end, NULL) ==
                  NGT_OK);
        if (matched != heavy[i].matched)
            T_FAIL("%s: matched is %d", heavy[i].pattern, matched);
        tok_regex_free(&regex);
        tok_regex_scratch_done(&scratch);
    }
    free(text);
}

/*
 * Marks must not change what matches. An alternative in front that takes exponential time brings
 * them on; behind it the expression runs with marks, alone it runs without.
 */
T_CASE(marks_change_nothing)
{
    static const char *const patterns[] = {
        "(?:a|a)*?(?:b|\\z)",
        "(?:a|ab)*(?=c)",
        "(?:(?=[ab]*b)a|b)+",
        "(?:(?=(?:a|b)*c)[ab]|c(?!a*b))+",
        "(?:a(?!a*c)|ac?)+b?",
        "(?:(?<=a)b|(?<!b)a|(?>a+b)|b)+",
        "(?:(?<=ab|ca)b|(?<!bb)a|c(?=.*a))+",
        "(?:(?>a|ab)(?:c|b)?)+c?",
        "(?:(?>a*(?=b))b|a(?=a(?!a)))+",
        "(?:(?=a(?=b|c)(?!.c))a|[bc])+",
        "[ab]*c|[ab]*?b(?=a)|a+",
    };
    unsigned matches = 0;

    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        struct tok_regex_scratch scratch = {0};
        struct tok_regex *alone = NULL, *marked = NULL;
        uint64_t seed = 7;
        char longer[256];
        uint8_t text[100];
        int size = snprintf(longer, sizeof longer, "(?:x|x)*y|x{20}(?:%s)", patterns[i]);
        T_REQUIRE(tok_regex_new(patterns[i], strlen(patterns[i]), TOK_FANCY, NULL, &alone, NULL) ==
                  NGT_OK);
        T_REQUIRE(tok_regex_new(longer, (uint64_t)size, TOK_FANCY, NULL, &marked, NULL) == NGT_OK);
        memset(text, 'x', 20);
        for (unsigned round = 0; round < 3000; round++) {
            uint64_t n = 1 + round % 30, end = 0, marked_end = 0;
            bool matched = false, also = false;
            for (uint64_t k = 0; k < n; k++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                text[20 + k] = (uint8_t) "aabc"[seed >> 62];
            }
            T_REQUIRE(tok_regex_match(alone, &scratch, text, 20 + n, 20, &matched, &end, NULL) ==
                      NGT_OK);
            T_REQUIRE(tok_regex_match(marked, &scratch, text, 20 + n, 0, &also, &marked_end,
                                      NULL) == NGT_OK);
            matches += matched;
            if (matched != also || (matched && end != marked_end)) {
                T_FAIL("%s in %.*s: %d to %" PRIu64 ", marked %d to %" PRIu64, patterns[i], (int)n,
                       (const char *)text + 20, matched, end, also, marked_end);
                break;
            }
        }
        tok_regex_free(&alone);
        tok_regex_free(&marked);
        tok_regex_scratch_done(&scratch);
    }
    T_TRUE(matches > 10000);
}

/* Whatever is thrown at it: accepted or refused, ends within the text, no wild read (sanitizers). */
T_CASE(random_expressions)
{
    static const char *const parts[] = {
        "a",
        "b",
        "(",
        ")",
        "(?:",
        "(?=",
        "(?!",
        "(?<=",
        "(?<!",
        "(?>",
        "(?i)",
        "(?i:",
        "[",
        "]",
        "[^",
        "-",
        "&&",
        "|",
        "|",
        "*",
        "+",
        "?",
        "{2}",
        "{1,3}",
        "{,2}",
        "{2,}",
        "\\p{L}",
        "\\P{Lu}",
        "\\s",
        "\\S",
        "\\w",
        "\\d",
        "\\b",
        "\\A",
        "\\z",
        "^",
        "$",
        ".",
        "\\",
        "\\x{61}",
        "\\u00e9",
        "\xC3\xA9",
        "\xE4\xB8\xAD",
        "\xFF",
        "\\r",
        "'",
    };
    struct tok_regex_scratch scratch = {0};
    uint64_t seed = 3;
    unsigned accepted = 0;

    for (unsigned round = 0; round < 1500; round++) {
        struct tok_regex *regex = NULL;
        struct ngt_error error;
        char pattern[128];
        uint64_t n = 0;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        for (unsigned k = 0; k < 1 + (seed >> 60) % 12; k++) {
            uint64_t mixed = (seed ^ k * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
            const char *part = parts[(mixed >> 33) % (sizeof parts / sizeof *parts)];
            memcpy(pattern + n, part, strlen(part));
            n += strlen(part);
        }
        char *exact = malloc(n);
        T_REQUIRE(exact);
        memcpy(exact, pattern, n);
        enum ngt_status status =
            tok_regex_new(exact, n, round % 2 ? TOK_FANCY : TOK_ONIGURUMA, NULL, &regex, &error);
        free(exact);
        if (status != NGT_OK) {
            if (status != NGT_E_DATA || error.offset > n)
                T_FAIL("%.*s: status %d, offset %" PRIu64, (int)n, pattern, (int)status,
                       error.offset);
            continue;
        }
        accepted++;
        static const uint8_t text[] = "aab ab\n\xC3\xA9' A\xE4\xB8\xAD";
        for (uint64_t at = 0; at < sizeof text - 1;) {
            bool found = false;
            uint64_t start = 0, end = 0;
            T_REQUIRE(tok_regex_find(regex, &scratch, text, sizeof text - 1, at, &found, &start,
                                     &end, NULL) == NGT_OK);
            if (!found)
                break;
            if (start < at || end < start || end > sizeof text - 1)
                T_FAIL("%.*s: from %" PRIu64 " %" PRIu64 " to %" PRIu64, (int)n, pattern, at, start,
                       end);
            at = end > at ? end : at + 1;
            while (at < sizeof text - 1 && (text[at] & 0xC0) == 0x80)
                at++;
        }
        if (tok_regex_covers(regex))
            for (uint64_t at = 0, end = 0; at < sizeof text - 1; at = end) {
                bool matched = false;
                T_REQUIRE(tok_regex_match(regex, &scratch, text, sizeof text - 1, at, &matched,
                                          &end, NULL) == NGT_OK);
                if (!matched || end <= at) {
                    T_FAIL("%.*s covers, but not at %" PRIu64, (int)n, pattern, at);
                    break;
                }
            }
        tok_regex_free(&regex);
    }
    T_TRUE(accepted > 300);
    tok_regex_scratch_done(&scratch);
}

T_CASE(character_classes)
{
    static const struct {
        uint32_t c;
        uint8_t class;
    } known[] = {
        {'A', TOK_UPPER},       {'z', TOK_LOWER},
        {'0', TOK_NUMBER},      {'$', TOK_SYMBOL},
        {'!', TOK_PUNCT},       {' ', TOK_SPACE},
        {'\n', TOK_SPACE},      {0, 0},
        {0x85, TOK_SPACE},      {0x1C5, TOK_UPPER},
        {0x2B0, TOK_CASELESS},  {0x301, TOK_MARK},
        {0x4E2D, TOK_CASELESS}, {0x200B, 0},
        {0x3000, TOK_SPACE},    {0x378, 0},
        {0x1F600, TOK_SYMBOL},  {0x20000, TOK_CASELESS},
        {0xE0100, TOK_MARK},    {0x10FFFF, 0},
        {0x2A6E0, 0},           {0x1D7CE, TOK_NUMBER},
        {0xB2, TOK_NUMBER},     {0xFEFF, 0},
    };
    uint64_t letters = 0, spaces = 0;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (tok_unicode_class(known[i].c) != known[i].class)
            T_FAIL("U+%04X has class %02x, expected %02x", known[i].c,
                   tok_unicode_class(known[i].c), known[i].class);
    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t class = tok_unicode_class(c);
        letters += (class & TOK_LETTER) != 0;
        spaces += (class & TOK_SPACE) != 0;
        if (class & (class - 1))
            T_FAIL("U+%04X has two classes", c);
    }
    T_EQ_U64(letters, 141028); /* of Unicode 16.0 */
    T_EQ_U64(spaces, 25);
}

T_CASE(decoding)
{
    static const struct {
        const char *bytes;
        uint32_t c;
        unsigned size;
    } known[] = {
        {"a", 'a', 1},
        {"\xC3\xA9", 0xE9, 2},
        {"\xE4\xB8\xAD", 0x4E2D, 3},
        {"\xF0\x9F\x98\x80", 0x1F600, 4},
        {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4},
        {"\x80", 0xFFFD, 1},
        {"\xC0\x80", 0xFFFD, 1},
        {"\xC3", 0xFFFD, 1},
        {"\xC3"
         "a",
         0xFFFD, 1},
        {"\xE4\xB8", 0xFFFD, 1},
        {"\xE0\x80\x80", 0xFFFD, 1},
        {"\xED\xA0\x80", 0xFFFD, 1},
        {"\xF0\x9F\x98", 0xFFFD, 1},
        {"\xF0\x80\x80\x80", 0xFFFD, 1},
        {"\xF4\x90\x80\x80", 0xFFFD, 1},
        {"\xFF", 0xFFFD, 1},
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        unsigned size = 99;
        uint64_t n = strlen(known[i].bytes);
        uint8_t *exact = malloc(n);
        T_REQUIRE(exact);
        memcpy(exact, known[i].bytes, n);
        T_EQ_U64(tok_unicode_decode(exact, n, 0, &size), known[i].c);
        T_EQ_U64(size, known[i].size);
        free(exact);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
