#include "task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/checked.h"

#define HERE NGT_NO_POS, NGT_NO_POS

/* *ret_there false: the variable is not set, or empty. */
static enum ngt_status number_of(const char *variable, bool *ret_there, uint64_t *ret,
                                 struct ngt_error *reterr)
{
    const char *text = getenv(variable);
    char *end;

    *ret_there = text && *text;
    if (!*ret_there)
        return NGT_OK;
    *ret = strtoull(text, &end, 10);
    if (*end || text[0] < '0' || text[0] > '9')
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "%s is \"%.40s\", not a number; give --task I/N", variable, text);
    return NGT_OK;
}

/* Slurm's job array. *ret_there false: this is no element of one. */
static enum ngt_status array_place(bool *ret_there, uint64_t *ret_id, uint64_t *ret_place,
                                   uint64_t *ret_count, struct ngt_error *reterr)
{
    uint64_t id = 0, count = 0, first = 0, last = 0, step = 1;
    bool has_count = false, has_first = false, has_last = false, has_step = false;
    enum ngt_status status = number_of("SLURM_ARRAY_TASK_ID", ret_there, &id, reterr);

    if (status != NGT_OK || !*ret_there)
        return status;
    *ret_id = id;
    status = number_of("SLURM_ARRAY_TASK_COUNT", &has_count, &count, reterr);
    if (status == NGT_OK)
        status = number_of("SLURM_ARRAY_TASK_MIN", &has_first, &first, reterr);
    if (status == NGT_OK)
        status = number_of("SLURM_ARRAY_TASK_MAX", &has_last, &last, reterr);
    if (status == NGT_OK)
        status = number_of("SLURM_ARRAY_TASK_STEP", &has_step, &step, reterr);
    if (status != NGT_OK)
        return status;
    if (!has_count || count == 0)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "SLURM_ARRAY_TASK_ID is set and SLURM_ARRAY_TASK_COUNT is not; give "
                        "--task I/N, or --task none to do everything");
    if (step == 0)
        step = 1;
    if (id < first || (id - first) % step != 0 || (id - first) / step >= count ||
        (has_last && (last < first || (last - first) / step + 1 != count)))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "the %" PRIu64 " ids of the Slurm array from %" PRIu64
                        " on have gaps, so that the place of %" PRIu64
                        " cannot be told; give --task \"$SLURM_ARRAY_TASK_ID/N\" with the number "
                        "of tasks there were at first",
                        count, first, id);
    *ret_place = (id - first) / step + 1;
    *ret_count = count;
    return NGT_OK;
}

/*
 * Launchers of ranks, the inner before the outer: mpirun starts its daemons with srun, one a node,
 * and every rank inherits the daemon's SLURM_PROCID. In a batch script SLURM_NTASKS tells what could
 * be started, not what was, so Slurm speaks inside a step only.
 */
static const struct {
    const char *rank, *size;
} launchers[] = {
    {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
    {"PMI_RANK", "PMI_SIZE"},
    {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
};

static enum ngt_status rank_place(const char **ret_variable, uint64_t *ret_rank, uint64_t *ret_size,
                                  struct ngt_error *reterr)
{
    *ret_variable = NULL;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        bool has_rank, has_size;
        enum ngt_status status = number_of(launchers[i].rank, &has_rank, ret_rank, reterr);
        if (status == NGT_OK)
            status = number_of(launchers[i].size, &has_size, ret_size, reterr);
        if (status != NGT_OK)
            return status;
        if (!has_rank || !has_size)
            continue;
        if (*ret_rank >= *ret_size)
            return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                            "%s is %" PRIu64 " and %s %" PRIu64 "; give --task I/N",
                            launchers[i].rank, *ret_rank, launchers[i].size, *ret_size);
        *ret_variable = launchers[i].rank;
        return NGT_OK;
    }
    return NGT_OK;
}

struct surroundings {
    struct pretok_task task; /* tasks 0: no variable is set */
    bool in_array;
    uint64_t array_id;
    uint64_t ranks;
};

static enum ngt_status look_around(struct surroundings *ret, struct ngt_error *reterr)
{
    uint64_t place = 1, count = 1, rank = 0, size = 1;
    const char *variable = NULL;
    enum ngt_status status = array_place(&ret->in_array, &ret->array_id, &place, &count, reterr);

    if (status == NGT_OK)
        status = rank_place(&variable, &rank, &size, reterr);
    if (status != NGT_OK || (!ret->in_array && !variable))
        return status;
    if (ngt_mul_u64(&ret->task.tasks, count, size))
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "SLURM_ARRAY_TASK_COUNT times the number of ranks is beyond all numbers");
    ret->task.task = (place - 1) * size + rank + 1;
    ret->ranks = size;
    snprintf(ret->task.source, sizeof ret->task.source, "%s%s%s",
             ret->in_array ? "SLURM_ARRAY_TASK_ID" : "", ret->in_array && variable ? ", " : "",
             variable ? variable : "");
    return NGT_OK;
}

/*
 * --task won; does the environment say otherwise? The array id itself, counted from 1 or from 0, is
 * no contradiction: a part of an array that is submitted again has other places, and the same ids.
 */
static void note_contradiction(struct pretok_task *t)
{
    struct surroundings s = {0};

    if (look_around(&s, NULL) == NGT_OK) {
        if (s.task.tasks <= 1 || (s.task.task == t->task && s.task.tasks == t->tasks))
            return;
        if (s.in_array && s.ranks == 1 &&
            (s.array_id == t->task || s.array_id + 1 == t->task))
            return;
        snprintf(t->note, sizeof t->note,
                 "--task %" PRIu64 "/%" PRIu64 " holds, though %s makes this task %" PRIu64
                 " of %" PRIu64,
                 t->task, t->tasks, s.task.source, s.task.task, s.task.tasks);
    } else if (s.in_array && s.array_id != t->task && s.array_id + 1 != t->task) {
        snprintf(t->note, sizeof t->note,
                 "--task %" PRIu64 "/%" PRIu64 " holds, though SLURM_ARRAY_TASK_ID is %" PRIu64,
                 t->task, t->tasks, s.array_id);
    }
}

static enum ngt_status parse(const char *given, struct pretok_task *t, struct ngt_error *reterr)
{
    int used = 0;

    if (given[0] < '0' || given[0] > '9' ||
        sscanf(given, "%" SCNu64 "/%" SCNu64 "%n", &t->task, &t->tasks, &used) != 2 ||
        given[used] || t->task < 1 || t->task > t->tasks)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--task: \"%.40s\" is not I/N with I from 1 to N, nor auto or none", given);
    t->share = true;
    return NGT_OK;
}

enum ngt_status pretok_task_find(const char *given, struct pretok_task *ret_task,
                                 struct ngt_error *reterr)
{
    struct pretok_task all = {.task = 1, .tasks = 1};
    struct surroundings s = {0};
    bool automatic = given && strcmp(given, "auto") == 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (given && strcmp(given, "none") == 0) {
        *ret_task = all;
        return NGT_OK;
    }
    if (given && !automatic) {
        status = parse(given, &all, reterr);
        if (status != NGT_OK)
            return status;
        note_contradiction(&all);
        *ret_task = all;
        return NGT_OK;
    }
    status = look_around(&s, reterr);
    if (status != NGT_OK)
        return status;
    if (s.task.tasks == 0 && automatic)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--task auto: neither SLURM_ARRAY_TASK_ID, SLURM_PROCID in a step, "
                        "OMPI_COMM_WORLD_RANK nor PMI_RANK is set");
    if (s.task.tasks > 1 || automatic) {
        s.task.share = true;
        all = s.task;
    }
    *ret_task = all;
    return NGT_OK;
}
