/*
 * The steps of DeepSeek Coder as one: newlines one by one, letters with a space before them,
 * punctuation with a space before it, characters of a wide range that holds CJK, digits one by one.
 * Each step cuts the pieces of the one before; what a step does not match stays a piece. Where a
 * piece ends does not depend on what came before it:
 *  - A space before a letter or a mark of punctuation always begins a match, since a match ends with
 *    one of these.
 *  - Within what the first three steps made, pieces end where the range is entered or left, and
 *    around digits.
 * Scalar only: the family is an old one.
 */
#include "split/scan.h"
#include "text/hf_tables.h"
#include "text/unicode.h"

enum kind { OTHER, NEWLINE, SPACE, LETTER, PUNCTUATION, DIGIT, NOTHING };

struct seen {
    enum kind kind;
    bool wide;
    unsigned size;
};

#define X1(c)                                                                                      \
    ((c) == '\n' || (c) == '\r'                                 ? NEWLINE                          \
     : (c) == ' ' || ((c) >= 9 && (c) <= 13)                    ? SPACE                            \
     : ((c) >= 'A' && (c) <= 'Z') || ((c) >= 'a' && (c) <= 'z') ? LETTER                           \
     : (c) >= '0' && (c) <= '9'                                 ? DIGIT                            \
     : (c) < ' ' || (c) == 0x7F || (c) == '$' || (c) == '+' || (c) == '|' || (c) == '~' ||         \
             (c) == '^' || (c) == '`' || ((c) >= '<' && (c) <= '>')                                \
         ? OTHER                                                                                   \
         : PUNCTUATION)
#define X4(c) X1(c), X1((c) + 1), X1((c) + 2), X1((c) + 3)
#define X16(c) X4(c), X4((c) + 4), X4((c) + 8), X4((c) + 12)
static const uint8_t ascii[128] = {X16(0),    X16(0x10), X16(0x20), X16(0x30),
                                   X16(0x40), X16(0x50), X16(0x60), X16(0x70)};

static inline struct seen look(const uint8_t *text, uint64_t n, uint64_t at)
{
    struct seen s = {NOTHING, false, 0};

    if (at >= n)
        return s;
    if (text[at] < 0x80)
        return (struct seen){ascii[text[at]], false, 1};
    uint32_t c = tok_unicode_decode(text, n, at, &s.size);
    unsigned class = tok_unicode_class(c);
    s.wide = (c >= 0x0800 && c <= 0x9FA5) || (c >= 0xAC00 && c <= 0xD7FF);
    /* digits are what Rust's library calls numeric; all else is as Oniguruma has it */
    s.kind = tok_hf_class(c) & TOK_HF_NUMERIC ? DIGIT
             : class & TOK_LETTER             ? LETTER
             : class & TOK_PUNCT              ? PUNCTUATION
             : class & TOK_SPACE              ? SPACE
                                              : OTHER;
    return s;
}

uint64_t tok_scan_coder_piece(const uint8_t *text, uint64_t n, uint64_t at)
{
    struct seen first = look(text, n, at), next = look(text, n, at + first.size);
    enum kind kind = first.kind;

    at += first.size;
    if (kind == NEWLINE || kind == DIGIT)
        return at;
    if (kind == SPACE)
        kind = next.kind == LETTER || next.kind == PUNCTUATION ? next.kind : OTHER;
    for (; next.wide == first.wide; next = look(text, n, at)) {
        if (next.kind != kind) {
            if (kind != OTHER || next.kind != SPACE)
                break;
            enum kind after = look(text, n, at + next.size).kind;
            if (after == LETTER || after == PUNCTUATION)
                break;
        }
        at += next.size;
    }
    return at;
}

uint64_t tok_scan_coder_ends(const uint8_t *text, uint64_t n, uint64_t from, uint32_t *ret_ends,
                             uint64_t room)
{
    uint64_t count = 0;

    while (count < room && from < n) {
        from = tok_scan_coder_piece(text, n, from);
        ret_ends[count++] = (uint32_t)from;
    }
    return count;
}
