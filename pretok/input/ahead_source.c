#include "input/ahead_source.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Four batches of text: one that is being made into records, and more than a helper unpacks while
 * another thread does that. */
#define BLOCKS 8u
#define BLOCK (256u << 10)

struct block {
    uint8_t *bytes;
    uint64_t size, stored;
    enum ngt_status status; /* how it ended: what follows the bytes */
    struct ngt_error error;
    bool last;
};

struct pretok_ahead {
    struct pretok_source base; /* the reader's end */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct block blocks[BLOCKS];
    unsigned first, count; /* blocks that are full: [first, first + count) modulo BLOCKS */
    bool held;             /* the reader has the first one in its hands */
    bool working;          /* somebody unpacks; lower, rest and the next block are theirs */
    bool over;             /* nothing follows */
    bool closing;
    uint64_t stored; /* as of the block that was read last */
    struct pretok_source *lower, *file;
    const uint8_t *rest; /* what came from lower and found no room in a block */
    uint64_t rest_size;
};

struct pretok_ahead *pretok_ahead_new(void)
{
    struct pretok_ahead *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    for (unsigned i = 0; i < BLOCKS; i++)
        if (!(a->blocks[i].bytes = malloc(BLOCK))) {
            pretok_ahead_free(&a);
            return NULL;
        }
    return a;
}

void pretok_ahead_free(struct pretok_ahead **ahead)
{
    struct pretok_ahead *a = *ahead;

    if (!a)
        return;
    for (unsigned i = 0; i < BLOCKS; i++)
        free(a->blocks[i].bytes);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    *ahead = NULL;
}

/* Not under the lock; by the one who set `working`. */
static void unpack(struct pretok_ahead *a, struct block *b)
{
    b->size = 0;
    b->status = NGT_OK;
    b->last = false;
    while (b->size < BLOCK) {
        if (!a->rest_size) {
            b->status = a->lower->read(a->lower, &a->rest, &a->rest_size, &b->error);
            b->last = b->status != NGT_OK || a->rest_size == 0;
            if (b->last)
                break;
        }
        uint64_t n = BLOCK - b->size < a->rest_size ? BLOCK - b->size : a->rest_size;
        memcpy(b->bytes + b->size, a->rest, n);
        b->size += n;
        a->rest += n;
        a->rest_size -= n;
    }
    b->stored = pretok_file_source_count(a->file);
}

/* Under the lock on entry and exit. At most `most` blocks; false: it did none. */
static bool work(struct pretok_ahead *a, unsigned most)
{
    bool done = false;

    if (!a->lower || a->working)
        return false;
    a->working = true;
    for (; most && !a->over && !a->closing && a->count < BLOCKS; most--) {
        struct block *b = &a->blocks[(a->first + a->count) % BLOCKS];
        pthread_mutex_unlock(&a->lock);
        ngt_error_clear(&b->error);
        unpack(a, b);
        pthread_mutex_lock(&a->lock);
        a->count++;
        a->over = b->last;
        done = true;
        pthread_cond_broadcast(&a->changed);
    }
    a->working = false;
    pthread_cond_broadcast(&a->changed);
    return done;
}

bool pretok_ahead_wanted(struct pretok_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    bool wanted = a->lower && !a->working && !a->over && a->count < BLOCKS;
    pthread_mutex_unlock(&a->lock);
    return wanted;
}

void pretok_ahead_work(struct pretok_ahead *a)
{
    pthread_mutex_lock(&a->lock);
    (void)work(a, UINT32_MAX);
    pthread_mutex_unlock(&a->lock);
}

static enum ngt_status ahead_read(struct pretok_source *self, const uint8_t **ret_at,
                                  uint64_t *ret_n, struct ngt_error *reterr)
{
    struct pretok_ahead *a = (struct pretok_ahead *)self;
    enum ngt_status status = NGT_OK;

    *ret_n = 0;
    pthread_mutex_lock(&a->lock);
    if (a->held) {
        a->first = (a->first + 1) % BLOCKS;
        a->count--;
        a->held = false;
    }
    for (;;) {
        while (!a->count && !a->over)
            if (!work(a, 1))
                pthread_cond_wait(&a->changed, &a->lock);
        if (!a->count)
            break; /* read beyond the end */
        struct block *b = &a->blocks[a->first];
        a->stored = b->stored;
        if (b->size) {
            *ret_at = b->bytes;
            *ret_n = b->size;
            b->size = 0; /* its end is told by the next call, if that is how it ended */
            a->held = b->status == NGT_OK;
            break;
        }
        status = b->status;
        if (status != NGT_OK) {
            if (reterr)
                *reterr = b->error;
            break; /* stays, for whoever asks again */
        }
        a->first = (a->first + 1) % BLOCKS;
        a->count--;
    }
    pthread_mutex_unlock(&a->lock);
    return status;
}

static void ahead_free(struct pretok_source *self)
{
    struct pretok_ahead *a = (struct pretok_ahead *)self;

    pthread_mutex_lock(&a->lock);
    a->closing = true;
    while (a->working)
        pthread_cond_wait(&a->changed, &a->lock);
    pretok_source_free(&a->lower);
    a->file = NULL;
    a->first = a->count = 0;
    a->rest_size = a->stored = 0;
    a->held = a->over = a->closing = false;
    pthread_mutex_unlock(&a->lock);
}

void pretok_ahead_source_new(struct pretok_ahead *a, struct pretok_source *lower,
                             struct pretok_source *file, struct pretok_source **ret)
{
    a->base = (struct pretok_source){ahead_read, ahead_free};
    pthread_mutex_lock(&a->lock);
    a->file = file;
    a->lower = lower;
    pthread_mutex_unlock(&a->lock);
    *ret = &a->base;
}

uint64_t pretok_ahead_source_count(const struct pretok_source *s)
{
    return ((const struct pretok_ahead *)s)->stored;
}
