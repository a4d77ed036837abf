/*
 * A file without a name, for what cannot be read in order where it lies: zip, 7z, Parquet, a zstd file
 * that is cut. It goes with its descriptor.
 */
#ifndef PRETOK_REMOTE_SPOOL_H
#define PRETOK_REMOTE_SPOOL_H

#include "remote/remote.h"

struct pretok_spool {
    int fd;        /* read and write; -1: none */
    char path[32]; /* for those who open it again */
};

/* shown: for messages. NGT_E_REMOTE: there is no room for one; the message says so. Not NGT_E_IO, by
 * which a source is given up as lost: it is not the source's fault. */
NGT_NODISCARD enum ngt_status pretok_spool_new(const struct pretok_remote *remote,
                                               const char *shown, struct pretok_spool *ret_spool,
                                               struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status pretok_spool_write(struct pretok_spool *spool, const uint8_t *bytes,
                                                 uint64_t n, struct ngt_error *reterr);
/* One that holds all of an object; address, etag: as pretok_object_open. */
NGT_NODISCARD enum ngt_status pretok_spool_fetch(const struct pretok_remote *remote,
                                                 const char *address, const char *etag,
                                                 struct pretok_spool *ret_spool,
                                                 struct ngt_error *reterr);
void pretok_spool_close(struct pretok_spool *spool);

#endif
