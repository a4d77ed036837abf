/* The whole job: a document data set in, a packed data set out. */
#ifndef PACKER_PACK_H
#define PACKER_PACK_H

#include "ngt.h"
#include "packer/plan.h"

struct packer_config {
    const char *out; /* folder */
    uint64_t seq_len, seed;
    enum packer_method method;
    double val_share;       /* 0: none */
    uint64_t shard_tokens;  /* of a shard: a whole number of sequences, at least one */
    bool shuffle_ids;       /* control experiment: all ids of the input trade places, by seed */
    uint64_t window_tokens; /* gathered in memory at once; changes no byte */
    const char *version;    /* of the program, for dataset.json */
    bool (*stopped)(void);  /* asked between windows; true ends with NGT_E_STOPPED. May be NULL */
    void (*progress)(void *context, const char *side, uint64_t done,
                     uint64_t sequences); /* may be NULL */
    void *context;
};

/* Held-out side of a document; see packer/split.h */
struct packer_result {
    struct packer_report train, val; /* val.sequences 0 without a held-out side */
    uint64_t dropped;                /* documents of the input that its drop lists name */
    bool was_complete;               /* nothing had to be done */
};

/*
 * Writes config.out (and config.out/val): shards, then dataset.json. What a killed run left whole
 * is kept. An existing data set of other options or inputs is NGT_E_EXISTS, naming the difference.
 */
NGT_NODISCARD enum ngt_status packer_pack(const struct ngt_dataset *set,
                                          const struct packer_config *config, struct ngt_pool *pool,
                                          struct packer_result *ret_result,
                                          struct ngt_error *reterr);

/* Only the reports, without writing. */
NGT_NODISCARD enum ngt_status
packer_plan_only(const struct ngt_dataset *set, const struct packer_config *config,
                 struct ngt_pool *pool, struct packer_result *ret_result, struct ngt_error *reterr);
#endif
