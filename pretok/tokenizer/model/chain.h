/*
 * Byte pair encoding from left to right, without merging.
 *
 * Two valid symbols are *compatible* when merging the text of both gives both back. The encoding of
 * a text is the one sequence of valid symbols in which all neighbours are compatible:
 *  - In the encoding, neighbours are compatible: no merge crosses the border of a final symbol, so
 *    within the text of two neighbours the merges are those of that text alone, in its order.
 *  - A sequence of compatible neighbours is the encoding: look at the first merge that would cross
 *    one of its borders. Until then all merges were within its symbols, in the order that each pair
 *    of neighbours alone would do them, so that pair alone would do this merge too. It does not.
 * (The observation is that of github/rust-gems' bpe crate; this proof asks nothing of the ranks.)
 *
 * So: take the longest valid symbol that is compatible with the one before, step back where none
 * is. Every prefix has one encoding, so a position from which one cannot go on is never tried
 * again, and the work is linear in the text.
 *
 * Linear, but by a factor of the longest symbol twice over in a run of spaces, where each step tries
 * all longer runs first and finds out late. Whether a symbol leads on depends on it and on the text
 * behind it alone, as far as that text was looked at; so where the same text stands behind the same
 * symbol, what was found out once is remembered (p50k, spaces: 8 to 80 MB/s of CPU time).
 *
 * Compatible or not is read off the trees of both symbols: where ranks never fall from a part to the
 * whole, a symbol on the right edge of the left tree lives from its own rank to that of its parent,
 * likewise on the left edge of the right tree; a rule that joins two that live at the same time and
 * comes before both parents is applied. (That rule's own rank may be below its parts': then it is
 * the very next.) Other symbols are odd, and their text is merged to see: Llama 3 has some 100.
 */
#ifndef TOK_MODEL_CHAIN_H
#define TOK_MODEL_CHAIN_H

#include "model/bpe_form.h"
#include "model/merge.h"

/* A symbol that led nowhere, and the text behind it that made it so: text[at, at + size) of the text
 * at hand. */
struct tok_chain_end {
    uint64_t at;
    uint32_t size; /* 0: free */
    uint32_t symbol;
};

/* One thread's memory; zero before use. */
struct tok_chain {
    struct tok_merge *merge;         /* borrowed; for vocabularies that are not regular */
    uint64_t *dead;                  /* a bit a position */
    uint64_t dead_room;              /* in words */
    uint64_t *known;                 /* answers of late: left, right, answer, 1; 0: free */
    struct tok_chain_end *dead_ends; /* by symbol */
    uint64_t asked;                  /* pairs that no answer of late was about */
    uint64_t merges;                 /* windows.h's */
};
void tok_chain_done(struct tok_chain *c);

/* Does merging the text of two valid symbols give both back? False: no memory. */
bool tok_chain_compatible(struct tok_chain *c, const struct tok_bpe *b, uint32_t left,
                          uint32_t right, bool *ret_answer, struct ngt_error *reterr);

/*
 * Encodes text [n] from position `from` up to its end or the first character that is no symbol:
 * *ret_stop. symbols has room for n - from; *ret_count were written. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_chain_run(struct tok_chain *c, const struct tok_bpe *b,
                                            const uint8_t *text, uint64_t n, uint64_t from,
                                            uint32_t *symbols, uint64_t *ret_count,
                                            uint64_t *ret_stop, struct ngt_error *reterr);
#endif
