#include "trainer/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ngt/file.h"
#include "ngt/json.h"

enum ngt_status trainer_rundir_lock(const char *folder, int *ret_fd, struct ngt_error *reterr)
{
    char *path = NULL;
    int fd = -1;

    ngt_error_clear(reterr);
    enum ngt_status status = ngt_folder_make(folder, reterr);
    if (status != NGT_OK)
        goto out;
    path = ngt_path_join(folder, TRAINER_LOCK_FILE);
    if (!path) {
        status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
        goto out;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        status =
            ngt_fail(reterr, NGT_E_IO, path, NGT_NO_POS, NGT_NO_POS, "cannot open the lock file");
        goto out;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            status = ngt_fail(reterr, NGT_E_EXISTS, folder, NGT_NO_POS, NGT_NO_POS,
                              "another ngtrain works in this run folder; wait for it, or take "
                              "another with -o");
        else
            status = ngt_fail(reterr, NGT_E_IO, path, NGT_NO_POS, NGT_NO_POS,
                              "cannot lock the run folder");
        goto out;
    }
    *ret_fd = fd;
    fd = -1;
out:
    if (fd >= 0)
        close(fd);
    free(path);
    return status;
}

/* Copies a tree of the project's own JSON: objects and arrays of scalars. */
static void write_value(struct ngt_json_out *j, const struct ngt_json *v)
{
    if (v->key)
        ngt_json_key(j, v->key);
    switch (v->type) {
    case NGT_JSON_OBJECT:
        ngt_json_object(j);
        for (const struct ngt_json *m = v->first; m; m = m->next)
            write_value(j, m);
        ngt_json_object_end(j);
        break;
    case NGT_JSON_ARRAY:
        ngt_json_array(j);
        for (const struct ngt_json *m = v->first; m; m = m->next)
            write_value(j, m);
        ngt_json_array_end(j);
        break;
    case NGT_JSON_STRING:
        ngt_json_string_n(j, v->string, v->length);
        break;
    case NGT_JSON_U64:
        ngt_json_u64(j, v->u64);
        break;
    case NGT_JSON_NUMBER:
        ngt_json_double(j, v->number);
        break;
    case NGT_JSON_TRUE:
    case NGT_JSON_FALSE:
        ngt_json_bool(j, v->type == NGT_JSON_TRUE);
        break;
    case NGT_JSON_NULL:
        ngt_json_null(j);
        break;
    }
}

enum ngt_status trainer_rundir_read(const char *folder, char **ret_text, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, TRAINER_CONFIG_FILE);
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    struct ngt_json *root = NULL;
    struct ngt_json_out j;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    ngt_json_out_init(&j, false);
    if (!path) {
        status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
        goto out;
    }
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        *ret_text = NULL;
        goto out;
    }
    status = ngt_file_read(path, 1 << 20, &bytes, &size, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status != NGT_OK)
        goto out;
    const struct ngt_json *options = ngt_json_get(root, "options");
    if (!options || options->type != NGT_JSON_OBJECT) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "there is no object \"options\"; this is not a run folder of ngtrain");
        goto out;
    }
    ngt_json_object(&j);
    for (const struct ngt_json *m = options->first; m; m = m->next)
        write_value(&j, m);
    ngt_json_object_end(&j);
    if (j.failed || !(*ret_text = strdup(j.bytes)))
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
out:
    ngt_json_out_done(&j);
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}

enum ngt_status trainer_rundir_write(const char *folder, const char *text, const char *version,
                                     const struct ngt_dataset *set, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, TRAINER_CONFIG_FILE);
    struct ngt_json *options = NULL;
    struct ngt_json_out j;

    ngt_error_clear(reterr);
    ngt_json_out_init(&j, false);
    enum ngt_status status = ngt_json_parse(text, strlen(text), NULL, &options, reterr);
    if (status != NGT_OK)
        goto out;
    ngt_json_object(&j);
    ngt_json_member_string(&j, "program", "ngtrain");
    ngt_json_member_string(&j, "version", version);
    ngt_json_key(&j, "options");
    write_value(&j, options);
    /* for people: what counts is the digest among the options, so shards may move */
    ngt_json_key(&j, "shards");
    ngt_json_array(&j);
    for (uint64_t i = 0; i < set->count; i++)
        ngt_json_string(&j, set->paths[i]);
    ngt_json_array_end(&j);
    ngt_json_object_end(&j);
    if (!path || j.failed)
        status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    else
        status = ngt_file_write(path, j.bytes, j.size, reterr);
out:
    ngt_json_out_done(&j);
    ngt_json_free(&options);
    free(path);
    return status;
}
