#include "job_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "job/plan_file.h"
#include "job/receipt.h"
#include "ngt/dataset.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define FOREIGN_SECONDS 3600
#define DATASET_LIMIT (UINT64_C(1) << 32)

static enum ngt_status no_memory(const char *folder, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, folder, HERE, "out of memory");
}

/* not written for an hour, by the clocks of the file server and of this host */
static bool is_old(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_mtime < time(NULL) - FOREIGN_SECONDS;
}

/* A temporary of what a job writes: in its folders a user's own file has another name. */
static bool is_ours(const char *name)
{
    return strstr(name, ".ngt.tmp.") || strstr(name, ".ngd.tmp.") || strstr(name, ".json.tmp.") ||
           strstr(name, ".jsonl.tmp.") || strncmp(name, "duplicates.", 11) == 0 ||
           strstr(name, ".failed.tmp.") || strstr(name, ".table.tmp.");
}

/* Of a failure at a unit, which is done by now. */
static bool is_note(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] >= '0' && name[0] <= '9' && dot && strcmp(dot, ".failed") == 0;
}

static void sweep(const char *folder, bool foreign)
{
    DIR *dir = opendir(folder);

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        bool stale = ngt_output_is_stale(e->d_name) || (foreign && is_note(e->d_name));
        if (!stale && (!foreign || !is_ours(e->d_name)))
            continue;
        char *path = ngt_path_join(folder, e->d_name);
        if (path && (stale || is_old(path)))
            (void)unlink(path);
        free(path);
    }
    if (dir)
        closedir(dir);
}

/*
 * Calls each(path, name, arg) for what may be the folder of a set: all below the job's but that of the
 * receipts. A user may have others there, so what is done to one looks at each file by itself.
 */
static void each_set(const char *folder,
                     void (*each)(const char *path, const char *name, void *arg), void *arg)
{
    DIR *dir = opendir(folder);

    for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (e->d_name[0] == '.' || strcmp(e->d_name, PRETOK_RECEIPT_FOLDER) == 0)
            continue;
        char *path = ngt_path_join(folder, e->d_name);
        if (path && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
            each(path, e->d_name, arg);
        free(path);
    }
    if (dir)
        closedir(dir);
}

static void sweep_set(const char *path, const char *name, void *foreign)
{
    (void)name;
    sweep(path, *(const bool *)foreign);
}

enum ngt_status pretok_job_folder_make(const char *folder, bool split, bool sweeps,
                                       struct ngt_error *reterr)
{
    char *receipts = ngt_path_join(folder, PRETOK_RECEIPT_FOLDER);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!receipts)
        return no_memory(folder, reterr);
    status = ngt_folder_make(folder, reterr);
    if (status == NGT_OK)
        status = ngt_folder_make(receipts, reterr);
    if (status == NGT_OK && sweeps) {
        bool foreign = false;
        sweep(folder, foreign);
        sweep(receipts, foreign);
        if (split)
            each_set(folder, sweep_set, &foreign);
    }
    free(receipts);
    return status;
}

void pretok_job_folder_sweep(const char *folder, bool split)
{
    char *receipts = ngt_path_join(folder, PRETOK_RECEIPT_FOLDER);

    bool foreign = true;

    sweep(folder, foreign);
    if (receipts)
        sweep(receipts, foreign);
    if (split)
        each_set(folder, sweep_set, &foreign);
    free(receipts);
}

enum ngt_status pretok_job_folder_complete(const char *folder, bool *ret_complete,
                                           struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, NGT_DATASET_FILE);
    enum ngt_status status =
        path ? ngt_file_find(path, ret_complete, NULL, reterr) : no_memory(folder, reterr);

    free(path);
    return status;
}

static enum ngt_status reopen(const char *folder, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, NGT_DATASET_FILE);
    enum ngt_status status = NGT_OK;

    if (!path)
        return no_memory(folder, reterr);
    if (unlink(path) != 0 && errno != ENOENT)
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot remove");
    free(path);
    return status;
}

/* Was the data set in this folder made as the set of that name? */
static bool is_set(const char *path, const char *name)
{
    char *json = ngt_path_join(path, NGT_DATASET_FILE);
    uint8_t *bytes = NULL;
    uint64_t size;
    struct ngt_json *root = NULL;
    const char *set;
    bool same = json && ngt_file_read(json, DATASET_LIMIT, &bytes, &size, NULL) == NGT_OK &&
                ngt_json_parse((const char *)bytes, size, json, &root, NULL) == NGT_OK &&
                ngt_json_get_string(root, "set", &set) && strcmp(set, name) == 0;

    ngt_json_free(&root);
    free(bytes);
    free(json);
    return same;
}

struct reopening {
    enum ngt_status status;
    struct ngt_error *reterr;
};

static void reopen_set(const char *path, const char *name, void *arg)
{
    struct reopening *r = arg;

    if (r->status == NGT_OK && is_set(path, name))
        r->status = reopen(path, r->reterr);
}

enum ngt_status pretok_job_folder_reopen(const char *folder, bool split, struct ngt_error *reterr)
{
    struct reopening sets = {NGT_OK, reterr};
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = reopen(folder, reterr); /* the whole first: it says that the sets are complete */
    if (status == NGT_OK && split)
        each_set(folder, reopen_set, &sets);
    return status == NGT_OK ? sets.status : status;
}

enum ngt_status pretok_job_folder_load(const char *folder, const struct pretok_plan_share *share,
                                       struct pretok_plan *ret_plan, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, PRETOK_PLAN_FILE);
    bool there = false;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!path)
        return no_memory(folder, reterr);
    status = ngt_file_find(path, &there, NULL, reterr);
    if (status == NGT_OK && !there)
        status = ngt_fail(reterr, NGT_E_DATA, folder, HERE,
                          "holds no " PRETOK_PLAN_FILE ": no run of pretok began here");
    else if (status == NGT_OK)
        status = pretok_plan_load(path, share, ret_plan, reterr);
    free(path);
    return status;
}

enum ngt_status pretok_job_folder_plan(const char *folder, const struct pretok_plan *plan,
                                       struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, PRETOK_PLAN_FILE);
    struct pretok_plan planned = {0};
    bool there = false, complete = false;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!path)
        return no_memory(folder, reterr);
    status = ngt_file_find(path, &there, NULL, reterr);
    if (status == NGT_OK && !there)
        status = pretok_job_folder_complete(folder, &complete, reterr);
    if (status == NGT_OK && !there) {
        status = complete ? ngt_fail(reterr, NGT_E_EXISTS, folder, HERE,
                                     "holds another data set; use another folder")
                          : pretok_plan_save(plan, path, PRETOK_PLAN_SMALL, reterr);
    } else if (status == NGT_OK) {
        status = pretok_plan_load(path, NULL, &planned, reterr);
        if (status == NGT_OK)
            status = pretok_plan_compare(&planned, plan, path, reterr);
    }
    pretok_plan_done(&planned);
    free(path);
    return status;
}
