/* XXH3 as the format uses it: seed 0, 64 and 128 bits, one-shot and streaming. */
#ifndef NGT_DIGEST_H
#define NGT_DIGEST_H

#include <stdint.h>

struct ngt_digest128 {
    uint64_t low, high;
};

uint64_t ngt_digest64(const void *bytes, uint64_t n);
/* The same with a seed, for choices that must not follow the shards' own hashes. */
uint64_t ngt_digest64_seeded(const void *bytes, uint64_t n, uint64_t seed);
struct ngt_digest128 ngt_digest128(const void *bytes, uint64_t n);

/* Streaming XXH3-128; its low 64 bits are not XXH3-64. new returns NULL when out of memory. */
struct ngt_digest_stream;
struct ngt_digest_stream *ngt_digest_stream_new(void);
void ngt_digest_stream_free(struct ngt_digest_stream **s);
void ngt_digest_stream_add(struct ngt_digest_stream *s, const void *bytes, uint64_t n);
struct ngt_digest128 ngt_digest_stream_value128(const struct ngt_digest_stream *s);
/* XXH3-64 of the same bytes, of a stream made by ngt_digest_stream_new64 */
struct ngt_digest_stream *ngt_digest_stream_new64(void);
uint64_t ngt_digest_stream_value64(const struct ngt_digest_stream *s);
void ngt_digest_stream_reset64(struct ngt_digest_stream *s); /* to before its first byte */

/* Hexadecimal, most significant digit first: 16 and 32 digits and a terminator. */
void ngt_digest64_hex(uint64_t value, char out[17]);
void ngt_digest128_hex(struct ngt_digest128 value, char out[33]);
#endif
