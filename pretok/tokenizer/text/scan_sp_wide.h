/* Cuts beside a loose character: shared by the scalar and the vector loop. */
#ifndef TOK_TEXT_SCAN_SP_WIDE_H
#define TOK_TEXT_SCAN_SP_WIDE_H

#include "text/cuts_sp.h"
#include "text/utf8.h"

/*
 * text[q] begins a loose character. Appends a cut in front of it, and one behind it if what
 * follows is no such character, which would look for itself. *last is the last cut so far, <= q
 * unless text is malformed.
 */
static inline uint64_t tok_sp_cut_wide(const struct tok_sp_cuts *cuts, const uint8_t *text,
                                       uint64_t n, uint64_t q, uint64_t *last, uint32_t *ends,
                                       uint64_t count)
{
    unsigned size = tok_utf8_lead_size(text[q]);
    uint32_t c = tok_sp_char(text + q, size);
    uint64_t end = q + size;

    if (q > *last) {
        uint64_t start = q - 1;
        while (start > *last && q - start < 4 && (text[start] & 0xC0) == 0x80)
            start--;
        if (!tok_sp_pair_occurs(cuts, tok_sp_char(text + start, (unsigned)(q - start)), c)) {
            ends[count++] = (uint32_t)q;
            *last = q;
        }
    }
    if (end < n && end > *last && !cuts->loose[text[end]] &&
        !tok_sp_pair_occurs(cuts, c, tok_sp_char(text + end, tok_utf8_lead_size(text[end])))) {
        ends[count++] = (uint32_t)end;
        *last = end;
    }
    return count;
}
#endif
