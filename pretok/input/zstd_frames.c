#include "input/zstd_frames.h"

#include <stdbool.h>
#include <zstd.h>

static bool skippable(const uint8_t *bytes, uint64_t size)
{
    return size >= 4 && (bytes[0] & 0xF0) == 0x50 && bytes[1] == 0x2A && bytes[2] == 0x4D &&
           bytes[3] == 0x18;
}

void pretok_zstd_next_cut(const uint8_t *bytes, uint64_t size, uint64_t least,
                          struct pretok_zstd_place *place)
{
    struct pretok_zstd_place at = *place;

    do {
        const uint8_t *frame = bytes + at.stored;
        uint64_t left = size - at.stored;
        size_t stored = ZSTD_findFrameCompressedSize(frame, left);
        unsigned long long text = skippable(frame, left) ? 0 : ZSTD_getFrameContentSize(frame, left);
        if (ZSTD_isError(stored) || stored == 0 || text == ZSTD_CONTENTSIZE_UNKNOWN ||
            text == ZSTD_CONTENTSIZE_ERROR || text > UINT64_MAX / 2 - at.text) {
            place->stored = size;
            return;
        }
        at.stored += stored;
        at.text += text;
    } while (at.stored < size &&
             (at.stored < least || skippable(bytes + at.stored, size - at.stored)));
    *place = at;
}
