/* A record as a reader delivers it: a document, or why it is none. */
#ifndef PRETOK_RECORD_H
#define PRETOK_RECORD_H

#include "input/bytes.h"
#include "input/template.h"

/*
 * What is wanted of every record, whatever reader it comes from. The text is made as the template
 * says; fields are wanted as JSON values, by their dotted paths. A reader of another format answers
 * by the names its own fields have.
 */
struct pretok_wanted {
    const struct pretok_template *text;
    const char *const *fields; /* no path twice */
    uint64_t field_count;
};

/* A field's value, JSON: from its first byte to its last, as it stood. */
struct pretok_field {
    const uint8_t *json; /* NULL: the record does not have it */
    uint64_t bytes;
};
/* Bytes of all fields of a record together; one with more is refused. */
#define PRETOK_FIELDS_LIMIT (UINT64_C(1) << 20)

/* Why a record went to the quarantine. The order is that of the ledger; names are part of it. */
enum pretok_reason {
    PRETOK_ACCEPTED = 0,
    PRETOK_NOT_JSON,
    PRETOK_NOT_OBJECT,
    PRETOK_NO_KEY,
    PRETOK_WRONG_TYPE,
    PRETOK_TOO_LONG,
    PRETOK_TOO_DEEP,
    PRETOK_TOKENIZER,
    PRETOK_FIELDS_TOO_LONG,
    PRETOK_NO_SET,
    PRETOK_BROKEN,
    PRETOK_CHARSET,
    PRETOK_NULL,
    PRETOK_REASONS
};
const char *pretok_reason_name(enum pretok_reason reason); /* "no_key": in ledgers */
const char *pretok_reason_text(enum pretok_reason reason); /* in messages and the quarantine */

/* Why a record was left out though nothing is wrong with it; names are part of the ledger too. */
enum pretok_filtered {
    PRETOK_KEPT = 0,
    PRETOK_WARC_RESPONSE, /* by what the record is, which the reader tells */
    PRETOK_WARC_NOT_TEXT,
    PRETOK_WARC_OTHER,
    PRETOK_FEW_CHARS, /* on request, by how long the document is */
    PRETOK_MANY_CHARS,
    PRETOK_FEW_TOKENS,
    PRETOK_MANY_TOKENS,
    PRETOK_FILTERS
};
const char *pretok_filtered_name(enum pretok_filtered filtered); /* "warc_other" */
const char *pretok_filtered_text(enum pretok_filtered filtered);

enum pretok_event {
    PRETOK_MORE = 0, /* the chunk is used up */
    PRETOK_DOCUMENT,
    PRETOK_REFUSED,
    PRETOK_FILTERED, /* a record that is counted, and no more */
    PRETOK_NOMEM,
};

/* Bytes of a refused record that are kept. */
#define PRETOK_RAW_LIMIT 16384u

struct pretok_record {
    uint64_t record;     /* 1-based, within the source's part of the unit */
    uint64_t offset;     /* of its first byte, decompressed, likewise */
    uint64_t text_start; /* document: its text in the buffer given */
    uint64_t text_bytes;
    uint64_t replaced; /* U+FFFD put for lone surrogates and ill-formed UTF-8 */
    enum pretok_reason reason;
    enum pretok_filtered
        filtered;        /* only counted: neither raw nor ids; reason is PRETOK_ACCEPTED */
    const uint8_t *raw;  /* refused: the record as it was, at most PRETOK_RAW_LIMIT bytes, */
    uint64_t raw_bytes;  /* valid until the next call */
    uint64_t full_bytes; /* of the whole record */
    uint64_t error_at;   /* not JSON, broken: byte within the record */
    /* document: a value for each field wanted, in their order; count 0: it has none. Valid until the
     * next call. */
    const struct pretok_field *fields;
    uint64_t field_count;
    const char *keys; /* no key: the keys there are, separated by ", ", maybe cut; broken, charset:
                         what is wrong; "" */
};

#endif
