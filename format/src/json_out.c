/* The writer half of ngt/json.h. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/json.h"
#include "ngt/writer.h"
#include "utf8.h"

static void put(struct ngt_json_out *out, const char *s, uint64_t n)
{
    if (out->failed)
        return;
    if (out->room - out->size <= n) {
        uint64_t room = (out->size + n + 1) * 2;
        char *larger = realloc(out->bytes, room);
        if (!larger) {
            out->failed = true;
            return;
        }
        out->bytes = larger;
        out->room = room;
    }
    memcpy(out->bytes + out->size, s, n);
    out->size += n;
    out->bytes[out->size] = '\0';
}

static void new_line(struct ngt_json_out *out)
{
    if (out->compact)
        return;
    put(out, "\n", 1);
    for (unsigned i = 0; i < out->depth; i++)
        put(out, "  ", 2);
}

/* Comma and line break before an element; nothing between a key and its value. */
static void element(struct ngt_json_out *out)
{
    if (out->after_key) {
        out->after_key = false;
        return;
    }
    if (out->depth == 0)
        return;
    if (!out->first)
        put(out, out->compact ? ", " : ",", out->compact ? 2 : 1);
    out->first = false;
    new_line(out);
}

void ngt_json_out_init(struct ngt_json_out *out, bool compact)
{
    *out = (struct ngt_json_out){.compact = compact, .first = true};
}

void ngt_json_out_done(struct ngt_json_out *out)
{
    free(out->bytes);
    *out = (struct ngt_json_out){0};
}

static void open_with(struct ngt_json_out *out, const char *bracket)
{
    element(out);
    put(out, bracket, 1);
    out->depth++;
    out->first = true;
}

static void close_with(struct ngt_json_out *out, const char *bracket)
{
    bool empty = out->first;

    out->depth--;
    if (!empty)
        new_line(out);
    put(out, bracket, 1);
    out->first = false;
    if (out->depth == 0)
        put(out, "\n", 1);
}

void ngt_json_object(struct ngt_json_out *out)
{
    open_with(out, "{");
}

void ngt_json_object_end(struct ngt_json_out *out)
{
    close_with(out, "}");
}

void ngt_json_array(struct ngt_json_out *out)
{
    open_with(out, "[");
}

void ngt_json_array_end(struct ngt_json_out *out)
{
    close_with(out, "]");
}

static void quoted(struct ngt_json_out *out, const char *s, uint64_t n)
{
    put(out, "\"", 1);
    for (uint64_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            char two[2] = {'\\', (char)c};
            put(out, two, 2);
            i++;
        } else if (c == '\n' || c == '\t' || c == '\r') {
            put(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r", 2);
            i++;
        } else if (c < 0x20 || c == 0x7F) {
            char six[8];
            snprintf(six, sizeof six, "\\u%04x", c);
            put(out, six, 6);
            i++;
        } else if (c < 0x80) {
            uint64_t from = i;
            while (i < n && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x7F &&
                   s[i] != '"' && s[i] != '\\')
                i++;
            put(out, s + from, i - from);
        } else {
            unsigned length = ngt_utf8_length((const unsigned char *)s + i, n - i);
            if (length)
                put(out, s + i, length);
            else
                put(out, "\xEF\xBF\xBD", 3);
            i += length ? length : 1;
        }
    }
    put(out, "\"", 1);
}

void ngt_json_key(struct ngt_json_out *out, const char *key)
{
    element(out);
    quoted(out, key, strlen(key));
    put(out, ": ", 2);
    out->after_key = true;
}

void ngt_json_string(struct ngt_json_out *out, const char *s)
{
    ngt_json_string_n(out, s, strlen(s));
}

void ngt_json_string_n(struct ngt_json_out *out, const char *s, uint64_t n)
{
    element(out);
    quoted(out, s, n);
}

void ngt_json_raw(struct ngt_json_out *out, const char *json)
{
    element(out);
    put(out, json, strlen(json));
}

void ngt_json_u64(struct ngt_json_out *out, uint64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRIu64, v);

    element(out);
    put(out, text, (uint64_t)n);
}

void ngt_json_double(struct ngt_json_out *out, double v)
{
    char text[40];

    if (!isfinite(v)) {
        ngt_json_null(out);
        return;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    element(out);
    put(out, text, strlen(text));
}

void ngt_json_bool(struct ngt_json_out *out, bool v)
{
    element(out);
    put(out, v ? "true" : "false", v ? 4 : 5);
}

void ngt_json_null(struct ngt_json_out *out)
{
    element(out);
    put(out, "null", 4);
}

void ngt_json_member_string(struct ngt_json_out *out, const char *key, const char *s)
{
    ngt_json_key(out, key);
    ngt_json_string(out, s);
}

void ngt_json_member_u64(struct ngt_json_out *out, const char *key, uint64_t v)
{
    ngt_json_key(out, key);
    ngt_json_u64(out, v);
}

void ngt_json_member_double(struct ngt_json_out *out, const char *key, double v)
{
    ngt_json_key(out, key);
    ngt_json_double(out, v);
}

void ngt_json_member_bool(struct ngt_json_out *out, const char *key, bool v)
{
    ngt_json_key(out, key);
    ngt_json_bool(out, v);
}

void ngt_json_member_pairs(struct ngt_json_out *out, const char *key, const struct ngt_pair *pairs,
                           uint64_t count)
{
    ngt_json_key(out, key);
    ngt_json_object(out);
    for (uint64_t i = 0; i < count; i++)
        ngt_json_member_string(out, pairs[i].key, pairs[i].value);
    ngt_json_object_end(out);
}
