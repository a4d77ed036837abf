/*
 * kern/device/regions.h: op by op, in the order of ops.h. Weights are found by the op and its layer,
 * not by the product's addresses: an address that points elsewhere then shows as a read beyond what
 * is declared.
 */
#include "kern/device/regions.h"

#include <assert.h>

/* What a list is made with. */
struct list {
    const struct kern_device_twin *t;
    const struct kern_device_table *table;
    const struct kern_device_phase *p;
    struct kern_device_regions *out;
};

static void add(struct list *l, struct kern_device_region r)
{
    assert(l->out->count < KERN_DEVICE_REGIONS_MAX);
    if (r.rows && r.bytes && r.copies)
        l->out->at[l->out->count++] = r;
}

/* Half-open ranges of rows and columns of a buffer's copy. */
struct cut {
    uint64_t row0, row1, col0, col1;
};

static void part(struct list *l, uint32_t access, enum kern_device_buffer id, uint32_t copy,
                 struct cut c)
{
    struct kern_device_matrix m = kern_device_matrix(l->table, id);

    add(l, (struct kern_device_region){id, access, m.copies > 1 ? copy : 0, 1,
                                       (c.row0 * m.cols + c.col0) * m.bytes, c.row1 - c.row0,
                                       (c.col1 - c.col0) * m.bytes, m.cols * m.bytes});
}

/* Whole rows. */
static void rows(struct list *l, uint32_t access, enum kern_device_buffer id, uint32_t copy,
                 uint64_t row0, uint64_t row1)
{
    struct kern_device_matrix m = kern_device_matrix(l->table, id);
    part(l, access, id, copy, (struct cut){row0, row1, 0, m.cols});
}

static void whole(struct list *l, uint32_t access, enum kern_device_buffer id, uint32_t copy)
{
    rows(l, access, id, copy, 0, kern_device_matrix(l->table, id).rows);
}

/* A part of a matrix [.., ld] that begins at element `at` of a flat vector. */
static void flat(struct list *l, uint32_t access, enum kern_device_buffer id, uint64_t at,
                 uint64_t ld, struct cut c)
{
    uint64_t bytes = kern_device_matrix(l->table, id).bytes;

    add(l, (struct kern_device_region){id, access, 0, 1, (at + c.row0 * ld + c.col0) * bytes,
                                       c.row1 - c.row0, (c.col1 - c.col0) * bytes, ld * bytes});
}

/* ---- what the ops have in common ---- */

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Ranges of a product's tile. */
struct block {
    uint64_t m0, m1, n0, n1, k0, k1;
    uint32_t m, n, split;
};

static struct block block_of(const struct kern_device_product *p, uint32_t tile)
{
    struct kern_device_coordinates c = kern_device_tile(p, tile);
    uint64_t side = p->shape == KERN_DEV_LARGE ? 128 : 64, k = (uint64_t)c.split * p->k_split;

    return (struct block){
        c.m * side, least((c.m + 1) * side, p->m), c.n * side, least((c.n + 1) * side, p->n),
        k,          least(k + p->k_split, p->k),   c.m,        c.n,
        c.split};
}

static uint64_t layer_at(const struct list *l, uint64_t within)
{
    return l->table->layout.layer + l->p->layer * l->table->layout.stride + within;
}

/* The weight of the phase and its row length. */
static uint64_t weight_at(const struct list *l, uint64_t *ret_ld)
{
    const struct kern_device_layout *o = &l->table->layout;

    *ret_ld = l->table->model.width;
    switch (l->p->op) {
    case KERN_DEV_QKV:
    case KERN_DEV_QKV_BACKWARD:
        return layer_at(l, o->qkv);
    case KERN_DEV_OUT:
    case KERN_DEV_OUT_BACKWARD:
        *ret_ld = l->table->q_width;
        return layer_at(l, o->out);
    case KERN_DEV_GATE_UP:
    case KERN_DEV_GATE_UP_BACKWARD:
        return layer_at(l, o->gate_up);
    case KERN_DEV_DOWN:
    case KERN_DEV_DOWN_BACKWARD:
        *ret_ld = l->table->model.ffn;
        return layer_at(l, o->down);
    default:
        return o->head;
    }
}

static void reads_weight(struct list *l, struct cut c)
{
    uint64_t ld = 0, at = weight_at(l, &ld);
    flat(l, KERN_DEV_READS, KERN_DEV_WEIGHTS, at, ld, c);
}

static void reads_gain(struct list *l, uint64_t at, uint64_t col0, uint64_t col1)
{
    flat(l, KERN_DEV_READS, KERN_DEV_MASTER, at, 0, (struct cut){0, 1, col0, col1});
}

static uint64_t next_gain(const struct list *l)
{
    const struct kern_device_layout *o = &l->table->layout;
    return l->p->layer + 1 < l->table->model.layers ? layer_at(l, o->stride + o->norm1) : o->norm;
}

/* A row scale: from the slots on the device, from the rows themselves in the twin. */
static void reads_scale(struct list *l, enum kern_device_buffer slots, enum kern_device_buffer x,
                        uint32_t copy, uint64_t row0, uint64_t row1)
{
    rows(l, KERN_DEV_READS, slots, copy, row0, row1);
    rows(l, KERN_DEV_READS, x, copy, row0, row1);
}

/* A tile of the weight's gradient: dy [k rows, m], x [k rows, n] from row x0 on. */
static void weight_tile(struct list *l, uint32_t tile, enum kern_device_buffer dy,
                        enum kern_device_buffer x, uint32_t x_copy, uint64_t x0)
{
    const struct kern_device_product *w = &l->p->weight;
    struct block b = block_of(w, tile);
    struct cut out = {b.m0, b.m1, b.n0, b.n1};
    bool later = l->p->weight_adds == KERN_DEV_ADDS_LATER && !l->t->slot.first_micro;
    uint64_t ld = 0, at = weight_at(l, &ld);

    part(l, KERN_DEV_READS, dy, 0, (struct cut){b.k0, b.k1, b.m0, b.m1});
    part(l, KERN_DEV_READS, x, x_copy, (struct cut){x0 + b.k0, x0 + b.k1, b.n0, b.n1});
    if (l->p->weight_adds == KERN_DEV_OVERWRITES) {
        uint64_t from = l->p->weight_out - l->table->at[KERN_DEV_SPLITS].offset;
        uint64_t start = ((uint64_t)b.split * w->m + b.m0) * w->n + b.n0;
        add(l, (struct kern_device_region){KERN_DEV_SPLITS, KERN_DEV_WRITES, 0, 1, from + 4 * start,
                                           b.m1 - b.m0, 4 * (b.n1 - b.n0), 4 * (uint64_t)w->n});
        return;
    }
    flat(l, later || l->p->weight_adds == KERN_DEV_ADDS_ALWAYS ? KERN_DEV_CHANGES : KERN_DEV_WRITES,
         KERN_DEV_GRADIENTS, at, ld, out);
}

/* OUT and DOWN. */
static void residual_tile(struct list *l, uint32_t tile, enum kern_device_buffer a,
                          enum kern_device_buffer residual, uint64_t gain,
                          enum kern_device_buffer out, enum kern_device_buffer scaled,
                          enum kern_device_buffer slots, uint32_t out_copy)
{
    struct block b = block_of(&l->p->product, tile);
    struct cut c = {b.m0, b.m1, b.n0, b.n1};

    rows(l, KERN_DEV_READS, a, l->p->layer, b.m0, b.m1);
    reads_weight(l, (struct cut){b.n0, b.n1, 0, l->p->product.k});
    part(l, KERN_DEV_READS, residual, l->p->layer, c);
    reads_gain(l, gain, b.n0, b.n1);
    part(l, KERN_DEV_WRITES, out, out_copy, c);
    part(l, KERN_DEV_WRITES, scaled, out_copy, c);
    part(l, KERN_DEV_WRITES, slots, out_copy, (struct cut){b.m0, b.m1, b.n, b.n + 1});
}

/* Input gradients of GATE_UP_BACKWARD and QKV_BACKWARD; the twin takes all of W's columns. */
static void norm_tile(struct list *l, uint32_t tile, enum kern_device_buffer dy,
                      enum kern_device_buffer c_slots, enum kern_device_buffer slots,
                      enum kern_device_buffer x, uint64_t gain, uint32_t gain_copy)
{
    struct block b = block_of(&l->p->product, tile);
    uint64_t width = l->table->model.width;

    rows(l, KERN_DEV_READS, dy, 0, b.m0, b.m1);
    rows(l, KERN_DEV_READS, c_slots, 0, b.m0, b.m1);
    reads_weight(l, (struct cut){0, l->p->product.k, 0, width});
    reads_scale(l, slots, x, l->p->layer, b.m0, b.m1);
    reads_gain(l, gain, 0, width);
    part(l, KERN_DEV_CHANGES, KERN_DEV_DX, 0, (struct cut){b.m0, b.m1, b.n0, b.n1});
    part(l, KERN_DEV_WRITES, KERN_DEV_GAIN_SLOT, gain_copy, (struct cut){b.m, b.m + 1, b.n0, b.n1});
}

/* ---- op by op ---- */

/* Blocks of 32 positions of a sequence that begin before position n. */
static uint64_t blocks_before(const struct kern_device_table *t, uint64_t n)
{
    return n / t->seq_len * t->first_blocks + (n % t->seq_len + 31) / 32;
}

static void fetch(struct list *l, uint32_t tile)
{
    static const enum kern_device_buffer arrays[] = {KERN_DEV_TOKENS, KERN_DEV_TARGETS,
                                                     KERN_DEV_FIRST, KERN_DEV_ORDER};
    uint64_t n = l->table->tokens, begin = tile * UINT64_C(256), end = least(begin + 256, n);
    uint64_t block0 = blocks_before(l->table, begin), block1 = blocks_before(l->table, end);

    for (unsigned i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        rows(l, KERN_DEV_WRITES, arrays[i], 0, begin, end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_RUNS, 0, begin, end == n ? n + 1 : end);
    add(l, (struct kern_device_region){KERN_DEV_FIRST_MIN, KERN_DEV_WRITES, 0, 1, 4 * block0, 1,
                                       4 * (block1 - block0), 0});
}

static void embed(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    uint64_t begin = tile * UINT64_C(8), end = least(begin + 8, t->tokens);
    uint64_t width = t->model.width, v = t->vocab_padded, tiles = l->p->tiles;

    rows(l, KERN_DEV_READS, KERN_DEV_TOKENS, 0, begin, end);
    flat(l, KERN_DEV_READS, KERN_DEV_WEIGHTS, t->layout.embed, width, (struct cut){0, v, 0, width});
    reads_gain(l, t->layout.layer + t->layout.norm1, 0, width);
    rows(l, KERN_DEV_WRITES, KERN_DEV_X, 0, begin, end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_XG, 0, begin, end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_SS, 0, begin, end);
    if (t->model.untied && l->t->slot.kind == KERN_TRAIN && l->t->slot.first_micro)
        flat(l, KERN_DEV_WRITES, KERN_DEV_GRADIENTS, t->layout.embed, width,
             (struct cut){v * tile / tiles, v * (tile + 1) / tiles, 0, width});
}

static void qkv(struct list *l, uint32_t tile)
{
    struct block b = block_of(&l->p->product, tile);

    rows(l, KERN_DEV_READS, KERN_DEV_XG, l->p->layer, b.m0, b.m1);
    reads_weight(l, (struct cut){b.n0, b.n1, 0, l->p->product.k});
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->p->layer, b.m0, b.m1);
    rows(l, KERN_DEV_READS, KERN_DEV_FIRST, 0, b.m0, b.m1);
    whole(l, KERN_DEV_READS, KERN_DEV_ROPE, 0);
    part(l, KERN_DEV_WRITES, KERN_DEV_QKV_OUT, l->p->layer, (struct cut){b.m0, b.m1, b.n0, b.n1});
}

/* Columns of a query head, and of the keys and values that a kv head has. */
static struct cut columns(const struct list *l, uint64_t row0, uint64_t row1, uint64_t col0,
                          uint64_t heads)
{
    return (struct cut){row0, row1, col0, col0 + heads * l->table->model.head_dim};
}

/* A tile's queries: of attention, and of its backward pass. */
struct queries {
    uint64_t base, row0, row1; /* first token of the sequence; tokens of the tile */
    uint64_t head, kv;
};

static struct queries queries_of(const struct kern_device_table *t, uint32_t own, uint32_t tile)
{
    const struct kern_model *m = &t->model;
    uint64_t pairs = (uint64_t)t->rows * m->heads, blocks = (t->seq_len + own - 1) / own;
    uint64_t block = blocks - 1 - tile / pairs, base = tile % pairs / m->heads * t->seq_len;
    uint64_t head = tile % m->heads;

    return (struct queries){base, base + block * own, base + least((block + 1) * own, t->seq_len),
                            head, head / (m->heads / m->kv_heads)};
}

/* Queries, and all keys and values that they may see. */
static void reads_queries(struct list *l, const struct queries *q)
{
    const struct kern_device_table *t = l->table;
    uint64_t hd = t->model.head_dim, key = t->q_width + q->kv * hd;

    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer,
         columns(l, q->row0, q->row1, q->head * hd, 1));
    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer, columns(l, q->base, q->row1, key, 1));
    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer,
         columns(l, q->base, q->row1, key + t->kv_width, 1));
    rows(l, KERN_DEV_READS, KERN_DEV_FIRST, 0, q->row0, q->row1);
    whole(l, KERN_DEV_READS, KERN_DEV_FIRST_MIN, 0);
}

static void attention(struct list *l, uint32_t tile)
{
    struct queries q = queries_of(l->table, l->table->attention_rows, tile);

    reads_queries(l, &q);
    part(l, KERN_DEV_WRITES, KERN_DEV_MIX, l->p->layer,
         columns(l, q.row0, q.row1, q.head * l->table->model.head_dim, 1));
    part(l, KERN_DEV_WRITES, KERN_DEV_LSE, l->p->layer,
         (struct cut){q.row0, q.row1, q.head, q.head + 1});
}

static void gate_up(struct list *l, uint32_t tile)
{
    struct block b = block_of(&l->p->product, tile);

    rows(l, KERN_DEV_READS, KERN_DEV_MIDG, l->p->layer, b.m0, b.m1);
    reads_weight(l, (struct cut){b.n0, b.n1, 0, l->p->product.k});
    reads_scale(l, KERN_DEV_SS_MID, KERN_DEV_MID, l->p->layer, b.m0, b.m1);
    part(l, KERN_DEV_WRITES, KERN_DEV_GU, l->p->layer, (struct cut){b.m0, b.m1, b.n0, b.n1});
    part(l, KERN_DEV_WRITES, KERN_DEV_HIDDEN, l->p->layer,
         (struct cut){b.m0, b.m1, b.n0 / 2, b.n1 / 2});
}

static void logits(struct list *l, uint32_t tile)
{
    struct block b = block_of(&l->p->product, tile);
    uint64_t row0 = l->p->row0 + b.m0, row1 = l->p->row0 + b.m1;

    rows(l, KERN_DEV_READS, KERN_DEV_XG, l->table->model.layers, row0, row1);
    reads_weight(l, (struct cut){b.n0, b.n1, 0, l->p->product.k});
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->table->model.layers, row0, row1);
    part(l, KERN_DEV_WRITES, KERN_DEV_LOGITS_OUT, 0, (struct cut){b.m0, b.m1, b.n0, b.n1});
    part(l, KERN_DEV_WRITES, KERN_DEV_LOGIT_MAX, 0, (struct cut){b.m0, b.m1, b.n, b.n + 1});
    part(l, KERN_DEV_WRITES, KERN_DEV_LOGIT_SUM, 0, (struct cut){b.m0, b.m1, b.n, b.n + 1});
}

static void loss(struct list *l, uint32_t tile)
{
    uint64_t begin = (uint64_t)tile * KERN_DEVICE_LOSS_ROWS,
             end = least(begin + KERN_DEVICE_LOSS_ROWS, l->p->rows), row0 = l->p->row0;
    bool training = l->t->slot.kind == KERN_TRAIN;
    struct cut pairs = {begin, end, 0, l->p->product.tiles_n};

    part(l, KERN_DEV_READS, KERN_DEV_LOGIT_MAX, 0, pairs);
    part(l, KERN_DEV_READS, KERN_DEV_LOGIT_SUM, 0, pairs);
    rows(l, training ? KERN_DEV_CHANGES : KERN_DEV_READS, KERN_DEV_LOGITS_OUT, 0, begin, end);
    rows(l, KERN_DEV_READS, KERN_DEV_TARGETS, 0, row0 + begin, row0 + end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_NLL, 0, row0 + begin, row0 + end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_NLL_SLOT, 0, (row0 + begin) / KERN_DEVICE_LOSS_ROWS,
         (row0 + begin) / KERN_DEVICE_LOSS_ROWS + 1);
    if (!training)
        return;
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->table->model.layers, row0 + begin, row0 + end);
}

static void head_backward(struct list *l, uint32_t tile)
{
    if (tile >= l->p->product.tiles) {
        weight_tile(l, tile - l->p->product.tiles, KERN_DEV_LOGITS_OUT, KERN_DEV_XG,
                    l->table->model.layers, l->p->row0);
        return;
    }
    struct block b = block_of(&l->p->product, tile);

    part(l, KERN_DEV_READS, KERN_DEV_LOGITS_OUT, 0, (struct cut){b.m0, b.m1, b.k0, b.k1});
    reads_weight(l, (struct cut){b.k0, b.k1, b.n0, b.n1});
    part(l, KERN_DEV_WRITES, KERN_DEV_HEAD_SPLIT, b.split, (struct cut){b.m0, b.m1, b.n0, b.n1});
}

static void final_backward(struct list *l, uint32_t tile)
{
    uint64_t each = l->table->final_rows, begin = tile * each;
    uint64_t end = least(begin + each, l->p->rows), row0 = l->p->row0;
    uint64_t width = l->table->model.width, bytes = 4 * width;

    add(l, (struct kern_device_region){KERN_DEV_HEAD_SPLIT, KERN_DEV_READS, 0, l->p->product.splits,
                                       begin * bytes, end - begin, bytes, bytes});
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->table->model.layers, row0 + begin, row0 + end);
    reads_gain(l, l->table->layout.norm, 0, width);
    rows(l, KERN_DEV_WRITES, KERN_DEV_DX, 0, row0 + begin, row0 + end);
    rows(l, KERN_DEV_WRITES, KERN_DEV_FINAL_SLOT, 0, (row0 + begin) / each,
         (row0 + begin) / each + 1);
}

static void head_scan(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    uint64_t blocks = (t->tokens + KERN_DEVICE_SCAN_ROWS - 1) / KERN_DEVICE_SCAN_ROWS;
    uint64_t row0 = tile % blocks * KERN_DEVICE_SCAN_ROWS, span = tile / blocks;
    uint64_t row1 = least(row0 + KERN_DEVICE_SCAN_ROWS, t->tokens), id = span * t->head_span;
    struct cut slot = {row0, row1, span, span + 1};

    rows(l, KERN_DEV_READS, KERN_DEV_XG, t->model.layers, row0, row1);
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, t->model.layers, row0, row1);
    reads_weight(l, (struct cut){id, least(id + t->head_span, t->model.vocab), 0, t->model.width});
    rows(l, KERN_DEV_READS, KERN_DEV_TARGETS, 0, row0, row1);
    part(l, KERN_DEV_WRITES, KERN_DEV_SPAN_LSE, 0, slot);
    part(l, KERN_DEV_WRITES, KERN_DEV_SPAN_TARGET, 0, slot);
    if (l->t->slot.kind == KERN_TRAIN)
        rows(l, KERN_DEV_WRITES, KERN_DEV_HEAD_SPLIT, (uint32_t)span, row0, row1);
}

static void head_loss(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    uint64_t each = t->final_rows, row0 = tile * each, row1 = least(row0 + each, t->tokens);
    uint64_t width = t->model.width, bytes = 4 * width;

    rows(l, KERN_DEV_READS, KERN_DEV_SPAN_LSE, 0, row0, row1);
    rows(l, KERN_DEV_READS, KERN_DEV_SPAN_TARGET, 0, row0, row1);
    rows(l, KERN_DEV_READS, KERN_DEV_TARGETS, 0, row0, row1);
    rows(l, KERN_DEV_WRITES, KERN_DEV_NLL, 0, row0, row1);
    rows(l, KERN_DEV_WRITES, KERN_DEV_NLL_SLOT, 0, row0 / KERN_DEVICE_LOSS_ROWS,
         (row1 + KERN_DEVICE_LOSS_ROWS - 1) / KERN_DEVICE_LOSS_ROWS);
    if (l->t->slot.kind != KERN_TRAIN)
        return;
    add(l, (struct kern_device_region){KERN_DEV_HEAD_SPLIT, KERN_DEV_READS, 0, t->head_splits,
                                       row0 * bytes, row1 - row0, bytes, bytes});
    reads_weight(l, (struct cut){0, t->model.vocab, 0, width}); /* the targets' rows */
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, t->model.layers, row0, row1);
    reads_gain(l, t->layout.norm, 0, width);
    rows(l, KERN_DEV_WRITES, KERN_DEV_HEAD_TERMS, 0, row0, row1);
    rows(l, KERN_DEV_WRITES, KERN_DEV_DX, 0, row0, row1);
    rows(l, KERN_DEV_WRITES, KERN_DEV_FINAL_SLOT, 0, tile, tile + 1);
}

static void head_weight(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    uint64_t id0 = (uint64_t)tile * KERN_DEVICE_SCAN_ROWS;
    uint64_t id1 = least(id0 + KERN_DEVICE_SCAN_ROWS, t->vocab_padded);

    reads_weight(l, (struct cut){id0, least(id1, t->model.vocab), 0, t->model.width});
    rows(l, KERN_DEV_READS, KERN_DEV_XG, t->model.layers, 0, t->tokens);
    rows(l, KERN_DEV_READS, KERN_DEV_TARGETS, 0, 0, t->tokens);
    rows(l, KERN_DEV_READS, KERN_DEV_HEAD_TERMS, 0, 0, t->tokens);
    flat(l, l->t->slot.first_micro ? KERN_DEV_WRITES : KERN_DEV_CHANGES, KERN_DEV_GRADIENTS,
         t->layout.head, t->model.width, (struct cut){id0, id1, 0, t->model.width});
}

static void down_backward(struct list *l, uint32_t tile)
{
    if (tile >= l->p->product.tiles) {
        weight_tile(l, tile - l->p->product.tiles, KERN_DEV_DX, KERN_DEV_HIDDEN, l->p->layer, 0);
        return;
    }
    struct block b = block_of(&l->p->product, tile);
    struct cut units = {b.m0, b.m1, 2 * b.n0, 2 * b.n1};

    rows(l, KERN_DEV_READS, KERN_DEV_DX, 0, b.m0, b.m1);
    reads_weight(l, (struct cut){0, l->p->product.k, b.n0, b.n1});
    part(l, KERN_DEV_READS, KERN_DEV_GU, l->p->layer, units);
    reads_scale(l, KERN_DEV_SS_MID, KERN_DEV_MID, l->p->layer, b.m0, b.m1);
    part(l, KERN_DEV_WRITES, KERN_DEV_DGU, 0, units);
    part(l, KERN_DEV_WRITES, KERN_DEV_MLP_C, 0, (struct cut){b.m0, b.m1, b.n, b.n + 1});
}

static void out_backward(struct list *l, uint32_t tile)
{
    if (tile >= l->p->product.tiles) {
        weight_tile(l, tile - l->p->product.tiles, KERN_DEV_DX, KERN_DEV_MIX, l->p->layer, 0);
        return;
    }
    struct block b = block_of(&l->p->product, tile);
    struct cut c = {b.m0, b.m1, b.n0, b.n1};
    uint64_t hd = l->table->model.head_dim;

    rows(l, KERN_DEV_READS, KERN_DEV_DX, 0, b.m0, b.m1);
    reads_weight(l, (struct cut){0, l->p->product.k, b.n0, b.n1});
    part(l, KERN_DEV_READS, KERN_DEV_MIX, l->p->layer, c);
    part(l, KERN_DEV_WRITES, KERN_DEV_DMIX, 0, c);
    part(l, KERN_DEV_WRITES, KERN_DEV_DELTA, 0, (struct cut){b.m0, b.m1, b.n0 / hd, b.n1 / hd});
}

/* dk and dv of a block of keys. */
static void key_gradients(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    const struct kern_model *m = &t->model;
    uint64_t pairs = (uint64_t)t->rows * m->kv_heads, group = m->heads / m->kv_heads;
    uint64_t base = tile % pairs / m->kv_heads * t->seq_len, kv = tile % m->kv_heads;
    uint64_t row0 = base + tile / pairs * t->attention_back_rows, end = base + t->seq_len,
             hd = m->head_dim;
    uint64_t row1 = least(row0 + t->attention_back_rows, end), key = t->q_width + kv * hd,
             query = kv * group * hd;
    struct cut heads = {row0, end, kv * group, (kv + 1) * group};

    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer, columns(l, row0, end, query, group));
    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer, columns(l, row0, row1, key, 1));
    part(l, KERN_DEV_READS, KERN_DEV_QKV_OUT, l->p->layer,
         columns(l, row0, row1, key + t->kv_width, 1));
    rows(l, KERN_DEV_READS, KERN_DEV_FIRST, 0, row0, end);
    whole(l, KERN_DEV_READS, KERN_DEV_FIRST_MIN, 0);
    part(l, KERN_DEV_READS, KERN_DEV_DMIX, 0, columns(l, row0, end, query, group));
    part(l, KERN_DEV_READS, KERN_DEV_LSE, l->p->layer, heads);
    part(l, KERN_DEV_READS, KERN_DEV_DELTA, 0, heads);
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->p->layer, row0, row1);
    whole(l, KERN_DEV_READS, KERN_DEV_ROPE, 0);
    part(l, KERN_DEV_WRITES, KERN_DEV_DQKV, 0, columns(l, row0, row1, key, 1));
    part(l, KERN_DEV_WRITES, KERN_DEV_DQKV, 0, columns(l, row0, row1, key + t->kv_width, 1));
    part(l, KERN_DEV_WRITES, KERN_DEV_QKV_C, 0,
         (struct cut){row0, row1, m->heads + kv, m->heads + kv + 1});
}

static void attention_backward(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    uint32_t keys = t->rows * t->model.kv_heads *
                    ((t->seq_len + t->attention_back_rows - 1) / t->attention_back_rows);

    if (tile < keys) {
        key_gradients(l, tile);
        return;
    }
    struct queries q = queries_of(t, t->attention_back_rows, kern_device_query_tile(tile, keys, l->p->tiles));
    struct cut heads = {q.row0, q.row1, q.head, q.head + 1};
    uint64_t query = q.head * t->model.head_dim;

    reads_queries(l, &q);
    part(l, KERN_DEV_READS, KERN_DEV_DMIX, 0, columns(l, q.row0, q.row1, query, 1));
    part(l, KERN_DEV_READS, KERN_DEV_LSE, l->p->layer, heads);
    part(l, KERN_DEV_READS, KERN_DEV_DELTA, 0, heads);
    reads_scale(l, KERN_DEV_SS, KERN_DEV_X, l->p->layer, q.row0, q.row1);
    whole(l, KERN_DEV_READS, KERN_DEV_ROPE, 0);
    part(l, KERN_DEV_WRITES, KERN_DEV_DQKV, 0, columns(l, q.row0, q.row1, query, 1));
    part(l, KERN_DEV_WRITES, KERN_DEV_QKV_C, 0, heads);
}

static void embed_backward(struct list *l, uint32_t tile)
{
    const struct kern_device_twin *t = l->t;
    uint64_t width = l->table->model.width, blocks = (width + 255) / 256;

    whole(l, KERN_DEV_READS, KERN_DEV_TOKENS, 0);
    whole(l, KERN_DEV_READS, KERN_DEV_ORDER, 0);
    whole(l, KERN_DEV_READS, KERN_DEV_RUNS, 0);
    whole(l, KERN_DEV_READS, KERN_DEV_DX, 0);
    for (uint64_t item = tile * UINT64_C(8); item < tile * UINT64_C(8) + 8; item++) {
        uint64_t run = item / blocks, column = item % blocks * 256;

        if (run >= t->slot.runs)
            return;
        uint64_t id = t->tokens[t->order[t->runs[run]]];
        flat(l, KERN_DEV_CHANGES, KERN_DEV_GRADIENTS, l->table->layout.embed, width,
             (struct cut){id, id + 1, column, least(column + 256, width)});
    }
}

static void piece_part(struct list *l, uint32_t access, enum kern_device_buffer id, uint32_t tile)
{
    const struct kern_device_piece *piece = &l->table->pieces[tile];
    flat(l, access, id, piece->begin, 0, (struct cut){0, 1, 0, piece->length});
}

static void collect(struct list *l, uint32_t tile)
{
    const struct kern_device_table *t = l->table;
    const struct kern_device_piece *piece = &t->pieces[tile];
    enum kern_device_buffer from = KERN_DEV_SPLITS;
    uint32_t copy = 0;

    if (piece->source == KERN_DEV_GAINS) {
        const struct kern_device_place *slots = &t->at[KERN_DEV_GAIN_SLOT];

        from = KERN_DEV_FINAL_SLOT;
        if (piece->begin < t->layout.norm) {
            from = KERN_DEV_GAIN_SLOT;
            copy = (uint32_t)((piece->from - slots->offset) / slots->stride);
        }
    }
    if (piece->source == KERN_DEV_DIRECT) {
        piece_part(l, KERN_DEV_READS, KERN_DEV_GRADIENTS, tile);
    } else {
        uint64_t start = piece->from - t->at[from].offset - copy * t->at[from].stride;

        add(l, (struct kern_device_region){from, KERN_DEV_READS, copy, 1, start, piece->count,
                                           4 * (uint64_t)piece->length, piece->stride});
        piece_part(l, l->t->slot.first_micro ? KERN_DEV_WRITES : KERN_DEV_CHANGES,
                   KERN_DEV_GRADIENTS, tile);
    }
    if (l->t->slot.when == KERN_DEV_LAST)
        part(l, KERN_DEV_WRITES, KERN_DEV_SQUARES, 0, (struct cut){0, 1, tile, tile + 1});
}

/* WEIGHTS stay as they are without an update. */
static void adamw(struct list *l, uint32_t tile)
{
    whole(l, KERN_DEV_READS, KERN_DEV_SQUARES, 0);
    piece_part(l, KERN_DEV_READS, KERN_DEV_GRADIENTS, tile);
    piece_part(l, KERN_DEV_CHANGES, KERN_DEV_MASTER, tile);
    piece_part(l, KERN_DEV_CHANGES, KERN_DEV_MOMENT1, tile);
    piece_part(l, KERN_DEV_CHANGES, KERN_DEV_MOMENT2, tile);
    piece_part(l, KERN_DEV_CHANGES, KERN_DEV_WEIGHTS, tile);
}

void kern_device_regions(const struct kern_device_twin *t, const struct kern_device_phase *p,
                         uint32_t tile, struct kern_device_regions *ret_regions)
{
    struct list list = {t, t->table, p, ret_regions}, *l = &list;
    const struct kern_device_layout *o = &t->table->layout;
    bool weight = tile >= p->product.tiles;

    ret_regions->count = 0;
    switch ((enum kern_device_op)p->op) {
    case KERN_DEV_FETCH:
        fetch(l, tile);
        break;
    case KERN_DEV_EMBED:
        embed(l, tile);
        break;
    case KERN_DEV_QKV:
        qkv(l, tile);
        break;
    case KERN_DEV_ATTENTION:
        attention(l, tile);
        break;
    case KERN_DEV_OUT:
        residual_tile(l, tile, KERN_DEV_MIX, KERN_DEV_X, layer_at(l, o->norm2), KERN_DEV_MID,
                      KERN_DEV_MIDG, KERN_DEV_SS_MID, p->layer);
        break;
    case KERN_DEV_GATE_UP:
        gate_up(l, tile);
        break;
    case KERN_DEV_DOWN:
        residual_tile(l, tile, KERN_DEV_HIDDEN, KERN_DEV_MID, next_gain(l), KERN_DEV_X, KERN_DEV_XG,
                      KERN_DEV_SS, p->layer + 1);
        break;
    case KERN_DEV_LOGITS:
        logits(l, tile);
        break;
    case KERN_DEV_LOSS:
        loss(l, tile);
        break;
    case KERN_DEV_HEAD_BACKWARD:
        head_backward(l, tile);
        break;
    case KERN_DEV_FINAL_BACKWARD:
        final_backward(l, tile);
        break;
    case KERN_DEV_HEAD_SCAN:
        head_scan(l, tile);
        break;
    case KERN_DEV_HEAD_LOSS:
        head_loss(l, tile);
        break;
    case KERN_DEV_HEAD_WEIGHT:
        head_weight(l, tile);
        break;
    case KERN_DEV_DOWN_BACKWARD:
        down_backward(l, tile);
        break;
    case KERN_DEV_GATE_UP_BACKWARD:
        if (weight)
            weight_tile(l, tile - p->product.tiles, KERN_DEV_DGU, KERN_DEV_MIDG, p->layer, 0);
        else
            norm_tile(l, tile, KERN_DEV_DGU, KERN_DEV_MLP_C, KERN_DEV_SS_MID, KERN_DEV_MID,
                      layer_at(l, o->norm2), 2 * p->layer + 1);
        break;
    case KERN_DEV_OUT_BACKWARD:
        out_backward(l, tile);
        break;
    case KERN_DEV_ATTENTION_BACKWARD:
        attention_backward(l, tile);
        break;
    case KERN_DEV_QKV_BACKWARD:
        if (weight)
            weight_tile(l, tile - p->product.tiles, KERN_DEV_DQKV, KERN_DEV_XG, p->layer, 0);
        else
            norm_tile(l, tile, KERN_DEV_DQKV, KERN_DEV_QKV_C, KERN_DEV_SS, KERN_DEV_X,
                      layer_at(l, o->norm1), 2 * p->layer);
        break;
    case KERN_DEV_EMBED_BACKWARD:
        embed_backward(l, tile);
        break;
    case KERN_DEV_COLLECT:
        collect(l, tile);
        break;
    case KERN_DEV_ADAMW:
        adamw(l, tile);
        break;
    case KERN_DEV_RESULT:
        whole(l, KERN_DEV_READS, KERN_DEV_NLL_SLOT, 0);
        break;
    }
}
