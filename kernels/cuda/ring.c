/* The host's ends of the rings: slots published in order, results taken in order. */
#include <math.h>
#include <string.h>
#include <time.h>

#include "cuda/backend.h"
#include "kern/device/sort.h"
#include "slot.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void kern_cuda_nap(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

/* ---- results ---- */

static enum kern_status push_result(struct kern_cuda *c, const struct kern_cuda_result *r,
                                    struct kern_error *reterr)
{
    uint64_t busy = r->busy_clocks - c->busy_before;
    double rate = r->clocks_ns ? (double)r->clocks / (double)r->clocks_ns : 1; /* clocks a ns */
    double wall = (double)r->work_ns * c->ctas * rate;

    struct kern_result result = {
        .kind = r->kind,
        .step = r->step,
        .targets = r->targets,
        .nll = r->nll,
        .grad_norm = r->norm,
        .updated = r->updated,
        .compute_seconds = (double)r->work_ns / 1e9,
        .wait_seconds = (double)r->wait_ns / 1e9,
        .busy = wall > 0 ? (double)busy / wall : 0,
    };
    c->busy_before = r->busy_clocks;
    c->canonical_valid = c->canonical_valid && r->kind != KERN_TRAIN;
    return kern_results_push(&c->results, &result, reterr);
}

/* Takes what the device has posted. */
static enum kern_status drain(struct kern_cuda *c, struct kern_error *reterr)
{
    uint64_t posted = __atomic_load_n(&c->control->posted, __ATOMIC_ACQUIRE);
    enum kern_status status = KERN_OK;

    while (status == KERN_OK && c->collected < posted) {
        status = push_result(c, &c->control->results[c->collected % KERN_CUDA_RESULTS], reterr);
        c->collected++, c->open--;
    }
    return status;
}

/* ---- slots ---- */

/* Writes slot `number` into its place in the ring; returns its `when`. */
static uint32_t fill(struct kern_cuda *c, const struct kern_slot *s, uint64_t number)
{
    unsigned char *at = c->slots + number % KERN_CUDA_SLOTS * c->run.slot_bytes;
    uint64_t array = kern_cuda_slot_array(c->table->tokens);
    uint32_t *tokens = (uint32_t *)(at + KERN_CUDA_SLOT_HEADER), *targets = tokens + array;
    uint32_t *first = targets + array, *order = first + array, *runs = order + array;
    struct kern_device_slot h = {.number = number, .step = s->step, .kind = s->kind};

    if (s->kind != KERN_STOP) {
        kern_slot_rows(&c->config, s, tokens, targets, first);
        h.targets = kern_slot_targets(&c->config, s);
        if (s->kind == KERN_TRAIN)
            h.runs = kern_device_sort(tokens, c->table->tokens, c->config.model.vocab, c->scratch,
                                      order, runs);
        h.when = s->kind != KERN_TRAIN ? KERN_DEV_ALWAYS
                 : s->last_micro       ? KERN_DEV_LAST
                                       : KERN_DEV_TRAINING;
        h.first_micro = s->first_micro;
        h.step_targets = s->step_targets;
        h.lr = (float)s->lr;
        h.step_size = s->bias1 > 0 ? (float)(s->lr / s->bias1) : 0;
        h.root2 = s->bias2 > 0 ? (float)(1 / sqrt(s->bias2)) : 0;
        h.inverse_targets = s->step_targets ? (float)(1.0 / (double)s->step_targets) : 0;
    }
    memcpy(at, &h, sizeof h);
    return h.when;
}

/* Waits for *word > than, taking results meanwhile. */
static enum kern_status await(struct kern_cuda *c, const uint64_t *word, uint64_t than,
                              struct kern_error *reterr)
{
    uint64_t since = now_ns(), asked = since;

    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) <= than) {
        uint64_t now = now_ns();
        enum kern_status status = drain(c, reterr);
        if (status != KERN_OK)
            return status;
        if (now - asked > 20000000) { /* asking the driver costs more than a look at memory */
            asked = now;
            status = kern_cuda_alive(c, reterr);
            if (status != KERN_OK && __atomic_load_n(word, __ATOMIC_ACQUIRE) <= than)
                return status;
        }
        /* a step may take long; a phase longer than the deadline the device finds itself */
        if (now - since > 100 * c->deadline_ns)
            return kern_fail(reterr, KERN_E_DEVICE, "the GPU did not answer for %.3g s",
                             (double)(now - since) / 1e9);
        /* a sixteenth of the time waited: late by that share at most, and long steps cost few wakes */
        uint64_t pause = (now - since) / 16;
        kern_cuda_nap(pause < 1000 ? 1000 : pause > 1000000 ? 1000000 : pause);
    }
    return drain(c, reterr);
}

enum kern_status kern_cuda_submit(struct kern_backend *b, const struct kern_slot *s,
                                  struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    enum kern_status status = KERN_OK;

    if (s->kind == KERN_STOP && !c->resident)
        return KERN_OK;
    if (s->kind != KERN_STOP)
        status = kern_slot_check(&c->config, s, reterr);
    if (status == KERN_OK && c->submitted >= KERN_CUDA_SLOTS)
        status = await(c, &c->control->consumed, c->submitted - KERN_CUDA_SLOTS, reterr);
    if (status == KERN_OK)
        status = drain(c, reterr);
    if (status == KERN_OK && c->resident)
        status = kern_cuda_fault(c, reterr);
    if (status != KERN_OK)
        return status;
    uint32_t when = fill(c, s, c->submitted);
    if (s->kind == KERN_VALIDATE || when == KERN_DEV_LAST)
        c->open++;
    __atomic_store_n(&c->control->ready, c->submitted + 1, __ATOMIC_RELEASE);
    c->submitted++;
    if (s->kind != KERN_STOP)
        return kern_cuda_start(c, when, reterr);
    KERN_CUDA_TRY(cudaStreamSynchronize(c->stream), "the resident kernel's end");
    c->resident = false;
    status = kern_cuda_fault(c, reterr);
out:
    return status;
}

enum kern_status kern_cuda_collect(struct kern_backend *b, bool wait, bool *ret_have,
                                   struct kern_result *ret_result, struct kern_error *reterr)
{
    struct kern_cuda *c = (struct kern_cuda *)b;
    enum kern_status status = drain(c, reterr);

    if (status == KERN_OK && wait && !c->results.count && c->open)
        status = await(c, &c->control->posted, c->collected, reterr);
    if (status != KERN_OK)
        return status;
    *ret_have = kern_results_pop(&c->results, ret_result);
    return KERN_OK;
}

/* Every slot submitted has been worked; a resident kernel waits for the next. */
enum kern_status kern_cuda_settle(struct kern_cuda *c, struct kern_error *reterr)
{
    if (!c->submitted)
        return KERN_OK;
    return await(c, &c->control->consumed, c->submitted - 1, reterr);
}

enum kern_status kern_cuda_snapshot(struct kern_cuda *c, struct kern_error *reterr)
{
    enum kern_status status = kern_cuda_settle(c, reterr);

    if (status != KERN_OK)
        return status;
    unsigned char *at = c->slots + c->submitted % KERN_CUDA_SLOTS * c->run.slot_bytes;
    memcpy(at, &(struct kern_device_slot){.number = c->submitted, .kind = KERN_CUDA_SNAPSHOT},
           sizeof(struct kern_device_slot));
    __atomic_store_n(&c->control->ready, c->submitted + 1, __ATOMIC_RELEASE);
    c->submitted++;
    return kern_cuda_settle(c, reterr);
}
