#include "model/pair_set.h"

#include <stddef.h>

/* A slot has 32 bits of the 48, so its place must tell 16 at least. */
#define LEAST_SLOT_BITS 16

enum ngt_status tok_pair_set_init(struct tok_pair_set *s, uint64_t count, struct ngt_error *reterr)
{
    unsigned slot_bits = LEAST_SLOT_BITS, filter_bits = 1;

    while (slot_bits < 31 && 3 * (1ull << slot_bits) < 4 * count)
        slot_bits++;
    while (filter_bits < 31 && (64ull << filter_bits) < 8 * count)
        filter_bits++;
    *s = (struct tok_pair_set){.filter_shift = 48 - filter_bits,
                               .slot_shift = 48 - slot_bits,
                               .slot_mask = (uint32_t)((1ull << slot_bits) - 1)};
    s->memory = tok_pages_new((8ull << filter_bits) + (12ull << slot_bits));
    s->filter = s->memory.at;
    s->slots = s->filter ? s->filter + (1ull << filter_bits) : NULL;
    s->results = s->filter ? (void *)(s->slots + (1ull << slot_bits)) : NULL;
    if (!s->filter || count > TOK_PAIR_NUMBERS) {
        tok_pair_set_done(s);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for %llu merges", (unsigned long long)count);
    }
    return NGT_OK;
}

void tok_pair_set_done(struct tok_pair_set *s)
{
    tok_pages_done(&s->memory);
    *s = (struct tok_pair_set){0};
}

bool tok_pair_set_put(struct tok_pair_set *s, uint32_t left, uint32_t right, uint32_t number,
                      uint32_t result)
{
    uint64_t hash = tok_pair_hash(left, right), slot = hash >> s->slot_shift, behind = 0;

    while (s->slots[(slot + behind) & s->slot_mask])
        if (++behind == 256)
            return false;
    s->filter[hash >> s->filter_shift] |= tok_pair_bits(hash);
    s->slots[(slot + behind) & s->slot_mask] = hash << 32 | behind << 24 | number;
    s->results[(slot + behind) & s->slot_mask] = result;
    return true;
}
