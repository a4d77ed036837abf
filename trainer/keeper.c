#include "trainer/keeper.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "trainer/device.h"
#include "trainer/join.h"

struct trainer_keeper {
    const char *folder;
    struct kern_backend *backend;
    unsigned keep;
    double patience;
    /* the job under way: the thread's from its start to its join */
    pthread_t thread;
    bool running;
    struct trainer_about about;
    enum ngt_status status;
    struct ngt_error error;
    double seconds;
    _Atomic bool ended; /* by the thread: the four above are the keeper's again */
    bool told;          /* false: the last job's end has not been told */
    bool any;           /* a job has come to its end */
};

static double wall(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static enum ngt_status state(void *context, enum kern_state which, uint64_t count, float *values,
                             bool *ret_have, struct ngt_error *reterr)
{
    struct trainer_keeper *k = context;
    struct kern_error error = {0};

    (void)count;
    if (kern_snapshot_get(k->backend, which, values, &error) != KERN_OK)
        return trainer_kern_fail(reterr, &error, "reading the weights");
    *ret_have = true;
    return NGT_OK;
}

/* k->error is what a thread that dies halfway leaves behind. */
static void *write_out(void *arg)
{
    struct trainer_keeper *k = arg;
    double begin = wall();
    struct ngt_error error;
    char *path = trainer_checkpoint_path(k->folder, k->about.step);
    enum ngt_status status = NGT_OK;

    ngt_error_clear(&error);
    if (!path)
        status = ngt_fail(&error, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for a checkpoint");
    else
        status = trainer_checkpoint_write(path, &k->about, state, k, &error);
    if (status == NGT_OK)
        status = trainer_checkpoint_prune(k->folder, k->keep, &error);
    free(path);
    k->seconds = wall() - begin;
    k->status = status;
    k->error = error;
    k->ended = true;
    return NULL;
}

enum ngt_status trainer_keeper_new(const char *folder, struct kern_backend *backend, unsigned keep,
                                   double patience, struct trainer_keeper **ret_keeper,
                                   struct ngt_error *reterr)
{
    struct trainer_keeper *k = calloc(1, sizeof *k);

    ngt_error_clear(reterr);
    if (!k)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for checkpoints");
    k->folder = folder;
    k->backend = backend;
    k->keep = keep;
    k->patience = patience;
    *ret_keeper = k;
    return NGT_OK;
}

enum ngt_status trainer_keeper_finish(struct trainer_keeper *k, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (!k->running)
        return NGT_OK;
    if (!trainer_join_within(k->thread, k->patience)) {
        struct kern_error ignored = {0};
        struct kern_slot stop = {.kind = KERN_STOP};
        (void)!kern_submit(k->backend, &stop, &ignored);
        pthread_join(k->thread, NULL);
    }
    k->running = false;
    k->any = true, k->told = false;
    if (k->status != NGT_OK && reterr)
        *reterr = k->error;
    return k->status;
}

enum ngt_status trainer_keeper_check(struct trainer_keeper *k, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    return k->running && k->ended && k->status != NGT_OK ? trainer_keeper_finish(k, reterr)
                                                         : NGT_OK;
}

bool trainer_keeper_free(struct trainer_keeper **keeper, double seconds)
{
    struct trainer_keeper *k = *keeper;

    *keeper = NULL;
    if (k && k->running && !trainer_join_within(k->thread, seconds))
        return false;
    free(k);
    return true;
}

enum ngt_status trainer_keeper_begin(struct trainer_keeper *k, const struct trainer_about *about,
                                     struct ngt_error *reterr)
{
    struct kern_error error = {0};
    enum ngt_status status = trainer_keeper_finish(k, reterr);

    if (status != NGT_OK)
        return status;
    if (kern_snapshot_take(k->backend, &error) != KERN_OK)
        return trainer_kern_fail(reterr, &error, "copying the weights");
    k->about = *about;
    k->ended = false;
    ngt_error_clear(&k->error);
    errno = 0; /* no call failed: nothing to append */
    k->status = ngt_fail(&k->error, NGT_E_IO, NULL, NGT_NO_POS, NGT_NO_POS,
                         "the thread that writes the checkpoint of step %llu died: please report "
                         "this; the same command goes on from the one before",
                         (unsigned long long)about->step);
    if (pthread_create(&k->thread, NULL, write_out, k) != 0)
        write_out(k); /* no thread to be had: written here and now */
    else
        k->running = true;
    if (k->running)
        return NGT_OK;
    k->any = true, k->told = false;
    if (k->status != NGT_OK && reterr)
        *reterr = k->error;
    return k->status;
}

bool trainer_keeper_told(struct trainer_keeper *k, struct trainer_kept *ret_kept)
{
    if (!k->any || k->told)
        return false;
    k->told = true;
    if (k->status != NGT_OK)
        return false;
    *ret_kept = (struct trainer_kept){k->about.step, k->seconds};
    return true;
}
