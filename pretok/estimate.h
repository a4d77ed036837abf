/*
 * What a job will come to, from a sample of its input: the statistics, their file beside the plan, and
 * their comparison with what came. Reading the sample is sample.h's.
 *
 * The sample is pieces of the input, drawn with a probability that grows with their size, so that
 * each stands for the same number of stored bytes. Per stored byte, a figure is estimated as a ratio:
 *
 *   R = sum w y / sum w x        y the figure in a piece, x its stored bytes, w = 1 / the size drawn
 *
 * and its error from how far pieces lie from that ratio (they are few, hence Student's t; documents of
 * one piece are alike, so pieces are counted and not documents). Refused records are few and may be
 * none in the sample: their bounds are also those of a Poisson count.
 */
#ifndef PRETOK_ESTIMATE_H
#define PRETOK_ESTIMATE_H

#include <stdio.h>

#include "job/ledger.h"

#define PRETOK_ESTIMATE_FILE "estimate.json"
#define PRETOK_CONFIDENCE 0.99 /* of each interval */

enum pretok_figure {
    PRETOK_F_RECORDS,
    PRETOK_F_DOCUMENTS,
    PRETOK_F_TOKENS,
    PRETOK_F_TEXT_BYTES,
    PRETOK_F_QUARANTINED,
    PRETOK_F_FILTERED,
    PRETOK_F_SHARD_BYTES,
    PRETOK_F_DISK_BYTES,  /* of the folder when all is done, at its largest */
    PRETOK_F_CPU_SECONDS, /* of all threads */
    PRETOK_FIGURES
};
const char *pretok_figure_name(enum pretok_figure f); /* "shard_bytes": in files */

/* A piece of the sample, or one of several in a row of the same file. */
struct pretok_observation {
    double weight; /* 1 / the size it was drawn with; times how often it was drawn */
    double size;   /* x: how much of that size was read */
    double figures[PRETOK_FIGURES]; /* y */
    double drift; /* how much more text a stored byte held in the later half of what was read than
                     in the earlier one, as a share; 0 where that does not matter */
};

struct pretok_estimated {
    double value, low, high;
};

struct pretok_estimate {
    struct pretok_estimated figures[PRETOK_FIGURES];
    uint64_t fingerprint; /* of the plan */
    uint64_t seed;
    uint64_t input_bytes, sample_bytes; /* stored ones; the sample's as they were counted */
    uint64_t tokenized_bytes;           /* of sample_bytes: the others were only parsed */
    uint64_t pieces, files;             /* that it consists of, and that were opened for it */
    uint64_t records;                   /* in it */
    uint64_t lost;                      /* files in it that could not be read to the end wanted */
};

/*
 * The figures of ret from observations [count] of an input of that size, of which read (0 .. 1) was
 * read. base [PRETOK_FIGURES]: what is added to each whatever the sample says.
 */
void pretok_estimate_compute(const struct pretok_observation *observations, uint64_t count,
                             double size, double read, const double *base,
                             struct pretok_estimate *ret);

NGT_NODISCARD enum ngt_status pretok_estimate_save(const struct pretok_estimate *e,
                                                   const char *folder, struct ngt_error *reterr);
/* *ret_there false: there is none for this plan. NGT_E_DATA: damaged. */
NGT_NODISCARD enum ngt_status pretok_estimate_load(const char *folder, uint64_t fingerprint,
                                                   bool *ret_there, struct pretok_estimate *ret,
                                                   struct ngt_error *reterr);

/* What it came to; a figure that nobody has measured is negative. */
struct pretok_facts {
    double figures[PRETOK_FIGURES];
};
void pretok_facts_of(const struct pretok_ledger *l, double shard_bytes, struct pretok_facts *ret);

/* facts: NULL while there are none. */
void pretok_estimate_print(const struct pretok_estimate *e, const struct pretok_facts *facts,
                           FILE *to);
/* As members of the JSON object that is open. */
void pretok_estimate_write(const struct pretok_estimate *e, const struct pretok_facts *facts,
                           struct ngt_json_out *out);

#endif
