/* Waiting for a thread that may hang in a call of the system, which nothing can end. */
#ifndef TRAINER_JOIN_H
#define TRAINER_JOIN_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Joins it. false: it still runs after so many seconds, and is not joined. */
static inline bool trainer_join_within(pthread_t thread, double seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until); /* the clock of pthread_timedjoin_np */
    long long ns = until.tv_nsec + (long long)(seconds * 1e9);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    return pthread_timedjoin_np(thread, NULL, &until) == 0;
}

#endif
