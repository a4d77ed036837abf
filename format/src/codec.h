/* Internal: cold sections as one zstd frame each, and LEB128 numbers inside them. */
#ifndef NGT_SRC_CODEC_H
#define NGT_SRC_CODEC_H

#include "ngt/error.h"

/* A growing byte buffer; `failed` stays set after an allocation failed and is checked once. */
struct ngt_bytes {
    uint8_t *bytes;
    uint64_t size, room;
    int failed;
};
void ngt_bytes_done(struct ngt_bytes *b);
void ngt_bytes_add(struct ngt_bytes *b, const void *bytes, uint64_t n);
void ngt_bytes_add16(struct ngt_bytes *b, uint16_t v);
void ngt_bytes_add32(struct ngt_bytes *b, uint32_t v);
void ngt_bytes_add64(struct ngt_bytes *b, uint64_t v);
/* LEB128: 7 bits a byte, lowest first, high bit set on all but the last; at most 10 bytes. */
void ngt_bytes_add_varint(struct ngt_bytes *b, uint64_t v);

/* Reads a varint at *at, before end; false at a cut or over-long number. */
int ngt_varint_read(const uint8_t *bytes, uint64_t end, uint64_t *at, uint64_t *ret);

/* One frame with content size, without dictionary or checksum (the section's hash covers it). */
enum ngt_status ngt_compress(const struct ngt_bytes *in, struct ngt_bytes *ret_out,
                             struct ngt_error *reterr);
/*
 * Decompresses a frame that must yield exactly `logical` bytes; *ret_bytes is malloced. Memory is
 * bounded by `logical` and grows only as output appears, so that a lying size costs nothing. what
 * names the section.
 */
enum ngt_status ngt_decompress(const uint8_t *in, uint64_t n, uint64_t logical, const char *path,
                               const char *what, uint8_t **ret_bytes, struct ngt_error *reterr);

#endif
