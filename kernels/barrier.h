/*
 * The barrier between two phases. Spins for about as long as a short phase lasts, then sleeps in
 * the kernel: with more workers than cores spinning would only keep the late ones from running.
 */
#ifndef KERN_BARRIER_PRIVATE_H
#define KERN_BARRIER_PRIVATE_H

#include <stdatomic.h>

struct kern_barrier {
    unsigned count; /* workers that meet */
    unsigned spins;
    /* Words of their own lines: the arrivals' traffic must not slow those who poll. */
    _Alignas(64) atomic_uint arrived;
    _Alignas(64) atomic_uint generation;
    atomic_uint sleepers;
};

void kern_barrier_init(struct kern_barrier *b, unsigned count);
/* Returns when all have arrived; what they wrote before is visible after. */
void kern_barrier_wait(struct kern_barrier *b);

#endif
