/*
 * Internal: the only place where structs become bytes and bytes become structs. Everything is
 * little-endian and read byte by byte: no alignment, no host order.
 */
#ifndef NGT_SRC_LAYOUT_H
#define NGT_SRC_LAYOUT_H

#include <string.h>

#include "ngt/layout.h"

#define NGT_SEGMENT_BYTES 32u

static inline uint16_t ngt_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ngt_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t ngt_get64(const uint8_t *p)
{
    return (uint64_t)ngt_get32(p) | (uint64_t)ngt_get32(p + 4) << 32;
}

static inline void ngt_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void ngt_put32(uint8_t *p, uint32_t v)
{
    ngt_put16(p, (uint16_t)v);
    ngt_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void ngt_put64(uint8_t *p, uint64_t v)
{
    ngt_put32(p, (uint32_t)v);
    ngt_put32(p + 4, (uint32_t)(v >> 32));
}

/* ids of which each fits into `width` (2 or 4) bytes; out [n * width] */
void ngt_ids_encode(const uint32_t *ids, uint64_t n, unsigned width, uint8_t *out);
void ngt_header_encode(const struct ngt_header *h, uint8_t out[NGT_HEADER_BYTES]);
/*
 * Magic, then the hash, then version, then the fields by themselves and against file_bytes. path
 * for messages. NGT_E_CORRUPT (offset = the field's), NGT_E_UNSUPPORTED.
 */
enum ngt_status ngt_header_decode(const uint8_t in[NGT_HEADER_BYTES], uint64_t file_bytes,
                                  const char *path, struct ngt_header *ret_header,
                                  struct ngt_error *reterr);
uint64_t ngt_header_digest(const uint8_t in[NGT_HEADER_BYTES]); /* as stored */

void ngt_section_encode(const struct ngt_section *s, uint8_t out[NGT_SECTION_ENTRY_BYTES]);
/* at: the entry's offset in the file. */
enum ngt_status ngt_section_decode(const uint8_t in[NGT_SECTION_ENTRY_BYTES], uint64_t at,
                                   const char *path, struct ngt_section *ret_section,
                                   struct ngt_error *reterr);
/*
 * Checks all sections against the header: inside the file, ordered, not overlapping, aligned, each
 * kind once, the ones its kind of shard needs, logical sizes as the counts demand.
 */
enum ngt_status ngt_sections_check(const struct ngt_header *h, const struct ngt_section *s,
                                   uint64_t count, const char *path, struct ngt_error *reterr);

void ngt_segment_encode(const struct ngt_segment *s, uint8_t out[NGT_SEGMENT_BYTES]);
void ngt_segment_decode(const uint8_t in[NGT_SEGMENT_BYTES], struct ngt_segment *ret_segment);

#endif
