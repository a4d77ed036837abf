/*
 * Units in, shards and receipts out, on all cores.
 *
 * There are no reader and writer threads. Every worker takes turns: it reads a batch of a unit (one
 * worker at a time for a unit, a few milliseconds), tokenizes it (all at once), and, when it is the
 * unit's turn in the order of batches, writes what is ready (again one at a time for a unit). So
 * the threads asked for are the threads there are, none waits for a queue while there is work (one
 * that finds every unit in the hands of another unpacks ahead of that other, so that a single
 * compressed file is unpacked and parsed by two at once), and
 * what is in flight is bounded by the number of batches. Bytes do not depend on who did what: a
 * unit's batches are written in the order they were read, and each unit has shards of its own.
 */
#ifndef PRETOK_PIPELINE_H
#define PRETOK_PIPELINE_H

#include "unit_writer.h"

struct pretok_pipeline_config {
    struct pretok_writer_config writer;
    uint64_t max_doc_bytes, max_expansion; /* see pretok_unit_reader_config; drop_lost as well */
    bool drop_lost;
    const char *const *exclude; /* globs: members of archives that are passed over */
    uint64_t exclude_count;
    const struct pretok_remote *remote; /* see pretok_inputs_config */
    uint64_t limit; /* records in all; UINT64_MAX: no limit. With one, units are read in order */
    const uint64_t *todo; /* unit numbers, rising */
    uint64_t todo_count;
    unsigned threads; /* >= 1, the calling one included */

    /* All are called from workers, one at a time for `unit_done`, any number at once for the
     * others; NULL: not wanted. */
    void *arg;
    bool (*stopped)(void *arg); /* true: end early; units whose reading has ended are finished */
    void (*batch_done)(void *arg, uint64_t unit, uint64_t documents, double seconds);
    void (*progress)(void *arg, uint64_t stored_bytes, uint64_t documents, uint64_t tokens);
    void (*unit_done)(void *arg, uint64_t unit, const struct pretok_ledger *ledger,
                      const struct pretok_receipt_source *sources, uint64_t source_count);
    /* once, at the end, for the failure that is returned */
    void (*unit_failed)(void *arg, uint64_t unit, const struct ngt_error *error);
};

/* Where the workers' time went; seconds summed over them. */
struct pretok_timing {
    double wall;
    double read;   /* unpacking and parsing */
    double unpack; /* unpacking ahead of another thread that reads */
    double tokenize;
    double write;      /* but for the next */
    double commit;     /* the end of a unit: the rest of its shard, until it is safe on disk */
    double wait_read;  /* for records: for a turn to read, or for something to read */
    double wait_batch; /* for room: all batches are in flight, the oldest one is slow */
};

/*
 * NGT_OK: all units of todo are committed. NGT_E_STOPPED: some are not, on request. Else the
 * failure of the first unit that failed. Either way units committed stay so and nothing else has a
 * final name, but for whole shards of units that are not committed: they will be written again.
 */
NGT_NODISCARD enum ngt_status pretok_pipeline_run(const struct pretok_pipeline_config *config,
                                                  struct pretok_timing *ret_timing,
                                                  struct ngt_error *reterr);
#endif
