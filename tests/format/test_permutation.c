/* A permutation, and one that looks random where deployed ones did not (parity, differences, low
 * bits). */
#include "ngt/permutation.h"

#include "t.h"

T_CASE(is_a_bijection)
{
    static const uint64_t sizes[] = {1,     2,      3,      10,     65535,  65536, 65537,
                                     65538, 100000, 131071, 131072, 131073, 262145};

    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint64_t n = sizes[k];
        struct ngt_permutation *p = NULL;
        uint8_t *seen = calloc(n, 1);
        T_REQUIRE(ngt_permutation_new(n, ngt_permutation_key(k, 0, NGT_PURPOSE_EPOCH), &p, NULL) ==
                  NGT_OK);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t y = ngt_permutation_at(p, i);
            T_REQUIRE(y < n && !seen[y]);
            seen[y] = 1;
        }
        ngt_permutation_free(&p);
        free(seen);
    }
}

T_CASE(keys_differ_by_every_part)
{
    uint64_t a = ngt_permutation_key(1, 2, NGT_PURPOSE_EPOCH);

    T_TRUE(a != ngt_permutation_key(2, 1, NGT_PURPOSE_EPOCH));
    T_TRUE(a != ngt_permutation_key(1, 3, NGT_PURPOSE_EPOCH));
    T_TRUE(a != ngt_permutation_key(1, 2, NGT_PURPOSE_PACK));
    T_TRUE(ngt_permutation_key(0, 1, NGT_PURPOSE_EPOCH) !=
           ngt_permutation_key(1, 0, NGT_PURPOSE_EPOCH));
}

/* FORMAT.md gives these values; a second implementation checks itself with them. */
T_CASE(known_values)
{
    struct ngt_permutation *p = NULL;
    uint64_t key = ngt_permutation_key(42, 0, NGT_PURPOSE_EPOCH);

    T_EQ_U64(key, UINT64_C(10404009062274387821));
    T_REQUIRE(ngt_permutation_new(10, key, &p, NULL) == NGT_OK);
    const uint64_t small[10] = {5, 9, 0, 3, 6, 8, 1, 2, 7, 4};
    for (uint64_t i = 0; i < 10; i++)
        T_EQ_U64(ngt_permutation_at(p, i), small[i]);
    ngt_permutation_free(&p);
    T_REQUIRE(ngt_permutation_new(1000000, key, &p, NULL) == NGT_OK);
    const uint64_t large[4] = {434942, 494409, 897808, 252578};
    for (uint64_t i = 0; i < 4; i++)
        T_EQ_U64(ngt_permutation_at(p, i), large[i]);
    ngt_permutation_free(&p);
}

/* The three tests that two deployed permutations fail; bounds are 6 sigma of a true shuffle, N =
 * 2^20. */
T_CASE(looks_random)
{
    const uint64_t n = 1u << 20;
    uint8_t *difference = calloc(2 * n, 1);
    struct ngt_permutation *p = NULL;
    uint64_t distinct = 0, flips = 0, cells[256] = {0};
    double chi = 0;

    T_REQUIRE(ngt_permutation_new(n, ngt_permutation_key(7, 3, NGT_PURPOSE_PACK), &p, NULL) ==
              NGT_OK);
    for (uint64_t i = 0, last = 0; i < n; i++) {
        uint64_t y = ngt_permutation_at(p, i);
        if (i) {
            uint8_t *d = &difference[y + n - last];
            distinct += !*d;
            *d = 1;
            flips += (y ^ last) & 1;
        }
        cells[(i & 15) << 4 | (y & 15)]++;
        last = y;
    }
    for (unsigned c = 0; c < 256; c++) {
        double expected = (double)n / 256, off = (double)cells[c] - expected;
        chi += off * off / expected;
    }
    double share = (double)distinct / (double)n, parity = (double)flips / (double)n;
    if (share < 0.7347 || share > 0.7374)
        T_FAIL("share of distinct differences %.4f", share);
    if (parity < 0.497 || parity > 0.503)
        T_FAIL("parity flips %.4f", parity);
    if (chi > 225 + 6 * 21.2 || chi < 225 - 6 * 21.2)
        T_FAIL("chi-square of the low bits %.1f", chi);
    ngt_permutation_free(&p);
    free(difference);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
