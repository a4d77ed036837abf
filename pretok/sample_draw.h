/* Which pieces of the input are the sample (sample.h says how they are drawn). */
#ifndef PRETOK_SAMPLE_DRAW_H
#define PRETOK_SAMPLE_DRAW_H

#include "sample.h"

#define PRETOK_PIECES_LEAST 16 /* where the input has them */

/* Bytes of an input that a point may fall on. */
struct pretok_span {
    uint64_t input, start, bytes, text_start;
    double size; /* what it counts */
    bool part;
};

struct pretok_piece {
    struct pretok_span span; /* or a window of it */
    uint64_t times;          /* points on it */
    uint64_t target;         /* stored bytes to read; UINT64_MAX: all */
    double stretch;          /* that many pieces are read, and one is tokenized; 1: all */
    uint64_t number;         /* of the piece: another random place in each */
    double drawn;            /* the size it was drawn with */
    bool window;             /* the span's ends are still to be moved to where records begin */
    uint64_t first_observation;
};

struct pretok_pieces {
    struct pretok_piece *items;
    uint64_t count, room;
};

/* What all inputs count: their stored bytes, and a little for each file. */
double pretok_sample_size(const struct pretok_plan *plan);

/* The pieces of a sample of so much of that size, in place of those there are: number and first_observation are
 * the caller's. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status pretok_pieces_draw(const struct pretok_sample_config *config,
                                                 double budget, struct pretok_pieces *pieces,
                                                 struct ngt_error *reterr);
void pretok_pieces_done(struct pretok_pieces *pieces);

/* Number n of a seed's sequence, from 0 to below 1. */
double pretok_sample_random(uint64_t seed, uint64_t n);

#endif
