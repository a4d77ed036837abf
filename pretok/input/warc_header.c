#include "input/warc_header.h"

#include <string.h>
#include <strings.h>

static void broken(struct pretok_warc_header *h, uint64_t at, const char *detail)
{
    h->reason = PRETOK_BROKEN;
    h->detail = detail;
    h->error_at = at;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* RFC 2616's token, which WARC names are made of. */
static bool is_token(uint8_t c)
{
    return c > ' ' && c < 127 && !strchr("()<>@,;:\\\"/[]?={}", c);
}

/* The line at `at`: *ret_n bytes without its end; returns where the next one begins. */
static uint64_t line_at(const uint8_t *bytes, uint64_t n, uint64_t at, uint64_t *ret_n)
{
    const uint8_t *newline = memchr(bytes + at, '\n', n - at);
    uint64_t end = newline ? (uint64_t)(newline - bytes) : n;

    *ret_n = end - at;
    if (*ret_n && bytes[end - 1] == '\r')
        --*ret_n;
    return newline ? end + 1 : n;
}

static bool version_known(const uint8_t *line, uint64_t n)
{
    static const char *const known[] = {"WARC/1.0", "WARC/1.1", "WARC/0.17", "WARC/0.18"};

    while (n && is_blank(line[n - 1]))
        n--;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (n == strlen(known[i]) && memcmp(line, known[i], n) == 0)
            return true;
    return false;
}

/* Fields, unfolded in place: a folded line moves up to its field, one blank between them. */
static void read_fields(struct pretok_warc_header *h, uint8_t *bytes, uint64_t n, uint64_t at)
{
    struct pretok_warc_field *f = NULL;

    while (at < n) {
        uint64_t size, start = at;
        at = line_at(bytes, n, at, &size);
        if (size == 0)
            return; /* the empty line */
        uint8_t *line = bytes + start;
        while (size && is_blank(line[size - 1]))
            size--;
        if (is_blank(*line)) {
            if (!f) {
                broken(h, start, "a folded line before any field");
                return;
            }
            while (size && is_blank(*line)) {
                line++;
                size--;
            }
            uint8_t *end = (uint8_t *)(uintptr_t)f->value + f->bytes;
            if (size && f->bytes) {
                *end++ = ' ';
                f->bytes++;
            }
            memmove(end, line, size);
            f->bytes += size;
            continue;
        }
        uint64_t name = 0;
        while (name < size && is_token(line[name]))
            name++;
        if (name == 0 || name == size || line[name] != ':') {
            broken(h, start + name, "a header line that is no field");
            return;
        }
        if (h->field_count == PRETOK_WARC_FIELDS) {
            broken(h, start, "too many fields");
            return;
        }
        f = &h->fields[h->field_count++];
        line[name] = '\0';
        f->name = (const char *)line;
        uint64_t value = name + 1;
        while (value < size && is_blank(line[value]))
            value++;
        f->value = line + value;
        f->bytes = size - value;
    }
}

/* *ret NULL: it is not there. False: it is there twice, and says two things. */
static bool find(const struct pretok_warc_header *h, const char *name,
                 const struct pretok_warc_field **ret)
{
    *ret = NULL;
    for (uint64_t i = 0; i < h->field_count; i++) {
        const struct pretok_warc_field *f = &h->fields[i];
        if (strcasecmp(f->name, name) != 0)
            continue;
        if (*ret && ((*ret)->bytes != f->bytes || memcmp((*ret)->value, f->value, f->bytes) != 0))
            return false;
        *ret = f;
    }
    return true;
}

static uint64_t place(const struct pretok_warc_field *f, const uint8_t *bytes)
{
    return f ? (uint64_t)(f->value - bytes) : 0;
}

static bool read_number(const struct pretok_warc_field *f, uint64_t *ret)
{
    uint64_t n = 0;

    for (uint64_t i = 0; i < f->bytes; i++) {
        uint8_t c = f->value[i];
        if (c < '0' || c > '9' || n > (INT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (c - '0');
    }
    *ret = n;
    return f->bytes > 0;
}

static bool same_word(const uint8_t *at, uint64_t n, const char *word)
{
    return n == strlen(word) && strncasecmp((const char *)at, word, n) == 0;
}

static bool is_text_plain(const struct pretok_warc_field *f)
{
    uint64_t n = 0;

    while (f && n < f->bytes && f->value[n] != ';')
        n++;
    while (n && is_blank(f->value[n - 1]))
        n--;
    return f && same_word(f->value, n, "text/plain");
}

/* The charset parameter; false when there is none. */
static bool charset_of(const struct pretok_warc_field *f, char out[32])
{
    static const char key[] = "charset=";

    for (uint64_t i = 0; i + sizeof key - 1 <= f->bytes; i++) {
        if (strncasecmp((const char *)f->value + i, key, sizeof key - 1) != 0)
            continue;
        uint64_t used = 0;
        for (i += sizeof key - 1; i < f->bytes && f->value[i] != ';' && used < 31; i++)
            if (is_token(f->value[i]))
                out[used++] = (char)f->value[i];
        out[used] = '\0';
        return true;
    }
    return false;
}

/* Segments of a record cut in pieces are not joined, and half a text is none. */
static bool is_segment(const struct pretok_warc_header *h)
{
    const struct pretok_warc_field *f;

    return !find(h, "WARC-Segment-Number", &f) || f;
}

static void judge(struct pretok_warc_header *h, const struct pretok_warc_field *type,
                  const struct pretok_warc_field *media)
{
    if (same_word(type->value, type->bytes, "response"))
        h->filtered = PRETOK_WARC_RESPONSE;
    else if (!same_word(type->value, type->bytes, "conversion") &&
             !same_word(type->value, type->bytes, "resource"))
        h->filtered = PRETOK_WARC_OTHER;
    else if (!is_text_plain(media))
        h->filtered = PRETOK_WARC_NOT_TEXT;
    else if (is_segment(h))
        broken(h, 0, "a segment of a record; segments are not joined");
    else if (charset_of(media, h->charset) && strcasecmp(h->charset, "utf-8") != 0 &&
             strcasecmp(h->charset, "utf8") != 0 && strcasecmp(h->charset, "us-ascii") != 0 &&
             strcasecmp(h->charset, "ascii") != 0) {
        h->reason = PRETOK_CHARSET;
        h->detail = h->charset;
    }
}

void pretok_warc_header_parse(uint8_t *bytes, uint64_t n, struct pretok_warc_header *ret_header)
{
    struct pretok_warc_header *h = ret_header;
    const struct pretok_warc_field *type, *length, *media;
    uint64_t size, at;

    h->field_count = h->length = h->error_at = 0;
    h->reason = PRETOK_ACCEPTED;
    h->filtered = PRETOK_KEPT;
    h->detail = "";
    h->length_known = false;
    h->charset[0] = '\0';
    at = line_at(bytes, n, 0, &size);
    if (!version_known(bytes, size)) {
        broken(h, 5, "a version of WARC other than 1.0 and 1.1");
        return;
    }
    read_fields(h, bytes, n, at);
    if (h->reason != PRETOK_ACCEPTED)
        return;
    if (!find(h, "Content-Length", &length) || !length || !read_number(length, &h->length)) {
        broken(h, place(length, bytes),
               length ? "Content-Length is not one number" : "no Content-Length");
        return;
    }
    h->length_known = true;
    if (!find(h, "WARC-Type", &type) || !type) {
        broken(h, place(type, bytes), type ? "two values of WARC-Type" : "no WARC-Type");
        return;
    }
    if (!find(h, "Content-Type", &media)) {
        broken(h, place(media, bytes), "two values of Content-Type");
        return;
    }
    judge(h, type, media);
}
