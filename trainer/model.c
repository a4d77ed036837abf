#include "trainer/model.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ngt/json.h"
#include "trainer/device.h"

/* A folder's latest checkpoint, or the file itself. malloced */
static enum ngt_status find(const char *path, char **ret_file, struct ngt_error *reterr)
{
    struct stat st;
    uint64_t step = 0;

    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        *ret_file = strdup(path);
        return *ret_file
                   ? NGT_OK
                   : ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
    }
    enum ngt_status status = trainer_checkpoint_latest(path, ret_file, &step, reterr);
    if (status == NGT_OK && !*ret_file)
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "there is no checkpoint in this folder yet; train first");
    return status;
}

enum ngt_status trainer_model_open(const char *path, const struct trainer_options *options,
                                   uint32_t rows, uint32_t seq_len, struct trainer_model *ret_model,
                                   struct ngt_error *reterr)
{
    struct trainer_model m = {0};
    struct kern_error error = {0};
    char *file = NULL;
    bool unavailable = false;

    ngt_error_clear(reterr);
    enum ngt_status status = find(path, &file, reterr);
    if (status == NGT_OK)
        status = trainer_checkpoint_open(file, &m.checkpoint, reterr);
    if (status != NGT_OK)
        goto out;
    m.about = trainer_checkpoint_about(m.checkpoint);
    if (rows) {
        struct kern_config config = {.model = m.about->model,
                                     .rows = rows,
                                     .seq_len = seq_len,
                                     .beta1 = (float)TRAINER_BETA1,
                                     .beta2 = (float)TRAINER_BETA2,
                                     .adam_eps = (float)TRAINER_ADAM_EPS,
                                     .clip = INFINITY,
                                     .forward_only = true};
        status = ngt_pool_new(options->threads ? (unsigned)options->threads : ngt_pool_cores(),
                              &m.pool, reterr);
        if (status != NGT_OK)
            goto out;
        unavailable = true;
        if (options->device != TRAINER_CPU)
            status = trainer_device_open(options, TRAINER_CUDA, &config, m.pool, &m.backend,
                                         &unavailable, reterr);
        if (unavailable && options->device != TRAINER_CUDA) {
            ngt_error_clear(reterr);
            status = trainer_device_open(options, TRAINER_CPU, &config, m.pool, &m.backend,
                                         &unavailable, reterr);
        }
        if (status != NGT_OK)
            goto out;
        if (kern_state_set(m.backend, KERN_WEIGHTS,
                           trainer_checkpoint_state(m.checkpoint, KERN_WEIGHTS),
                           &error) != KERN_OK) {
            status = trainer_kern_fail(reterr, &error, "setting the weights");
            goto out;
        }
        status = trainer_checkpoint_check(m.checkpoint, reterr);
        if (status != NGT_OK)
            goto out;
    }
    *ret_model = m;
    m = (struct trainer_model){0};
out:
    trainer_model_close(&m);
    free(file);
    return status;
}

void trainer_model_close(struct trainer_model *m)
{
    kern_backend_free(&m->backend);
    ngt_pool_free(&m->pool);
    trainer_checkpoint_close(&m->checkpoint);
    m->about = NULL;
}

char *trainer_identity(const struct trainer_about *about, const char *key)
{
    size_t n = strlen(key);

    for (const char *line = about->identity; *line;) {
        size_t length = strcspn(line, "\n");
        if (length > n && strncmp(line, key, n) == 0 && line[n] == '\t')
            return strndup(line + n + 1, length - n - 1);
        line += length + (line[length] == '\n');
    }
    return NULL;
}

uint64_t trainer_model_seq_len(const struct trainer_about *about)
{
    struct ngt_json *root = NULL;
    uint64_t length = 0;

    if (ngt_json_parse(about->config, strlen(about->config), NULL, &root, NULL) == NGT_OK)
        (void)ngt_json_get_u64(root, "seq-len", &length);
    ngt_json_free(&root);
    return length <= UINT32_MAX ? length : 0;
}
