/*
 * Where inputs are cut into units: small files are taken together, plain JSON lines are cut behind the first newline at
 * or beyond --unit-bytes, zstd files between frames; everything else is whole.
 */
#ifndef PRETOK_UNITS_H
#define PRETOK_UNITS_H

#include "job/plan.h"

/*
 * inputs: in the plan's order. Of config what says how to cut: unit_bytes, keep_compressed, known, remote.
 * *ret_units is malloced. NGT_E_IO, NGT_E_REMOTE: an input cannot be looked into; NGT_E_DATA: it changes
 * meanwhile. A damaged file is no failure here: its reader tells it.
 */
NGT_NODISCARD enum ngt_status pretok_units_cut(const struct pretok_inputs *inputs,
                                               const struct pretok_plan_config *config,
                                               struct pretok_unit **ret_units, uint64_t *ret_count,
                                               struct ngt_error *reterr);

/* The first place at or behind `at` (>= 1) of a plain input where a line begins, or its end. */
NGT_NODISCARD enum ngt_status pretok_units_boundary(const struct pretok_input *in,
                                                    const struct pretok_remote *remote, uint64_t at,
                                                    uint64_t *ret, struct ngt_error *reterr);

#endif
