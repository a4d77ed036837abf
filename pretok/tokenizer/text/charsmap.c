/*
 * The format and the checks are those of sentencepiece 0.2.3: u32 bytes of the array (at least 1024,
 * a multiple of 1024), the array, the replacements, which end in NUL. What the library does not
 * check is that the array is a tree; a walk is bounded by the text all the same, since each step
 * takes a byte of it.
 */
#include "text/charsmap.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

/* SentencePiece looks at no more than that many rules at one place. */
#define RESULT_LIMIT 32
/* The rules of NFKC with case folding have some 20,000 nodes and keys of 18 bytes. */
#define NODE_LIMIT (1u << 20)
#define KEY_LIMIT 64

/* A unit: leaf flag 31; of a leaf the value 0-30; of others the label 0-7, "a leaf follows" 8, the
 * offset 10-30, which bit 9 shifts by 8. */
static uint32_t label(uint32_t unit)
{
    return unit & (UINT32_C(1) << 31 | 0xFF);
}

static bool has_leaf(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t value(uint32_t unit)
{
    return unit & (UINT32_MAX >> 1);
}

static uint32_t offset(uint32_t unit)
{
    return (unit >> 10) << ((unit & (UINT32_C(1) << 9)) >> 6);
}

static bool is_leaf(uint32_t unit)
{
    return unit >> 31;
}

/* Every offset stays inside, every leaf points into the replacements. */
static bool valid(const struct tok_charsmap *map)
{
    const uint32_t *u = map->units;

    if (label(u[0]) != 0 || has_leaf(u[0]) || offset(u[0]) == 0 ||
        (offset(u[0]) | 0xFF) >= map->unit_count)
        return false;
    for (uint32_t i = 1; i < map->unit_count; i++) {
        if (is_leaf(u[i])) {
            if (value(u[i]) >= map->replacement_bytes)
                return false;
            continue;
        }
        if (((i ^ offset(u[i])) | 0xFF) >= map->unit_count)
            return false;
        if (has_leaf(u[i]) && !is_leaf(u[i ^ offset(u[i])]))
            return false;
    }
    return true;
}

/* The child of the unit at *at for this byte; false when there is none. *at is then a base. */
static bool step(const struct tok_charsmap *map, uint32_t *at, uint8_t byte, bool *ret_leaf)
{
    uint32_t i = *at ^ byte, unit = map->units[i];

    if (label(unit) != byte)
        return false;
    *at = i ^ offset(unit);
    *ret_leaf = has_leaf(unit);
    return true;
}

uint64_t tok_charsmap_longest(const struct tok_charsmap *map, const uint8_t *text, uint64_t n,
                              const char **ret_replacement)
{
    uint32_t at = offset(map->units[0]);
    uint64_t longest = 0;
    unsigned found = 0;
    bool leaf;

    for (uint64_t i = 0; i < n && step(map, &at, text[i], &leaf); i++) {
        if (!leaf)
            continue;
        longest = i + 1;
        *ret_replacement = map->replacements + value(map->units[at]);
        if (++found == RESULT_LIMIT)
            break;
    }
    return longest;
}

/* Rules of three bytes or more that begin with a and b, whose base is `two`. */
static void note_thirds(struct tok_charsmap *map, uint8_t a, uint8_t b, uint32_t two)
{
    for (unsigned c = 0; c < 256; c++) {
        uint32_t three = two, bit = tok_charsmap_third(a, b, (uint8_t)c);
        bool leaf;
        if (step(map, &three, (uint8_t)c, &leaf))
            map->thirds[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* Fills starts, wholes, thirds and ascii. */
static void survey(struct tok_charsmap *map)
{
    bool leaf;

    for (unsigned a = 0; a < 256; a++) {
        uint32_t one = offset(map->units[0]);
        bool alone = false, ascii_pair = false;
        if (step(map, &one, (uint8_t)a, &leaf)) {
            alone = leaf;
            for (unsigned b = 0; b < 256; b++) {
                uint32_t two = one;
                bool second = step(map, &two, (uint8_t)b, &leaf);
                if (alone || second) {
                    map->starts[(a << 8 | b) / 64] |= UINT64_C(1) << b % 64;
                    if (alone || leaf)
                        map->wholes[(a << 8 | b) / 64] |= UINT64_C(1) << b % 64;
                    if (second)
                        note_thirds(map, (uint8_t)a, (uint8_t)b, two);
                    two = one;
                    ascii_pair = ascii_pair || (b < 128 && step(map, &two, (uint8_t)b, &leaf));
                }
            }
        }
        if (a >= 128)
            continue;
        map->ascii[a] = ascii_pair || a == 0 ? TOK_ASCII_LOOK : TOK_ASCII_SAME;
        if (alone && !ascii_pair) {
            const char *to = map->replacements + value(map->units[one]);
            if (to[0] == ' ' && to[1] == 0)
                map->ascii[a] = TOK_ASCII_SPACE;
            else if (to[0] != (char)a || to[1] != 0)
                map->ascii[a] = TOK_ASCII_LOOK;
        }
    }
    if (map->ascii[' '] == TOK_ASCII_SAME)
        map->ascii[' '] = TOK_ASCII_SPACE;
}

/*
 * Who is whose child, which the array does not say from above: a unit with a label is the child of
 * one base at most. By base the first child, by child the next one; 0, which is the root: none.
 */
struct family {
    uint32_t *first, *next;
};

static bool family_init(struct family *f, const struct tok_charsmap *map)
{
    f->first = calloc(map->unit_count, sizeof *f->first);
    f->next = calloc(map->unit_count, sizeof *f->next);
    if (!f->first || !f->next)
        return false;
    for (uint32_t i = 1; i < map->unit_count; i++) {
        if (is_leaf(map->units[i]))
            continue;
        uint32_t *first = &f->first[i ^ label(map->units[i])];
        f->next[i] = *first;
        *first = i;
    }
    return true;
}

static void family_done(struct family *f)
{
    free(f->first);
    free(f->next);
}

/*
 * Are all rules text to text? Walks all keys. Darts shares equal tails, so a unit may be reached by
 * several ways; an array that is no tree at all runs into a limit and is answered with no.
 */
static bool rules_are_text(const struct tok_charsmap *map, const struct family *family)
{
    uint32_t stack[KEY_LIMIT]; /* units to look at */
    uint8_t path[KEY_LIMIT];
    unsigned depth = 0;
    uint32_t nodes = 0;

    stack[0] = family->first[offset(map->units[0])];
    for (;;) {
        uint32_t i = stack[depth];
        if (!i) {
            if (depth-- == 0)
                return true;
            continue;
        }
        uint32_t unit = map->units[i], at = i ^ offset(unit);
        stack[depth] = family->next[i];
        path[depth] = (uint8_t)label(unit);
        if (++nodes == NODE_LIMIT || depth + 1 == KEY_LIMIT)
            return false;
        if (has_leaf(unit)) {
            const char *to = map->replacements + value(map->units[at]);
            uint64_t n = strlen(to);
            if (tok_utf8_valid_prefix(path, depth + 1) != depth + 1 ||
                tok_utf8_valid_prefix((const uint8_t *)to, n) != n)
                return false;
        }
        stack[++depth] = family->first[at];
    }
}

static uint32_t get_u32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

enum ngt_status tok_charsmap_new(const uint8_t *blob, uint64_t n, const char *path,
                                 struct tok_charsmap **ret_map, struct ngt_error *reterr)
{
    struct tok_charsmap *map = NULL;
    enum ngt_status status = NGT_OK;
    uint64_t size = n > 4 ? get_u32(blob) : 0;

    if (n <= 4 || size >= n - 4 || size < 1024 || size % 1024 || blob[n - 1] != 0)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "precompiled_charsmap makes no sense; the SentencePiece model is damaged");
    map = calloc(1, sizeof *map);
    if (map) {
        map->unit_count = (uint32_t)(size / 4);
        map->replacement_bytes = n - 4 - size;
        map->units = malloc(size);
        map->replacements = malloc(map->replacement_bytes);
    }
    if (!map || !map->units || !map->replacements) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint32_t i = 0; i < map->unit_count; i++)
        map->units[i] = get_u32(blob + 4 + 4 * (uint64_t)i);
    memcpy(map->replacements, blob + 4 + size, map->replacement_bytes);
    if (!valid(map)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "precompiled_charsmap is no trie; the SentencePiece model is damaged");
        goto out;
    }
    survey(map);
    struct family family;
    bool enough = family_init(&family, map);
    map->text_only = enough && rules_are_text(map, &family);
    family_done(&family);
    if (!enough) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    *ret_map = map;
    map = NULL;
out:
    tok_charsmap_free(&map);
    return status;
}

void tok_charsmap_free(struct tok_charsmap **map)
{
    if (!*map)
        return;
    free((*map)->units);
    free((*map)->replacements);
    free(*map);
    *map = NULL;
}
