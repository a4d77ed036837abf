/* See json_scan.h. */
#include "load/json_scan.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/load8.h"
#include "text/utf8_check.h"
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
    uint64_t valid = tok_utf8_check()(bytes, n);
    if (valid != n) {
        j->at = bytes + valid;
        return bad(j, "ill-formed UTF-8");
    }
    return true;
}

/* ---- eight bytes at a time: white space and strings are nearly all of a file ---- */

#define EACH(c) ((uint64_t)(c) * UINT64_C(0x0101010101010101))

/* The highest bit of the first byte that is 0, or below `low`, which is at most 0x80; bits above that
 * one may be wrong. */
static inline uint64_t first_zero(uint64_t v)
{
    return (v - EACH(1)) & ~v & EACH(0x80);
}

static inline uint64_t first_below(uint64_t v, unsigned low)
{
    return (v - EACH(low)) & ~v & EACH(0x80);
}

static inline unsigned byte_of(uint64_t bit)
{
    return (unsigned)__builtin_ctzll(bit) / 8;
}

/* Where the run of spaces at `at` ends. */
static inline uint8_t *spaces_end(uint8_t *at, const uint8_t *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t other = tok_load8(at) ^ EACH(' ');
        if (other)
            return at + byte_of(other);
    }
    while (at < end && *at == ' ')
        at++;
    return at;
}

static inline void skip_space(struct tok_json *j)
{
    uint8_t *at = j->at, *end = j->end;

    while (at < end && *at <= ' ') {
        if (*at == ' ')
            at = spaces_end(at, end);
        else if (*at == '\n' || *at == '\t' || *at == '\r')
            at++;
        else
            break;
    }
    j->at = at;
}

/* The first quotation mark, backslash or, if asked for, control character; or the end. */
static inline uint8_t *string_stop(uint8_t *at, const uint8_t *end, bool controls)
{
    for (; end - at >= 8; at += 8) {
        uint64_t v = tok_load8(at), stops = first_zero(v ^ EACH('"')) | first_zero(v ^ EACH('\\'));
        if (controls)
            stops |= first_below(v, 0x20);
        if (stops)
            return at + byte_of(stops);
    }
    while (at < end && *at != '"' && *at != '\\' && !(controls && *at < 0x20))
        at++;
    return at;
}

/* ---- */

static inline char peek(struct tok_json *j)
{
    skip_space(j);
    if (j->at == j->end)
        return '\0';
    char c = (char)*j->at;
    return (c >= '0' && c <= '9') || c == '-' ? 'd' : c;
}

char tok_json_peek(struct tok_json *j)
{
    return peek(j);
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
    return tok_json_refuse(j, "%s where %s is expected", type_name(peek(j)),
                           type_name(wanted));
}

bool tok_json_enter(struct tok_json *j, char open)
{
    if (peek(j) != open)
        return wrong_type(j, open);
    j->at++;
    return true;
}

static inline bool next_element(struct tok_json *j, char close, bool *first, bool *ret_more)
{
    char c = peek(j);

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

bool tok_json_more(struct tok_json *j, char close, bool *first, bool *ret_more)
{
    return next_element(j, close, first, ret_more);
}

bool tok_json_key(struct tok_json *j, struct tok_slice *ret_key)
{
    if (peek(j) != '"')
        return bad(j, "a key expected");
    if (!tok_json_string(j, ret_key))
        return false;
    if (peek(j) != ':')
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
    if (peek(j) != '"')
        return wrong_type(j, '"');
    uint8_t *text = ++j->at, *out = text;

    for (;;) {
        uint8_t *stop = string_stop(j->at, j->end, true);
        if (out != j->at) /* behind an escape */
            memmove(out, j->at, (size_t)(stop - j->at));
        out += stop - j->at;
        j->at = stop;
        if (stop == j->end || *stop == '"')
            break;
        if (*stop < 0x20)
            return bad(j, "a control character in a string");
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
    if (peek(j) != 'd')
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

    (void)peek(j);
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

static double power_of_ten(unsigned n)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    char text[16];

    if (n < sizeof exact / sizeof *exact)
        return exact[n];
    snprintf(text, sizeof text, "1e%u", n);
    return strtod(text, NULL);
}

/*
 * A number as serde_json rounds it, which is not to the nearest double: as many digits as 64 bits
 * hold, then one multiplication or division. Scores that differ in their last bit decide ties.
 */
static double round_as_serde(const uint8_t *at, const uint8_t *end)
{
    bool negative = *at == '-', point = false, full = false;
    uint64_t significand = 0;
    int64_t exponent = 0, written = 0;

    for (at += negative; at < end && (*at | 32) != 'e'; at++) {
        if (*at == '.') {
            point = true;
            continue;
        }
        uint64_t digit = (uint64_t)(*at - '0');
        full = full || significand > (UINT64_MAX - digit) / 10;
        if (!full)
            significand = significand * 10 + digit;
        exponent += full ? !point : -point;
    }
    if (at < end) {
        bool down = *++at == '-';
        at += down || *at == '+';
        for (; at < end; at++)
            written = written < 1000000 ? written * 10 + (*at - '0') : written;
        exponent += down ? -written : written;
    }
    double value = (double)significand;
    for (; exponent < -308 && value != 0; exponent += 308)
        value /= 1e308;
    if (value != 0 && exponent > 308)
        value = __builtin_inf();
    else if (value != 0 && exponent >= 0)
        value *= power_of_ten((unsigned)exponent);
    else if (value != 0)
        value /= power_of_ten((unsigned)-exponent);
    return negative ? -value : value;
}

bool tok_json_double(struct tok_json *j, double *ret)
{
    bool integer;

    (void)peek(j);
    const uint8_t *at = j->at;
    if (!number(j, &integer))
        return false;
    *ret = round_as_serde(at, j->at);
    if (__builtin_isinf(*ret))
        return tok_json_refuse(j, "a number that is out of range");
    return true;
}

static inline bool skip_string(struct tok_json *j)
{
    uint8_t *at = string_stop(j->at + 1, j->end, false);

    while (at < j->end && *at == '\\')
        at = j->end - at < 2 ? j->end : string_stop(at + 2, j->end, false);
    j->at = at;
    if (at == j->end)
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

/* The value of the outermost object's last member ends where the reader stands. */
static void note_value(struct tok_json_members *m, const struct tok_json *j)
{
    if (m->count && m->count != UINT_MAX) {
        struct tok_slice *value = &m->values[m->count - 1];
        value->size = (uint64_t)(j->at - value->at);
    }
}

/* The reader stands behind its key and colon; the value begins there, but for white space. */
static void note_key(struct tok_json_members *m, struct tok_slice key, struct tok_json *j)
{
    if (m->count == sizeof m->keys / sizeof *m->keys)
        m->count = UINT_MAX;
    if (m->count == UINT_MAX)
        return;
    (void)peek(j);
    m->keys[m->count] = key;
    m->values[m->count++] = (struct tok_slice){j->at, 0};
}

static bool skip_key(struct tok_json *j, struct tok_slice *ret)
{
    if (peek(j) != '"')
        return bad(j, "a key expected");
    uint8_t *key = j->at + 1;
    if (!skip_string(j))
        return false;
    *ret = (struct tok_slice){key, (uint64_t)(j->at - key) - 1};
    if (peek(j) != ':')
        return bad(j, "a colon expected");
    j->at++;
    return true;
}

bool tok_json_skip_noting(struct tok_json *j, struct tok_slice *ret,
                          struct tok_json_members *ret_members)
{
    char close[MAX_DEPTH], c = peek(j);
    unsigned depth = 0;
    bool integer, first = true, more, ok;
    struct tok_slice key = {0};
    uint8_t *start = j->at;

    ret_members->count = c == '{' ? 0 : UINT_MAX;
    for (;; c = peek(j)) {
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
            if (depth == 1)
                note_value(ret_members, j);
            if (!next_element(j, close[depth - 1], &first, &more))
                return false;
            if (!more)
                depth--;
            first = false;
        } while (!more);
        if (close[depth - 1] == '}') {
            if (!skip_key(j, &key))
                return false;
            if (depth == 1)
                note_key(ret_members, key, j);
        }
    }
}

bool tok_json_skip(struct tok_json *j, struct tok_slice *ret)
{
    struct tok_json_members members;

    return tok_json_skip_noting(j, ret, &members);
}

bool tok_json_end(struct tok_json *j)
{
    return peek(j) == '\0' || bad(j, "something follows the value");
}
