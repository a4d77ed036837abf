#include "remote/bucket.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/object.h"
#include "remote/xml.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define PAGE_LIMIT (UINT64_C(64) << 20) /* a thousand keys of a kilobyte, escaped, are far less */

static bool passed_over(const char *key, size_t prefix)
{
    const char *below = key + prefix;

    return !*below || below[0] == '.' || strstr(below, "/.") || below[strlen(below) - 1] == '/';
}

/* The query, its parts in the order of their names, as the signature wants them. */
static char *query_for(const char *prefix, const char *token)
{
    char *query = calloc(1, 3 * (strlen(prefix) + (token ? strlen(token) : 0)) + 128);

    if (!query)
        return NULL;
    if (token) {
        strcat(query, "continuation-token=");
        pretok_url_encode(token, false, query);
        strcat(query, "&");
    }
    strcat(query, "encoding-type=url&list-type=2&prefix=");
    pretok_url_encode(prefix, false, query);
    return query;
}

struct page {
    char *next; /* token of the next one; owned; NULL: this is the last */
    bool list;  /* it is a list at all */
    bool truncated, encoded;
};

/* Strings point into the text's room only until the next element. */
static enum ngt_status read_page(const char *text, const char *prefix, const char *shown,
                                 pretok_listed_fn each, void *arg, struct page *page,
                                 struct ngt_error *reterr)
{
    char *room = malloc(strlen(text) + 2), *key = NULL, *etag = NULL;
    struct pretok_xml xml = {text, room};
    const char *name, *value;
    uint64_t size = 0;
    bool has_size = false;
    enum ngt_status status = NGT_OK;

    if (!room)
        goto nomem;
    page->encoded = strstr(text, "<EncodingType>url</EncodingType>") != NULL;
    while (status == NGT_OK && pretok_xml_next(&xml, &name, &value)) {
        char **keep = NULL;
        if (value && strcmp(name, "Key") == 0)
            keep = &key;
        else if (value && strcmp(name, "ETag") == 0)
            keep = &etag;
        else if (value && strcmp(name, "NextContinuationToken") == 0)
            keep = &page->next;
        if (keep) {
            free(*keep);
            if (!(*keep = strdup(value)))
                goto nomem;
        } else if (value && strcmp(name, "Size") == 0) {
            char *end;
            size = strtoull(value, &end, 10);
            has_size = value[0] >= '0' && value[0] <= '9' && *end == '\0';
        } else if (value && strcmp(name, "IsTruncated") == 0) {
            page->truncated = strcmp(value, "true") == 0;
        } else if (!value && strcmp(name, "ListBucketResult") == 0) {
            page->list = true;
        } else if (!value && strcmp(name, "Contents") == 0) {
            struct pretok_listed object = {key, etag ? etag : "", size};
            if (!key || !has_size || (page->encoded && !pretok_url_decode(key, true)) ||
                strncmp(key, prefix, strlen(prefix)) != 0)
                status =
                    ngt_fail(reterr, NGT_E_REMOTE, shown, HERE,
                             "the list of objects has one without a key or a size, or one that is "
                             "not below the prefix: \"%.80s\"",
                             key ? key : "");
            else if (!passed_over(key, strlen(prefix)))
                status = each(arg, &object, reterr);
            free(key);
            free(etag);
            key = etag = NULL;
            has_size = false;
        }
    }
    goto out;
nomem:
    status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for a list of objects");
out:
    free(room);
    free(key);
    free(etag);
    return status;
}

enum ngt_status pretok_bucket_list(const struct pretok_remote *remote, const char *url,
                                   pretok_listed_fn each, void *arg, struct ngt_error *reterr)
{
    struct pretok_url u = {0};
    char *token = NULL;
    enum ngt_status status;
    bool more = true;

    ngt_error_clear(reterr);
    if (!remote)
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, url, HERE, PRETOK_REMOTE_REFUSED);
    status = pretok_url_parse(url, &u, reterr);
    while (status == NGT_OK && more) {
        struct page page = {0};
        char *query = query_for(u.path, token), *text = NULL;
        char *ask = query ? pretok_remote_s3_url(remote, u.host, "", query) : NULL;
        status =
            ask ? pretok_object_text(remote, url, ask, PAGE_LIMIT, &text, reterr)
                : ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for a list of objects");
        if (status == NGT_OK)
            status = read_page(text, u.path, url, each, arg, &page, reterr);
        if (status == NGT_OK && !page.list)
            status = ngt_fail(reterr, NGT_E_REMOTE, url, HERE,
                              "the answer is no list of objects; does AWS_ENDPOINT_URL speak S3?");
        more = page.truncated;
        if (status == NGT_OK && more && (!page.next || (token && strcmp(token, page.next) == 0)))
            status = ngt_fail(reterr, NGT_E_REMOTE, url, HERE,
                              "the list of objects says there is more, but not how to go on");
        free(token);
        token = page.next;
        free(query);
        free(ask);
        free(text);
    }
    free(token);
    pretok_url_done(&u);
    return status;
}
