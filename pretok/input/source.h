/*
 * Bytes in a row from somewhere, and decoders that stand on another source. What stream.c is built
 * from; nobody else needs it.
 */
#ifndef PRETOK_SOURCE_H
#define PRETOK_SOURCE_H

#include <stdbool.h>

#include "input/place.h"
#include "ngt/digest.h"
#include "ngt/error.h"

struct pretok_source;

/*
 * The next bytes, as many as come at once; *ret_n 0: the end, proven as far as the format can prove
 * it. They belong to the source until the next call. NGT_E_DATA: what should be decoded is cut off
 * or corrupt.
 */
typedef enum ngt_status (*pretok_source_read_fn)(struct pretok_source *self, const uint8_t **ret_at,
                                                 uint64_t *ret_n, struct ngt_error *reterr);
typedef void (*pretok_source_free_fn)(struct pretok_source *self);

struct pretok_source {
    pretok_source_read_fn read;
    pretok_source_free_fn free;
};

/* Frees *s and what it stands on. */
void pretok_source_free(struct pretok_source **s);

/* ---- what is stored: a file, or a range of one; a remote object (remote/source.h) ---- */
/* What these begin with. */
struct pretok_stored {
    struct pretok_source base;
    uint64_t count; /* bytes delivered so far */
    struct ngt_digest_stream *digest;
    int fd; /* -1: none */
};
/*
 * path NULL: standard input. opened: see struct pretok_place. bytes UINT64_MAX: to the end; else the file must have that many from
 * start on (NGT_E_DATA: it is shorter). path is borrowed.
 */
NGT_NODISCARD enum ngt_status pretok_file_source_new(const char *path, int opened, uint64_t start,
                                                     uint64_t bytes, struct pretok_source **ret,
                                                     struct ngt_error *reterr);
/* A file, standard input, or what an address stands for. */
NGT_NODISCARD enum ngt_status pretok_place_source_new(const struct pretok_place *place,
                                                      uint64_t start, uint64_t bytes,
                                                      struct pretok_source **ret,
                                                      struct ngt_error *reterr);
/* Of any of them. */
uint64_t pretok_file_source_count(const struct pretok_source *s); /* bytes delivered so far */
struct ngt_digest128 pretok_file_source_digest(const struct pretok_source *s); /* of those */
int pretok_file_source_fd(const struct pretok_source *s);                      /* -1: cannot seek */

/* ---- one that can look ahead ---- */
/* Takes over lower also on failure. */
NGT_NODISCARD enum ngt_status pretok_peek_source_new(struct pretok_source *lower,
                                                     struct pretok_source **ret,
                                                     struct ngt_error *reterr);
/*
 * The first bytes, at most 1024 and fewer only where there are no more; they are read again later.
 * Where the source is damaged within them (NGT_E_DATA), these are the bytes before that, and reading tells it; any
 * other failure is told at once: what the source is cannot be known.
 */
NGT_NODISCARD enum ngt_status pretok_peek_source_head(struct pretok_source *s,
                                                      const uint8_t **ret_at, uint64_t *ret_n,
                                                      struct ngt_error *reterr);

/* ---- a bound on what decoders make of a file ---- */
struct pretok_meter {
    const struct pretok_source *file; /* the file source below; borrowed */
    uint64_t most;                    /* bytes out of one stored byte; 0: no bound */
};
/* No bound below: a small file may be as repetitive as it likes. */
#define PRETOK_METER_FREE (UINT64_C(1) << 30)
/* NGT_E_DATA: count bytes are more than the bound allows of so many stored ones. */
NGT_NODISCARD enum ngt_status pretok_meter_check(uint64_t count, uint64_t stored, uint64_t most,
                                                 struct ngt_error *reterr);
/* Adds n to *count, which is of one place in the chain, and checks it. */
NGT_NODISCARD enum ngt_status pretok_meter_add(const struct pretok_meter *meter, uint64_t *count,
                                               uint64_t n, struct ngt_error *reterr);
/* Passes on what lower delivers and adds it up. meter, count: borrowed. Takes over lower also on
 * failure. */
NGT_NODISCARD enum ngt_status pretok_meter_source_new(struct pretok_source *lower,
                                                      struct pretok_meter *meter, uint64_t *count,
                                                      struct pretok_source **ret,
                                                      struct ngt_error *reterr);

/* ---- decoders; each takes over lower also on failure ---- */
/* start: bytes of the file in front of lower, for messages. */
NGT_NODISCARD enum ngt_status pretok_zstd_source_new(struct pretok_source *lower, uint64_t start,
                                                     struct pretok_source **ret,
                                                     struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status pretok_gzip_source_new(struct pretok_source *lower,
                                                     struct pretok_source **ret,
                                                     struct ngt_error *reterr);
/* bzip2, xz, lz4 (and gzip in a build without zlib), through libarchive. name: for messages. */
NGT_NODISCARD enum ngt_status pretok_filter_source_new(struct pretok_source *lower,
                                                       const char *name, struct pretok_source **ret,
                                                       struct ngt_error *reterr);

#endif
