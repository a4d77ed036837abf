/* The tables of merge_many.h. */
#include "model/merge_many.h"

#include <stdlib.h>
#include <string.h>

#include "model/bpe_form.h"
#include "simd/isa.h"
#include "text/load8.h"

#define NONE UINT32_MAX
#define MARKER 0x2581
#define MARKER_BYTE 0x80

void tok_many_done(struct tok_many *m)
{
    tok_pair_map_done(&m->pairs);
    tok_pages_done(&m->memory);
    tok_pages_done(&m->more);
    *m = (struct tok_many){0};
}

/* A symbol's number: its place in m->symbols, or itself. */
struct numbers {
    uint32_t *of; /* [symbols]; NULL: the same */
};

static inline uint32_t number_of(const struct numbers *numbers, uint32_t symbol)
{
    return numbers->of ? numbers->of[symbol] : symbol;
}

static uint32_t born(const struct tok_bpe *b, uint32_t s)
{
    return b->flags[s] & TOK_SYMBOL_VALID ? b->items[s].born : 0;
}

/* Does the order of symbols that are merged say which is merged first? */
static bool in_order(const struct tok_bpe *b)
{
    uint32_t before = 0;

    for (uint32_t s = 0; s < b->symbols; s++) {
        if (born(b, s) && born(b, s) <= before)
            return false;
        before = born(b, s) ? born(b, s) : before;
    }
    return true;
}

/* Else numbers are given in that order, behind symbols that are not merged. False: no memory, or merges
 * of one rank that others come after. */
static bool number(struct tok_many *m, const struct tok_bpe *b, struct numbers *numbers)
{
    uint32_t last = 0, *next; /* by rank: the next number */
    bool tied = false, behind = false;

    m->tied = b->symbols;
    if (in_order(b))
        return true;
    for (uint32_t s = 0; s < b->symbols; s++)
        last = born(b, s) > last ? born(b, s) : last;
    next = last / 8 <= b->symbols ? calloc(last + 2ull, sizeof *next) : NULL;
    m->more = tok_pages_new(b->symbols * sizeof *m->symbols);
    m->symbols = m->more.at;
    numbers->of = malloc(b->symbols * sizeof *numbers->of);
    if (!next || !m->symbols || !numbers->of) {
        free(next);
        return false;
    }
    for (uint32_t s = 0; s < b->symbols; s++)
        next[born(b, s) + 1]++;
    for (uint32_t r = 1; r <= last + 1; r++) {
        behind |= tied && next[r];
        if (r > 1 && next[r] > 1) {
            tied = true;
            m->tied = next[r - 1];
        }
        next[r] += next[r - 1];
    }
    for (uint32_t s = 0; s < b->symbols; s++) {
        numbers->of[s] = next[born(b, s)]++;
        m->symbols[numbers->of[s]] = s;
    }
    free(next);
    return !behind;
}

/* The pairs, and what is known of two bytes. */
static bool fill_pairs(struct tok_many *m, const struct tok_bpe *b, const struct numbers *numbers)
{
    uint64_t count = 0, *entries = malloc((b->symbols + 1ull) * sizeof *entries);
    bool done;

    if (!entries)
        return false;
    for (uint32_t s = 0; s < b->symbols; s++) {
        const struct tok_bpe_symbol *item = &b->items[s];
        if (!born(b, s))
            continue;
        uint32_t left = number_of(numbers, item->left), right = number_of(numbers, item->right);
        uint32_t result = number_of(numbers, s);
        entries[count++] = (uint64_t)left << 44 | (uint64_t)right << 24 | result;
        unsigned ends = b->bytes[b->starts[item->left + 1] - 1];
        unsigned begins = b->bytes[b->starts[item->right]];
        if (left == m->bytes[MARKER_BYTE] && m->marker)
            ends = MARKER_BYTE;
        if (right == m->bytes[MARKER_BYTE] && m->marker)
            begins = MARKER_BYTE;
        uint32_t *border = &m->borders[ends << 8 | begins];
        if (m->bytes[ends] == left && m->bytes[begins] == right)
            *border = (*border & ~TOK_MANY_NUMBER) | (result < m->tied ? result : m->tied);
        uint32_t across = result >> TOK_MANY_UNIT_BITS;
        if (across < *border >> 20)
            *border = (*border & TOK_MANY_NUMBER) | across << 20;
    }
    done = count && tok_pair_map_init(&m->pairs, entries, count);
    free(entries);
    return done;
}

/* The code point of text [n], if that is one character of up to three bytes; else NONE. */
static uint32_t code_of(const uint8_t *text, uint64_t n)
{
    uint32_t code = NONE;

    if (n == 1 && text[0] < 0x80)
        return text[0];
    if (n == 2 && (text[0] & 0xE0) == 0xC0 && (text[1] & 0xC0) == 0x80)
        code = (text[0] & 0x1Fu) << 6 | (text[1] & 0x3Fu);
    if (n == 3 && (text[0] & 0xF0) == 0xE0 && (text[1] & 0xC0) == 0x80 && (text[2] & 0xC0) == 0x80)
        code = (text[0] & 0x0Fu) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
    return code < (n == 2 ? 0x80u : 0x800u) || (code & 0xFFFFF800) == 0xD800 ? NONE : code;
}

static uint32_t last_merge(const struct tok_bpe *b, const struct numbers *numbers, uint32_t s)
{
    const struct tok_bpe_symbol *item = &b->items[s];

    if (!item->born)
        return 0;
    uint32_t left = last_merge(b, numbers, item->left), right = last_merge(b, numbers, item->right);
    uint32_t inside = left > right ? left : right, own = number_of(numbers, s);
    return inside > own ? inside : own;
}

static void fill_wholes(struct tok_many *m, const struct tok_bpe *b, const struct numbers *numbers)
{
    for (unsigned i = 0; i < 0x10000; i++)
        m->wholes[i] = TOK_MANY_NUMBER;
    for (uint32_t s = 0; s < b->symbols; s++) {
        const uint8_t *text = b->bytes + b->starts[s];
        uint64_t size = tok_bpe_size(b, s);
        uint32_t code = size <= 3 ? code_of(text, size) : NONE;
        if (!(b->flags[s] & TOK_SYMBOL_VALID))
            continue;
        if (size == 1 && !b->items[s].born)
            m->bytes[text[0]] = number_of(numbers, s);
        if (code != NONE && (!m->characters || !b->items[s].born))
            m->wholes[code] =
                number_of(numbers, s) | last_merge(b, numbers, s) >> TOK_MANY_UNIT_BITS << 20;
    }
    if (m->characters && m->wholes[MARKER] != TOK_MANY_NUMBER) {
        m->marker = true;
        m->bytes[MARKER_BYTE] = m->wholes[MARKER] & TOK_MANY_NUMBER;
    }
    for (unsigned i = 0; i < 256 && !m->characters; i++)
        m->wholes[0xD800 + i] = m->bytes[i] & TOK_MANY_NUMBER; /* also if it is none: all ones */
}

static bool applies(const struct tok_bpe *b)
{
    return b->chains && !b->ends && b->symbols < TOK_PAIR_MAP_SIDES - 1 &&
           tok_many_run_of(tok_isa_chosen());
}

void tok_many_init(struct tok_many *m, const struct tok_bpe *b)
{
    const uint64_t borders = 65536 * sizeof *m->borders;
    struct numbers numbers = {0};

    *m = (struct tok_many){.ids = b->ids, .characters = b->characters};
    if (!applies(b))
        return;
    m->memory = tok_pages_new(borders + 65536 * sizeof *m->wholes);
    if (m->memory.at && number(m, b, &numbers)) {
        m->borders = m->memory.at;
        m->wholes = (void *)(m->borders + 65536);
        memset(m->borders, 0xFF, borders);
        memset(m->bytes, 0xFF, sizeof m->bytes);
        fill_wholes(m, b, &numbers);
        if (fill_pairs(m, b, &numbers))
            m->run = tok_many_run_of(tok_isa_chosen());
    }
    free(numbers.of);
    if (!m->run)
        tok_many_done(m);
}
