/*
 * From receipts to a data set: proves that every record of the plan is accounted for exactly once,
 * and writes DIR/quarantine.jsonl and, last, DIR/dataset.json.
 */
#ifndef PRETOK_FINISH_H
#define PRETOK_FINISH_H

#include "estimate.h"
#include "job/receipt.h"

struct pretok_finish_config {
    const struct pretok_plan *plan;
    const char *folder;
    const char *version; /* of the program */
    double max_bad;
    bool allow_lost;
    bool whole;        /* hash every byte of every shard, not just roots */
    bool check_inputs; /* read the inputs again and compare their hashes */
    const struct pretok_remote *remote; /* for that; see pretok_inputs_config */
    unsigned threads;
    void *arg;
    void (*say)(void *arg, const char *message); /* lost sources, one by one; NULL: not wanted */
};

/* What there is to tell of a job. */
struct pretok_report {
    struct pretok_ledger ledger;
    bool estimated; /* there was a dry run of this plan */
    struct pretok_estimate estimate;
    struct pretok_facts facts; /* what it came to */
};
void pretok_report_print(const struct pretok_report *r, FILE *to);

/*
 * NGT_OK: dataset.json is written. NGT_E_DATA: units are open, too many records refused, no
 * document at all, or sources lost without allow_lost; NGT_E_MISMATCH, NGT_E_CORRUPT: a shard or an
 * input is not what a receipt says.
 */
NGT_NODISCARD enum ngt_status pretok_finish(const struct pretok_finish_config *config,
                                            struct pretok_report *ret_report,
                                            struct ngt_error *reterr);
#endif
