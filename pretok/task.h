/*
 * Which share of the units is this process's? Task I of N takes units I, I+N, I+2N ... What says so,
 * the first that speaks:
 *
 *   1. --task I/N; none: all units, whatever the environment says
 *   2. the environment: the place in Slurm's job array, times the rank of MPI or of a Slurm step.
 *      Array ids may begin anywhere and have a step, but must not have gaps: from an id and the
 *      number of ids alone, a place among gaps cannot be told.
 *
 * A wrong answer loses nothing, since `pretok finish` looks for every unit and equal units are equal
 * bytes; but it leaves work undone or does it twice, so what contradicts itself is said.
 */
#ifndef PRETOK_TASK_H
#define PRETOK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct pretok_task {
    uint64_t task, tasks; /* 1-based; 1 of 1: everything */
    bool share;           /* a task among others: it does not complete the set */
    char source[64];      /* the variables that said so; empty where --task did */
    char note[200];       /* a contradiction to tell the user; empty: none */
};

/*
 * given: the value of --task, "I/N", "auto" or "none"; NULL without one. The environment is asked in
 * all cases but "none". An environment of one task alone is as none, unless "auto" asks for it.
 *
 * NGT_E_RANGE: not of that form; auto, and no variable is set; variables that make no sense.
 */
NGT_NODISCARD enum ngt_status pretok_task_find(const char *given, struct pretok_task *ret_task,
                                               struct ngt_error *reterr);
#endif
