/* What a finished job says of itself: dataset.json of the folder and, split, of each set. */
#ifndef PRETOK_DATASET_H
#define PRETOK_DATASET_H

#include "duplicates.h"
#include "estimate.h"

struct pretok_dataset {
    const struct pretok_plan *plan;
    const struct pretok_overview *overview;
    const struct pretok_sets *sets;
    const struct pretok_dropped *dropped; /* [sets->count]; NULL: duplicates were not looked for */
    const char *folder, *version;
    struct pretok_ledger ledger; /* of all, with what was dropped */
    const struct pretok_estimate *estimate; /* of a dry run, beside these facts; NULL: there was none */
    const struct pretok_facts *facts;
};

/* Drop lists, then the sets' descriptions, then the folder's own: whoever sees that sees all. */
NGT_NODISCARD enum ngt_status pretok_dataset_write(const struct pretok_dataset *d,
                                                   struct ngt_error *reterr);
/* The ledger that stands in DIR/dataset.json. */
NGT_NODISCARD enum ngt_status pretok_dataset_ledger(const char *folder,
                                                    struct pretok_ledger *ret_ledger,
                                                    struct ngt_error *reterr);

#endif
