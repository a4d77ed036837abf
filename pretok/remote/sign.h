/*
 * AWS Signature Version 4, for requests without a body. Not libcurl's CURLOPT_AWS_SIGV4: up to 8.x it
 * signs the query as it stands (no order, no encoding of its own), and which of the headers it signs
 * differs from version to version; 7.88 is the oldest that has to do.
 */
#ifndef PRETOK_REMOTE_SIGN_H
#define PRETOK_REMOTE_SIGN_H

#include <stdbool.h>
#include <stddef.h>

#define PRETOK_SIGN_ROOM 1024
/* SHA-256 of no bytes: what a request without a body sends as x-amz-content-sha256 */
#define PRETOK_SIGN_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct pretok_sign_header {
    const char *name, *value; /* name in small letters */
};

struct pretok_sign_request {
    const char *key_id, *secret, *region;
    const char *time;         /* 20130524T000000Z */
    const char *path, *query; /* encoded; the query sorted; "" where there is none */
    const struct pretok_sign_header *headers; /* sorted by name; all of them are signed */
    unsigned header_count;
};

/* The header line "Authorization: ...". False: out of memory, or it does not fit. */
bool pretok_sign_get(const struct pretok_sign_request *r, char out[PRETOK_SIGN_ROOM]);

#endif
