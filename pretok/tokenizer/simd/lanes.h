/*
 * What the vector loops (split/scan_simd.c, text/scan_sp_simd.c) are written in: a few operations on
 * LANES bytes at a time. Each instruction set has a header with all of them and nothing else, and
 * the loops are compiled once against each: TOK_ISA is its name, TOK_ISA_HEADER the header.
 *
 * A header defines:
 *
 *     LANES          bytes at a time; 64 is a multiple, and at most twice, of it
 *     bytes          LANES bytes; byte 0 is the first in memory, on any machine
 *     test           a truth for each of them. What it is made of is the set's own: bytes whose
 *                    highest bit tells (AVX2), a mask register (AVX-512), 0 or 0xFF (NEON)
 *     lane_mask      unsigned integer of LANES bits: bit i for byte i
 *     table16        a table of 16 bytes
 *
 *     load, store    no alignment is asked for
 *     all(c)         c in every byte
 *     bytes_and, _or, _xor, bytes_less (a - b, but not below 0)
 *     table(p)       of 16 bytes at p
 *     by_low, by_high(t, x)     the entry by the low, the high four bits of each byte
 *     by_low_ascii(t, x)        by_low where the byte is below 0x80; elsewhere anything
 *     behind_1, _2, _3(x, before)   x moved by that many bytes, what moves in being the last of
 *                               `before`, which stood in front of x in memory
 *     is(x, c), within(x, low, high)    comparisons
 *     has(x, bits)   is one of the bits set? One or two bits
 *     misses(x, y)   has x no bit in common with y? A comparison too
 *     test_none, test_and, test_or, test_andnot (not a, but b)
 *     bytes_of(t)    of a comparison: 0 where it fails, something else where it holds
 *     pick(t, x, y)  x where t holds, else y
 *     mask_of(t)     as an integer
 *     any(x)         is a byte not 0?
 *     ascii(x)       are all bytes below 0x80?
 *     write_bits(out, base, mask)   base + i for each bit i of the 64, ascending, to out; may write
 *                               up to 64 of them whatever the mask
 *     least_of_32(p)  of 32 integers of 32 bits at p
 */
#ifndef TOK_SIMD_LANES_H
#define TOK_SIMD_LANES_H

#include <stdbool.h>
#include <stdint.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

/* Zeros below the lowest bit that is set, above the highest one: 64 of 0. And x without the bits from
 * n on, n < 64. Each is one instruction, but GCC 12 does not find those of x86 in the expressions,
 * which costs a quarter of the speed of splits. */
INLINE unsigned zeros_below(uint64_t x)
{
#ifdef __x86_64__
    return (unsigned)_tzcnt_u64(x);
#else
    return x ? (unsigned)__builtin_ctzll(x) : 64;
#endif
}

INLINE unsigned zeros_above(uint64_t x)
{
#ifdef __x86_64__
    return (unsigned)_lzcnt_u64(x);
#else
    return x ? (unsigned)__builtin_clzll(x) : 64;
#endif
}

INLINE uint64_t bits_below(uint64_t x, unsigned n)
{
#ifdef __x86_64__
    return _bzhi_u64(x, n);
#else
    return x & (((uint64_t)1 << n) - 1);
#endif
}

/* write_bits where nothing better is at hand: eight at a time, since their number, which a branch
 * would depend on, is the text's. */
INLINE void write_bits_singly(uint32_t *out, uint32_t base, uint64_t mask)
{
    do {
        for (int i = 0; i < 8; i++) {
            out[i] = base + zeros_below(mask);
            mask &= mask - 1;
        }
        out += 8;
    } while (mask);
}

#include TOK_ISA_HEADER

/* The name of a function of this instruction set: TOK_ISA_NAME(tok_scan_init) */
#define TOK_ISA_GLUE_(name, isa) name##_##isa
#define TOK_ISA_GLUE(name, isa) TOK_ISA_GLUE_(name, isa)
#define TOK_ISA_NAME(name) TOK_ISA_GLUE(name, TOK_ISA)
#endif
