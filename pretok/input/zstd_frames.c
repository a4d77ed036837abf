#include "input/zstd_frames.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>

#include "input/source.h"

/* Text out of one stored byte of a file, as a reader's default: what grows more is not cut, so that
 * planning a bomb takes no longer than reading it. */
#define MOST_EXPANSION 1000u

static bool skippable(const uint8_t *bytes, uint64_t size)
{
    return size >= 4 && (bytes[0] & 0xF0) == 0x50 && bytes[1] == 0x2A && bytes[2] == 0x4D &&
           bytes[3] == 0x18;
}

/* The text of a frame behind what `at` says. False: it is damaged, grows beyond all bounds, or memory
 * is out; then the file is not cut here. */
static bool count_text(const uint8_t *frame, uint64_t stored, struct pretok_zstd_place at,
                       unsigned long long *ret_text)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {frame, stored, 0};
    size_t room = ZSTD_DStreamOutSize(), left = 1;
    uint8_t *out = malloc(room);
    unsigned long long text = 0;
    bool more =
        context && out &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, PRETOK_ZSTD_WINDOW_LOG));

    while (more && left) {
        ZSTD_outBuffer to = {out, room, 0};
        left = ZSTD_decompressStream(context, &to, &in);
        text += to.pos;
        more =
            !ZSTD_isError(left) && (to.pos || in.pos < in.size) &&
            pretok_meter_check(at.text + text, at.stored + stored, MOST_EXPANSION, NULL) == NGT_OK;
    }
    ZSTD_freeDCtx(context);
    free(out);
    *ret_text = text;
    return left == 0;
}

/* Whether nothing but skippable frames follows. */
static bool is_last(const uint8_t *bytes, uint64_t size)
{
    while (size && skippable(bytes, size)) {
        size_t stored = ZSTD_findFrameCompressedSize(bytes, size);
        if (ZSTD_isError(stored))
            return true;
        bytes += stored;
        size -= stored;
    }
    return size == 0;
}

void pretok_zstd_next_cut(const uint8_t *bytes, uint64_t size, uint64_t least,
                          struct pretok_zstd_place *place)
{
    struct pretok_zstd_place at = *place;

    do {
        const uint8_t *frame = bytes + at.stored;
        uint64_t left = size - at.stored;
        size_t stored = ZSTD_findFrameCompressedSize(frame, left);
        unsigned long long text =
            skippable(frame, left) ? 0 : ZSTD_getFrameContentSize(frame, left);
        bool whole = !ZSTD_isError(stored) && stored && text != ZSTD_CONTENTSIZE_ERROR;
        if (whole && text == ZSTD_CONTENTSIZE_UNKNOWN)
            whole = !is_last(frame + stored, left - stored) && count_text(frame, stored, at, &text);
        if (!whole || text > UINT64_MAX / 2 - at.text) {
            place->stored = size;
            return;
        }
        at.stored += stored;
        at.text += text;
    } while (at.stored < size &&
             (at.stored < least || skippable(bytes + at.stored, size - at.stored)));
    *place = at;
}
