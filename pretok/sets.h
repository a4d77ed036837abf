/*
 * The data sets that a job ends in: one, or with --split-by-key one for each value, in the order of
 * their folders' names.
 */
#ifndef PRETOK_SETS_H
#define PRETOK_SETS_H

#include "overview.h"

struct pretok_set {
    const char *folder; /* below the job's, of a receipt; NULL: the job's own, it is not split */
    struct pretok_ledger ledger;
    uint64_t documents, tokens, shards, bytes;
};

struct pretok_sets {
    struct pretok_set *sets;
    uint64_t count;
    bool split;
};

/* What is found lives as long as the overview. NGT_E_DATA: more sets than PRETOK_SETS. */
NGT_NODISCARD enum ngt_status pretok_sets_find(const struct pretok_plan *plan,
                                               const struct pretok_overview *o,
                                               struct pretok_sets *ret_sets,
                                               struct ngt_error *reterr);
void pretok_sets_done(struct pretok_sets *s);

/* The set that a shard of a receipt belongs to. */
uint64_t pretok_sets_of(const struct pretok_sets *s, const struct pretok_receipt *r,
                        uint64_t shard);

#endif
