/*
 * Byte pair encoding of many short words at once, by merging as it is defined (short_merge.h), a
 * merge of each word in turn. Merging one word is a chain: the least of its pairs, the look-ups of
 * the two new ones, the least again. It is some hundred cycles a merge, most of them spent waiting;
 * those of several words fill each other's gaps, as long as nothing has to be guessed. So here
 * nothing is: all pairs of a word are 32 integers whose least is a handful of vector instructions,
 * and a pair is looked up in one place (pair_map.h). Only that a word is finished is a branch.
 *
 * Symbols have numbers in the order of merges: their own, if that is how they stand, as in most
 * vocabularies. So a symbol's number is its rank, and a pair at a place is one integer. The last ones
 * may be of one rank (Llama 2: spaces to runs of spaces): they go by the same number as pairs, so that
 * the place decides, and what they become is looked up when it is their turn.
 *
 * In byte-level vocabularies a character of several bytes starts out whole where that is proved to
 * change nothing: it is a symbol, and both merges across its borders, whatever they are, come after
 * the last one inside it (`across`: the first merge of any two symbols by the byte that ends the one
 * and the byte that begins the other). Then, until it is whole, the next merge inside it comes before
 * any across its borders, so it becomes whole; and as none across a border could have come before
 * that anyway, all other merges are those of a text in which it was whole from the start.
 */
#ifndef TOK_MODEL_MERGE_MANY_H
#define TOK_MODEL_MERGE_MANY_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "model/pair_map.h"
#include "simd/isa.h"

#define TOK_MANY_PARTS 62  /* bytes or characters that a word starts out as */
#define TOK_MANY_BYTES 128 /* of a word */

struct tok_new_word {
    uint32_t size;
    uint32_t count;                   /* of ids; 0: not done here */
    uint8_t text[TOK_MANY_BYTES + 8]; /* [size], then at least 3 zeros */
    uint32_t ids[TOK_MANY_PARTS + 2];
};

/*
 * What is known of a character that may start out whole, and of two bytes next to each other, in 32 bits
 * each, because few lines of these tables are in a near cache when they are asked for. The low 20 bits are
 * a number, or all ones. The high 12 are numbers divided by 256, which errs towards "not whole": of a
 * character the last merge inside, of two bytes the first one across, or all ones.
 */
#define TOK_MANY_NUMBER (TOK_PAIR_MAP_SIDES - 1)
#define TOK_MANY_UNIT_BITS 8

struct tok_many;
/* Each word [count] to ids. */
typedef void (*tok_many_fn)(const struct tok_many *m, struct tok_new_word *words, uint64_t count);

struct tok_many {
    tok_many_fn run; /* NULL: there is none for this vocabulary or processor */
    struct tok_pair_map pairs;
    uint32_t *borders; /* [256 * 256] of two bytes; number: what they become, if each is a symbol */
    uint32_t *wholes;  /* [0x10000] by code point; a byte b alone at 0xD800 + b */
    bool characters;   /* are what text starts out as */
    uint32_t bytes[256]; /* their numbers; all ones: no symbol */
    uint32_t *symbols;   /* of numbers; NULL: the same */
    uint32_t ids;        /* symbols below are ids */
    uint32_t tied;       /* numbers from here on are of one rank */
    bool marker;         /* U+2581, SentencePiece's space, is the byte 0x80 in these tables */
    struct tok_pages memory, more;
};

struct tok_bpe;
/* From b's items. Leaves run NULL where it does not apply or memory is short. */
void tok_many_init(struct tok_many *m, const struct tok_bpe *b);
void tok_many_done(struct tok_many *m);

/* isa: one that is here. NULL: it has none; short_merge.h and chain.h are the scalar twins. */
tok_many_fn tok_many_run_of(enum tok_isa isa);
void tok_many_run_avx2(const struct tok_many *m, struct tok_new_word *words, uint64_t count);
void tok_many_run_avx512(const struct tok_many *m, struct tok_new_word *words, uint64_t count);
void tok_many_run_neon(const struct tok_many *m, struct tok_new_word *words, uint64_t count);
#endif
