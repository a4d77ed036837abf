/* In place of the files that need libcurl, in a build without it. */
#include "remote/bucket.h"
#include "remote/object.h"
#include "remote/remote.h"
#include "remote/source.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status absent(const char *url, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, url, HERE, PRETOK_NO_REMOTE);
}

bool pretok_remote_built(void)
{
    return false;
}

enum ngt_status pretok_object_open(const struct pretok_remote *remote, const char *url,
                                   const char *etag, struct pretok_object **ret_object,
                                   struct ngt_error *reterr)
{
    (void)remote, (void)etag, (void)ret_object;
    ngt_error_clear(reterr);
    return absent(url, reterr);
}

void pretok_connection_free(struct pretok_connection **c)
{
    *c = NULL;
}

void pretok_object_close(struct pretok_object **o)
{
    *o = NULL;
}

enum ngt_status pretok_object_read(struct pretok_object *o, uint64_t start, uint64_t n,
                                   uint8_t *out, struct ngt_error *reterr)
{
    (void)o, (void)start, (void)n, (void)out;
    return absent(NULL, reterr);
}

enum ngt_status pretok_object_head(struct pretok_object *o, uint64_t n, uint8_t *out,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    (void)o, (void)n, (void)out, (void)ret_n;
    return absent(NULL, reterr);
}

const struct pretok_identity *pretok_object_identity(const struct pretok_object *o)
{
    static const struct pretok_identity nothing = {.size = NGT_NO_POS};

    (void)o;
    return &nothing;
}

enum ngt_status pretok_bucket_list(const struct pretok_remote *remote, const char *url,
                                   pretok_listed_fn each, void *arg, struct ngt_error *reterr)
{
    (void)remote, (void)each, (void)arg;
    ngt_error_clear(reterr);
    return absent(url, reterr);
}

enum ngt_status pretok_remote_source_new(const struct pretok_remote *remote, const char *url,
                                         const char *etag, uint64_t start, uint64_t bytes,
                                         struct pretok_source **ret, struct ngt_error *reterr)
{
    (void)remote, (void)etag, (void)start, (void)bytes, (void)ret;
    return absent(url, reterr);
}
