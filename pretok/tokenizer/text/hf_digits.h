/*
 * Digits one by one, a prefix space in front of every piece, and GPT-2's expression within each: three
 * steps that one split does, once there is a space where each piece begins.
 *
 * The expression's pieces have a space behind their first character only in runs of white space. So
 * where a piece of the steps begins, and no white space stands in front of it, a piece of the whole
 * begins too, and those before it end there: a space ends whatever the end of text ends. And where white
 * space does stand in front, what begins is a digit, which comes behind a space put in: of a run of
 * white space the last character goes with what follows, so the run without that space is one piece, as
 * it is at the end of a text.
 */
#ifndef TOK_HF_DIGITS_H
#define TOK_HF_DIGITS_H

#include "text/buffer.h"

/* text [n], valid UTF-8, to out: at most 2 n + 1 bytes. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_hf_space_digits(const uint8_t *text, uint64_t n,
                                                  struct tok_buffer *out, struct ngt_error *reterr);
#endif
