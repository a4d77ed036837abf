/* Spin, then sleep: see barrier.h. The count of arrivals and the generation are the whole state; a
 * worker that has left cannot arrive for the next generation before it has seen this one open. */
#include "barrier.h"

#include <limits.h>
#include <sched.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

void kern_barrier_init(struct kern_barrier *b, unsigned count)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    b->count = count;
    /* A pause is 40 to 140 cycles, so 2000 are 30 to 100 us: longer than the uneven end of nearly
     * every phase at 1m, shorter than a scheduler's slice. */
    b->spins = cores > 0 && count > (unsigned long)cores ? 0 : 2000;
    atomic_init(&b->arrived, 0);
    atomic_init(&b->generation, 0);
    atomic_init(&b->sleepers, 0);
}

static void pause_cpu(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* Sleeps while the generation is still `seen`. May return early. */
static void sleep_on(struct kern_barrier *b, unsigned seen)
{
#ifdef __linux__
    syscall(SYS_futex, &b->generation, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
#else
    (void)b, (void)seen;
    sched_yield();
#endif
}

static void wake_all(struct kern_barrier *b)
{
#ifdef __linux__
    syscall(SYS_futex, &b->generation, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
#else
    (void)b;
#endif
}

void kern_barrier_wait(struct kern_barrier *b)
{
    unsigned seen = atomic_load_explicit(&b->generation, memory_order_relaxed);

    /* The last to arrive resets the count before it opens the next generation; nobody can arrive
     * for that one earlier. */
    if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) + 1 == b->count) {
        atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
        atomic_store(&b->generation, seen + 1);
        /* Sequentially consistent with the sleeper's increment before its look at the generation:
         * either it sees the new one or we see it. */
        if (atomic_load(&b->sleepers))
            wake_all(b);
        return;
    }
    for (unsigned i = 0; i < b->spins; i++) {
        if (atomic_load_explicit(&b->generation, memory_order_acquire) != seen)
            return;
        pause_cpu();
    }
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->generation) == seen)
        sleep_on(b, seen);
    atomic_fetch_sub(&b->sleepers, 1);
}
