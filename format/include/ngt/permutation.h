/*
 * The keyed order that packer and trainer share: a bijection of [0, n) computed index by index. Six
 * rounds of a Feistel network with a multiply-xorshift round and cycle walking (walks < 2 on
 * average, by an unequal split of odd bit counts); up to 2^16 a Fisher-Yates shuffle by the same
 * key. FORMAT.md, "Permutation", gives it exactly.
 */
#ifndef NGT_PERMUTATION_H
#define NGT_PERMUTATION_H

#include "ngt/error.h"

enum ngt_purpose {
    NGT_PURPOSE_EPOCH = 1,    /* order of sequences in training */
    NGT_PURPOSE_PACK = 2,     /* order of sequences in a packed set */
    NGT_PURPOSE_SEGMENTS = 3, /* order of segments inside a sequence */
    NGT_PURPOSE_INIT = 4,     /* initial weights */
    NGT_PURPOSE_SAMPLE = 5,   /* sampled tokens */
};

struct ngt_permutation;

/* The key: seed, epoch and purpose hashed together, so that (seed, epoch + 1) is unrelated to (seed
 * + 1, epoch). */
uint64_t ngt_permutation_key(uint64_t seed, uint64_t epoch, enum ngt_purpose purpose);

NGT_NODISCARD enum ngt_status ngt_permutation_new(uint64_t n, uint64_t key,
                                                  struct ngt_permutation **ret_permutation,
                                                  struct ngt_error *reterr);
void ngt_permutation_free(struct ngt_permutation **p);
/* Image of i < n. Any number of threads at once. */
uint64_t ngt_permutation_at(const struct ngt_permutation *p, uint64_t i);
#endif
