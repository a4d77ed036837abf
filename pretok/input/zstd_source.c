/* zstd through libzstd: any number of frames, skippable ones among them, windows up to 2 GiB. */
#include <stdlib.h>
#include <zstd.h>

#include "input/source.h"
#include "input/zstd_frames.h"

#define FRAME_START 5u /* what a frame shows of itself first: magic and descriptor */
#define BLOCK_HEADER 3u

struct zstd_source {
    struct pretok_source base;
    struct pretok_source *lower;
    ZSTD_DCtx *context;
    ZSTD_inBuffer in;
    uint8_t *out;
    size_t out_size;
    uint64_t taken, delivered; /* bytes of the file, and decompressed ones */
    size_t hint;               /* what the decoder wants next: the rest of a block */
    bool in_frame;             /* a frame has begun and is not complete */
};

static void zstd_free(struct pretok_source *self)
{
    struct zstd_source *z = (struct zstd_source *)self;

    ZSTD_freeDCtx(z->context);
    free(z->out);
    pretok_source_free(&z->lower);
    free(z);
}

static enum ngt_status zstd_read(struct pretok_source *self, const uint8_t **ret_at,
                                 uint64_t *ret_n, struct ngt_error *reterr)
{
    struct zstd_source *z = (struct zstd_source *)self;
    ZSTD_outBuffer out = {z->out, z->out_size, 0};
    bool flushed = false; /* the last call had room left and no input: nothing more comes */

    while (out.pos == 0) {
        if (z->in.pos == z->in.size && (!z->in_frame || flushed)) {
            const uint8_t *at;
            uint64_t n;
            enum ngt_status status = z->lower->read(z->lower, &at, &n, reterr);
            if (status != NGT_OK)
                return status;
            if (n == 0) {
                if (z->in_frame)
                    return ngt_fail(
                        reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "zstd stream cut off at byte %llu, after %llu decompressed bytes",
                        (unsigned long long)z->taken, (unsigned long long)z->delivered);
                break;
            }
            z->in = (ZSTD_inBuffer){at, n, 0};
            z->taken += n;
        }
        /* a block at a time: a call that meets damage tells nothing of blocks it did before */
        ZSTD_inBuffer in = z->in;
        if (in.size - in.pos > z->hint)
            in.size = in.pos + z->hint;
        size_t left = ZSTD_decompressStream(z->context, &out, &in);
        z->in.pos = in.pos;
        if (ZSTD_isError(left))
            return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                            "zstd stream corrupt at byte %llu, after %llu decompressed bytes: %s",
                            (unsigned long long)(z->taken - (z->in.size - z->in.pos)),
                            (unsigned long long)z->delivered, ZSTD_getErrorName(left));
        z->in_frame = left != 0;
        /* libzstd asks for a block together with the header of the next one */
        z->hint = left == 0 ? FRAME_START : left > BLOCK_HEADER ? left - BLOCK_HEADER : left;
        flushed = true;
    }
    z->delivered += out.pos;
    *ret_at = z->out;
    *ret_n = out.pos;
    return NGT_OK;
}

enum ngt_status pretok_zstd_source_new(struct pretok_source *lower, uint64_t start,
                                       struct pretok_source **ret, struct ngt_error *reterr)
{
    struct zstd_source *z = calloc(1, sizeof *z);

    if (!z) {
        pretok_source_free(&lower);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    z->base = (struct pretok_source){zstd_read, zstd_free};
    z->lower = lower;
    z->taken = start;
    z->context = ZSTD_createDCtx();
    z->hint = FRAME_START;
    z->out_size = ZSTD_DStreamOutSize();
    z->out = malloc(z->out_size);
    if (!z->context || !z->out ||
        ZSTD_isError(
            ZSTD_DCtx_setParameter(z->context, ZSTD_d_windowLogMax, PRETOK_ZSTD_WINDOW_LOG))) {
        zstd_free(&z->base);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a zstd stream");
    }
    *ret = &z->base;
    return NGT_OK;
}
