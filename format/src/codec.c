#include "codec.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "layout.h"

#define LEVEL 9 /* cold sections are small and written once; 9 costs 20 ms a MB of vocabulary */

void ngt_bytes_done(struct ngt_bytes *b)
{
    free(b->bytes);
    *b = (struct ngt_bytes){0};
}

static uint8_t *extend(struct ngt_bytes *b, uint64_t n)
{
    if (b->failed)
        return NULL;
    if (b->room - b->size < n) {
        uint64_t room = b->room * 2 > b->size + n ? b->room * 2 : b->size + n + 64;
        uint8_t *larger = realloc(b->bytes, room);
        if (!larger) {
            b->failed = 1;
            return NULL;
        }
        b->bytes = larger;
        b->room = room;
    }
    b->size += n;
    return b->bytes + b->size - n;
}

void ngt_bytes_add(struct ngt_bytes *b, const void *bytes, uint64_t n)
{
    uint8_t *at = n ? extend(b, n) : NULL;

    if (at)
        memcpy(at, bytes, n);
}

void ngt_bytes_add16(struct ngt_bytes *b, uint16_t v)
{
    uint8_t *at = extend(b, 2);

    if (at)
        ngt_put16(at, v);
}

void ngt_bytes_add32(struct ngt_bytes *b, uint32_t v)
{
    uint8_t *at = extend(b, 4);

    if (at)
        ngt_put32(at, v);
}

void ngt_bytes_add64(struct ngt_bytes *b, uint64_t v)
{
    uint8_t *at = extend(b, 8);

    if (at)
        ngt_put64(at, v);
}

void ngt_bytes_add_varint(struct ngt_bytes *b, uint64_t v)
{
    uint8_t text[10];
    unsigned n = 0;

    while (v >= 0x80) {
        text[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    text[n++] = (uint8_t)v;
    ngt_bytes_add(b, text, n);
}

int ngt_varint_read(const uint8_t *bytes, uint64_t end, uint64_t *at, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = bytes[(*at)++];
        if (shift == 63 && byte > 1)
            return 0;
        v |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *ret = v;
            return 1;
        }
    }
    return 0;
}

enum ngt_status ngt_compress(const struct ngt_bytes *in, struct ngt_bytes *ret_out,
                             struct ngt_error *reterr)
{
    uint64_t bound = ZSTD_compressBound(in->size);
    struct ngt_bytes out = {.bytes = malloc(bound), .room = bound};
    ZSTD_CCtx *context = ZSTD_createCCtx();
    enum ngt_status status = NGT_OK;

    if (in->failed || !out.bytes || !context) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for a section");
        goto out;
    }
    /* level 9 alone takes up to 16 MB for a section of half a megabyte, and so makes a writer's
     * memory depend on its shard; with these it is 2 MB whatever comes */
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 17);
    ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 17);
    ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, 17);
    out.size = ZSTD_compress2(context, out.bytes, bound,
                              in->bytes ? in->bytes : (const uint8_t *)"", in->size);
    if (ZSTD_isError(out.size)) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "zstd cannot compress a section: %s", ZSTD_getErrorName(out.size));
        goto out;
    }
    *ret_out = out;
    out = (struct ngt_bytes){0};
out:
    ZSTD_freeCCtx(context);
    ngt_bytes_done(&out);
    return status;
}

enum ngt_status ngt_decompress(const uint8_t *in, uint64_t n, uint64_t logical, const char *path,
                               const char *what, uint8_t **ret_bytes, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    ZSTD_inBuffer from = {in, n, 0};
    uint64_t room = logical < (1u << 16) ? logical : 1u << 16, size = 0;
    ZSTD_DStream *stream = ZSTD_createDStream();
    uint8_t *bytes = malloc(room + 1);
    size_t left = 1;

    if (!stream || !bytes) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for section %s", what);
        goto out;
    }
    while (left) {
        uint8_t spare;
        bool full = size == logical;
        if (!full && size == room) {
            uint64_t larger_room = room > logical / 2 ? logical : room * 2;
            uint8_t *larger = realloc(bytes, larger_room + 1);
            if (!larger) {
                status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                                  "out of memory for section %s", what);
                goto out;
            }
            bytes = larger;
            room = larger_room;
        }
        ZSTD_outBuffer to = {full ? &spare : bytes + size, full ? 1 : room - size, 0};
        size_t before = from.pos;
        left = ZSTD_decompressStream(stream, &to, &from);
        if (ZSTD_isError(left)) {
            status = ngt_fail(reterr, NGT_E_CORRUPT, path, NGT_NO_POS, NGT_NO_POS,
                              "section %s: not a zstd frame: %s", what, ZSTD_getErrorName(left));
            goto out;
        }
        if (full && to.pos) {
            status = ngt_fail(reterr, NGT_E_CORRUPT, path, NGT_NO_POS, NGT_NO_POS,
                              "section %s holds more than its %llu logical bytes", what,
                              (unsigned long long)logical);
            goto out;
        }
        if (left && to.pos == 0 && from.pos == before && from.pos == n)
            break;
        size += full ? 0 : to.pos;
    }
    if (left || size != logical || from.pos != n) {
        status = ngt_fail(reterr, NGT_E_CORRUPT, path, NGT_NO_POS, NGT_NO_POS,
                          "section %s does not yield its %llu logical bytes", what,
                          (unsigned long long)logical);
        goto out;
    }
    bytes[size] = 0;
    *ret_bytes = bytes;
    bytes = NULL;
out:
    ZSTD_freeDStream(stream);
    free(bytes);
    return status;
}
