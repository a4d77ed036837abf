/* Proves a shard: every hash, every invariant of FORMAT.md, padding zero. Shares no code with the
 * writer. */
#ifndef NGT_VERIFY_H
#define NGT_VERIFY_H

#include "ngt/reader.h"

/* Reads the whole file once. NGT_OK, or the first violation (offset = byte, item = document,
 * sequence or block). */
NGT_NODISCARD enum ngt_status ngt_verify(const char *path, struct ngt_shard_summary *ret_summary,
                                         struct ngt_error *reterr);
#endif
