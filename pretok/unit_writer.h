/*
 * Turns a unit's tokenized batches, in their order, into shards, quarantine and receipt. One thread
 * at a time. Nothing but whole shards gets a final name before the commit, and a unit counts only
 * once its receipt is there.
 */
#ifndef PRETOK_UNIT_WRITER_H
#define PRETOK_UNIT_WRITER_H

#include "batch.h"
#include "filter.h"
#include "job/receipt.h"
#include "keys.h"

/* Bounds the memory of a shard's index; DESIGN leaves the number open, --shard-tokens is met first
 * unless documents have fewer than 64 tokens. */
#define PRETOK_SHARD_DOCS (UINT64_C(4) << 20)

/* Of ids and metadata, before compression: they are held until a shard is whole. */
#define PRETOK_SHARD_STRINGS (UINT64_C(64) << 20)
/* Values of --split-by-key, in a unit and in a job: each holds a shard open, of a few MB. */
#define PRETOK_SETS 256u

struct pretok_writer_config {
    const struct pretok_plan *plan;
    const char *folder;
    const struct tok_tokenizer *tokenizer;
    const struct ngt_vocabulary_frame *vocabulary; /* its own; NULL: made for each shard */
    const struct ngt_pair *identity; /* of the tokenizer, without what the format says already */
    uint64_t identity_count;
    uint32_t bos_id, eos_id, pad_id; /* of the tokenizer, added or not */
    bool bos, eos;                   /* added */
    uint64_t shard_tokens;
    bool verify_roundtrip;
    bool text_hashes; /* --dedup */
    struct pretok_filter filter;
    const struct pretok_keys *keys; /* what is taken from records */
    bool fail_on_bad;
    double max_bad; /* share of records */
};

struct pretok_unit_writer;

NGT_NODISCARD enum ngt_status pretok_unit_writer_new(const struct pretok_writer_config *config,
                                                     uint64_t unit,
                                                     struct pretok_unit_writer **ret_writer,
                                                     struct ngt_error *reterr);
/* Drops what is not committed; NULL is allowed. */
void pretok_unit_writer_free(struct pretok_unit_writer **w);

/* NGT_E_DATA: too many refused records, or the first one with fail_on_bad; too many sets. The batch's
 * documents that belong to no set become refused records. */
NGT_NODISCARD enum ngt_status pretok_unit_writer_add(struct pretok_unit_writer *w,
                                                     struct pretok_batch *batch,
                                                     struct ngt_error *reterr);
/* After the last batch: last shard, quarantine, receipt. sources are borrowed. */
NGT_NODISCARD enum ngt_status pretok_unit_writer_commit(struct pretok_unit_writer *w,
                                                        const struct pretok_receipt_source *sources,
                                                        uint64_t source_count,
                                                        struct ngt_error *reterr);
const struct pretok_ledger *pretok_unit_writer_ledger(const struct pretok_unit_writer *w);

/*
 * The judgement of --max-bad, for a unit and for the whole, of records that are not excused:
 * NGT_E_DATA with the counts by reason, and the keys there are where a key is what lacks.
 */
NGT_NODISCARD enum ngt_status pretok_judge(const struct pretok_plan *plan,
                                           const struct pretok_ledger *l, double max_bad,
                                           const char *what, const char *keys,
                                           struct ngt_error *reterr);
#endif
