/*
 * The generated tables behind unicode.h. Code points below TOK_UNICODE_TABLED have a category by
 * two look-ups; above, few ranges exist. A page has 64 code points, so that the last byte of a
 * UTF-8 character is the place in it.
 */
#ifndef TOK_TEXT_UNICODE_TABLE_H
#define TOK_TEXT_UNICODE_TABLE_H

#include <stdint.h>

#define TOK_UNICODE_TABLED 0x20000u

struct tok_unicode_range {
    uint32_t first, last;
};
struct tok_unicode_tail {
    uint32_t first, last;
    uint8_t category;
};
/* c = first, first + step ... last matches c + delta where case is ignored, and the reverse */
struct tok_unicode_fold {
    uint32_t first, last, step;
    int32_t delta;
};
struct tok_unicode_set {
    const char *name;
    const struct tok_unicode_range *ranges;
    uint32_t count;
};

/* A category is a number: general categories, and one more for the Cc that are white space. */
extern const uint8_t tok_unicode_class_of[32];
extern const char tok_unicode_category_names[32][3]; /* "" behind the last */
extern const uint16_t tok_unicode_page[TOK_UNICODE_TABLED / 64];
extern const uint8_t tok_unicode_category_at[]; /* [page * 64 + c % 64] */
extern const struct tok_unicode_tail tok_unicode_tail[];
extern const uint32_t tok_unicode_tail_count;
extern const struct tok_unicode_fold tok_unicode_fold[];
extern const uint32_t tok_unicode_fold_count;
/* scripts by name; "word onig" and "word fancy": what \w has besides L, M, Nd and Pc */
extern const struct tok_unicode_set tok_unicode_set[];
extern const uint32_t tok_unicode_set_count;
#endif
