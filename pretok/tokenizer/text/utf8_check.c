#include "text/utf8_check.h"

#include "text/load8.h"
#include "text/utf8.h"

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

uint64_t tok_utf8_check_c(const uint8_t *at, uint64_t n)
{
    uint64_t i = 0;

    while (i < n) {
        /* ASCII, nearly all of the bytes of most corpora; behind it the next byte is found at once */
        const uint64_t tops = UINT64_C(0x8080808080808080);
        while (n - i >= 16 && ((tok_load8(at + i) | tok_load8(at + i + 8)) & tops) == 0)
            i += 16;
        while (n - i >= 8) {
            uint64_t other = tok_load8(at + i) & tops;
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
            unsigned usual = n - i >= 8 ? usual_sequences(tok_load8(at + i)) : 0;
            if (usual) {
                i += usual;
                continue;
            }
            unsigned length = tok_utf8_size(at + i, n - i);
            if (!length)
                return i;
            i += length;
        }
    }
    return i;
}

tok_utf8_fn tok_utf8_check(void)
{
    return tok_utf8_check_of(tok_isa_chosen());
}
