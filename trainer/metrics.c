#include "trainer/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/file.h"
#include "ngt/json.h"

struct trainer_metrics {
    int fd;
    char *path;
};

/* One parsed line; validation lines have val_loss. */
struct line {
    bool validation;
    struct trainer_metrics_line step;
    struct trainer_validation_line check;
};

static double number(const struct ngt_json *object, const char *key)
{
    const struct ngt_json *v = ngt_json_get(object, key);

    return v && (v->type == NGT_JSON_U64 || v->type == NGT_JSON_NUMBER) ? v->number : NAN;
}

static bool parse_line(const char *bytes, uint64_t size, struct line *ret)
{
    struct ngt_json *root = NULL;
    bool good = false;

    *ret = (struct line){0};
    if (ngt_json_parse(bytes, size, NULL, &root, NULL) != NGT_OK)
        return false;
    if (ngt_json_get(root, "val_loss")) {
        ret->validation = true;
        ret->check.val_loss = number(root, "val_loss");
        good = ngt_json_get_u64(root, "step", &ret->check.step) &&
               ngt_json_get_u64(root, "val_tokens", &ret->check.val_tokens);
    } else {
        struct trainer_metrics_line *s = &ret->step;
        const struct ngt_json *updated = ngt_json_get(root, "updated");
        good = ngt_json_get_u64(root, "step", &s->step) &&
               ngt_json_get_u64(root, "tokens", &s->tokens);
        (void)ngt_json_get_u64(root, "targets", &s->targets);
        s->loss = number(root, "loss");
        s->lr = number(root, "lr");
        s->grad_norm = number(root, "grad_norm");
        s->seconds = number(root, "seconds");
        s->wait_share = number(root, "wait_share");
        s->gpu_busy = number(root, "gpu_busy");
        s->cpu_share = number(root, "cpu_share");
        s->updated = !updated || updated->type == NGT_JSON_TRUE;
    }
    ngt_json_free(&root);
    return good;
}

/* The next line without its newline; a last line without one is torn. */
static bool next_line(const struct ngt_map *map, uint64_t *at, const char **ret_line,
                      uint64_t *ret_size)
{
    if (*at >= map->size)
        return false;
    const char *begin = (const char *)map->bytes + *at;
    const char *end = memchr(begin, '\n', map->size - *at);
    if (!end)
        return false;
    *ret_line = begin;
    *ret_size = (uint64_t)(end - begin);
    *at += *ret_size + 1;
    return true;
}

/* Length of what may stay: whole lines of steps <= step. */
static enum ngt_status measure(const char *path, uint64_t step, uint64_t *ret_size,
                               uint64_t *ret_validated, struct ngt_error *reterr)
{
    struct ngt_map map = {.fd = -1};
    const char *bytes = NULL;
    uint64_t at = 0, size = 0, number_of_line = 0;
    enum ngt_status status = ngt_map_open(path, &map, reterr);

    if (status != NGT_OK)
        return status;
    *ret_size = 0;
    while (next_line(&map, &at, &bytes, &size)) {
        struct line line;
        number_of_line++;
        if (!parse_line(bytes, size, &line)) {
            status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, number_of_line,
                              "not a line of metrics; mend or remove it");
            break;
        }
        if ((line.validation ? line.check.step : line.step.step) > step)
            break;
        if (line.validation)
            *ret_validated = line.check.step;
        *ret_size = at;
    }
    ngt_map_close(&map);
    return status;
}

enum ngt_status trainer_metrics_open(const char *folder, uint64_t step,
                                     struct trainer_metrics **ret_metrics, uint64_t *ret_validated,
                                     struct ngt_error *reterr)
{
    struct trainer_metrics *m = NULL;
    uint64_t size = 0;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    *ret_validated = UINT64_MAX;
    m = calloc(1, sizeof *m);
    if (!m)
        return ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    m->fd = -1;
    m->path = ngt_path_join(folder, TRAINER_METRICS_FILE);
    if (!m->path) {
        status = ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
        goto out;
    }
    if (access(m->path, F_OK) == 0)
        status = measure(m->path, step, &size, ret_validated, reterr);
    if (status != NGT_OK)
        goto out;
    m->fd = open(m->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (m->fd < 0 || ftruncate(m->fd, (off_t)size) != 0) {
        status =
            ngt_fail(reterr, NGT_E_IO, m->path, NGT_NO_POS, NGT_NO_POS, "cannot open the metrics");
        goto out;
    }
    *ret_metrics = m;
    m = NULL;
out:
    trainer_metrics_close(&m);
    return status;
}

void trainer_metrics_close(struct trainer_metrics **metrics)
{
    struct trainer_metrics *m = *metrics;

    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->path);
    free(m);
    *metrics = NULL;
}

/* One write a line: a crash tears at most the last one. */
static enum ngt_status append(struct trainer_metrics *m, struct ngt_json_out *j,
                              struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    char *line = NULL;
    uint64_t size = j->size;

    if (!j->failed)
        line = malloc(size + 1);
    if (!line) {
        status = ngt_fail(reterr, NGT_E_NOMEM, m->path, NGT_NO_POS, NGT_NO_POS, "out of memory");
        goto out;
    }
    memcpy(line, j->bytes, size);
    if (!size || line[size - 1] != '\n')
        line[size++] = '\n';
    for (uint64_t done = 0; done < size;) {
        ssize_t n = write(m->fd, line + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status =
                ngt_fail(reterr, NGT_E_IO, m->path, NGT_NO_POS, NGT_NO_POS, "cannot write metrics");
            goto out;
        }
        done += (uint64_t)n;
    }
out:
    free(line);
    ngt_json_out_done(j);
    return status;
}

enum ngt_status trainer_metrics_step(struct trainer_metrics *m,
                                     const struct trainer_metrics_line *line,
                                     struct ngt_error *reterr)
{
    struct ngt_json_out j;

    ngt_error_clear(reterr);
    ngt_json_out_init(&j, true);
    ngt_json_object(&j);
    ngt_json_member_u64(&j, "step", line->step);
    ngt_json_member_double(&j, "loss", line->loss);
    ngt_json_member_double(&j, "lr", line->lr);
    ngt_json_member_double(&j, "grad_norm", line->grad_norm);
    ngt_json_member_u64(&j, "tokens", line->tokens);
    ngt_json_member_u64(&j, "targets", line->targets);
    ngt_json_member_double(&j, "seconds", line->seconds);
    ngt_json_member_double(&j, "wait_share", line->wait_share);
    ngt_json_member_double(&j, "gpu_busy", line->gpu_busy);
    ngt_json_member_double(&j, "cpu_share", line->cpu_share);
    if (!line->updated)
        ngt_json_member_bool(&j, "updated", false);
    ngt_json_object_end(&j);
    return append(m, &j, reterr);
}

enum ngt_status trainer_metrics_validation(struct trainer_metrics *m,
                                           const struct trainer_validation_line *line,
                                           struct ngt_error *reterr)
{
    struct ngt_json_out j;

    ngt_error_clear(reterr);
    ngt_json_out_init(&j, true);
    ngt_json_object(&j);
    ngt_json_member_u64(&j, "step", line->step);
    ngt_json_member_double(&j, "val_loss", line->val_loss);
    ngt_json_member_u64(&j, "val_tokens", line->val_tokens);
    ngt_json_object_end(&j);
    return append(m, &j, reterr);
}

enum ngt_status trainer_metrics_sync(struct trainer_metrics *m, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (fdatasync(m->fd) != 0)
        return ngt_fail(reterr, NGT_E_IO, m->path, NGT_NO_POS, NGT_NO_POS,
                        "cannot bring the metrics to disk");
    return NGT_OK;
}

static bool grow(void **array, uint64_t count, uint64_t size)
{
    /* room is the next power of two */
    if (count & (count - 1))
        return true;
    void *more = realloc(*array, (count ? 2 * count : 1) * size);
    if (!more)
        return false;
    *array = more;
    return true;
}

enum ngt_status trainer_history_read(const char *folder, struct trainer_history *ret_history,
                                     struct ngt_error *reterr)
{
    struct trainer_history h = {0};
    struct ngt_map map = {.fd = -1};
    const char *bytes = NULL;
    uint64_t at = 0, size = 0, item = 0;
    char *path = ngt_path_join(folder, TRAINER_METRICS_FILE);
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (!path)
        return ngt_fail(reterr, NGT_E_NOMEM, folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    status = ngt_map_open(path, &map, reterr);
    if (status != NGT_OK)
        goto out;
    while (status == NGT_OK && next_line(&map, &at, &bytes, &size)) {
        struct line line;
        item++;
        if (!parse_line(bytes, size, &line)) {
            status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, item,
                              "not a line of metrics; mend or remove it");
        } else if (line.validation
                       ? !grow((void **)&h.validations, h.validation_count, sizeof line.check)
                       : !grow((void **)&h.steps, h.step_count, sizeof line.step)) {
            status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
        } else if (line.validation) {
            h.validations[h.validation_count++] = line.check;
        } else {
            h.steps[h.step_count++] = line.step;
        }
    }
    ngt_map_close(&map);
    if (status == NGT_OK) {
        *ret_history = h;
        h = (struct trainer_history){0};
    }
out:
    trainer_history_done(&h);
    free(path);
    return status;
}

void trainer_history_done(struct trainer_history *h)
{
    free(h->steps);
    free(h->validations);
    *h = (struct trainer_history){0};
}
