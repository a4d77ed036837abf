#include "ngt/digest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

struct ngt_digest_stream {
    XXH3_state_t *state;
};

uint64_t ngt_digest64(const void *bytes, uint64_t n)
{
    return XXH3_64bits(bytes, n);
}

uint64_t ngt_digest64_seeded(const void *bytes, uint64_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, n, seed);
}

struct ngt_digest128 ngt_digest128(const void *bytes, uint64_t n)
{
    XXH128_hash_t h = XXH3_128bits(bytes, n);
    return (struct ngt_digest128){.low = h.low64, .high = h.high64};
}

static struct ngt_digest_stream *stream_new(int wide)
{
    struct ngt_digest_stream *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->state = XXH3_createState();
    if (!s->state) {
        free(s);
        return NULL;
    }
    if (wide)
        XXH3_128bits_reset(s->state);
    else
        XXH3_64bits_reset(s->state);
    return s;
}

struct ngt_digest_stream *ngt_digest_stream_new(void)
{
    return stream_new(1);
}

struct ngt_digest_stream *ngt_digest_stream_new64(void)
{
    return stream_new(0);
}

void ngt_digest_stream_reset64(struct ngt_digest_stream *s)
{
    XXH3_64bits_reset(s->state);
}

void ngt_digest_stream_free(struct ngt_digest_stream **s)
{
    if (!*s)
        return;
    XXH3_freeState((*s)->state);
    free(*s);
    *s = NULL;
}

/* xxHash keeps one state for both widths; its update functions are the same code. */
void ngt_digest_stream_add(struct ngt_digest_stream *s, const void *bytes, uint64_t n)
{
    if (n)
        XXH3_64bits_update(s->state, bytes, n);
}

struct ngt_digest128 ngt_digest_stream_value128(const struct ngt_digest_stream *s)
{
    XXH128_hash_t h = XXH3_128bits_digest(s->state);
    return (struct ngt_digest128){.low = h.low64, .high = h.high64};
}

uint64_t ngt_digest_stream_value64(const struct ngt_digest_stream *s)
{
    return XXH3_64bits_digest(s->state);
}

void ngt_digest64_hex(uint64_t value, char out[17])
{
    snprintf(out, 17, "%016" PRIx64, value);
}

void ngt_digest128_hex(struct ngt_digest128 value, char out[33])
{
    snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, value.high, value.low);
}
