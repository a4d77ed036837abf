/* Workers for tests: threads started for each run, so that a run is one fork and one join. */
#ifndef TEST_KERNELS_CREW_H
#define TEST_KERNELS_CREW_H

#include "kern/backend.h"

#include <pthread.h>
#include <stdlib.h>

#define CREW_MAX 16

struct crew_call {
    void (*task)(void *arg, unsigned worker);
    void *arg;
    unsigned worker;
};

static void *crew_main(void *arg)
{
    struct crew_call *c = arg;
    c->task(c->arg, c->worker);
    return NULL;
}

static void crew_run(void *context, void (*task)(void *arg, unsigned worker), void *arg)
{
    unsigned count = *(unsigned *)context;
    struct crew_call call[CREW_MAX] = {{0}};
    pthread_t thread[CREW_MAX];

    for (unsigned w = 0; w < count; w++) {
        call[w] = (struct crew_call){task, arg, w};
        if (w && pthread_create(&thread[w], NULL, crew_main, &call[w]))
            abort();
    }
    crew_main(&call[0]);
    for (unsigned w = 1; w < count; w++)
        pthread_join(thread[w], NULL);
}

/* *count <= CREW_MAX must outlive the workers. */
static inline struct kern_workers crew(unsigned *count)
{
    return (struct kern_workers){*count, count, crew_run};
}

#endif
