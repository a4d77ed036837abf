/* The strict reader against good and bad texts; the writer against exact bytes; one through the
 * other. */
#include "ngt/json.h"

#include "t.h"

static enum ngt_status parse(const char *text, struct ngt_json **ret)
{
    struct ngt_error e;
    enum ngt_status status = ngt_json_parse(text, strlen(text), "test.json", ret, &e);

    if (status != NGT_OK && !e.message[0])
        T_FAIL("no message for %s", text);
    return status;
}

T_CASE(good_texts)
{
    static const char *const texts[] = {"{}",
                                        "[]",
                                        " null ",
                                        "true",
                                        "false",
                                        "0",
                                        "-0",
                                        "1e5",
                                        "1.25E-3",
                                        "\"\"",
                                        "[1,2,[3,[]],{\"a\":{}}]",
                                        "\"\\u00e9\\n\\\"\\/\\ud83d\\ude00\"",
                                        "{\"a\":1,\"b\":[true,null]}",
                                        "\"\xC3\xA9\"",
                                        "18446744073709551615"};

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ngt_json *root = NULL;
        if (parse(texts[i], &root) != NGT_OK)
            T_FAIL("refused: %s", texts[i]);
        ngt_json_free(&root);
    }
}

T_CASE(bad_texts)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "[",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{a:1}",
                                        "[1,]",
                                        "[1 2]",
                                        "01",
                                        "1.",
                                        ".5",
                                        "-",
                                        "1e",
                                        "+1",
                                        "nul",
                                        "truex",
                                        "\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\ud800\"",
                                        "\"\\udc00\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\t\"",
                                        "\"\xFF\"",
                                        "\"\xED\xA0\x80\"",
                                        "\"\xC0\x80\"",
                                        "{} {}",
                                        "{\"a\":1,\"a\":2}",
                                        "{\"a\":1,}",
                                        "[,1]",
                                        "]",
                                        "\"\\",
                                        "\"\\u",
                                        "{\"a\" 1}",
                                        "{\"a\":1 \"b\":2}"};

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ngt_json *root = NULL;
        if (parse(texts[i], &root) == NGT_OK)
            T_FAIL("taken: %s", texts[i]);
        T_TRUE(root == NULL);
    }
}

T_CASE(depth_is_bounded)
{
    char text[400];
    struct ngt_json *root = NULL;

    for (unsigned depth = 60; depth < 70; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[2 * depth] = '\0';
        T_EQ_INT(parse(text, &root) == NGT_OK, depth <= 64);
        ngt_json_free(&root);
    }
}

T_CASE(cut_anywhere_is_refused)
{
    static const char text[] =
        "{\"a\": [1, \"\\u00e9\\ud83d\\ude00\", {\"b\": -1.5e3}], \"c\": true}";
    struct ngt_json *root = NULL;

    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *copy = malloc(n + 1); /* exact size, so that a sanitizer sees a read beyond */
        memcpy(copy, text, n);
        T_EQ_INT(ngt_json_parse(copy, n, "t", &root, NULL), NGT_E_DATA);
        free(copy);
    }
    T_EQ_INT(parse(text, &root), NGT_OK);
    const struct ngt_json *a = ngt_json_get(root, "a");
    T_EQ_U64(a->length, 3);
    T_EQ_U64(a->first->u64, 1);
    T_EQ_STR(a->first->next->string, "\xC3\xA9\xF0\x9F\x98\x80");
    T_TRUE(ngt_json_get(a->first->next->next, "b")->number == -1500);
    ngt_json_free(&root);
}

T_CASE(writer_bytes)
{
    struct ngt_json_out out;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_string(&out, "s", "a\"\\\n\x01\x7F\xC3\xA9\xFF");
    ngt_json_key(&out, "list");
    ngt_json_array(&out);
    ngt_json_u64(&out, UINT64_MAX);
    ngt_json_double(&out, 0.1);
    ngt_json_double(&out, 1.0 / 0.0);
    ngt_json_array_end(&out);
    ngt_json_key(&out, "empty");
    ngt_json_object(&out);
    ngt_json_object_end(&out);
    ngt_json_object_end(&out);
    T_EQ_STR(out.bytes,
             "{\n  \"s\": \"a\\\"\\\\\\n\\u0001\\u007f\xC3\xA9\xEF\xBF\xBD\",\n  \"list\": [\n"
             "    18446744073709551615,\n    0.1,\n    null\n  ],\n  \"empty\": {}\n}\n");
    struct ngt_json *root = NULL;
    T_EQ_INT(ngt_json_parse(out.bytes, out.size, "t", &root, NULL), NGT_OK);
    ngt_json_free(&root);
    ngt_json_out_done(&out);

    ngt_json_out_init(&out, true);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "a", 1);
    ngt_json_member_bool(&out, "b", false);
    ngt_json_object_end(&out);
    T_EQ_STR(out.bytes, "{\"a\": 1, \"b\": false}\n");
    ngt_json_out_done(&out);
}

T_CASE(doubles_come_back)
{
    static const double values[] = {
        0, 1, -1, 0.1, 1e300, 5e-324, 3.141592653589793, 123456789.123456789};

    for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
        struct ngt_json_out out;
        struct ngt_json *root = NULL;
        ngt_json_out_init(&out, true);
        ngt_json_array(&out);
        ngt_json_double(&out, values[i]);
        ngt_json_array_end(&out);
        T_REQUIRE(ngt_json_parse(out.bytes, out.size, "t", &root, NULL) == NGT_OK);
        T_TRUE(root->first->number == values[i]);
        ngt_json_free(&root);
        ngt_json_out_done(&out);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
