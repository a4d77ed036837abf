/*
 * Inputs that lie elsewhere: s3://, https://, http://, through libcurl. What all of them share: who
 * asks, where S3 is, and how long an answer may take. Only where the build has libcurl
 * (pretok_remote_built).
 *
 *   url.c  addresses        sign.c  S3's signatures       xml.c     S3's answers
 *   transfer.c  one request     object.c  an object's bytes in order, whatever fails between
 *   source.c  a pretok_source, filled ahead by a thread     bucket.c  what lies below a prefix
 */
#ifndef PRETOK_REMOTE_H
#define PRETOK_REMOTE_H

#include <stdbool.h>

#include "ngt/error.h"

struct pretok_remote_config {
    /* NULL or empty: not set. Without key_id S3 is asked anonymously. All are copied. */
    const char *key_id, *secret, *session_token;
    const char *region;    /* us-east-1 */
    const char *endpoint;  /* http(s)://host:port of what speaks S3; Amazon's by default */
    const char *ca_file;   /* certificates to trust, instead of the system's */
    const char *temporary; /* folder for what cannot be read in order; /tmp */
    double patience;       /* seconds without progress after which an input is given up */
    /* Asked several times a second while an answer is awaited; true: NGT_E_STOPPED. May be NULL; from
     * any thread. */
    bool (*stopped)(void *arg);
    void *arg;
};

struct pretok_remote;

bool pretok_remote_built(void);
#define PRETOK_NO_REMOTE                                                                           \
    "remote input (s3://, https://) is not in this build, which was made without libcurl; build "  \
    "it with -Dremote=enabled, or fetch the file first"

/* Of a command that has no struct pretok_remote. */
#define PRETOK_REMOTE_REFUSED                                                                      \
    "a remote input; this command reads its inputs several times and takes files only: fetch it "  \
    "first"

/* NGT_E_DATA: a key without its secret, an endpoint that is none. Where the build has no libcurl it
 * is made, too: what uses it says so. */
NGT_NODISCARD enum ngt_status pretok_remote_new(const struct pretok_remote_config *config,
                                                struct pretok_remote **ret_remote,
                                                struct ngt_error *reterr);
/* Nobody may be using it. Overwrites the credentials. */
void pretok_remote_free(struct pretok_remote **remote);

#endif
