/* A remote object as what decoders stand on. */
#ifndef PRETOK_REMOTE_SOURCE_H
#define PRETOK_REMOTE_SOURCE_H

#include "input/source.h"
#include "remote/remote.h"

/*
 * Bytes [start, start + bytes) of url, as pretok_file_source_new; etag as pretok_object_open. Filled
 * ahead by a thread of its own, at most 8 MiB, so that who reads seldom waits for the network.
 * Statuses of reading: see remote/object.h.
 */
NGT_NODISCARD enum ngt_status pretok_remote_source_new(const struct pretok_remote *remote,
                                                       const char *url, const char *etag,
                                                       uint64_t start, uint64_t bytes,
                                                       struct pretok_source **ret,
                                                       struct ngt_error *reterr);

#endif
