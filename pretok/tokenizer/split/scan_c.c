/*
 * Programs as scalar code: piece by piece, each alternative of the expression in its order. All
 * programs are one function of a few traits, which the compiler takes apart.
 *
 * Work is linear in the text: what a piece looks at beyond its end (white space behind the last
 * newline, capitals behind the last caseless letter) is looked at a bounded number of times more.
 */
#include "split/scan.h"

#include "text/unicode.h"

#define INLINE static inline __attribute__((always_inline))

struct traits {
    bool gpt2;        /* a space goes with any word; numbers of any length */
    bool space_end;   /* white space that ends the text is one piece */
    bool marks;       /* marks are letters */
    bool cases;       /* words end where case rises */
    bool contraction; /* as a piece of its own; with cases: at a word's end */
    unsigned digits;
};

static const struct traits traits_of[TOK_PROGRAMS] = {
    [TOK_GPT2] = {.gpt2 = true, .contraction = true},
    [TOK_CL100K] = {.space_end = true, .contraction = true, .digits = 3},
    [TOK_LLAMA3] = {.contraction = true, .digits = 3},
    [TOK_QWEN2] = {.contraction = true, .digits = 1},
    [TOK_QWEN35] = {.marks = true, .contraction = true, .digits = 1},
    [TOK_O200K] = {.cases = true, .contraction = true, .digits = 3},
    [TOK_TEKKEN] = {.cases = true, .digits = 1},
};

enum { NEWLINE = 1u << 8 }; /* besides the class of a character */

/* The classes of ASCII once more, one look-up away; a test holds them against the table. */
#define X1(c)                                                                                      \
    ((c) >= 'A' && (c) <= 'Z'                ? TOK_UPPER                                           \
     : (c) >= 'a' && (c) <= 'z'              ? TOK_LOWER                                           \
     : (c) >= '0' && (c) <= '9'              ? TOK_NUMBER                                          \
     : (c) == '\n' || (c) == '\r'            ? TOK_SPACE | NEWLINE                                 \
     : (c) == ' ' || ((c) >= 9 && (c) <= 13) ? TOK_SPACE                                           \
     : (c) == '$' || (c) == '+' || ((c) >= '<' && (c) <= '>') || (c) == '^' || (c) == '`' ||       \
             (c) == '|' || (c) == '~'                                                              \
         ? TOK_SYMBOL                                                                              \
     : (c) > ' ' && (c) < 0x7F ? TOK_PUNCT                                                         \
                               : 0)
#define X4(c) X1(c), X1((c) + 1), X1((c) + 2), X1((c) + 3)
#define X16(c) X4(c), X4((c) + 4), X4((c) + 8), X4((c) + 12)
static const uint16_t ascii_class[128] = {X16(0),    X16(0x10), X16(0x20), X16(0x30),
                                          X16(0x40), X16(0x50), X16(0x60), X16(0x70)};

struct text {
    const uint8_t *at;
    uint64_t n;
};

/* Class of the character at pos, 0 at the end (as no character has: it is no letter and so on). */
INLINE unsigned class_at(struct text t, uint64_t pos, unsigned *size)
{
    *size = 0;
    if (pos >= t.n)
        return 0;
    if (t.at[pos] < 0x80) {
        *size = 1;
        return ascii_class[t.at[pos]];
    }
    return tok_unicode_class(tok_unicode_decode(t.at, t.n, pos, size));
}

/* The end of the run of characters with a class in `with` (any: none of them if `with` is 0) and
 * none in `without`. */
INLINE uint64_t run(struct text t, uint64_t pos, unsigned with, unsigned without)
{
    unsigned size;

    for (; pos < t.n; pos += size) {
        unsigned class = class_at(t, pos, &size);
        if ((with && !(class & with)) || (class & without))
            break;
    }
    return pos;
}

INLINE uint8_t byte_at(struct text t, uint64_t pos)
{
    return pos < t.n ? t.at[pos] : 0;
}

/* Length of the contraction at pos, 0 if none. fold: in any case, and U+017F is an s. */
INLINE uint64_t contraction(struct text t, uint64_t pos, bool fold)
{
    if (byte_at(t, pos) != '\'')
        return 0;
    uint8_t a = byte_at(t, pos + 1), b = byte_at(t, pos + 2);
    if (fold) {
        if (a == 0xC5 && b == 0xBF)
            return 3;
        if (a >= 'A' && a <= 'Z')
            a |= 0x20;
        if (b >= 'A' && b <= 'Z')
            b |= 0x20;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/*
 * [Lu Lt Lm Lo M]*[Ll Lm Lo M]+ at pos: its end, or pos if it does not match. *ret_upper: the end
 * of the upper-case letters alone, for the second form of a word.
 */
INLINE uint64_t word(struct text t, uint64_t pos, uint64_t *ret_upper)
{
    enum { BOTH = TOK_CASELESS | TOK_MARK };
    uint64_t at = pos, end = pos;
    unsigned size;

    *ret_upper = run(t, pos, TOK_UPPER, 0);
    for (at = *ret_upper;; at += size) {
        unsigned class = class_at(t, at, &size);
        if (class & BOTH)
            end = at + size;
        else if (!(class & TOK_UPPER))
            return class & TOK_LOWER ? run(t, at, TOK_LOWER | BOTH, 0) : end;
    }
}

INLINE uint64_t white_space(struct text t, uint64_t at, bool newlines, bool space_end)
{
    uint64_t last = at, newline = at, pos = at;
    unsigned size;

    while (pos < t.n) {
        unsigned class = class_at(t, pos, &size);
        if (!(class & TOK_SPACE))
            break;
        last = pos;
        pos += size;
        if (class & NEWLINE)
            newline = pos;
    }
    if (space_end && pos == t.n)
        return pos;
    if (newlines && newline > at)
        return newline;
    return pos == t.n || last == at ? pos : last;
}

INLINE uint64_t piece_gpt2(struct text t, uint64_t at)
{
    unsigned size, class;
    uint64_t n = contraction(t, at, false), pos = at;

    if (n)
        return at + n;
    class = class_at(t, at, &size);
    if (t.at[at] == ' ' && at + 1 < t.n) {
        class = class_at(t, at + 1, &size);
        pos += !(class & TOK_SPACE);
    }
    if (class & TOK_SPACE)
        return white_space(t, at, false, false);
    if (class & TOK_LETTER)
        return run(t, pos, TOK_LETTER, 0);
    if (class & TOK_NUMBER)
        return run(t, pos, TOK_NUMBER, 0);
    return run(t, pos, 0, TOK_LETTER | TOK_NUMBER | TOK_SPACE);
}

INLINE uint64_t piece_words(struct text t, uint64_t at, struct traits w)
{
    const unsigned letter = TOK_LETTER | (w.marks ? TOK_MARK : 0u);
    const unsigned not_other = letter | TOK_NUMBER | TOK_SPACE;
    unsigned size, next_size, class, next;
    uint64_t n = 0, end;

    if (w.contraction && !w.cases && (n = contraction(t, at, true)))
        return at + n;
    class = class_at(t, at, &size);
    bool prefix = !(class & (TOK_LETTER | TOK_NUMBER | NEWLINE));
    if (w.cases) {
        uint64_t upper, upper_behind = at;
        end = at;
        if (prefix) {
            end = word(t, at + size, &upper_behind);
            end = end == at + size ? at : end;
        }
        if (end == at)
            end = word(t, at, &upper);
        if (end == at && prefix && upper_behind > at + size)
            end = upper_behind;
        if (end == at)
            end = upper;
        if (end > at)
            return end + (w.contraction ? contraction(t, end, true) : 0);
    } else {
        if (class & letter)
            return run(t, at, letter, 0);
        if (prefix && class_at(t, at + size, &next_size) & letter)
            return run(t, at + size, letter, 0);
    }
    if (class & TOK_NUMBER) {
        end = at + size;
        for (unsigned i = 1; i < w.digits && class_at(t, end, &size) & TOK_NUMBER; i++)
            end += size;
        return end;
    }
    next = class;
    if (t.at[at] == ' ' && at + 1 < t.n)
        next = class_at(t, at + 1, &next_size);
    if (!(next & not_other)) {
        end = run(t, at + (t.at[at] == ' '), 0, not_other);
        while (end < t.n &&
               (t.at[end] == '\n' || t.at[end] == '\r' || (w.cases && t.at[end] == '/')))
            end++;
        return end;
    }
    return white_space(t, at, true, w.space_end);
}

enum { CJK = 1u << 9, OUTSIDE = 1u << 10 };

/*
 * Classes for deepseek: TOK_LOWER for letters and marks, TOK_PUNCT also for symbols, CJK besides for
 * what the second split cuts off.
 */
INLINE unsigned deepseek_class(struct text t, uint64_t pos, unsigned *size)
{
    unsigned class = class_at(t, pos, size), sized, cjk = 0;

    if (*size == 3) {
        uint32_t c = tok_unicode_decode(t.at, t.n, pos, &sized);
        cjk = (c >= 0x3040 && c <= 0x30FF) || (c >= 0x4E00 && c <= 0x9FA5) ? CJK : 0;
    }
    if (class & (TOK_LETTER | TOK_MARK))
        return TOK_LOWER | cjk;
    return (class & TOK_SYMBOL ? TOK_PUNCT : class) | cjk;
}

/* The same for the third split, which sees only what is CJK or is not, and no numbers. */
INLINE unsigned deepseek_within(struct text t, uint64_t pos, unsigned cjk, unsigned *size)
{
    unsigned class = deepseek_class(t, pos, size);
    return pos >= t.n || (class & CJK) != cjk || class & TOK_NUMBER ? OUTSIDE : class & ~CJK;
}

INLINE uint64_t deepseek_run(struct text t, uint64_t pos, unsigned cjk, unsigned with)
{
    unsigned size;

    while (deepseek_within(t, pos, cjk, &size) & with)
        pos += size;
    return pos;
}

INLINE bool ascii_letter(uint8_t byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

INLINE uint64_t piece_in_deepseek(struct text t, uint64_t at)
{
    unsigned size, next_size, class = deepseek_class(t, at, &size), next, cjk = class & CJK;
    uint64_t end = at + size;

    class &= ~CJK;
    if (class & TOK_NUMBER) {
        for (int i = 1; i < 3 && deepseek_class(t, end, &size) & TOK_NUMBER; i++)
            end += size;
        return end;
    }
    if (class & TOK_LOWER)
        return deepseek_run(t, at, cjk, TOK_LOWER);
    if (class & TOK_PUNCT && t.at[at] < 0x80 && ascii_letter(byte_at(t, end))) {
        while (ascii_letter(byte_at(t, end)))
            end++;
        return end;
    }
    next = deepseek_within(t, end, cjk, &next_size);
    if (!(class & (TOK_PUNCT | NEWLINE)) && next & TOK_LOWER)
        return deepseek_run(t, end, cjk, TOK_LOWER);
    if (class & TOK_PUNCT || (t.at[at] == ' ' && next & TOK_PUNCT)) {
        end = deepseek_run(t, t.at[at] == ' ' ? end : at, cjk, TOK_PUNCT);
        while (!cjk && (byte_at(t, end) == '\n' || byte_at(t, end) == '\r'))
            end++;
        return end;
    }
    if (class & TOK_SPACE) {
        uint64_t after = deepseek_run(t, at, cjk, TOK_SPACE);
        if (deepseek_within(t, after, cjk, &size) & OUTSIDE)
            t.n = after; /* the text of the third split ends here */
        return white_space(t, at, true, false);
    }
    /* taken by none: up to where one of them is the prefix of a word */
    for (; !deepseek_within(t, end, cjk, &size); end += size)
        if (deepseek_within(t, end + size, cjk, &next_size) & TOK_LOWER)
            break;
    return end;
}

#define PROGRAM(name, id)                                                                          \
    static uint64_t piece_##name(const uint8_t *text, uint64_t n, uint64_t at)                     \
    {                                                                                              \
        struct text t = {text, n};                                                                 \
        if (id == TOK_DEEPSEEK)                                                                    \
            return piece_in_deepseek(t, at);                                                       \
        return traits_of[id].gpt2 ? piece_gpt2(t, at) : piece_words(t, at, traits_of[id]);         \
    }                                                                                              \
    static uint64_t ends_##name(const uint8_t *text, uint64_t n, uint64_t from,                    \
                                uint32_t *ret_ends, uint64_t room)                                 \
    {                                                                                              \
        uint64_t count = 0;                                                                        \
        while (count < room && from < n) {                                                         \
            from = piece_##name(text, n, from);                                                    \
            ret_ends[count++] = (uint32_t)from;                                                    \
        }                                                                                          \
        return count;                                                                              \
    }

PROGRAM(gpt2_c, TOK_GPT2)
PROGRAM(cl100k_c, TOK_CL100K)
PROGRAM(llama3_c, TOK_LLAMA3)
PROGRAM(qwen2_c, TOK_QWEN2)
PROGRAM(qwen35_c, TOK_QWEN35)
PROGRAM(o200k_c, TOK_O200K)
PROGRAM(tekken_c, TOK_TEKKEN)
PROGRAM(deepseek_c, TOK_DEEPSEEK)

const tok_piece_fn tok_scan_piece[TOK_PROGRAMS] = {
    [TOK_GPT2] = piece_gpt2_c,          [TOK_CL100K] = piece_cl100k_c,
    [TOK_LLAMA3] = piece_llama3_c,      [TOK_QWEN2] = piece_qwen2_c,
    [TOK_QWEN35] = piece_qwen35_c,      [TOK_O200K] = piece_o200k_c,
    [TOK_TEKKEN] = piece_tekken_c,      [TOK_DEEPSEEK] = piece_deepseek_c,
    [TOK_CODER] = tok_scan_coder_piece,
};

void tok_scan_init_c(struct tok_scan *scan)
{
    static const tok_scan_fn scalar[TOK_PROGRAMS] = {
        [TOK_GPT2] = ends_gpt2_c,          [TOK_CL100K] = ends_cl100k_c,
        [TOK_LLAMA3] = ends_llama3_c,      [TOK_QWEN2] = ends_qwen2_c,
        [TOK_QWEN35] = ends_qwen35_c,      [TOK_O200K] = ends_o200k_c,
        [TOK_TEKKEN] = ends_tekken_c,      [TOK_DEEPSEEK] = ends_deepseek_c,
        [TOK_CODER] = tok_scan_coder_ends,
    };
    for (int i = 0; i < TOK_PROGRAMS; i++)
        scan->ends[i] = scalar[i];
}
