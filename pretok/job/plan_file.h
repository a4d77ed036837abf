/* The plan on disk: plan.json, and for many inputs a table beside it. */
#ifndef PRETOK_PLAN_FILE_H
#define PRETOK_PLAN_FILE_H

#include "job/plan.h"

#define PRETOK_PLAN_FILE "plan.json"

/* With more inputs or units than this, they stand in a table (plan_table.h) beside plan.json, whose name
 * has the plan's fingerprint in it: two that plan at the same time do not mix. */
#define PRETOK_PLAN_SMALL 4096u
NGT_NODISCARD enum ngt_status pretok_plan_save(const struct pretok_plan *plan, const char *path,
                                               uint64_t small, struct ngt_error *reterr);
/*
 * share: of a plan with a table the units of that share alone are there, and their inputs; of a small
 * one all. NULL: all. NGT_E_IO (sys_errno ENOENT): there is none. NGT_E_DATA, NGT_E_UNSUPPORTED.
 */
NGT_NODISCARD enum ngt_status pretok_plan_load(const char *path,
                                               const struct pretok_plan_share *share,
                                               struct pretok_plan *ret_plan,
                                               struct ngt_error *reterr);

#endif
