#include "remote/sign.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHA 32u

static bool sha256(const char *text, size_t n, char hex[2 * SHA + 1])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;

    if (EVP_Digest(text, n, digest, &size, EVP_sha256(), NULL) != 1 || size != SHA)
        return false;
    for (unsigned i = 0; i < SHA; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
    return true;
}

static bool hmac(const void *key, size_t key_size, const char *text, unsigned char out[SHA])
{
    unsigned size = 0;
    unsigned char digest[EVP_MAX_MD_SIZE];

    if (!HMAC(EVP_sha256(), key, (int)key_size, (const unsigned char *)text, strlen(text), digest,
              &size) ||
        size != SHA)
        return false;
    memcpy(out, digest, SHA);
    return true;
}

/* What is signed of the request: its own lines, one below the other. */
static char *canonical(const struct pretok_sign_request *r, const char *names, size_t *ret_n)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, ret_n);
    const char *hash = "UNSIGNED-PAYLOAD";

    if (!f)
        return NULL;
    fprintf(f, "GET\n%s\n%s\n", r->path, r->query);
    for (unsigned i = 0; i < r->header_count; i++) {
        fprintf(f, "%s:%s\n", r->headers[i].name, r->headers[i].value);
        if (strcmp(r->headers[i].name, "x-amz-content-sha256") == 0)
            hash = r->headers[i].value;
    }
    fprintf(f, "\n%s\n%s", names, hash);
    if (fclose(f) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}

bool pretok_sign_get(const struct pretok_sign_request *r, char out[PRETOK_SIGN_ROOM])
{
    char names[256] = "", hash[2 * SHA + 1], scope[160], to_sign[512], day[9], *secret = NULL;
    unsigned char key[SHA];
    size_t used = 0, n;

    if (strlen(r->time) != 16)
        return false;
    memcpy(day, r->time, 8);
    day[8] = '\0';
    for (unsigned i = 0; i < r->header_count; i++)
        used += (size_t)snprintf(names + used, used < sizeof names ? sizeof names - used : 0,
                                 "%s%s", i ? ";" : "", r->headers[i].name);
    char *text = used < sizeof names ? canonical(r, names, &n) : NULL;
    bool good = text && sha256(text, n, hash) && asprintf(&secret, "AWS4%s", r->secret) >= 0;

    free(text);
    if (!good)
        return false;
    used = (size_t)snprintf(scope, sizeof scope, "%s/%s/s3/aws4_request", day, r->region);
    good = used < sizeof scope;
    snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->time, scope, hash);
    good = good && hmac(secret, strlen(secret), day, key) && hmac(key, SHA, r->region, key) &&
           hmac(key, SHA, "s3", key) && hmac(key, SHA, "aws4_request", key) &&
           hmac(key, SHA, to_sign, key);
    used = (size_t)snprintf(out, PRETOK_SIGN_ROOM,
                            "Authorization: AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, "
                            "Signature=",
                            r->key_id, scope, names);
    good = good && used + 2 * SHA < PRETOK_SIGN_ROOM;
    for (unsigned i = 0; i < SHA && good; i++)
        used += (size_t)sprintf(out + used, "%02x", key[i]);
    explicit_bzero(secret, strlen(secret));
    explicit_bzero(key, sizeof key);
    free(secret);
    return good;
}
