/* The loop of merge_many.h for the instruction sets. */
#include <string.h>

#include "model/merge_many.h"
#include "simd/lanes.h"

#define LINES 8 /* words at a time */
#define NONE UINT32_MAX
#define NOBODY (TOK_PAIR_MAP_SIDES - 1) /* stands in front of the first part and behind the last */
#define PLACE 63u
#define MARKER_BYTE 0x80

/* A look-up that has begun. */
struct question {
    const uint64_t *slot;
    uint64_t pair;
    unsigned place;
};

INLINE struct question ask(const struct tok_many *m, uint32_t left, uint32_t right, unsigned place)
{
    const struct tok_pair_map *p = &m->pairs;
    uint64_t pair = (uint64_t)left << 20 | right;
    uint64_t factor = p->factors[tok_pair_map_bucket(p, pair)];
    struct question q = {p->slots + tok_pair_map_slot(p, pair, factor), pair, place};

    __builtin_prefetch(q.slot);
    return q;
}

/* The key of the pair. */
INLINE uint32_t answer(const struct tok_many *m, struct question q)
{
    uint64_t entry = *q.slot, other = entry >> 24 ^ q.pair;
    uint32_t no = (uint32_t)((int64_t)-other >> 63), result = (uint32_t)entry & TOK_PAIR_MAP_NONE;

    return (result < m->tied ? result : m->tied) << 6 | q.place | no;
}

#define HALF 32 /* places; most words need no more */

/* A word on its way. Parts are numbered from 1 on. */
struct line {
    uint32_t keys[2 * HALF + 2]; /* of the pair that begins here: result << 6 | place */
    uint32_t symbols[TOK_MANY_PARTS + 4];
    struct question questions[2]; /* of the merge at hand */
    uint64_t there;               /* a bit for each part that is, and for both NOBODYs */
    struct tok_new_word *word;
    bool wide; /* more than half of the places are used */
};

static void begin(struct line *l, unsigned parts)
{
    l->symbols[0] = l->symbols[parts + 1] = NOBODY;
    l->there = (UINT64_C(4) << parts) - 1;
    l->wide = parts >= HALF;
}

/* The key of two bytes at a place. */
INLINE uint32_t key_of(uint32_t border, unsigned place)
{
    uint32_t number = border & TOK_MANY_NUMBER;
    return number == TOK_MANY_NUMBER ? NONE : number << 6 | place;
}

/* Of bytes below 0x80 and markers as bytes. False: not here. */
static bool start_ascii(const struct tok_many *m, struct line *l, const uint8_t *text, unsigned n)
{
    uint32_t all = 0;

    for (unsigned i = 0; i < n; i++) {
        uint32_t number = m->bytes[text[i]];
        l->symbols[i + 1] = number;
        all |= number;
    }
    for (unsigned i = 1; i < n; i++)
        l->keys[i] = key_of(m->borders[(unsigned)text[i - 1] << 8 | text[i]], i);
    begin(l, n);
    return all != NONE;
}

struct character {
    unsigned size;
    uint32_t code;
};

/* The character of up to three bytes that begins here, or a byte alone. */
INLINE struct character character_at(const uint8_t *at)
{
    static const uint8_t sizes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 1};
    unsigned size = sizes[at[0] >> 4];
    uint32_t two = (at[0] & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    uint32_t three = (at[0] & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    uint32_t one = at[0] < 0x80 ? at[0] : 0xD800u + at[0];
    bool goes_on = (at[1] & 0xC0) == 0x80 && (size == 2 || (at[2] & 0xC0) == 0x80);
    /* the shortest form, and no surrogate, whose places are those of bytes */
    bool is_one = size == 2 ? two >= 0x80 : three >= 0x800 && (three & 0xF800) != 0xD800;

    size = goes_on && is_one ? size : 1;
    return (struct character){size, size == 1 ? one : size == 2 ? two : three};
}

/* Asks for the pairs at places [count] and writes their keys. */
INLINE void join(const struct tok_many *m, struct line *l, const uint8_t *places, unsigned count)
{
    struct question questions[TOK_MANY_PARTS];

    for (unsigned i = 0; i < count; i++)
        questions[i] = ask(m, l->symbols[places[i]], l->symbols[places[i] + 1], places[i]);
    for (unsigned i = 0; i < count; i++)
        l->keys[places[i]] = answer(m, questions[i]);
}

/* Of any characters. False: not here. */
static bool start_characters(const struct tok_many *m, struct line *l, const uint8_t *text,
                             unsigned n)
{
    uint8_t places[TOK_MANY_PARTS + 1];
    unsigned parts = 0;

    for (unsigned at = 0; at < n; parts++) {
        struct character c = character_at(text + at);
        uint32_t whole = m->wholes[c.code] & TOK_MANY_NUMBER;
        if (whole == TOK_MANY_NUMBER || parts == TOK_MANY_PARTS)
            return false;
        l->symbols[parts + 1] = whole;
        places[parts] = (uint8_t)(parts + 1);
        at += c.size;
    }
    join(m, l, places, parts - 1);
    begin(l, parts);
    return true;
}

/* Of any bytes. Characters start out whole where they may. False: not here. */
static bool start_bytes(const struct tok_many *m, struct line *l, const uint8_t *text, unsigned n)
{
    struct {
        uint32_t before, whole;
        const uint8_t *text;
        unsigned size;
    } characters[TOK_MANY_BYTES + 1];
    uint8_t places[TOK_MANY_PARTS + 4];
    unsigned count = 0, asked = 0, parts = 0;
    bool byte_before = false;

    for (unsigned at = 0; at < n; count++) {
        struct character c = character_at(text + at);
        characters[count].before = m->borders[text[at - (at > 0)] << 8 | text[at]];
        characters[count].whole = m->wholes[c.code];
        characters[count].text = text + at;
        characters[count].size = c.size;
        at += c.size;
    }
    characters[0].before = characters[count].before = NONE;
    for (unsigned i = 0; i < count; i++) {
        const uint8_t *at = characters[i].text;
        uint32_t whole = characters[i].whole & TOK_MANY_NUMBER, last = characters[i].whole >> 20;
        bool is_whole = (whole != TOK_MANY_NUMBER) & (characters[i].before >> 20 > last) &
                        (characters[i + 1].before >> 20 > last);
        bool is_byte = !is_whole | (characters[i].size == 1);
        if (parts + 3 > TOK_MANY_PARTS)
            return false;
        l->keys[parts] = key_of(characters[i].before, parts);
        places[asked] = (uint8_t)parts;
        asked += !(is_byte & byte_before) & (i > 0);
        l->symbols[parts + 1] = is_whole ? whole : m->bytes[at[0]];
        l->symbols[parts + 2] = m->bytes[at[1]];
        l->symbols[parts + 3] = m->bytes[at[2]];
        l->keys[parts + 1] = key_of(m->borders[at[0] << 8 | at[1]], parts + 1);
        l->keys[parts + 2] = key_of(m->borders[at[1] << 8 | at[2]], parts + 2);
        parts += is_whole ? 1 : characters[i].size;
        byte_before = is_byte;
    }
    l->keys[parts] = l->keys[parts + 1] = l->keys[parts + 2] = NONE;
    uint32_t all = 0;
    for (unsigned i = 1; i <= parts; i++)
        all |= l->symbols[i];
    if (all == NONE)
        return false; /* a byte that is no symbol */
    join(m, l, places, asked);
    begin(l, parts);
    return true;
}

/* The pair of the least key becomes one part; its new pairs are asked for. */
INLINE void merge(const struct tok_many *m, struct line *l, uint32_t least)
{
    unsigned at = least & PLACE, result = least >> 6;
    uint64_t behind = l->there & ~UINT64_C(0) << 1 << at;
    unsigned gone = zeros_below(behind), after = zeros_below(behind & (behind - 1));
    unsigned before = 63 - zeros_above(bits_below(l->there, at));

    if (__builtin_expect(result == m->tied, 0))
        result = tok_pair_map_find(&m->pairs, l->symbols[at], l->symbols[gone]);
    l->there ^= UINT64_C(1) << gone;
    l->symbols[at] = result;
    l->keys[gone] = NONE;
    l->questions[0] = ask(m, result, l->symbols[after], at);
    l->questions[1] = ask(m, l->symbols[before], result, before);
}

static void finish(const struct tok_many *m, struct line *l)
{
    /* without the NOBODYs */
    uint64_t there = l->there & ~UINT64_C(1);
    uint32_t count = 0;
    bool ids = true;

    for (there &= ~(UINT64_C(1) << (63 - zeros_above(there))); there; there &= there - 1) {
        uint32_t symbol = l->symbols[zeros_below(there)];
        symbol = m->symbols ? m->symbols[symbol] : symbol;
        l->word->ids[count++] = symbol;
        ids &= symbol < m->ids;
    }
    l->word->count = ids ? count : 0;
}

INLINE bool is_ascii(const uint8_t *text, unsigned n)
{
    uint64_t high = 0;

    for (unsigned at = 0; at < n; at += LANES)
        high |= bits_below(mask_of(has(load(text + at), 0x80)), n - at < 63 ? n - at : 63);
    return high == 0;
}

/* Text with a byte for each marker, if all else is ASCII and it fits; returns its size or 0. */
static unsigned with_marker_bytes(const uint8_t *text, unsigned n, uint8_t *out)
{
    unsigned size = 0;

    for (unsigned at = 0; at < n && size < TOK_MANY_PARTS; size++) {
        bool marker = text[at] == 0xE2 && text[at + 1] == 0x96 && text[at + 2] == 0x81;
        if (text[at] >= 0x80 && !marker)
            return 0;
        out[size] = marker ? MARKER_BYTE : text[at];
        at += marker ? 3 : 1;
        if (at >= n)
            return size + 1;
    }
    return 0;
}

static bool start_next(const struct tok_many *m, struct line *l, struct tok_new_word *word)
{
    uint8_t marked[TOK_MANY_PARTS];
    unsigned n = word->size;

    word->count = 0;
    if (n == 0 || n > TOK_MANY_BYTES)
        return false;
    l->word = word;
    memset(l->keys, 0xFF, n < HALF ? HALF * sizeof *l->keys : sizeof l->keys);
    if (n <= TOK_MANY_PARTS && is_ascii(word->text, n))
        return start_ascii(m, l, word->text, n);
    if (!m->characters)
        return start_bytes(m, l, word->text, n);
    n = m->marker ? with_marker_bytes(word->text, n, marked) : 0;
    return n ? start_ascii(m, l, marked, n) : start_characters(m, l, word->text, word->size);
}

/* The least key, or NONE. */
INLINE uint32_t least_of(const struct line *l)
{
    uint32_t least = least_of_32(l->keys);

    if (__builtin_expect(l->wide, 0)) {
        uint32_t other = least_of_32(l->keys + HALF);
        least = other < least ? other : least;
    }
    return least;
}

void TOK_ISA_NAME(tok_many_run)(const struct tok_many *m, struct tok_new_word *words,
                                uint64_t count)
{
    struct line memory[LINES], *lines[LINES];
    uint64_t next = 0;
    unsigned busy = 0;

    for (unsigned i = 0; i < LINES; i++)
        lines[i] = &memory[i];
    while (busy < LINES && next < count)
        busy += start_next(m, lines[busy], &words[next++]);
    while (busy) {
        for (unsigned i = 0; i < busy;) {
            struct line *l = lines[i];
            uint32_t least = least_of(l);
            if (least != NONE) {
                merge(m, l, least);
                i++;
                continue;
            }
            finish(m, l);
            bool started = false;
            while (!started && next < count)
                started = start_next(m, l, &words[next++]);
            if (!started) {
                lines[i] = lines[--busy];
                lines[busy] = l;
            }
        }
        for (unsigned i = 0; i < busy; i++) {
            struct line *l = lines[i];
            l->keys[l->questions[0].place] = answer(m, l->questions[0]);
            l->keys[l->questions[1].place] = answer(m, l->questions[1]);
        }
    }
}
