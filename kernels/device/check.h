/* The parts of kern/device/validate.h. Each returns KERN_OK or the status of a refusal. */
#ifndef KERN_DEVICE_CHECK_PRIVATE_H
#define KERN_DEVICE_CHECK_PRIVATE_H

#include "kern/device/regions.h"

#include <stddef.h>

struct check {
    const struct kern_device_table *t;
    struct kern_error *reterr;
};

/* p may be NULL: of the whole table. */
__attribute__((format(printf, 3, 4))) enum kern_status
check_refuse(const struct check *c, const struct kern_device_phase *p, const char *format, ...);

enum kern_status check_buffers(const struct check *c); /* check_buffers.c */
enum kern_status check_phase(const struct check *c, const struct kern_device_phase *p);
enum kern_status check_order(const struct check *c);  /* check_order.c */
enum kern_status check_pieces(const struct check *c); /* check_pieces.c */

/* The phase of this op, layer and part, or NULL. */
const struct kern_device_phase *check_find(const struct kern_device_table *t,
                                           enum kern_device_op op, uint32_t layer, uint32_t part);

static inline uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static inline uint64_t address(const struct kern_device_table *t, enum kern_device_buffer id,
                               uint64_t copy)
{
    return t->at[id].offset + copy * t->at[id].stride;
}

/* Element `within` of layer l in the flat vectors. */
static inline uint64_t layer_element(const struct kern_device_table *t, uint64_t l, uint64_t within)
{
    return t->layout.layer + l * t->layout.stride + within;
}

static inline bool is_head_op(uint32_t op)
{
    return op == KERN_DEV_LOGITS || op == KERN_DEV_LOSS || op == KERN_DEV_HEAD_BACKWARD ||
           op == KERN_DEV_FINAL_BACKWARD;
}

/* What makes the loss, DX and the head's gradient. */
static inline uint32_t loss_op(const struct kern_device_table *t)
{
    return t->head_scanned ? KERN_DEV_HEAD_LOSS : KERN_DEV_LOSS;
}


static inline uint32_t final_op(const struct kern_device_table *t)
{
    return t->head_scanned ? KERN_DEV_HEAD_LOSS : KERN_DEV_FINAL_BACKWARD;
}

static inline uint32_t head_gradient_op(const struct kern_device_table *t)
{
    return t->head_scanned ? KERN_DEV_HEAD_WEIGHT : KERN_DEV_HEAD_BACKWARD;
}

static inline bool is_layer_op(uint32_t op)
{
    return (op >= KERN_DEV_QKV && op <= KERN_DEV_DOWN) ||
           (op >= KERN_DEV_DOWN_BACKWARD && op <= KERN_DEV_QKV_BACKWARD);
}

/* Activations made once more for the backward pass: check_phase lets no other phase of these ops take part in
 * training alone. */
static inline bool is_made_again(const struct kern_device_phase *p)
{
    return p->op >= KERN_DEV_QKV && p->op <= KERN_DEV_GATE_UP && p->when == KERN_DEV_TRAINING;
}

#endif
