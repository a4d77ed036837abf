/*
 * What the word cache keeps: words and their ids, in two tables and a store.
 *
 * A word of up to 15 bytes is in the first table: its bytes and length are the key (16 bytes,
 * compared as two integers), two entries share a cache line; a word that finds both taken has a
 * second line elsewhere, and a bit says of a line that this has happened: most new words are known
 * to be new after their first line. An entry has room for 4 ids, and for 8 if it takes the whole line.
 * A word of up to 31 bytes is in the second, one line an entry, with room for 8 ids. If there are more,
 * or no line is free, the entry says where in the store they are. Words of up to 128 bytes (of scripts that the vocabulary knows badly) are in the store
 * alone, found by hash. When it is full, it starts over. Still longer words are not kept: they seldom
 * come back. Nor are those of very many ids.
 *
 * The count of ids stands in the top byte of the first one, which is why ids are below 2^24.
 */
#ifndef TOK_MODEL_WORD_TABLES_H
#define TOK_MODEL_WORD_TABLES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "model/word_key.h"

#define TOK_SHORT_BITS 18
#define TOK_LONG_BITS 16
#define TOK_STORE_BITS 16
#define TOK_SHORT_BYTES TOK_WORD_KEY_BYTES
#define TOK_LONG_BYTES 31
#define TOK_STORE_BYTES 128
#define TOK_SHORT_IDS 4
#define TOK_LONG_IDS 8
#define TOK_ID_MASK 0xFFFFFFu
#define TOK_ELSEWHERE 255 /* as a count: the ids are in the store, at ids[1] of its round ids[2] */

struct tok_short_pair {
    uint64_t keys[2][2]; /* the second of them TOK_TAKEN: the first entry's ids go on */
    uint32_t ids[2][TOK_SHORT_IDS];
};
#define TOK_TAKEN UINT64_MAX /* as keys[1][1]; no key has it */

struct tok_long_entry {
    uint64_t key[4];
    uint32_t ids[TOK_LONG_IDS];
};

/* A word that is in the store alone: this, the word padded to 8 bytes, its ids. */
struct tok_store_entry {
    uint64_t size;
    uint8_t word[];
};

struct tok_word_tables {
    struct tok_short_pair *shorts;
    uint64_t *overflowed; /* a bit for each of them */
    struct tok_long_entry *longs;
    uint32_t *store_slots; /* offsets in units of 8 bytes; 0: free */
    uint64_t *store;
    uint64_t store_used; /* in units of 8 bytes */
    uint64_t turn;       /* decides which entry gives way */
    uint32_t starts_over;
    struct tok_pages memory;
};

/* A word of up to TOK_STORE_BYTES to look up, with its key by length: of the first, of the second table,
 * or none. */
struct tok_probe {
    uint64_t key[4];
    const struct tok_short_pair *line; /* its first one; tok_no_pair if it is not short */
    uint32_t size;
};

/* Both say that the ids are elsewhere. */
extern const struct tok_short_pair tok_no_pair;

/* False: no memory. */
bool tok_word_tables_init(struct tok_word_tables *t);
void tok_word_tables_done(struct tok_word_tables *t);

/* Asks for the memory behind a probe's first line, where a word that is not in that line is or would
 * be. */
void tok_word_tables_ask(const struct tok_word_tables *t, const struct tok_probe *p);
/* Looks everywhere: the ids of a probe's word with their count in the top byte of the first, or NULL.
 * TOK_LONG_IDS can be read whatever the count. */
const uint32_t *tok_word_tables_find(const struct tok_word_tables *t, const struct tok_probe *p,
                                     const uint8_t *word);
/* Keeps a word that was not found, if it fits. TOK_LONG_IDS of ids can be read whatever the count. */
void tok_word_tables_keep(struct tok_word_tables *t, const struct tok_probe *p, const uint8_t *word,
                          const uint32_t *ids, uint64_t count);

static inline uint64_t tok_word_slot(uint64_t hash, unsigned bits)
{
    return hash >> (64 - bits);
}

/* The other slot of a word, from bits that the first one leaves alone. With two places to choose
 * from a table is full before a word finds both taken (a neighbour would share the first one's
 * crowd: 15% of the short words of 197 languages had no place). */
static inline uint64_t tok_word_second(uint64_t hash, uint64_t slot, unsigned bits)
{
    return (slot ^ (hash | 1)) & ((1u << bits) - 1);
}

/* Is the word this entry? */
static inline bool tok_long_is_at(const struct tok_long_entry *e, const struct tok_probe *p)
{
    return ((e->key[0] ^ p->key[0]) | (e->key[1] ^ p->key[1]) | (e->key[2] ^ p->key[2]) |
            (e->key[3] ^ p->key[3])) == 0;
}

static inline uint64_t tok_short_hash(const struct tok_probe *p)
{
    return tok_word_hash2(p->key[0], p->key[1]);
}

static inline uint64_t tok_long_hash(const struct tok_probe *p)
{
    return tok_word_hash2(tok_word_hash2(p->key[0], p->key[1]),
                          tok_word_hash2(p->key[2], p->key[3]));
}

/* Reads whole integers, 32 bytes. */
static inline void tok_probe_long(struct tok_probe *p, const uint8_t *at, uint64_t size)
{
    p->key[0] = tok_load8(at);
    p->key[1] = tok_load8(at + 8);
    p->key[2] = tok_load8(at + 16) & tok_word_masks[size - 16][0];
    p->key[3] = (tok_load8(at + 24) & tok_word_masks[size - 16][1]) | size << 56;
}

/* The probe of a word, and its first line asked for. 32 bytes from `at` on can be read, of which the
 * word is the first. */
static inline void tok_probe_ask(const struct tok_word_tables *t, struct tok_probe *p,
                                 const uint8_t *at, uint32_t size)
{
    p->size = size;
    if (size <= TOK_SHORT_BYTES) {
        tok_word_key(p->key, at, size);
        p->line = &t->shorts[tok_word_slot(tok_short_hash(p), TOK_SHORT_BITS)];
        __builtin_prefetch(p->line);
        return;
    }
    p->line = &tok_no_pair;
    if (size <= TOK_LONG_BYTES) {
        tok_probe_long(p, at, size);
        __builtin_prefetch(&t->longs[tok_word_slot(tok_long_hash(p), TOK_LONG_BITS)]);
    }
}
#endif
