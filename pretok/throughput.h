/*
 * How fast a job goes, from the times of its receipts: tasks tell each other nothing, and no clock is
 * in any file. What counts is the time the file server gave.
 */
#ifndef PRETOK_THROUGHPUT_H
#define PRETOK_THROUGHPUT_H

#include "overview.h"

/* The last hour of a job that runs: one that waited in a queue, or overnight for its next array, says
 * nothing of how long the rest takes. */
#define PRETOK_THROUGHPUT_WINDOW 3600.0

struct pretok_throughput {
    double seconds;  /* since the plan or in the window, if younger; when all is done, from the plan
                            to the last receipt */
    uint64_t units;  /* committed in that time */
    uint64_t bytes;  /* of stored input in them */
    uint64_t tokens; /* in them */
    uint64_t left_bytes; /* of stored input in open units */
    double left;         /* seconds at this rate; negative: cannot be told */
};

/* now: seconds since 1970. */
struct pretok_throughput pretok_throughput_measure(const struct pretok_plan *plan,
                                                   const char *folder,
                                                   const struct pretok_overview *o, double now);
#endif
