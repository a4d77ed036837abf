/*
 * Versions of buffers. A version is named by the phase that made it: (op, layer or part). Each op
 * says, in the table below, which versions it wants to find and which it makes; the phases are gone
 * through in order with what each buffer holds. So a phase that is missing, doubled or out of place
 * shows at the first reader that finds another version than its own. With recompute layers share a copy
 * of most activations: the layer that a version is named by tells whose they are.
 *
 * Buffers that chunks of the head fill bit by bit count the rows that they hold so far.
 */
#include "backend_ops.h"
#include "check.h"

#include <stdlib.h>

enum copy { ONE, AT_LAYER, NEXT, LAST, NORM1, NORM2 };

/* Which version, made by rule.op: of any number, of this layer or part, or ... */
enum which {
    ANY,       /* 0: it is made once */
    SAME,      /* this layer, or this part */
    RESIDUAL,  /* X, XG, SS of this copy: by EMBED, or by DOWN of the layer before */
    ABOVE,     /* DX as it comes from the layer above, or from the head */
    EMBEDDING, /* the embedding's gradient before EMBED_BACKWARD adds to it */
};

enum extent { WHOLE, CHUNK }; /* all rows, or those of the phase's chunk */

struct rule {
    uint8_t op, buffer, access, copy, extent;
    uint8_t by, which; /* reads and changes: the version wanted */
};

/* The state of gradients is kept tensor by tensor, as that of buffers beyond the last. */
enum {
    G_EMBED = KERN_DEVICE_BUFFERS, /* the head's too when tied */
    G_HEAD,
    G_QKV,
    G_OUT,
    G_GATE_UP,
    G_DOWN,
    STATES,
};
_Static_assert(STATES < 256, "rules hold states in bytes");

#define R KERN_DEV_READS
#define W KERN_DEV_WRITES
#define C KERN_DEV_CHANGES
#define DEV(x) KERN_DEV_##x

static const struct rule rules[] = {
    {DEV(FETCH), DEV(TOKENS), W, ONE, WHOLE, 0, 0},
    {DEV(FETCH), DEV(TARGETS), W, ONE, WHOLE, 0, 0},
    {DEV(FETCH), DEV(FIRST), W, ONE, WHOLE, 0, 0},
    {DEV(FETCH), DEV(ORDER), W, ONE, WHOLE, 0, 0},
    {DEV(FETCH), DEV(RUNS), W, ONE, WHOLE, 0, 0},
    {DEV(FETCH), DEV(FIRST_MIN), W, ONE, WHOLE, 0, 0},

    {DEV(EMBED), DEV(TOKENS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(EMBED), DEV(X), W, ONE, WHOLE, 0, 0},
    {DEV(EMBED), DEV(XG), W, ONE, WHOLE, 0, 0},
    {DEV(EMBED), DEV(SS), W, ONE, WHOLE, 0, 0},

    {DEV(QKV), DEV(XG), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(QKV), DEV(SS), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(QKV), DEV(FIRST), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(QKV), DEV(QKV_OUT), W, AT_LAYER, WHOLE, 0, 0},

    {DEV(ATTENTION), DEV(QKV_OUT), R, AT_LAYER, WHOLE, DEV(QKV), SAME},
    {DEV(ATTENTION), DEV(FIRST), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(ATTENTION), DEV(FIRST_MIN), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(ATTENTION), DEV(MIX), W, AT_LAYER, WHOLE, 0, 0},
    {DEV(ATTENTION), DEV(LSE), W, AT_LAYER, WHOLE, 0, 0},

    {DEV(OUT), DEV(MIX), R, AT_LAYER, WHOLE, DEV(ATTENTION), SAME},
    {DEV(OUT), DEV(X), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(OUT), DEV(MID), W, AT_LAYER, WHOLE, 0, 0},
    {DEV(OUT), DEV(MIDG), W, AT_LAYER, WHOLE, 0, 0},
    {DEV(OUT), DEV(SS_MID), W, AT_LAYER, WHOLE, 0, 0},

    {DEV(GATE_UP), DEV(MIDG), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(GATE_UP), DEV(SS_MID), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(GATE_UP), DEV(GU), W, AT_LAYER, WHOLE, 0, 0},
    {DEV(GATE_UP), DEV(HIDDEN), W, AT_LAYER, WHOLE, 0, 0},

    {DEV(DOWN), DEV(HIDDEN), R, AT_LAYER, WHOLE, DEV(GATE_UP), SAME},
    {DEV(DOWN), DEV(MID), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(DOWN), DEV(X), W, NEXT, WHOLE, 0, 0},
    {DEV(DOWN), DEV(XG), W, NEXT, WHOLE, 0, 0},
    {DEV(DOWN), DEV(SS), W, NEXT, WHOLE, 0, 0},

    {DEV(LOGITS), DEV(XG), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(LOGITS), DEV(SS), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(LOGITS), DEV(LOGITS_OUT), W, ONE, WHOLE, 0, 0},
    {DEV(LOGITS), DEV(LOGIT_MAX), W, ONE, WHOLE, 0, 0},
    {DEV(LOGITS), DEV(LOGIT_SUM), W, ONE, WHOLE, 0, 0},

    {DEV(LOSS), DEV(LOGITS_OUT), C, ONE, WHOLE, DEV(LOGITS), SAME},
    {DEV(LOSS), DEV(LOGIT_MAX), R, ONE, WHOLE, DEV(LOGITS), SAME},
    {DEV(LOSS), DEV(LOGIT_SUM), R, ONE, WHOLE, DEV(LOGITS), SAME},
    {DEV(LOSS), DEV(TARGETS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(LOSS), DEV(SS), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(LOSS), DEV(NLL), W, ONE, CHUNK, 0, 0},
    {DEV(LOSS), DEV(NLL_SLOT), W, ONE, CHUNK, 0, 0},

    {DEV(HEAD_BACKWARD), DEV(LOGITS_OUT), R, ONE, WHOLE, DEV(LOSS), SAME},
    {DEV(HEAD_BACKWARD), DEV(XG), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_BACKWARD), DEV(HEAD_SPLIT), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_BACKWARD), G_HEAD, W, ONE, CHUNK, 0, 0},

    {DEV(FINAL_BACKWARD), DEV(HEAD_SPLIT), R, ONE, WHOLE, DEV(HEAD_BACKWARD), SAME},
    {DEV(FINAL_BACKWARD), DEV(X), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(FINAL_BACKWARD), DEV(SS), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(FINAL_BACKWARD), DEV(DX), W, ONE, CHUNK, 0, 0},
    {DEV(FINAL_BACKWARD), DEV(FINAL_SLOT), W, ONE, CHUNK, 0, 0},

    {DEV(HEAD_SCAN), DEV(XG), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_SCAN), DEV(SS), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_SCAN), DEV(TARGETS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(HEAD_SCAN), DEV(SPAN_LSE), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_SCAN), DEV(SPAN_TARGET), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_SCAN), DEV(HEAD_SPLIT), W, ONE, WHOLE, 0, 0},

    {DEV(HEAD_LOSS), DEV(SPAN_LSE), R, ONE, WHOLE, DEV(HEAD_SCAN), ANY},
    {DEV(HEAD_LOSS), DEV(SPAN_TARGET), R, ONE, WHOLE, DEV(HEAD_SCAN), ANY},
    {DEV(HEAD_LOSS), DEV(HEAD_SPLIT), R, ONE, WHOLE, DEV(HEAD_SCAN), ANY},
    {DEV(HEAD_LOSS), DEV(TARGETS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(HEAD_LOSS), DEV(X), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_LOSS), DEV(SS), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_LOSS), DEV(NLL), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_LOSS), DEV(NLL_SLOT), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_LOSS), DEV(HEAD_TERMS), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_LOSS), DEV(DX), W, ONE, WHOLE, 0, 0},
    {DEV(HEAD_LOSS), DEV(FINAL_SLOT), W, ONE, WHOLE, 0, 0},

    {DEV(HEAD_WEIGHT), DEV(XG), R, LAST, WHOLE, 0, RESIDUAL},
    {DEV(HEAD_WEIGHT), DEV(TARGETS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(HEAD_WEIGHT), DEV(HEAD_TERMS), R, ONE, WHOLE, DEV(HEAD_LOSS), ANY},
    {DEV(HEAD_WEIGHT), G_HEAD, W, ONE, WHOLE, 0, 0},

    {DEV(DOWN_BACKWARD), DEV(DX), R, ONE, WHOLE, 0, ABOVE},
    {DEV(DOWN_BACKWARD), DEV(HIDDEN), R, AT_LAYER, WHOLE, DEV(GATE_UP), SAME},
    {DEV(DOWN_BACKWARD), DEV(GU), R, AT_LAYER, WHOLE, DEV(GATE_UP), SAME},
    {DEV(DOWN_BACKWARD), DEV(SS_MID), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(DOWN_BACKWARD), DEV(DGU), W, ONE, WHOLE, 0, 0},
    {DEV(DOWN_BACKWARD), DEV(MLP_C), W, ONE, WHOLE, 0, 0},
    {DEV(DOWN_BACKWARD), G_DOWN, W, AT_LAYER, WHOLE, 0, 0},

    {DEV(GATE_UP_BACKWARD), DEV(DGU), R, ONE, WHOLE, DEV(DOWN_BACKWARD), SAME},
    {DEV(GATE_UP_BACKWARD), DEV(MLP_C), R, ONE, WHOLE, DEV(DOWN_BACKWARD), SAME},
    {DEV(GATE_UP_BACKWARD), DEV(MID), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(GATE_UP_BACKWARD), DEV(MIDG), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(GATE_UP_BACKWARD), DEV(SS_MID), R, AT_LAYER, WHOLE, DEV(OUT), SAME},
    {DEV(GATE_UP_BACKWARD), DEV(DX), C, ONE, WHOLE, 0, ABOVE},
    {DEV(GATE_UP_BACKWARD), DEV(GAIN_SLOT), W, NORM2, WHOLE, 0, 0},
    {DEV(GATE_UP_BACKWARD), G_GATE_UP, W, AT_LAYER, WHOLE, 0, 0},

    {DEV(OUT_BACKWARD), DEV(DX), R, ONE, WHOLE, DEV(GATE_UP_BACKWARD), SAME},
    {DEV(OUT_BACKWARD), DEV(MIX), R, AT_LAYER, WHOLE, DEV(ATTENTION), SAME},
    {DEV(OUT_BACKWARD), DEV(DMIX), W, ONE, WHOLE, 0, 0},
    {DEV(OUT_BACKWARD), DEV(DELTA), W, ONE, WHOLE, 0, 0},
    {DEV(OUT_BACKWARD), G_OUT, W, AT_LAYER, WHOLE, 0, 0},

    {DEV(ATTENTION_BACKWARD), DEV(QKV_OUT), R, AT_LAYER, WHOLE, DEV(QKV), SAME},
    {DEV(ATTENTION_BACKWARD), DEV(LSE), R, AT_LAYER, WHOLE, DEV(ATTENTION), SAME},
    {DEV(ATTENTION_BACKWARD), DEV(DMIX), R, ONE, WHOLE, DEV(OUT_BACKWARD), SAME},
    {DEV(ATTENTION_BACKWARD), DEV(DELTA), R, ONE, WHOLE, DEV(OUT_BACKWARD), SAME},
    {DEV(ATTENTION_BACKWARD), DEV(FIRST), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(ATTENTION_BACKWARD), DEV(FIRST_MIN), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(ATTENTION_BACKWARD), DEV(SS), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(ATTENTION_BACKWARD), DEV(DQKV), W, ONE, WHOLE, 0, 0},
    {DEV(ATTENTION_BACKWARD), DEV(QKV_C), W, ONE, WHOLE, 0, 0},

    {DEV(QKV_BACKWARD), DEV(DQKV), R, ONE, WHOLE, DEV(ATTENTION_BACKWARD), SAME},
    {DEV(QKV_BACKWARD), DEV(QKV_C), R, ONE, WHOLE, DEV(ATTENTION_BACKWARD), SAME},
    {DEV(QKV_BACKWARD), DEV(X), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(QKV_BACKWARD), DEV(XG), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(QKV_BACKWARD), DEV(SS), R, AT_LAYER, WHOLE, 0, RESIDUAL},
    {DEV(QKV_BACKWARD), DEV(DX), C, ONE, WHOLE, DEV(GATE_UP_BACKWARD), SAME},
    {DEV(QKV_BACKWARD), DEV(GAIN_SLOT), W, NORM1, WHOLE, 0, 0},
    {DEV(QKV_BACKWARD), G_QKV, W, AT_LAYER, WHOLE, 0, 0},

    {DEV(EMBED_BACKWARD), DEV(DX), R, ONE, WHOLE, DEV(QKV_BACKWARD), ANY},
    {DEV(EMBED_BACKWARD), DEV(TOKENS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(EMBED_BACKWARD), DEV(ORDER), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(EMBED_BACKWARD), DEV(RUNS), R, ONE, WHOLE, DEV(FETCH), ANY},
    {DEV(EMBED_BACKWARD), G_EMBED, C, ONE, WHOLE, 0, EMBEDDING},

    {DEV(COLLECT), DEV(FINAL_SLOT), R, ONE, WHOLE, DEV(FINAL_BACKWARD), ANY},
    {DEV(COLLECT), DEV(GRADIENTS), W, ONE, WHOLE, 0, 0}, /* and every tensor: see collected() */
    {DEV(COLLECT), DEV(SQUARES), W, ONE, WHOLE, 0, 0},

    {DEV(ADAMW), DEV(GRADIENTS), R, ONE, WHOLE, DEV(COLLECT), ANY},
    {DEV(ADAMW), DEV(SQUARES), R, ONE, WHOLE, DEV(COLLECT), ANY},
    {DEV(ADAMW), DEV(MASTER), W, ONE, WHOLE, 0, 0},

    {DEV(RESULT), DEV(NLL_SLOT), R, ONE, WHOLE, DEV(LOSS), ANY},
};

#undef R
#undef W
#undef C
#undef DEV

#define NO_OP UINT32_MAX
/* As a number wanted: what chunks fill bit by bit has the last chunk's. */
#define ANY_NUMBER UINT32_MAX

struct version {
    uint32_t op, number; /* NO_OP: nothing of this slot */
    uint64_t rows;       /* tokens, of a buffer that chunks fill; else all */
};

struct order {
    const struct check *c;
    const struct kern_device_table *t;
    struct version *held; /* [STATES][copies] */
    uint64_t copies;
    uint32_t results;
};

static const char *name_of(uint32_t state)
{
    static const char *const gradients[] = {"gradient of embed",   "gradient of head",
                                            "gradient of qkv",     "gradient of out",
                                            "gradient of gate_up", "gradient of down"};
    return state < KERN_DEVICE_BUFFERS ? kern_device_buffer_name((enum kern_device_buffer)state)
                                       : gradients[state - KERN_DEVICE_BUFFERS];
}

/* Copies that lie on each other, without gradients or with recompute, are one. */
static struct version *held(const struct order *o, uint32_t state, uint32_t copy)
{
    if (state == G_HEAD && !o->t->model.untied)
        state = G_EMBED;
    if (state < KERN_DEVICE_BUFFERS && !o->t->at[state].stride)
        copy = 0;
    return &o->held[state * o->copies + copy];
}

static uint32_t copy_of(const struct order *o, const struct rule *r,
                        const struct kern_device_phase *p)
{
    switch ((enum copy)r->copy) {
    case AT_LAYER:
        return p->layer;
    case NEXT:
        return p->layer + 1;
    case LAST:
        return o->t->model.layers;
    case NORM1:
        return 2 * p->layer;
    case NORM2:
        return 2 * p->layer + 1;
    default:
        return 0;
    }
}

static uint32_t number_of(const struct kern_device_phase *p)
{
    return is_head_op(p->op) ? p->part : p->layer;
}

static struct version wanted(const struct order *o, const struct rule *r,
                             const struct kern_device_phase *p, uint32_t copy)
{
    uint32_t layers = o->t->model.layers, last = o->t->head_parts - 1, by = 0;

    switch ((enum which)r->which) {
    case SAME:
        return (struct version){r->by, number_of(p), 0};
    case RESIDUAL:
        return copy ? (struct version){KERN_DEV_DOWN, copy - 1, 0}
                    : (struct version){KERN_DEV_EMBED, 0, 0};
    case ABOVE:
        return p->layer + 1 < layers ? (struct version){KERN_DEV_QKV_BACKWARD, p->layer + 1, 0}
                                     : (struct version){final_op(o->t), ANY_NUMBER, 0};
    case EMBEDDING:
        return o->t->model.untied ? (struct version){KERN_DEV_EMBED, 0, 0}
                                  : (struct version){head_gradient_op(o->t), last, 0};
    default:
        by = r->by == KERN_DEV_LOSS             ? loss_op(o->t)
             : r->by == KERN_DEV_FINAL_BACKWARD ? final_op(o->t)
                                                : r->by;
        return (struct version){by, is_head_op(by) ? ANY_NUMBER : 0, 0};
    }
}

static enum kern_status find(const struct order *o, const struct kern_device_phase *p,
                             uint32_t state, uint32_t copy, struct version want, uint64_t rows)
{
    const struct version *v = held(o, state, copy);

    if (v->op == want.op && (v->number == want.number || want.number == ANY_NUMBER) &&
        v->rows >= rows)
        return KERN_OK;
    if (v->op == NO_OP)
        return check_refuse(o->c, p, "%s, copy %u: nothing was written there", name_of(state),
                            copy);
    return check_refuse(
        o->c, p, "%s, copy %u: %llu rows by %s %u, expected %llu by %s %u", name_of(state), copy,
        (unsigned long long)v->rows, kern_device_op_name((enum kern_device_op)v->op), v->number,
        (unsigned long long)rows, kern_device_op_name((enum kern_device_op)want.op), want.number);
}

static enum kern_status make(const struct order *o, const struct kern_device_phase *p,
                             const struct rule *r, uint32_t copy)
{
    struct version *v = held(o, r->buffer, copy), made = {p->op, number_of(p), o->t->tokens};

    if (r->extent == CHUNK) {
        /* the next chunk of what this op has begun, or its first */
        if (p->part && (v->op != p->op || v->number != p->part - 1 || v->rows != p->row0))
            return check_refuse(o->c, p, "%s: the chunk before this one is not there",
                                name_of(r->buffer));
        made.rows = (uint64_t)p->row0 + p->rows;
    }
    if (v->op == made.op && v->number == made.number)
        return check_refuse(o->c, p, "%s, copy %u: is written once more", name_of(r->buffer), copy);
    *v = made;
    return KERN_OK;
}

/* COLLECT finds every gradient made. */
static enum kern_status collected(const struct order *o, const struct kern_device_phase *p)
{
    static const struct {
        uint8_t state, op;
    } of_layer[] = {{G_QKV, KERN_DEV_QKV_BACKWARD},
                    {G_OUT, KERN_DEV_OUT_BACKWARD},
                    {G_GATE_UP, KERN_DEV_GATE_UP_BACKWARD},
                    {G_DOWN, KERN_DEV_DOWN_BACKWARD}};
    uint64_t n = o->t->tokens;
    struct version embed = {KERN_DEV_EMBED_BACKWARD, 0, 0};
    struct version head = {head_gradient_op(o->t), o->t->head_parts - 1, 0};
    enum kern_status status = find(o, p, G_EMBED, 0, embed, n);

    if (status == KERN_OK && o->t->model.untied)
        status = find(o, p, G_HEAD, 0, head, n);
    for (uint32_t l = 0; l < o->t->model.layers && status == KERN_OK; l++) {
        for (unsigned i = 0; i < 4 && status == KERN_OK; i++)
            status = find(o, p, of_layer[i].state, l, (struct version){of_layer[i].op, l, 0}, n);
        if (status == KERN_OK)
            status = find(o, p, KERN_DEV_GAIN_SLOT, 2 * l,
                          (struct version){KERN_DEV_QKV_BACKWARD, l, 0}, n);
        if (status == KERN_OK)
            status = find(o, p, KERN_DEV_GAIN_SLOT, 2 * l + 1,
                          (struct version){KERN_DEV_GATE_UP_BACKWARD, l, 0}, n);
    }
    return status;
}

/* Activations are made again only where the layer's backward pass begins, its residual's gradient being there:
 * with what they are read by, and what make() refuses, that is once a layer. */
static enum kern_status begins_backward(const struct order *o, const struct kern_device_phase *p)
{
    const struct rule above = {.which = ABOVE};

    return find(o, p, KERN_DEV_DX, 0, wanted(o, &above, p, 0), o->t->tokens);
}

/* Nothing that a phase makes may be among what it reads: its tiles run at the same time. */
static enum kern_status check_hazard(const struct order *o, const struct kern_device_phase *p,
                                     const struct rule *reads, uint32_t copy)
{
    const struct version *v = held(o, reads->buffer, copy);

    for (unsigned i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].op == p->op && rules[i].access != KERN_DEV_READS &&
            held(o, rules[i].buffer, copy_of(o, &rules[i], p)) == v)
            return check_refuse(o->c, p, "%s is read by tiles while others write it",
                                name_of(reads->buffer));
    return KERN_OK;
}

static enum kern_status work(struct order *o, const struct kern_device_phase *p)
{
    enum kern_status status = p->op == KERN_DEV_COLLECT ? collected(o, p)
                              : is_made_again(p)        ? begins_backward(o, p)
                                                        : KERN_OK;

    for (unsigned i = 0; i < sizeof rules / sizeof rules[0] && status == KERN_OK; i++) {
        const struct rule *r = &rules[i];
        uint32_t copy = copy_of(o, r, p);

        if (r->op != p->op || r->access == KERN_DEV_WRITES)
            continue;
        if (o->t->forward_only && r->buffer >= KERN_DEV_HEAD_SPLIT)
            continue;
        status = find(o, p, r->buffer, copy, wanted(o, r, p, copy),
                      r->extent == CHUNK ? (uint64_t)p->row0 + p->rows : o->t->tokens);
        if (status == KERN_OK && r->access == KERN_DEV_READS)
            status = check_hazard(o, p, r, copy);
    }
    for (unsigned i = 0; i < sizeof rules / sizeof rules[0] && status == KERN_OK; i++)
        if (rules[i].op == p->op && rules[i].access != KERN_DEV_READS)
            status = make(o, p, &rules[i], copy_of(o, &rules[i], p));
    /* untied: EMBED has cleared what EMBED_BACKWARD adds to */
    if (status == KERN_OK && p->op == KERN_DEV_EMBED && o->t->model.untied)
        *held(o, G_EMBED, 0) = (struct version){KERN_DEV_EMBED, 0, o->t->tokens};
    o->results += p->op == KERN_DEV_RESULT;
    return status;
}

/* A slot that runs all phases up to `limit`. */
static enum kern_status check_slot(struct order *o, enum kern_device_when limit)
{
    const struct kern_device_table *t = o->t;
    enum kern_status status = KERN_OK;

    o->results = 0;
    for (uint64_t i = 0; i < STATES * o->copies; i++)
        o->held[i] = (struct version){NO_OP, 0, 0};
    for (uint32_t i = 0; i < t->phase_count && status == KERN_OK; i++)
        if (t->phases[i].when <= limit)
            status = work(o, &t->phases[i]);
    if (status != KERN_OK)
        return status;
    if (o->results != 1)
        return check_refuse(o->c, NULL, "%u results a slot", o->results);
    if (limit >= KERN_DEV_TRAINING && held(o, KERN_DEV_GRADIENTS, 0)->op != KERN_DEV_COLLECT)
        return check_refuse(o->c, NULL, "gradients are not collected");
    if (limit == KERN_DEV_LAST && held(o, KERN_DEV_MASTER, 0)->op != KERN_DEV_ADAMW)
        return check_refuse(o->c, NULL, "weights are not updated");
    return KERN_OK;
}

enum kern_status check_order(const struct check *c)
{
    const struct kern_device_table *t = c->t;
    struct order o = {.c = c, .t = t, .copies = 2 * (uint64_t)t->model.layers + 1};
    enum kern_device_when most = t->forward_only ? KERN_DEV_ALWAYS : KERN_DEV_LAST;
    enum kern_status status = KERN_OK;

    o.held = calloc(STATES * o.copies, sizeof *o.held);
    if (!o.held)
        return kern_fail(c->reterr, KERN_E_NOMEM, "no memory to check the phase table");
    for (enum kern_device_when limit = KERN_DEV_ALWAYS; limit <= most && status == KERN_OK; limit++)
        status = check_slot(&o, limit);
    free(o.held);
    return status;
}
