/*
 * Reading a mapped page that its file no longer has, or that its disk does not give, is a SIGBUS. The size is
 * asked before every read (ngt_map_check), but a file can be cut between the question and the read, and a disk
 * fails unasked. ngt_map_guard makes such a read give zeros and marks the mapping as lost; who reads asks
 * afterwards, and the error goes the way of all others.
 *
 * Invariants: entries are added and used again, never freed, so that the handler may walk the list while other
 * threads change it; `size` is 0 while an entry is unused. An entry is marked before its pages are replaced:
 * who has read zeros finds the mark.
 */
#include "guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ngt/file.h"

struct ngt_guard {
    _Atomic uintptr_t begin;
    _Atomic uint64_t size;
    _Atomic bool lost;
    struct ngt_guard *next;
};

/* a handler has no other way to its data */
static struct ngt_guard *_Atomic first;
static pthread_mutex_t adding = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t page_size;

struct ngt_guard *ngt_guard_add(const uint8_t *bytes, uint64_t size)
{
    struct ngt_guard *g = NULL;

    pthread_mutex_lock(&adding);
    for (g = first; g && g->size; g = g->next)
        ;
    if (!g && (g = calloc(1, sizeof *g))) {
        g->next = first;
        first = g;
    }
    if (g) {
        g->lost = false;
        g->begin = (uintptr_t)bytes;
        g->size = size;
    }
    pthread_mutex_unlock(&adding);
    return g;
}

void ngt_guard_drop(struct ngt_guard *guard)
{
    if (guard)
        guard->size = 0;
}

bool ngt_guard_lost(const struct ngt_guard *guard)
{
    return guard && atomic_load_explicit(&guard->lost, memory_order_relaxed);
}

static void on_bus(int number, siginfo_t *info, void *context)
{
    uintptr_t at = (uintptr_t)info->si_addr;

    (void)context;
    for (struct ngt_guard *g = first; g; g = g->next) {
        uintptr_t begin = g->begin, page = at & ~(page_size - 1);
        uint64_t size = g->size;
        if (at < begin || at - begin >= (size + page_size - 1) / page_size * page_size)
            continue;
        g->lost = true;
        /* from here on: what follows in a file that was cut is lost as well */
        if (mmap((void *)page, size - (page - begin), PROT_READ,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
            return;
    }
    /* not ours: it comes again, and ends the program */
    signal(number, SIG_DFL);
}

void ngt_map_guard(void)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};

    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
