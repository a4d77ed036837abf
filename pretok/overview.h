/* What is known of all units of a job from its plan and receipts alone, for run, status and finish. */
#ifndef PRETOK_OVERVIEW_H
#define PRETOK_OVERVIEW_H

#include "job/receipt.h"

struct pretok_overview {
    struct pretok_receipt *receipts; /* [unit_count]; unit 0 where there is none */
    uint64_t unit_count, done, lost_sources;
    struct pretok_ledger ledger; /* of the units done */
};
/* share: look for the receipts of that task's units alone; NULL: of all. */
NGT_NODISCARD enum ngt_status pretok_overview_load(const struct pretok_plan *plan,
                                                   const char *folder,
                                                   const struct pretok_plan_share *share,
                                                   struct pretok_overview *ret_overview,
                                                   struct ngt_error *reterr);
void pretok_overview_done(struct pretok_overview *o);

/* "1-3, 7, 9-12": units without receipt, cut with "..." to fit. Returns out. */
char *pretok_overview_open_units(const struct pretok_overview *o, char *out, size_t room);

/*
 * "3,7-9": the tasks of `tasks` that have units without receipt, as `sbatch --array` takes it; a task
 * a unit when tasks is 0. Whole, however long; empty when nothing is open. malloced; NULL: no memory.
 */
char *pretok_overview_array(const struct pretok_overview *o, uint64_t tasks);

#endif
