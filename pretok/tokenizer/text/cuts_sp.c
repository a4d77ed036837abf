/* Which neighbours occur inside pieces. */
#include "text/cuts_sp.h"

#include <stdlib.h>

#include "text/utf8.h"

/* Characters of two bytes are loose if they stand in fewer pairs than that, for each first byte.
 * Llama 2 has some 2,000 for D0 (Cyrillic) and next to none for Arabic, Hebrew and Greek. */
#define DENSE 128

/* Calls of a sort: each pair of neighbours in each piece. */
struct walk {
    const uint8_t *bytes;
    const uint64_t *starts;
    uint64_t count, piece, at;
    uint32_t a, b;
    uint8_t a_first, a_last, b_first;
};

/* The next pair of neighbouring characters in a piece. */
static bool next_pair(struct walk *w)
{
    for (; w->piece < w->count; w->piece++, w->at = 0) {
        const uint8_t *piece = w->bytes + w->starts[w->piece];
        uint64_t n = w->starts[w->piece + 1] - w->starts[w->piece];
        if (w->at >= n)
            continue;
        unsigned size = tok_utf8_lead_size(piece[w->at]);
        uint64_t second = w->at + size;
        if (second >= n)
            continue;
        w->a = tok_sp_char(piece + w->at, size);
        w->a_first = piece[w->at];
        w->a_last = piece[second - 1];
        w->b_first = piece[second];
        w->b = tok_sp_char(piece + second, tok_utf8_lead_size(piece[second]));
        w->at = second;
        return true;
    }
    return false;
}

static void set_pair(struct tok_sp_cuts *cuts, uint32_t a, uint32_t b)
{
    uint64_t bit = tok_sp_pair_bit(cuts, tok_sp_pair_left(a), b);
    cuts->pairs[bit / 64] |= UINT64_C(1) << bit % 64;
}

enum ngt_status tok_sp_cuts_init(struct tok_sp_cuts *cuts, const uint8_t *bytes,
                                 const uint64_t *starts, uint64_t count, struct ngt_error *reterr)
{
    struct walk w = {.bytes = bytes, .starts = starts, .count = count};
    uint64_t loose = 0, bits = 4096, by_lead[256] = {0};

    *cuts = (struct tok_sp_cuts){.shift = 64 - 12};
    while (next_pair(&w)) {
        cuts->joins[w.a_last][w.b_first >> 6] |= UINT64_C(1) << (w.b_first & 63);
        by_lead[w.a_first]++;
        by_lead[w.b_first]++;
    }
    for (unsigned b = 0xC2; b < 256; b++) {
        cuts->loose[b] = b >= 0xE0 || by_lead[b] < DENSE;
        loose += cuts->loose[b] ? by_lead[b] : 0;
        if (cuts->loose[b])
            cuts->loose_nibbles[b & 15] |= (uint8_t)(1u << ((b >> 4) - 8));
    }
    /* sixteen bits a pair: one place in sixteen that could be cut is not */
    while (bits < loose * 16 && cuts->shift > 64 - 26) {
        bits *= 2;
        cuts->shift--;
    }
    cuts->pairs = calloc(bits / 64, sizeof *cuts->pairs);
    if (!cuts->pairs)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    w = (struct walk){.bytes = bytes, .starts = starts, .count = count};
    while (next_pair(&w))
        if (cuts->loose[w.a_first] || cuts->loose[w.b_first])
            set_pair(cuts, w.a, w.b);
    return NGT_OK;
}

void tok_sp_cuts_init_spaces(struct tok_sp_cuts *cuts, bool runs)
{
    *cuts = (struct tok_sp_cuts){.shift = 63};
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            if (b != ' ' || (runs && a == ' '))
                cuts->joins[a][b >> 6] |= UINT64_C(1) << (b & 63);
}

void tok_sp_cuts_done(struct tok_sp_cuts *cuts)
{
    free(cuts->pairs);
    cuts->pairs = NULL;
}
