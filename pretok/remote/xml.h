/*
 * The elements of S3's answers that hold text, one after the other. Not a parser of XML: no
 * attributes, no CDATA, no document types, which S3 does not send; of what it does not understand it
 * makes nothing and never more memory than the text.
 */
#ifndef PRETOK_REMOTE_XML_H
#define PRETOK_REMOTE_XML_H

#include <stdbool.h>

struct pretok_xml {
    const char *at; /* NUL-terminated; the place reached */
    char *room;     /* as large as the text at the start; names and values are put there */
};

/*
 * The next thing: an element that holds text alone (*ret_value: its text, &amp; and the like undone),
 * or the end of one that holds others (*ret_value NULL). Both strings hold until the next call.
 */
bool pretok_xml_next(struct pretok_xml *x, const char **ret_name, const char **ret_value);

#endif
