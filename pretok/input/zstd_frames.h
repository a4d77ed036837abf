/* Where a zstd file can be cut: at its frames. */
#ifndef PRETOK_ZSTD_FRAMES_H
#define PRETOK_ZSTD_FRAMES_H

#include <stdint.h>

/* The largest window the format can ask for on a 64-bit machine; libzstd refuses above 2^27 unless
 * told. Its memory is taken only when a frame asks. */
#define PRETOK_ZSTD_WINDOW_LOG 31

/* A place in the file, and what lies before it once it is decompressed. */
struct pretok_zstd_place {
    uint64_t stored, text;
};

/*
 * Moves *place, the beginning of a frame in bytes [size], to the first frame at or behind `least`
 * stored bytes, or to the end (stored == size). Skippable frames, seek tables among them, stay with
 * the frame before. It is the end too when a frame on the way is damaged, or holds a thousand
 * times its size and more than a GiB without saying so: the rest is not cut.
 * Touches a page for each block of at most 128 KiB; a frame that does not say how much it holds (as
 * of pzstd and other streams) is decompressed to count, unless it is the last one.
 */
void pretok_zstd_next_cut(const uint8_t *bytes, uint64_t size, uint64_t least,
                          struct pretok_zstd_place *place);

#endif
