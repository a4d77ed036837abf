/* The scanner: what is a document, what is refused and why, and that chunking changes nothing. */
#include "input/jsonl.h"
#include "t.h"

#define F "\xEF\xBF\xBD"

static const struct {
    const char *name, *key, *line, *text; /* text NULL: refused */
    enum pretok_reason reason;
    unsigned replaced;
} cases[] = {
    {"plain", "text", "{\"text\":\"abc\"}", "abc", 0, 0},
    {"blanks everywhere", "text", " { \"text\" \t: \"abc\" , \"n\" : [ 1 , 2 ] } ", "abc", 0, 0},
    {"empty text", "text", "{\"text\":\"\"}", "", 0, 0},
    {"text last", "text", "{\"a\":{\"text\":\"no\"},\"b\":[{\"text\":\"no\"}],\"text\":\"yes\"}",
     "yes", 0, 0},
    {"escapes", "text", "{\"text\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t", 0, 0},
    {"u escapes", "text", "{\"text\":\"\\u0041\\u00e9\\u20AC\"}", "A\xC3\xA9\xE2\x82\xAC", 0, 0},
    {"surrogate pair", "text", "{\"text\":\"\\ud83d\\ude00\"}", "\xF0\x9F\x98\x80", 0, 0},
    {"lone high", "text", "{\"text\":\"a\\ud83db\"}", "a" F "b", 0, 1},
    {"lone low", "text", "{\"text\":\"\\ude00\"}", F, 0, 1},
    {"high high low", "text", "{\"text\":\"\\ud83d\\ud83d\\ude00\"}", F "\xF0\x9F\x98\x80", 0, 1},
    {"high at the end", "text", "{\"text\":\"\\ud83d\"}", F, 0, 1},
    {"high, then a letter's escape", "text", "{\"text\":\"\\ud83d\\u0041\\ud83d\\n\"}",
     F "A" F "\n", 0, 2},
    {"raw UTF-8", "text", "{\"text\":\"\xE6\x97\xA5\xE6\x9C\xAC\"}", "\xE6\x97\xA5\xE6\x9C\xAC", 0,
     0},
    {"bad UTF-8", "text", "{\"text\":\"a\xFF\xE2\x96z\"}", "a" F F "z", 0, 2},
    {"bad UTF-8 beside an escape", "text", "{\"text\":\"\xC3\\u00a9\"}", F "\xC2\xA9", 0, 1},
    {"surrogates elsewhere are not counted", "text", "{\"x\":\"\\ud83d\",\"text\":\"a\"}", "a", 0,
     0},
    {"last of equal keys", "text", "{\"text\":\"one\",\"text\":\"two\"}", "two", 0, 0},
    {"last of equal keys is no string", "text", "{\"text\":\"one\",\"text\":2}", NULL,
     PRETOK_WRONG_TYPE, 0},
    {"key with escapes", "text", "{\"te\\u0078t\":\"abc\"}", "abc", 0, 0},
    {"key is a prefix", "text", "{\"texts\":\"no\",\"tex\":\"no\"}", NULL, PRETOK_NO_KEY, 0},
    {"long other key", "text",
     "{\"texttexttexttexttexttexttexttexttexttexttexttexttexttexttexttexttext\":1,\"text\":\"a\"}",
     "a", 0, 0},
    {"dotted", "meta.text", "{\"text\":\"no\",\"meta\":{\"a\":1,\"text\":\"yes\"}}", "yes", 0, 0},
    {"dotted, three deep", "a.b.c",
     "{\"a\":{\"b\":{\"c\":\"yes\",\"d\":{}},\"c\":\"no\"},\"c\":\"no\"}", "yes", 0, 0},
    {"dotted, not through arrays", "a.b", "{\"a\":[{\"b\":\"no\"}]}", NULL, PRETOK_NO_KEY, 0},
    {"dotted, last parent wins", "a.b", "{\"a\":{\"b\":\"x\"},\"a\":{}}", NULL, PRETOK_NO_KEY, 0},
    {"dotted, parent is a string", "a.b", "{\"a\":\"b\"}", NULL, PRETOK_NO_KEY, 0},
    {"dotted, wrong depth", "a.b", "{\"b\":\"no\",\"x\":{\"a\":{\"b\":\"no\"}}}", NULL,
     PRETOK_NO_KEY, 0},
    {"a dot in a key", "a\\.b", "{\"a\":{\"b\":\"no\"},\"a.b\":\"yes\"}", "yes", 0, 0},
    {"NUL escape is tested below", "text", "{\"text\":\"x\"}", "x", 0, 0},
    {"numbers", "text", "{\"n\":[0,-0,1,-12,0.5,1e5,1E+5,1.25e-3],\"text\":\"a\"}", "a", 0, 0},
    {"literals", "text", "{\"n\":[true,false,null],\"text\":\"a\"}", "a", 0, 0},
    {"nothing inside", "text", "{\"n\":[[],{},[{}]],\"text\":\"a\"}", "a", 0, 0},
    {"null", "text", "{\"text\":null}", NULL, PRETOK_WRONG_TYPE, 0},
    {"number", "text", "{\"text\":7}", NULL, PRETOK_WRONG_TYPE, 0},
    {"object", "text", "{\"text\":{\"text\":\"a\"}}", NULL, PRETOK_WRONG_TYPE, 0},
    {"array", "text", "{\"text\":[\"a\"]}", NULL, PRETOK_WRONG_TYPE, 0},
    {"no key", "text", "{\"content\":\"a\"}", NULL, PRETOK_NO_KEY, 0},
    {"empty object", "text", "{}", NULL, PRETOK_NO_KEY, 0},
    {"array at the top", "text", "[{\"text\":\"a\"}]", NULL, PRETOK_NOT_OBJECT, 0},
    {"string at the top", "text", "\"text\"", NULL, PRETOK_NOT_OBJECT, 0},
    {"number at the top", "text", "12", NULL, PRETOK_NOT_OBJECT, 0},
    {"null at the top", "text", "null", NULL, PRETOK_NOT_OBJECT, 0},
    {"too long", "text", "{\"text\":\"123456789012345678901234567890123\"}", NULL, PRETOK_TOO_LONG,
     0},
    {"just not too long", "text", "{\"text\":\"12345678901234567890123456789012\"}",
     "12345678901234567890123456789012", 0, 0},
    {"too long, but the last one is short", "text",
     "{\"text\":\"123456789012345678901234567890123\",\"text\":\"a\"}", "a", 0, 0},
    /* several strings; "{" in the key: a template */
    {"template", "{title}\\n\\n{text}", "{\"text\":\"b\",\"x\":[1],\"title\":\"a\"}", "a\n\nb", 0,
     0},
    {"template, nested and twice", "{m.t}|{m.t}|{m.u.v}",
     "{\"m\":{\"u\":{\"v\":\"2\"},\"t\":\"1\"}}", "1|1|2", 0, 0},
    {"template, braces and a rest", "{{{a}}}\\t.\\\\", "{\"a\":\"x\"}", "{x}\t.\\", 0, 0},
    {"template, missing", "{title} {text}", "{\"text\":\"b\"}", NULL, PRETOK_NO_KEY, 0},
    {"template, of another type", "{title} {text}", "{\"text\":\"b\",\"title\":1}", NULL,
     PRETOK_WRONG_TYPE, 0},
    {"template, optional and there", "{title?: }{text}", "{\"text\":\"b\",\"title\":\"a\"}", "a: b",
     0, 0},
    {"template, optional and missing", "{title?: }{text}", "{\"text\":\"b\"}", "b", 0, 0},
    {"template, optional and null", "{title?: }{text}", "{\"text\":\"b\",\"title\":null}", "b", 0,
     0},
    {"template, optional and empty", "{title?: }{text}", "{\"text\":\"b\",\"title\":\"\"}", "b", 0,
     0},
    {"template, optional of another type", "{title?: }{text}", "{\"text\":\"b\",\"title\":[]}",
     NULL, PRETOK_WRONG_TYPE, 0},
    {"template, last of equal keys", "{t}{u?}", "{\"t\":\"1\",\"u\":\"x\",\"t\":\"2\",\"u\":null}",
     "2", 0, 0},
    {"template, too long together", "{t}-{u}",
     "{\"t\":\"12345678901234567\",\"u\":\"123456789012345\"}", NULL, PRETOK_TOO_LONG, 0},
    {"template, just not too long", "{t}-{u}",
     "{\"t\":\"1234567890123456\",\"u\":\"123456789012345\"}", "1234567890123456-123456789012345",
     0, 0},
    {"template, replaced in both", "{t} {u}", "{\"t\":\"\\ud83d\",\"u\":\"\xFF\"}", F " " F, 0, 2},
#define NOT(name, line)                                                                            \
    {                                                                                              \
        name, "text", line, NULL, PRETOK_NOT_JSON, 0                                               \
    }
    NOT("not closed", "{\"text\":\"a\""),
    NOT("string not closed", "{\"text\":\"a"),
    NOT("trailing garbage", "{\"text\":\"a\"} x"),
    NOT("two objects", "{\"text\":\"a\"}{\"text\":\"b\"}"),
    NOT("trailing comma", "{\"text\":\"a\",}"),
    NOT("trailing comma in an array", "{\"text\":\"a\",\"b\":[1,]}"),
    NOT("no comma", "{\"text\":\"a\" \"b\":1}"),
    NOT("no colon", "{\"text\" \"a\"}"),
    NOT("no value", "{\"text\":}"),
    NOT("key without quotes", "{text:\"a\"}"),
    NOT("single quotes", "{'text':'a'}"),
    NOT("raw tab in a string", "{\"text\":\"a\tb\"}"),
    NOT("unknown escape", "{\"text\":\"\\x41\"}"),
    NOT("short u escape", "{\"text\":\"\\u00g1\"}"),
    NOT("u escape at the end", "{\"text\":\"\\u00"),
    NOT("leading zero", "{\"n\":01,\"text\":\"a\"}"),
    NOT("plus", "{\"n\":+1,\"text\":\"a\"}"),
    NOT("point without digits", "{\"n\":1.,\"text\":\"a\"}"),
    NOT("point first", "{\"n\":.5,\"text\":\"a\"}"),
    NOT("exponent without digits", "{\"n\":1e,\"text\":\"a\"}"),
    NOT("minus alone", "{\"n\":-,\"text\":\"a\"}"),
    NOT("NaN", "{\"n\":NaN,\"text\":\"a\"}"),
    NOT("Infinity", "{\"n\":-Infinity,\"text\":\"a\"}"),
    NOT("cut literal", "{\"n\":tru,\"text\":\"a\"}"),
    NOT("wrong bracket", "{\"n\":[1},\"text\":\"a\"}"),
    NOT("comment", "{\"text\":\"a\"} // b"),
    NOT("no JSON", "hello"),
    NOT("vertical tab between", "{\v\"text\":\"a\"}"),
};

/* Templates live as long as the program: a scanner borrows its own. */
static struct pretok_template *template_of(const char *key)
{
    static struct pretok_template made[200];
    static unsigned count;

    T_REQUIRE(count < 200);
    T_REQUIRE((strchr(key, '{') ? pretok_template_parse(key, &made[count], NULL)
                                : pretok_template_of_key(key, &made[count], NULL)) == NGT_OK);
    return &made[count++];
}

static struct pretok_jsonl *scanner(const char *key)
{
    struct pretok_jsonl_config config = {.wanted = {.text = template_of(key)},
                                         .max_text_bytes = 32};
    struct pretok_jsonl *j = NULL;
    struct ngt_error error;

    T_REQUIRE(pretok_jsonl_new(&config, &j, &error) == NGT_OK);
    return j;
}

/* All events of input given in chunks of `step` bytes, as one line of text each. */
static void run(struct pretok_jsonl *j, const char *input, size_t n, size_t step,
                struct pretok_bytes *out)
{
    struct pretok_bytes text = {0};
    size_t at = 0;
    bool ended = false;

    pretok_jsonl_start(j, true);
    while (!ended) {
        size_t size = n - at < step ? n - at : step;
        /* a copy of exactly that size: reading beyond it is caught by the sanitizer */
        uint8_t *chunk = malloc(size + 1);
        memcpy(chunk, input + at, size);
        const uint8_t *p = chunk, *end = chunk + size;
        at += size;
        for (;;) {
            struct pretok_record r;
            enum pretok_event e =
                size ? pretok_jsonl_next(j, &p, end, &text, &r) : pretok_jsonl_end(j, &text, &r);
            char line[256];
            if (e == PRETOK_MORE)
                break;
            snprintf(line, sizeof line, "%u:%u@%u", (unsigned)e, (unsigned)r.record,
                     (unsigned)r.offset);
            (void)pretok_bytes_append(out, line, strlen(line));
            if (e == PRETOK_DOCUMENT) {
                snprintf(line, sizeof line, " %u ", (unsigned)r.replaced);
                (void)pretok_bytes_append(out, line, strlen(line));
                (void)pretok_bytes_append(out, text.at + r.text_start, r.text_bytes);
            } else {
                snprintf(line, sizeof line, " %s %u %u ", pretok_reason_name(r.reason),
                         (unsigned)r.full_bytes, (unsigned)r.error_at);
                (void)pretok_bytes_append(out, line, strlen(line));
                (void)pretok_bytes_append(out, r.raw, r.raw_bytes);
                (void)pretok_bytes_append(out, r.keys, strlen(r.keys));
            }
            (void)pretok_bytes_append(out, "\n", 1);
        }
        free(chunk);
        ended = size == 0;
    }
    pretok_bytes_done(&text);
}

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pretok_jsonl *j = scanner(cases[i].key);
        struct pretok_bytes text = {0};
        struct pretok_record r = {0};
        const uint8_t *at = (const uint8_t *)cases[i].line;
        enum pretok_event e;

        pretok_jsonl_start(j, true);
        e = pretok_jsonl_next(j, &at, at + strlen(cases[i].line), &text, &r);
        if (e == PRETOK_MORE)
            e = pretok_jsonl_end(j, &text, &r);
        if (cases[i].text) {
            if (e != PRETOK_DOCUMENT || r.text_bytes != strlen(cases[i].text) ||
                (r.text_bytes &&
                 memcmp(text.at + r.text_start, cases[i].text, r.text_bytes) != 0) ||
                r.replaced != cases[i].replaced)
                T_FAIL("%s: event %d (%s), text \"%.*s\", %u replaced", cases[i].name, e,
                       pretok_reason_name(r.reason), (int)r.text_bytes,
                       text.at ? (char *)text.at + r.text_start : "", (unsigned)r.replaced);
        } else if (e != PRETOK_REFUSED || r.reason != cases[i].reason ||
                   r.raw_bytes != strlen(cases[i].line) ||
                   memcmp(r.raw, cases[i].line, r.raw_bytes) != 0) {
            T_FAIL("%s: event %d (%s), raw \"%.*s\"", cases[i].name, e,
                   pretok_reason_name(r.reason), (int)r.raw_bytes, (const char *)r.raw);
        }
        pretok_bytes_done(&text);
        pretok_jsonl_free(&j);
    }
}

/* All cases as one file, with blank lines, CRLF and a BOM, in chunks of every size. */
T_CASE(chunks)
{
    struct pretok_bytes file = {0}, whole = {0};
    struct pretok_jsonl *j = scanner("text");

    (void)pretok_bytes_append(&file, "\xEF\xBB\xBF\n \t\r\n", 7);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)pretok_bytes_append(&file, cases[i].line, strlen(cases[i].line));
        (void)pretok_bytes_append(&file, i % 2 ? "\r\n" : "\n\n", 2);
    }
    run(j, (char *)file.at, file.size, file.size, &whole);
    for (size_t step = 1; step < 70; step++) {
        struct pretok_bytes part = {0};
        run(j, (char *)file.at, file.size, step, &part);
        if (part.size != whole.size || memcmp(part.at, whole.at, whole.size) != 0)
            T_FAIL("chunks of %zu bytes give other records", step);
        pretok_bytes_done(&part);
    }
    pretok_bytes_done(&file);
    pretok_bytes_done(&whole);
    pretok_jsonl_free(&j);
}

static void expect(const char *input, size_t n, const char *expected)
{
    struct pretok_jsonl *j = scanner("text");
    struct pretok_bytes out = {0};

    run(j, input, n, n ? n : 1, &out);
    (void)pretok_bytes_append(&out, "", 1);
    T_EQ_STR((char *)out.at, expected);
    pretok_bytes_done(&out);
    pretok_jsonl_free(&j);
}

T_CASE(lines_and_offsets)
{
#define BOM "\xEF\xBB\xBF"
#define A "{\"text\":\"a\"}"
    expect("", 0, "");
    expect("\n\n", 2, "");
    expect(A, 12, "1:1@0 0 a\n");
    expect(A "\n", 13, "1:1@0 0 a\n");
    expect(A "\r\n" A, 26, "1:1@0 0 a\n1:2@14 0 a\n");
    expect("\n \n" A "\n\n" A "\n", 30, "1:3@3 0 a\n1:5@17 0 a\n");
    expect(BOM A "\n" A "\n", 29, "1:1@3 0 a\n1:2@16 0 a\n");
    expect(BOM, 3, "");
    expect("\xEF\xBB"
           "x\n" A,
           16,
           "2:1@0 not_json 3 0 \xEF\xBB"
           "x\n1:2@4 0 a\n");
    expect("\xEF", 1, "2:1@0 not_json 1 0 \xEF\n");
    expect(A "\n" BOM A, 28, "1:1@0 0 a\n2:2@13 not_json 15 0 " BOM A "\n");
    expect("{\"a\":1,\"b\":{\"c\":2}}\n", 20, "2:1@0 no_key 19 0 {\"a\":1,\"b\":{\"c\":2}}a, b\n");
}

T_CASE(nul)
{
    expect("{\"text\":\"a\\u0000b\"}", 19, "1:1@0 0 a"); /* the rest hides behind the NUL */
    struct pretok_jsonl *j = scanner("text");
    struct pretok_bytes text = {0};
    struct pretok_record r;
    static const char with[] = "{\"text\":\"a\\u0000b\"}\n{\"text\":\"a\0b\"}\n";
    const uint8_t *at = (const uint8_t *)with;
    const uint8_t *end = at + sizeof with - 1;

    T_EQ_INT(pretok_jsonl_next(j, &at, end, &text, &r), PRETOK_DOCUMENT);
    T_EQ_U64(r.text_bytes, 3);
    T_EQ_MEM(text.at + r.text_start, "a\0b", 3);
    T_EQ_INT(pretok_jsonl_next(j, &at, end, &text, &r), PRETOK_REFUSED); /* raw NUL is no JSON */
    pretok_bytes_done(&text);
    pretok_jsonl_free(&j);
}

T_CASE(depth)
{
    for (unsigned deep = 1020; deep < 1030; deep++) {
        struct pretok_jsonl *j = scanner("text");
        struct pretok_bytes line = {0}, text = {0};
        struct pretok_record r = {0};
        (void)pretok_bytes_append(&line, "{\"n\":", 5);
        for (unsigned i = 1; i < deep; i++)
            (void)pretok_bytes_append(&line, "[", 1);
        for (unsigned i = 1; i < deep; i++)
            (void)pretok_bytes_append(&line, "]", 1);
        (void)pretok_bytes_append(&line, ",\"text\":\"a\"}\n", 13);
        const uint8_t *at = line.at;
        enum pretok_event e = pretok_jsonl_next(j, &at, line.at + line.size, &text, &r);
        if (deep <= PRETOK_JSONL_DEPTH)
            T_EQ_INT(e, PRETOK_DOCUMENT);
        else
            T_EQ_INT(e == PRETOK_REFUSED && r.reason == PRETOK_TOO_DEEP, 1);
        pretok_bytes_done(&line);
        pretok_bytes_done(&text);
        pretok_jsonl_free(&j);
    }
}

/* A long line keeps only its text; a long refused one only its beginning. */
T_CASE(long_lines)
{
    struct pretok_jsonl *j = scanner("text");
    struct pretok_bytes text = {0};
    struct pretok_record r = {0};
    static uint8_t filler[1 << 16];
    const uint8_t *at;
    enum pretok_event e = PRETOK_MORE;

    memset(filler, 'x', sizeof filler);
    pretok_jsonl_start(j, true);
#define GIVE(bytes, n)                                                                             \
    do {                                                                                           \
        at = (const uint8_t *)(bytes);                                                             \
        e = pretok_jsonl_next(j, &at, at + (n), &text, &r);                                        \
    } while (0)
    GIVE("{\"junk\":\"", 9);
    for (int i = 0; i < 1000; i++)
        GIVE(filler, sizeof filler);
    GIVE("\",\"text\":\"abc\"}\n", 16);
    T_EQ_INT(e, PRETOK_DOCUMENT);
    T_EQ_U64(r.text_bytes, 3);
    T_TRUE(text.room < 4096);
    GIVE("{\"junk\":", 8);
    for (int i = 0; i < 1000; i++)
        GIVE(filler, sizeof filler);
    GIVE("\n", 1);
    T_EQ_INT(e, PRETOK_REFUSED);
    T_EQ_U64(r.raw_bytes, PRETOK_RAW_LIMIT);
    T_EQ_U64(r.full_bytes, 8 + 1000 * sizeof filler);
    T_EQ_U64(r.error_at, 8);
    pretok_bytes_done(&text);
    pretok_jsonl_free(&j);
}

T_CASE(keys)
{
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pretok_template t = {0};
        struct ngt_error error;
        T_EQ_INT(pretok_template_of_key(bad[i], &t, &error), NGT_E_DATA);
        T_TRUE(t.parts == NULL);
    }
}

T_CASE(templates)
{
    static const char *const bad[] = {"",       "text",  "{",       "}",          "{}",    "{a",
                                      "{a}}",   "a}",    "{a{b}}",  "{a?b",       "{a?{}", "{a..b}",
                                      "{a}\\x", "{a}\\", "{a?\\q}", "{a}\xFF{b}", "{?}"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pretok_template t = {0};
        struct ngt_error error;
        if (pretok_template_parse(bad[i], &t, &error) != NGT_E_DATA)
            T_FAIL("taken: %s", bad[i]);
        T_TRUE(strstr(error.message, "text-template") != NULL);
        T_TRUE(t.parts == NULL);
    }
    char *line = pretok_template_line("{a}\n\t\\n");
    T_EQ_STR(line, "{a}\\n\\t\\n");
    free(line);
}

/* Values beside the text, as they stand: whatever the chunks, and one inside another. */
T_CASE(fields)
{
    static const char *const paths[] = {"meta", "meta.set", "id", "n", "list", "deep.er.x"};
    static const char *const want[] = {
        "{ \"set\" : \"a\\u0041\\n\", \"x\":[1, {\"set\":2}] }|\"a\\u0041\\n\"|\"17\"|-1.50e+2|[ "
        "1,2 ]|-|",
        "{}|-|null|12|\"" F "\"|true|",
        "-|-|-|-|-|-|",
        "{\"set\":1}|1|7|0|[]|-|",
    };
    static const char input[] = "{\"meta\": { \"set\" : \"a\\u0041\\n\", \"x\":[1, {\"set\":2}] } "
                                ",\"id\":\"17\",\"text\":\"t\","
                                "\"n\":-1.50e+2 ,\"list\": [ 1,2 ] ,\"deep\":{\"er\":1}}\n"
                                "{\"text\":\"t\",\"meta\":{},\"id\":null,\"list\":\"\xFF\","
                                "\"deep\":{\"er\":{\"x\":true}},\"n\":12}\n"
                                "{\"text\":\"t\",\"a\":{\"id\":1,\"meta\":2}}\n"
                                "{\"meta\":{\"set\":\"gone\",\"y\":2},\"meta\":{\"set\":1},\"id\":"
                                "6,\"id\":7,\"text\":\"t\",\"n\":0,"
                                "\"list\":[],\"deep\":{\"er\":{\"x\":1}},\"deep\":null}\n"
                                "{\"meta\":{\"set\":1,\"text\":\"t\"\n";
    struct pretok_jsonl_config config = {
        .wanted = {.text = template_of("text"), .fields = paths, .field_count = 6},
        .max_text_bytes = 32};
    struct pretok_jsonl *j = NULL;

    T_REQUIRE(pretok_jsonl_new(&config, &j, NULL) == NGT_OK);
    for (size_t step = 1; step < sizeof input; step++) {
        struct pretok_bytes text = {0};
        unsigned records = 0;
        pretok_jsonl_start(j, true);
        for (size_t at = 0; at < sizeof input - 1; at += step) {
            size_t n = sizeof input - 1 - at < step ? sizeof input - 1 - at : step;
            uint8_t *chunk = malloc(n);
            const uint8_t *p = chunk;
            struct pretok_record r;
            enum pretok_event e;
            memcpy(chunk, input + at, n);
            while ((e = pretok_jsonl_next(j, &p, chunk + n, &text, &r)) != PRETOK_MORE) {
                char line[400] = "";
                if (records == 4) {
                    T_EQ_INT(e, PRETOK_REFUSED);
                    T_EQ_U64(r.field_count, 0);
                    records++;
                    continue;
                }
                T_EQ_INT(e, PRETOK_DOCUMENT);
                T_EQ_U64(r.field_count, 6);
                for (unsigned i = 0; i < 6; i++)
                    sprintf(line + strlen(line), "%.*s|",
                            r.fields[i].json ? (int)r.fields[i].bytes : 1,
                            r.fields[i].json ? (const char *)r.fields[i].json : "-");
                T_EQ_STR(line, want[records]);
                records++;
            }
            free(chunk);
        }
        T_EQ_U64(records, 5);
        pretok_bytes_done(&text);
    }
    pretok_jsonl_free(&j);
}

/* A value beside the text that is too long refuses the record, not the run's memory. */
T_CASE(fields_too_long)
{
    static const char *const paths[] = {"m"};
    struct pretok_jsonl_config config = {
        .wanted = {.text = template_of("text"), .fields = paths, .field_count = 1},
        .max_text_bytes = 32};
    struct pretok_jsonl *j = NULL;
    struct pretok_bytes line = {0}, text = {0};
    struct pretok_record r;
    static uint8_t filler[PRETOK_FIELDS_LIMIT];

    memset(filler, 'x', sizeof filler);
    T_REQUIRE(pretok_jsonl_new(&config, &j, NULL) == NGT_OK);
    for (unsigned more = 0; more < 2; more++) {
        line.size = 0;
        (void)pretok_bytes_append(&line, "{\"text\":\"t\",\"m\":\"", 17);
        (void)pretok_bytes_append(&line, filler, sizeof filler - 2 + more);
        (void)pretok_bytes_append(&line, "\"}\n", 3);
        const uint8_t *p = line.at;
        T_EQ_INT(pretok_jsonl_next(j, &p, p + line.size, &text, &r),
                 more ? PRETOK_REFUSED : PRETOK_DOCUMENT);
        T_EQ_INT(r.reason, more ? PRETOK_FIELDS_TOO_LONG : PRETOK_ACCEPTED);
    }
    pretok_bytes_done(&line);
    pretok_bytes_done(&text);
    pretok_jsonl_free(&j);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
