/*
 * gzip through zlib, members one after the other. Not through libarchive where zlib is there:
 * libarchive 3.6 leaves a member's CRC and length unchecked, so a flipped bit would pass.
 */
#include "input/source.h"

#ifdef PRETOK_HAVE_ZLIB

#include <stdlib.h>
#include <zlib.h>

#define BUFFER (256u << 10)

struct gzip_source {
    struct pretok_source base;
    struct pretok_source *lower;
    z_stream z;
    uint8_t *out;
    uint64_t taken, delivered; /* bytes of lower, and decompressed ones */
    bool in_member, padding;   /* padding: zeros behind the last member, as tapes leave them */
};

static void gzip_free(struct pretok_source *self)
{
    struct gzip_source *g = (struct gzip_source *)self;

    inflateEnd(&g->z);
    free(g->out);
    pretok_source_free(&g->lower);
    free(g);
}

static enum ngt_status corrupt(const struct gzip_source *g, const char *what,
                               struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "gzip stream corrupt at byte %llu, after %llu decompressed bytes: %s",
                    (unsigned long long)(g->taken - g->z.avail_in),
                    (unsigned long long)g->delivered, what);
}

static enum ngt_status gzip_read(struct pretok_source *self, const uint8_t **ret_at,
                                 uint64_t *ret_n, struct ngt_error *reterr)
{
    struct gzip_source *g = (struct gzip_source *)self;

    g->z.next_out = g->out;
    g->z.avail_out = BUFFER;
    while (g->z.avail_out == BUFFER) {
        if (g->z.avail_in == 0) {
            const uint8_t *at;
            uint64_t n;
            enum ngt_status status = g->lower->read(g->lower, &at, &n, reterr);
            if (status != NGT_OK)
                return status;
            if (n == 0 && g->in_member)
                return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                                "gzip stream cut off at byte %llu, after %llu decompressed bytes",
                                (unsigned long long)g->taken, (unsigned long long)g->delivered);
            if (n == 0)
                break;
            g->z.next_in = (Bytef *)(uintptr_t)at;
            g->taken += n;
            g->z.avail_in = (uInt)n; /* sources deliver far less than 4 GiB at once */
        }
        if (!g->in_member && g->delivered && *g->z.next_in == 0)
            g->padding = true;
        if (g->padding) {
            if (*g->z.next_in != 0)
                return corrupt(g, "something follows the zeros behind the last member", reterr);
            g->z.next_in++;
            g->z.avail_in--;
            continue;
        }
        g->in_member = true;
        int done = inflate(&g->z, Z_NO_FLUSH);
        if (done == Z_STREAM_END) {
            g->in_member = false;
            if (inflateReset(&g->z) != Z_OK)
                return corrupt(g, "cannot go on", reterr);
        } else if (done == Z_MEM_ERROR) {
            return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                            "out of memory for a gzip stream");
        } else if (done != Z_OK && done != Z_BUF_ERROR) {
            if (g->z.avail_out < BUFFER)
                break; /* what came before the damage first; zlib says it again */
            return corrupt(g, g->z.msg ? g->z.msg : "no gzip data", reterr);
        }
    }
    *ret_at = g->out;
    *ret_n = BUFFER - g->z.avail_out;
    g->delivered += *ret_n;
    return NGT_OK;
}

enum ngt_status pretok_gzip_source_new(struct pretok_source *lower, struct pretok_source **ret,
                                       struct ngt_error *reterr)
{
    struct gzip_source *g = calloc(1, sizeof *g);

    if (!g) {
        pretok_source_free(&lower);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    g->base = (struct pretok_source){gzip_read, gzip_free};
    g->lower = lower;
    g->out = malloc(BUFFER);
    /* 15: the largest window; + 16: gzip headers and trailers, checked */
    if (!g->out || inflateInit2(&g->z, 15 + 16) != Z_OK) {
        gzip_free(&g->base);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a gzip stream");
    }
    *ret = &g->base;
    return NGT_OK;
}

#else

enum ngt_status pretok_gzip_source_new(struct pretok_source *lower, struct pretok_source **ret,
                                       struct ngt_error *reterr)
{
    return pretok_filter_source_new(lower, "gzip", ret, reterr);
}

#endif
