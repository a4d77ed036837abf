/* 64-bit arithmetic that reports overflow; true means overflow and leaves *out unspecified. */
#ifndef NGT_CHECKED_H
#define NGT_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

static inline bool ngt_add_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    return __builtin_add_overflow(a, b, out);
}

static inline bool ngt_mul_u64(uint64_t *out, uint64_t a, uint64_t b)
{
    return __builtin_mul_overflow(a, b, out);
}

/* Is [offset, offset + bytes) inside [0, size)? Cannot overflow. */
static inline bool ngt_in_range(uint64_t offset, uint64_t bytes, uint64_t size)
{
    return offset <= size && bytes <= size - offset;
}

/* Rounds up to a multiple of align (a power of two); true on overflow. */
static inline bool ngt_align_u64(uint64_t *out, uint64_t value, uint64_t align)
{
    if (__builtin_add_overflow(value, align - 1, out))
        return true;
    *out &= ~(align - 1);
    return false;
}

#endif
