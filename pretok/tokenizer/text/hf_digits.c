/* See hf_digits.h. */
#include "text/hf_digits.h"

#include <stdbool.h>

#include "text/hf_tables.h"
#include "text/utf8_inline.h"

/* One ASCII character; without a branch, since in base64 digits are anywhere. */
static inline uint8_t *put(uint8_t *to, uint8_t c, bool *begins)
{
    bool digit = (uint8_t)(c - '0') < 10;

    *to = ' ';
    to += digit | (*begins & (c != ' '));
    *to = c;
    *begins = digit;
    return to + 1;
}

static inline bool ascii8(const uint8_t *text)
{
    uint64_t eight;

    memcpy(&eight, text, sizeof eight);
    return !(eight & UINT64_C(0x8080808080808080));
}

enum ngt_status tok_hf_space_digits(const uint8_t *text, uint64_t n, struct tok_buffer *out,
                                    struct ngt_error *reterr)
{
    enum ngt_status status = tok_buffer_reserve(out, 2 * n + 4, reterr);
    bool begins = true; /* a piece, here */
    unsigned size;

    if (status != NGT_OK)
        return status;
    uint8_t *to = out->at + out->size;
    for (uint64_t at = 0; at < n;) {
        for (; n - at >= 8 && ascii8(text + at); at += 8)
            for (unsigned i = 0; i < 8; i++)
                to = put(to, text[at + i], &begins);
        if (at == n)
            break;
        if (text[at] < 0x80) {
            to = put(to, text[at++], &begins);
            continue;
        }
        bool digit = tok_hf_class(tok_utf8_get(text + at, &size)) & TOK_HF_NUMERIC;
        if (digit || begins)
            *to++ = ' ';
        memcpy(to, text + at, size);
        to += size;
        begins = digit;
        at += size;
    }
    out->size = (uint64_t)(to - out->at);
    return NGT_OK;
}
