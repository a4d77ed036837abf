#include "remote/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "remote/transfer.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static bool set(const char *text)
{
    return text && text[0];
}

static bool copy(char **to, const char *text, const char *fallback)
{
    if (!set(text))
        text = fallback;
    *to = text ? strdup(text) : NULL;
    return !text || *to;
}

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

static enum ngt_status check(const struct pretok_remote_config *c, struct ngt_error *reterr)
{
    struct pretok_url url = {0};

    if (set(c->key_id) != set(c->secret))
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "%s is set, but not %s; set both, or neither to ask anonymously",
                        set(c->key_id) ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                        set(c->key_id) ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    if (set(c->region) &&
        strspn(c->region, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(c->region))
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE, "AWS_REGION is no name of a region");
    if (!set(c->endpoint))
        return NGT_OK;
    if (pretok_url_parse(c->endpoint, &url, NULL) != NGT_OK || url.scheme == PRETOK_S3 || url.query)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "AWS_ENDPOINT_URL is no address of a server (https://host:port)");
    pretok_url_done(&url);
    return NGT_OK;
}

enum ngt_status pretok_remote_new(const struct pretok_remote_config *config,
                                  struct pretok_remote **ret_remote, struct ngt_error *reterr)
{
    struct pretok_remote *r = NULL;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = check(config, reterr);
    if (status != NGT_OK)
        return status;
    r = calloc(1, sizeof *r);
    if (r && (r->idle = calloc(1, sizeof *r->idle)))
        pthread_mutex_init(&r->idle->lock, NULL);
    if (!r || !r->idle || !copy(&r->key_id, config->key_id, NULL) ||
        !copy(&r->secret, config->secret, NULL) ||
        !copy(&r->session_token, config->session_token, NULL) ||
        !copy(&r->region, config->region, "us-east-1") ||
        !copy(&r->endpoint, config->endpoint, NULL) || !copy(&r->ca_file, config->ca_file, NULL) ||
        !copy(&r->temporary, config->temporary, "/tmp")) {
        pretok_remote_free(&r);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    }
    if (r->endpoint) /* the key follows behind a slash of its own */
        for (size_t n = strlen(r->endpoint); n && r->endpoint[n - 1] == '/'; n--)
            r->endpoint[n - 1] = '\0';
    r->patience = config->patience;
    r->stopped = config->stopped;
    r->arg = config->arg;
    *ret_remote = r;
    return NGT_OK;
}

void pretok_remote_free(struct pretok_remote **remote)
{
    struct pretok_remote *r = *remote;

    if (!r)
        return;
    for (unsigned i = 0; r->idle && i < r->idle->count; i++)
        pretok_connection_free(&r->idle->items[i]);
    if (r->idle)
        pthread_mutex_destroy(&r->idle->lock);
    free(r->idle);
    wipe(&r->key_id);
    wipe(&r->secret);
    wipe(&r->session_token);
    free(r->region);
    free(r->endpoint);
    free(r->ca_file);
    free(r->temporary);
    free(r);
    *remote = NULL;
}

bool pretok_remote_stopped(const struct pretok_remote *r)
{
    return r->stopped && r->stopped(r->arg);
}

char *pretok_remote_s3_url(const struct pretok_remote *r, const char *bucket, const char *key,
                           const char *query)
{
    char *encoded = calloc(1, 3 * strlen(key) + 1), *url = NULL;
    int done;

    if (!encoded)
        return NULL;
    pretok_url_encode(key, true, encoded);
    const char *mark = query[0] ? "?" : "";
    /* a dot or a capital in a bucket's name does not go with the certificate, or with DNS */
    bool plain = strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(bucket);
    if (r->endpoint)
        done = asprintf(&url, "%s/%s/%s%s%s", r->endpoint, bucket, encoded, mark, query);
    else if (plain)
        done = asprintf(&url, "https://%s.s3.%s.amazonaws.com/%s%s%s", bucket, r->region, encoded,
                        mark, query);
    else
        done = asprintf(&url, "https://s3.%s.amazonaws.com/%s/%s%s%s", r->region, bucket, encoded,
                        mark, query);
    free(encoded);
    return done < 0 ? NULL : url;
}

void pretok_remote_hide(const struct pretok_remote *r, char *text)
{
    const char *const secrets[] = {r->key_id, r->secret, r->session_token};

    for (unsigned i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (secrets[i] && strstr(text, secrets[i]))
            text[0] = '\0';
}
