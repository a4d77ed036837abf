#include "model/word_tables.h"

#define STORE_SIZE (8u << 20)

const struct tok_short_pair tok_no_pair = {
    .ids = {{(uint32_t)TOK_ELSEWHERE << 24}, {(uint32_t)TOK_ELSEWHERE << 24}},
};

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

/* The ids of a short word, or where they are, or NULL. */
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

static const uint32_t *find_store(const struct tok_word_tables *t, const uint8_t *word,
                                  uint64_t size)
{
    struct store_slots slots = slots_of(word, size);

    for (unsigned i = 0; i < 2; i++) {
        uint32_t place = t->store_slots[slots.at[i]];
        const struct tok_store_entry *e = (const void *)(t->store + place);
        if (place && e->size == size && memcmp(e->word, word, size) == 0)
            return (const void *)(e->word + (e->size + 7) / 8 * 8);
    }
    return NULL;
}

/* Of an entry that was found. NULL: the store has started over since. */
static inline const uint32_t *ids_of(const struct tok_word_tables *t, const uint32_t *ids)
{
    if (*ids >> 24 != TOK_ELSEWHERE)
        return ids;
    return ids[2] == t->starts_over ? (const void *)(t->store + ids[1]) : NULL;
}

void tok_word_tables_ask(const struct tok_word_tables *t, const struct tok_probe *p)
{
    if (p->size <= TOK_SHORT_BYTES) {
        unsigned way = way_of(p->line, p);
        uint64_t slot = (uint64_t)(p->line - t->shorts);
        if (way < 2)
            __builtin_prefetch(t->store + p->line->ids[way][1]);
        else if (overflowed(t, slot))
            __builtin_prefetch(
                &t->shorts[tok_word_second(tok_short_hash(p), slot, TOK_SHORT_BITS)]);
    } else if (p->size <= TOK_LONG_BYTES) {
        uint64_t hash = tok_long_hash(p), slot = tok_word_slot(hash, TOK_LONG_BITS);
        const struct tok_long_entry *e = &t->longs[slot];
        if (!tok_long_is_at(e, p))
            __builtin_prefetch(&t->longs[tok_word_second(hash, slot, TOK_LONG_BITS)]);
        else if (e->ids[0] >> 24 == TOK_ELSEWHERE)
            __builtin_prefetch(t->store + e->ids[1]);
    }
}

const uint32_t *tok_word_tables_find(const struct tok_word_tables *t, const struct tok_probe *p,
                                     const uint8_t *word)
{
    const uint32_t *ids;

    if (p->size > TOK_LONG_BYTES)
        return find_store(t, word, p->size);
    ids = p->size <= TOK_SHORT_BYTES ? find_short(t, p) : find_long(t, p);
    return ids ? ids_of(t, ids) : NULL;
}

/* Room in the store, in units of 8 bytes; returns where. */
static uint32_t store_room(struct tok_word_tables *t, uint64_t units)
{
    if (t->store_used + units > STORE_SIZE / 8) {
        memset(t->store_slots, 0, sizeof(uint32_t) << TOK_STORE_BITS);
        t->store_used = 1;
        t->starts_over++;
    }
    uint32_t place = (uint32_t)t->store_used;
    t->store_used += units;
    return place;
}

static void put_ids(uint32_t *to, const uint32_t *ids, uint64_t count, uint64_t copied)
{
    memcpy(to, ids, copied * sizeof *to);
    to[0] = (ids[0] & TOK_ID_MASK) | (uint32_t)count << 24;
}

/* Into an entry with room for some. */
static inline void keep_ids(struct tok_word_tables *t, uint32_t *entry, uint64_t room,
                            const uint32_t *ids, uint64_t count)
{
    if (count <= room) {
        put_ids(entry, ids, count, room);
        return;
    }
    uint32_t place = store_room(t, count / 2 + 1);
    put_ids((void *)(t->store + place), ids, count, count);
    entry[0] = (uint32_t)TOK_ELSEWHERE << 24;
    entry[1] = place;
    entry[2] = t->starts_over;
}

static inline bool is_empty(const struct tok_short_pair *pair)
{
    return (pair->keys[0][1] | pair->keys[1][1]) == 0;
}

/* Whole lines are for words of 5 to 8 ids, if one is free. */
static bool keep_wide(struct tok_word_tables *t, const struct tok_probe *p, uint64_t first,
                      uint64_t second, const uint32_t *ids, uint64_t count)
{
    struct tok_short_pair *pair = &t->shorts[first];

    if (!is_empty(pair)) {
        pair = &t->shorts[second];
        if (!is_empty(pair))
            return false;
        t->overflowed[first / 64] |= UINT64_C(1) << first % 64;
    }
    pair->keys[0][0] = p->key[0];
    pair->keys[0][1] = p->key[1];
    pair->keys[1][1] = TOK_TAKEN;
    put_ids(pair->ids[0], ids, count, TOK_LONG_IDS);
    return true;
}

/* Where a new word goes: to its own place if it was there once, else to a free one, else one that
 * came late gives way: what came first is mostly what is frequent. */
static void keep_short(struct tok_word_tables *t, const struct tok_probe *p, const uint32_t *ids,
                       uint64_t count)
{
    uint64_t hash = tok_short_hash(p), first = tok_word_slot(hash, TOK_SHORT_BITS), slot = first;
    uint64_t second = tok_word_second(hash, first, TOK_SHORT_BITS);
    unsigned way = way_of(&t->shorts[first], p);

    if (count > TOK_SHORT_IDS && count <= TOK_LONG_IDS &&
        keep_wide(t, p, first, second, ids, count))
        return;
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
    if (pair->keys[1][1] == TOK_TAKEN) {
        pair->keys[1][1] = 0;
        way = 0;
    }
    pair->keys[way][0] = p->key[0];
    pair->keys[way][1] = p->key[1];
    keep_ids(t, pair->ids[way], TOK_SHORT_IDS, ids, count);
}

static void keep_long(struct tok_word_tables *t, const struct tok_probe *p, const uint32_t *ids,
                      uint64_t count)
{
    uint64_t hash = tok_long_hash(p), slot = tok_word_slot(hash, TOK_LONG_BITS);
    struct tok_long_entry *e = &t->longs[slot];

    if (e->key[3] != 0 && !tok_long_is_at(e, p)) { /* as above: the first to come stays longer */
        e = &t->longs[tok_word_second(hash, slot, TOK_LONG_BITS)];
        if (e->key[3] != 0 && !tok_long_is_at(e, p) && ++t->turn % 8 == 0)
            e = &t->longs[slot];
    }
    memcpy(e->key, p->key, sizeof e->key);
    keep_ids(t, e->ids, TOK_LONG_IDS, ids, count);
}

static void keep_in_store(struct tok_word_tables *t, const uint8_t *word, uint32_t size,
                          const uint32_t *ids, uint64_t count)
{
    struct store_slots slots = slots_of(word, size);
    uint64_t padded = ((uint64_t)size + 7) / 8 * 8;
    uint32_t place = store_room(t, 1 + padded / 8 + count / 2 + 1);
    struct tok_store_entry *e = (void *)(t->store + place);

    t->store_slots[slots.at[t->store_slots[slots.at[0]] != 0]] = place;
    e->size = size;
    memcpy(e->word, word, size);
    put_ids((void *)(e->word + padded), ids, count, count);
}

void tok_word_tables_keep(struct tok_word_tables *t, const struct tok_probe *p, const uint8_t *word,
                          const uint32_t *ids, uint64_t count)
{
    if (count >= TOK_ELSEWHERE)
        return;
    if (p->size <= TOK_SHORT_BYTES)
        keep_short(t, p, ids, count);
    else if (p->size <= TOK_LONG_BYTES)
        keep_long(t, p, ids, count);
    else
        keep_in_store(t, word, p->size, ids, count);
}
