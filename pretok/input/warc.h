/*
 * WARC and WET to documents: one pass, any chunking. A document is the payload of a record
 *
 *   conversion   of type text/plain: what WET files hold
 *   resource     of type text/plain
 *
 * as it stands, ill-formed UTF-8 replaced. All other records are counted by what they are: responses
 * (HTTP and mostly HTML, from which no text is extracted), conversions and resources that are no
 * plain text, and the rest (warcinfo, request, metadata, revisit, continuation).
 *
 * A Content-Length is believed once the next record, or the end, is where it says. Where it is not,
 * or the header is none, the record is broken: it goes up to the next line that begins with
 * "WARC/" and a digit. Records that a false length has swallowed are found again as long as what was
 * swallowed was kept (texts up to the limit are) and rereading stays within twice what was read, so
 * time is linear and memory that of one text, whatever the input.
 */
#ifndef PRETOK_WARC_H
#define PRETOK_WARC_H

#include "input/warc_header.h"
#include "ngt/error.h"

#define PRETOK_WARC_HEADER_BYTES (256u << 10) /* of one record; more is broken */

struct pretok_warc;

/* NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status
pretok_warc_new(uint64_t max_text_bytes, struct pretok_warc **ret_warc, struct ngt_error *reterr);
void pretok_warc_free(struct pretok_warc **w);

/* A new source: record number and offset start over. */
void pretok_warc_start(struct pretok_warc *w);

/*
 * Takes bytes from [*at, end) until a record is complete or they are used up (PRETOK_MORE); *at
 * moves. final: nothing comes behind them; to be called until it says PRETOK_MORE. A document's text
 * is appended to text, which must be the same until its record is complete.
 */
enum pretok_event pretok_warc_next(struct pretok_warc *w, const uint8_t **at, const uint8_t *end,
                                   bool final, struct pretok_bytes *text,
                                   struct pretok_record *ret_record);
/* The source breaks off here, unreadable: a record that was complete, or PRETOK_MORE. */
enum pretok_event pretok_warc_cut(struct pretok_warc *w, struct pretok_bytes *text,
                                  struct pretok_record *ret_record);

/*
 * Named fields of the record that was delivered last, such as WARC-Record-ID and WARC-Target-URI,
 * for whoever wants ids and metadata; valid until the next call. Broken records have none.
 */
const struct pretok_warc_field *pretok_warc_fields(const struct pretok_warc *w,
                                                   uint64_t *ret_count);

/* Records so far, of all kinds. */
uint64_t pretok_warc_records(const struct pretok_warc *w);

#endif
