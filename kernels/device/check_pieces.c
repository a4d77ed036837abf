/* Pieces of the flat vector against its tensors, in order. */
#include "check.h"

struct pieces {
    const struct check *c;
    uint32_t next; /* first piece that no tensor has had */
};

/* The sum that a tensor's gradient is: `count` shares, `stride` bytes apart, of the element at
 * `from`. */
struct sum {
    enum kern_device_source source;
    uint64_t from, stride;
    uint32_t count;
};

static enum kern_status tensor(struct pieces *w, const char *name, uint64_t begin, uint64_t size,
                               bool decay, struct sum sum)
{
    const struct kern_device_table *t = w->c->t;

    for (uint64_t done = 0; done < size;) {
        const struct kern_device_piece *p = &t->pieces[w->next];
        uint64_t from = sum.source == KERN_DEV_DIRECT ? 0 : sum.from + 4 * done;

        if (w->next == t->piece_count)
            return check_refuse(w->c, NULL, "no pieces left for %s", name);
        if (p->begin != begin + done || !p->length || p->length > size - done || p->length % 8 ||
            p->begin % 8)
            return check_refuse(w->c, NULL, "piece %u (%llu + %u) does not go on with %s at %llu",
                                w->next, (unsigned long long)p->begin, p->length, name,
                                (unsigned long long)(begin + done));
        if (p->source != sum.source || p->from != from || p->stride != sum.stride ||
            p->count != sum.count)
            return check_refuse(w->c, NULL,
                                "piece %u of %s: %u shares from %llu by %llu, expected %u from "
                                "%llu by %llu",
                                w->next, name, p->count, (unsigned long long)p->from,
                                (unsigned long long)p->stride, sum.count, (unsigned long long)from,
                                (unsigned long long)sum.stride);
        if (p->decay != decay || p->reserved)
            return check_refuse(w->c, NULL, "piece %u of %s: decay %u, reserved %u", w->next, name,
                                p->decay, p->reserved);
        done += p->length;
        w->next++;
    }
    return KERN_OK;
}

static enum kern_status gain(struct pieces *w, const char *name, uint64_t begin,
                             enum kern_device_buffer slots, uint32_t copy)
{
    const struct kern_device_table *t = w->c->t;
    struct kern_device_matrix m = kern_device_matrix(t, slots);

    return tensor(
        w, name, begin, t->model.width, false,
        (struct sum){KERN_DEV_GAINS, address(t, slots, copy), m.cols * 4, (uint32_t)m.rows});
}

/* A layer's matrix: check_phase has seen to the phase's own fields. */
static enum kern_status matrix(struct pieces *w, const char *name, uint64_t begin, uint64_t size,
                               enum kern_device_op op, uint32_t layer)
{
    const struct kern_device_phase *p = check_find(w->c->t, op, layer, 0);
    struct sum sum = {.source = KERN_DEV_DIRECT};

    if (p->weight.splits > 1)
        sum = (struct sum){KERN_DEV_SHARES, p->weight_out, 4 * size, p->weight.splits};
    return tensor(w, name, begin, size, true, sum);
}

static enum kern_status layer(struct pieces *w, uint32_t l)
{
    const struct kern_device_table *t = w->c->t;
    const struct kern_device_layout *o = &t->layout;
    uint64_t width = t->model.width, ffn = t->model.ffn;
    enum kern_status status =
        gain(w, "norm1", layer_element(t, l, o->norm1), KERN_DEV_GAIN_SLOT, 2 * l);

    if (status == KERN_OK)
        status = matrix(w, "qkv", layer_element(t, l, o->qkv), t->qkv_width * width,
                        KERN_DEV_QKV_BACKWARD, l);
    if (status == KERN_OK)
        status = matrix(w, "out", layer_element(t, l, o->out), width * t->q_width,
                        KERN_DEV_OUT_BACKWARD, l);
    if (status == KERN_OK)
        status = gain(w, "norm2", layer_element(t, l, o->norm2), KERN_DEV_GAIN_SLOT, 2 * l + 1);
    if (status == KERN_OK)
        status = matrix(w, "gate_up", layer_element(t, l, o->gate_up), 2 * ffn * width,
                        KERN_DEV_GATE_UP_BACKWARD, l);
    if (status == KERN_OK)
        status =
            matrix(w, "down", layer_element(t, l, o->down), width * ffn, KERN_DEV_DOWN_BACKWARD, l);
    return status;
}

/* After check_order: every phase that a piece asks for is there. A table without gradients has no
 * phase that reads pieces. */
enum kern_status check_pieces(const struct check *c)
{
    const struct kern_device_table *t = c->t;
    struct pieces w = {.c = c};
    struct sum direct = {.source = KERN_DEV_DIRECT};
    uint64_t table = (uint64_t)t->vocab_padded * t->model.width;
    enum kern_status status = KERN_OK;

    if (t->forward_only)
        return KERN_OK;
    status = tensor(&w, "embed", t->layout.embed, table, true, direct);
    for (uint32_t l = 0; l < t->model.layers && status == KERN_OK; l++)
        status = layer(&w, l);
    if (status == KERN_OK)
        status = gain(&w, "norm", t->layout.norm, KERN_DEV_FINAL_SLOT, 0);
    if (status == KERN_OK && t->model.untied)
        status = tensor(&w, "head", t->layout.head, table, true, direct);
    if (status == KERN_OK && w.next != t->piece_count)
        status = check_refuse(c, NULL, "%u pieces beyond the last tensor", t->piece_count - w.next);
    return status;
}
