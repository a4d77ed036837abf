#include "slot.h"

#include <stdlib.h>
#include <string.h>

#include "backend_ops.h"

enum kern_status kern_slot_check(const struct kern_config *config, const struct kern_slot *s,
                                 struct kern_error *reterr)
{
    uint32_t seq_len = config->seq_len, vocab = config->model.vocab;

    if (s->kind == KERN_TRAIN && config->forward_only)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "a training slot for a forward-only backend: make one that trains");
    if (!s->rows || s->rows > config->rows)
        return kern_fail(reterr, KERN_E_SHAPE, "a slot of %u rows: 1 to %u are possible", s->rows,
                         config->rows);
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
        if (s->first[n] > position)
            return kern_fail(reterr, KERN_E_SHAPE,
                             "segment start %u at row %llu lies after its position %llu",
                             s->first[n], row, position);
        /* attention stops at the first block whose segments all begin later */
        if (position && s->first[n] < s->first[n - 1])
            return kern_fail(
                reterr, KERN_E_SHAPE,
                "segment start %u at row %llu, position %llu lies before the last one's",
                s->first[n], row, position);
    }
    return KERN_OK;
}

void kern_slot_rows(const struct kern_config *config, const struct kern_slot *s,
                    uint32_t *ret_tokens, uint32_t *ret_targets, uint32_t *ret_first)
{
    uint64_t given = (uint64_t)s->rows * config->seq_len;
    uint64_t all = (uint64_t)config->rows * config->seq_len;

    memcpy(ret_tokens, s->tokens, given * sizeof *ret_tokens);
    memcpy(ret_targets, s->targets, given * sizeof *ret_targets);
    memcpy(ret_first, s->first, given * sizeof *ret_first);
    for (uint64_t n = given; n < all; n++) {
        ret_tokens[n] = 0;
        ret_targets[n] = KERN_NO_TARGET;
        ret_first[n] = (uint32_t)(n % config->seq_len);
    }
}

uint64_t kern_slot_targets(const struct kern_config *config, const struct kern_slot *s)
{
    uint64_t count = 0;

    for (uint64_t n = 0; n < (uint64_t)s->rows * config->seq_len; n++)
        count += s->targets[n] != KERN_NO_TARGET;
    return count;
}

bool kern_results_init(struct kern_results *r)
{
    *r = (struct kern_results){.capacity = 64};
    r->ring = calloc(r->capacity, sizeof *r->ring);
    return r->ring != NULL;
}

void kern_results_done(struct kern_results *r)
{
    free(r->ring);
    *r = (struct kern_results){0};
}

enum kern_status kern_results_push(struct kern_results *r, const struct kern_result *result,
                                   struct kern_error *reterr)
{
    if (r->count == r->capacity) {
        uint64_t wider = 2 * r->capacity;
        struct kern_result *to = calloc(wider, sizeof *to);

        if (!to)
            return kern_fail(reterr, KERN_E_NOMEM, "no memory for %llu uncollected results",
                             (unsigned long long)wider);
        for (uint64_t i = 0; i < r->count; i++)
            to[i] = r->ring[(r->head + i) % r->capacity];
        free(r->ring);
        r->ring = to, r->capacity = wider, r->head = 0;
    }
    r->ring[(r->head + r->count++) % r->capacity] = *result;
    return KERN_OK;
}

bool kern_results_pop(struct kern_results *r, struct kern_result *ret_result)
{
    if (!r->count)
        return false;
    *ret_result = r->ring[r->head];
    r->head = (r->head + 1) % r->capacity;
    r->count--;
    return true;
}
