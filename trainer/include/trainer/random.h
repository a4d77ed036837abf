/* Counter-based random numbers: a pure function of key and counter, so that threads and restarts
 * change nothing. */
#ifndef TRAINER_RANDOM_H
#define TRAINER_RANDOM_H

#include <stdint.h>

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t trainer_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Uniform in (0, 1]: 53 bits, never 0, so that its logarithm is finite. */
static inline double trainer_uniform(uint64_t key, uint64_t counter)
{
    return ((double)(trainer_mix(key ^ trainer_mix(counter)) >> 11) + 1) * 0x1p-53;
}

#endif
