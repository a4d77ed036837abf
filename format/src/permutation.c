/*
 * FORMAT.md, "Permutation". Two regimes, by n alone:
 *
 *   n <= 2^16  a Fisher-Yates shuffle, tabled
 *   n >  2^16  a Feistel network over b = ceil(log2 n) bits, split into b / 2 and b - b / 2 bits
 *              whose roles alternate, so that the walk visits fewer than two values on average even
 *              just above a power of 4
 **/
#include "ngt/permutation.h"

#include <stdlib.h>

#define TABLE_LIMIT 65536u
#define ROUNDS 6

struct ngt_permutation {
    uint64_t n;
    unsigned bits[2]; /* width of left and right half at even rounds */
    uint64_t keys[ROUNDS];
    uint16_t *table; /* n <= TABLE_LIMIT */
};

/* SplitMix64's output function (Steele, Lea, Flood 2014): a bijection of 64 bits that mixes well.
 */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

uint64_t ngt_permutation_key(uint64_t seed, uint64_t epoch, enum ngt_purpose purpose)
{
    uint64_t key = mix(seed + 0x9E3779B97F4A7C15u);

    key = mix(key ^ (epoch + 0x9E3779B97F4A7C15u));
    return mix(key ^ ((uint64_t)purpose + 0x9E3779B97F4A7C15u));
}

/* The k-th number of the key's stream. */
static uint64_t stream(uint64_t key, uint64_t k)
{
    return mix(key + (k + 1) * 0x9E3779B97F4A7C15u);
}

enum ngt_status ngt_permutation_new(uint64_t n, uint64_t key,
                                    struct ngt_permutation **ret_permutation,
                                    struct ngt_error *reterr)
{
    struct ngt_permutation *p;

    ngt_error_clear(reterr);
    p = calloc(1, sizeof *p);
    if (!p)
        goto no_memory;
    p->n = n;
    if (n && n <= TABLE_LIMIT) {
        p->table = malloc(n * sizeof *p->table);
        if (!p->table)
            goto no_memory;
        for (uint64_t i = 0; i < n; i++)
            p->table[i] = (uint16_t)i;
        /* The 128-bit product maps a 64-bit number to [0, i] with a bias below 2^-48: no rejection,
         * so the k-th swap uses the k-th number. */
        for (uint64_t i = n - 1; i > 0; i--) {
            uint64_t j = (uint64_t)((unsigned __int128)stream(key, n - 1 - i) * (i + 1) >> 64);
            uint16_t swap = p->table[i];
            p->table[i] = p->table[j];
            p->table[j] = swap;
        }
    } else if (n) {
        unsigned bits = 64 - (unsigned)__builtin_clzll(n - 1);
        p->bits[0] = bits / 2;
        p->bits[1] = bits - bits / 2;
        for (unsigned i = 0; i < ROUNDS; i++)
            p->keys[i] = stream(key, i);
    }
    *ret_permutation = p;
    return NGT_OK;
no_memory:
    ngt_permutation_free(&p);
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for a permutation");
}

void ngt_permutation_free(struct ngt_permutation **p)
{
    if (!*p)
        return;
    free((*p)->table);
    free(*p);
    *p = NULL;
}

uint64_t ngt_permutation_at(const struct ngt_permutation *p, uint64_t i)
{
    if (p->table)
        return p->table[i];
    /* Cycle walking: the network permutes [0, 2^bits); values outside [0, n) are sent through
     * again. */
    do {
        uint64_t left = i >> p->bits[1], right = i & ((1ull << p->bits[1]) - 1);
        for (unsigned r = 0; r < ROUNDS; r++) {
            /* (left, right) -> (right, left ^ f(right)): the halves swap their widths each round */
            uint64_t mask = (1ull << p->bits[r & 1]) - 1;
            uint64_t next = left ^ (mix(right ^ p->keys[r]) & mask);
            left = right;
            right = next;
        }
        /* ROUNDS is even, so left and right have their first widths again */
        i = left << p->bits[1] | right;
    } while (i >= p->n);
    return i;
}
