/* What every backend does with a slot before it works it, and with results until they are collected. */
#ifndef KERN_SLOT_PRIVATE_H
#define KERN_SLOT_PRIVATE_H

#include "kern/backend.h"

/* KERN_E_SHAPE names the row, the position and the number: an id beyond the vocabulary, a segment that
 * starts after its token or before the last one's, too many rows, training where only forward is. */
KERN_NODISCARD enum kern_status kern_slot_check(const struct kern_config *config,
                                                const struct kern_slot *slot,
                                                struct kern_error *reterr);

/* The slot's rows, then rows of padding up to the table's: arrays of [config->rows * seq_len]. */
void kern_slot_rows(const struct kern_config *config, const struct kern_slot *slot,
                    uint32_t *ret_tokens, uint32_t *ret_targets, uint32_t *ret_first);

/* Positions with a target. */
uint64_t kern_slot_targets(const struct kern_config *config, const struct kern_slot *slot);

/* Results in order that nobody has collected; grows only while nobody does. */
struct kern_results {
    struct kern_result *ring; /* [capacity] */
    uint64_t head, count, capacity;
};
KERN_NODISCARD bool kern_results_init(struct kern_results *r);
void kern_results_done(struct kern_results *r);
KERN_NODISCARD enum kern_status kern_results_push(struct kern_results *r,
                                                  const struct kern_result *result,
                                                  struct kern_error *reterr);
/* The oldest; false where there is none. */
bool kern_results_pop(struct kern_results *r, struct kern_result *ret_result);

#endif
