/* What is behind a struct pretok_remote; for the files of this folder. */
#ifndef PRETOK_REMOTE_CLIENT_H
#define PRETOK_REMOTE_CLIENT_H

#include <pthread.h>

#include "remote/remote.h"
#include "remote/url.h"

/* Connections that nobody uses just now: many small objects in a row would greet the server as often. */
#define PRETOK_IDLE_CONNECTIONS 64u
struct pretok_connection;
struct pretok_idle {
    pthread_mutex_t lock;
    struct pretok_connection *items[PRETOK_IDLE_CONNECTIONS];
    unsigned count;
};

struct pretok_remote {
    struct pretok_idle *idle;
    char *key_id, *secret, *session_token, *region, *endpoint, *ca_file, *temporary;
    double patience;
    bool (*stopped)(void *arg);
    void *arg;
};

bool pretok_remote_stopped(const struct pretok_remote *r);

/* The address to ask for a part of S3: key "" is the bucket itself, query "" none. Owned by the
 * caller; NULL when out of memory. */
char *pretok_remote_s3_url(const struct pretok_remote *r, const char *bucket, const char *key,
                           const char *query);

/* Replaces a text that holds one of the secrets: what a server says may be shown. */
void pretok_remote_hide(const struct pretok_remote *r, char *text);

#endif
