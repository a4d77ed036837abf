/* Addresses of remote inputs: s3://bucket/key, https://host/path, http://host/path. No network here. */
#ifndef PRETOK_REMOTE_URL_H
#define PRETOK_REMOTE_URL_H

#include <stdbool.h>

#include "ngt/error.h"

enum pretok_scheme { PRETOK_S3, PRETOK_HTTPS, PRETOK_HTTP };

struct pretok_url {
    enum pretok_scheme scheme;
    char *host; /* with its port, if it has one; of s3: the bucket */
    char
        *path; /* encoded as given, begins with a slash; of s3: the key as it is, without a slash */
    char *query; /* without its question mark; NULL: none */
};

bool pretok_url_is(const char *path); /* one of the three schemes */

bool pretok_url_is_folder(
    const char *text); /* of S3: it ends with a slash, or names a bucket alone */

/* NGT_E_DATA: no host, a password in it, characters that no address holds. Its query may be a secret
 * and stands in no message. */
NGT_NODISCARD enum ngt_status pretok_url_parse(const char *text, struct pretok_url *ret_url,
                                               struct ngt_error *reterr);
void pretok_url_done(struct pretok_url *url);

/*
 * What may be shown and stored: all but the query, in whose place stands "?...". Owned by the caller;
 * NULL when out of memory. pretok_url_is_cut: made by that, so it cannot be asked for again.
 */
char *pretok_url_shown(const char *text);
bool pretok_url_is_cut(const char *text);

/*
 * The input's name in shards: the last part of the path, or all of it where several of one name are
 * listed. %XX is decoded where the result is a plain name. Owned by the caller; NULL when out of
 * memory.
 */
char *pretok_url_name(const struct pretok_url *url, bool whole_path);

/* RFC 3986, as SigV4 wants it: all but A-Z a-z 0-9 - . _ ~ (and the slash, with keep_slash) as %XX,
 * appended to out, which has room for 3 * strlen(text) + 1 more bytes. */
void pretok_url_encode(const char *text, bool keep_slash, char *out);
/* In place; plus: '+' is a space. False: %00, or no hexadecimal digits behind a percent sign. */
bool pretok_url_decode(char *text, bool plus);

#endif
