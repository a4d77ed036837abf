/*
 * Lengths of all documents, and which are held out. A document is held out when XXH3-64 of its ids
 * (as little-endian 32-bit words, with the seed PACKER_SPLIT_SEED) is below share * 2^64: the
 * choice depends on its ids and the share alone, so equal documents fall on one side, a larger
 * share only adds, and neither seed nor T plays a part.
 */
#ifndef PACKER_SPLIT_H
#define PACKER_SPLIT_H

#include "ngt.h"

#define PACKER_SPLIT_SEED 0x6E67742D76616C31u /* "ngt-val1" */

/* ret_lengths [set->docs]: malloced, owned by the caller. */
NGT_NODISCARD enum ngt_status packer_lengths(const struct ngt_dataset *set, uint64_t **ret_lengths,
                                             struct ngt_error *reterr);

/*
 * Splits lengths [set->docs] into two arrays of the same size, where a document of the other side
 * has length 0. Reads all ids once, on all workers. Both results are malloced.
 */
NGT_NODISCARD enum ngt_status packer_split(const struct ngt_dataset *set, const uint64_t *lengths,
                                           double share, struct ngt_pool *pool,
                                           uint64_t **ret_train, uint64_t **ret_val,
                                           struct ngt_error *reterr);
#endif
