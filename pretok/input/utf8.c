#include "input/utf8.h"

#include <string.h>

/*
 * Length of the well-formed sequence at at[0] (not ASCII), or 0. What bounds the second byte is the
 * whole difference between the lead bytes, the rest are 80..BF.
 */
static unsigned sequence(const uint8_t *at, uint64_t n, unsigned *ret_good)
{
    uint8_t lead = at[0], low = 0x80, high = 0xBF;
    unsigned need;

    *ret_good = 1;
    if (lead >= 0xC2 && lead <= 0xDF) {
        need = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        need = 3;
        if (lead == 0xE0)
            low = 0xA0;
        else if (lead == 0xED)
            high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        need = 4;
        if (lead == 0xF0)
            low = 0x90;
        else if (lead == 0xF4)
            high = 0x8F;
    } else {
        return 0;
    }
    for (unsigned i = 1; i < need; i++) {
        if (i >= n || at[i] < low || at[i] > high)
            return 0;
        *ret_good = i + 1;
        low = 0x80;
        high = 0xBF;
    }
    return need;
}

static uint64_t load(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/*
 * Bytes of well-formed sequences of two or three at at[0 .. 7], as many as are told at once; 0: at
 * least the first one needs a closer look. v: these bytes, the first one lowest.
 */
static unsigned usual_sequences(uint64_t v)
{
    const uint64_t two = v & UINT64_C(0x001E001E001E001E), lanes = UINT64_C(0x0001000100010001);

    /* four of two; a lead of C0 or C1 has nothing in the bits of `two` */
    if ((v & UINT64_C(0xC0E0C0E0C0E0C0E0)) == UINT64_C(0x80C080C080C080C0) &&
        ((two - lanes) & ~two & lanes << 15) == 0)
        return 8;
    if ((v & 0xC0E0) == 0x80C0)
        return (v & 0x1E) ? 2 : 0;
    if ((v & 0xC0C0F0) != 0x8080E0)
        return 0;
    /* behind E0 bit 5 of the second byte must be set, behind ED it must not */
    if ((v & 0x200F) == 0 || (v & 0x200F) == 0x200D)
        return 0;
    v >>= 24;
    return (v & 0xC0C0F0) == 0x8080E0 && (v & 0x200F) != 0 && (v & 0x200F) != 0x200D ? 6 : 3;
}

uint64_t pretok_utf8_valid_prefix(const uint8_t *at, uint64_t n)
{
    uint64_t i = 0;

    while (i < n) {
        /* ASCII, nearly all of the bytes of most corpora; behind it the next byte is found at once */
        const uint64_t tops = UINT64_C(0x8080808080808080);
        while (n - i >= 16 && ((load(at + i) | load(at + i + 8)) & tops) == 0)
            i += 16;
        while (n - i >= 8) {
            uint64_t other = load(at + i) & tops;
            if (other) {
                i += (uint64_t)__builtin_ctzll(other) / 8;
                break;
            }
            i += 8;
        }
        while (i < n && at[i] < 0x80)
            i++;
        /* then sequences as long as they last */
        while (i < n && at[i] >= 0x80) {
            unsigned usual = n - i >= 8 ? usual_sequences(load(at + i)) : 0;
            if (usual) {
                i += usual;
                continue;
            }
            unsigned good, length = sequence(at + i, n - i, &good);
            if (!length)
                return i;
            i += length;
        }
    }
    return i;
}

uint64_t pretok_utf8_characters(const uint8_t *at, uint64_t n)
{
    uint64_t count = 0;

    for (uint64_t i = 0; i < n; i++)
        count += (at[i] & 0xC0) != 0x80;
    return count;
}

uint64_t pretok_utf8_bad_subpart(const uint8_t *at, uint64_t n)
{
    unsigned good;

    (void)sequence(at, n, &good);
    return good;
}

bool pretok_utf8_repair(struct pretok_bytes *b, uint64_t from, uint64_t *replaced)
{
    uint64_t end = b->size, bad = 0, i;

    if (from == end) /* there may be no bytes at all */
        return true;
    i = from + pretok_utf8_valid_prefix(b->at + from, end - from);
    if (i == end)
        return true;
    for (uint64_t k = i; k < end; bad++) {
        k += pretok_utf8_bad_subpart(b->at + k, end - k);
        k += pretok_utf8_valid_prefix(b->at + k, end - k);
    }
    /* a subpart of one byte grows by two; write behind the text, then move it into place */
    if (!pretok_bytes_reserve(b, (end - i) + 2 * bad))
        return false;
    uint8_t *out = b->at + end;
    for (uint64_t k = i; k < end;) {
        uint64_t good = pretok_utf8_valid_prefix(b->at + k, end - k);
        memcpy(out, b->at + k, good);
        out += good;
        k += good;
        if (k < end) {
            k += pretok_utf8_bad_subpart(b->at + k, end - k);
            memcpy(out, "\xEF\xBF\xBD", 3);
            out += 3;
        }
    }
    uint64_t written = (uint64_t)(out - (b->at + end));
    memmove(b->at + i, b->at + end, written);
    b->size = i + written;
    *replaced += bad;
    return true;
}

unsigned pretok_utf8_put(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}
