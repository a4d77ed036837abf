/*
 * JSON lines to documents: one pass, no tree, any chunking. Every record is checked whole against
 * RFC 8259 (NaN and Infinity are not JSON), so that what a lenient reader would have taken for a
 * document never depends on where the text stands in it; only what is wanted is kept, so a long line
 * costs the memory of its text.
 *
 * As Python's json does, the last of several equal keys wins. Blank lines are lines, not records.
 * UTF-8 is checked in what is kept alone. Fields are kept as they stand, escapes and blanks inside
 * them included; only ill-formed UTF-8 is replaced.
 */
#ifndef PRETOK_JSONL_H
#define PRETOK_JSONL_H

#include "input/record.h"
#include "ngt/error.h"

#define PRETOK_JSONL_DEPTH 1024u

struct pretok_jsonl_config {
    struct pretok_wanted wanted; /* borrowed until the reader is freed */
    uint64_t max_text_bytes;     /* after unescaping, before ill-formed UTF-8 is replaced */
};

struct pretok_jsonl;

/* NGT_E_DATA: a path that is empty, or has an empty part. */
NGT_NODISCARD enum ngt_status pretok_jsonl_new(const struct pretok_jsonl_config *config,
                                               struct pretok_jsonl **ret_jsonl,
                                               struct ngt_error *reterr);
void pretok_jsonl_free(struct pretok_jsonl **j);

/* A new source: line and offset start over. skip_bom: a byte order mark is no part of line 1. */
void pretok_jsonl_start(struct pretok_jsonl *j, bool skip_bom);

/*
 * Takes bytes from [*at, end) until a record is complete or they are used up (PRETOK_MORE); *at
 * moves. A document's text is appended to text; until its record is complete, text holds a part of
 * it, so the same buffer must come with the next call.
 */
enum pretok_event pretok_jsonl_next(struct pretok_jsonl *j, const uint8_t **at, const uint8_t *end,
                                    struct pretok_bytes *text, struct pretok_record *ret_record);
/* The source is at its end: a last line without newline; PRETOK_MORE when there is none. */
enum pretok_event pretok_jsonl_end(struct pretok_jsonl *j, struct pretok_bytes *text,
                                   struct pretok_record *ret_record);

/* Lines begun so far, blank ones included. */
uint64_t pretok_jsonl_lines(const struct pretok_jsonl *j);

#endif
