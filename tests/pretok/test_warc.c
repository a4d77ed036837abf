/*
 * WARC records as documents, refusals and counts. Every case is read whole and in chunks of 1, 2, 3
 * and 7 bytes. An expectation is a line a record: what, record number, @ the offset (as the how
 * manyeth "WARC/" of the input it is, or a plain number), then the text or the reason.
 */
#include "input/warc.h"
#include "input/warc_fields.h"

#include "t.h"

#define CRLF "\r\n"
#define REST "WARC-Record-ID: <urn:uuid:1>" CRLF
#define TEXT(length)                                                                               \
    "WARC/1.0" CRLF "WARC-Type: conversion" CRLF REST "Content-Type: text/plain" CRLF              \
    "Content-Length: " length CRLF CRLF
#define TYPE(type, length)                                                                         \
    "WARC/1.1" CRLF "WARC-Type: " type CRLF "Content-Type: application/http" CRLF                  \
    "Content-Length: " length CRLF CRLF
#define END CRLF CRLF

struct log {
    const char *input;
    char text[4096];
    size_t used;
    uint64_t records;
};

static void note(struct log *l, enum pretok_event event, const struct pretok_record *r,
                 const struct pretok_bytes *text)
{
    static const char *const what[] = {
        [PRETOK_DOCUMENT] = "doc", [PRETOK_REFUSED] = "bad", [PRETOK_FILTERED] = "out"};

    T_REQUIRE(event != PRETOK_NOMEM);
    int ordinal = 0;
    const char *found = l->input;
    for (; (found = strstr(found, "WARC/")) != NULL && found < l->input + r->offset; found++)
        ordinal++;
    bool there = found == l->input + r->offset;
    l->used +=
        (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s %d@%s%d ", what[event],
                         (int)r->record, there ? "w" : "", there ? ordinal + 1 : (int)r->offset);
    if (event == PRETOK_DOCUMENT)
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "'%.*s'\n",
                                    (int)r->text_bytes, (const char *)text->at + r->text_start);
    else
        l->used += (size_t)snprintf(l->text + l->used, sizeof l->text - l->used, "%s%s%s\n",
                                    event == PRETOK_FILTERED ? pretok_filtered_name(r->filtered)
                                                             : pretok_reason_name(r->reason),
                                    r->keys[0] ? " " : "", r->keys);
    T_REQUIRE(l->used < sizeof l->text);
    T_TRUE(r->raw_bytes <= r->full_bytes || event == PRETOK_DOCUMENT);
    l->records++;
}

static void read_in(const char *input, size_t n, size_t step, uint64_t max, struct log *l)
{
    struct pretok_bytes text = {0};
    struct pretok_warc *w = NULL;
    struct pretok_record r;
    enum pretok_event event;
    const uint8_t *at = NULL;

    *l = (struct log){.input = input};
    T_REQUIRE(pretok_warc_new(max, &w, NULL) == NGT_OK);
    pretok_warc_start(w);
    for (size_t i = 0; i < n; i += step) {
        size_t size = n - i < step ? n - i : step;
        uint8_t *chunk = malloc(size); /* of its exact size, and gone afterwards */
        T_REQUIRE(chunk);
        memcpy(chunk, input + i, size);
        at = chunk;
        while ((event = pretok_warc_next(w, &at, chunk + size, false, &text, &r)) != PRETOK_MORE)
            note(l, event, &r, &text);
        T_TRUE(at == chunk + size);
        free(chunk);
    }
    at = NULL;
    while ((event = pretok_warc_next(w, &at, NULL, true, &text, &r)) != PRETOK_MORE)
        note(l, event, &r, &text);
    T_EQ_U64(pretok_warc_records(w), l->records);
    pretok_bytes_done(&text);
    pretok_warc_free(&w);
}

static const struct {
    const char *name, *input, *want;
} cases[] = {
    {"nothing", "", ""},
    {"line ends", "\r\n\r\n", ""},
    {"WET",
     TYPE("warcinfo", "4") "a: b" END TEXT("5") "hello" END TEXT("0") END TEXT("6") "a\nb\r\n!" END,
     "out 1@w1 warc_other\ndoc 2@w2 'hello'\ndoc 3@w3 ''\ndoc 4@w4 'a\nb\r\n!'\n"},
    {"types",
     TYPE("request", "1") "x" END TYPE("response", "1") "x" END TYPE("metadata", "1") "x" END TYPE(
         "revisit", "0") END TYPE("resource", "1") "x" END TYPE("future", "1") "x" END,
     "out 1@w1 warc_other\nout 2@w2 warc_response\nout 3@w3 warc_other\nout 4@w4 warc_other\n"
     "out 5@w5 warc_not_text\nout 6@w6 warc_other\n"},
    {"any case, folded, blanks, LF",
     "WARC/1.1\nwarc-type:\n resource  \nCONTENT-TYPE:   text/plain;\n\tcharset=\"UTF-8\"\n"
     "content-length: 2\n\nok\n\n",
     "doc 1@w1 'ok'\n"},
    {"no text type", "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
     "out 1@w1 warc_not_text\n"},
    {"charset",
     "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain; charset=koi8-r\r\n"
     "Content-Length: 1\r\n\r\nx\r\n\r\n",
     "bad 1@w1 charset koi8-r\n"},
    {"ill-formed UTF-8", TEXT("3") "a\377b" END, "doc 1@w1 'a\357\277\275b'\n"},
    {"text about WARC", TEXT("16") "see\nWARC/1.0\r\n.." END TEXT("1") "x" END,
     "doc 1@w1 'see\nWARC/1.0\r\n..'\ndoc 2@w3 'x'\n"},
    {"one line end, none", TEXT("1") "a" CRLF TEXT("1") "b" TEXT("1") "c",
     "doc 1@w1 'a'\ndoc 2@w2 'b'\ndoc 3@w3 'c'\n"},
    {"segments",
     "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nWARC-Segment-Number: 1\r\n"
     "Content-Length: 1\r\n\r\nx\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken a segment of a record; segments are not joined\ndoc 2@w2 'y'\n"},
    {"version", "WARC/2.0\r\nContent-Length: 1\r\n\r\nx\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken a version of WARC other than 1.0 and 1.1\ndoc 2@w2 'y'\n"},
    {"no length", "WARC/1.0\r\nWARC-Type: resource\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken no Content-Length\ndoc 2@w2 'y'\n"},
    {"length", "WARC/1.0\r\nContent-Length: 1x\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken Content-Length is not one number\ndoc 2@w2 'y'\n"},
    {"huge length",
     "WARC/1.0\r\nContent-Length: 99999999999999999999\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken Content-Length is not one number\ndoc 2@w2 'y'\n"},
    {"two lengths",
     "WARC/1.0\r\nContent-Length: 3\r\nContent-length: 4\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken Content-Length is not one number\ndoc 2@w2 'y'\n"},
    {"no type", "WARC/1.0\r\nContent-Length: 3\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken no WARC-Type\ndoc 2@w2 'y'\n"},
    {"no field", "WARC/1.0\r\nhello there\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken a header line that is no field\ndoc 2@w2 'y'\n"},
    {"folded first", "WARC/1.0\r\n hello\r\n\r\nabc\r\n\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken a folded line before any field\ndoc 2@w2 'y'\n"},
    {"length too short", TEXT("2") "hello" END TEXT("1") "y" END,
     "bad 1@w1 broken Content-Length does not lead to the next record\ndoc 2@w2 'y'\n"},
    {"length too long", TEXT("20") "hello" END TEXT("1") "y" END TEXT("1") "z" END,
     "bad 1@w1 broken Content-Length does not lead to the next record\ndoc 2@w2 'y'\n"
     "doc 3@w3 'z'\n"},
    {"length beyond all", TEXT("30000") "hello" END TEXT("1") "y" END TEXT("1") "z" END,
     "bad 1@w1 broken cut off before its Content-Length is reached\ndoc 2@w2 'y'\n"
     "doc 3@w3 'z'\n"},
    {"two lies", TEXT("300") "hello" END TEXT("200") "y" END TEXT("1") "z" END,
     "bad 1@w1 broken cut off before its Content-Length is reached\n"
     "bad 2@w2 broken cut off before its Content-Length is reached\ndoc 3@w3 'z'\n"},
    {"a response's length", TYPE("response", "5") "hello, too long" END TEXT("1") "y" END,
     "bad 1@w1 broken Content-Length does not lead to the next record\ndoc 2@w2 'y'\n"},
    {"cut in the text", TEXT("5") "hel",
     "bad 1@w1 broken cut off before its Content-Length is reached\n"},
    {"cut in a response", TYPE("response", "5") "hel",
     "bad 1@w1 broken cut off before its Content-Length is reached\n"},
    {"cut in the header", TEXT("1") "y" END "WARC/1.0\r\nWARC-Ty",
     "doc 1@w1 'y'\nbad 2@w2 broken cut off in its header\n"},
    {"cut in the first word", TEXT("1") "y" END "WAR",
     "bad 1@w1 broken Content-Length does not lead to the next record\n"},
    {"only its beginning", "\nWAR", "bad 1@1 broken cut off in its header\n"},
    {"a header without an end", "WARC/1.0\r\nWARC-Type: resource\r\n" TEXT("1") "y" END,
     "bad 1@w1 broken another record begins in its header\ndoc 2@w2 'y'\n"},
    {"no WARC", "{\"text\": \"x\"}\n{\"text\": \"WARC/\"}\n",
     "bad 1@0 broken no record begins here\n"},
    {"junk before", "WARC WARC/1.0\nWARC/WARC\n" TEXT("1") "y" END,
     "bad 1@0 broken no record begins here\ndoc 2@w3 'y'\n"},
    {"junk between", TEXT("1") "y" END "junk\n" TEXT("1") "z" END,
     "bad 1@w1 broken Content-Length does not lead to the next record\ndoc 2@w2 'z'\n"},
    {"too long",
     TEXT("65") "12345678901234567890123456789012345678901234567890123456789012345" END TEXT(
         "1") "y" END,
     "bad 1@w1 too_long\ndoc 2@w2 'y'\n"},
};

T_CASE(records)
{
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        static const size_t steps[] = {1 << 20, 1, 2, 3, 7};
        for (unsigned k = 0; k < sizeof steps / sizeof *steps; k++) {
            struct log l;
            /* the largest text: enough to keep what a false length swallows in most cases */
            uint64_t max = strcmp(cases[i].name, "too long") == 0 ? 64 : 1 << 20;
            read_in(cases[i].input, strlen(cases[i].input), steps[k], max, &l);
            if (strcmp(l.text, cases[i].want) != 0)
                printf("%s, in chunks of %zu:\n", cases[i].name, steps[k]);
            T_EQ_STR(l.text, cases[i].want);
        }
    }
}

/* What a reader of ids and URIs will want. */
T_CASE(fields)
{
    static const char input[] = "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\n"
                                "WARC-Target-URI: http://a/b\r\nX: one\r\n  two\r\n\tthree\r\n"
                                "Content-Length: 1\r\n\r\nx";
    struct pretok_bytes text = {0};
    struct pretok_warc *w = NULL;
    struct pretok_record r;
    const uint8_t *at = (const uint8_t *)input;

    T_REQUIRE(pretok_warc_new(100, &w, NULL) == NGT_OK);
    pretok_warc_start(w);
    T_EQ_INT(pretok_warc_next(w, &at, at + sizeof input - 1, true, &text, &r), PRETOK_DOCUMENT);
    uint64_t count;
    const struct pretok_warc_field *f = pretok_warc_fields(w, &count);
    T_EQ_U64(count, 5);
    T_EQ_STR(f[2].name, "WARC-Target-URI");
    T_EQ_MEM(f[2].value, "http://a/b", f[2].bytes);
    T_EQ_U64(f[3].bytes, 13);
    T_EQ_MEM(f[3].value, "one two three", 13);
    pretok_bytes_done(&text);
    pretok_warc_free(&w);
}

/* Fields as values that are wanted. */
T_CASE(values)
{
    static const char *const paths[] = {"warc-target-uri", "a\\.b", "a.b", "none",
                                        "Twice",           "Empty"};
    static const char *const want[] = {
        "\"http://a/\\\"b\"", "\"\357\277\275\"", NULL, NULL, "\"two\"", "\"\""};
    struct pretok_warc_field fields[] = {{"WARC-Target-URI", (const uint8_t *)"http://a/\"b", 11},
                                         {"A.B", (const uint8_t *)"\377", 1},
                                         {"twice", (const uint8_t *)"one", 3},
                                         {"none-", (const uint8_t *)"x", 1},
                                         {"twice", (const uint8_t *)"two", 3},
                                         {"empty", (const uint8_t *)"", 0}};
    const struct pretok_wanted wanted = {.fields = paths, .field_count = 6};
    struct pretok_warc_values *v = pretok_warc_values_new(&wanted);
    struct pretok_record r = {0};
    bool fit = false;

    T_REQUIRE(v && pretok_warc_values_take(v, fields, 6, &r, &fit) && fit);
    T_EQ_U64(r.field_count, 6);
    for (int i = 0; i < 6; i++) {
        T_EQ_INT(!r.fields[i].json, !want[i]);
        if (want[i] && r.fields[i].json) {
            T_EQ_U64(r.fields[i].bytes, strlen(want[i]));
            T_EQ_MEM(r.fields[i].json, want[i], strlen(want[i]));
        }
    }
    T_REQUIRE(pretok_warc_values_take(v, NULL, 0, &r, &fit) && fit && r.field_count == 6);
    T_TRUE(!r.fields[0].json && !r.fields[5].json);
    /* escapes make six bytes of one: a header of the largest size may be too much */
    uint8_t *large = calloc(1, PRETOK_FIELDS_LIMIT / 6 + 1);
    T_REQUIRE(large);
    fields[1] = (struct pretok_warc_field){"a.b", large, PRETOK_FIELDS_LIMIT / 6};
    r.fields = NULL;
    T_TRUE(pretok_warc_values_take(v, fields, 2, &r, &fit) && !fit && !r.fields);
    fields[1].bytes -= 10;
    T_TRUE(pretok_warc_values_take(v, fields, 2, &r, &fit) && fit && r.fields);
    free(large);
    pretok_warc_values_free(&v);
}

/* A source that breaks off: the record before is whole when its line ends are there. */
T_CASE(cut)
{
    static const char input[] = TEXT("1") "y" END;

    for (size_t n = 1; n < sizeof input; n++) {
        struct pretok_bytes text = {0};
        struct pretok_warc *w = NULL;
        struct pretok_record r;
        const uint8_t *at = (const uint8_t *)input;
        T_REQUIRE(pretok_warc_new(100, &w, NULL) == NGT_OK);
        pretok_warc_start(w);
        T_EQ_INT(pretok_warc_next(w, &at, at + n, false, &text, &r), PRETOK_MORE);
        enum pretok_event event = pretok_warc_cut(w, &text, &r);
        T_EQ_INT(event, n >= sizeof input - 1 - 2 ? PRETOK_DOCUMENT : PRETOK_MORE);
        if (event == PRETOK_DOCUMENT)
            T_EQ_U64(r.text_bytes, 1);
        pretok_bytes_done(&text);
        pretok_warc_free(&w);
    }
}

/* Records that all claim what lies behind them: rereading must not grow with their square. */
T_CASE(many_lies)
{
    const size_t n = 60000;
    struct pretok_bytes input = {0};
    struct log *l = calloc(1, sizeof *l);
    struct pretok_bytes text = {0};
    struct pretok_warc *w = NULL;
    struct pretok_record r;
    enum pretok_event event;
    uint64_t records = 0, covered = 0;

    for (size_t i = 0; i < n; i++)
        T_REQUIRE(pretok_bytes_append(&input, TEXT("900000000"), strlen(TEXT("900000000"))));
    T_REQUIRE(l && pretok_warc_new(1u << 30, &w, NULL) == NGT_OK);
    pretok_warc_start(w);
    const uint8_t *at = input.at;
    while ((event = pretok_warc_next(w, &at, input.at + input.size, true, &text, &r)) !=
           PRETOK_MORE) {
        T_EQ_INT(event, PRETOK_REFUSED);
        T_EQ_U64(r.offset, covered);
        covered += r.full_bytes;
        records++;
    }
    T_EQ_U64(covered, input.size);
    T_TRUE(records > 1);
    pretok_bytes_done(&text);
    pretok_bytes_done(&input);
    pretok_warc_free(&w);
    free(l);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
