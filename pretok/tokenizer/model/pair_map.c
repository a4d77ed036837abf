#include "model/pair_map.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST 64 /* pairs of a bucket */
#define MEAN 4     /* about */
/* Factors tried, a pair. Some ten are needed; a file made for it would need millions. */
#define TRIES 200

void tok_pair_map_done(struct tok_pair_map *m)
{
    tok_pages_done(&m->memory);
    *m = (struct tok_pair_map){0};
}

/* What making needs besides. */
struct work {
    uint64_t *entries; /* [n] in the order of their buckets */
    uint32_t *starts;  /* [buckets + 1] of theirs */
    uint32_t *by_size; /* [buckets] the largest first */
    uint64_t *taken;   /* a bit a slot: they fit into the nearest cache, slots do not */
    uint64_t buckets, tries;
};

static bool gather(struct work *w, const struct tok_pair_map *m, const uint64_t *entries,
                   uint64_t n)
{
    uint32_t sizes[LARGEST + 2] = {0};

    for (uint64_t i = 0; i < n; i++)
        w->starts[tok_pair_map_bucket(m, entries[i] >> 24)]++;
    for (uint64_t b = 0; b < w->buckets; b++) {
        if (w->starts[b] > LARGEST)
            return false;
        sizes[LARGEST - w->starts[b] + 1]++;
    }
    for (unsigned s = 0; s < LARGEST; s++)
        sizes[s + 1] += sizes[s];
    for (uint32_t b = 0, sum = 0; b < w->buckets; b++) {
        w->by_size[sizes[LARGEST - w->starts[b]]++] = b;
        sum += w->starts[b];
        w->starts[b] = sum; /* its end; filled from there down */
    }
    w->starts[w->buckets] = (uint32_t)n;
    for (uint64_t i = 0; i < n; i++) {
        w->entries[--w->starts[tok_pair_map_bucket(m, entries[i] >> 24)]] = entries[i];
    }
    return true;
}

/* A factor that brings all pairs of a bucket to free slots; puts them there. */
static bool place(struct work *w, struct tok_pair_map *m, uint32_t bucket)
{
    uint32_t start = w->starts[bucket], size = w->starts[bucket + 1] - start;
    uint64_t slots[LARGEST];

    for (unsigned factor = 1; factor <= UINT16_MAX && w->tries; factor += 2) {
        uint32_t i = 0;
        for (; i < size; i++) {
            uint64_t slot = tok_pair_map_slot(m, w->entries[start + i] >> 24, factor);
            uint64_t bit = UINT64_C(1) << slot % 64;
            if (w->taken[slot / 64] & bit)
                break;
            w->taken[slot / 64] |= bit;
            slots[i] = slot;
        }
        w->tries--;
        if (i == size) {
            m->factors[bucket] = (uint16_t)factor;
            while (i-- > 0)
                m->slots[slots[i]] = w->entries[start + i];
            return true;
        }
        while (i-- > 0)
            w->taken[slots[i] / 64] &= ~(UINT64_C(1) << slots[i] % 64);
    }
    return false;
}

bool tok_pair_map_init(struct tok_pair_map *m, const uint64_t *entries, uint64_t n)
{
    unsigned bits = 1;
    bool done = false;

    while (bits < 30 && (UINT64_C(1) << bits) * MEAN < n)
        bits++;
    struct work w = {.buckets = UINT64_C(1) << bits, .tries = TRIES * n + UINT16_MAX};
    *m = (struct tok_pair_map){.count = n + n / 4 + 8, .shift = 64 - bits};
    m->memory = tok_pages_new(m->count * sizeof *m->slots + w.buckets * sizeof *m->factors);
    w.entries = malloc(n * sizeof *w.entries);
    w.starts = calloc(w.buckets + 1, sizeof *w.starts);
    w.by_size = malloc(w.buckets * sizeof *w.by_size);
    w.taken = calloc(m->count / 64 + 1, sizeof *w.taken);
    if (m->memory.at && w.entries && w.starts && w.by_size && w.taken && n < UINT32_MAX / 2) {
        m->slots = m->memory.at;
        m->factors = (void *)(m->slots + m->count);
        memset(m->slots, 0xFF, m->count * sizeof *m->slots);
        done = gather(&w, m, entries, n);
        for (uint64_t b = 0; b < w.buckets && done; b++)
            done = place(&w, m, w.by_size[b]);
    }
    free(w.entries);
    free(w.starts);
    free(w.by_size);
    free(w.taken);
    if (!done)
        tok_pair_map_done(m);
    return done;
}
