/*
 * The header of a WARC record (ISO 28500, WARC 1.0 and 1.1; 0.17 and 0.18 are written the same way):
 * a version line, named fields, an empty line. Names are told apart without regard to case, a line
 * that begins with a blank goes on with the field before it, lines may end with LF alone.
 */
#ifndef PRETOK_WARC_HEADER_H
#define PRETOK_WARC_HEADER_H

#include "input/record.h"

#define PRETOK_WARC_FIELDS 128u /* of one record; more is broken */

struct pretok_warc_field {
    const char *name;     /* as it is spelt there */
    const uint8_t *value; /* [bytes], not checked for UTF-8 */
    uint64_t bytes;
};

struct pretok_warc_header {
    struct pretok_warc_field fields[PRETOK_WARC_FIELDS]; /* unfolded, without blanks at the ends */
    uint64_t field_count;
    uint64_t length; /* Content-Length */
    /* what becomes of the record: a document where both are 0 */
    enum pretok_reason reason;
    enum pretok_filtered filtered;
    const char *detail; /* PRETOK_BROKEN, PRETOK_CHARSET: what is wrong; else "" */
    uint64_t error_at;  /* PRETOK_BROKEN: byte of the header */
    bool length_known;  /* also of a broken one: where it ends can be told */
    char charset[32];
};

/*
 * Reads bytes [n], the header with the empty line at its end, and overwrites it: field values lie in
 * it afterwards and live as long as it does. Never fails: what is wrong is the reason.
 */
void pretok_warc_header_parse(uint8_t *bytes, uint64_t n, struct pretok_warc_header *ret_header);

#endif
