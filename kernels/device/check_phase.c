/* One phase by itself: its fields, and its products against the model's shapes. */
#include "check.h"

/* What a product must be; how it is cut is free within the rules of check_cut. */
struct expected {
    uint64_t a, b;
    uint64_t lda, ldb, m, n, k;
    bool splits; /* may have some */
};

/* ---- operands, by the contracts of ops.h ---- */

/* Row length and address of the weight of a layer's product. */
static uint64_t weight_of(const struct kern_device_table *t, const struct kern_device_phase *p,
                          uint64_t *ret_element, uint64_t *ret_ld)
{
    const struct kern_device_layout *o = &t->layout;
    uint64_t element = o->head;

    *ret_ld = t->model.width;
    switch (p->op) {
    case KERN_DEV_QKV:
    case KERN_DEV_QKV_BACKWARD:
        element = layer_element(t, p->layer, o->qkv);
        break;
    case KERN_DEV_OUT:
    case KERN_DEV_OUT_BACKWARD:
        element = layer_element(t, p->layer, o->out), *ret_ld = t->q_width;
        break;
    case KERN_DEV_GATE_UP:
    case KERN_DEV_GATE_UP_BACKWARD:
        element = layer_element(t, p->layer, o->gate_up);
        break;
    case KERN_DEV_DOWN:
    case KERN_DEV_DOWN_BACKWARD:
        element = layer_element(t, p->layer, o->down), *ret_ld = t->model.ffn;
        break;
    default:
        break;
    }
    *ret_element = element;
    return address(t, KERN_DEV_WEIGHTS, 0) + 2 * element;
}

static struct expected forward(const struct kern_device_table *t, const struct kern_device_phase *p,
                               enum kern_device_buffer x, uint64_t copy, uint64_t out)
{
    uint64_t element = 0, in = 0, weight = weight_of(t, p, &element, &in);

    return (struct expected){.a = address(t, x, copy) + 2 * p->row0 * in,
                             .b = weight,
                             .lda = in,
                             .ldb = in,
                             .m = p->rows,
                             .n = out,
                             .k = in};
}

static struct expected input_gradient(const struct kern_device_table *t,
                                      const struct kern_device_phase *p, enum kern_device_buffer dy,
                                      uint64_t out)
{
    uint64_t element = 0, in = 0, weight = weight_of(t, p, &element, &in);

    return (struct expected){.a = address(t, dy, 0),
                             .b = weight,
                             .lda = out,
                             .ldb = in,
                             .m = p->rows,
                             .n = in,
                             .k = out,
                             .splits = p->op == KERN_DEV_HEAD_BACKWARD};
}

static struct expected weight_gradient(const struct kern_device_table *t,
                                       const struct kern_device_phase *p,
                                       enum kern_device_buffer dy, uint64_t out,
                                       enum kern_device_buffer x, uint64_t copy)
{
    uint64_t element = 0, in = 0;

    (void)weight_of(t, p, &element, &in);
    return (struct expected){.a = address(t, dy, 0),
                             .b = address(t, x, copy) + 2 * p->row0 * in,
                             .lda = out,
                             .ldb = in,
                             .m = out,
                             .n = in,
                             .k = p->rows,
                             .splits = p->op != KERN_DEV_HEAD_BACKWARD};
}

/* false: no product. The weight's follows where *ret_both. */
static bool expect(const struct kern_device_table *t, const struct kern_device_phase *p,
                   struct expected *ret_product, struct expected *ret_weight, bool *ret_both)
{
    const struct kern_model *m = &t->model;
    uint64_t w = m->width, f = m->ffn, l = p->layer, last = m->layers;

    *ret_both = p->op >= KERN_DEV_HEAD_BACKWARD;
    switch (p->op) {
    case KERN_DEV_QKV:
        *ret_product = forward(t, p, KERN_DEV_XG, l, t->qkv_width);
        return true;
    case KERN_DEV_OUT:
        *ret_product = forward(t, p, KERN_DEV_MIX, l, w);
        return true;
    case KERN_DEV_GATE_UP:
        *ret_product = forward(t, p, KERN_DEV_MIDG, l, 2 * f);
        return true;
    case KERN_DEV_DOWN:
        *ret_product = forward(t, p, KERN_DEV_HIDDEN, l, w);
        return true;
    case KERN_DEV_LOGITS:
        *ret_product = forward(t, p, KERN_DEV_XG, last, t->vocab_padded);
        return true;
    case KERN_DEV_HEAD_BACKWARD:
        *ret_product = input_gradient(t, p, KERN_DEV_LOGITS_OUT, t->vocab_padded);
        *ret_weight =
            weight_gradient(t, p, KERN_DEV_LOGITS_OUT, t->vocab_padded, KERN_DEV_XG, last);
        return true;
    case KERN_DEV_DOWN_BACKWARD:
        *ret_product = input_gradient(t, p, KERN_DEV_DX, w);
        *ret_weight = weight_gradient(t, p, KERN_DEV_DX, w, KERN_DEV_HIDDEN, l);
        return true;
    case KERN_DEV_GATE_UP_BACKWARD:
        *ret_product = input_gradient(t, p, KERN_DEV_DGU, 2 * f);
        *ret_weight = weight_gradient(t, p, KERN_DEV_DGU, 2 * f, KERN_DEV_MIDG, l);
        return true;
    case KERN_DEV_OUT_BACKWARD:
        *ret_product = input_gradient(t, p, KERN_DEV_DX, w);
        *ret_weight = weight_gradient(t, p, KERN_DEV_DX, w, KERN_DEV_MIX, l);
        return true;
    case KERN_DEV_QKV_BACKWARD:
        *ret_product = input_gradient(t, p, KERN_DEV_DQKV, t->qkv_width);
        *ret_weight = weight_gradient(t, p, KERN_DEV_DQKV, t->qkv_width, KERN_DEV_XG, l);
        return true;
    default:
        return false;
    }
}

/* ---- a product ---- */

static enum kern_status check_cut(const struct check *c, const struct kern_device_phase *p,
                                  const char *which, const struct kern_device_product *q,
                                  bool splits)
{
    uint64_t side = q->shape == KERN_DEV_LARGE ? 128 : 64;

    if (q->shape != KERN_DEV_LARGE && q->shape != KERN_DEV_SMALL)
        return check_refuse(c, p, "%s: no tile of shape %u", which, q->shape);
    if (q->tiles_m != divide_up(q->m, side) || q->tiles_n != divide_up(q->n, side))
        return check_refuse(c, p, "%s: %u x %u tiles do not cover %u x %u", which, q->tiles_m,
                            q->tiles_n, q->m, q->n);
    /* one split is as long as the reduction: no end of a split leaves 32 bits */
    if (!q->k_split || q->k_split % KERN_DEVICE_DEPTH ||
        q->k_split >= (uint64_t)q->k + KERN_DEVICE_DEPTH ||
        q->splits != divide_up(q->k, q->k_split) || (q->splits > 1 && !splits))
        return check_refuse(c, p, "%s: %u splits of %u do not cover a reduction of %u, or may not",
                            which, q->splits, q->k_split, q->k);
    if (q->tiles != (uint64_t)q->tiles_m * q->tiles_n * q->splits)
        return check_refuse(c, p, "%s: %u tiles, expected %u x %u x %u", which, q->tiles,
                            q->tiles_m, q->tiles_n, q->splits);
    uint64_t plane = (uint64_t)q->tiles_m * q->tiles_n, wide = 8 * (uint64_t)q->tiles_n;
    if (q->by_plane != kern_device_divisor((uint32_t)plane) || q->by_wide != kern_device_divisor((uint32_t)wide) ||
        q->tiles * (plane > wide ? plane : wide) >= UINT64_C(1) << KERN_DEVICE_DIVISOR_BITS)
        return check_refuse(c, p, "%s: divisors of other numbers than %llu and %llu, or too few bits for %u tiles", which,
                            (unsigned long long)plane, (unsigned long long)wide, q->tiles);
    return KERN_OK;
}

static enum kern_status check_product(const struct check *c, const struct kern_device_phase *p,
                                      const char *which, const struct kern_device_product *q,
                                      const struct expected *e)
{
    if (q->a != e->a || q->b != e->b)
        return check_refuse(c, p, "%s: operands at %llu and %llu, expected %llu and %llu", which,
                            (unsigned long long)q->a, (unsigned long long)q->b,
                            (unsigned long long)e->a, (unsigned long long)e->b);
    if (q->lda != e->lda || q->ldb != e->ldb)
        return check_refuse(c, p, "%s: rows of %u and %u elements, expected %llu and %llu", which,
                            q->lda, q->ldb, (unsigned long long)e->lda, (unsigned long long)e->ldb);
    if (q->m != e->m || q->n != e->n || q->k != e->k)
        return check_refuse(c, p, "%s: %u x %u over %u, expected %llu x %llu over %llu", which,
                            q->m, q->n, q->k, (unsigned long long)e->m, (unsigned long long)e->n,
                            (unsigned long long)e->k);
    return check_cut(c, p, which, q, e->splits);
}

/* But for what LOSS and FINAL_BACKWARD keep of their chunk's products. */
static enum kern_status check_no_product(const struct check *c, const struct kern_device_phase *p,
                                         const struct kern_device_product *q, uint32_t tiles_n,
                                         uint32_t splits)
{
    if (q->a || q->b || q->lda || q->ldb || q->m || q->n || q->k || q->shape || q->tiles_m ||
        q->tiles_n != tiles_n || q->splits != splits || q->k_split || q->tiles || q->by_plane || q->by_wide)
        return check_refuse(c, p,
                            "describes a product that it has not, or another than %u column "
                            "blocks and %u shares of its chunk's",
                            tiles_n, splits);
    return KERN_OK;
}

/* ---- where a weight's gradient goes ---- */

static enum kern_status check_weight_out(const struct check *c, const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->t;
    const struct kern_device_place *s = &t->at[KERN_DEV_SPLITS];
    uint64_t element = 0, ld = 0, bytes = 4 * (uint64_t)p->weight.m * p->weight.n;

    (void)weight_of(t, p, &element, &ld);
    if (p->weight.splits == 1) {
        uint32_t adds =
            p->op == KERN_DEV_HEAD_BACKWARD && p->part ? KERN_DEV_ADDS_ALWAYS : KERN_DEV_ADDS_LATER;
        if (p->weight_out != address(t, KERN_DEV_GRADIENTS, 0) + 4 * element ||
            p->weight_adds != adds)
            return check_refuse(
                c, p, "the gradient goes to %llu, mode %u, expected %llu, %u",
                (unsigned long long)p->weight_out, p->weight_adds,
                (unsigned long long)(address(t, KERN_DEV_GRADIENTS, 0) + 4 * element), adds);
        return KERN_OK;
    }
    bytes *= p->weight.splits;
    if (p->weight_adds != KERN_DEV_OVERWRITES || p->weight_out % 16 || p->weight_out < s->offset ||
        p->weight_out - s->offset > s->size || bytes > s->size - (p->weight_out - s->offset))
        return check_refuse(c, p, "%u shares at %llu, mode %u, do not lie in splits",
                            p->weight.splits, (unsigned long long)p->weight_out, p->weight_adds);
    for (uint32_t i = 0; i < t->phase_count; i++) {
        const struct kern_device_phase *q = &t->phases[i];
        uint64_t other = 4 * (uint64_t)q->weight.m * q->weight.n * q->weight.splits;

        if (q != p && q->weight.splits > 1 && p->weight_out < q->weight_out + other &&
            q->weight_out < p->weight_out + bytes)
            return check_refuse(c, p, "its shares in splits overlap those of phase %u", i);
    }
    return KERN_OK;
}

/* Slots that a phase's tiles fill are as many as the table says. */
static enum kern_status check_slots(const struct check *c, const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->t;
    const struct kern_device_product *q = &p->product;
    uint32_t side = q->shape == KERN_DEV_LARGE ? 128 : 64;

    switch (p->op) {
    case KERN_DEV_OUT:
    case KERN_DEV_DOWN:
        if (q->tiles_n != t->norm_slots)
            return check_refuse(c, p, "%u column blocks, %u slots of ss", q->tiles_n,
                                t->norm_slots);
        break;
    case KERN_DEV_LOGITS:
        if (q->tiles_n > t->vocab_tiles)
            return check_refuse(c, p, "%u column blocks, %u slots of logit_max", q->tiles_n,
                                t->vocab_tiles);
        break;
    case KERN_DEV_HEAD_BACKWARD:
        if (q->splits > t->head_splits)
            return check_refuse(c, p, "%u shares, %u copies of head_split", q->splits,
                                t->head_splits);
        break;
    case KERN_DEV_DOWN_BACKWARD:
        if (q->tiles_n != t->mlp_slots)
            return check_refuse(c, p, "%u column blocks, %u slots of mlp_c", q->tiles_n,
                                t->mlp_slots);
        break;
    case KERN_DEV_GATE_UP_BACKWARD:
    case KERN_DEV_QKV_BACKWARD:
        if (q->tiles_m != t->gain_slots)
            return check_refuse(c, p, "%u row blocks, %u rows of gain_slot", q->tiles_m,
                                t->gain_slots);
        break;
    case KERN_DEV_OUT_BACKWARD:
        if (side % t->model.head_dim)
            return check_refuse(c, p, "tiles of %u columns cut heads of %u: delta", side,
                                t->model.head_dim);
        break;
    default:
        break;
    }
    return KERN_OK;
}

/* ---- a phase ---- */

/* Another phase of a layer and op that recompute works twice. That it makes what is gone, stands where the layer's
 * backward pass begins and is the last of its kind is check_order's to see. */
static bool is_second(const struct kern_device_table *t, const struct kern_device_phase *p)
{
    return p->op >= KERN_DEV_QKV && p->op <= KERN_DEV_GATE_UP && check_find(t, p->op, p->layer, p->part) != p;
}

static uint32_t when_of(const struct kern_device_table *t, const struct kern_device_phase *p)
{
    uint32_t op = p->op;

    if (is_second(t, p))
        return KERN_DEV_TRAINING;
    if (op == KERN_DEV_ADAMW)
        return KERN_DEV_LAST;
    if (op == KERN_DEV_HEAD_SCAN || op == KERN_DEV_HEAD_LOSS)
        return KERN_DEV_ALWAYS;
    return op >= KERN_DEV_HEAD_BACKWARD && op <= KERN_DEV_COLLECT ? KERN_DEV_TRAINING
                                                                  : KERN_DEV_ALWAYS;
}

static uint64_t tiles_of(const struct kern_device_table *t, const struct kern_device_phase *p)
{
    const struct kern_model *m = &t->model;

    switch (p->op) {
    case KERN_DEV_FETCH:
        return divide_up(t->tokens, 256);
    case KERN_DEV_EMBED:
        return divide_up(t->tokens, 8);
    case KERN_DEV_ATTENTION:
        return divide_up(t->seq_len, t->attention_rows) * t->rows * m->heads;
    case KERN_DEV_LOSS:
        return divide_up(p->rows, KERN_DEVICE_LOSS_ROWS);
    case KERN_DEV_FINAL_BACKWARD:
        return divide_up(p->rows, t->final_rows);
    case KERN_DEV_HEAD_SCAN:
        return divide_up(t->tokens, KERN_DEVICE_SCAN_ROWS) * t->head_splits;
    case KERN_DEV_HEAD_LOSS:
        return divide_up(t->tokens, t->final_rows);
    case KERN_DEV_HEAD_WEIGHT:
        return divide_up(t->vocab_padded, KERN_DEVICE_SCAN_ROWS);
    case KERN_DEV_ATTENTION_BACKWARD:
        return divide_up(t->seq_len, t->attention_back_rows) * t->rows * (m->heads + m->kv_heads);
    case KERN_DEV_EMBED_BACKWARD:
        return divide_up(t->tokens * divide_up(m->width, 256), 8);
    case KERN_DEV_COLLECT:
    case KERN_DEV_ADAMW:
        return t->piece_count;
    case KERN_DEV_RESULT:
        return 1;
    default:
        return (uint64_t)p->product.tiles + p->weight.tiles;
    }
}

static enum kern_status check_fields(const struct check *c, const struct kern_device_phase *p)
{
    const struct kern_device_table *t = c->t;
    bool head = is_head_op(p->op);
    uint64_t row0 = head ? (uint64_t)p->part * t->head_rows : 0, rows = t->tokens;

    if (p->op >= KERN_DEVICE_OPS)
        return check_refuse(c, p, "no op %u", p->op);
    if (p->op >= KERN_DEV_LOGITS && p->op <= KERN_DEV_HEAD_WEIGHT &&
        t->head_scanned != (p->op >= KERN_DEV_HEAD_SCAN))
        return check_refuse(c, p, "belongs to another kind of head");
    if (p->when != when_of(t, p) || (t->forward_only && p->when != KERN_DEV_ALWAYS))
        return check_refuse(c, p, "takes part when %u, expected %u", p->when, when_of(t, p));
    if (p->layer >= t->model.layers || (p->layer && !is_layer_op(p->op)))
        return check_refuse(c, p, "no such layer");
    if (p->part >= t->head_parts || (p->part && !head))
        return check_refuse(c, p, "no such part");
    if (head)
        rows = t->tokens - row0 < t->head_rows ? t->tokens - row0 : t->head_rows;
    if (p->row0 != row0 || p->rows != rows)
        return check_refuse(c, p, "rows %u + %u, expected %llu + %llu", p->row0, p->rows,
                            (unsigned long long)row0, (unsigned long long)rows);
    if (p->tiles != tiles_of(t, p) || !p->tiles)
        return check_refuse(c, p, "%u tiles, expected %llu", p->tiles,
                            (unsigned long long)tiles_of(t, p));
    if (p->reserved)
        return check_refuse(c, p, "reserved is %u", p->reserved);
    return KERN_OK;
}

enum kern_status check_phase(const struct check *c, const struct kern_device_phase *p)
{
    const struct kern_device_phase *chunk = NULL;
    struct expected product = {0}, weight = {0};
    bool both = false, has = false;
    enum kern_status status = check_fields(c, p);

    if (status != KERN_OK)
        return status;
    has = expect(c->t, p, &product, &weight, &both);
    if (has) {
        status = check_product(c, p, "product", &p->product, &product);
    } else {
        uint32_t columns = 0, shares = 0;
        if (p->op == KERN_DEV_LOSS && (chunk = check_find(c->t, KERN_DEV_LOGITS, 0, p->part)))
            columns = chunk->product.tiles_n;
        if (p->op == KERN_DEV_FINAL_BACKWARD &&
            (chunk = check_find(c->t, KERN_DEV_HEAD_BACKWARD, 0, p->part)))
            shares = chunk->product.splits;
        status = check_no_product(c, p, &p->product, columns, shares);
    }
    if (status != KERN_OK)
        return status;
    if (has && both) {
        status = check_product(c, p, "weight", &p->weight, &weight);
        if (status == KERN_OK)
            status = check_weight_out(c, p);
    } else {
        status = check_no_product(c, p, &p->weight, 0, 0);
        if (status == KERN_OK && (p->weight_out || p->weight_adds))
            status = check_refuse(c, p, "says where the gradient of no weight goes");
    }
    return status == KERN_OK ? check_slots(c, p) : status;
}
