/*
 * Lanes of NEON, as every aarch64 has it: four vectors of 16 bytes, since to make a mask of 64 bytes
 * takes hardly more than to make one of 16. See lanes.h, which includes this.
 */
#include <arm_neon.h>

#define LANES 64
typedef struct {
    uint8x16_t a, b, c, d;
} bytes;
typedef bytes test; /* 0 or 0xFF */
typedef uint8x16_t table16;
typedef uint64_t lane_mask;

#define EACH(f, x) ((bytes){f((x).a), f((x).b), f((x).c), f((x).d)})
#define EACH_PAIR(f, x, y)                                                                         \
    ((bytes){f((x).a, (y).a), f((x).b, (y).b), f((x).c, (y).c), f((x).d, (y).d)})

INLINE bytes load(const uint8_t *at)
{
    return (bytes){vld1q_u8(at), vld1q_u8(at + 16), vld1q_u8(at + 32), vld1q_u8(at + 48)};
}

INLINE void store(uint8_t *at, bytes x)
{
    vst1q_u8(at, x.a);
    vst1q_u8(at + 16, x.b);
    vst1q_u8(at + 32, x.c);
    vst1q_u8(at + 48, x.d);
}

INLINE bytes all(unsigned c)
{
    uint8x16_t v = vdupq_n_u8((uint8_t)c);
    return (bytes){v, v, v, v};
}

INLINE bytes bytes_and(bytes x, bytes y)
{
    return EACH_PAIR(vandq_u8, x, y);
}

INLINE bytes bytes_or(bytes x, bytes y)
{
    return EACH_PAIR(vorrq_u8, x, y);
}

INLINE bytes bytes_xor(bytes x, bytes y)
{
    return EACH_PAIR(veorq_u8, x, y);
}

INLINE bytes bytes_less(bytes x, bytes y)
{
    return EACH_PAIR(vqsubq_u8, x, y);
}

INLINE table16 table(const uint8_t *at)
{
    return vld1q_u8(at);
}

INLINE bytes by(table16 t, bytes x)
{
    return (bytes){vqtbl1q_u8(t, x.a), vqtbl1q_u8(t, x.b), vqtbl1q_u8(t, x.c), vqtbl1q_u8(t, x.d)};
}

INLINE bytes by_low(table16 t, bytes x)
{
    return by(t, bytes_and(x, all(15)));
}

INLINE bytes by_low_ascii(table16 t, bytes x)
{
    return by_low(t, x);
}

INLINE bytes by_high(table16 t, bytes x)
{
    return by(
        t, (bytes){vshrq_n_u8(x.a, 4), vshrq_n_u8(x.b, 4), vshrq_n_u8(x.c, 4), vshrq_n_u8(x.d, 4)});
}

INLINE bytes behind_1(bytes x, bytes before)
{
    return (bytes){vextq_u8(before.d, x.a, 15), vextq_u8(x.a, x.b, 15), vextq_u8(x.b, x.c, 15),
                   vextq_u8(x.c, x.d, 15)};
}

INLINE bytes behind_2(bytes x, bytes before)
{
    return (bytes){vextq_u8(before.d, x.a, 14), vextq_u8(x.a, x.b, 14), vextq_u8(x.b, x.c, 14),
                   vextq_u8(x.c, x.d, 14)};
}

INLINE bytes behind_3(bytes x, bytes before)
{
    return (bytes){vextq_u8(before.d, x.a, 13), vextq_u8(x.a, x.b, 13), vextq_u8(x.b, x.c, 13),
                   vextq_u8(x.c, x.d, 13)};
}

INLINE test is(bytes x, unsigned c)
{
    return EACH_PAIR(vceqq_u8, x, all(c));
}

INLINE test within(bytes x, unsigned low, unsigned high)
{
    bytes moved = EACH_PAIR(vsubq_u8, x, all(low));
    return EACH_PAIR(vcleq_u8, moved, all(high - low));
}

INLINE test has(bytes x, unsigned bits)
{
    return EACH_PAIR(vtstq_u8, x, all(bits));
}

INLINE test misses(bytes x, bytes y)
{
    return EACH(vceqzq_u8, bytes_and(x, y));
}

INLINE test test_none(void)
{
    return all(0);
}

INLINE test test_and(test a, test b)
{
    return bytes_and(a, b);
}

INLINE test test_or(test a, test b)
{
    return bytes_or(a, b);
}

INLINE test test_andnot(test a, test b)
{
    return EACH_PAIR(vbicq_u8, b, a);
}

INLINE bytes bytes_of(test t)
{
    return t;
}

INLINE bytes pick(test t, bytes x, bytes y)
{
    return (bytes){vbslq_u8(t.a, x.a, y.a), vbslq_u8(t.b, x.b, y.b), vbslq_u8(t.c, x.c, y.c),
                   vbslq_u8(t.d, x.d, y.d)};
}

/* A bit of each byte by its place among eight, added up to bytes of the mask. */
INLINE lane_mask mask_of(test t)
{
    static const uint8_t places[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bit = vld1q_u8(places);
    uint8x16_t ab = vpaddq_u8(vandq_u8(t.a, bit), vandq_u8(t.b, bit));
    uint8x16_t cd = vpaddq_u8(vandq_u8(t.c, bit), vandq_u8(t.d, bit));
    uint8x16_t all_four = vpaddq_u8(ab, cd);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(all_four, all_four)), 0);
}

INLINE uint8_t greatest(bytes x)
{
    return vmaxvq_u8(vmaxq_u8(vmaxq_u8(x.a, x.b), vmaxq_u8(x.c, x.d)));
}

INLINE bool any(bytes x)
{
    return greatest(x) != 0;
}

INLINE bool ascii(bytes x)
{
    return greatest(x) < 0x80;
}

INLINE void write_bits(uint32_t *out, uint32_t base, uint64_t mask)
{
    write_bits_singly(out, base, mask);
}

INLINE uint32_t least_of_32(const uint32_t *at)
{
    uint32x4_t a = vminq_u32(vld1q_u32(at), vld1q_u32(at + 4));
    uint32x4_t b = vminq_u32(vld1q_u32(at + 8), vld1q_u32(at + 12));
    uint32x4_t c = vminq_u32(vld1q_u32(at + 16), vld1q_u32(at + 20));
    uint32x4_t d = vminq_u32(vld1q_u32(at + 24), vld1q_u32(at + 28));

    return vminvq_u32(vminq_u32(vminq_u32(a, b), vminq_u32(c, d)));
}
