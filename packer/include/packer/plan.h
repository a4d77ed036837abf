/*
 * Which tokens stand where: from document lengths to sequences of T tokens. Pure: no file, no
 * thread, no clock. The plan depends on lengths, T, method and seed alone.
 *
 * best-fit   Best-fit decreasing (Johnson 1973; for token packing Ding et al., ICML 2024):
 *            documents longer than T are cut into pieces of T and a rest. Pieces of T are sequences
 *            of their own. The others, longest first (equal lengths in document order), go each
 *            into the open sequence with the least room that suffices (equal rooms: the one that
 *            got its room first), or open one. Free rooms are found by a bitmap over 0..T.
 *            Where that takes more than ceil(tokens / T) * 1.0002 + 1 sequences, which happens to
 *            small data sets, the emptiest sequences of rests are divided among the free rooms of
 *            others: documents that are cut anyway come in a few pieces more.
 *
 * first-fit  The same pieces in document order, each into the first open sequence that has room.
 *
 * concat     All documents one after the other, cut at T.
 *
 * Then, for all methods, by key: the pieces inside a sequence (not for concat, whose order is its
 * meaning) and the sequences themselves are shuffled (ngt/permutation.h).
 */
#ifndef PACKER_PLAN_H
#define PACKER_PLAN_H

#include <stdbool.h>

#include "ngt/error.h"

#define PACKER_MAX_LEN (1u << 24) /* T: the rooms' table takes 24 bytes an entry */

enum packer_method {
    PACKER_BEST_FIT,
    PACKER_CONCAT,
    PACKER_FIRST_FIT,
};
extern const char *const packer_method_names[]; /* NULL-terminated */

struct packer_piece {
    uint64_t doc, offset; /* tokens [offset, offset + length) of document doc */
    uint32_t length;
};

struct packer_plan;

/*
 * lengths [docs], in tokens; borrowed until the plan is freed. 1 <= seq_len <= PACKER_MAX_LEN.
 * Cost: O(docs + T) time, 24 bytes a document while building, 16 afterwards.
 */
NGT_NODISCARD enum ngt_status packer_plan_new(const uint64_t *lengths, uint64_t docs,
                                              uint64_t seq_len, enum packer_method method,
                                              uint64_t seed, struct packer_plan **ret_plan,
                                              struct ngt_error *reterr);
void packer_plan_free(struct packer_plan **plan);

uint64_t packer_plan_sequences(const struct packer_plan *plan);
/*
 * The pieces of the sequence at position `at` of the packed set, in their order; no more than room,
 * *ret_count is the number there are. Any number of threads.
 */
NGT_NODISCARD enum ngt_status packer_plan_sequence(const struct packer_plan *plan, uint64_t at,
                                                   uint64_t room, struct packer_piece *ret_pieces,
                                                   uint64_t *ret_count, struct ngt_error *reterr);

/* What a packing costs. */
struct packer_report {
    uint64_t seq_len, documents, filled; /* documents; those of at least one token */
    uint64_t tokens, targets, sequences, segments;
    uint64_t padding; /* tokens: sequences * T - tokens */
    uint64_t cut;     /* documents in more than one segment */
};
struct packer_report packer_plan_report(const struct packer_plan *plan);

/*
 * The report of best-fit or concat without building the plan: from a histogram of lengths, O(docs +
 * T log T) and O(T) memory. Equal to the plan's own report.
 */
NGT_NODISCARD enum ngt_status packer_estimate(const uint64_t *lengths, uint64_t docs,
                                              uint64_t seq_len, enum packer_method method,
                                              struct packer_report *ret_report,
                                              struct ngt_error *reterr);
#endif
