/*
 * pretok plan --sample: draws pieces of the input, reads and tokenizes them, writes nothing.
 *
 * The inputs in a row are a line of stored bytes, cut into stretches of equal length; a point falls on
 * a random place of each, and what it falls on is read:
 *
 *   a plain JSON lines file      a window, anywhere in it: the records that begin in it
 *   a part of a zstd file        from its first frame on, some pieces long: parsed, and one piece of
 *   another compressed file      it tokenized; it cannot be entered elsewhere than at its beginning
 *   a small file, a text,        whole
 *   a Parquet file
 *
 * So large files are met more often, and neighbours in the order of names (folders, days) evenly. A
 * file that several points fall on is read further, or in several windows.
 *
 * What is read from the beginning on stands for all of its file: where a file's beginning is of
 * another kind than its end (sorted by language, by length), the estimate is wrong and its interval
 * does not know. Files in random order have no such end.
 */
#ifndef PRETOK_SAMPLE_H
#define PRETOK_SAMPLE_H

#include "estimate.h"
#include "unit_writer.h"

#define PRETOK_SAMPLE_SEED 1

struct pretok_sample_config {
    const struct pretok_writer_config *writer; /* plan, tokenizer, what is taken and added */
    uint64_t max_doc_bytes, max_expansion;     /* see pretok_unit_reader_config */
    const char *const *exclude;                /* globs: members of archives that are passed over */
    uint64_t exclude_count;
    const struct pretok_remote *remote; /* see pretok_inputs_config */
    double share;                       /* of the stored bytes, 0 .. 1 */
    uint64_t records;                   /* about so many instead, when not 0 */
    uint64_t seed;                      /* the same pieces again, for any number of threads */
    unsigned threads;
    void *arg;
    bool (*stopped)(void *arg);
};

/* NGT_E_RANGE: standard input; NGT_E_DATA: no input bytes; NGT_E_STOPPED; what reading gives. */
NGT_NODISCARD enum ngt_status pretok_sample_take(const struct pretok_sample_config *config,
                                                 struct pretok_estimate *ret_estimate,
                                                 struct ngt_error *reterr);
#endif
