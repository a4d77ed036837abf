/*
 *   thread: object -> [block] [block] ... -> read        at most BLOCKS blocks of BLOCK bytes
 *
 * The thread gives a block away when it is full, when nothing more comes, or when somebody waits for
 * it; so a slow server's bytes are read as they come, and a fast one's in large pieces.
 */
#include "remote/source.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "remote/object.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define BLOCK (UINT64_C(1) << 20)
#define BLOCKS 8u

struct remote_source {
    struct pretok_stored stored;
    struct pretok_object *object;
    char *shown;
    uint64_t start, bytes; /* bytes UINT64_MAX: to the end */
    uint64_t block;        /* bytes of one */

    pthread_t thread;
    bool running;
    pthread_mutex_t lock;
    pthread_cond_t given, taken;
    uint8_t *blocks[BLOCKS];
    uint64_t fill[BLOCKS];
    /* blocks written and read so far; the block being written is written % BLOCKS, and that which the
     * reader holds is done only with its next call */
    uint64_t written, read;
    bool waiting, holding, ended, cancelled;
    enum ngt_status status; /* once ended */
    struct ngt_error error;
};

/* Under the lock. */
static void give(struct remote_source *r)
{
    if (r->fill[r->written % BLOCKS] == 0)
        return;
    r->written++;
    pthread_cond_signal(&r->given);
}

static bool fill(void *arg, const uint8_t *bytes, uint64_t n)
{
    struct remote_source *r = arg;

    while (n) {
        pthread_mutex_lock(&r->lock);
        while (r->written - r->read == BLOCKS && !r->cancelled)
            pthread_cond_wait(&r->taken, &r->lock);
        bool go = !r->cancelled;
        uint64_t slot = r->written % BLOCKS, have = r->fill[slot];
        pthread_mutex_unlock(&r->lock);
        if (!go)
            return false;
        if (!r->blocks[slot] && !(r->blocks[slot] = malloc(r->block))) {
            r->status = NGT_E_NOMEM;
            return false;
        }
        uint64_t take = r->block - have < n ? r->block - have : n;
        memcpy(r->blocks[slot] + have, bytes, take);
        bytes += take;
        n -= take;
        pthread_mutex_lock(&r->lock);
        r->fill[slot] = have + take;
        if (r->fill[slot] == r->block || r->waiting)
            give(r);
        pthread_mutex_unlock(&r->lock);
    }
    return true;
}

static void *run(void *arg)
{
    struct remote_source *r = arg;
    struct ngt_error error;
    enum ngt_status status = pretok_object_fetch(r->object, r->start, r->bytes, fill, r, &error);

    pthread_mutex_lock(&r->lock);
    if (r->status == NGT_E_NOMEM) {
        ngt_error_clear(&error);
        status = ngt_fail(&error, NGT_E_NOMEM, r->shown, HERE, "out of memory for a transfer");
    }
    if (r->written - r->read < BLOCKS)
        give(r);
    r->status = status;
    r->error = error;
    r->ended = true;
    pthread_cond_signal(&r->given);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static enum ngt_status remote_read(struct pretok_source *self, const uint8_t **ret_at,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    struct remote_source *r = (struct remote_source *)self;
    enum ngt_status status = NGT_OK;

    *ret_n = 0;
    pthread_mutex_lock(&r->lock);
    if (r->holding) {
        r->fill[r->read % BLOCKS] = 0;
        r->read++;
        r->holding = false;
        pthread_cond_signal(&r->taken);
    }
    r->waiting = true;
    while (r->written == r->read && !r->ended)
        pthread_cond_wait(&r->given, &r->lock);
    r->waiting = false;
    if (r->written != r->read) {
        *ret_at = r->blocks[r->read % BLOCKS];
        *ret_n = r->fill[r->read % BLOCKS];
        r->holding = true;
    } else if (r->status != NGT_OK) {
        status = r->status;
        if (reterr)
            *reterr = r->error;
    }
    pthread_mutex_unlock(&r->lock);
    if (status == NGT_OK && *ret_n == 0 && r->bytes != UINT64_MAX && r->stored.count != r->bytes)
        return ngt_fail(reterr, NGT_E_MISMATCH, r->shown, r->start + r->stored.count, NGT_NO_POS,
                        "changed since it was planned (it is shorter); use another folder");
    if (status == NGT_OK && *ret_n)
        ngt_digest_stream_add(r->stored.digest, *ret_at, *ret_n);
    r->stored.count += *ret_n;
    return status;
}

static void remote_free(struct pretok_source *self)
{
    struct remote_source *r = (struct remote_source *)self;

    if (r->running) {
        pthread_mutex_lock(&r->lock);
        r->cancelled = true;
        pretok_object_cancel(r->object);
        pthread_cond_signal(&r->taken);
        pthread_mutex_unlock(&r->lock);
        pthread_join(r->thread, NULL);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->given);
    pthread_cond_destroy(&r->taken);
    for (unsigned i = 0; i < BLOCKS; i++)
        free(r->blocks[i]);
    pretok_object_close(&r->object);
    ngt_digest_stream_free(&r->stored.digest);
    free(r->shown);
    free(r);
}

/* Signals are for the program's own threads. */
static bool start(struct remote_source *r)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    r->running = pthread_create(&r->thread, NULL, run, r) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r->running;
}

enum ngt_status pretok_remote_source_new(const struct pretok_remote *remote, const char *url,
                                         const char *etag, uint64_t first, uint64_t bytes,
                                         struct pretok_source **ret, struct ngt_error *reterr)
{
    struct remote_source *r = calloc(1, sizeof *r);
    enum ngt_status status;

    if (!r)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
    r->stored.base = (struct pretok_source){remote_read, remote_free};
    r->stored.fd = -1;
    r->stored.digest = ngt_digest_stream_new();
    r->shown = pretok_url_shown(url);
    r->start = first;
    r->bytes = bytes;
    r->block = bytes < BLOCK ? bytes + 1 : BLOCK;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->given, NULL);
    pthread_cond_init(&r->taken, NULL);
    status = pretok_object_open(remote, url, etag, &r->object, reterr);
    if (status == NGT_OK && (!r->stored.digest || !r->shown || !start(r)))
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for a transfer");
    if (status == NGT_OK)
        *ret = &r->stored.base;
    else
        remote_free(&r->stored.base);
    return status;
}
