/* Refused records of a unit, a JSON line each: source, record, offset, reason, raw (base64, cut).
 */
#ifndef PRETOK_QUARANTINE_H
#define PRETOK_QUARANTINE_H

#include "batch.h"
#include "job/plan.h"

struct pretok_quarantine;

/* The file at path appears when it is committed, and only when there was something to write. */
NGT_NODISCARD enum ngt_status pretok_quarantine_new(const char *path,
                                                    struct pretok_quarantine **ret_quarantine,
                                                    struct ngt_error *reterr);
void pretok_quarantine_free(struct pretok_quarantine **q);

/* plan only serves the reason. raw, keys: of the record; reason_detail may be NULL. */
NGT_NODISCARD enum ngt_status pretok_quarantine_add(struct pretok_quarantine *q,
                                                    const struct pretok_item *item,
                                                    const uint8_t *raw, const char *keys,
                                                    const struct pretok_plan *plan,
                                                    struct ngt_error *reterr);
/* *ret_bytes 0: there is no file, and one of an earlier run was removed. */
NGT_NODISCARD enum ngt_status pretok_quarantine_commit(struct pretok_quarantine *q,
                                                       uint64_t *ret_bytes,
                                                       struct ngt_error *reterr);
#endif
