/*
 * A Parquet file to documents: the text column, row by row. The record is the row, from 1 on; the
 * offset is the row as well, from 0 on, for a value has no place of its own in the file. A null is
 * refused. Only where the build has Apache Arrow C++ (pretok_parquet_built).
 */
#ifndef PRETOK_PARQUET_H
#define PRETOK_PARQUET_H

#include "input/place.h"
#include "input/record.h"
#include "ngt/digest.h"
#include "ngt/error.h"

struct pretok_parquet_config {
    struct pretok_place place; /* a file; borrowed */
    const char *text_key; /* dotted path of the column */
    uint64_t max_text_bytes;
    uint64_t max_expansion; /* see pretok_stream_config */
};

struct pretok_parquet;

bool pretok_parquet_built(void);
#define PRETOK_NO_PARQUET                                                                          \
    "parquet input is not in this build, which was made without Apache Arrow C++ (libparquet); "   \
    "build it with -Dparquet=enabled, or convert the file to JSON lines"

/*
 * Reads the file once for its hash, then opens it. NGT_E_DATA: it is no Parquet file, or its end is
 * damaged. NGT_E_MISMATCH: no such column, or it holds no text; the message names the columns there
 * are. NGT_E_UNSUPPORTED: not in this build. NGT_E_IO.
 */
NGT_NODISCARD enum ngt_status pretok_parquet_open(const struct pretok_parquet_config *config,
                                                  struct pretok_parquet **ret_parquet,
                                                  struct ngt_error *reterr);
void pretok_parquet_close(struct pretok_parquet **p);

/*
 * The next row; *ret_event PRETOK_MORE: there are no more, and all that the file claims were there.
 * The text is appended. NGT_E_DATA: the file cannot be read from here on; the message names row, row
 * group and byte, or max_expansion.
 */
NGT_NODISCARD enum ngt_status pretok_parquet_next(struct pretok_parquet *p,
                                                  struct pretok_bytes *text,
                                                  struct pretok_record *ret_record,
                                                  enum pretok_event *ret_event,
                                                  struct ngt_error *reterr);
uint64_t pretok_parquet_rows(const struct pretok_parquet *p); /* delivered so far */

/* Of the whole file. */
uint64_t pretok_parquet_stored(const struct pretok_parquet *p);
struct ngt_digest128 pretok_parquet_digest(const struct pretok_parquet *p);

#endif
