/*
 * Is it UTF-8? As Unicode defines it (table 3-7: no surrogates, nothing above U+10FFFF, shortest
 * form).
 */
#ifndef TOK_UTF8_H
#define TOK_UTF8_H

#include <stdint.h>

/* Bytes of the longest well-formed prefix of text [n]. */
typedef uint64_t (*tok_utf8_fn)(const uint8_t *text, uint64_t n);

/* The one for this processor, or the one that NGT_SIMD names (tok_simd); all answer alike. Looks at the
 * environment and the processor, so it is asked once for many texts. */
tok_utf8_fn tok_utf8_check(void);
#endif
