/* The definition of byte pair encoding: symbols in, symbols out, by the rules as configured. */
#ifndef TOK_MODEL_MERGE_H
#define TOK_MODEL_MERGE_H

#include "model/rule_table.h"

struct tok_merge_place;
struct tok_merge_candidate;

/* One thread's memory; zero before use. */
struct tok_merge {
    struct tok_merge_place *places;
    uint64_t place_room;
    struct tok_merge_candidate *heap;
    uint64_t heap_count, heap_room;
};
void tok_merge_done(struct tok_merge *m);

/*
 * Merges symbols [n] in place, n < 2^32; *ret_count are left. *ret_last (may be NULL): left and
 * right of the last rule applied, and its rank; untouched when none was. NGT_E_NOMEM.
 */
struct tok_merge_last {
    uint32_t left, right, rank;
};
NGT_NODISCARD enum ngt_status tok_merge_run(struct tok_merge *m, const struct tok_rule_table *rules,
                                            uint32_t *symbols, uint64_t n, uint64_t *ret_count,
                                            struct tok_merge_last *ret_last,
                                            struct ngt_error *reterr);
#endif
