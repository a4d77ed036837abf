#include "model/pair_set.h"

#include <stddef.h>

enum ngt_status tok_pair_set_init(struct tok_pair_set *s, uint64_t count, struct ngt_error *reterr)
{
    unsigned slot_bits = 4, filter_bits = 1;

    while (slot_bits < 31 && (1ull << slot_bits) < 2 * count)
        slot_bits++;
    while (filter_bits < 31 && (64ull << filter_bits) < 8 * count)
        filter_bits++;
    *s = (struct tok_pair_set){.filter_shift = 64 - filter_bits,
                               .slot_shift = 64 - slot_bits,
                               .slot_mask = (uint32_t)((1ull << slot_bits) - 1)};
    s->memory = tok_pages_new((8ull << filter_bits) + (4ull << slot_bits));
    s->filter = s->memory.at;
    s->slots = s->filter ? (uint32_t *)(s->filter + (1ull << filter_bits)) : NULL;
    if (!s->filter || count > 1u << 24) {
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

void tok_pair_set_put(struct tok_pair_set *s, uint32_t left, uint32_t right, uint32_t symbol)
{
    uint64_t hash = tok_pair_hash(left, right);
    uint32_t slot = tok_pair_slot(s, hash);

    s->filter[hash >> s->filter_shift] |= tok_pair_bits(hash);
    while (s->slots[slot])
        slot = (slot + 1) & s->slot_mask;
    s->slots[slot] = tok_pair_tag(hash) << 24 | symbol;
}
