/*
 * Any data set as sequences of T tokens. Packed shards: as they are. Document shards: all documents
 * in order, one after the other, cut at T (as `ngt-pack --method concat` does). The feed of the
 * trainer and `concat` of the packer.
 */
#ifndef NGT_SEQUENCE_H
#define NGT_SEQUENCE_H

#include "ngt/dataset.h"

struct ngt_sequences;

/* set is borrowed. seq_len: T for document shards; packed: 0 or the set's own T, else
 * NGT_E_MISMATCH. */
NGT_NODISCARD enum ngt_status ngt_sequences_new(const struct ngt_dataset *set, uint64_t seq_len,
                                                struct ngt_sequences **ret_sequences,
                                                struct ngt_error *reterr);
void ngt_sequences_free(struct ngt_sequences **s);

uint64_t ngt_sequences_count(const struct ngt_sequences *s);
uint64_t ngt_sequences_len(const struct ngt_sequences *s); /* T */

/*
 * Gathers one sequence. Any number of threads at once.
 *
 *   ret_tokens    [T] ids; padding: any valid id
 *   ret_targets   [T] the next id of the same document, or NGT_NO_ID (last token of a document,
 *                 padding, no loss)
 *   ret_first     [T] index of the first token of the same segment: what attention may see is
 *                 [first[i], i], and the position of token i is i - first[i]; a padding token is a
 *                 segment of its own
 */
NGT_NODISCARD enum ngt_status ngt_sequences_gather(const struct ngt_sequences *s, uint64_t sequence,
                                                   uint32_t *ret_tokens, uint32_t *ret_targets,
                                                   uint32_t *ret_first, struct ngt_error *reterr);

/* The segments of one sequence, into caller memory of room entries; *ret_count is the number there
 * are. */
NGT_NODISCARD enum ngt_status ngt_sequences_segments(const struct ngt_sequences *s,
                                                     uint64_t sequence, uint64_t room,
                                                     struct ngt_segment *ret_segments,
                                                     uint64_t *ret_count, struct ngt_error *reterr);
#endif
