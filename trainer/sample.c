#include "trainer/sample.h"

#include <math.h>
#include <stdlib.h>

/* Falling logits; equal ones by rising id, so that the order is one and the same everywhere. */
static int compare(const void *a, const void *b)
{
    const struct trainer_candidate *x = a, *y = b;

    if (x->logit != y->logit)
        return x->logit < y->logit ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

uint32_t trainer_sample(const struct trainer_sampling *s, const float *logits, uint32_t vocab,
                        double uniform, struct trainer_candidate *candidates)
{
    uint64_t n = 0;
    double total = 0, kept = 0, at = 0;
    uint32_t best = 0;

    for (uint32_t i = 0; i < vocab; i++) {
        if (isnan(logits[i]))
            continue;
        if (!n || logits[i] > logits[best])
            best = i;
        candidates[n++] = (struct trainer_candidate){logits[i], i};
    }
    if (s->temperature <= 0 || !n || isinf(logits[best]))
        return best;
    qsort(candidates, n, sizeof *candidates, compare);
    if (s->top_k && n > s->top_k)
        n = s->top_k;
    double top = (double)candidates[0].logit;
    for (uint64_t i = 0; i < n; i++)
        total += exp(((double)candidates[i].logit - top) / s->temperature);
    uint64_t last = 0;
    for (; last < n; last++) {
        kept += exp(((double)candidates[last].logit - top) / s->temperature);
        if (kept >= s->top_p * total)
            break;
    }
    for (uint64_t i = 0; i < last && i < n; i++) {
        at += exp(((double)candidates[i].logit - top) / s->temperature);
        if (uniform * kept <= at)
            return candidates[i].id;
    }
    return candidates[last < n ? last : n - 1].id;
}
