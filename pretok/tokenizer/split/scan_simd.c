/*
 * Programs over windows of 64 bytes, in the lanes of an instruction set (simd/lanes.h).
 *
 * A window begins where a piece begins, so it depends on nothing before it. Classes of its
 * characters become masks (each byte of a character carries the character's class), a few sums and
 * shifts make of them the mask of piece starts, and the set bits are written out. The next window
 * begins at the last start that is certain. That costs some bytes looked at twice and saves every
 * carry from window to window.
 *
 * A start is certain only where all that decides about it lies in the window: not in its last
 * bytes, not in white space that reaches its end, not near a character that the algebra does not
 * handle ("hard"; few texts have them). Where no start is certain, because the piece is longer than
 * the window or hard, the scalar code takes that one piece. So masks need not be right everywhere,
 * only up to the limit.
 *
 * Near the end of the text the window is a copy, filled up with spaces: white space that ends the
 * text then reaches the end of the window and goes to the scalar code.
 */
#include "split/scan.h"

#include <string.h>

#include "simd/lanes.h"
#include "text/unicode.h"
#include "text/unicode_table.h"

enum {
    WINDOW = 64,
    /* A start may depend on the character behind it, and that begins within the window. */
    LAST_CERTAIN = WINDOW - 5,
    /* Looked at beyond a window: the rest of a character, the letters of a contraction. */
    BEYOND = 4,
    PARTS = WINDOW / LANES,
    LAST = PARTS - 1,
};
_Static_assert(PARTS *LANES == WINDOW && PARTS <= 2, "a window is one part or two");

struct traits {
    bool gpt2, deepseek, marks, cases, contraction;
    unsigned digits;
};

static const struct traits traits_of[TOK_PROGRAMS] = {
    [TOK_GPT2] = {.gpt2 = true, .contraction = true},
    [TOK_CL100K] = {.contraction = true, .digits = 3}, /* the end of the text is the scalar's */
    [TOK_LLAMA3] = {.contraction = true, .digits = 3},
    [TOK_QWEN2] = {.contraction = true, .digits = 1},
    [TOK_QWEN35] = {.marks = true, .contraction = true, .digits = 1},
    [TOK_O200K] = {.cases = true, .contraction = true, .digits = 3},
    [TOK_TEKKEN] = {.cases = true, .digits = 1},
    [TOK_DEEPSEEK] = {.deepseek = true, .marks = true, .digits = 3},
};

/* Bit i: byte i of the window. Characters that are none of letter, number and space are others. */
struct masks {
    uint64_t letter, number, space, newline, blank, apostrophe, slash;
    uint64_t upper, caseless, mark;      /* only for cases; there a mark is a letter too */
    uint64_t control, cjk, ascii_letter; /* only for deepseek */
    uint64_t tail;                       /* bytes 0x80 to 0xBF */
    uint64_t wide;                       /* first bytes of others */
};

/* ---- classes ---- */

enum {
    ASCII_LETTER_ODD = 1u << 0,  /* rows 4 and 6 of the ASCII table */
    ASCII_LETTER_EVEN = 1u << 1, /* rows 5 and 7 */
    ASCII_DIGIT = 1u << 2,
    ASCII_CONTROL_SPACE = 1u << 3,
    ASCII_BLANK = 1u << 4,
    ASCII_NEWLINE = 1u << 5,
    ASCII_APOSTROPHE = 1u << 6,
    ASCII_SLASH = 1u << 7,
};

/* What both the row and the column of a byte allow; 0 from 0x80 on, as their rows. */
INLINE bytes ascii_classes(bytes text)
{
    static const uint8_t columns[16] = {
        2 | 4 | 16, 1 | 2 | 4,      1 | 2 | 4, 1 | 2 | 4,     1 | 2 | 4,      1 | 2 | 4,
        1 | 2 | 4,  1 | 2 | 4 | 64, 1 | 2 | 4, 1 | 2 | 4 | 8, 1 | 2 | 8 | 32, 1 | 8,
        1 | 8,      1 | 8 | 32,     1,         1 | 128};
    static const uint8_t rows[16] = {8 | 32, 0, 16 | 64 | 128, 4, 1, 2, 1, 2};
    return bytes_and(by_low_ascii(table(columns), text), by_high(table(rows), text));
}

/* The window's mask, of its first and its last part: where there is one part, of that. */
INLINE uint64_t window_mask(test first, test last)
{
    return PARTS == 1 ? mask_of(first) : mask_of(first) | (uint64_t)mask_of(last) << (WINDOW / 2);
}

INLINE uint64_t window_has(const bytes parts[PARTS], unsigned bits)
{
    return window_mask(has(parts[0], bits), has(parts[LAST], bits));
}

/*
 * Codes by category, so that a character costs no branch: letter 1, caseless 2, number 4, space 8,
 * upper 16, control 32. A letter is what the program takes for one; with cases a mark is caseless
 * but no letter until all are put.
 */
enum { CODE_LETTER = 1, CODE_RARE = 4 };
static const uint8_t plain_codes[32] = {1, 1, 1, 1, 1, 0, 0, 0, 4, 4, 4, 0, 0, 0, 0, 0,
                                        0, 0, 0, 0, 0, 0, 8, 8, 8, 0, 0, 0, 0, 8, 0, 0};
static const uint8_t mark_codes[32] = {1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 4, 0, 0, 0, 0, 0,
                                       0, 0, 0, 0, 0, 0, 8, 8, 8, 0, 0, 0, 0, 8, 0, 0};
static const uint8_t case_codes[32] = {17, 17, 1, 3, 3, 2, 2, 2, 4, 4, 4, 0, 0, 0, 0, 0,
                                       0,  0,  0, 0, 0, 0, 8, 8, 8, 0, 0, 0, 0, 8, 0, 0};
static const uint8_t deepseek_codes[32] = {1, 1, 1, 1, 1, 1, 1, 1, 4, 4,  4,  0,  0,  0, 0, 0,
                                           0, 0, 0, 0, 0, 0, 8, 8, 8, 32, 32, 32, 32, 8, 0, 0};

/* What is rare goes behind a branch that predicts well; with six masks it pays by a fifth. */
INLINE void put_code(struct masks *m, struct traits w, unsigned code, unsigned at)
{
    m->letter |= (uint64_t)(code & CODE_LETTER) << at;
    if (w.cases)
        m->caseless |= (uint64_t)(code >> 1 & 1) << at;
    if (__builtin_expect(code >= CODE_RARE, 0)) {
        m->number |= (uint64_t)(code >> 2 & 1) << at;
        m->space |= (uint64_t)(code >> 3 & 1) << at;
        if (w.cases)
            m->upper |= (uint64_t)(code >> 4 & 1) << at;
        if (w.deepseek)
            m->control |= (uint64_t)(code >> 5 & 1) << at;
    }
}

/* From first bytes to whole characters. */
INLINE uint64_t whole(uint64_t mask, uint64_t tail)
{
    mask |= mask << 1 & tail;
    mask |= mask << 1 & tail;
    mask |= mask << 1 & tail;
    return mask;
}

/*
 * First bytes of characters that are letters by their first two or three bytes: most of Latin,
 * Cyrillic, Chinese, kana and Hangul. The others are looked up one by one. next and third: the text
 * one and two bytes on. The test of all code points holds these constants against the table.
 */
struct sure {
    test letter, upper, caseless;
};

INLINE struct sure sure_letters(bool cases, bytes text, bytes next, bytes third)
{
    struct sure s = {test_none(), test_none(), test_none()};
    /* U+4E00 to U+9FFF, U+B000 to U+CFFF: first byte E5 to E9, EB, EC, or E4 from B8 on */
    test wide = test_or(within(text, 0xE5, 0xE9), within(text, 0xEB, 0xEC));
    wide = test_or(wide, test_and(is(text, 0xE4), within(next, 0xB8, 0xBF)));
    /* U+AC00 to U+AFFF, U+D000 to U+D77F */
    wide = test_or(wide, test_and(is(text, 0xEA), within(next, 0xB0, 0xBF)));
    wide = test_or(wide, test_and(is(text, 0xED), within(next, 0x80, 0x9D)));
    /* U+3041 to U+307A, U+3080 to U+3096, U+30A1 to U+30BF, U+30C1 to U+30FA */
    test outer = test_and(test_or(is(next, 0x81), is(next, 0x83)), within(third, 0x81, 0xBA));
    test middle = test_andnot(within(third, 0x97, 0xA0), is(next, 0x82));
    wide = test_or(wide, test_and(is(text, 0xE3), test_or(outer, middle)));
    if (!cases) {
        /* U+00C0 to U+02BF without two signs, U+0400 to U+047F, U+04C0 to U+04FF */
        test signs = test_and(is(text, 0xC3), test_or(is(next, 0x97), is(next, 0xB7)));
        test narrow = test_or(within(text, 0xD0, 0xD1), is(text, 0xD3));
        narrow = test_or(narrow, within(text, 0xC3, 0xCA));
        s.letter = test_or(wide, test_andnot(signs, narrow));
        return s;
    }
    /* Cyrillic: U+0400 to U+042F upper, U+0430 to U+045F lower; Latin: U+00E0 to U+00FF lower */
    s.caseless = wide;
    s.upper = test_and(is(text, 0xD0), within(next, 0x80, 0xAF));
    test lower = test_or(test_and(is(text, 0xD0), within(next, 0xB0, 0xBF)),
                         test_and(is(text, 0xD1), within(next, 0x80, 0x9F)));
    test latin = test_andnot(is(next, 0xB7), within(next, 0xA0, 0xBF));
    lower = test_or(lower, test_and(is(text, 0xC3), latin));
    s.letter = test_or(test_or(wide, s.upper), lower);
    return s;
}

/* First bytes of U+3040 to U+30FF and U+4E00 to U+9FA5. */
INLINE test cjk(bytes text, bytes next, bytes third)
{
    test kana = test_and(is(text, 0xE3), within(next, 0x81, 0x83));
    test most =
        test_or(within(text, 0xE5, 0xE8), test_and(is(text, 0xE4), within(next, 0xB8, 0xBF)));
    test last =
        test_or(within(next, 0x80, 0xBD), test_and(is(next, 0xBE), within(third, 0x80, 0xA5)));
    last = test_and(is(text, 0xE9), last);
    return test_or(kana, test_or(most, last));
}

/* Adds what is not ASCII. text: the window x, BEYOND bytes may be read behind it. */
INLINE void classify_wide(struct masks *m, struct traits w, const uint8_t *text,
                          const bytes x[PARTS], uint64_t high)
{
    const uint8_t *codes = w.deepseek ? deepseek_codes
                           : w.cases  ? case_codes
                           : w.marks  ? mark_codes
                                      : plain_codes;
    const uint8_t *last = text + LAST * LANES;
    uint64_t bit6 = window_has(x, 1u << 6), bit5 = window_has(x, 1u << 5);
    uint64_t bit4 = window_has(x, 1u << 4);
    struct sure sa = sure_letters(w.cases, x[0], load(text + 1), load(text + 2));
    struct sure sb = sure_letters(w.cases, x[LAST], load(last + 1), load(last + 2));
    uint64_t sure = window_mask(sa.letter, sb.letter);
    uint64_t first = high & bit6 & ~sure, longer = first & bit5;
    if (w.deepseek)
        m->cjk = window_mask(cjk(x[0], load(text + 1), load(text + 2)),
                             cjk(x[LAST], load(last + 1), load(last + 2)));

    m->tail = high & ~bit6;
    m->wide = high & bit6;
    m->letter |= sure;
    if (w.cases) {
        m->upper |= window_mask(sa.upper, sb.upper);
        m->caseless |= window_mask(sa.caseless, sb.caseless);
    }
    for (uint64_t rest = first & ~longer; rest; rest &= rest - 1) {
        unsigned at = zeros_below(rest);
        unsigned page = tok_unicode_page[text[at] & 0x1F];
        put_code(m, w, codes[tok_unicode_category_at[page * 64 + (text[at + 1] & 0x3F)]], at);
    }
    for (uint64_t rest = longer & ~bit4; rest; rest &= rest - 1) {
        unsigned at = zeros_below(rest);
        unsigned page = tok_unicode_page[(text[at] & 0x0Fu) << 6 | (text[at + 1] & 0x3Fu)];
        put_code(m, w, codes[tok_unicode_category_at[page * 64 + (text[at + 2] & 0x3F)]], at);
    }
    for (uint64_t rest = longer & bit4; rest; rest &= rest - 1) {
        unsigned at = zeros_below(rest);
        uint32_t c = (text[at] & 7u) << 18 | (text[at + 1] & 0x3Fu) << 12 |
                     (text[at + 2] & 0x3Fu) << 6 | (text[at + 3] & 0x3Fu);
        put_code(m, w, codes[tok_unicode_category(c & 0x1FFFFF)], at);
    }
    m->letter = whole(m->letter, m->tail);
    m->number = whole(m->number, m->tail);
    m->space = whole(m->space, m->tail);
    if (w.deepseek) {
        m->cjk = whole(m->cjk, m->tail);
        m->control = whole(m->control, m->tail);
    }
    if (w.cases) {
        m->upper = whole(m->upper, m->tail);
        m->caseless = whole(m->caseless, m->tail);
        m->mark = m->caseless & ~m->letter;
        m->letter |= m->mark;
    }
}

INLINE struct masks classify(struct traits w, const uint8_t *text)
{
    struct masks m = {0};
    bytes x[PARTS], c[PARTS];

    x[0] = load(text);
    x[LAST] = load(text + LAST * LANES);
    c[0] = ascii_classes(x[0]);
    c[LAST] = ascii_classes(x[LAST]);
    uint64_t high = window_has(x, 0x80);
    m.letter = window_has(c, ASCII_LETTER_ODD | ASCII_LETTER_EVEN);
    m.number = window_has(c, ASCII_DIGIT);
    m.blank = window_has(c, ASCII_BLANK);
    m.space = m.blank | window_has(c, ASCII_CONTROL_SPACE);
    if (!w.gpt2)
        m.newline = window_has(c, ASCII_NEWLINE);
    if (w.contraction)
        m.apostrophe = window_has(c, ASCII_APOSTROPHE);
    if (w.cases) {
        m.slash = window_has(c, ASCII_SLASH);
        m.upper = m.letter & ~window_has(x, 0x20);
    }
    if (w.deepseek) {
        m.ascii_letter = m.letter;
        m.control =
            ~(window_mask(within(x[0], 0x20, 0x7E), within(x[LAST], 0x20, 0x7E)) | m.space | high);
    }
    if (high)
        classify_wide(&m, w, text, x, high);
    return m;
}

/* ---- algebra ---- */

/* From last bytes of characters to their first bytes. */
INLINE uint64_t back(uint64_t mask, uint64_t tail)
{
    if (mask & tail) {
        mask = (mask & ~tail) | (mask & tail) >> 1;
        mask = (mask & ~tail) | (mask & tail) >> 1;
        mask = (mask & ~tail) | (mask & tail) >> 1;
    }
    return mask;
}

/* From first bytes of characters to those of the next ones. */
INLINE uint64_t next_character(uint64_t mask, uint64_t tail)
{
    mask <<= 1;
    for (int i = 0; i < 3; i++)
        mask = (mask & ~tail) | (mask & tail) << 1;
    return mask;
}

INLINE uint64_t bit(uint64_t at)
{
    return (uint64_t)1 << at;
}

/* Length of the contraction at the apostrophe text[0], 0 if none; as in scan_c.c. */
INLINE unsigned contraction(const uint8_t *text, bool fold)
{
    uint8_t a = text[1], b = text[2];

    if (fold) {
        if (a == 0xC5 && b == 0xBF)
            return 3;
        a |= 0x20;
        b |= 0x20;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* Starts of pieces; those beyond *limit are not certain. */
INLINE uint64_t starts_gpt2(const struct masks *m, const uint8_t *text)
{
    uint64_t letter = m->letter, number = m->number, space = m->space;
    uint64_t other = ~(letter | number | space);
    uint64_t others = other & ~(other << 1) & ~(m->blank << 1);
    uint64_t starts = ((letter & ~(letter << 1)) | (number & ~(number << 1))) & ~(m->blank << 1);

    starts |= others | (space & ~(space << 1));
    starts |= back(space & ~(space >> 1), m->tail); /* the last space before a word */
    for (uint64_t rest = m->apostrophe & others & (letter >> 1) & (bit(60) - 1); rest;
         rest &= rest - 1) {
        unsigned at = zeros_below(rest), size = contraction(text + at, false);
        if (size)
            starts = (starts & ~bit(at + 1)) | bit(at + size);
    }
    return starts;
}

/*
 * White space but for the newlines taken by what stands before: up to the last newline it is one
 * piece; then its last character goes its own way, with the letters behind or alone. no_last: bytes
 * that are not the last one in that sense.
 */
INLINE uint64_t starts_space(uint64_t space, uint64_t newline, uint64_t taken, uint64_t no_last,
                             uint64_t tail)
{
    uint64_t own = space & ~taken, loose = own & ~newline;
    uint64_t after_newline = (newline & ~taken) << 1 & loose;
    uint64_t starts = (own & ~(own << 1)) | after_newline;

    starts |= back(space & ~newline & ~no_last, tail);
    for (uint64_t early = (loose + after_newline) & ~loose & newline; early; early &= early - 1) {
        /* not the last newline: another one follows at `early` */
        uint64_t before = after_newline & (early ^ (early - 1));
        starts &= ~bit(63 - zeros_above(before));
    }
    return starts;
}

/* Starts of groups of up to three numbers. */
INLINE uint64_t starts_numbers(const struct masks *m)
{
    const uint64_t number = m->number;
    uint64_t starts = 0, group = number & ~(number << 1);

    if (number & m->wide)
        do {
            starts |= group;
            for (int i = 0; i < 3; i++)
                group = next_character(group, m->tail) & number;
        } while (group);
    else
        do {
            starts |= group;
            group = (((group << 1 & number) << 1) & number) << 1 & number;
        } while (group);
    return starts;
}

/* White space up to the window's end, or a hard character: what is certain ends before. */
INLINE void limit_starts(uint64_t space, uint64_t hard, uint64_t tail, unsigned *limit,
                         unsigned *ret_hard)
{
    if (space >> 63) { /* what follows decides about all of it */
        unsigned from = 64u - zeros_above(~space);
        *limit = from < *limit ? from : *limit;
    }
    if (hard) {
        /* Nothing that looks at the hard character: that excludes it and the one before. */
        uint64_t below = (hard ^ (hard - 1)) >> 1 & ~tail;
        unsigned from = below ? 63u - zeros_above(below) : 0;
        from -= from > 0;
        if (from < *limit) {
            *limit = from;
            *ret_hard = zeros_below(hard);
        }
    }
}

/*
 * Chinese and kana are cut off by the second split and divided by the third, like all else between
 * numbers: a change from or to them is a start, and what looks over it sees the end of the text.
 */
INLINE uint64_t starts_deepseek(const struct masks *m, unsigned *limit, unsigned *ret_hard)
{
    const uint64_t letter = m->letter, space = m->space, newline = m->newline, cjk = m->cjk;
    const uint64_t punct = ~(letter | space | m->number | m->control);
    const uint64_t change = cjk ^ cjk << 1;
    uint64_t puncts = punct & ~(punct << 1 & ~change) & ~(m->blank << 1 & ~change);
    uint64_t taken = newline & ~(newline + (newline & (punct & ~cjk) << 1));
    /* A single ASCII one goes with the ASCII letters behind it, and with them only. */
    uint64_t prefixed = (puncts & ~(punct >> 1)) << 1 & m->ascii_letter;
    uint64_t behind = (m->ascii_letter + prefixed) & ~m->ascii_letter & letter;
    uint64_t starts = puncts | behind | change | starts_numbers(m);

    starts |= letter & ~(letter << 1) & ~prefixed & ~((space & ~newline) << 1);
    starts |= starts_space(space, newline, taken, (space | m->number | cjk) >> 1, m->tail);
    limit_starts(space, m->control & ~m->tail, m->tail, limit, ret_hard);
    return starts;
}

INLINE uint64_t starts_words(const struct masks *m, struct traits w, const uint8_t *text,
                             unsigned *limit, unsigned *ret_hard)
{
    const uint64_t letter = m->letter, number = m->number, space = m->space, newline = m->newline;
    const uint64_t other = ~(letter | number | space), inner_space = space & ~newline;
    uint64_t hard = 0;

    /* Others take a blank before them and newlines behind. */
    uint64_t others = other & ~(other << 1) & ~(m->blank << 1);
    uint64_t behind = newline & (other << 1);
    uint64_t taken = newline & ~(newline + behind);
    /* A single one, with no blank to take, goes with the letters behind it. */
    uint64_t prefix = back(other & ~(other >> 1) & (letter >> 1), m->tail) & others;
    uint64_t prefixed = (other + prefix) & ~other;
    uint64_t words = letter & ~(letter << 1) & ~prefixed & ~(inner_space << 1);
    uint64_t starts = others | words;

    if (w.digits == 1) {
        starts |= number & ~m->tail;
    } else {
        starts |= starts_numbers(m);
    }
    starts |= starts_space(space, newline, taken, space >> 1, m->tail);
    if (w.cases) {
        uint64_t upper = m->upper, lower = letter & ~upper & ~m->caseless;
        const uint64_t caseless = m->caseless;
        uint64_t capitals = upper & (caseless << 1) & ~m->tail;
        starts |= upper & (lower << 1);
        if (capitals) {
            /*
             * Behind caseless letters. If those stand behind a lower-case one, the word ends with
             * them. Otherwise what follows the capitals decides: with a letter that is no capital
             * all is one word, else they are one.
             */
            uint64_t ends = capitals & (caseless + (caseless & (lower << 1)));
            starts |= ends;
            for (uint64_t rest = capitals & ~ends; rest; rest &= rest - 1) {
                uint64_t first = rest & -rest, after = (upper + first) & ~upper;
                if (!after) /* beyond the window */
                    hard |= first;
                else if (!(after & letter))
                    starts |= first;
            }
        }
        hard |= m->mark & ~(letter << 1) & ~m->tail; /* a mark that may be a letter or another */
        hard |= m->slash & (taken << 1);
    }
    if (w.contraction) {
        uint64_t rest = m->apostrophe & prefix & (bit(60) - 1), before = WINDOW;
        for (rest = w.cases ? rest & letter << 1 : rest; rest; rest &= rest - 1) {
            unsigned at = zeros_below(rest), size = contraction(text + at, true);
            if (!size || (w.cases && at == before))
                continue;
            before = at + size;
            if (w.cases) { /* along with the word; no rise of case inside counts */
                starts &= ~(bit(before) - bit(at));
                hard |= m->caseless & bit(before);
            }
            starts |= bit(before);
        }
    }

    limit_starts(space, hard, m->tail, limit, ret_hard);
    return starts;
}

/* ---- the loop ---- */

INLINE uint64_t scan(enum tok_program id, const uint8_t *text, uint64_t n, uint64_t from,
                     uint32_t *ret_ends, uint64_t room)
{
    const struct traits w = traits_of[id];
    uint64_t count = 0;
    uint8_t copy[WINDOW + BEYOND];

    while (from < n && room - count >= WINDOW) {
        const uint8_t *at = text + from;
        unsigned limit = LAST_CERTAIN, hard = 0;
        if (n - from < sizeof copy) {
            memset(copy, ' ', sizeof copy);
            memcpy(copy, at, n - from);
            at = copy;
            limit = n - from < limit ? (unsigned)(n - from) : limit;
        }
        struct masks m = classify(w, at);
        uint64_t starts = w.gpt2       ? starts_gpt2(&m, at)
                          : w.deepseek ? starts_deepseek(&m, &limit, &hard)
                                       : starts_words(&m, w, at, &limit, &hard);
        starts = bits_below(starts, limit + 1) & ~(uint64_t)1;
        uint64_t past = from + hard;
        if (starts) {
            uint64_t next = from + 63 - zeros_above(starts);
            write_bits(ret_ends + count, (uint32_t)from, starts);
            count += (uint64_t)__builtin_popcountll(starts);
            from = next;
            if (!hard)
                continue;
        }
        do { /* one, or all up to the hard character: no piece more than the window has bytes */
            from = tok_scan_piece[id](text, n, from);
            ret_ends[count++] = (uint32_t)from;
        } while (from < past);
    }
    if (!count)
        while (from < n && count < room) {
            from = tok_scan_piece[id](text, n, from);
            ret_ends[count++] = (uint32_t)from;
        }
    return count;
}

#define PROGRAM(name, id)                                                                          \
    static uint64_t ends_##name(const uint8_t *text, uint64_t n, uint64_t from,                    \
                                uint32_t *ret_ends, uint64_t room)                                 \
    {                                                                                              \
        return scan(id, text, n, from, ret_ends, room);                                            \
    }

PROGRAM(gpt2, TOK_GPT2)
PROGRAM(cl100k, TOK_CL100K)
PROGRAM(llama3, TOK_LLAMA3)
PROGRAM(qwen2, TOK_QWEN2)
PROGRAM(qwen35, TOK_QWEN35)
PROGRAM(o200k, TOK_O200K)
PROGRAM(tekken, TOK_TEKKEN)
PROGRAM(deepseek, TOK_DEEPSEEK)

void TOK_ISA_NAME(tok_scan_init)(struct tok_scan *scan)
{
    static const tok_scan_fn vector[TOK_PROGRAMS] = {
        [TOK_GPT2] = ends_gpt2,     [TOK_CL100K] = ends_cl100k,     [TOK_LLAMA3] = ends_llama3,
        [TOK_QWEN2] = ends_qwen2,   [TOK_QWEN35] = ends_qwen35,     [TOK_O200K] = ends_o200k,
        [TOK_TEKKEN] = ends_tekken, [TOK_DEEPSEEK] = ends_deepseek,
    };
    for (int i = 0; i < TOK_PROGRAMS; i++)
        if (vector[i])
            scan->ends[i] = vector[i];
}
