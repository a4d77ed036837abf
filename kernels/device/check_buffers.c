/* Derived shapes of the table, and the buffers' places in the arena. */
#include "check.h"

#include <string.h>

static bool attention_rows(const struct kern_model *m, uint32_t rows)
{
    return rows == KERN_DEVICE_ATTENTION_ROWS || (rows == KERN_DEVICE_ATTENTION_FEW && m->head_dim == 64);
}

static enum kern_status check_shapes(const struct check *c)
{
    const struct kern_device_table *t = c->t;
    const struct kern_model *m = &t->model;
    struct kern_device_layout layout;
    const struct {
        const char *name;
        uint64_t got, expected;
    } fields[] = {
        {"tokens", t->tokens, (uint64_t)t->rows * t->seq_len},
        {"q_width", t->q_width, (uint64_t)m->heads * m->head_dim},
        {"kv_width", t->kv_width, (uint64_t)m->kv_heads * m->head_dim},
        {"qkv_width", t->qkv_width, ((uint64_t)m->heads + 2 * m->kv_heads) * m->head_dim},
        {"vocab_padded", t->vocab_padded, divide_up(m->vocab, 8) * 8},
        {"first_blocks", t->first_blocks, divide_up(t->seq_len, 32)},
        {"head_parts", t->head_parts, t->head_rows ? divide_up(t->tokens, t->head_rows) : 0},
    };

    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].got != fields[i].expected || !fields[i].got)
            return check_refuse(c, NULL, "%s is %llu, expected %llu", fields[i].name,
                                (unsigned long long)fields[i].got,
                                (unsigned long long)fields[i].expected);
    kern_device_layout(m, &layout);
    if (layout.embed != t->layout.embed || layout.layer != t->layout.layer ||
        layout.stride != t->layout.stride || layout.norm1 != t->layout.norm1 ||
        layout.qkv != t->layout.qkv || layout.out != t->layout.out ||
        layout.norm2 != t->layout.norm2 || layout.gate_up != t->layout.gate_up ||
        layout.down != t->layout.down || layout.norm != t->layout.norm ||
        layout.head != t->layout.head || layout.size != t->layout.size ||
        layout.vocab_padded != t->layout.vocab_padded)
        return check_refuse(c, NULL, "the flat vector is laid out otherwise");
    if (t->head_scanned != (m->width <= KERN_DEVICE_SCAN_WIDTH && m->vocab >= KERN_DEVICE_SCAN_VOCAB) ||
        (t->head_scanned
             ? t->head_parts != 1 || !t->head_span || t->head_span % 64 ||
                   t->head_splits != divide_up(m->vocab, t->head_span) || t->vocab_tiles
             : t->head_span != 0))
        return check_refuse(c, NULL, "a head in %u spans of %u ids: not of this vocabulary, or not of this width",
                            t->head_splits, t->head_span);
    if (t->recompute && (t->forward_only || m->layers < 2))
        return check_refuse(c, NULL, "no layer's activations are made again");
    if (!attention_rows(m, t->attention_rows) || !attention_rows(m, t->attention_back_rows))
        return check_refuse(c, NULL, "attention's tiles own %u and %u rows of heads of %u: they own 64, or 32 of 64",
                            t->attention_rows, t->attention_back_rows, m->head_dim);
    if (t->final_rows != 8 && t->final_rows != 32)
        return check_refuse(c, NULL, "final_rows is %u, not 8 or 32", t->final_rows);
    /* Sums of rows of a tile of LOSS (NLL_SLOT) and of 32 at most (FINAL_SLOT) must not cross chunks. */
    if (t->head_parts > 1 && t->head_rows % 32)
        return check_refuse(c, NULL, "head_rows is %u, not a multiple of 32", t->head_rows);
    return KERN_OK;
}

static enum kern_status check_buffer(const struct check *c, enum kern_device_buffer id)
{
    const struct kern_device_table *t = c->t;
    const struct kern_device_place *p = &t->at[id];
    struct kern_device_matrix m = kern_device_matrix(t, id);
    const char *name = kern_device_buffer_name(id);

    if (!m.copies) {
        if (p->size || p->stride || p->offset)
            return check_refuse(c, NULL, "%s has a place in a table without gradients", name);
        return KERN_OK;
    }
    if (p->size != m.rows * m.cols * m.bytes)
        return check_refuse(c, NULL, "%s has %llu bytes, needs %llu x %llu x %llu", name,
                            (unsigned long long)p->size, (unsigned long long)m.rows,
                            (unsigned long long)m.cols, (unsigned long long)m.bytes);
    if (p->offset % 256 || p->stride % 256)
        return check_refuse(c, NULL, "%s is not aligned", name);
    if (m.copies > 1 ? p->stride < p->size : p->stride != 0)
        return check_refuse(c, NULL, "%s: %llu copies of %llu bytes stand %llu apart", name,
                            (unsigned long long)m.copies, (unsigned long long)p->size,
                            (unsigned long long)p->stride);
    if (p->offset > t->arena || p->size > t->arena ||
        (m.copies > 1 && p->stride > t->arena / (m.copies - 1)) ||
        p->offset + (m.copies - 1) * p->stride + p->size > t->arena)
        return check_refuse(c, NULL, "%s leaves the arena of %llu bytes", name,
                            (unsigned long long)t->arena);
    return KERN_OK;
}

/* Behind its last copy. */
static uint64_t end_of(const struct kern_device_table *t, enum kern_device_buffer id)
{
    const struct kern_device_place *p = &t->at[id];

    if (!p->size)
        return 0;
    return p->offset + (kern_device_matrix(t, id).copies - 1) * p->stride + p->size;
}

enum kern_status check_buffers(const struct check *c)
{
    const struct kern_device_table *t = c->t;
    enum kern_status status = check_shapes(c);
    uint64_t used = 0;

    for (int id = 0; id < KERN_DEVICE_BUFFERS && status == KERN_OK; id++)
        status = check_buffer(c, (enum kern_device_buffer)id);
    if (status != KERN_OK)
        return status;
    for (int a = 0; a < KERN_DEVICE_BUFFERS; a++) {
        uint64_t end = end_of(t, (enum kern_device_buffer)a);

        used = end > used ? end : used;
        for (int b = 0; b < KERN_DEVICE_BUFFERS; b++) {
            const struct kern_device_place *p = &t->at[a], *q = &t->at[b];

            if (a == b || !p->size || !q->size || q->offset < p->offset)
                continue;
            if (q->offset < end)
                return check_refuse(c, NULL, "%s and %s overlap",
                                    kern_device_buffer_name((enum kern_device_buffer)a),
                                    kern_device_buffer_name((enum kern_device_buffer)b));
        }
    }
    if (t->arena != divide_up(used, 256) * 256)
        return check_refuse(c, NULL, "an arena of %llu bytes for buffers that end at %llu",
                            (unsigned long long)t->arena, (unsigned long long)used);
    return KERN_OK;
}
