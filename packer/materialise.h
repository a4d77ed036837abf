/* Internal: from a plan to rows of ids. */
#ifndef PACKER_MATERIALISE_H
#define PACKER_MATERIALISE_H

#include "ngt.h"
#include "packer/plan.h"

/* Rows [first, first + count) of a packed set, gathered and ready to be written. */
struct packer_window {
    uint64_t seq_len, room; /* rows there is memory for */
    uint64_t count;
    uint32_t *ids; /* [count * seq_len], padding included */
    struct ngt_segment *segments;
    uint64_t *segment_first; /* [count + 1] */
    uint64_t segment_count, segment_room;
    uint64_t *loss;       /* first and length of spans, all rows; NULL when the input has none */
    uint64_t *loss_first; /* [count + 1], in spans */
    uint64_t loss_count, loss_room;
    uint64_t *by_place; /* segments in the order they stand in the input */
    uint64_t place_room;
};

enum ngt_status packer_window_init(struct packer_window *w, uint64_t seq_len, uint64_t rows,
                                   struct ngt_error *reterr);
void packer_window_done(struct packer_window *w);

/*
 * The control experiment: token g of the whole input is replaced by token order(g). Documents keep
 * their lengths, ids keep their frequencies, and nothing else is left to learn.
 */
struct packer_shuffle {
    struct ngt_permutation *order; /* of all tokens of the input */
    uint64_t *first;               /* [shards + 1] number of each shard's first token */
};

/*
 * Fills w with rows [first, first + count) of the plan, count <= room. The input is read in the
 * order in which it lies on disk, by all workers. pad: id of padding. shuffle: NULL, or the control
 * experiment.
 */
enum ngt_status packer_window_fill(struct packer_window *w, const struct packer_plan *plan,
                                   const struct ngt_dataset *set,
                                   const struct packer_shuffle *shuffle, uint64_t first,
                                   uint64_t count, uint32_t pad, struct ngt_pool *pool,
                                   struct ngt_error *reterr);
#endif
