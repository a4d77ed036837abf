/*
 * Internal: strings of documents in zstd frames of some KiB with an index (FORMAT.md, section 6.5),
 * so that one document's string costs one frame.
 */
#ifndef NGT_SRC_FRAMES_H
#define NGT_SRC_FRAMES_H

#include "codec.h"
#include "ngt/layout.h"

#define NGT_FRAMES_HEAD 16u   /* count, hash of the entries */
#define NGT_FRAME_ENTRY 32u   /* first document, offset, logical bytes, hash */
#define NGT_FRAME_BYTES 16384 /* a frame ends with the string that reaches it */

/* ---- writing: strings in, in document order; memory: the compressed frames ---- */
struct ngt_frames {
    struct ngt_bytes open;            /* the frame that is filled */
    struct ngt_bytes entries, stored; /* of the closed ones; offsets count from `stored` */
    uint64_t count, logical;          /* closed frames; bytes of all strings */
    uint64_t items, open_first;       /* strings so far; the open frame's first */
};
NGT_NODISCARD enum ngt_status ngt_frames_add(struct ngt_frames *f, const char *string,
                                             struct ngt_error *reterr);
/* The section's bytes; f is spent. */
NGT_NODISCARD enum ngt_status ngt_frames_end(struct ngt_frames *f, struct ngt_bytes *ret_section,
                                             struct ngt_error *reterr);
void ngt_frames_done(struct ngt_frames *f);

/* ---- reading: of a mapped section, whatever its bytes ---- */
struct ngt_frame {
    uint64_t first, count; /* documents */
    uint64_t offset, stored, logical, hash;
};
/* The number of frames; the index is inside the section and has its hash, or NULL and why not. */
const char *ngt_frames_count(const uint8_t *section, uint64_t bytes, uint64_t docs,
                             uint64_t *ret_count);
/* Frame i of count, which ngt_frames_count gave: inside the section, of at least one document, not
 * beyond docs; or why not. */
const char *ngt_frames_at(const uint8_t *section, uint64_t bytes, uint64_t docs, uint64_t count,
                          uint64_t i, struct ngt_frame *ret_frame);
/* The frame that holds a document, by binary search. */
const char *ngt_frames_find(const uint8_t *section, uint64_t bytes, uint64_t docs, uint64_t count,
                            uint64_t doc, struct ngt_frame *ret_frame);

#endif
