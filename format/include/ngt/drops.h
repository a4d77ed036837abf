/*
 * A drop list: which documents of a data set are left out, a bit each (FORMAT.md, section 10). pretok
 * writes one for duplicates; whoever reads the data set obeys it.
 */
#ifndef NGT_DROPS_H
#define NGT_DROPS_H

#include <stdbool.h>

#include "ngt/error.h"

#define NGT_DROPS_FILE "dropped.ngd"

struct ngt_drops; /* open for reading, mapped; any number of threads */

/*
 * bits: [(documents + 7) / 8], document d is bit d % 8 of byte d / 8; bits behind the last are 0.
 * Atomic, as ngt_file_write. *ret_hash: XXH3-64 of the file's bytes.
 */
NGT_NODISCARD enum ngt_status ngt_drops_write(const char *path, const uint8_t *bits,
                                              uint64_t documents, uint64_t *ret_bytes,
                                              uint64_t *ret_hash, struct ngt_error *reterr);
/* Every byte is checked: magic, sizes, hash, the count of bits. NGT_E_CORRUPT, NGT_E_IO. */
NGT_NODISCARD enum ngt_status ngt_drops_open(const char *path, struct ngt_drops **ret_drops,
                                             struct ngt_error *reterr);
void ngt_drops_close(struct ngt_drops **drops);

uint64_t ngt_drops_documents(const struct ngt_drops *d);
uint64_t ngt_drops_count(const struct ngt_drops *d); /* of those, dropped */
uint64_t ngt_drops_hash(const struct ngt_drops *d);  /* of the file's bytes */
bool ngt_drops_has(const struct ngt_drops *d, uint64_t document);

#endif
