/*
 * Inputs and units of a large plan, in a binary file beside plan.json: written in one pass, mapped when
 * read. A task opens its share: it touches the pages of its own units and their inputs, however many
 * others there are, and checks those by a hash that each unit has.
 *
 * All numbers little-endian:
 *
 *      0   64   "NGTPLAN1", u64 inputs, units, bytes of strings, root, then zeros; at 56 the hash of
 *               what stands before it
 *     64   64 u   units: u64 first input, inputs, start, bytes, text start, offset of the first input's
 *               string, flags (1 part), hash
 *          40 i   inputs: u32 bytes of the string, u32 where in it the name begins; u64 size, time,
 *               head and tail; u8 format, u8 flags (1 plain, 2 it has a path), u16 zero, u32 where
 *               in the string the ETag begins, or 0
 *               strings: the path and a NUL; the name is its end, or follows with a NUL of its own;
 *               the ETag of a remote one and a NUL
 *
 * A unit's hash is XXH3-64 of its record up to there, its inputs' records and its inputs' strings. The
 * root is XXH3-64 of all units' records.
 */
#ifndef PRETOK_PLAN_TABLE_H
#define PRETOK_PLAN_TABLE_H

#include "job/plan.h"

NGT_NODISCARD enum ngt_status pretok_plan_table_write(const struct pretok_plan *plan,
                                                      const char *path, uint64_t *ret_root,
                                                      struct ngt_error *reterr);
/*
 * Fills inputs and units of an empty plan: all, or those of the share (the others stay zero, and
 * take no memory). What they point to is in the mapping, which the plan owns. NGT_E_DATA: damaged, or
 * not the table with that root; NGT_E_IO.
 */
NGT_NODISCARD enum ngt_status pretok_plan_table_read(const char *path, uint64_t root,
                                                     const struct pretok_plan_share *share,
                                                     struct pretok_plan *plan,
                                                     struct ngt_error *reterr);
void pretok_plan_table_close(struct pretok_plan *plan);

#endif
