/* The function behind tok/utf8.h: scalar, which is its definition, and in vectors. */
#ifndef TOK_TEXT_UTF8_CHECK_H
#define TOK_TEXT_UTF8_CHECK_H

#include "simd/isa.h"
#include "tok/utf8.h"

/* isa: one that is here. */
tok_utf8_fn tok_utf8_check_of(enum tok_isa isa);

uint64_t tok_utf8_check_c(const uint8_t *text, uint64_t n);
uint64_t tok_utf8_check_avx2(const uint8_t *text, uint64_t n);
uint64_t tok_utf8_check_avx512(const uint8_t *text, uint64_t n);
uint64_t tok_utf8_check_neon(const uint8_t *text, uint64_t n);
#endif
