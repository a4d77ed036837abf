/* The reader half of ngt/json.h: one pass, no recursion, nodes and strings in one arena. */
#include "ngt/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

#define MAX_DEPTH 64

/* The root is the first node of the first chunk, so that freeing the root frees all. */
struct chunk {
    struct chunk *next;
    uint64_t used, room;
    _Alignas(16) unsigned char bytes[];
};

struct root {
    struct ngt_json node; /* first, so that a pointer to it is the root's pointer */
    struct chunk *chunks;
};

struct parser {
    const char *bytes, *path;
    uint64_t size, at;
    struct root *root;
    struct ngt_error *reterr;
};

static void *arena(struct parser *p, uint64_t n)
{
    struct chunk *c = p->root->chunks;

    n = (n + 15) & ~(uint64_t)15;
    if (!c || c->room - c->used < n) {
        uint64_t room = n > 65536 ? n : 65536;
        c = malloc(sizeof *c + room);
        if (!c)
            return NULL;
        *c = (struct chunk){.next = p->root->chunks, .room = room};
        p->root->chunks = c;
    }
    c->used += n;
    return c->bytes + c->used - n;
}

static enum ngt_status bad(struct parser *p, const char *what)
{
    return ngt_fail(p->reterr, NGT_E_DATA, p->path, p->at, NGT_NO_POS, "not valid JSON: %s", what);
}

static enum ngt_status no_memory(struct parser *p)
{
    return ngt_fail(p->reterr, NGT_E_NOMEM, p->path, NGT_NO_POS, NGT_NO_POS, "out of memory");
}

static void skip_space(struct parser *p)
{
    while (p->at < p->size && (p->bytes[p->at] == ' ' || p->bytes[p->at] == '\n' ||
                               p->bytes[p->at] == '\t' || p->bytes[p->at] == '\r'))
        p->at++;
}

static int hex4(const char *s)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        char c = s[i];
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

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    } else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 63));
        *out++ = (char)(0x80 | (c >> 6 & 63));
        *out++ = (char)(0x80 | (c & 63));
    }
    return out;
}

static enum ngt_status parse_string(struct parser *p, const char **ret, uint64_t *ret_length)
{
    uint64_t end = ++p->at;

    bool plain = true; /* ASCII without escapes: nearly all strings of large files */
    while (end < p->size && p->bytes[end] != '"') {
        unsigned char c = (unsigned char)p->bytes[end];
        plain &= c >= 0x20 && c < 0x80 && c != '\\';
        end += c == '\\' ? 2 : 1;
    }
    if (end >= p->size)
        return bad(p, "a string does not end");
    char *text = arena(p, end - p->at + 1), *out = text; /* escapes only shrink */
    if (!text)
        return no_memory(p);
    if (plain) {
        memcpy(out, p->bytes + p->at, end - p->at);
        out += end - p->at;
        p->at = end;
    }
    while (p->bytes[p->at] != '"') {
        unsigned char c = (unsigned char)p->bytes[p->at];
        if (c < 0x20)
            return bad(p, "a control character in a string");
        if (c < 0x80 && c != '\\') { /* nearly all of large files, so without a call */
            *out++ = (char)c;
            p->at++;
            continue;
        }
        if (c != '\\') {
            unsigned n = ngt_utf8_length((const unsigned char *)p->bytes + p->at, p->size - p->at);
            if (!n)
                return bad(p, "ill-formed UTF-8");
            memcpy(out, p->bytes + p->at, n);
            out += n;
            p->at += n;
            continue;
        }
        char e = p->bytes[p->at + 1];
        const char *from = "\"\\/bfnrt", *to = "\"\\/\b\f\n\r\t",
                   *found = e ? strchr(from, e) : NULL;
        if (found) {
            *out++ = to[found - from];
            p->at += 2;
            continue;
        }
        int unit = e == 'u' && p->at + 6 <= end ? hex4(p->bytes + p->at + 2) : -1;
        if (unit < 0)
            return bad(p, "an unknown escape");
        p->at += 6;
        uint32_t code = (uint32_t)unit;
        if (code >= 0xDC00 && code <= 0xDFFF)
            return bad(p, "a lone surrogate");
        if (code >= 0xD800 && code <= 0xDBFF) {
            int low = p->at + 6 <= end && p->bytes[p->at] == '\\' && p->bytes[p->at + 1] == 'u'
                          ? hex4(p->bytes + p->at + 2)
                          : -1;
            if (low < 0xDC00 || low > 0xDFFF)
                return bad(p, "a lone surrogate");
            code = 0x10000 + ((code - 0xD800) << 10) + ((uint32_t)low - 0xDC00);
            p->at += 6;
        }
        out = put_utf8(out, code);
    }
    p->at++;
    *out = '\0';
    *ret = text;
    *ret_length = (uint64_t)(out - text);
    return NGT_OK;
}

static enum ngt_status parse_number(struct parser *p, struct ngt_json *node)
{
    uint64_t start = p->at, value = 0;
    bool integer = true, overflow = false;
    char copy[64], *end;

#define DIGIT (p->at < p->size && p->bytes[p->at] >= '0' && p->bytes[p->at] <= '9')
    if (p->bytes[p->at] == '-')
        integer = false, p->at++;
    if (!DIGIT)
        return bad(p, "a number without digits");
    if (p->bytes[p->at] == '0') {
        p->at++;
    } else {
        while (DIGIT) {
            uint64_t digit = (uint64_t)(p->bytes[p->at++] - '0');
            overflow |= __builtin_mul_overflow(value, 10, &value) ||
                        __builtin_add_overflow(value, digit, &value);
        }
    }
    if (p->at < p->size && p->bytes[p->at] == '.') {
        integer = false;
        p->at++;
        if (!DIGIT)
            return bad(p, "a number without digits after its point");
        while (DIGIT)
            p->at++;
    }
    if (p->at < p->size && (p->bytes[p->at] | 32) == 'e') {
        integer = false;
        p->at++;
        if (p->at < p->size && (p->bytes[p->at] == '+' || p->bytes[p->at] == '-'))
            p->at++;
        if (!DIGIT)
            return bad(p, "a number without digits in its exponent");
        while (DIGIT)
            p->at++;
    }
#undef DIGIT
    if (p->at - start >= sizeof copy)
        return bad(p, "a number of more than 63 characters");
    if (integer && value < UINT64_C(1) << 53 && !overflow) {
        node->number = (double)value; /* exactly, as strtod would */
    } else {
        memcpy(copy, p->bytes + start, p->at - start);
        copy[p->at - start] = '\0';
        errno = 0;
        node->number = strtod(copy, &end);
    }
    node->type = integer && !overflow ? NGT_JSON_U64 : NGT_JSON_NUMBER;
    node->u64 = value;
    return NGT_OK;
}

static bool word(struct parser *p, const char *w)
{
    uint64_t n = strlen(w);

    if (p->size - p->at < n || memcmp(p->bytes + p->at, w, n) != 0)
        return false;
    p->at += n;
    return true;
}

static enum ngt_status parse_scalar(struct parser *p, struct ngt_json *node)
{
    char c = p->bytes[p->at];

    if (c == '"') {
        node->type = NGT_JSON_STRING;
        return parse_string(p, &node->string, &node->length);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return parse_number(p, node);
    if (word(p, "true"))
        node->type = NGT_JSON_TRUE;
    else if (word(p, "false"))
        node->type = NGT_JSON_FALSE;
    else if (word(p, "null"))
        node->type = NGT_JSON_NULL;
    else
        return bad(p, "a value expected");
    return NGT_OK;
}

/* Small files, few members: a scan of the siblings is fine up to here, and hostile ones are bounded
 * by it. */
static enum ngt_status unique_key(struct parser *p, const struct ngt_json *object,
                                  const struct ngt_json *self)
{
    uint64_t seen = 0;

    for (const struct ngt_json *m = object->first; m && m != self; m = m->next) {
        if (strcmp(m->key, self->key) == 0)
            return bad(p, "a key occurs twice in one object");
        if (++seen > 10000)
            return bad(p, "more than 10000 keys in one object");
    }
    return NGT_OK;
}

static enum ngt_status parse_tree(struct parser *p)
{
    struct ngt_json *stack[MAX_DEPTH], *tail[MAX_DEPTH];
    unsigned depth = 0;
    struct ngt_json *node = &p->root->node;
    enum ngt_status status;

    skip_space(p);
    for (;;) {
        /* here a value must follow, to be stored in node */
        if (p->at >= p->size)
            return bad(p, "it ends too early");
        char c = p->bytes[p->at];
        bool opened = false;
        if (c == '{' || c == '[') {
            if (depth == MAX_DEPTH)
                return bad(p, "nested deeper than 64");
            node->type = c == '{' ? NGT_JSON_OBJECT : NGT_JSON_ARRAY;
            stack[depth] = node;
            tail[depth++] = NULL;
            p->at++;
            opened = true;
        } else if ((status = parse_scalar(p, node)) != NGT_OK) {
            return status;
        }
        /* what follows a value: end of containers, then a comma and the next element */
        for (;;) {
            skip_space(p);
            if (depth == 0)
                return p->at == p->size ? NGT_OK : bad(p, "something follows the value");
            if (p->at >= p->size)
                return bad(p, "it ends too early");
            struct ngt_json *top = stack[depth - 1];
            c = p->bytes[p->at];
            if (c == (top->type == NGT_JSON_OBJECT ? '}' : ']')) {
                p->at++;
                depth--;
                opened = false;
                continue;
            }
            if (!opened) {
                if (c != ',')
                    return bad(p, "a comma expected");
                p->at++;
                skip_space(p);
            }
            break;
        }
        struct ngt_json *top = stack[depth - 1];
        node = arena(p, sizeof *node);
        if (!node)
            return no_memory(p);
        *node = (struct ngt_json){0};
        if (tail[depth - 1])
            tail[depth - 1]->next = node;
        else
            top->first = node;
        tail[depth - 1] = node;
        top->length++;
        if (top->type == NGT_JSON_OBJECT) {
            uint64_t length;
            if (p->at >= p->size || p->bytes[p->at] != '"')
                return bad(p, "a key expected");
            if ((status = parse_string(p, &node->key, &length)) != NGT_OK ||
                (status = unique_key(p, top, node)) != NGT_OK)
                return status;
            skip_space(p);
            if (p->at >= p->size || p->bytes[p->at] != ':')
                return bad(p, "a colon expected");
            p->at++;
            skip_space(p);
        }
    }
}

enum ngt_status ngt_json_parse(const char *bytes, uint64_t size, const char *path,
                               struct ngt_json **ret_root, struct ngt_error *reterr)
{
    struct parser p = {.bytes = bytes, .path = path, .size = size, .reterr = reterr};
    enum ngt_status status;

    ngt_error_clear(reterr);
    p.root = calloc(1, sizeof *p.root);
    if (!p.root)
        return no_memory(&p);
    status = parse_tree(&p);
    struct ngt_json *root = &p.root->node;
    if (status == NGT_OK)
        *ret_root = root;
    else
        ngt_json_free(&root);
    return status;
}

void ngt_json_free(struct ngt_json **root)
{
    struct root *r = (struct root *)*root;

    if (!r)
        return;
    for (struct chunk *c = r->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(r);
    *root = NULL;
}

const struct ngt_json *ngt_json_get(const struct ngt_json *object, const char *key)
{
    if (!object || object->type != NGT_JSON_OBJECT)
        return NULL;
    for (const struct ngt_json *m = object->first; m; m = m->next)
        if (strcmp(m->key, key) == 0)
            return m;
    return NULL;
}

bool ngt_json_get_u64(const struct ngt_json *object, const char *key, uint64_t *ret)
{
    const struct ngt_json *m = ngt_json_get(object, key);

    if (!m || m->type != NGT_JSON_U64)
        return false;
    *ret = m->u64;
    return true;
}

bool ngt_json_get_string(const struct ngt_json *object, const char *key, const char **ret)
{
    const struct ngt_json *m = ngt_json_get(object, key);

    if (!m || m->type != NGT_JSON_STRING || strlen(m->string) != m->length)
        return false;
    *ret = m->string;
    return true;
}
