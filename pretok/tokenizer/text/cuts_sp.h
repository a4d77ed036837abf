/*
 * Certain cuts of internal text: places that no piece of the vocabulary spans, so that text can be
 * encoded in parts. Which pairs of neighbouring characters occur inside pieces is worked out at
 * load; a pair that occurs in none is a cut, whatever surrounds it.
 *
 * Pairs are looked at in two places only: at spaces, and where a character of three or more bytes
 * is involved. The first makes words; the second keeps them short in scripts without spaces. Within
 * ASCII words cuts would cost more than they save.
 */
#ifndef TOK_TEXT_CUTS_SP_H
#define TOK_TEXT_CUTS_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct tok_sp_cuts {
    bool after; /* words end after a space instead of before it */
    /* Some piece has a character that ends in (after: begins with) this byte before (after) a
     * space. */
    bool crosses[256];
    uint64_t *pairs; /* 2^(64 - shift) bits, by hash; a bit that is not set is a cut */
    unsigned shift;
};

/* pieces: `count` spellings in internal text, starts [count + 1] into bytes; valid UTF-8. */
NGT_NODISCARD enum ngt_status tok_sp_cuts_init(struct tok_sp_cuts *cuts, const uint8_t *bytes,
                                               const uint64_t *starts, uint64_t count,
                                               struct ngt_error *reterr);
void tok_sp_cuts_done(struct tok_sp_cuts *cuts);

/* The bytes of a character as a number. size is that of valid text; reads up to 4 bytes. */
static inline uint32_t tok_sp_char(const uint8_t *text, unsigned size)
{
    uint32_t c = text[0];

    for (unsigned i = 1; i < size; i++)
        c = c << 8 | text[i];
    return c;
}

static inline bool tok_sp_pair_occurs(const struct tok_sp_cuts *cuts, uint32_t a, uint32_t b)
{
    uint64_t bit =
        ((uint64_t)a * UINT64_C(0x9E3779B97F4A7C15) ^ (uint64_t)b * UINT64_C(0xC2B2AE3D27D4EB4F)) *
            UINT64_C(0xFF51AFD7ED558CCD) >>
        cuts->shift;
    return cuts->pairs[bit / 64] >> bit % 64 & 1;
}
#endif
