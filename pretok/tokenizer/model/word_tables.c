#include "model/word_tables.h"

#define STORE_SIZE (8u << 20)

const struct tok_short_pair tok_no_pair = {
    .ids = {{(uint32_t)TOK_ELSEWHERE << 24}, {(uint32_t)TOK_ELSEWHERE << 24}},
};

static const struct tok_found not_found = {NULL, 0};

bool tok_word_tables_init(struct tok_word_tables *t)
{
    uint64_t shorts = sizeof(struct tok_short_pair) << TOK_SHORT_BITS;
    uint64_t longs = sizeof(struct tok_long_entry) << TOK_LONG_BITS;
    uint64_t slots = sizeof(uint32_t) << TOK_STORE_BITS;
    uint64_t bits = 1u << TOK_SHORT_BITS >> 3;

    *t = (struct tok_word_tables){.store_used = 1};
    t->memory = tok_pages_new(shorts + longs + slots + bits + STORE_SIZE + 64);
    if (!t->memory.at)
        return false;
    t->shorts = t->memory.at;
    t->longs = (void *)((uint8_t *)t->memory.at + shorts);
    t->store_slots = (void *)((uint8_t *)t->memory.at + shorts + longs);
    t->overflowed = (void *)((uint8_t *)t->memory.at + shorts + longs + slots);
    t->store = (void *)((uint8_t *)t->memory.at + shorts + longs + slots + bits);
    return true;
}

void tok_word_tables_done(struct tok_word_tables *t)
{
    tok_pages_done(&t->memory);
}

/* The entry of a key in a pair: 0, 1, or 2 where it is not. */
static inline unsigned way_of(const struct tok_short_pair *pair, const struct tok_probe *p)
{
    if (pair->keys[0][0] == p->key[0] && pair->keys[0][1] == p->key[1])
        return 0;
    return pair->keys[1][0] == p->key[0] && pair->keys[1][1] == p->key[1] ? 1 : 2;
}

static inline bool overflowed(const struct tok_word_tables *t, uint64_t slot)
{
    return t->overflowed[slot / 64] >> slot % 64 & 1;
}

/* The ids of a short word, with ELSEWHERE as their count maybe, or NULL. */
static inline const uint32_t *find_short(const struct tok_word_tables *t, const struct tok_probe *p)
{
    uint64_t hash = tok_short_hash(p), slot = tok_word_slot(hash, TOK_SHORT_BITS);
    unsigned way = way_of(&t->shorts[slot], p);

    if (way == 2 && overflowed(t, slot)) {
        slot = tok_word_second(hash, slot, TOK_SHORT_BITS);
        way = way_of(&t->shorts[slot], p);
    }
    return way < 2 ? t->shorts[slot].ids[way] : NULL;
}

static inline const uint32_t *find_long(const struct tok_word_tables *t, const struct tok_probe *p)
{
    uint64_t hash = tok_long_hash(p), slot = tok_word_slot(hash, TOK_LONG_BITS);

    if (tok_long_is_at(&t->longs[slot], p))
        return t->longs[slot].ids;
    slot = tok_word_second(hash, slot, TOK_LONG_BITS);
    return tok_long_is_at(&t->longs[slot], p) ? t->longs[slot].ids : NULL;
}

/* A short word's probe of the second table: the same bytes, their number at the end. */
static inline struct tok_probe as_long(const struct tok_probe *p)
{
    struct tok_probe as = *p;

    as.key[1] = p->key[1] & ~(UINT64_C(0xFF) << 56);
    as.key[2] = 0;
    as.key[3] = (uint64_t)p->size << 56;
    return as;
}

static inline uint64_t store_hash(const uint8_t *word, uint64_t size)
{
    uint64_t h = size, tail = 0;

    for (; size >= 8; size -= 8, word += 8)
        h = tok_word_hash2(h, tok_load8(word));
    memcpy(&tail, word, size);
    return tok_word_hash2(h, tail);
}

struct store_slots {
    uint64_t at[2];
};

static inline struct store_slots slots_of(const uint8_t *word, uint64_t size)
{
    uint64_t hash = store_hash(word, size), slot = hash >> (64 - TOK_STORE_BITS);
    return (struct store_slots){{slot, tok_word_second(hash, slot, TOK_STORE_BITS)}};
}

static struct tok_found find_store(const struct tok_word_tables *t, const uint8_t *word,
                                   uint64_t size)
{
    struct store_slots slots = slots_of(word, size);

    for (unsigned i = 0; i < 2; i++) {
        uint32_t place = t->store_slots[slots.at[i]];
        const struct tok_store_entry *e = (const void *)(t->store + place);
        if (place && e->size == size && memcmp(e->word, word, size) == 0)
            return (struct tok_found){(const void *)(e->word + (e->size + 7) / 8 * 8), e->count};
    }
    return not_found;
}

struct tok_found tok_word_tables_find(const struct tok_word_tables *t, const struct tok_probe *p,
                                      const uint8_t *word)
{
    const uint32_t *ids = NULL;

    if (p->size > TOK_STORE_BYTES)
        return not_found;
    if (p->size <= TOK_SHORT_BYTES) {
        ids = find_short(t, p);
        if (!ids)
            return not_found;
        if (*ids >> 24 == TOK_ELSEWHERE) {
            struct tok_probe second = as_long(p);
            ids = find_long(t, &second);
        }
    } else if (p->size <= TOK_LONG_BYTES) {
        ids = find_long(t, p);
        if (!ids)
            return not_found;
    }
    if (ids && *ids >> 24 != TOK_ELSEWHERE)
        return (struct tok_found){ids, *ids >> 24};
    return find_store(t, word, p->size);
}

/* The first id with the count above it. */
static inline uint32_t head_of(const uint32_t *ids, uint64_t count, uint64_t room)
{
    uint64_t shown = count <= room ? count : TOK_ELSEWHERE;
    return (ids[0] & TOK_ID_MASK) | (uint32_t)shown << 24;
}

/* Where a new word goes: to its own place if it was noted there, else to a free one, else one that
 * came late gives way: what came first is mostly what is frequent. */
static void keep_short(struct tok_word_tables *t, const struct tok_probe *p, const uint32_t *ids,
                       uint64_t count)
{
    uint64_t hash = tok_short_hash(p), first = tok_word_slot(hash, TOK_SHORT_BITS), slot = first;
    uint64_t second = tok_word_second(hash, first, TOK_SHORT_BITS);
    unsigned way = way_of(&t->shorts[first], p);

    for (unsigned i = 0; i < 2 && way == 2; i++)
        way = t->shorts[first].keys[i][1] == 0 ? i : 2;
    if (way == 2) {
        slot = second;
        way = way_of(&t->shorts[second], p);
        for (unsigned i = 0; i < 2 && way == 2; i++)
            way = t->shorts[second].keys[i][1] == 0 ? i : 2;
    }
    if (way == 2) {
        t->turn++;
        slot = t->turn & 1 ? second : first;
        way = t->turn % 16 >= 2;
    }
    if (slot == second)
        t->overflowed[first / 64] |= UINT64_C(1) << first % 64;
    struct tok_short_pair *pair = &t->shorts[slot];
    pair->keys[way][0] = p->key[0];
    pair->keys[way][1] = p->key[1];
    memcpy(pair->ids[way], ids, sizeof pair->ids[way]);
    pair->ids[way][0] = head_of(ids, count, TOK_SHORT_IDS);
}

static void keep_long(struct tok_word_tables *t, const struct tok_probe *p, const uint32_t *ids,
                      uint64_t count)
{
    uint64_t hash = tok_long_hash(p), slot = tok_word_slot(hash, TOK_LONG_BITS);
    struct tok_long_entry *e = &t->longs[slot];

    if (e->key[3] != 0 && !tok_long_is_at(e, p)) { /* as above: the first to come stays longer */
        e = &t->longs[tok_word_second(hash, slot, TOK_LONG_BITS)];
        if (e->key[3] != 0 && ++t->turn % 8 == 0)
            e = &t->longs[slot];
    }
    memcpy(e->key, p->key, sizeof e->key);
    memcpy(e->ids, ids, sizeof e->ids);
    e->ids[0] = head_of(ids, count, TOK_LONG_IDS);
}

static void keep_in_store(struct tok_word_tables *t, const uint8_t *word, uint32_t size,
                          const uint32_t *ids, uint64_t count)
{
    struct store_slots slots = slots_of(word, size);
    uint64_t padded = ((uint64_t)size + 7) / 8 * 8, units = 1 + padded / 8 + (count + 1) / 2;

    if (t->store_used + units > STORE_SIZE / 8) {
        memset(t->store_slots, 0, sizeof(uint32_t) << TOK_STORE_BITS);
        t->store_used = 1;
        t->starts_over++;
    }
    struct tok_store_entry *e = (void *)(t->store + t->store_used);
    t->store_slots[slots.at[t->store_slots[slots.at[0]] != 0]] = (uint32_t)t->store_used;
    e->size = size;
    e->count = (uint32_t)count;
    memcpy(e->word, word, size);
    memcpy(e->word + padded, ids, count * sizeof *ids);
    t->store_used += units;
}

void tok_word_tables_keep(struct tok_word_tables *t, const struct tok_probe *p, const uint8_t *word,
                          const uint32_t *ids, uint64_t count)
{
    if (p->size > TOK_STORE_BYTES)
        return;
    if (p->size <= TOK_SHORT_BYTES) {
        keep_short(t, p, ids, count);
        if (count > TOK_SHORT_IDS && count <= TOK_LONG_IDS) {
            struct tok_probe second = as_long(p);
            keep_long(t, &second, ids, count);
        }
    } else if (p->size <= TOK_LONG_BYTES) {
        keep_long(t, p, ids, count);
    }
    if (count > TOK_LONG_IDS || p->size > TOK_LONG_BYTES)
        keep_in_store(t, word, p->size, ids, count);
}
