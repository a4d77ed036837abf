/* Cuts beside a loose character: shared by the scalar and the vector loop. */
#ifndef TOK_TEXT_SCAN_SP_WIDE_H
#define TOK_TEXT_SCAN_SP_WIDE_H

#include <string.h>

#include "text/cuts_sp.h"
#include "text/utf8.h"

/* The loose character before the one that is looked at: where it ends, and its half of the hash. */
struct tok_sp_loose {
    uint64_t end, hash;
};

static inline uint32_t tok_sp_loose_char(const uint8_t *text, unsigned size)
{
    uint32_t c;

    memcpy(&c, text, sizeof c);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    c = __builtin_bswap32(c);
#endif
    return c >> (32 - 8 * size);
}

/*
 * text[q] begins a loose character. Appends a cut in front of it, and one behind it if what
 * follows is no such character, which would look for itself. *last is the last cut so far, <= q
 * unless text is malformed. Reads 4 bytes from q + 4 on at most: there is padding.
 */
static inline uint64_t tok_sp_cut_wide(const struct tok_sp_cuts *cuts, const uint8_t *text,
                                       uint64_t n, uint64_t q, struct tok_sp_loose *before,
                                       uint64_t *last, uint32_t *ends, uint64_t count)
{
    unsigned size = 2u + (text[q] >= 0xE0) + (text[q] >= 0xF0);
    uint32_t c = tok_sp_loose_char(text + q, size);
    uint64_t end = q + size;

    if (q > *last) {
        uint64_t hash = before->hash;
        if (before->end != q) {
            uint64_t start = q - 1;
            while (start > *last && q - start < 4 && (text[start] & 0xC0) == 0x80)
                start--;
            hash = tok_sp_pair_left(tok_sp_char(text + start, (unsigned)(q - start)));
        }
        bool cut = !tok_sp_pair_occurs(cuts, hash, c);
        ends[count] = (uint32_t)q;
        count += cut;
        *last = cut ? q : *last;
    }
    *before = (struct tok_sp_loose){end, tok_sp_pair_left(c)};
    if (end < n && end > *last && !cuts->loose[text[end]] &&
        !tok_sp_pair_occurs(cuts, before->hash,
                            tok_sp_char(text + end, tok_utf8_lead_size(text[end])))) {
        ends[count++] = (uint32_t)end;
        *last = end;
    }
    return count;
}
#endif
