/* The host's ends of the rings: slots published in order, results taken in order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda/backend.h"
#include "kern/device/sort.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void nap(uint64_t ns)
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

    if (c->count == c->capacity) { /* only when nobody collects */
        uint64_t wider = 2 * c->capacity;
        struct kern_result *to = calloc(wider, sizeof *to);
        if (!to)
            return kern_fail(reterr, KERN_E_NOMEM, "no memory for %llu uncollected results",
                             (unsigned long long)wider);
        for (uint64_t i = 0; i < c->count; i++)
            to[i] = c->results[(c->head + i) % c->capacity];
        free(c->results);
        c->results = to, c->capacity = wider, c->head = 0;
    }
    c->busy_before = r->busy_clocks;
    c->results[(c->head + c->count++) % c->capacity] = (struct kern_result){
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
    c->canonical_valid = c->canonical_valid && r->kind != KERN_TRAIN;
    return KERN_OK;
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

static enum kern_status check_slot(const struct kern_cuda *c, const struct kern_slot *s,
                                   struct kern_error *reterr)
{
    uint32_t seq_len = c->config.seq_len, vocab = c->config.model.vocab;

    if (s->kind == KERN_TRAIN && c->config.forward_only)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "a training slot for a forward-only backend: make one that trains");
    if (!s->rows || s->rows > c->config.rows)
        return kern_fail(reterr, KERN_E_SHAPE, "a slot of %u rows: 1 to %u are possible", s->rows,
                         c->config.rows);
    for (uint64_t n = 0; n < (uint64_t)s->rows * seq_len; n++) {
        unsigned long long row = n / seq_len, position = n % seq_len;
        if (s->tokens[n] >= vocab)
            return kern_fail(reterr, KERN_E_SHAPE,
                             "token %u at row %llu, position %llu: the vocabulary has %u",
                             s->tokens[n], row, position, vocab);
        if (s->targets[n] >= vocab && s->targets[n] != KERN_NO_TARGET)
            return kern_fail(reterr, KERN_E_SHAPE,
                             "target %u at row %llu, position %llu: the vocabulary has %u",
                             s->targets[n], row, position, vocab);
        if (s->first[n] > position || (position && s->first[n] < s->first[n - 1]))
            return kern_fail(
                reterr, KERN_E_SHAPE,
                "segment start %u at row %llu, position %llu: after it, or before the last "
                "one's",
                s->first[n], row, position);
    }
    return KERN_OK;
}

/* Writes slot `number` into its place in the ring; returns its `when`. */
static uint32_t fill(struct kern_cuda *c, const struct kern_slot *s, uint64_t number)
{
    unsigned char *at = c->slots + number % KERN_CUDA_SLOTS * c->run.slot_bytes;
    uint64_t array = kern_cuda_slot_array(c->table->tokens);
    uint32_t *tokens = (uint32_t *)(at + KERN_CUDA_SLOT_HEADER), *targets = tokens + array;
    uint32_t *first = targets + array, *order = first + array, *runs = order + array;
    struct kern_device_slot h = {.number = number, .step = s->step, .kind = s->kind};

    if (s->kind != KERN_STOP) {
        uint64_t given = (uint64_t)s->rows * c->config.seq_len;
        memcpy(tokens, s->tokens, given * sizeof *tokens);
        memcpy(targets, s->targets, given * sizeof *targets);
        memcpy(first, s->first, given * sizeof *first);
        for (uint64_t n = given; n < c->table->tokens; n++) {
            tokens[n] = 0;
            targets[n] = KERN_NO_TARGET;
            first[n] = (uint32_t)(n % c->config.seq_len);
        }
        for (uint64_t n = 0; n < given; n++)
            h.targets += s->targets[n] != KERN_NO_TARGET;
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
    uint64_t since = now_ns(), pause = 1000, asked = since;

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
        nap(pause);
        pause = pause < 100000 ? pause * 2 : pause;
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
        status = check_slot(c, s, reterr);
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

    if (status == KERN_OK && wait && !c->count && c->open)
        status = await(c, &c->control->posted, c->collected, reterr);
    if (status != KERN_OK)
        return status;
    *ret_have = c->count > 0;
    if (c->count) {
        *ret_result = c->results[c->head];
        c->head = (c->head + 1) % c->capacity;
        c->count--;
    }
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
