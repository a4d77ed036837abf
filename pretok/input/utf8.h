/*
 * UTF-8 as Unicode defines it (table 3-7: no surrogates, nothing above U+10FFFF, shortest form).
 * What is ill-formed becomes U+FFFD, one for each maximal subpart: the longest start of a
 * well-formed sequence, or else a single byte (Unicode 15.0, section 3.9, "U+FFFD Substitution of
 * Maximal Subparts"; also what the WHATWG decoder and Python's errors="replace" do).
 */
#ifndef PRETOK_UTF8_H
#define PRETOK_UTF8_H

#include "input/bytes.h"
#include "tok/utf8.h"

/* Characters (code points) of well-formed UTF-8. */
uint64_t pretok_utf8_characters(const uint8_t *at, uint64_t n);

/* n >= 1 and at[0 ..] ill-formed: bytes of the maximal subpart there, 1 to 3. */
uint64_t pretok_utf8_bad_subpart(const uint8_t *at, uint64_t n);

/*
 * Replaces what `check` (tok_utf8_check) finds ill-formed in b[from ..]; adds the number of replacements to *replaced. False
 * when out of memory; b is unchanged then.
 */
bool pretok_utf8_repair(struct pretok_bytes *b, uint64_t from, tok_utf8_fn check,
                        uint64_t *replaced);

/* Writes the UTF-8 of a scalar value to out [4]; returns its bytes. */
unsigned pretok_utf8_put(uint32_t code, uint8_t *out);

#endif
