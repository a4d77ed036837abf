/* Programs against the matcher; what tok_split promises. Vector versions: test_simd.c. */
#include "t.h"
#include "split/regex.h"
#include "split/scan.h"
#include "split/split.h"
#include "split_ends.h"
#include "split_text.h"

struct spelling {
    const char *program, *pattern;
    enum tok_dialect dialect;
};

#define C "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define S "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define O " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
#define U "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define L "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"

/* Spelt out here once more: a slip in split.c must not be on both sides. */
static const struct spelling spellings[] = {
    {"gpt2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     TOK_ONIGURUMA},
    {"gpt2",
     "'s|'t|'re|'ve|'m|'ll|'d| ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     TOK_FANCY},
    {"gpt2",
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s",
     TOK_FANCY},
    {"gpt2", "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     TOK_FANCY},
    {"cl100k",
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| "
     "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s",
     TOK_FANCY},
    {"llama3", C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" O S, TOK_ONIGURUMA},
    {"llama3",
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| "
     "?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     TOK_FANCY},
    {"qwen2", C "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|" O S, TOK_ONIGURUMA},
    {"qwen3.5",
     C "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" S,
     TOK_ONIGURUMA},
    {"o200k",
     "[^\\r\\n\\p{L}\\p{N}]?" U "*" L "+" C "?|[^\\r\\n\\p{L}\\p{N}]?" U "+" L "*" C
     "?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" S,
     TOK_ONIGURUMA},
    {"tekken",
     "[^\\r\\n\\p{L}\\p{N}]?" U "*" L "+|[^\\r\\n\\p{L}\\p{N}]?" U "+" L
     "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" S,
     TOK_FANCY},
};

static enum tok_program program_of(const char *name)
{
    for (int i = 0; i < TOK_PROGRAMS; i++)
        if (strcmp(programs[i], name) == 0)
            return (enum tok_program)i;
    T_FAIL("no program %s", name);
    exit(99);
}

static uint64_t regex_ends(const struct tok_regex *regex, struct tok_regex_scratch *scratch,
                           const uint8_t *text, uint64_t n, uint32_t *ends)
{
    uint64_t count = 0, at = 0;

    while (at < n) {
        bool matched = false;
        T_REQUIRE(tok_regex_match(regex, scratch, text, n, at, &matched, &at, NULL) == NGT_OK);
        T_REQUIRE(matched);
        ends[count++] = (uint32_t)at;
    }
    return count;
}

/* Scalar code = matcher, for every spelling. */
static void against_regex(const struct spelling *s, unsigned rounds)
{
    static uint32_t a[MOST + 1], b[MOST + 1];
    struct tok_regex_scratch scratch = {0};
    struct tok_regex *regex = NULL;
    struct ngt_error error;
    struct tok_scan scan;
    uint64_t seed = 20261125;
    uint8_t text[256];

    tok_scan_init(&scan, TOK_SCALAR);
    if (tok_regex_new(s->pattern, strlen(s->pattern), s->dialect, NULL, &regex, &error) != NGT_OK) {
        T_FAIL("%s", error.message);
        return;
    }
    T_TRUE(tok_regex_covers(regex));
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t n = round % 201, count_a, count_b;
        split_random_text(&seed, text, n);
        count_b = regex_ends(regex, &scratch, text, n, b);
        count_a = all_ends(scan.ends[program_of(s->program)], text, n, a, &seed);
        if (!same_ends(s->program, text, n, a, count_a, b, count_b))
            break;
    }
    tok_regex_free(&regex);
    tok_regex_scratch_done(&scratch);
}

T_CASE(programs_are_their_expressions)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        against_regex(&spellings[i], 3000);
}

/* The raw newlines are the file's. */
static const char *const deepseek[3] = {
    "\\p{N}{1,3}",
    "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
    "[!\"#$%&'()*+,\\-./"
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "
    "?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
};

/* Cuts each piece of text at the matches within it, as if there were no text around. */
static uint64_t isolate(const struct tok_regex *regex, struct tok_regex_scratch *scratch,
                        const uint8_t *text, const uint32_t *pieces, uint64_t count,
                        uint32_t *ret_ends)
{
    uint64_t from = 0, out = 0;

    for (uint64_t i = 0; i < count; from = pieces[i++]) {
        uint64_t n = pieces[i] - from, at = 0, start = 0, end = 0;
        bool found = true;
        while (at < n) {
            T_REQUIRE(tok_regex_find(regex, scratch, text + from, n, at, &found, &start, &end,
                                     NULL) == NGT_OK);
            if (!found)
                break;
            if (start > at)
                ret_ends[out++] = (uint32_t)(from + start);
            ret_ends[out++] = (uint32_t)(from + end);
            at = end;
        }
        if (at < n)
            ret_ends[out++] = pieces[i];
    }
    return out;
}

/* The last step of DeepSeek Coder is no expression; \\p{N} is the same where both know a character. */
static const char *const coder[5] = {
    "[\r\n]",         "\\s?\\p{L}+", "\\s?\\p{P}+", "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+",
    TOK_SPLIT_DIGITS,
};

static void sequence_is_its_splits(const char *const *patterns, uint64_t count_patterns,
                                   const char *name)
{
    static uint32_t a[MOST + 1], b[MOST + 1], c[MOST + 1];
    struct tok_regex_scratch scratch = {0};
    struct tok_regex *regex[5] = {NULL};
    struct tok_split *split = NULL;
    struct tok_scan scan;
    uint64_t seed = 5;
    uint8_t text[256];

    T_REQUIRE(tok_split_new_sequence(patterns, count_patterns, NULL, &split, NULL) == NGT_OK);
    T_REQUIRE(split);
    T_EQ_STR(tok_split_program(split), name);
    T_TRUE(tok_split_covers(split));
    tok_split_free(&split);
    T_REQUIRE(tok_split_new_sequence(patterns, count_patterns - 1, NULL, &split, NULL) == NGT_OK);
    T_TRUE(!split);

    tok_scan_init(&scan, TOK_SCALAR);
    for (uint64_t i = 0; i < count_patterns; i++) {
        const char *p = strcmp(patterns[i], TOK_SPLIT_DIGITS) == 0 ? "\\p{N}" : patterns[i];
        T_REQUIRE(tok_regex_new(p, strlen(p), TOK_ONIGURUMA, NULL, &regex[i], NULL) == NGT_OK);
    }
    for (unsigned round = 0; round < 6000; round++) {
        uint64_t n = 1 + round % 200, count;
        split_random_text(&seed, text, n);
        b[0] = (uint32_t)n;
        count = 1;
        for (uint64_t i = 0; i < count_patterns; i++) {
            count = isolate(regex[i], &scratch, text, b, count, c);
            memcpy(b, c, count * sizeof *b);
        }
        uint64_t got = all_ends(scan.ends[program_of(name)], text, n, a, &seed);
        if (!same_ends(name, text, n, a, got, c, count))
            break;
    }
    for (uint64_t i = 0; i < count_patterns; i++)
        tok_regex_free(&regex[i]);
    tok_regex_scratch_done(&scratch);
}

T_CASE(deepseek_is_its_splits)
{
    sequence_is_its_splits(deepseek, 3, "deepseek");
}

T_CASE(deepseek_coder_is_its_splits)
{
    sequence_is_its_splits(coder, 5, "deepseek-coder");
}

/* A file cannot write the step that is no expression as one. */
T_CASE(digits_are_no_expression)
{
    struct tok_split *split = NULL;

    T_EQ_INT(
        tok_split_new_oniguruma(TOK_SPLIT_DIGITS, strlen(TOK_SPLIT_DIGITS), NULL, &split, NULL),
        NGT_E_DATA);
}

/* The scalar code has classes of ASCII of its own; the rest is sampled by the random texts. */
T_CASE(characters_by_expression)
{
    uint64_t n = 0;
    uint8_t *text = all_characters(0x3400, &n);

    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        const struct spelling *s = &spellings[i];
        struct tok_regex_scratch scratch = {0};
        struct tok_regex *regex = NULL;
        T_REQUIRE(tok_regex_new(s->pattern, strlen(s->pattern), s->dialect, NULL, &regex, NULL) ==
                  NGT_OK);
        for (uint64_t at = 0, end = 0; at < n; at = end) {
            bool matched = false;
            uint64_t mine = tok_scan_piece[program_of(s->program)](text, n, at);
            T_REQUIRE(tok_regex_match(regex, &scratch, text, n, at, &matched, &end, NULL) ==
                      NGT_OK);
            if (!matched || mine != end) {
                T_FAIL("%s: %" PRIu64 ", expected %" PRIu64, s->program, mine, end);
                print_text(text + at, 24);
                break;
            }
        }
        tok_regex_free(&regex);
        tok_regex_scratch_done(&scratch);
    }
    free(text);
}

/* One piece, or all alike: quadratic work would not end within the time that the suite gives a test. */
T_CASE(giant_pieces)
{
    static const char *const parts[] = {
        "a",
        "A",
        " ",
        "1",
        "\n",
        "!",
        "\xE4\xB8\xAD",
        "\xD0\xB6",
        "\xCC\x81",
        "\r",
        "\xE3\x80\x80",
        "aA",
        " \n",
        "\n ",
        "\xE4\xB8\xAD\x41",
        "\xD9\xA3",
        "\xE2\x85\xA7 ",
    };
    enum { SIZE = 1 << 19, ENDS = 4096 };
    uint8_t *text = malloc(SIZE);
    uint32_t *ends = malloc(ENDS * sizeof *ends);
    T_REQUIRE(text && ends);

    for (int isa = 0; isa < TOK_ISAS; isa++)
        for (int p = 0; p < TOK_PROGRAMS && tok_isa_here((enum tok_isa)isa); p++)
            for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
                struct tok_scan scan;
                uint64_t size = strlen(parts[i]), n = SIZE - SIZE % size, at = 0;
                for (uint64_t k = 0; k < n; k += size)
                    memcpy(text + k, parts[i], size);
                tok_scan_init(&scan, (enum tok_isa)isa);
                while (at < n)
                    at = ends[scan.ends[p](text, n, at, ends, ENDS) - 1];
                T_EQ_U64(at, n);
            }
    free(text);
    free(ends);
}

static const struct {
    const char *name, *text, *pieces; /* joined by | */
} cases[] = {
    {"gpt2", "Don't STOP  now'S 12345!", "Don|'t| STOP| | now|'|S| 12345|!"},
    {"gpt2", "a  \n\n b  ", "a|  \n\n| b|  "},
    {"cl100k", "a\n  ", "a|\n  "},
    {"llama3", "a\n  ", "a|\n|  "},
    {"llama3", "I'LL 1234 .\n\nx \n y", "I|'LL| |123|4| .\n\n|x| \n| y"},
    {"qwen2", "x12 \xC2\xB2", "x|1|2| |\xC2\xB2"},
    {"qwen3.5", "e\xCC\x81t !\xCC\x81", "e\xCC\x81t| !|\xCC\x81"},
    {"o200k", "camelCaseDON'T don't'll//\n/x", "camel|Case|DON'T| don't|'ll|//\n/|x"},
    {"o200k",
     "\xE4\xB8\xAD\xE6\x96\x87"
     "AB cd",
     "\xE4\xB8\xAD\xE6\x96\x87|AB| cd"},
    {"tekken", "don't 12", "don|'t| |1|2"},
};

T_CASE(known_pieces)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tok_split *split = NULL;
        struct tok_split_scratch *scratch = NULL;
        const char *pattern = tok_split_named(cases[i].name, NULL);
        const uint8_t *text = (const uint8_t *)cases[i].text;
        uint64_t n = strlen(cases[i].text), count, at = 0, out = 0;
        uint32_t ends[64], first_end = 0;
        char joined[256];

        T_REQUIRE(pattern);
        T_REQUIRE(tok_split_new(pattern, strlen(pattern), NULL, &split, NULL) == NGT_OK);
        T_EQ_STR(tok_split_program(split), cases[i].name);
        T_TRUE(tok_split_covers(split));
        T_REQUIRE(tok_split_scratch_new(split, &scratch, NULL) == NGT_OK);
        while (at < n) {
            T_REQUIRE(tok_split_ends(split, scratch, text, n, at, ends, 64, &count, NULL) ==
                      NGT_OK);
            T_REQUIRE(count > 0);
            first_end = at ? first_end : ends[0];
            for (uint64_t k = 0; k < count; k++) {
                if (out)
                    joined[out++] = '|';
                memcpy(joined + out, text + at, ends[k] - at);
                out += ends[k] - at;
                at = ends[k];
            }
        }
        joined[out] = 0;
        T_EQ_STR(joined, cases[i].pieces);

        bool found = false;
        uint64_t start = 9, end = 9;
        T_REQUIRE(tok_split_find(split, scratch, text, n, 0, &found, &start, &end, NULL) == NGT_OK);
        T_TRUE(found);
        T_EQ_U64(start, 0);
        T_EQ_U64(end, first_end);
        T_REQUIRE(tok_split_find(split, scratch, text, n, n, &found, &start, &end, NULL) == NGT_OK);
        T_TRUE(!found);
        tok_split_scratch_free(&scratch);
        tok_split_free(&split);
    }
}

T_CASE(names)
{
    const char *const *names = NULL;

    T_TRUE(!tok_split_named("gpt7", &names));
    T_REQUIRE(names);
    for (; *names; names++) {
        const char *pattern = tok_split_named(*names, NULL);
        struct tok_split *split = NULL;
        T_REQUIRE(pattern);
        T_REQUIRE(tok_split_new(pattern, strlen(pattern), NULL, &split, NULL) == NGT_OK);
        T_TRUE(strcmp(tok_split_program(split), "regex") != 0);
        tok_split_free(&split);
    }
}

T_CASE(every_spelling_is_recognised)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct tok_split *split = NULL;
        const char *p = spellings[i].pattern;
        enum ngt_status status = spellings[i].dialect == TOK_ONIGURUMA
                                     ? tok_split_new_oniguruma(p, strlen(p), NULL, &split, NULL)
                                     : tok_split_new(p, strlen(p), NULL, &split, NULL);
        T_REQUIRE(status == NGT_OK);
        T_EQ_STR(tok_split_program(split), spellings[i].program);
        tok_split_free(&split);
    }
}

/* \p{N}{1,3}+ is possessive in one library and repeated in the other. */
T_CASE(dialects_differ)
{
    const char *pattern = tok_split_named("cl100k", NULL);
    struct tok_split *split = NULL;
    struct tok_split_scratch *scratch = NULL;
    uint32_t ends[8];
    uint64_t count = 0;

    T_REQUIRE(tok_split_new_oniguruma(pattern, strlen(pattern), NULL, &split, NULL) == NGT_OK);
    T_EQ_STR(tok_split_program(split), "regex");
    T_REQUIRE(tok_split_scratch_new(split, &scratch, NULL) == NGT_OK);
    T_REQUIRE(tok_split_ends(split, scratch, (const uint8_t *)"12345", 5, 0, ends, 8, &count,
                             NULL) == NGT_OK);
    T_EQ_U64(count, 1);
    tok_split_scratch_free(&scratch);
    tok_split_free(&split);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
