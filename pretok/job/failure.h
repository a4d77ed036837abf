/*
 * Why a unit could not be done: a line in DIR/receipts/UNIT.failed, for `pretok status`. A note, no
 * proof: a receipt beside it outweighs it, whoever commits the unit removes it, and so does finish.
 */
#ifndef PRETOK_FAILURE_H
#define PRETOK_FAILURE_H

#include "job/plan.h"

/* Best effort: a unit that failed because nothing can be written leaves no note either. */
void pretok_failure_note(const struct pretok_plan *plan, const char *folder, uint64_t unit,
                         const struct ngt_error *error);
/* The line, malloced; NULL: there is none. */
char *pretok_failure_load(const struct pretok_plan *plan, const char *folder, uint64_t unit);
void pretok_failure_remove(const struct pretok_plan *plan, const char *folder, uint64_t unit);

#endif
