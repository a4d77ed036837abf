/*
 * Sets of code points. While an expression is read they are ranges, on which union, intersection
 * and complement are short; for matching each becomes a map of bits.
 */
#ifndef TOK_SPLIT_CHARSET_H
#define TOK_SPLIT_CHARSET_H

#include <stdbool.h>
#include <stdint.h>

#include "text/unicode_table.h"

#define TOK_CODE_POINTS 0x110000u

/* Kept sorted, without overlaps, by every function here. {0} is the empty set. */
struct tok_charset {
    struct tok_unicode_range *at;
    uint64_t count, room;
    bool failed; /* an allocation failed; sticks, also to results */
};

void tok_charset_done(struct tok_charset *set);
void tok_charset_add(struct tok_charset *set, uint32_t first, uint32_t last);
void tok_charset_add_all(struct tok_charset *set, const struct tok_charset *other);
/* all characters whose category's bit is set */
void tok_charset_add_categories(struct tok_charset *set, uint32_t categories);
void tok_charset_add_set(struct tok_charset *set, const struct tok_unicode_set *other);
void tok_charset_invert(struct tok_charset *set);
void tok_charset_intersect(struct tok_charset *set, const struct tok_charset *other);
/* Adds what differs from a member by case only. */
void tok_charset_fold(struct tok_charset *set);
bool tok_charset_has(const struct tok_charset *set, uint32_t c);
bool tok_charset_equal(const struct tok_charset *a, const struct tok_charset *b);
bool tok_charset_disjoint(const struct tok_charset *a, const struct tok_charset *b);
bool tok_charset_full(const struct tok_charset *set);

/* Blocks of 256 code points; equal ones are stored once. */
struct tok_charmap {
    uint64_t ascii[2];
    uint8_t (*block)[32];
    uint16_t index[TOK_CODE_POINTS >> 8];
};

/* NULL: no memory. Freed by tok_charmap_free. */
struct tok_charmap *tok_charmap_new(const struct tok_charset *set);
void tok_charmap_free(struct tok_charmap **map);

static inline bool tok_charmap_has(const struct tok_charmap *map, uint32_t c)
{
    if (c < 128)
        return map->ascii[c >> 6] >> (c & 63) & 1;
    return map->block[map->index[c >> 8]][c >> 3 & 31] >> (c & 7) & 1;
}
#endif
