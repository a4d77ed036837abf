/* kern_device_sort against a sort by comparison. */
#include "t.h"

#include "kern/device/sort.h"
#include "lab.h"

#include <time.h>

/* id and position in one word: their order is the one wanted. */
static int by_word(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* spread: ids in use, of which 0 and vocab - 1 are two. */
static void check(uint32_t n, uint32_t vocab, uint32_t spread, uint64_t seed)
{
    uint32_t *tokens = calloc(n, sizeof *tokens), *order = calloc(n + 1, sizeof *order);
    uint32_t *runs = calloc(n + 2, sizeof *runs), expected_runs = 0;
    uint64_t *scratch = calloc(n, sizeof *scratch), *words = calloc(n, sizeof *words);

    T_REQUIRE(tokens && order && runs && scratch && words);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t k = lab_next(&seed) % spread;
        tokens[i] = (uint32_t)(spread > 1 ? k * (vocab - 1) / (spread - 1) : vocab - 1);
        words[i] = (uint64_t)tokens[i] << 32 | i;
    }
    qsort(words, n, sizeof *words, by_word);
    order[n] = runs[n + 1] = 0xdeadbeef;
    double best = 1e9;
    uint32_t got = 0;
    for (unsigned round = 0; round < 5; round++) {
        double start = seconds();
        got = kern_device_sort(tokens, n, vocab, scratch, order, runs);
        best = seconds() - start < best ? seconds() - start : best;
    }
    printf("%u of %u ids: %.1f us\n", n, vocab, best * 1e6);
    T_EQ_U64(order[n], 0xdeadbeef);
    T_EQ_U64(runs[n + 1], 0xdeadbeef);
    for (uint32_t i = 0; i < n; i++) {
        if (order[i] != (uint32_t)words[i]) {
            T_FAIL("%u ids of %u: order[%u] = %u, expected %u", n, vocab, i, order[i],
                   (uint32_t)words[i]);
            break;
        }
        if (i == 0 || words[i] >> 32 != words[i - 1] >> 32) {
            T_EQ_U64(runs[expected_runs], i);
            expected_runs++;
        }
    }
    T_EQ_U64(got, expected_runs);
    for (uint32_t i = expected_runs; i <= n; i++)
        if (runs[i] != n) {
            T_FAIL("runs[%u] = %u, expected %u", i, runs[i], n);
            break;
        }
    free(tokens);
    free(order);
    free(runs);
    free(scratch);
    free(words);
}

T_CASE(small)
{
    check(1, 2, 1, 1);
    check(1, 2, 2, 2);
    check(7, 2, 2, 3);
    check(300, 5, 5, 4);
    check(300, 2048, 2048, 5);
    check(300, 2049, 2049, 6);
}

/* One, two and three digits; borders of their widths. */
T_CASE(vocabularies)
{
    static const uint32_t vocabularies[] = {
        2, 3, 255, 256, 257, 2047, 2048, 2049, 50257, 1u << 22, (1u << 22) + 1, 0x7fffffff};

    for (unsigned i = 0; i < sizeof vocabularies / sizeof vocabularies[0]; i++) {
        check(1000, vocabularies[i], vocabularies[i] < 40 ? vocabularies[i] : 40, i);
        check(1000, vocabularies[i], vocabularies[i], i);
    }
}

T_CASE(batches)
{
    check(2048, 32000, 32000, 7);
    check(2048, 50257, 600, 8);
    check(65536, 50257, 50257, 9);
    check(65536, 128256, 3000, 10);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
