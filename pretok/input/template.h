/*
 * How a document's text is made of a record's fields.
 *
 *   {PATH}         the string at that dotted path, which must be there
 *   {PATH?}        likewise, or nothing where it is missing, null or ""
 *   {PATH?AFTER}   likewise, and AFTER behind it; neither where it is missing, null or ""
 *   {{ }}          a brace
 *   \n \t \\       newline, tab, backslash; in AFTER too, which holds no braces
 *
 * Everything else stands for itself. In PATH "\." is a dot inside a key.
 */
#ifndef PRETOK_TEMPLATE_H
#define PRETOK_TEMPLATE_H

#include <stdbool.h>

#include "ngt/error.h"

struct pretok_template_part {
    char *before; /* literal text in front; [before_bytes], may be "" */
    uint64_t before_bytes;
    char *path; /* of the field; NULL in the last part only: nothing but text */
    bool optional;
    char *after;
    uint64_t after_bytes;
};

struct pretok_template {
    struct pretok_template_part *parts;
    uint64_t count;
};

/* NGT_E_DATA: not of that form (the message shows the place), no field at all, or not UTF-8. */
NGT_NODISCARD enum ngt_status pretok_template_parse(const char *text,
                                                    struct pretok_template *ret_template,
                                                    struct ngt_error *reterr);
/* One field alone, as --text-key asks. NGT_E_DATA: a bad path. */
NGT_NODISCARD enum ngt_status pretok_template_of_key(const char *path,
                                                     struct pretok_template *ret_template,
                                                     struct ngt_error *reterr);
void pretok_template_done(struct pretok_template *t);
/* Is it one field that must be there, and no more? */
bool pretok_template_plain(const struct pretok_template *t);
/* The template as text with newlines and tabs escaped: one line. malloced; NULL: no memory. */
char *pretok_template_line(const char *text);

#endif
