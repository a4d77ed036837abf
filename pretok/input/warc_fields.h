/*
 * Named fields of a WARC record as values that are wanted: WARC-Record-ID for an id, WARC-Target-URI
 * for metadata. Values are JSON strings; what is ill-formed UTF-8 in them becomes U+FFFD. Names are
 * told apart without regard to case, as in the header; of several fields with a name the last counts.
 */
#ifndef PRETOK_WARC_FIELDS_H
#define PRETOK_WARC_FIELDS_H

#include "input/warc_header.h"

struct pretok_warc_values; /* memory for the values of one record */

/* wanted is borrowed until they are freed. NULL: out of memory. */
struct pretok_warc_values *pretok_warc_values_new(const struct pretok_wanted *wanted);
void pretok_warc_values_free(struct pretok_warc_values **v);

/*
 * Puts values into record->fields, made of the record's own fields [count]; they hold until the next
 * call. *ret_fit false: they are longer than PRETOK_FIELDS_LIMIT, and there are none. False when out
 * of memory.
 */
bool pretok_warc_values_take(struct pretok_warc_values *v, const struct pretok_warc_field *fields,
                             uint64_t count, struct pretok_record *record, bool *ret_fit);

#endif
