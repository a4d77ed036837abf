/* One request over HTTP, redirects followed, S3's signed. Knows nothing of why it is made. */
#ifndef PRETOK_REMOTE_TRANSFER_H
#define PRETOK_REMOTE_TRANSFER_H

#include <stdint.h>

#include "remote/client.h"

enum pretok_transfer_end {
    PRETOK_TRANSFER_DONE, /* an answer came, whole as far as HTTP can tell; its status may be any */
    PRETOK_TRANSFER_ENOUGH, /* the receiver wanted no more */
    PRETOK_TRANSFER_BROKEN, /* none came, or not all of it; another try may do better */
    PRETOK_TRANSFER_NEVER,  /* nor would another try */
    PRETOK_TRANSFER_NOMEM,
};

struct pretok_answer {
    long status;               /* 0: none came */
    uint64_t length;           /* NGT_NO_POS where it is not told, here and below */
    uint64_t first, last, all; /* of Content-Range; all is told without a range, too */
    uint64_t modified;         /* nanoseconds since 1970; 0: not told */
    char etag[160];            /* quotes and W/ included; "": none */
    char region[40];           /* x-amz-bucket-region */
    double retry_after;        /* seconds; negative: not told */
    /* for messages */
    char code[48], what[160]; /* S3's own code; what the server or libcurl says */
    bool unreachable;         /* there was no connection */
};

struct pretok_transfer {
    const struct pretok_remote *remote;
    const char *url;
    bool s3;
    uint64_t first, last;     /* bytes to ask for; first NGT_NO_POS: everything */
    const char *if_match;     /* NULL: none */
    const _Atomic bool *over; /* set by another thread: end at once; may be NULL */
    double stall;             /* seconds in which at least a few bytes have to come */
    /*
     * The body of an answer that delivers what was asked for (200, 206). begin is asked once, before
     * it; false from either ends the transfer. What they take of the time does not count as a stall.
     */
    bool (*begin)(void *arg, const struct pretok_answer *answer);
    bool (*body)(void *arg, const uint8_t *bytes, uint64_t n);
    void *arg;
};

/* Keeps its connection from one request to the next; for one thread at a time. take: one that nobody
 * uses, or a new one; NULL: no memory. give: for others. */
struct pretok_connection *pretok_connection_take(const struct pretok_remote *r);
void pretok_connection_give(const struct pretok_remote *r, struct pretok_connection **c);
void pretok_connection_free(struct pretok_connection **c);

enum pretok_transfer_end pretok_transfer_run(struct pretok_connection *c,
                                             const struct pretok_transfer *t,
                                             struct pretok_answer *ret_answer);

/* Fewer bytes than this are no progress: a server that drips is one that has stopped. */
#define PRETOK_PROGRESS_BYTES (64u << 10)

double pretok_monotonic(void); /* seconds */

#endif
