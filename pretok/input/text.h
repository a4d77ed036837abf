/* A plain text file: one document. */
#ifndef PRETOK_TEXT_H
#define PRETOK_TEXT_H

#include "input/record.h"
#include "input/stream.h"
#include "tok/utf8.h"

/*
 * Reads the stream's current member to its end and appends it to text: UTF-8 without a byte order
 * mark, what check (tok_utf8_check) finds ill-formed replaced; line ends stay as they are. Longer than max_bytes: a refusal
 * (ret_record->raw points into raw, its first bytes). Otherwise the stream's errors, and
 * NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status pretok_text_read(struct pretok_stream *stream, tok_utf8_fn check,
                                               uint64_t max_bytes, struct pretok_bytes *text,
                                               struct pretok_bytes *raw,
                                               struct pretok_record *ret_record,
                                               struct ngt_error *reterr);
#endif
