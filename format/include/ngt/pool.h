/*
 * A fixed set of worker threads, created by a program and passed down.
 *
 * Two ways to use it, one at a time: ngt_pool_run puts the same task on every worker and waits
 * (data-parallel loops, the trainer's phases); ngt_pool_each hands out the indices 0..n-1 in rising
 * order.
 */
#ifndef NGT_POOL_H
#define NGT_POOL_H

#include "ngt/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ngt_pool;

typedef void (*ngt_pool_task_fn)(void *arg, unsigned worker);
typedef enum ngt_status (*ngt_pool_item_fn)(void *arg, uint64_t item, unsigned worker,
                                            struct ngt_error *reterr);

/* Cores this process may run on (affinity and cgroup quota respected), at least 1. */
unsigned ngt_pool_cores(void);

/* workers >= 1, the calling thread included: workers - 1 threads are started. NGT_OK, NGT_E_NOMEM
 * or NGT_E_IO. */
NGT_NODISCARD enum ngt_status ngt_pool_new(unsigned workers, struct ngt_pool **ret_pool,
                                           struct ngt_error *reterr);
void ngt_pool_free(struct ngt_pool **pool);
unsigned ngt_pool_workers(const struct ngt_pool *pool);

/* Runs task(arg, w) once for each worker w in [0, workers), w = 0 on the calling thread; returns
 * when all are done. */
void ngt_pool_run(struct ngt_pool *pool, ngt_pool_task_fn task, void *arg);

/*
 * Runs item(arg, i, worker) for i in [0, n), indices handed out in rising order. After a failure no
 * further index is handed out; the failure of the lowest index is returned, whatever the timing.
 */
NGT_NODISCARD enum ngt_status ngt_pool_each(struct ngt_pool *pool, uint64_t n,
                                            ngt_pool_item_fn item, void *arg,
                                            struct ngt_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
