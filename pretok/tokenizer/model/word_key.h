/*
 * Words of up to 15 bytes as two integers: their bytes, the rest zero, and their size at the top.
 */
#ifndef TOK_MODEL_WORD_KEY_H
#define TOK_MODEL_WORD_KEY_H

#include <stdint.h>

#include "text/load8.h"

#define TOK_WORD_KEY_BYTES 15

/* The first n bytes of 16, in two halves. */
static const uint64_t tok_word_masks[16][2] = {
    {0, 0},
    {0xFF, 0},
    {0xFFFF, 0},
    {0xFFFFFF, 0},
    {0xFFFFFFFF, 0},
    {0xFFFFFFFFFF, 0},
    {0xFFFFFFFFFFFF, 0},
    {0xFFFFFFFFFFFFFF, 0},
    {UINT64_MAX, 0},
    {UINT64_MAX, 0xFF},
    {UINT64_MAX, 0xFFFF},
    {UINT64_MAX, 0xFFFFFF},
    {UINT64_MAX, 0xFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFFFF},
    {UINT64_MAX, 0xFFFFFFFFFFFFFF},
};

/* Both halves of the product: all bits depend on all. */
static inline uint64_t tok_word_hash2(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0x9FB21C651E98DF25u);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Reads 16 bytes, of which the word is the first [size]. */
static inline void tok_word_key(uint64_t key[2], const uint8_t *at, uint64_t size)
{
    key[0] = tok_load8(at) & tok_word_masks[size][0];
    key[1] = (tok_load8(at + 8) & tok_word_masks[size][1]) | size << 56;
}
#endif
