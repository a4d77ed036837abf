/*
 * One input of a unit: opened, if it is what was planned, and its bytes as far as the unit's records
 * go. Where a unit is some frames of a zstd file, its first bytes belong to the record before and its
 * last record ends in the frames behind.
 */
#ifndef PRETOK_UNIT_INPUT_H
#define PRETOK_UNIT_INPUT_H

#include "input/parquet.h"
#include "input/stream.h"
#include "unit_reader.h"

struct pretok_ahead;

/* All NULL: closed. */
struct pretok_unit_input {
    const struct pretok_unit_reader_config *config;
    const struct pretok_unit *unit;
    const struct pretok_input *in;
    struct pretok_stream *stream;
    struct pretok_parquet *parquet; /* in place of a stream */

    /* the bytes of the stream's member */
    const uint8_t *at, *end; /* what is left of the last chunk; the caller moves at */
    bool drained;            /* no chunk comes behind it; the caller's mark */
    uint64_t skipped;        /* bytes at the beginning that belong to the record before */
    bool skipping;
    struct pretok_stream *tail; /* the frames behind a part, for its last record */
    bool tail_done;
};

/*
 * Opens in, after a look whether it is as it was planned. ahead: where others unpack it, or NULL. A
 * failure leaves u closed. NGT_E_MISMATCH: it changed. Else what streams and Parquet files fail with;
 * with drop_lost also what reading to the end fails with.
 */
NGT_NODISCARD enum ngt_status pretok_unit_input_open(struct pretok_unit_input *u,
                                                     const struct pretok_input *in,
                                                     struct pretok_ahead *ahead,
                                                     struct ngt_error *reterr);
bool pretok_unit_input_is_open(const struct pretok_unit_input *u);
uint64_t pretok_unit_input_stored(const struct pretok_unit_input *u); /* bytes read so far */
struct ngt_digest128 pretok_unit_input_digest(const struct pretok_unit_input *u); /* of those */
void pretok_unit_input_close(struct pretok_unit_input *u);

/* NGT_E_MISMATCH, with what is not as it was planned. */
NGT_NODISCARD enum ngt_status pretok_unit_input_changed(const struct pretok_unit_input *u,
                                                        const char *how, struct ngt_error *reterr);

/* The stream's next member begins. */
void pretok_unit_input_begin(struct pretok_unit_input *u);
/* More bytes of records; u->at == u->end after it: there are none. */
NGT_NODISCARD enum ngt_status pretok_unit_input_more(struct pretok_unit_input *u,
                                                     struct ngt_error *reterr);
#endif
