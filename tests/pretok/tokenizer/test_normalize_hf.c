/*
 * Normalizers of a tokenizer.json, one by one and in sequence. The expected texts are what
 * tokenizers 0.23.3 makes of the inputs.
 */
#include "load/hf_components.h"
#include "t.h"
#include "text/hf_charsmap.h"
#include "text/utf8_inline.h"

/* text that may hold NUL */
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
    {"{\"type\": \"NFC\"}", TEXT(""), TEXT("")},
    {"{\"type\": \"NFC\"}", TEXT("plain"), TEXT("plain")},
    {"{\"type\": \"NFC\"}", TEXT("e\xCC\x81"), TEXT("\xC3\xA9")},
    {"{\"type\": \"NFC\"}", TEXT("\xC3\xA9\xCC\x81"), TEXT("\xC3\xA9\xCC\x81")},
    {"{\"type\": \"NFC\"}", TEXT("a\xCC\xA3\xCC\x87"), TEXT("\xE1\xBA\xA1\xCC\x87")},
    {"{\"type\": \"NFC\"}", TEXT("a\xCC\x87\xCC\xA3"), TEXT("\xE1\xBA\xA1\xCC\x87")},
    {"{\"type\": \"NFC\"}", TEXT("\xCC\x81" "e"), TEXT("\xCC\x81" "e")},
    {"{\"type\": \"NFC\"}", TEXT("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8x"), TEXT("\xEA\xB0\x81x")},
    {"{\"type\": \"NFC\"}", TEXT("\xEA\xB0\x80\xE1\x86\xA8"), TEXT("\xEA\xB0\x81")},
    {"{\"type\": \"NFC\"}", TEXT("\xE2\x84\xAB\xE2\x84\xA6"), TEXT("\xC3\x85\xCE\xA9")},
    {"{\"type\": \"NFC\"}", TEXT("\xE0\xA5\x98"), TEXT("\xE0\xA4\x95\xE0\xA4\xBC")},
    {"{\"type\": \"NFC\"}", TEXT("q\xCC\x87\xCC\xA3" "e\xCC\x81"), TEXT("q\xCC\xA3\xCC\x87\xC3\xA9")},
    {"{\"type\": \"NFC\"}", TEXT("\xE1\xBA\xA1\xCC\x82"), TEXT("\xE1\xBA\xAD")},
    {"{\"type\": \"NFC\"}", TEXT("\xE0\xA7\x87\xE0\xA6\xBE"), TEXT("\xE0\xA7\x8B")},
    {"{\"type\": \"NFC\"}", TEXT("\xCD\x84"), TEXT("\xCC\x88\xCC\x81")},
    {"{\"type\": \"NFC\"}", TEXT("\xE3\x8B\xBF\xF0\x91\x84\xA7\xF0\x91\x84\xB1"), TEXT("\xE3\x8B\xBF\xF0\x91\x84\xA7\xF0\x91\x84\xB1")},
    {"{\"type\": \"NFC\"}", TEXT("a\xCC\xB4\xCC\x81"), TEXT("\xC3\xA1\xCC\xB4")},
    {"{\"type\": \"NFC\"}", TEXT("e\xCC\x81\xCC\x81"), TEXT("\xC3\xA9\xCC\x81")},
    {"{\"type\": \"NFD\"}", TEXT("\xC3\xA9"), TEXT("e\xCC\x81")},
    {"{\"type\": \"NFD\"}", TEXT("\xE1\xB9\xA9"), TEXT("s\xCC\xA3\xCC\x87")},
    {"{\"type\": \"NFD\"}", TEXT("\xED\x95\x9C\xEA\xB5\xAD"), TEXT("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xE1\x84\x80\xE1\x85\xAE\xE1\x86\xA8")},
    {"{\"type\": \"NFD\"}", TEXT("\xCD\x84"), TEXT("\xCC\x88\xCC\x81")},
    {"{\"type\": \"NFD\"}", TEXT("a\xCC\x87\xCC\xA3"), TEXT("a\xCC\xA3\xCC\x87")},
    {"{\"type\": \"NFD\"}", TEXT("\xE2\x84\xAB"), TEXT("A\xCC\x8A")},
    {"{\"type\": \"NFKC\"}", TEXT("\xEF\xAC\x81\xE2\x91\xA0"), TEXT("fi1")},
    {"{\"type\": \"NFKC\"}", TEXT("\xE3\x8E\xA1\xEF\xBD\xB6\xEF\xBE\x9E"), TEXT("m2\xE3\x82\xAC")},
    {"{\"type\": \"NFKC\"}", TEXT("\xE3\x8B\xBF"), TEXT("\xE3\x8B\xBF")},
    {"{\"type\": \"NFKC\"}", TEXT("\xEF\xB7\xBA"), TEXT("\xD8\xB5\xD9\x84\xD9\x89 \xD8\xA7\xD9\x84\xD9\x84\xD9\x87 \xD8\xB9\xD9\x84\xD9\x8A\xD9\x87 \xD9\x88\xD8\xB3\xD9\x84\xD9\x85")},
    {"{\"type\": \"NFKC\"}", TEXT("\xE1\xBA\x9B\xCC\xA3"), TEXT("\xE1\xB9\xA9")},
    {"{\"type\": \"NFKC\"}", TEXT("\xEF\xBC\xA1\xCC\x81"), TEXT("\xC3\x81")},
    {"{\"type\": \"NFKD\"}", TEXT("\xEF\xAC\x81\xC2\xBD"), TEXT("fi1\xE2\x81\x84" "2")},
    {"{\"type\": \"NFKD\"}", TEXT("\xEF\xBD\xB6\xE3\x82\x99\xEA\xB0\x81"), TEXT("\xE3\x82\xAB\xE3\x82\x99\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8")},
    {"{\"type\": \"NFKD\"}", TEXT("\xE1\xBA\x9B\xCC\xA3"), TEXT("s\xCC\xA3\xCC\x87")},
    {"{\"type\": \"Lowercase\"}", TEXT("ABC xyz"), TEXT("abc xyz")},
    {"{\"type\": \"Lowercase\"}", TEXT("\xC4\xB0\xCE\xA3\xC7\x84\xE2\x84\xA6\xE2\x84\xAA"), TEXT("i\xCC\x87\xCF\x83\xC7\x86\xCF\x89k")},
    {"{\"type\": \"Lowercase\"}", TEXT("\xC3\x89T\xC3\x89"), TEXT("\xC3\xA9t\xC3\xA9")},
    {"{\"type\": \"Lowercase\"}", TEXT("\xF0\x90\x90\x80\xC8\xBA"), TEXT("\xF0\x90\x90\xA8\xE2\xB1\xA5")},
    {"{\"type\": \"Lowercase\"}", TEXT("\xE1\xB2\x89\xEA\x9F\x8B"), TEXT("\xE1\xB2\x8A\xC9\xA4")},
    {"{\"type\": \"StripAccents\"}", TEXT("e\xCC\x81" "a\xCC\xA3"), TEXT("ea")},
    {"{\"type\": \"StripAccents\"}", TEXT("\xC3\xA9"), TEXT("\xC3\xA9")},
    {"{\"type\": \"StripAccents\"}", TEXT("\xE0\xB9\x88\xE0\xA4\xBC\xE2\x83\x9D."), TEXT(".")},
    {"{\"type\": \"StripAccents\"}", TEXT("\xE1\xB7\x84\xF0\x9E\xA3\x90"), TEXT("")},
    {"{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}", TEXT(" \xE3\x80\x80" "a b\xC2\x85\xE2\x80\xA8"), TEXT("a b")},
    {"{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}", TEXT("   "), TEXT("")},
    {"{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": true}", TEXT("x"), TEXT("x")},
    {"{\"type\": \"Strip\", \"strip_left\": true, \"strip_right\": false}", TEXT("\t a "), TEXT("a ")},
    {"{\"type\": \"Strip\", \"strip_left\": false, \"strip_right\": true}", TEXT("\t a \n"), TEXT("\t a")},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"``\"}, \"content\": \"\\\"\"}", TEXT("``a```b"), TEXT("\"a\"`b")},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"\\\\s\"}, \"content\": \"-\"}", TEXT("a b\\sc"), TEXT("a b-c")},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}", TEXT("a  b "), TEXT("a\xE2\x96\x81\xE2\x96\x81" "b\xE2\x96\x81")},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}", TEXT("none"), TEXT("none")},
    {"{\"type\": \"Replace\", \"pattern\": {\"String\": \"\"}, \"content\": \"-\"}", TEXT("ab\xC3\xA9"), TEXT("-a-b-\xC3\xA9-")},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x*\"}, \"content\": \"-\"}", TEXT("axxb"), TEXT("-a-b-")},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x*\"}, \"content\": \"-\"}", TEXT("xx"), TEXT("-")},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"x*\"}, \"content\": \"-\"}", TEXT(""), TEXT("")},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" {2,}\"}, \"content\": \" \"}", TEXT("a   b c    "), TEXT("a b c ")},
    {"{\"type\": \"Replace\", \"pattern\": {\"Regex\": \"(\?=[A-Z])\"}, \"content\": \"_\"}", TEXT("aBcD"), TEXT("a_Bc_D")},
    {"{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}", TEXT("a"), TEXT("\xE2\x96\x81" "a")},
    {"{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}", TEXT(""), TEXT("")},
    {"{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}", TEXT(" "), TEXT("\xE2\x96\x81 ")},
    {"{\"type\": \"Nmt\"}", TEXT("a\x01" "b\tc\xE2\x80\x8B" "d\xEF\xBB\xBF" "e\xE2\x96\x81" "f\x7Fg\xC2\x85"), TEXT("ab c d e fg\xC2\x85")},
    {"{\"type\": \"ByteLevel\"}", TEXT("a \xC3\xA9\n\xC2\xAD"), TEXT("a\xC4\xA0\xC3\x83\xC2\xA9\xC4\x8A\xC3\x82\xC5\x83")},
    {"{\"type\": \"ByteLevel\"}", TEXT(""), TEXT("")},
    {"{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true, \"strip_accents\": null, \"lowercase\": true}", TEXT("A\x00\xC3\x89\xE4\xB8\xAD\xE6\x96\x87\tx\xEF\xBF\xBDy\xC2\xA0\xE0\xA4\x83\xE2\x80\x8D"), TEXT("ae \xE4\xB8\xAD  \xE6\x96\x87  xy \xE0\xA4\x83")},
    {"{\"type\": \"BertNormalizer\", \"clean_text\": false, \"handle_chinese_chars\": false, \"strip_accents\": false, \"lowercase\": true}", TEXT("A\xC3\x89\xE4\xB8\xAD\t"), TEXT("a\xC3\xA9\xE4\xB8\xAD\t")},
    {"{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": false, \"strip_accents\": true, \"lowercase\": false}", TEXT("A\xC3\x89\xE0\xB9\x88\xE4\xB8\xAD\t"), TEXT("AE\xE4\xB8\xAD ")},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKC\"}, {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Lowercase\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"content\": \" \"}]}, {\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}]}", TEXT("\xEF\xBC\xA1\xC2\xA0 B"), TEXT("\xE2\x96\x81" "a b")},
    {"{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFKC\"}, {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Lowercase\"}, {\"type\": \"Replace\", \"pattern\": {\"Regex\": \"\\\\s+\"}, \"content\": \" \"}]}, {\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}]}", TEXT(""), TEXT("")},
    {"{\"type\": \"Sequence\", \"normalizers\": []}", TEXT("As Is"), TEXT("As Is")},
};
/* clang-format on */

static struct tok_hf_normalizers read_json(const char *json)
{
    struct tok_hf_normalizers n = {0};
    struct ngt_json *root = NULL;
    struct ngt_error e;

    T_REQUIRE(ngt_json_parse(json, strlen(json), "test", &root, &e) == NGT_OK);
    if (tok_hf_read_normalizers(root, "test", &n, &e) != NGT_OK) {
        T_FAIL("%s: %s", json, e.message);
        exit(99);
    }
    ngt_json_free(&root);
    return n;
}

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tok_hf_normalizers n = read_json(cases[i].json);
        struct tok_hf_normalize_scratch s;
        struct tok_hf_text t =
            tok_hf_document((const uint8_t *)cases[i].input.at, cases[i].input.n);
        T_REQUIRE(tok_hf_normalize_scratch_init(&s, &n, NULL) == NGT_OK);
        T_REQUIRE(tok_hf_normalize(&n, &s, &t, NULL) == NGT_OK);
        if (t.n != cases[i].expected.n || memcmp(t.at, cases[i].expected.at, t.n) != 0)
            T_FAIL("%s of \"%s\": \"%.*s\", expected \"%s\"", cases[i].json, cases[i].input.at,
                   (int)t.n, (const char *)t.at, cases[i].expected.at);
        tok_hf_normalize_scratch_done(&s);
        tok_hf_normalizers_done(&n);
    }
}

/* A text that is in its form already is not copied. */
T_CASE(unchanged_text_stays_where_it_is)
{
    static const char *const texts[] = {"plain ASCII text", "\xC3\xA9t\xC3\xA9 \xEA\xB0\x81",
                                        "\xD7\xA9\xD6\xB0\xD6\xBC \xE4\xB8\xAD"};
    struct tok_hf_normalizers n = read_json("{\"type\": \"NFC\"}");
    struct tok_hf_normalize_scratch s;

    T_REQUIRE(tok_hf_normalize_scratch_init(&s, &n, NULL) == NGT_OK);
    for (size_t i = 0; i < 3; i++) {
        struct tok_hf_text t = tok_hf_document((const uint8_t *)texts[i], strlen(texts[i]));
        T_REQUIRE(tok_hf_normalize(&n, &s, &t, NULL) == NGT_OK);
        T_TRUE(t.at == (const uint8_t *)texts[i]);
    }
    tok_hf_normalize_scratch_done(&s);
    tok_hf_normalizers_done(&n);
}

/* Long runs of marks take the counting sort; either way gives the same as the other on short ones. */
T_CASE(long_runs_of_marks)
{
    struct tok_hf_normalizers n = read_json("{\"type\": \"NFD\"}");
    struct tok_hf_normalize_scratch s;
    char text[1 + 2 * 90], expected[sizeof text];

    text[0] = expected[0] = 'a';
    for (unsigned i = 0; i < 90; i++) {
        /* above, below, above ...: all that are below come first */
        memcpy(text + 1 + 2 * i, i % 2 ? "\xCC\xA3" : "\xCC\x81", 2);
        memcpy(expected + 1 + 2 * i, i < 45 ? "\xCC\xA3" : "\xCC\x81", 2);
    }
    T_REQUIRE(tok_hf_normalize_scratch_init(&s, &n, NULL) == NGT_OK);
    struct tok_hf_text t = tok_hf_document((const uint8_t *)text, sizeof text);
    T_REQUIRE(tok_hf_normalize(&n, &s, &t, NULL) == NGT_OK);
    T_EQ_U64(t.n, sizeof text);
    T_EQ_MEM(t.at, expected, sizeof text);
    tok_hf_normalize_scratch_done(&s);
    tok_hf_normalizers_done(&n);
}

/* How much of the result comes of the first character? Metaspace's "first" asks. */
T_CASE(lead)
{
    static const struct {
        const char *json, *text;
        uint64_t lead;
    } firsts[] = {
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"``\"},\"content\":\"x\"}", "``a", 0},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"`\"},\"content\":\"xy\"}", "`a", 2},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"`\"},\"content\":\"\"}", "`a", 0},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"``\"},\"content\":\"x\"}", "a``", 1},
        {"{\"type\":\"Replace\",\"pattern\":{\"String\":\"\"},\"content\":\"xy\"}", "ab", 5},
        {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", " a", 0},
        {"{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true}", "a ", 1},
        {"{\"type\":\"StripAccents\"}", "\xCC\x81 a", 0},
        {"{\"type\":\"Lowercase\"}", "\xC4\xB0I", 3},
        {"{\"type\":\"Prepend\",\"prepend\":\"__\"}", "ab", 3},
        {"{\"type\":\"ByteLevel\"}", "\xC3\xA9 a", 4},
        {"{\"type\":\"NFD\"}", "\xC3\xA9", 3},
        {"{\"type\":\"NFKD\"}", "\xEF\xAC\x81 x", 2},
        {"{\"type\":\"NFC\"}", "e\xCC\x81x", 2},
    };

    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        struct tok_hf_normalizers n = read_json(firsts[i].json);
        struct tok_hf_normalize_scratch s;
        struct tok_hf_text t =
            tok_hf_document((const uint8_t *)firsts[i].text, strlen(firsts[i].text));
        T_REQUIRE(tok_hf_normalize_scratch_init(&s, &n, NULL) == NGT_OK);
        T_REQUIRE(tok_hf_normalize(&n, &s, &t, NULL) == NGT_OK);
        if (t.lead != firsts[i].lead)
            T_FAIL("%s of \"%s\": %d bytes lead", firsts[i].json, firsts[i].text, (int)t.lead);
        tok_hf_normalize_scratch_done(&s);
        tok_hf_normalizers_done(&n);
    }
}

/*
 * A map from "e" + U+0301 to "1", "a" to "", U+FB01 to "fi" and "\r" to "2", as a double array; what
 * the library does with it: whole clusters of less than 6 bytes, and the shortest key that fits.
 */
static void put_key(uint32_t *units, unsigned *next, const char *key, uint32_t value)
{
    unsigned node = 0;

    for (; *key; key++) {
        if (!(units[node] >> 10))
            units[node] |= (node ^ (*next += 256)) << 10;
        node ^= units[node] >> 10;
        node ^= (unsigned char)*key;
        units[node] = (units[node] & ~0xFFu) | (unsigned char)*key;
    }
    /* the leaf stands at label 0 of the node's block */
    if (!(units[node] >> 10))
        units[node] |= (node ^ (*next += 256)) << 10;
    units[node] |= 1u << 8;
    units[node ^ units[node] >> 10] = 1u << 31 | value;
}

T_CASE(precompiled)
{
    static uint32_t units[16 * 256];
    static const char strings[] = "1\0\0fi\0"
                                  "2";
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static uint8_t blob[4 + sizeof units + sizeof strings];
    static char base64[sizeof blob * 2];
    unsigned next = 0;
    uint64_t n = 0;
    struct tok_hf_charsmap *map = NULL;

    put_key(units, &next, "e\xCC\x81", 0);
    put_key(units, &next, "a", 2);
    put_key(units, &next, "\xEF\xAC\x81", 3);
    put_key(units, &next, "\r", 6);
    T_REQUIRE(next < 16 * 256);
    blob[1] = sizeof units >> 8;
    memcpy(blob + 4, units, sizeof units);
    memcpy(blob + 4 + sizeof units, strings, sizeof strings);
    for (size_t i = 0; i + 3 <= sizeof blob + 2; i += 3) {
        uint32_t bits = 0;
        for (size_t k = i; k < i + 3; k++)
            bits = bits << 8 | (k < sizeof blob ? blob[k] : 0);
        for (int shift = 18; shift >= 0; shift -= 6)
            base64[n++] = letters[bits >> shift & 63];
    }
    for (size_t over = sizeof blob % 3 ? 3 - sizeof blob % 3 : 0; over; over--)
        base64[n - over] = '=';
    T_REQUIRE(tok_hf_charsmap_new(base64, n, "test", &map, NULL) == NGT_OK);
    static const struct {
        const char *input, *expected;
    } maps[] = {
        {"plain", "plin"},
        {"e\xCC\x81", "1"},
        {"xe\xCC\x81x", "x1x"},
        {"e\xCC\x81\xCC\x81", "1"}, /* 5 bytes: one cluster, its first key */
        {"e\xCC\x81\xCC\x81\xCC\x81", "e\xCC\x81\xCC\x81\xCC\x81"}, /* 7: characters */
        {"a\xCC\x81", ""}, /* the mark goes with its cluster */
        {"a\xE2\x80\x8D\xE2\x80\x8D", "\xE2\x80\x8D\xE2\x80\x8D"},
        {"\xEF\xAC\x81", "fi"},
        {"\r\n", "2"},
        {"\n\r", "\n2"},
        {"e", "e"},
    };
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        struct tok_buffer out = {0};
        bool changed;
        uint64_t size = strlen(maps[i].input);
        T_REQUIRE(tok_hf_charsmap_apply(map, (const uint8_t *)maps[i].input, size, &out, &changed,
                                        NULL) == NGT_OK);
        const char *got = changed ? (const char *)out.at : maps[i].input;
        uint64_t got_n = changed ? out.size : size;
        if (got_n != strlen(maps[i].expected) || memcmp(got, maps[i].expected, got_n) != 0)
            T_FAIL("\"%s\": \"%.*s\", expected \"%s\"", maps[i].input, (int)got_n, got,
                   maps[i].expected);
        tok_buffer_done(&out);
    }
    tok_hf_charsmap_free(&map);
}

/* Each byte's character, and each character that is no byte's, at each place among those that are themselves. */
T_CASE(byte_characters)
{
    for (unsigned place = 0; place < 20; place++) {
        for (uint32_t c = 1; c < 0x250; c++) {
            uint8_t text[40], expected[40], got[40];
            uint64_t n = 0, own = place % 2 ? '!' : '~';
            int byte = -1;
            for (unsigned b = 0; b < 256; b++)
                byte = tok_hf_byte_char((uint8_t)b) == c ? (int)b : byte;
            for (unsigned i = 0; i < 20; i++) {
                expected[i] = (uint8_t)(i == place ? byte : (int)own);
                n += tok_utf8_put(i == place ? c : (uint32_t)own, text + n);
            }
            uint64_t bytes = tok_hf_chars_bytes(text, n, got);
            if (bytes != (byte < 0 ? UINT64_MAX : 20) ||
                (byte >= 0 && memcmp(got, expected, 20) != 0))
                T_FAIL("U+%04X at %u", c, place);
        }
    }
    T_EQ_U64(tok_hf_chars_bytes((const uint8_t *)"", 0, NULL), 0);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
