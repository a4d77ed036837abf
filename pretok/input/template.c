#include "input/template.h"

#include <stdlib.h>
#include <string.h>

#include "input/key_tree.h"
#include "input/utf8.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for --text-template");
}

static enum ngt_status bad(const char *text, const char *at, const char *why,
                           struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, NULL, HERE, "--text-template \"%.80s\": character %llu: %s",
                    text, (unsigned long long)(at - text) + 1, why);
}

void pretok_template_done(struct pretok_template *t)
{
    for (uint64_t i = 0; i < t->count; i++) {
        free(t->parts[i].before);
        free(t->parts[i].path);
        free(t->parts[i].after);
    }
    free(t->parts);
    *t = (struct pretok_template){0};
}

bool pretok_template_plain(const struct pretok_template *t)
{
    return t->count == 1 && t->parts[0].path && !t->parts[0].optional && !t->parts[0].before_bytes;
}

/* What stands behind a backslash, or NUL. */
static char escaped(char c)
{
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == '\\' ? '\\' : '\0';
}

/*
 * Literal text from *at to the first brace, or to the end, to out; in a field a brace cannot be
 * doubled, and } ends it. *at moves there.
 */
static enum ngt_status literal(const char *text, const char **at, bool in_field, char *out,
                               uint64_t *ret_bytes, struct ngt_error *reterr)
{
    const char *p = *at;
    uint64_t n = 0;

    for (; *p; p++) {
        if (!in_field && (*p == '{' || *p == '}') && p[1] == *p) {
            out[n++] = *p++;
        } else if (*p == '{' || *p == '}') {
            break;
        } else if (*p == '\\') {
            char c = escaped(*++p);
            if (!c)
                return bad(text, p, "after a backslash stands n, t or another backslash", reterr);
            out[n++] = c;
        } else {
            out[n++] = *p;
        }
    }
    out[n] = '\0';
    *ret_bytes = n;
    *at = p;
    return NGT_OK;
}

/* {PATH}, {PATH?} or {PATH?AFTER}; *at is behind the brace and moves behind the other one. */
static enum ngt_status field(const char *text, const char **at, struct pretok_template_part *part,
                             struct ngt_error *reterr)
{
    const char *begin = *at, *end = begin + strcspn(begin, "?{}");
    enum ngt_status status = NGT_OK;

    if (*end == '\0')
        return bad(text, begin, "this brace is not closed; {{ is a brace", reterr);
    if (*end == '{')
        return bad(text, end, "a brace inside a field", reterr);
    part->path = strndup(begin, (size_t)(end - begin));
    part->after = malloc(strlen(end) + 1);
    if (!part->path || !part->after)
        return no_memory(reterr);
    part->optional = *end == '?';
    if (part->optional) {
        end++;
        status = literal(text, &end, true, part->after, &part->after_bytes, reterr);
        if (status == NGT_OK && *end != '}')
            status = bad(text, *end ? end : begin,
                         *end ? "a brace inside a field" : "this brace is not closed", reterr);
    }
    if (status == NGT_OK)
        status = pretok_key_path_check(part->path, "text-template", reterr);
    *at = end + 1;
    return status;
}

enum ngt_status pretok_template_parse(const char *text, struct pretok_template *ret_template,
                                      struct ngt_error *reterr)
{
    uint64_t n = strlen(text), fields = 0;
    struct pretok_template t = {.parts = calloc(n + 1, sizeof *t.parts)};
    const char *at = text;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = t.parts ? NGT_OK : no_memory(reterr);
    if (status == NGT_OK && tok_utf8_check()((const uint8_t *)text, n) != n)
        status = ngt_fail(reterr, NGT_E_DATA, NULL, HERE, "--text-template is not UTF-8");
    while (status == NGT_OK && *at) {
        struct pretok_template_part *part = &t.parts[t.count++];
        if (!(part->before = malloc(strlen(at) + 1))) {
            status = no_memory(reterr);
            break;
        }
        status = literal(text, &at, false, part->before, &part->before_bytes, reterr);
        if (status != NGT_OK || !*at)
            break;
        if (*at == '}') {
            status = bad(text, at, "a closing brace without an opening one; }} is a brace", reterr);
            break;
        }
        at++;
        status = field(text, &at, part, reterr);
        fields++;
    }
    if (status == NGT_OK && !fields)
        status = ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                          "--text-template \"%.80s\" names no field; write {PATH}", text);
    if (status == NGT_OK)
        *ret_template = t;
    else
        pretok_template_done(&t);
    return status;
}

enum ngt_status pretok_template_of_key(const char *path, struct pretok_template *ret_template,
                                       struct ngt_error *reterr)
{
    struct pretok_template t = {.parts = calloc(1, sizeof *t.parts), .count = 1};
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!t.parts)
        return no_memory(reterr);
    t.parts[0].before = strdup("");
    t.parts[0].after = strdup("");
    t.parts[0].path = strdup(path);
    status = t.parts[0].path && t.parts[0].before && t.parts[0].after
                 ? pretok_key_path_check(path, "text-key", reterr)
                 : no_memory(reterr);
    if (status == NGT_OK)
        *ret_template = t;
    else
        pretok_template_done(&t);
    return status;
}

char *pretok_template_line(const char *text)
{
    char *line = malloc(2 * strlen(text) + 1), *to = line;

    for (; line && *text; text++) {
        if (*text == '\n' || *text == '\t') {
            *to++ = '\\';
            *to++ = *text == '\n' ? 'n' : 't';
        } else {
            *to++ = *text;
        }
    }
    if (line)
        *to = '\0';
    return line;
}
