/*
 * (left, right) to a number without a branch: each pair has a slot of its own (perfect hashing by
 * displacement, after Fox, Heath, Chen and Daoud 1992). The high bits of a hash name a small bucket;
 * the bucket's factor, found when the map is made, goes into another hash so that all pairs of all
 * buckets fall on different slots. A pair is looked for in one place, and the slot holds it whole, so
 * that one compare tells whether it is there. Unlike pair_set.h it does not get a no any sooner than
 * a yes, but no processor has to guess which.
 */
#ifndef TOK_MODEL_PAIR_MAP_H
#define TOK_MODEL_PAIR_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"

#define TOK_PAIR_MAP_SIDES (1u << 20) /* left and right are below */
#define TOK_PAIR_MAP_NONE 0xFFFFFFu   /* numbers are below */

struct tok_pair_map {
    uint64_t *slots;   /* [count] left << 44 | right << 24 | number; all ones: free */
    uint16_t *factors; /* of the buckets; odd */
    uint64_t count;    /* < 2^32 */
    unsigned shift;    /* of a hash, to its bucket */
    struct tok_pages memory;
};

/* entries [n] as in slots, no pair twice, n > 0. False: no memory, or they are a crowd (by design). */
bool tok_pair_map_init(struct tok_pair_map *m, const uint64_t *entries, uint64_t n);
void tok_pair_map_done(struct tok_pair_map *m);

static inline uint64_t tok_pair_map_bucket(const struct tok_pair_map *m, uint64_t pair)
{
    return pair * UINT64_C(0x9E3779B97F4A7C15) >> m->shift;
}

/* Another product, in which the pairs of a bucket are far from each other. (0, 0) has to move, too. */
static inline uint64_t tok_pair_map_slot(const struct tok_pair_map *m, uint64_t pair,
                                         uint64_t factor)
{
    return ((pair + 1) * UINT64_C(0xD6E8FEB86659FD93) * factor >> 32) * m->count >> 32;
}

/* The number of a pair, or TOK_PAIR_MAP_NONE. */
static inline uint32_t tok_pair_map_find(const struct tok_pair_map *m, uint32_t left,
                                         uint32_t right)
{
    uint64_t pair = (uint64_t)left << 20 | right;
    uint64_t entry = m->slots[tok_pair_map_slot(m, pair, m->factors[tok_pair_map_bucket(m, pair)])];

    return entry >> 24 == pair ? (uint32_t)entry & TOK_PAIR_MAP_NONE : TOK_PAIR_MAP_NONE;
}
#endif
