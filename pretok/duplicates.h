/*
 * --dedup: documents with the same text, over all units and sets of a job. Of equal ones the first is
 * kept, in the order of units, sources and records, so what is dropped depends on no task. Texts are
 * told apart by their XXH3-128, which stands in the shards.
 *
 * Memory: a bit a document, and a table of the texts of one part of the hash's range at a time; with
 * more texts than the table holds, entries of 48 bytes a document go through files of the job's
 * folder, which have no name and end with the process.
 */
#ifndef PRETOK_DUPLICATES_H
#define PRETOK_DUPLICATES_H

#include "sets.h"

#define PRETOK_DUPLICATES_TEXTS (UINT64_C(4) << 20) /* in the table at once: 256 MiB */

struct pretok_dropped {
    uint8_t *bits;              /* a document each, in the set's order */
    uint64_t documents, tokens; /* dropped */
};

/*
 * ret_dropped [sets->count], caller's; released with pretok_duplicates_done. texts: in the table at
 * once, PRETOK_DUPLICATES_TEXTS. NGT_E_DATA: a shard without text hashes; NGT_E_IO.
 */
NGT_NODISCARD enum ngt_status pretok_duplicates_find(const char *folder,
                                                     const struct pretok_overview *o,
                                                     const struct pretok_sets *sets, uint64_t texts,
                                                     struct pretok_dropped *ret_dropped,
                                                     struct ngt_error *reterr);
void pretok_duplicates_done(struct pretok_dropped *dropped, uint64_t count);

#endif
