/*
 * The rules of byte pair encoding as a hash table: (left, right) to (rank, result). Open
 * addressing, 16 bytes an entry, at most two thirds full, so that a look-up is one cache line mostly.
 */
#ifndef TOK_MODEL_RULE_TABLE_H
#define TOK_MODEL_RULE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/pages.h"
#include "ngt/error.h"

struct tok_rule_entry {
    uint64_t pair; /* left << 32 | right; TOK_RULE_FREE where none */
    uint32_t rank, result;
};
#define TOK_RULE_FREE UINT64_MAX
#define TOK_RULE_NONE UINT32_MAX /* the rank of a pair without a rule */

struct tok_rule_table {
    struct tok_rule_entry *entries;
    uint64_t mask; /* entries - 1 */
    unsigned shift;
    struct tok_pages memory;
};

/* Room for count rules. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_rule_table_init(struct tok_rule_table *t, uint64_t count,
                                                  struct ngt_error *reterr);
void tok_rule_table_done(struct tok_rule_table *t);
/* A later rule for the same pair replaces the earlier one. */
void tok_rule_table_put(struct tok_rule_table *t, uint32_t left, uint32_t right, uint32_t rank,
                        uint32_t result);

static inline uint64_t tok_rule_slot(const struct tok_rule_table *t, uint64_t pair)
{
    return pair * 0x9E3779B97F4A7C15u >> t->shift;
}

/* Brings what a pair that is soon put or asked for needs. (Always inline: a call that has no effect but this
 * one is removed by GCC 12.) */
static inline __attribute__((always_inline)) void tok_rule_expect(const struct tok_rule_table *t,
                                                                  uint32_t left, uint32_t right)
{
    __builtin_prefetch(&t->entries[tok_rule_slot(t, (uint64_t)left << 32 | right)]);
}

/* The entry of a pair, or a free one (rank TOK_RULE_NONE). */
static inline const struct tok_rule_entry *tok_rule_find(const struct tok_rule_table *t,
                                                         uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    uint64_t i = tok_rule_slot(t, pair);

    while (t->entries[i].pair != pair && t->entries[i].pair != TOK_RULE_FREE)
        i = (i + 1) & t->mask;
    return &t->entries[i];
}
#endif
