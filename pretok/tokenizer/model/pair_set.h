/*
 * (left, right) to a number, for a map that is asked mostly for pairs it does not hold: two bits of
 * one word of a Bloom filter say so, and that filter (10 bits a pair) stays in the second-level
 * cache. What passes costs one load more: the hash is a permutation of the 48 bits of a pair, so its
 * slot, the bits in the slot and the distance between the two prove the pair.
 */
#ifndef TOK_MODEL_PAIR_SET_H
#define TOK_MODEL_PAIR_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "ngt/error.h"

struct tok_pair_set {
    uint64_t *filter;
    /* 0: free; else bits 0..23 the number, 24..31 slots behind the first one, 32..63 hash bits */
    uint64_t *slots;
    uint32_t *results; /* beside them: what the pair becomes */
    unsigned filter_shift, slot_shift;
    uint32_t slot_mask;
    struct tok_pages memory;
};
#define TOK_PAIR_NUMBERS (1u << 24) /* numbers are below, and not 0 */

/* Room for count pairs of numbers below 2^24. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_pair_set_init(struct tok_pair_set *s, uint64_t count,
                                                struct ngt_error *reterr);
void tok_pair_set_done(struct tok_pair_set *s);
/* No pair twice. False: 256 pairs share this one's place, as a file made for that may have it. */
bool tok_pair_set_put(struct tok_pair_set *s, uint32_t left, uint32_t right, uint32_t number,
                      uint32_t result);

/* Multiplications by odd numbers and a shift back are undone by others: no two pairs are alike. */
static inline uint64_t tok_pair_hash(uint32_t left, uint32_t right)
{
    const uint64_t all = (1ull << 48) - 1;
    uint64_t h = ((uint64_t)left << 24 | right) * 0x9E3779B97F4A7C15u & all;
    return (h ^ h >> 25) * 0xD6E8FEB86659FD93u & all;
}

static inline uint64_t tok_pair_bits(uint64_t hash)
{
    return 1ull << (hash & 63) | 1ull << (hash >> 6 & 63);
}

static inline const uint64_t *tok_pair_filter(const struct tok_pair_set *s, uint64_t hash)
{
    return &s->filter[hash >> s->filter_shift];
}

/* Brings what a pair that is soon put or asked for needs. (Always inline: a call that has no effect but this
 * one is removed by GCC 12.) */
static inline __attribute__((always_inline)) void tok_pair_expect(const struct tok_pair_set *s,
                                                                  uint32_t left, uint32_t right)
{
    uint64_t hash = tok_pair_hash(left, right);

    __builtin_prefetch(tok_pair_filter(s, hash));
    __builtin_prefetch(&s->slots[hash >> s->slot_shift]);
    __builtin_prefetch(&s->results[hash >> s->slot_shift]);
}

/* May the pair be there? */
static inline bool tok_pair_maybe(const struct tok_pair_set *s, uint64_t hash)
{
    uint64_t bits = tok_pair_bits(hash);
    return (*tok_pair_filter(s, hash) & bits) == bits;
}

/* The number of a pair, or 0. */
static inline uint32_t tok_pair_number(const struct tok_pair_set *s, uint64_t hash)
{
    uint64_t slot = hash >> s->slot_shift, want = hash << 32, behind = 0, entry;

    while ((entry = s->slots[(slot + behind) & s->slot_mask]) != 0) {
        if ((entry & ~(uint64_t)(TOK_PAIR_NUMBERS - 1)) == (want | behind << 24))
            return (uint32_t)entry & (TOK_PAIR_NUMBERS - 1);
        behind++;
    }
    return 0;
}

/* Its number << 32 | its result, or TOK_PAIR_NONE. */
#define TOK_PAIR_NONE (1ull << 60)
static inline uint64_t tok_pair_find(const struct tok_pair_set *s, uint32_t left, uint32_t right)
{
    uint64_t hash = tok_pair_hash(left, right);
    uint64_t slot = hash >> s->slot_shift, want = hash << 32, entry;

    if (!tok_pair_maybe(s, hash))
        return TOK_PAIR_NONE;
    while ((entry = s->slots[slot]) != 0) {
        if ((entry & ~(uint64_t)(TOK_PAIR_NUMBERS - 1)) == want)
            return (entry & (TOK_PAIR_NUMBERS - 1)) << 32 | s->results[slot];
        want += 1u << 24;
        slot = (slot + 1) & s->slot_mask;
    }
    return TOK_PAIR_NONE;
}
#endif
