#include "trainer/device.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ngt/permutation.h"
#include "trainer/random.h"

enum ngt_status trainer_kern_fail(struct ngt_error *reterr, const struct kern_error *error,
                                  const char *where)
{
    /* a device that fails is not a file: NGT_E_IO would append the text of errno */
    enum ngt_status code = error->code == KERN_E_NOMEM   ? NGT_E_NOMEM
                           : error->code == KERN_E_SHAPE ? NGT_E_DATA
                                                         : NGT_E_UNSUPPORTED;

    return ngt_fail(reterr, code, NULL, NGT_NO_POS, NGT_NO_POS, "%s%s%s", where ? where : "",
                    where ? ": " : "", error->message);
}

static void pool_run(void *context, void (*task)(void *arg, unsigned worker), void *arg)
{
    ngt_pool_run(context, task, arg);
}

static enum ngt_status refuse_device_only(const struct trainer_options *o, struct ngt_error *reterr)
{
    const char *name = o->launch_given ? "launch"
                       : o->ctas_given ? "ctas"
                       : o->recompute  ? "recompute"
                                       : NULL;

    if (!name)
        return NGT_OK;
    return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                    "--%s: only the CUDA device has it; leave it out, or give --device cuda on a "
                    "machine with one",
                    name);
}

enum ngt_status trainer_device_open(const struct trainer_options *options,
                                    enum trainer_device device, const struct kern_config *config,
                                    struct ngt_pool *pool, struct kern_backend **ret_backend,
                                    bool *ret_unavailable, struct ngt_error *reterr)
{
    struct kern_error error = {0};
    enum kern_status status = KERN_OK;

    ngt_error_clear(reterr);
    *ret_unavailable = false;
    if (device == TRAINER_CUDA) {
        struct kern_config own = *config;
        own.launch = options->launch == TRAINER_GRAPH      ? KERN_GRAPH
                     : options->launch == TRAINER_STEPWISE ? KERN_STEPWISE
                                                           : KERN_PERSISTENT;
        own.ctas = (uint32_t)options->ctas;
        own.recompute = options->recompute;
        own.deadline = options->deadline;
        status = kern_cuda_new(&own, ret_backend, &error);
        *ret_unavailable = status == KERN_E_UNAVAILABLE;
        return status == KERN_OK ? NGT_OK : trainer_kern_fail(reterr, &error, "--device cuda");
    }
    if (refuse_device_only(options, reterr) != NGT_OK)
        return NGT_E_DATA;
    struct kern_workers workers = {ngt_pool_workers(pool), pool, pool_run};
    status = kern_cpu_new(config, &workers, ret_backend, &error);
    return status == KERN_OK ? NGT_OK : trainer_kern_fail(reterr, &error, NULL);
}

/* ---- initial weights ---- */

/* Values are made in pieces of this many floats, whatever the number of threads; even, as normal
 * variates come in pairs. */
#define PIECE (UINT64_C(1) << 16)

struct init {
    const struct kern_model *model;
    uint64_t seed;
    float *values;
    struct kern_tensor *tensors;
    uint64_t *first_piece; /* [tensor_count + 1] */
    uint32_t tensor_count;
};

/* Box and Muller 1958 */
static void normal_pair(uint64_t key, uint64_t pair, double *a, double *b)
{
    double u = trainer_uniform(key, 2 * pair), v = trainer_uniform(key, 2 * pair + 1);
    double radius = sqrt(-2 * log(u));

    *a = radius * cos(2 * M_PI * v);
    *b = radius * sin(2 * M_PI * v);
}

static enum ngt_status init_piece(void *arg, uint64_t piece, unsigned worker,
                                  struct ngt_error *reterr)
{
    const struct init *in = arg;
    uint32_t t = 0;

    (void)worker;
    (void)reterr;
    while (in->first_piece[t + 1] <= piece)
        t++;
    const struct kern_tensor *tensor = &in->tensors[t];
    uint64_t count = (uint64_t)tensor->rows * tensor->cols;
    uint64_t begin = (piece - in->first_piece[t]) * PIECE;
    uint64_t end = count - begin < PIECE ? count : begin + PIECE;
    float *out = in->values + tensor->offset;
    uint64_t key = ngt_permutation_key(in->seed, t, NGT_PURPOSE_INIT);

    for (uint64_t i = begin; i < end; i += 2) {
        double a = 1, b = 1;
        if (tensor->init_std > 0) {
            normal_pair(key, i / 2, &a, &b);
            a *= (double)tensor->init_std;
            b *= (double)tensor->init_std;
        }
        out[i] = (float)a;
        if (i + 1 < end)
            out[i + 1] = (float)b;
    }
    return NGT_OK;
}

enum ngt_status trainer_weights_init(const struct kern_model *model, uint64_t seed,
                                     struct ngt_pool *pool, float *values, struct ngt_error *reterr)
{
    struct init in = {.model = model, .seed = seed, .values = values};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    in.tensor_count = kern_tensor_count(model);
    in.tensors = calloc(in.tensor_count, sizeof *in.tensors);
    in.first_piece = calloc((size_t)in.tensor_count + 1, sizeof *in.first_piece);
    if (!in.tensors || !in.first_piece) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the initial weights");
        goto out;
    }
    for (uint32_t t = 0; t < in.tensor_count; t++) {
        kern_tensor_at(model, t, &in.tensors[t]);
        uint64_t count = (uint64_t)in.tensors[t].rows * in.tensors[t].cols;
        in.first_piece[t + 1] = in.first_piece[t] + (count + PIECE - 1) / PIECE;
    }
    status = ngt_pool_each(pool, in.first_piece[in.tensor_count], init_piece, &in, reterr);
out:
    free(in.tensors);
    free(in.first_piece);
    return status;
}
