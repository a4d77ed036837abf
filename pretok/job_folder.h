/* DIR of a run: made, swept of what killed processes left, and tied to its plan. */
#ifndef PRETOK_JOB_FOLDER_H
#define PRETOK_JOB_FOLDER_H

#include "job/plan.h"

/* Makes DIR and DIR/receipts. sweeps: removes temporaries of processes that no longer run; split: also
 * in the folders of sets. That lists the folders, which is too much for each of many tasks. */
NGT_NODISCARD enum ngt_status pretok_job_folder_make(const char *folder, bool split, bool sweeps,
                                                     struct ngt_error *reterr);

/* What killed and failed tasks left, once all units are done: also temporaries of other hosts, of which no
 * process can be asked, when nobody has written to them for an hour. */
void pretok_job_folder_sweep(const char *folder, bool split);

/*
 * Stores the plan, or compares it with the one stored: NGT_E_MISMATCH names the difference,
 * NGT_E_EXISTS: the folder holds another data set. Several tasks may do this at once: their plans
 * are the same, or one of them is told.
 */
NGT_NODISCARD enum ngt_status pretok_job_folder_plan(const char *folder,
                                                     const struct pretok_plan *plan,
                                                     struct ngt_error *reterr);
/* share: see pretok_plan_load. NGT_E_DATA: there is none. */
NGT_NODISCARD enum ngt_status pretok_job_folder_load(const char *folder,
                                                     const struct pretok_plan_share *share,
                                                     struct pretok_plan *ret_plan,
                                                     struct ngt_error *reterr);
/* Is dataset.json there? */
NGT_NODISCARD enum ngt_status pretok_job_folder_complete(const char *folder, bool *ret_complete,
                                                         struct ngt_error *reterr);
/* Removes dataset.json, of a split job also that of each set: they are not complete while a unit is
 * done again. */
NGT_NODISCARD enum ngt_status pretok_job_folder_reopen(const char *folder, bool split,
                                                       struct ngt_error *reterr);
#endif
