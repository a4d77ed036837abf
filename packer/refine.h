/* Internal: the closing step of best-fit, for data sets so small that a sequence or two of padding
 * shows. */
#ifndef PACKER_REFINE_H
#define PACKER_REFINE_H

#include "packer/plan.h"

/* Sequences that best-fit may take: floor(ceil(tokens / T) * 1.0002 + 1). */
uint64_t packer_bound(uint64_t tokens, uint64_t seq_len);

/* A part of a rest that was divided among several bins. */
struct packer_part {
    uint64_t bin;
    struct packer_piece piece;
};

/* What is refined: pieces are the rests of documents order[0 .. n), in bins bin_of[0 .. n). */
struct packer_refinement {
    const uint64_t *lengths, *order;
    uint64_t seq_len, n;
    uint64_t *bin_of; /* UINT64_MAX once a rest was divided; its parts stand below */
    uint64_t bins;
    struct packer_part *parts; /* owned by the caller afterwards */
    uint64_t part_count;
};

/*
 * Dissolves bins until at most `most` are left: the emptiest bin that holds only rests of documents
 * longer than T (of equal ones the last opened) is divided among the free rooms of the others,
 * largest room first. Such documents are cut in any case, so no further document is; they are in a
 * few pieces more. Ends early when no bin qualifies or the others have not room enough. Bins keep
 * their order. false: out of memory.
 */
bool packer_refine(struct packer_refinement *r, uint64_t most);

#endif
