/*
 * SentencePiece's precompiled_charsmap: rules "these bytes become those", as a double array of the
 * Darts kind and a block of NUL-terminated replacements. The blob is the model's own and untrusted:
 * everything is checked when it is opened, so that looking up needs no checks.
 */
#ifndef TOK_TEXT_CHARSMAP_H
#define TOK_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

#define TOK_CHARSMAP_THIRDS 18

struct tok_charsmap {
    uint32_t *units; /* as in the file, host order */
    uint32_t unit_count;
    char *replacements;
    uint64_t replacement_bytes;
    /* Bit (first byte << 8 | second byte): some rule begins so, or is the first byte alone. A
     * character whose two first bytes have no bit stays as it is. */
    uint64_t starts[65536 / 64];
    /* Of these, those that are a rule of one byte or two, whatever follows. */
    uint64_t wholes[65536 / 64];
    /* Three bytes that some rule begins with, by a hash of them: a few bits too many. */
    uint64_t thirds[(1u << TOK_CHARSMAP_THIRDS) / 64];
    /* What an ASCII character becomes when another one, or the end, follows. */
    enum tok_charsmap_ascii { TOK_ASCII_SAME, TOK_ASCII_SPACE, TOK_ASCII_LOOK } ascii[128];
    bool text_only; /* all rules map valid UTF-8 to valid UTF-8 */
};

/* blob [n]; copied. NGT_E_DATA when SentencePiece would refuse it. */
NGT_NODISCARD enum ngt_status tok_charsmap_new(const uint8_t *blob, uint64_t n, const char *path,
                                               struct tok_charsmap **ret_map,
                                               struct ngt_error *reterr);
void tok_charsmap_free(struct tok_charsmap **map);

/* Bytes of the longest rule that text [n] starts with, 0 when none; *ret_replacement is
 * NUL-terminated. */
uint64_t tok_charsmap_longest(const struct tok_charsmap *map, const uint8_t *text, uint64_t n,
                              const char **ret_replacement);

static inline bool tok_charsmap_may_start(const struct tok_charsmap *map, uint8_t first,
                                          uint8_t second)
{
    unsigned bit = (unsigned)first << 8 | second;
    return map->starts[bit / 64] >> bit % 64 & 1;
}

static inline uint32_t tok_charsmap_third(uint8_t first, uint8_t second, uint8_t third)
{
    uint32_t bytes = (uint32_t)third << 16 | (uint32_t)second << 8 | first;
    return bytes * 0x9E3779B1u >> (32 - TOK_CHARSMAP_THIRDS);
}

/* The same of three bytes. */
static inline bool tok_charsmap_may_start3(const struct tok_charsmap *map, const uint8_t *text)
{
    unsigned pair = (unsigned)text[0] << 8 | text[1];
    uint32_t bit = tok_charsmap_third(text[0], text[1], text[2]);
    return (map->thirds[bit / 64] >> bit % 64 | map->wholes[pair / 64] >> pair % 64) & 1;
}
#endif
