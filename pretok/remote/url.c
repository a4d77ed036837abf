#include "remote/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HERE NGT_NO_POS, NGT_NO_POS
#define CUT "?..."

static const struct {
    const char *text;
    enum pretok_scheme scheme;
} schemes[] = {{"s3://", PRETOK_S3}, {"https://", PRETOK_HTTPS}, {"http://", PRETOK_HTTP}};

static const char *behind_scheme(const char *path, enum pretok_scheme *ret)
{
    for (unsigned i = 0; path && i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i].text);
        if (strncasecmp(path, schemes[i].text, n) == 0) {
            *ret = schemes[i].scheme;
            return path + n;
        }
    }
    return NULL;
}

bool pretok_url_is(const char *path)
{
    enum pretok_scheme scheme;

    return behind_scheme(path, &scheme) != NULL;
}

char *pretok_url_shown(const char *text)
{
    enum pretok_scheme scheme;
    size_t n = strlen(text);
    bool web = behind_scheme(text, &scheme) && scheme != PRETOK_S3;

    if (web) /* what follows # is for browsers, and no part of what is asked for */
        n = strcspn(text, "?#");
    char *shown = malloc(n + sizeof CUT);
    if (shown) {
        memcpy(shown, text, n);
        strcpy(shown + n, web && text[n] == '?' ? CUT : "");
    }
    return shown;
}

bool pretok_url_is_cut(const char *text)
{
    size_t n = strlen(text), m = strlen(CUT);

    return pretok_url_is(text) && n > m && strcmp(text + n - m, CUT) == 0;
}

static enum ngt_status bad(const char *text, const char *what, struct ngt_error *reterr)
{
    char *shown = pretok_url_shown(text);
    /* a password in the address must not be shown: nothing of it is, then */
    enum ngt_status status =
        ngt_fail(reterr, NGT_E_DATA, shown && !strchr(shown, '@') ? shown : NULL, HERE, "%s", what);

    free(shown);
    return status;
}

enum ngt_status pretok_url_parse(const char *text, struct pretok_url *ret_url,
                                 struct ngt_error *reterr)
{
    struct pretok_url u = {0};
    const char *at = behind_scheme(text, &u.scheme);

    ngt_error_clear(reterr);
    if (!at)
        return bad(text, "is no address of a remote input (s3://bucket/key, https://host/path)",
                   reterr);
    bool s3 = u.scheme == PRETOK_S3;
    const char *slash = at + strcspn(at, s3 ? "/" : "/?#"), *end = text + strlen(text);
    if (memchr(at, '@', (size_t)(slash - at)))
        return bad(
            text,
            "an address with a user or a password in it; they are not taken from there, as it "
            "stands in plans and messages",
            reterr);
    if (slash == at)
        return bad(text, s3 ? "names no bucket (s3://bucket/key)" : "names no host", reterr);
    for (const char *c = at; c < end; c++)
        if ((unsigned char)*c < ' ' || *c == 127 || (!s3 && *c == ' '))
            return bad(text, "holds a blank or a control character; write it as %XX", reterr);
    if (!s3) {
        const char *fragment = strchr(slash, '#');
        if (fragment)
            end = fragment;
        const char *query = memchr(slash, '?', (size_t)(end - slash));
        if (query) {
            u.query = strndup(query + 1, (size_t)(end - query - 1));
            end = query;
        }
        u.path = slash == end ? strdup("/") : strndup(slash, (size_t)(end - slash));
        if (query && !u.query)
            goto nomem;
    } else {
        u.path = strdup(*slash ? slash + 1 : slash);
        for (const char *c = at; c < slash; c++)
            if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *c)) {
                pretok_url_done(&u);
                return bad(text, "is no name of a bucket", reterr);
            }
    }
    u.host = strndup(at, (size_t)(slash - at));
    if (!u.host || !u.path)
        goto nomem;
    *ret_url = u;
    return NGT_OK;
nomem:
    pretok_url_done(&u);
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for an address");
}

bool pretok_url_is_folder(const char *text)
{
    struct pretok_url u = {0};
    bool folder = pretok_url_parse(text, &u, NULL) == NGT_OK && u.scheme == PRETOK_S3 &&
                  (!u.path[0] || u.path[strlen(u.path) - 1] == '/');

    pretok_url_done(&u);
    return folder;
}

void pretok_url_done(struct pretok_url *url)
{
    free(url->host);
    free(url->path);
    free(url->query);
    *url = (struct pretok_url){0};
}

char *pretok_url_name(const struct pretok_url *url, bool whole_path)
{
    const char *path = url->path + (url->path[0] == '/');
    const char *slash = strrchr(path, '/');
    const char *given = !whole_path && slash ? slash + 1 : path;
    char *name = strdup(given);

    if (!name || url->scheme == PRETOK_S3)
        return name;
    unsigned slashes = 0, before = 0;
    bool plain = pretok_url_decode(name, false);
    for (const char *c = name; plain && *c; c++) {
        plain = (unsigned char)*c >= ' ' && *c != 127;
        slashes += *c == '/';
    }
    for (const char *c = given; *c; c++)
        before += *c == '/';
    if (plain && slashes == before)
        return name;
    free(name);
    return strdup(given);
}

void pretok_url_encode(const char *text, bool keep_slash, char *out)
{
    static const char digits[] = "0123456789ABCDEF";

    out += strlen(out);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if ((*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
            strchr("-._~", *c) || (keep_slash && *c == '/')) {
            *out++ = (char)*c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[*c >> 4];
        *out++ = digits[*c & 15];
    }
    *out = '\0';
}

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

bool pretok_url_decode(char *text, bool plus)
{
    char *out = text;

    for (const char *c = text; *c; c++) {
        if (*c == '%') {
            int high = digit(c[1]), low = high < 0 ? -1 : digit(c[2]);
            if (low < 0 || high * 16 + low == 0)
                return false;
            *out++ = (char)(high * 16 + low);
            c += 2;
        } else {
            *out++ = plus && *c == '+' ? ' ' : *c;
        }
    }
    *out = '\0';
    return true;
}
