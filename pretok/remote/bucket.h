/* What lies below a prefix of a bucket: S3's ListObjectsV2, page by page. */
#ifndef PRETOK_REMOTE_BUCKET_H
#define PRETOK_REMOTE_BUCKET_H

#include "remote/remote.h"

struct pretok_listed {
    const char *key; /* whole */
    const char *etag;
    uint64_t size;
};

/*
 * Calls each for every object, in the order the server has (bytewise, as a rule), but for folders'
 * own (keys that end with a slash) and dot files (a part of the key behind the prefix begins with a
 * dot). A status other than NGT_OK from it ends the list and is returned. url: s3://bucket/prefix/ or
 * s3://bucket. NGT_E_REMOTE as remote/object.h.
 */
typedef enum ngt_status (*pretok_listed_fn)(void *arg, const struct pretok_listed *object,
                                            struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status pretok_bucket_list(const struct pretok_remote *remote,
                                                 const char *url, pretok_listed_fn each, void *arg,
                                                 struct ngt_error *reterr);
#endif
