/*
 * Certain cuts of internal text: places that no piece of the vocabulary spans, so that text can be
 * encoded in parts. Which pairs of neighbouring characters occur inside pieces is worked out at
 * load; a pair that occurs in none is a cut, whatever surrounds it.
 *
 * Pairs are looked at in two places only: beside an ASCII character that is no letter, and beside a
 * loose character: one of three or more bytes, or of two if pieces hardly join those. The first makes
 * words and takes punctuation off them; the second keeps words short in scripts without spaces, and
 * in those that the vocabulary does not know. Elsewhere cuts would cost more than they save.
 */
#ifndef TOK_TEXT_CUTS_SP_H
#define TOK_TEXT_CUTS_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct tok_sp_cuts {
    /* Bit b of row a: in some piece a character that ends in byte a stands before one that begins
     * with byte b. Exact for ASCII. */
    uint64_t joins[256][4];
    bool loose[256];           /* by first byte */
    uint8_t loose_nibbles[16]; /* the same for the vector twins: bit (high nibble - 8) of [low] */
    uint64_t *
        pairs; /* with a loose character; 2^(64 - shift) bits, by hash; a bit that is not set is a cut */
    unsigned shift;
};

static inline bool tok_sp_joins(const struct tok_sp_cuts *cuts, uint8_t a, uint8_t b)
{
    return cuts->joins[a][b >> 6] >> (b & 63) & 1;
}

/* Not an ASCII letter, nor part of a longer character. */
static inline bool tok_sp_breaks(uint8_t b)
{
    return b < 0x80 && (uint8_t)((b | 0x20) - 'a') >= 26;
}

/* pieces: `count` spellings in internal text, starts [count + 1] into bytes; valid UTF-8. */
NGT_NODISCARD enum ngt_status tok_sp_cuts_init(struct tok_sp_cuts *cuts, const uint8_t *bytes,
                                               const uint64_t *starts, uint64_t count,
                                               struct ngt_error *reterr);
/* Cuts before each ' ', or with runs before each run of them, and nowhere else. */
void tok_sp_cuts_init_spaces(struct tok_sp_cuts *cuts, bool runs);
void tok_sp_cuts_done(struct tok_sp_cuts *cuts);

/* The bytes of a character as a number. size is that of valid text; reads up to 4 bytes. */
static inline uint32_t tok_sp_char(const uint8_t *text, unsigned size)
{
    uint32_t c = text[0];

    for (unsigned i = 1; i < size; i++)
        c = c << 8 | text[i];
    return c;
}

/* The hash of a pair in two steps: of the left character, which is at hand where pairs overlap. */
static inline uint64_t tok_sp_pair_left(uint32_t a)
{
    return (uint64_t)a * UINT64_C(0x9E3779B97F4A7C15);
}

static inline uint64_t tok_sp_pair_bit(const struct tok_sp_cuts *cuts, uint64_t left, uint32_t b)
{
    return (left ^ (uint64_t)b * UINT64_C(0xC2B2AE3D27D4EB4F)) * UINT64_C(0xFF51AFD7ED558CCD) >>
           cuts->shift;
}

static inline bool tok_sp_pair_occurs(const struct tok_sp_cuts *cuts, uint64_t left, uint32_t b)
{
    uint64_t bit = tok_sp_pair_bit(cuts, left, b);
    return cuts->pairs[bit / 64] >> bit % 64 & 1;
}
#endif
