/*
 * What proves that a unit is done: its shards, its sources as they were read, its ledger. Written
 * once the shards are in place, as DIR/receipts/UNIT.json; its bytes are a function of the plan and
 * the inputs, like the shards'. Belongs to no task.
 */
#ifndef PRETOK_RECEIPT_H
#define PRETOK_RECEIPT_H

#include "job/ledger.h"
#include "job/plan.h"

#define PRETOK_RECEIPT_FOLDER "receipts"

struct pretok_receipt_source {
    char *name;
    uint64_t start;        /* of the unit in it */
    uint64_t stored_bytes; /* read, and their XXH3-128 */
    struct ngt_digest128 hash;
    uint64_t lines;   /* JSON lines, blank ones included; 0 in archives and for text */
    uint64_t records; /* documents and refused ones */
    char *lost;       /* why it could not be read to its end, or NULL */
};

/* A set of a split job: documents only, as refused records belong to none. */
struct pretok_receipt_set {
    char *folder; /* below the job's */
    struct pretok_ledger ledger;
};

struct pretok_receipt_shard {
    char name[64];
    struct ngt_shard_summary summary;
    /* split and looked through for duplicates: the places in the unit of the shard's sources, by which
     * documents of different sets are ordered; else none */
    uint64_t *origins, origin_count;
    uint64_t set; /* of sets; 0 where the job is not split */
};

struct pretok_receipt {
    uint64_t unit;
    uint64_t fingerprint; /* of the plan */
    struct pretok_ledger ledger;
    struct pretok_receipt_source *sources;
    uint64_t source_count;
    struct pretok_receipt_set *sets; /* of a split job, else none */
    uint64_t set_count;
    struct pretok_receipt_shard *shards;
    uint64_t shard_count;
    uint64_t quarantine_bytes; /* of UNIT.quarantine.jsonl; 0: there is none */
    char *keys;                /* the keys of a record that lacked the text key, or NULL */
    double committed;          /* when, by the file's time: seconds since 1970; in no file */
};

void pretok_receipt_done(struct pretok_receipt *r);
/* malloced paths DIR/receipts/UNIT.json and DIR/receipts/UNIT.quarantine.jsonl; NULL: no memory */
char *pretok_receipt_path(const struct pretok_plan *plan, const char *folder, uint64_t unit);
char *pretok_quarantine_path(const struct pretok_plan *plan, const char *folder, uint64_t unit);

/* malloced: where a shard lies; NULL: no memory */
char *pretok_receipt_shard_path(const struct pretok_receipt *r, const char *folder, uint64_t shard);

NGT_NODISCARD enum ngt_status pretok_receipt_save(const struct pretok_receipt *r, const char *path,
                                                  struct ngt_error *reterr);
/* *ret_there false: there is none. NGT_E_DATA: damaged, of another plan, or it does not balance. */
NGT_NODISCARD enum ngt_status
pretok_receipt_load(const struct pretok_plan *plan, const char *folder, uint64_t unit,
                    bool *ret_there, struct pretok_receipt *ret_receipt, struct ngt_error *reterr);

/*
 * Are the receipt's shards and quarantine there, of the size and with the root it names? whole:
 * every byte of them is hashed. NGT_E_CORRUPT or NGT_E_MISMATCH names the first that is not (path).
 */
NGT_NODISCARD enum ngt_status pretok_receipt_check(const struct pretok_receipt *r,
                                                   const struct pretok_plan *plan,
                                                   const char *folder, bool whole,
                                                   struct ngt_error *reterr);

#endif
