/*
 * Programs: the splits in wide use, written out. Each exists as scalar code, which is its
 * definition next to the expression, and in vector versions that give the same ends.
 *
 * The expressions are those of split.c. With L letter, N number, W white space, NL line feed or
 * carriage return, O all others:
 *
 *     gpt2      contraction | ?L+ | ?N+ | ?O+ | W
 *     llama3    contraction | [^NL L N]?L+ | N{1,3} | ?O+ NL* | W with newlines | W
 *     cl100k    llama3, but white space that ends the text is one piece
 *     qwen2     llama3 with single N
 *     qwen3.5   qwen2 where marks are letters
 *     o200k     words end before an upper-case letter behind a lower-case one, and take a
 *               contraction along; "/" goes with newlines behind O
 *     tekken    o200k without contractions, single N
 *
 * And the three splits of DeepSeek V3 and later as one, P being punctuation and symbols, and letters
 * including marks. Chinese and kana are a text of their own, numbers end a text:
 *
 *     deepseek  N{1,3} | ASCII-P ASCII-L+ | [^NL L P]?L+ | ?P+ NL* | W with newlines | W, and what
 *               none of them takes, up to where one does
 *
 * And the five steps of DeepSeek Coder, in scan_coder.c.
 */
#ifndef TOK_SPLIT_SCAN_H
#define TOK_SPLIT_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "simd/isa.h"

enum tok_program {
    TOK_GPT2,
    TOK_CL100K,
    TOK_LLAMA3,
    TOK_QWEN2,
    TOK_QWEN35,
    TOK_O200K,
    TOK_TEKKEN,
    TOK_DEEPSEEK,
    TOK_CODER,
    TOK_PROGRAMS,
};

/*
 * Ends of up to room (>= 1) pieces of text [n], n < 2^32, the first of which begins at from < n;
 * returns how many, >= 1. May stop early.
 */
typedef uint64_t (*tok_scan_fn)(const uint8_t *text, uint64_t n, uint64_t from, uint32_t *ret_ends,
                                uint64_t room);
/* The end of the piece that begins at `at` < n. */
typedef uint64_t (*tok_piece_fn)(const uint8_t *text, uint64_t n, uint64_t at);

struct tok_scan {
    tok_scan_fn ends[TOK_PROGRAMS];
};

/* isa: one that is here. */
void tok_scan_init(struct tok_scan *scan, enum tok_isa isa);

/* The functions of one; a vector version leaves alone what it has no function for. */
void tok_scan_init_c(struct tok_scan *scan);
void tok_scan_init_avx2(struct tok_scan *scan);
void tok_scan_init_avx512(struct tok_scan *scan);
void tok_scan_init_neon(struct tok_scan *scan);

/* For vector versions: what a window of 64 bytes does not show is left to the scalar code. */
extern const tok_piece_fn tok_scan_piece[TOK_PROGRAMS];

/* Both parts of TOK_CODER. */
uint64_t tok_scan_coder_piece(const uint8_t *text, uint64_t n, uint64_t at);
uint64_t tok_scan_coder_ends(const uint8_t *text, uint64_t n, uint64_t from, uint32_t *ret_ends,
                             uint64_t room);
#endif
