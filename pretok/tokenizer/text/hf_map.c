/* See hf_map.h. */
#include "text/hf_map.h"

#include <string.h>

#include "text/load8.h"
#include "text/utf8_inline.h"

/* The longest that one character becomes: " c " of BertNormalizer. */
#define MOST 8

/* Of the characters that ByteLevel writes as themselves. */
static bool is_own_char(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

uint32_t tok_hf_byte_char(uint8_t byte)
{
    if (is_own_char(byte))
        return byte;
    /* the others are numbered from U+0100 in their own order: 00-20, 7F-A0, AD */
    return byte <= 0x20 ? 0x100u + byte : byte <= 0xA0 ? 0x121u + byte - 0x7Fu : 0x143u;
}

int tok_hf_char_byte(uint32_t c)
{
    if (c < 0x100)
        return is_own_char(c) ? (int)c : -1;
    if (c <= 0x120)
        return (int)(c - 0x100);
    if (c <= 0x142)
        return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

/* Eight of '!' to '~'? Those stand for themselves. */
static bool eight_own(uint64_t v)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), high = ones * 0x80;
    /* adding carries into the high bit from '!' on, adding one more from 0x7F on */
    return ((v | (v + ones) | ~(v + ones * (0x80 - '!'))) & high) == 0;
}

uint64_t tok_hf_chars_bytes(const uint8_t *text, uint64_t n, uint8_t *out)
{
    uint64_t used = 0;

    for (uint64_t at = 0; at < n;) {
        if (n - at >= 8 && eight_own(tok_load8(text + at))) {
            memcpy(out + used, text + at, 8);
            at += 8;
            used += 8;
            continue;
        }
        unsigned size;
        int byte = tok_hf_char_byte(tok_utf8_get(text + at, &size));
        if (byte < 0)
            return UINT64_MAX;
        out[used++] = (uint8_t)byte;
        at += size;
    }
    return used;
}

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static bool nmt_drops(uint32_t c)
{
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
           c == 0x9F;
}

static bool nmt_blanks(uint32_t c)
{
    return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
}

/* What c becomes: *size bytes at out; 0 is nothing. */
static unsigned map_one(enum tok_hf_step step, uint32_t c, uint8_t *out)
{
    unsigned size;

    switch (step) {
    case TOK_HF_LOWERCASE:
        if (c == 0x130) { /* the only letter that becomes two */
            memcpy(out, "i\xCC\x87", 3);
            return 3;
        }
        return tok_utf8_put(tok_hf_lower(c), out);
    case TOK_HF_STRIP_ACCENTS:
        return tok_hf_class(c) & TOK_HF_COMBINING ? 0 : tok_utf8_put(c, out);
    case TOK_HF_BERT_ACCENTS:
        return tok_hf_class(c) & TOK_HF_NONSPACING ? 0 : tok_utf8_put(c, out);
    case TOK_HF_NMT:
        return nmt_drops(c) ? 0 : tok_utf8_put(nmt_blanks(c) ? ' ' : c, out);
    case TOK_HF_BERT_CLEAN:
        if (tok_hf_class(c) & TOK_HF_OTHER)
            return 0;
        return tok_utf8_put(tok_hf_class(c) & TOK_HF_RUST_SPACE ? ' ' : c, out);
    case TOK_HF_BERT_CHINESE:
        if (!is_chinese(c))
            return tok_utf8_put(c, out);
        out[0] = ' ';
        size = tok_utf8_put(c, out + 1);
        out[size + 1] = ' ';
        return size + 2;
    default:
        return tok_utf8_put(c, out);
    }
}

/* Is c what it becomes? */
static bool stays(enum tok_hf_step step, uint32_t c)
{
    switch (step) {
    case TOK_HF_LOWERCASE:
        return c != 0x130 && tok_hf_lower(c) == c;
    case TOK_HF_STRIP_ACCENTS:
        return !(tok_hf_class(c) & TOK_HF_COMBINING);
    case TOK_HF_BERT_ACCENTS:
        return !(tok_hf_class(c) & TOK_HF_NONSPACING);
    case TOK_HF_NMT:
        return !nmt_drops(c) && !nmt_blanks(c);
    case TOK_HF_BERT_CLEAN:
        return !(tok_hf_class(c) & TOK_HF_OTHER) &&
               (!(tok_hf_class(c) & TOK_HF_RUST_SPACE) || c == ' ');
    case TOK_HF_BERT_CHINESE:
        return !is_chinese(c);
    default:
        return true;
    }
}

static enum ngt_status byte_chars(const uint8_t *text, uint64_t n, struct tok_buffer *out,
                                  uint64_t *lead, struct ngt_error *reterr)
{
    uint64_t first = *lead;
    enum ngt_status status = tok_buffer_reserve(out, 2 * n, reterr);

    for (uint64_t i = 0; i < n && status == NGT_OK; i++) {
        out->size += tok_utf8_put(tok_hf_byte_char(text[i]), out->at + out->size);
        if (i < first)
            *lead = out->size;
    }
    return status;
}

/* Is an ASCII character as it is after this step, whichever it is? Then runs of them are copied. */
static uint64_t untouched(enum tok_hf_step step, const uint8_t *text, uint64_t n)
{
    uint64_t i = 0;

    switch (step) {
    case TOK_HF_STRIP_ACCENTS:
    case TOK_HF_BERT_ACCENTS:
    case TOK_HF_BERT_CHINESE:
        return tok_ascii_prefix(text, n);
    case TOK_HF_LOWERCASE:
        while (i < n && text[i] < 0x80 && !(text[i] >= 'A' && text[i] <= 'Z'))
            i++;
        return i;
    default:
        while (i < n && text[i] >= 0x20 && text[i] < 0x7F)
            i++;
        return i;
    }
}

/* ASCII to lower case, without a branch at each capital: text of random ones (base64) had them for a
 * third of its mispredictions. */
static void lower_ascii(const uint8_t *text, uint64_t n, uint8_t *out)
{
    for (uint64_t i = 0; i < n; i++)
        out[i] = (uint8_t)(text[i] + (text[i] >= 'A' && text[i] <= 'Z') * 32);
}

/* One function a step: what a step does is known while it is compiled. */
static inline __attribute__((always_inline)) enum ngt_status
map_all(enum tok_hf_step step, const uint8_t *text, uint64_t n, struct tok_buffer *out,
        bool *ret_changed, uint64_t *lead, struct ngt_error *reterr)
{
    uint64_t copied = 0, at = 0, first = *lead;
    unsigned size;
    uint8_t one[MOST];

    while (at < n) {
        if (text[at] < 0x80) {
            uint64_t run = untouched(step, text + at, n - at);
            if (run) {
                at += run;
                continue;
            }
        }
        if (step == TOK_HF_LOWERCASE && text[at] < 0x80) {
            uint64_t run = tok_ascii_prefix(text + at, n - at);
            enum ngt_status status = tok_buffer_reserve(out, at - copied + run, reterr);
            if (status != NGT_OK)
                return status;
            tok_buffer_put(out, text + copied, at - copied);
            lower_ascii(text + at, run, out->at + out->size);
            out->size += run;
            *ret_changed = true;
            copied = at += run;
            continue;
        }
        uint32_t c = tok_utf8_get(text + at, &size);
        if (stays(step, c)) {
            at += size;
            continue;
        }
        unsigned became = map_one(step, c, one);
        enum ngt_status status = tok_buffer_reserve(out, at - copied + became, reterr);
        if (status != NGT_OK)
            return status;
        tok_buffer_put(out, text + copied, at - copied);
        tok_buffer_put(out, one, became);
        if (at < first)
            *lead = *lead + became - size;
        *ret_changed = true;
        at += size;
        copied = at;
    }
    if (!*ret_changed)
        return NGT_OK;
    enum ngt_status status = tok_buffer_reserve(out, n - copied, reterr);
    if (status == NGT_OK)
        tok_buffer_put(out, text + copied, n - copied);
    return status;
}

enum ngt_status tok_hf_map(enum tok_hf_step step, const uint8_t *text, uint64_t n,
                           struct tok_buffer *out, bool *ret_changed, uint64_t *lead,
                           struct ngt_error *reterr)
{
    *ret_changed = false;
    switch (step) {
    case TOK_HF_BYTE_CHARS:
        *ret_changed = n != 0;
        return byte_chars(text, n, out, lead, reterr);
    case TOK_HF_LOWERCASE:
        return map_all(TOK_HF_LOWERCASE, text, n, out, ret_changed, lead, reterr);
    case TOK_HF_STRIP_ACCENTS:
        return map_all(TOK_HF_STRIP_ACCENTS, text, n, out, ret_changed, lead, reterr);
    default:
        return map_all(step, text, n, out, ret_changed, lead, reterr);
    }
}
