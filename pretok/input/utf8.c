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

bool pretok_utf8_repair(struct pretok_bytes *b, uint64_t from, tok_utf8_fn check,
                        uint64_t *replaced)
{
    uint64_t end = b->size, bad = 0, i;

    if (from == end) /* there may be no bytes at all */
        return true;
    i = from + check(b->at + from, end - from);
    if (i == end)
        return true;
    for (uint64_t k = i; k < end; bad++) {
        k += pretok_utf8_bad_subpart(b->at + k, end - k);
        k += check(b->at + k, end - k);
    }
    /* a subpart of one byte grows by two; write behind the text, then move it into place */
    if (!pretok_bytes_reserve(b, (end - i) + 2 * bad))
        return false;
    uint8_t *out = b->at + end;
    for (uint64_t k = i; k < end;) {
        uint64_t good = check(b->at + k, end - k);
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
