/*
 * kern/device/sort.h: a radix sort, least significant digit first, with digits of at most 11 bits:
 * two passes up to 4 million ids. Ids and positions travel together, so that a pass reads its input
 * in order and looks nothing up. They stand either as words in scratch or as pairs in the outputs,
 * where the last pass must leave them; ret_runs holds the ids until the runs are counted.
 */
#include "kern/device/sort.h"

#include <string.h>

#define DIGIT_BITS 11u
#define DIGITS 3u /* of 32 bits */

enum form { IN_TOKENS, IN_SCRATCH, IN_OUTPUTS };

struct sort {
    const uint32_t *tokens;
    uint64_t *scratch;
    uint32_t *positions, *ids; /* ret_order, ret_runs */
    uint32_t n, bits;          /* bits of a digit */
    uint32_t start[DIGITS][1u << DIGIT_BITS];
};

/* Inlined for constant forms: the branches on them vanish. */
static inline __attribute__((always_inline)) void pass(struct sort *s, uint32_t digit,
                                                       enum form from, enum form to)
{
    uint32_t *start = s->start[digit], shift = digit * s->bits, mask = (1u << s->bits) - 1;

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t id = from == IN_TOKENS    ? s->tokens[i]
                      : from == IN_SCRATCH ? (uint32_t)(s->scratch[i] >> 32)
                                           : s->ids[i];
        uint32_t position = from == IN_TOKENS    ? i
                            : from == IN_SCRATCH ? (uint32_t)s->scratch[i]
                                                 : s->positions[i];
        uint32_t at = start[id >> shift & mask]++;

        if (to == IN_SCRATCH) {
            s->scratch[at] = (uint64_t)id << 32 | position;
        } else {
            s->ids[at] = id;
            s->positions[at] = position;
        }
    }
}

/* Where each value of each digit begins. */
static void count(struct sort *s, uint32_t digits)
{
    uint32_t values = 1u << s->bits, mask = values - 1;

    for (uint32_t d = 0; d < digits; d++)
        memset(s->start[d], 0, values * sizeof s->start[d][0]);
    for (uint32_t i = 0; i < s->n; i++)
        for (uint32_t d = 0; d < digits; d++)
            s->start[d][s->tokens[i] >> d * s->bits & mask]++;
    for (uint32_t d = 0; d < digits; d++)
        for (uint32_t v = 0, sum = 0; v < values; v++) {
            uint32_t here = s->start[d][v];
            s->start[d][v] = sum;
            sum += here;
        }
}

uint32_t kern_device_sort(const uint32_t *tokens, uint32_t n, uint32_t vocab, uint64_t *scratch,
                          uint32_t *ret_order, uint32_t *ret_runs)
{
    struct sort s; /* 24 KB, of which count() clears what is used */
    uint32_t bits = 1, digits = 0, runs = 0;

    while (bits < 32 && (vocab - 1) >> bits)
        bits++;
    digits = (bits + DIGIT_BITS - 1) / DIGIT_BITS;
    s.tokens = tokens, s.scratch = scratch, s.positions = ret_order, s.ids = ret_runs, s.n = n;
    s.bits = (bits + digits - 1) / digits;
    count(&s, digits);
    if (digits == 1) {
        pass(&s, 0, IN_TOKENS, IN_OUTPUTS);
    } else if (digits == 2) {
        pass(&s, 0, IN_TOKENS, IN_SCRATCH);
        pass(&s, 1, IN_SCRATCH, IN_OUTPUTS);
    } else {
        pass(&s, 0, IN_TOKENS, IN_OUTPUTS);
        pass(&s, 1, IN_OUTPUTS, IN_SCRATCH);
        pass(&s, 2, IN_SCRATCH, IN_OUTPUTS);
    }
    /* Starts replace the ids behind the place that is read. */
    for (uint32_t i = 0, last = 0; i < n; i++) {
        uint32_t id = ret_runs[i];
        if (i == 0 || id != last)
            ret_runs[runs++] = i;
        last = id;
    }
    for (uint32_t i = runs; i <= n; i++)
        ret_runs[i] = n;
    return runs;
}
