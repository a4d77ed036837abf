/* The model's state between host and device, in the canonical order on this side, and its snapshot. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/backend.h"

/* ---- state ---- */

static enum kern_device_buffer buffer_of(enum kern_state which)
{
    static const enum kern_device_buffer ids[] = {
        [KERN_WEIGHTS] = KERN_DEV_MASTER,
        [KERN_MOMENT1] = KERN_DEV_MOMENT1,
        [KERN_MOMENT2] = KERN_DEV_MOMENT2,
        [KERN_GRADIENTS] = KERN_DEV_GRADIENTS,
    };
    return ids[which];
}

static enum kern_status check_state(const struct kern_cuda *c, enum kern_state which,
                                    struct kern_error *reterr)
{
    if (c->table->at[buffer_of(which)].size)
        return KERN_OK;
    return kern_fail(reterr, KERN_E_SHAPE,
                     "a forward-only backend keeps weights alone: no moments, no gradients");
}

/* Waits for a stream that has copies alone. */
static cudaError_t quiet(cudaStream_t stream)
{
    cudaError_t code = cudaSuccess;

    while ((code = cudaStreamQuery(stream)) == cudaErrorNotReady)
        kern_cuda_nap(20000);
    return code;
}

enum kern_status kern_cuda_copy(struct kern_cuda *c, void *to, const void *from, uint64_t bytes,
                                enum cudaMemcpyKind kind, struct kern_error *reterr)
{
    enum kern_status status = KERN_OK;

    KERN_CUDA_TRY(cudaMemcpyAsync(to, from, bytes, kind, c->copies), "copying the model's state");
    KERN_CUDA_TRY(quiet(c->copies), "copying the model's state");
out:
    return status;
}

enum kern_status kern_cuda_state_get(struct kern_backend *b, enum kern_state which,
                                     float *ret_values, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    const struct kern_device_table *t = c->table;
    enum kern_status status = check_state(c, which, reterr);

    if (status == KERN_OK)
        status = kern_cuda_settle(c, reterr);
    if (status == KERN_OK)
        status = kern_cuda_copy(c, c->staging, c->run.arena + t->at[buffer_of(which)].offset,
                                t->layout.size * sizeof(float), cudaMemcpyDeviceToHost, reterr);
    if (status == KERN_OK)
        kern_device_layout_from(&t->model, &t->layout, c->staging, ret_values);
    return status;
}

/* To nearest even, as the device rounds; weights are finite. */
static uint16_t round_bf16(float value)
{
    uint32_t bits = 0;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

enum kern_status kern_cuda_state_set(struct kern_backend *b, enum kern_state which,
                                     const float *values, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    const struct kern_device_table *t = c->table;
    enum kern_status status = KERN_OK;

    if (which == KERN_GRADIENTS)
        return kern_fail(reterr, KERN_E_SHAPE, "gradients can be read only");
    status = check_state(c, which, reterr);
    if (status == KERN_OK)
        status = kern_cuda_settle(c, reterr);
    if (status != KERN_OK)
        return status;
    kern_device_layout_to(&t->model, &t->layout, values, c->staging);
    status = kern_cuda_copy(c, c->run.arena + t->at[buffer_of(which)].offset, c->staging,
                            t->layout.size * sizeof(float), cudaMemcpyHostToDevice, reterr);
    if (status != KERN_OK || which != KERN_WEIGHTS)
        return status;
    c->canonical_valid = false;
    for (uint64_t i = 0; i < t->layout.size; i++)
        c->rounded[i] = round_bf16(c->staging[i]);
    return kern_cuda_copy(c, c->run.arena + t->at[KERN_DEV_WEIGHTS].offset, c->rounded,
                          t->layout.size * sizeof *c->rounded, cudaMemcpyHostToDevice, reterr);
}

/* ---- the snapshot ---- */

enum kern_status kern_cuda_snapshot_take(struct kern_backend *b, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    const struct kern_device_table *t = c->table;
    uint64_t bytes = t->layout.size * sizeof(float);
    enum kern_status status = check_state(c, KERN_MOMENT1, reterr);

    if (status == KERN_OK)
        status = kern_cuda_settle(c, reterr);
    if (status != KERN_OK)
        return status;
    if (!c->kept && !c->kept_host)
        c->kept_host = malloc(3 * bytes);
    if (!c->kept && !c->kept_host)
        return kern_fail(reterr, KERN_E_NOMEM, "no memory for %.2f GB of a checkpoint",
                         3 * (double)bytes / 1e9);
    if (c->resident && c->kept) {
        status = kern_cuda_snapshot(c, reterr);
        c->taken = status == KERN_OK;
        return status;
    }
    for (int which = KERN_WEIGHTS; which <= KERN_MOMENT2 && status == KERN_OK; which++) {
        const unsigned char *from = c->run.arena + t->at[buffer_of((enum kern_state)which)].offset;
        uint64_t at = (uint64_t)which * t->layout.size;
        status =
            c->kept
                ? kern_cuda_copy(c, c->kept + at, from, bytes, cudaMemcpyDeviceToDevice, reterr)
                : kern_cuda_copy(c, c->kept_host + at, from, bytes, cudaMemcpyDeviceToHost, reterr);
    }
    c->taken = status == KERN_OK;
    return status;
}

enum kern_status kern_cuda_snapshot_get(struct kern_backend *b, enum kern_state which,
                                        float *ret_values, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    const struct kern_device_table *t = c->table;
    uint64_t at = (uint64_t)which * t->layout.size, bytes = t->layout.size * sizeof(float);
    const float *from = c->kept_host + at;
    enum kern_status status = KERN_OK;

    if (!c->taken || which > KERN_MOMENT2)
        return kern_fail(reterr, KERN_E_SHAPE, "no snapshot was taken of this");
    if (c->kept) {
        for (uint64_t done = 0, n = 0; done < bytes; done += n) {
            n = bytes - done < KERN_CUDA_BOUNCE ? bytes - done : KERN_CUDA_BOUNCE;
            KERN_CUDA_TRY(cudaMemcpyAsync(c->bounce, (const char *)(c->kept + at) + done, n,
                                          cudaMemcpyDeviceToHost, c->drain),
                          "copying a checkpoint");
            KERN_CUDA_TRY(quiet(c->drain), "copying a checkpoint");
            memcpy((char *)c->drained + done, c->bounce, n);
        }
        from = c->drained;
    }
    kern_device_layout_from(&t->model, &t->layout, from, ret_values);
out:
    return status;
}

const float *kern_cuda_weights(struct kern_backend *b)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    struct kern_error ignored = {0};

    if (!c->canonical_valid)
        c->canonical_valid =
            kern_cuda_state_get(b, KERN_WEIGHTS, c->canonical, &ignored) == KERN_OK;
    return c->canonical;
}
