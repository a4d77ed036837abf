/* Reads one unit of the plan, record by record, into batches. One thread at a time. */
#ifndef PRETOK_UNIT_READER_H
#define PRETOK_UNIT_READER_H

#include "batch.h"
#include "job/receipt.h"

struct pretok_unit_reader_config {
    const struct pretok_plan *plan;
    uint64_t unit;
    struct pretok_wanted wanted; /* what it points to is borrowed */
    uint64_t max_doc_bytes;
    uint64_t max_expansion;     /* see pretok_stream_config */
    bool drop_lost;             /* of a source that cannot be read to its end nothing is taken */
    uint64_t limit;             /* records to read at most; UINT64_MAX: all */
    const char *const *exclude; /* globs: members of archives that are passed over */
    uint64_t exclude_count;
    const struct pretok_remote *remote; /* see pretok_inputs_config */
    bool ahead; /* other threads will call pretok_unit_reader_ahead; not together with a limit */
};

struct pretok_unit_reader;

NGT_NODISCARD enum ngt_status pretok_unit_reader_new(const struct pretok_unit_reader_config *config,
                                                     struct pretok_unit_reader **ret_reader,
                                                     struct ngt_error *reterr);
void pretok_unit_reader_free(struct pretok_unit_reader **r);

/*
 * Adds records to an empty batch until it is full or the unit is at its end (batch->last). A source
 * that cannot be read to its end is no failure here: it is marked as lost, and the unit goes on
 * with the next. With drop_lost all but plain files are read once before they are read. Failures:
 * NGT_E_NOMEM, NGT_E_MISMATCH an input changed since it was planned, or an archive member whose format
 * cannot be told.
 */
NGT_NODISCARD enum ngt_status pretok_unit_reader_fill(struct pretok_unit_reader *r,
                                                      struct pretok_batch *batch,
                                                      struct ngt_error *reterr);

/*
 * Unpacks a large compressed input ahead of pretok_unit_reader_fill, while another thread is in that;
 * and whether there is something to unpack. Any thread, any time until the reader is freed.
 */
bool pretok_unit_reader_ahead_wanted(struct pretok_unit_reader *r);
void pretok_unit_reader_ahead(struct pretok_unit_reader *r);

uint64_t pretok_unit_reader_records(const struct pretok_unit_reader *r); /* so far */

/* The sources of the receipt; filled at the end of the unit, owned by the reader. */
const struct pretok_receipt_source *pretok_unit_reader_sources(const struct pretok_unit_reader *r,
                                                               uint64_t *ret_count);
#endif
