/*
 * The text column of a Parquet file, value by value, through Apache Arrow C++. Lets no exception out
 * and knows nothing of pretok. Pages are read one after the other, the other columns not at all, so
 * memory is that of a page and its dictionary.
 */
#ifndef PRETOK_PARQUET_SHIM_H
#define PRETOK_PARQUET_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PARQUET_SHIM_MESSAGE 256 /* bytes of a message, its end included */

enum parquet_shim_status {
    PARQUET_SHIM_OK,
    PARQUET_SHIM_NOMEM,
    PARQUET_SHIM_CORRUPT,   /* the file cannot be read, or not from here on */
    PARQUET_SHIM_NO_COLUMN, /* or it holds no text; the message names the columns there are */
};

struct parquet_shim_value {
    const uint8_t *at; /* NULL: null */
    uint64_t bytes;
};

struct parquet_shim;

/*
 * path: of the file. key: dotted path of the column, "\." is a dot in a name. memory: bytes that
 * reading may take at most; a page beyond is PARQUET_SHIM_CORRUPT. message is filled on failure.
 */
enum parquet_shim_status parquet_shim_open(const char *path, const char *key, uint64_t memory,
                                           struct parquet_shim **ret_file,
                                           char message[PARQUET_SHIM_MESSAGE]);
void parquet_shim_close(struct parquet_shim *file); /* NULL is allowed */

/*
 * The next rows, at most room of them and fewer where a page ends; *ret_count 0: the end, and all
 * rows that the file claims were there. Values hold until the next call.
 */
enum parquet_shim_status parquet_shim_next(struct parquet_shim *file,
                                           struct parquet_shim_value *values, uint64_t room,
                                           uint64_t *ret_count, char message[PARQUET_SHIM_MESSAGE]);

#ifdef __cplusplus
}
#endif
#endif
