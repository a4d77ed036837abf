#include "ngt/pool.h"

#include <stdatomic.h>

#include "t.h"

static void count_workers(void *arg, unsigned worker)
{
    atomic_fetch_add((_Atomic unsigned *)arg, 1u << worker);
}

T_CASE(run_reaches_every_worker_once)
{
    struct ngt_pool *pool = NULL;
    T_REQUIRE(ngt_pool_new(4, &pool, NULL) == NGT_OK);
    for (int round = 0; round < 1000; round++) {
        _Atomic unsigned seen = 0;
        ngt_pool_run(pool, count_workers, &seen);
        T_EQ_U64(seen, 15);
    }
    ngt_pool_free(&pool);
    T_TRUE(pool == NULL);
}

static enum ngt_status fail_from(void *arg, uint64_t item, unsigned worker,
                                 struct ngt_error *reterr)
{
    (void)worker;
    if (item >= *(uint64_t *)arg)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, item, "no");
    return NGT_OK;
}

T_CASE(each_returns_the_lowest_failure)
{
    struct ngt_pool *pool = NULL;
    T_REQUIRE(ngt_pool_new(3, &pool, NULL) == NGT_OK);
    for (uint64_t bad = 0; bad < 50; bad++) {
        struct ngt_error error;
        T_EQ_INT(ngt_pool_each(pool, 60, fail_from, &bad, &error), NGT_E_DATA);
        T_EQ_U64(error.item, bad);
    }
    uint64_t never = 100;
    T_EQ_INT(ngt_pool_each(pool, 60, fail_from, &never, NULL), NGT_OK);
    ngt_pool_free(&pool);
}

T_CASE(no_worker_is_refused)
{
    struct ngt_pool *pool = NULL;
    struct ngt_error error;
    T_EQ_INT(ngt_pool_new(0, &pool, &error), NGT_E_RANGE);
    T_TRUE(pool == NULL);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
