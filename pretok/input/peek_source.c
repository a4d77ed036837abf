/* Holds back the first bytes of a source, so that their meaning can be decided before they are
 * read. */
#include <stdlib.h>
#include <string.h>

#include "input/source.h"

#define HEAD 1024u

struct peek_source {
    struct pretok_source base;
    struct pretok_source *lower;
    uint8_t head[HEAD];
    uint64_t head_size;
    const uint8_t *rest; /* what came with the head beyond it; lower's memory */
    uint64_t rest_size;
    bool filled, replayed;
    enum ngt_status failure; /* met while the head was filled; told once the head was read */
    struct ngt_error error;
};

static void peek_free(struct pretok_source *self)
{
    struct peek_source *p = (struct peek_source *)self;

    pretok_source_free(&p->lower);
    free(p);
}

static void fill(struct peek_source *p)
{
    while (!p->filled) {
        const uint8_t *at = NULL;
        uint64_t n = 0;
        ngt_error_clear(&p->error);
        p->failure = p->lower->read(p->lower, &at, &n, &p->error);
        if (p->failure != NGT_OK) {
            p->filled = true;
            return;
        }
        uint64_t take = HEAD - p->head_size;
        if (take > n)
            take = n;
        if (take)
            memcpy(p->head + p->head_size, at, take);
        p->head_size += take;
        p->rest = at + take;
        p->rest_size = n - take;
        p->filled = n == 0 || p->head_size == HEAD;
    }
}

static enum ngt_status peek_read(struct pretok_source *self, const uint8_t **ret_at,
                                 uint64_t *ret_n, struct ngt_error *reterr)
{
    struct peek_source *p = (struct peek_source *)self;

    fill(p);
    *ret_n = 0;
    if (!p->replayed && p->head_size) {
        p->replayed = true;
        *ret_at = p->head;
        *ret_n = p->head_size;
        return NGT_OK;
    }
    if (p->rest_size) {
        *ret_at = p->rest;
        *ret_n = p->rest_size;
        p->rest_size = 0;
        return NGT_OK;
    }
    if (p->failure != NGT_OK) {
        if (reterr)
            *reterr = p->error;
        return p->failure;
    }
    return p->lower->read(p->lower, ret_at, ret_n, reterr);
}

enum ngt_status pretok_peek_source_new(struct pretok_source *lower, struct pretok_source **ret,
                                       struct ngt_error *reterr)
{
    struct peek_source *p = calloc(1, sizeof *p);

    if (!p) {
        pretok_source_free(&lower);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    p->base = (struct pretok_source){peek_read, peek_free};
    p->lower = lower;
    *ret = &p->base;
    return NGT_OK;
}

enum ngt_status pretok_peek_source_head(struct pretok_source *s, const uint8_t **ret_at,
                                        uint64_t *ret_n, struct ngt_error *reterr)
{
    struct peek_source *p = (struct peek_source *)s;

    fill(p);
    *ret_at = p->head;
    *ret_n = p->head_size;
    if (p->failure == NGT_OK || p->failure == NGT_E_DATA)
        return NGT_OK;
    if (reterr)
        *reterr = p->error;
    return p->failure;
}

void pretok_source_free(struct pretok_source **s)
{
    if (*s)
        (*s)->free(*s);
    *s = NULL;
}
