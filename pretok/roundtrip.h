/* --verify-roundtrip: does the vocabulary give back the text that the ids were made of? */
#ifndef PRETOK_ROUNDTRIP_H
#define PRETOK_ROUNDTRIP_H

#include "input/bytes.h"
#include "ngt/writer.h"

/*
 * ids [count]: of the text alone, without BOS and EOS that were added. *ret_same: they spell text
 * [n], byte for byte. memory is used and kept for the next call. False: out of memory.
 */
bool pretok_roundtrip(const struct ngt_vocabulary *v, const uint32_t *ids, uint64_t count,
                      const uint8_t *text, uint64_t n, struct pretok_bytes *memory, bool *ret_same);
#endif
