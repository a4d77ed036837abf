/* Where a zstd file can be cut: its frames, by their headers alone. Nothing is decompressed. */
#ifndef PRETOK_ZSTD_FRAMES_H
#define PRETOK_ZSTD_FRAMES_H

#include <stdint.h>

/* A place in the file, and what lies before it once it is decompressed. */
struct pretok_zstd_place {
    uint64_t stored, text;
};

/*
 * Moves *place, the beginning of a frame in bytes [size], to the first frame at or behind `least`
 * stored bytes, or to the end (stored == size). Skippable frames, seek tables among them, stay with
 * the frame before. It is the end too when a frame on the way does not say how much it holds
 * (streams of unknown length do not), or is damaged: the rest cannot be cut. Touches a page for each
 * block of at most 128 KiB.
 */
void pretok_zstd_next_cut(const uint8_t *bytes, uint64_t size, uint64_t least,
                          struct pretok_zstd_place *place);

#endif
