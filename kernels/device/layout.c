/* kern/device/layout.h: where the tensors stand, and copies both ways by one walk over their rows. */
#include "kern/device/layout.h"

#include <string.h>

static uint64_t up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

void kern_device_layout(const struct kern_model *m, struct kern_device_layout *ret_layout)
{
    uint64_t w = m->width, q = (uint64_t)m->heads * m->head_dim;
    uint64_t kv = (uint64_t)m->kv_heads * m->head_dim, f = m->ffn, at = 0;
    struct kern_device_layout l = {.vocab_padded = (uint32_t)up(m->vocab, 8)};

    l.embed = 0;
    l.layer = up(l.vocab_padded * w, 64);
    l.norm1 = at, at += up(w, 64);
    l.qkv = at, at += up((q + 2 * kv) * w, 64);
    l.out = at, at += up(w * q, 64);
    l.norm2 = at, at += up(w, 64);
    l.gate_up = at, at += up(2 * f * w, 64);
    l.down = at, at += up(w * f, 64);
    l.stride = at;
    l.norm = l.layer + m->layers * l.stride;
    l.size = l.norm + up(w, 64);
    l.head = l.embed;
    if (m->untied) {
        l.head = l.size;
        l.size += up(l.vocab_padded * w, 64);
    }
    *ret_layout = l;
}

/* Row of a head's `head_dim` rows where row i of the canonical order stands. */
static uint32_t rope_row(uint32_t i, uint32_t head_dim)
{
    uint32_t half = head_dim / 2, h = i / half, in = i % half;
    return in / 8 * 16 + 8 * h + in % 8;
}

/* One run of elements that stay together in both vectors. */
typedef void copy_fn(void *context, uint64_t canonical, uint64_t device, uint64_t length);

struct walk {
    const struct kern_model *model;
    copy_fn *copy;
    void *context;
    uint64_t canonical; /* how far the canonical vector is consumed */
};

static void block(struct walk *w, uint64_t device, uint64_t length)
{
    w->copy(w->context, w->canonical, device, length);
    w->canonical += length;
}

static void heads(struct walk *w, uint64_t device, uint32_t count)
{
    uint32_t hd = w->model->head_dim;
    uint64_t width = w->model->width;

    for (uint32_t row = 0; row < count * hd; row++)
        block(w, device + (row / hd * hd + rope_row(row % hd, hd)) * width, width);
}

static void units(struct walk *w, uint64_t device, uint32_t below)
{
    uint64_t width = w->model->width;

    for (uint32_t u = 0; u < w->model->ffn; u++)
        block(w, device + (u / 8 * 16 + u % 8 + below) * width, width);
}

static void walk(const struct kern_model *m, const struct kern_device_layout *l, copy_fn *copy,
                 void *context)
{
    struct walk w = {m, copy, context, 0};
    uint64_t width = m->width, q = (uint64_t)m->heads * m->head_dim;
    uint64_t kv = (uint64_t)m->kv_heads * m->head_dim;

    block(&w, l->embed, m->vocab * width);
    for (uint32_t i = 0; i < m->layers; i++) {
        uint64_t at = l->layer + i * l->stride;
        block(&w, at + l->norm1, width);
        heads(&w, at + l->qkv, m->heads);
        heads(&w, at + l->qkv + q * width, m->kv_heads);
        block(&w, at + l->qkv + (q + kv) * width, kv * width);
        block(&w, at + l->out, width * q);
        block(&w, at + l->norm2, width);
        units(&w, at + l->gate_up, 0);
        units(&w, at + l->gate_up, 8);
        block(&w, at + l->down, width * m->ffn);
    }
    block(&w, l->norm, width);
    if (m->untied)
        block(&w, l->head, m->vocab * width);
}

struct copy {
    const float *from;
    float *to;
};

static void copy_to(void *context, uint64_t canonical, uint64_t device, uint64_t length)
{
    const struct copy *c = context;
    memcpy(c->to + device, c->from + canonical, length * sizeof *c->to);
}

static void copy_from(void *context, uint64_t canonical, uint64_t device, uint64_t length)
{
    const struct copy *c = context;
    memcpy(c->to + canonical, c->from + device, length * sizeof *c->to);
}

void kern_device_layout_to(const struct kern_model *model, const struct kern_device_layout *layout,
                           const float *canonical, float *ret_device)
{
    struct copy c = {canonical, ret_device};

    memset(ret_device, 0, layout->size * sizeof *ret_device);
    walk(model, layout, copy_to, &c);
}

void kern_device_layout_from(const struct kern_model *model,
                             const struct kern_device_layout *layout, const float *device,
                             float *ret_canonical)
{
    struct copy c = {device, ret_canonical};
    walk(model, layout, copy_from, &c);
}
