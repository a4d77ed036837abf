/*
 * (left, right) to the symbol they make, for a map that is asked almost only for pairs it does not
 * hold: two bits of one word of a Bloom filter say so for 96 of 100, and that filter (10 bits a
 * pair) stays in the second-level cache. The slots hold 8 bits of the hash and 24 of the symbol;
 * whoever finds a symbol compares its parts.
 */
#ifndef TOK_MODEL_PAIR_SET_H
#define TOK_MODEL_PAIR_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "ngt/error.h"

struct tok_pair_set {
    uint64_t *filter;
    uint32_t *slots; /* 0: free; else hash byte << 24 | symbol, where no symbol is 0 with byte 0 */
    unsigned filter_shift, slot_shift;
    uint32_t slot_mask;
    struct tok_pages memory;
};

/* Room for count pairs. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_pair_set_init(struct tok_pair_set *s, uint64_t count,
                                                struct ngt_error *reterr);
void tok_pair_set_done(struct tok_pair_set *s);
/* No pair twice; symbol < 2^24. */
void tok_pair_set_put(struct tok_pair_set *s, uint32_t left, uint32_t right, uint32_t symbol);

static inline uint64_t tok_pair_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 24 ^ right) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 32;
}

static inline uint64_t tok_pair_bits(uint64_t hash)
{
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63);
}

/* May the pair be there? */
static inline bool tok_pair_maybe(const struct tok_pair_set *s, uint64_t hash)
{
    uint64_t bits = tok_pair_bits(hash);
    return (s->filter[hash >> s->filter_shift] & bits) == bits;
}

/* The first slot that may hold the pair. Slots follow one another until one is 0. */
static inline uint32_t tok_pair_slot(const struct tok_pair_set *s, uint64_t hash)
{
    return (uint32_t)(hash >> s->slot_shift) & s->slot_mask;
}

/* 1..255, from bits that choose neither slot nor filter bits */
static inline uint32_t tok_pair_tag(uint64_t hash)
{
    return (uint32_t)(hash >> 12 & 0xFF) | 1;
}
#endif
