/* See json_scan.h. */
#include "load/json_scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8_inline.h"

#define MAX_DEPTH 64

bool tok_json_refuse(struct tok_json *j, const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ngt_ignore(ngt_fail(j->reterr, NGT_E_DATA, j->path, (uint64_t)(j->at - j->start), NGT_NO_POS,
                        "%s%s%s", j->what ? j->what : "", j->what ? ": " : "", text));
    return false;
}

static bool bad(struct tok_json *j, const char *what)
{
    return tok_json_refuse(j, "not valid JSON: %s", what);
}

bool tok_json_start(struct tok_json *j, uint8_t *bytes, uint64_t n, const char *path,
                    struct ngt_error *reterr)
{
    *j = (struct tok_json){
        .start = bytes, .at = bytes, .end = bytes + n, .path = path, .reterr = reterr};
    uint64_t valid = tok_utf8_valid_prefix(bytes, n);
    if (valid != n) {
        j->at = bytes + valid;
        return bad(j, "ill-formed UTF-8");
    }
    return true;
}

static void skip_space(struct tok_json *j)
{
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r'))
        j->at++;
}

char tok_json_peek(struct tok_json *j)
{
    skip_space(j);
    if (j->at == j->end)
        return '\0';
    char c = (char)*j->at;
    return (c >= '0' && c <= '9') || c == '-' ? 'd' : c;
}

static const char *type_name(char c)
{
    switch (c) {
    case '{':
        return "an object";
    case '[':
        return "an array";
    case '"':
        return "a string";
    case 'd':
        return "a number";
    case 't':
    case 'f':
        return "true or false";
    case 'n':
        return "null";
    case '\0':
        return "the end of the file";
    default:
        return "something that is no value";
    }
}

static bool wrong_type(struct tok_json *j, char wanted)
{
    return tok_json_refuse(j, "%s where %s is expected", type_name(tok_json_peek(j)),
                           type_name(wanted));
}

bool tok_json_enter(struct tok_json *j, char open)
{
    if (tok_json_peek(j) != open)
        return wrong_type(j, open);
    j->at++;
    return true;
}

bool tok_json_more(struct tok_json *j, char close, bool *first, bool *ret_more)
{
    char c = tok_json_peek(j);

    if (c == close) {
        j->at++;
        *ret_more = false;
        return true;
    }
    if (!*first) {
        if (c != ',')
            return bad(j, c ? "a comma expected" : "it ends too early");
        j->at++;
    }
    *first = false;
    *ret_more = true;
    return true;
}

bool tok_json_key(struct tok_json *j, struct tok_slice *ret_key)
{
    if (tok_json_peek(j) != '"')
        return bad(j, "a key expected");
    if (!tok_json_string(j, ret_key))
        return false;
    if (tok_json_peek(j) != ':')
        return bad(j, "a colon expected");
    j->at++;
    return true;
}

static int hex4(const uint8_t *s)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        int c = s[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* \uXXXX at j->at, with its second half where it is the first of a pair. */
static bool unicode_escape(struct tok_json *j, uint32_t *ret)
{
    int unit = j->end - j->at >= 6 ? hex4(j->at + 2) : -1;

    if (unit < 0)
        return bad(j, "an unknown escape");
    if (unit >= 0xDC00 && unit <= 0xDFFF)
        return bad(j, "a lone surrogate");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        int low =
            j->end - j->at >= 12 && j->at[6] == '\\' && j->at[7] == 'u' ? hex4(j->at + 8) : -1;
        if (low < 0xDC00 || low > 0xDFFF)
            return bad(j, "a lone surrogate");
        *ret = 0x10000u + (((uint32_t)unit - 0xD800u) << 10) + ((uint32_t)low - 0xDC00u);
        j->at += 12;
        return true;
    }
    *ret = (uint32_t)unit;
    j->at += 6;
    return true;
}

bool tok_json_string(struct tok_json *j, struct tok_slice *ret)
{
    if (tok_json_peek(j) != '"')
        return wrong_type(j, '"');
    uint8_t *text = ++j->at, *out;

    while (j->at < j->end && *j->at != '"' && *j->at != '\\' && *j->at >= 0x20)
        j->at++;
    for (out = j->at; j->at < j->end && *j->at != '"';) {
        if (*j->at < 0x20)
            return bad(j, "a control character in a string");
        if (*j->at != '\\') {
            *out++ = *j->at++;
            continue;
        }
        const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t", *found;
        int e = j->end - j->at >= 2 ? j->at[1] : 0;
        if (e && (found = strchr(from, e)) != NULL) {
            *out++ = (uint8_t)to[found - from];
            j->at += 2;
        } else if (e == 'u') {
            uint32_t code = 0;
            if (!unicode_escape(j, &code))
                return false;
            out += tok_utf8_put(code, out); /* never longer than its escape */
        } else {
            return bad(j, "an unknown escape");
        }
    }
    if (j->at == j->end)
        return bad(j, "a string does not end");
    j->at++;
    *ret = (struct tok_slice){text, (uint64_t)(out - text)};
    return true;
}

static bool is_digit(const struct tok_json *j)
{
    return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

/* Moves over a number; its grammar is JSON's. */
static bool number(struct tok_json *j, bool *ret_integer)
{
    *ret_integer = true;
    if (tok_json_peek(j) != 'd')
        return wrong_type(j, 'd');
    if (*j->at == '-') {
        *ret_integer = false;
        j->at++;
    }
    if (!is_digit(j))
        return bad(j, "a number without digits");
    if (*j->at == '0')
        j->at++;
    else
        while (is_digit(j))
            j->at++;
    if (j->at < j->end && *j->at == '.') {
        *ret_integer = false;
        j->at++;
        if (!is_digit(j))
            return bad(j, "a number without digits after its point");
        while (is_digit(j))
            j->at++;
    }
    if (j->at < j->end && (*j->at | 32) == 'e') {
        *ret_integer = false;
        j->at++;
        if (j->at < j->end && (*j->at == '+' || *j->at == '-'))
            j->at++;
        if (!is_digit(j))
            return bad(j, "a number without digits in its exponent");
        while (is_digit(j))
            j->at++;
    }
    return true;
}

bool tok_json_u32(struct tok_json *j, uint32_t *ret)
{
    bool integer;
    uint64_t value = 0;

    (void)tok_json_peek(j);
    const uint8_t *at = j->at;
    if (!number(j, &integer))
        return false;
    for (; integer && at < j->at; at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        integer = value <= UINT32_MAX;
    }
    if (!integer)
        return tok_json_refuse(j, "not a whole number of 32 bits");
    *ret = (uint32_t)value;
    return true;
}

bool tok_json_double(struct tok_json *j, double *ret)
{
    bool integer;
    char copy[128];

    (void)tok_json_peek(j);
    const uint8_t *at = j->at;
    if (!number(j, &integer))
        return false;
    uint64_t n = (uint64_t)(j->at - at);
    if (n >= sizeof copy)
        return bad(j, "a number of more than 127 characters");
    memcpy(copy, at, n);
    copy[n] = '\0';
    *ret = strtod(copy, NULL);
    return true;
}

static bool skip_string(struct tok_json *j)
{
    for (j->at++; j->at < j->end && *j->at != '"'; j->at++)
        if (*j->at == '\\' && ++j->at == j->end)
            break;
    if (j->at == j->end)
        return bad(j, "a string does not end");
    j->at++;
    return true;
}

static bool skip_word(struct tok_json *j, const char *w)
{
    uint64_t n = strlen(w);

    if ((uint64_t)(j->end - j->at) < n || memcmp(j->at, w, n) != 0)
        return bad(j, "a value expected");
    j->at += n;
    return true;
}

bool tok_json_skip(struct tok_json *j, struct tok_slice *ret)
{
    char close[MAX_DEPTH];
    unsigned depth = 0;
    bool integer, first = true, more, ok;

    (void)tok_json_peek(j);
    uint8_t *start = j->at;
    for (;;) {
        char c = tok_json_peek(j);
        if (c == '{' || c == '[') {
            if (depth == MAX_DEPTH)
                return bad(j, "nested deeper than 64");
            close[depth++] = c == '{' ? '}' : ']';
            first = true;
            j->at++;
            ok = true;
        } else if (c == '"') {
            ok = skip_string(j);
        } else if (c == 'd') {
            ok = number(j, &integer);
        } else {
            ok = skip_word(j, c == 't' ? "true" : c == 'f' ? "false" : "null");
        }
        if (!ok)
            return false;
        do {
            if (depth == 0) {
                if (ret)
                    *ret = (struct tok_slice){start, (uint64_t)(j->at - start)};
                return true;
            }
            if (!tok_json_more(j, close[depth - 1], &first, &more))
                return false;
            if (!more)
                depth--;
            first = false;
        } while (!more);
        if (close[depth - 1] == '}') {
            if (tok_json_peek(j) != '"')
                return bad(j, "a key expected");
            if (!skip_string(j))
                return false;
            if (tok_json_peek(j) != ':')
                return bad(j, "a colon expected");
            j->at++;
        }
    }
}

bool tok_json_end(struct tok_json *j)
{
    return tok_json_peek(j) == '\0' || bad(j, "something follows the value");
}
