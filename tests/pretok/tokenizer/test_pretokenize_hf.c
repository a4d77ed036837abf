/*
 * Pre-tokenizers of a tokenizer.json, one by one and in sequence. The expected pieces, here with |
 * between them, are what tokenizers 0.23.3 makes of the inputs.
 */
#include "load/hf_components.h"
#include "t.h"
#include "text/hf_digits.h"
#include "text/utf8_inline.h"

#define TEXT(s)                                                                                    \
    {                                                                                              \
        s, sizeof s - 1                                                                            \
    }

/* clang-format off */
static const struct {
    const char *json;
    struct {
        const char *at;
        uint64_t n;
    } input, expected;
} cases[] = {
    {"{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}", TEXT("Hello world's  end"), TEXT("Hello|\xC4\xA0world|'s|\xC4\xA0|\xC4\xA0" "end")},
    {"{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}", TEXT("\xC3\xA9 12"), TEXT("\xC3\x83\xC2\xA9|\xC4\xA0" "12")},
    {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}, {\"type\": \"Digits\", \"individual_digits\": true}]}", TEXT("a12"), TEXT("\xC4\xA0" "a|1|2")},
    {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true}, {\"type\": \"Digits\", \"individual_digits\": true}]}", TEXT("\n x"), TEXT("\xC4\xA0\xC4\x8A|\xC4\xA0x")},
    {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", \"individual_digits\": true}, {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"first\", \"split\": true}]}", TEXT("1a 2"), TEXT("\xE2\x96\x81" "1|a|\xE2\x96\x81|2")},
    {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", \"individual_digits\": true}, {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"first\", \"split\": true}]}", TEXT("a1 2"), TEXT("\xE2\x96\x81" "a|1|\xE2\x96\x81|2")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Removed\", \"invert\": false}", TEXT("the-final--countdown"), TEXT("the|final|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Removed\", \"invert\": false}", TEXT("--a-"), TEXT("a")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Removed\", \"invert\": true}", TEXT("the-final--countdown"), TEXT("-|-|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Removed\", \"invert\": true}", TEXT("--a-"), TEXT("-|-|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Isolated\", \"invert\": false}", TEXT("the-final--countdown"), TEXT("the|-|final|-|-|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Isolated\", \"invert\": false}", TEXT("--a-"), TEXT("-|-|a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Isolated\", \"invert\": true}", TEXT("the-final--countdown"), TEXT("the|-|final|-|-|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Isolated\", \"invert\": true}", TEXT("--a-"), TEXT("-|-|a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}", TEXT("the-final--countdown"), TEXT("the-|final-|-|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}", TEXT("--a-"), TEXT("-|-|a-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": true}", TEXT("the-final--countdown"), TEXT("the|-final|-|-countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": true}", TEXT("--a-"), TEXT("-|-a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}", TEXT("the-final--countdown"), TEXT("the|-final|-|-countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}", TEXT("--a-"), TEXT("-|-a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithNext\", \"invert\": true}", TEXT("the-final--countdown"), TEXT("the-|final-|-|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"MergedWithNext\", \"invert\": true}", TEXT("--a-"), TEXT("-|-|a-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Contiguous\", \"invert\": false}", TEXT("the-final--countdown"), TEXT("the|-|final|--|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Contiguous\", \"invert\": false}", TEXT("--a-"), TEXT("--|a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Contiguous\", \"invert\": true}", TEXT("the-final--countdown"), TEXT("the|-|final|--|countdown")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"-\"}, \"behavior\": \"Contiguous\", \"invert\": true}", TEXT("--a-"), TEXT("--|a|-")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Removed\", \"invert\": false}", TEXT("a12b3"), TEXT("a|b")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Removed\", \"invert\": false}", TEXT("1"), TEXT("")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Removed\", \"invert\": true}", TEXT("a12b3"), TEXT("1|2|3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Removed\", \"invert\": true}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}", TEXT("a12b3"), TEXT("a1|2|b3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": true}", TEXT("a12b3"), TEXT("a|1|2b|3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithPrevious\", \"invert\": true}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}", TEXT("a12b3"), TEXT("a|1|2b|3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithNext\", \"invert\": true}", TEXT("a12b3"), TEXT("a1|2|b3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"MergedWithNext\", \"invert\": true}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Contiguous\", \"invert\": false}", TEXT("a12b3"), TEXT("a|12|b|3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Contiguous\", \"invert\": false}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Contiguous\", \"invert\": true}", TEXT("a12b3"), TEXT("a|12|b|3")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"[0-9]\"}, \"behavior\": \"Contiguous\", \"invert\": true}", TEXT("1"), TEXT("1")},
    {"{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x*\"}, \"behavior\": \"Isolated\", \"invert\": false}", TEXT("axxb"), TEXT("a|xx|b")},
    {"{\"type\": \"Split\", \"pattern\": {\"String\": \"\"}, \"behavior\": \"MergedWithNext\", \"invert\": false}", TEXT("ab\xC3\xA9"), TEXT("a|b|\xC3\xA9")},
    {"{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\p{N}{1,3}\"}, \"behavior\": \"Isolated\", \"invert\": false}, {\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\s+(\?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\", \"invert\": false}]}", TEXT("a  1234  b"), TEXT("a|  |123|4| | |b")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"always\", \"split\": true}", TEXT("a b"), TEXT("\xE2\x96\x81" "a|\xE2\x96\x81" "b")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"always\", \"split\": true}", TEXT(" a"), TEXT("\xE2\x96\x81" "a")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"always\", \"split\": true}", TEXT("\xE2\x96\x81" "a"), TEXT("\xE2\x96\x81" "a")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"always\", \"split\": true}", TEXT("  a  "), TEXT("\xE2\x96\x81|\xE2\x96\x81" "a|\xE2\x96\x81|\xE2\x96\x81")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"never\", \"split\": true}", TEXT("a b\xE2\x96\x81" "c"), TEXT("a|\xE2\x96\x81" "b|\xE2\x96\x81" "c")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"_\", \"prepend_scheme\": \"always\", \"split\": false}", TEXT("a b"), TEXT("_a_b")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"str_rep\": \"\xE2\x96\x81\", \"add_prefix_space\": true}", TEXT("a b"), TEXT("\xE2\x96\x81" "a|\xE2\x96\x81" "b")},
    {"{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"add_prefix_space\": false, \"prepend_scheme\": \"never\"}", TEXT("a b"), TEXT("a|\xE2\x96\x81" "b")},
    {"{\"type\": \"Digits\", \"individual_digits\": true}", TEXT("a12\xC2\xB2\xD9\xA3\xE2\x85\xA7" "b"), TEXT("a|1|2|\xC2\xB2|\xD9\xA3|\xE2\x85\xA7|b")},
    {"{\"type\": \"Digits\", \"individual_digits\": false}", TEXT("a12\xC2\xB2 3b"), TEXT("a|12\xC2\xB2| |3|b")},
    {"{\"type\": \"Punctuation\"}", TEXT("a,b..c\xE2\x80\x99" "d$\xE3\x80\x82"), TEXT("a|,|b|.|.|c|\xE2\x80\x99|d|$|\xE3\x80\x82")},
    {"{\"type\": \"Punctuation\", \"behavior\": \"MergedWithNext\"}", TEXT("a,b..c"), TEXT("a|,b|.|.c")},
    {"{\"type\": \"WhitespaceSplit\"}", TEXT(" a\xC2\x85" "b\xE3\x80\x80 c\xE2\x80\x8B" "d"), TEXT("a|b|c\xE2\x80\x8B" "d")},
    {"{\"type\": \"Whitespace\"}", TEXT("Hey man! \xC3\xA9\xCC\x81_1 ..x\xE2\x80\x8D"), TEXT("Hey|man|!|\xC3\xA9\xCC\x81_1|..|x\xE2\x80\x8D")},
    {"{\"type\": \"BertPreTokenizer\"}", TEXT("Hey, man!  ok"), TEXT("Hey|,|man|!|ok")},
    {"{\"type\": \"CharDelimiterSplit\", \"delimiter\": \"-\"}", TEXT("a--b-"), TEXT("a|b")},
    {"{\"type\": \"FixedLength\", \"length\": 2}", TEXT("abc\xC3\xA9\xE4\xB8\xAD"), TEXT("ab|c\xC3\xA9|\xE4\xB8\xAD")},
    {"{\"type\": \"FixedLength\"}", TEXT("abcdefg"), TEXT("abcde|fg")},
};
/* clang-format on */

struct pieces {
    struct tok_buffer text;
    bool bytes; /* to be shown as ByteLevel's characters */
};

static enum ngt_status add(void *context, const uint8_t *piece, uint64_t n,
                           struct ngt_error *reterr)
{
    struct pieces *p = context;

    T_TRUE(n > 0);
    T_REQUIRE(tok_buffer_reserve(&p->text, 2 * n + 1, reterr) == NGT_OK);
    if (p->text.size)
        tok_buffer_put(&p->text, "|", 1);
    for (uint64_t i = 0; i < n; i++) {
        if (p->bytes)
            p->text.size += tok_utf8_put(tok_hf_byte_char(piece[i]), p->text.at + p->text.size);
        else
            tok_buffer_put(&p->text, piece + i, 1);
    }
    return NGT_OK;
}

/* The pieces of t, with | between; plain: the long way. */
static void run(const char *json, struct tok_hf_text t, bool plain, struct pieces *got)
{
    struct tok_hf_pretokenizers p = {0};
    struct tok_hf_pretokenize_scratch s;
    struct ngt_json *root = NULL;
    struct ngt_error e;

    T_REQUIRE(ngt_json_parse(json, strlen(json), "test", &root, &e) == NGT_OK);
    if (tok_hf_read_pretokenizers(root, "test", true, &p, &got->bytes, &e) != NGT_OK) {
        T_FAIL("%s: %s", json, e.message);
        exit(99);
    }
    T_REQUIRE(tok_hf_pretokenize_scratch_init(&s, &p, NULL) == NGT_OK);
    s.plain = plain;
    T_REQUIRE(tok_hf_pretokenize(&p, &s, t, add, got, NULL) == NGT_OK);
    tok_hf_pretokenize_scratch_done(&s);
    tok_hf_pretokenizers_done(&p);
    ngt_json_free(&root);
}

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int plain = 0; plain < 2; plain++) {
            struct pieces got = {0};
            run(cases[i].json,
                tok_hf_document((const uint8_t *)cases[i].input.at, cases[i].input.n), plain, &got);
            if (got.text.size != cases[i].expected.n ||
                (got.text.size && memcmp(got.text.at, cases[i].expected.at, got.text.size) != 0))
                T_FAIL("%s of \"%s\": \"%.*s\", expected \"%s\"", cases[i].json, cases[i].input.at,
                       (int)got.text.size, (const char *)got.text.at, cases[i].expected.at);
            tok_buffer_done(&got.text);
        }
}

#define SPACED                                                                                     \
    "{\"type\": \"WhitespaceSplit\"}, {\"type\": \"Metaspace\", \"replacement\": "                 \
    "\"\xE2\x96\x81\", "                                                                           \
    "\"prepend_scheme\": \"always\", \"split\": true}"

/* The two steps that are done in one, against the same with a third behind them that does nothing. */
T_CASE(spaced_words_are_the_two_steps)
{
    static const char *const parts[] = {
        "a",
        "b",
        "word",
        " ",
        "  ",
        "\n",
        "\t",
        "\x1C",
        "\xC2\x85",
        "\xC2\xA0",
        "\xC2\xA1",
        "\xC3\xA9",
        "\xE1\x9A\x80",
        "\xE2\x80\x83",
        "\xE2\x80\x8B",
        "\xE2\x96\x81",
        "\xE2\x96\x81\xE2\x96\x81",
        "\xE2\x96\x82",
        "\xE3\x80\x80",
        "\xE4\xB8\xAD",
        "\xF0\x9F\x98\x80",
    };
    uint32_t state = 1;

    for (int round = 0; round < 3000; round++) {
        struct pieces one = {0}, two = {0};
        uint8_t text[256];
        uint64_t n = 0;
        for (int k = round % 30; k >= 0; k--) {
            state = state * 1664525u + 1013904223u;
            const char *part = parts[(state >> 16) % (sizeof parts / sizeof *parts)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        run("{\"type\": \"Sequence\", \"pretokenizers\": [" SPACED "]}", tok_hf_document(text, n),
            false, &one);
        run("{\"type\": \"Sequence\", \"pretokenizers\": [" SPACED
            ", {\"type\": \"FixedLength\", \"length\": 100000}]}",
            tok_hf_document(text, n), true, &two);
        if (one.text.size != two.text.size ||
            (one.text.size && memcmp(one.text.at, two.text.at, one.text.size) != 0))
            T_FAIL("\"%.*s\": \"%.*s\", by steps \"%.*s\"", (int)n, (const char *)text,
                   (int)one.text.size, (const char *)one.text.at, (int)two.text.size,
                   (const char *)two.text.at);
        tok_buffer_done(&one.text);
        tok_buffer_done(&two.text);
    }
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Steps that pass pieces over, and texts longer than the shorter ways begin at: as the long way. */
T_CASE(twins)
{
    /* clang-format off */
    static const char *const steps[] = {
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[\\r\\n]\"},\"behavior\":\"Isolated\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s?\\\\p{L}+\"},\"behavior\":\"Isolated\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\s?\\\\p{P}+\"},\"behavior\":\"MergedWithNext\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}+\"},\"behavior\":\"Removed\",\"invert\":true}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\p{N}\"},\"behavior\":\"Removed\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+|[^\\\\w]\"},\"behavior\":\"Isolated\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"\\\\w+|[^\\\\w]\"},\"behavior\":\"Contiguous\",\"invert\":false}",
        "{\"type\":\"Split\",\"pattern\":{\"String\":\"ab\"},\"behavior\":\"MergedWithPrevious\",\"invert\":true}",
        "{\"type\":\"Digits\",\"individual_digits\":true}",
        "{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"}",
        "{\"type\":\"CharDelimiterSplit\",\"delimiter\":\"e\"}",
        "{\"type\":\"FixedLength\",\"length\":3}",
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}",
    };
    static const char *const parts[] = {"ab", "e", "  ", "12", "\n", ".", "\xC3\xA9", "\xE4\xB8\xAD", "x", " ",
                                        "\xD9\xA3", "hello", ",!", "\t"};
    /* clang-format on */
    uint64_t seed = 5;

    for (unsigned round = 0; round < 2000 && t_failures < 5; round++) {
        char json[4096] = "{\"type\":\"Sequence\",\"pretokenizers\":[", text[700] = "";
        struct tok_hf_pretokenizers p = {0};
        struct tok_hf_pretokenize_scratch s;
        struct pieces got[2] = {0};
        struct ngt_json *root = NULL;
        struct ngt_error e;
        for (uint64_t k = 1 + next_random(&seed) % 9; k; k--) {
            strcat(json, steps[next_random(&seed) % (sizeof steps / sizeof *steps)]);
            strcat(json, k > 1 ? "," : "]}");
        }
        for (uint64_t k = next_random(&seed) % (round % 3 ? 12 : 100); k; k--)
            strcat(text, parts[next_random(&seed) % (sizeof parts / sizeof *parts)]);
        T_REQUIRE(ngt_json_parse(json, strlen(json), "test", &root, &e) == NGT_OK);
        if (tok_hf_read_pretokenizers(root, "test", true, &p, &got[0].bytes, &e) != NGT_OK) {
            T_FAIL("%s: %s", json, e.message);
            exit(99);
        }
        T_REQUIRE(tok_hf_pretokenize_scratch_init(&s, &p, NULL) == NGT_OK);
        got[1].bytes = got[0].bytes;
        for (int plain = 0; plain < 2; plain++) {
            struct tok_hf_text t = tok_hf_document((const uint8_t *)text, strlen(text));
            s.plain = plain;
            T_REQUIRE(tok_hf_pretokenize(&p, &s, t, add, &got[plain], NULL) == NGT_OK);
        }
        if (got[0].text.size != got[1].text.size ||
            (got[0].text.size && memcmp(got[0].text.at, got[1].text.at, got[0].text.size) != 0))
            T_FAIL("%s of \"%s\": \"%.*s\", expected \"%.*s\"", json, text, (int)got[0].text.size,
                   (const char *)got[0].text.at, (int)got[1].text.size,
                   (const char *)got[1].text.at);
        tok_hf_pretokenize_scratch_done(&s);
        tok_hf_pretokenizers_done(&p);
        tok_buffer_done(&got[0].text);
        tok_buffer_done(&got[1].text);
        ngt_json_free(&root);
    }
}

/* Three steps, and one split of text with spaces in it. */
T_CASE(digits_behind_spaces)
{
    static const char *const parts[] = {
        "1",           "2",        " ",        "  ",       "\n",           "a",
        "bc",          "'s",       "'",        "+",        "=!",           "\t ",
        "\xC2\xA0",    "\xC2\xB2", "\xD9\xA3", "\xC3\xA9", "\xE2\x85\xA7", "\xC2\x85",
        "\xE3\x80\x80"};
    static const char json[] =
        "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Digits\", "
        "\"individual_digits\": true}, {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
        "\"trim_offsets\": true, \"use_regex\": true}]}";
    static const char gpt2[] =
        "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
        "\"use_regex\": true}";
    uint64_t seed = 5;

    for (unsigned round = 0; round < 4000 && t_failures == 0; round++) {
        uint8_t text[200];
        uint64_t n = 0;
        struct tok_buffer spaced = {0};
        struct pieces want = {0}, got = {0};
        for (unsigned k = 1 + round % 40; k > 0; k--) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const char *part = parts[(seed >> 33) % (sizeof parts / sizeof *parts)];
            memcpy(text + n, part, strlen(part));
            n += strlen(part);
        }
        run(json, tok_hf_document(text, n), true, &want);
        T_REQUIRE(tok_hf_space_digits(text, n, &spaced, NULL) == NGT_OK);
        T_TRUE(spaced.size <= 2 * n + 1);
        run(gpt2, tok_hf_document(spaced.at, spaced.size), false, &got);
        if (want.text.size != got.text.size ||
            memcmp(want.text.at, got.text.at, got.text.size) != 0)
            T_FAIL("round %u, \"%.*s\": \"%.*s\", expected \"%.*s\"", round, (int)n,
                   (const char *)text, (int)got.text.size, (const char *)got.text.at,
                   (int)want.text.size, (const char *)want.text.at);
        tok_buffer_done(&spaced);
        tok_buffer_done(&want.text);
        tok_buffer_done(&got.text);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
