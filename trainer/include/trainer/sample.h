/* Choosing the next token from logits. */
#ifndef TRAINER_SAMPLE_H
#define TRAINER_SAMPLE_H

#include <stdint.h>

struct trainer_sampling {
    double temperature; /* 0: the most likely one, the lowest id where several are */
    uint64_t top_k;     /* 0: all */
    double top_p;       /* the smallest set of at least this probability; 1: all */
};

/* Working memory of one choice: [vocab] entries, the caller's. */
struct trainer_candidate {
    float logit;
    uint32_t id;
};

/*
 * logits [vocab], vocab >= 1; uniform in (0, 1]. A pure function of its arguments; logits that are
 * not numbers are never chosen while any other is there.
 */
uint32_t trainer_sample(const struct trainer_sampling *sampling, const float *logits,
                        uint32_t vocab, double uniform, struct trainer_candidate *candidates);

#endif
