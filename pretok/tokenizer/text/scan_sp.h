/*
 * The three loops over every byte of a document in front of a SentencePiece model, as a table of
 * functions: the scalar ones are the definition, vector ones their twins. All of them may be called
 * on any bytes.
 */
#ifndef TOK_TEXT_SCAN_SP_H
#define TOK_TEXT_SCAN_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "simd/isa.h"
#include "text/cuts_sp.h"

/* Text that is scanned for cuts, and output buffers, have that many bytes more than they need. */
#define TOK_SP_PADDING 64

/* What becomes of an ASCII byte that stands before another one or the end. */
enum tok_sp_class {
    TOK_SP_LOOK = 0, /* not known without looking at what follows */
    TOK_SP_SAME = 1,
    TOK_SP_SPACE = 2, /* one space */
};

struct tok_sp_classes {
    uint8_t of[256]; /* enum tok_sp_class; LOOK from 128 on */
    /* The same for the vector twins: bit `high nibble` of entry `low nibble`. */
    uint8_t same[16], space[16];
    bool squeeze; /* of consecutive spaces only the first stays */
};
void tok_sp_classes_finish(struct tok_sp_classes *classes); /* of -> same, space */

struct tok_sp_scan {
    /* Bytes of a prefix of text [n] that is valid UTF-8, ends between characters and holds no
     * U+2581; it is the longest one. */
    uint64_t (*clean)(const uint8_t *text, uint64_t n);
    /*
     * Copies from text [n] to out while the classes say what to do; spaces are squeezed if
     * classes->squeeze, *space telling whether a space came before. Returns the bytes taken, which
     * are the most that the classes allow; *ret_out is the end of the output. out has room for n +
     * TOK_SP_PADDING.
     */
    uint64_t (*copy)(const struct tok_sp_classes *classes, const uint8_t *text, uint64_t n,
                     uint8_t *out, bool *space, uint8_t **ret_out);
    /*
     * Cuts of text [n] after `from`, which is itself a cut: at most room of them to ends, ascending,
     * the last one n if it was reached. text has TOK_SP_PADDING more bytes; n < 2^32; room >=
     * TOK_SP_CUT_ROOM. Returns their number, at least 1 if from < n. Where text is malformed, cuts
     * may depend on where a call began.
     */
    uint64_t (*cut)(const struct tok_sp_cuts *cuts, const uint8_t *text, uint64_t n, uint64_t from,
                    uint32_t *ends, uint64_t room);
};
#define TOK_SP_CUT_ROOM 256

/* isa: one that is here. */
void tok_sp_scan_init(struct tok_sp_scan *scan, enum tok_isa isa);

/* The functions of one. */
void tok_sp_scan_init_c(struct tok_sp_scan *scan);
void tok_sp_scan_init_avx2(struct tok_sp_scan *scan);
void tok_sp_scan_init_avx512(struct tok_sp_scan *scan);
void tok_sp_scan_init_neon(struct tok_sp_scan *scan);

/* The scalar functions, which the vector ones end with. */
uint64_t tok_sp_clean_c(const uint8_t *text, uint64_t n);
uint64_t tok_sp_copy_c(const struct tok_sp_classes *classes, const uint8_t *text, uint64_t n,
                       uint8_t *out, bool *space, uint8_t **ret_out);
uint64_t tok_sp_cut_c(const struct tok_sp_cuts *cuts, const uint8_t *text, uint64_t n,
                      uint64_t from, uint32_t *ends, uint64_t room);
#endif
