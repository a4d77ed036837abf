/*
 * An input as bytes: what a file holds once it is decompressed, member by member when it is an
 * archive. What a file is, is told by its content: gzip, zstd, bzip2, xz, lz4; tar, zip, cpio, 7z;
 * an archive may be compressed, and so may its members. Memory: fixed buffers, and what a zstd
 * frame's window asks for.
 *
 * Nothing ends early in silence: a stream that is cut off or corrupt, or an archive without its
 * end, is NGT_E_DATA at that place, after all bytes before it were delivered.
 */
#ifndef PRETOK_STREAM_H
#define PRETOK_STREAM_H

#include <stdbool.h>

#include "ngt/digest.h"
#include "ngt/error.h"

#include "input/place.h"

struct pretok_ahead;

struct pretok_stream_config {
    struct pretok_place place; /* what it is read from; borrowed */
    uint64_t start;   /* stored bytes [start, start + bytes) of it */
    uint64_t bytes;   /* UINT64_MAX: to the end */
    bool plain;       /* the bytes are what they are (a range of a plain file) */
    bool
        no_archive; /* what is in it is neither archive nor compressed, whatever its first bytes say
                         (frames from the middle of a file) */
    /* Decompressed bytes out of one stored byte, from the first GiB on; beyond, the stream ends as if
     * it were corrupt. 0: no bound. */
    uint64_t max_expansion;
    /* To unpack a compressed file through, unless it is an archive; NULL: the reader does it.
     * Borrowed, for one stream at a time. */
    struct pretok_ahead *ahead;
};

struct pretok_stream;

NGT_NODISCARD enum ngt_status pretok_stream_open(const struct pretok_stream_config *config,
                                                 struct pretok_stream **ret_stream,
                                                 struct ngt_error *reterr);
void pretok_stream_close(struct pretok_stream **s);

/*
 * Goes to the first or next member; what is left of the one before is passed over. *ret_more false:
 * the end, and everything was read to it. *ret_member: its name in the archive, valid until the
 * next call, or NULL when the file is no archive. Only regular members come.
 */
NGT_NODISCARD enum ngt_status pretok_stream_next(struct pretok_stream *s, bool *ret_more,
                                                 const char **ret_member, struct ngt_error *reterr);
/* More bytes of the member, valid until the next call; *ret_n 0 at its end. */
NGT_NODISCARD enum ngt_status pretok_stream_read(struct pretok_stream *s, const uint8_t **ret_at,
                                                 uint64_t *ret_n, struct ngt_error *reterr);

/* Stored bytes read so far, and their XXH3-128; of all of them once pretok_stream_next has said so.
 */
uint64_t pretok_stream_stored(const struct pretok_stream *s);
struct ngt_digest128 pretok_stream_digest(const struct pretok_stream *s);

/* Reads a stream to its end, all members, and takes nothing of it; adds its bytes to *bytes. Failures
 * are those of the calls above. */
NGT_NODISCARD enum ngt_status pretok_stream_drain(const struct pretok_stream_config *config,
                                                  uint64_t *bytes, struct ngt_error *reterr);

/* ---- what a file's first bytes say ---- */
enum pretok_content {
    PRETOK_PLAIN,
    PRETOK_GZIP,
    PRETOK_ZSTD,
    PRETOK_BZIP2,
    PRETOK_XZ,
    PRETOK_LZ4,
    PRETOK_TAR,
    PRETOK_ZIP,
    PRETOK_CPIO,
    PRETOK_7Z,
    PRETOK_PARQUET, /* not a stream: input/parquet.h */
};
/* head [n]: the first bytes, 512 or all there are. */
enum pretok_content pretok_content_of(const uint8_t *head, uint64_t n);
const char *pretok_content_name(enum pretok_content content);

#endif
