/* kern/device/table.h: shapes to phases, buffers and pieces. */
#include "kern/device/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend_ops.h"
#include "kern/table.h"

/* Blocks that work at once on the nominal GPU: two a multiprocessor. */
#define BLOCKS (2 * KERN_DEVICE_NOMINAL)
/* Shortest reduction that is worth a share of its own, in stages of the pipeline. */
#define SHARE_STAGES 4u
#define SHARES_MAX 32u
/*
 * What a tile costs, in hundreds of cycles, seen on an H100 with two blocks a multiprocessor (kernels/NOTES.md): to
 * begin and end, and a stage. And a share: bytes that are written and, in COLLECT, read.
 */
#define SMALL_COST 50u
#define SMALL_STAGE 10u
#define LARGE_COST 120u
#define LARGE_STAGE 20u
#define SHARE_BYTES 70000u
/* Logits of a chunk: rows, and bytes that they may take. */
#define HEAD_ROWS 8192u
#define HEAD_BYTES (UINT64_C(1) << 30)
/* Elements of a piece, and how many pieces a large model may have: every block adds up one number
 * a piece. */
#define PIECE 8192u
#define PIECES 2048u
/* Up to here the head's rows are spread thin: 32 a tile would leave blocks idle. */
#define FEW_TOKENS 4096u
#define ARENA_MAX (UINT64_C(1) << 46)

static uint64_t divide_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return divide_up(n, unit) * unit;
}

static uint32_t side(uint32_t shape)
{
    return shape == KERN_DEV_LARGE ? 128 : 64;
}

static void shape(struct kern_device_product *p, uint32_t shape)
{
    p->shape = shape;
    p->tiles_m = (uint32_t)divide_up(p->m, side(shape));
    p->tiles_n = (uint32_t)divide_up(p->n, side(shape));
    p->k_split = (uint32_t)round_up(p->k, KERN_DEVICE_DEPTH);
    p->splits = 1;
    p->tiles = p->tiles_m * p->tiles_n;
    p->by_plane = kern_device_divisor(p->tiles);
    p->by_wide = kern_device_divisor(8 * p->tiles_n);
}

static uint64_t stages(const struct kern_device_product *p)
{
    return divide_up(p->k_split, KERN_DEVICE_DEPTH);
}

/* Time of one tile. */
static uint64_t cost(const struct kern_device_product *p)
{
    return p->shape == KERN_DEV_LARGE ? LARGE_COST + stages(p) * LARGE_STAGE
                                      : SMALL_COST + stages(p) * SMALL_STAGE;
}

/* Divides the reduction into `splits`, or as many as come nearest. */
static void divide(struct kern_device_product *p, uint64_t splits)
{
    p->k_split = (uint32_t)(divide_up(divide_up(p->k, KERN_DEVICE_DEPTH), splits) * KERN_DEVICE_DEPTH);
    p->splits = (uint32_t)divide_up(p->k, p->k_split);
    p->tiles = p->tiles_m * p->tiles_n * p->splits;
}

/* Blocks that are busy until the same time. */
struct load {
    uint64_t until, blocks;
};

/* When the blocks are done with tiles of two costs, each taking the next when it has time. */
static uint64_t makespan(uint64_t count_a, uint64_t cost_a, uint64_t count_b, uint64_t cost_b)
{
    struct load loads[4] = {{count_a / BLOCKS * cost_a, BLOCKS - count_a % BLOCKS},
                            {(count_a / BLOCKS + 1) * cost_a, count_a % BLOCKS}};
    unsigned used = loads[1].blocks ? 2 : 1;

    while (count_b > 0) {
        unsigned least = 0;
        uint64_t taken = 0, until = 0;

        for (unsigned i = 1; i < used; i++)
            least = loads[i].until < loads[least].until ? i : least;
        taken = loads[least].blocks < count_b ? loads[least].blocks : count_b;
        until = loads[least].until + cost_b;
        count_b -= taken;
        if (taken == loads[least].blocks)
            loads[least].until = until;
        else /* the last of them */
            loads[least].blocks -= taken, loads[used++] = (struct load){until, taken};
    }
    for (unsigned i = 1; i < used; i++)
        loads[0].until = loads[i].until > loads[0].until ? loads[i].until : loads[0].until;
    return loads[0].until;
}

/* Whether a phase's weight tiles come first: where blocks work several tiles, the last ones are waited for. */
static bool weights_first(const struct kern_device_product *product, const struct kern_device_product *weight)
{
    return product->tiles + weight->tiles > BLOCKS && cost(weight) > cost(product);
}

/* When a phase is done, which may have no weight: tiles that have a multiprocessor for themselves are done sooner. */
static uint64_t time_of(const struct kern_device_product *product, const struct kern_device_product *weight)
{
    uint64_t tiles = product->tiles + (weight ? weight->tiles : 0);
    /* as if the product came first: with the shares that the other order chooses 124m 4x1024 takes 1% longer */
    uint64_t time = makespan(product->tiles, cost(product), weight ? weight->tiles : 0, weight ? cost(weight) : 0);
    return tiles <= KERN_DEVICE_NOMINAL ? time * 5 / 8 : time;
}

/*
 * The shape by which a product is done first. wide: columns that one tile must hold whole. Several products must
 * agree on their blocks and differ only in k: all are judged as if it were `depth`.
 */
static void cut(struct kern_device_product *p, uint32_t depth, uint32_t wide)
{
    struct kern_device_product large = *p, small = *p;

    large.k = small.k = depth;
    shape(&large, KERN_DEV_LARGE);
    shape(&small, KERN_DEV_SMALL);
    shape(p, wide > 64 || time_of(&large, NULL) <= time_of(&small, NULL) ? KERN_DEV_LARGE
                                                                       : KERN_DEV_SMALL);
}

/* Cuts a product with a long reduction that is worked beside another (cut already, never divided): the shape
 * and the number of shares by which all is done first. is_weight: it is the weight's. */
static void cut_beside(struct kern_device_product *p, const struct kern_device_product *other, bool is_weight)
{
    struct kern_device_product best = *p;
    uint64_t least = UINT64_MAX, bytes = 4 * (uint64_t)p->m * p->n;

    for (uint32_t s = KERN_DEV_LARGE; s <= KERN_DEV_SMALL; s++) {
        uint64_t most = divide_up(p->k, KERN_DEVICE_DEPTH) / SHARE_STAGES;

        most = most > SHARES_MAX ? SHARES_MAX : most < 1 ? 1 : most;
        for (uint64_t splits = 1; splits <= most; splits++) {
            struct kern_device_product q = *p;
            uint64_t time = 0;

            shape(&q, s);
            divide(&q, splits);
            time = is_weight ? time_of(other, &q) : time_of(&q, other);
            if (q.splits > 1)
                time += q.splits * bytes / SHARE_BYTES;
            if (time < least)
                least = time, best = q;
        }
    }
    *p = best;
}

/* ---- buffers ---- */

struct builder {
    struct kern_device_table *t;
    bool too_large;
    uint64_t splits; /* bytes of SPLITS so far */
    uint32_t phases;
    uint32_t pieces;
    uint64_t piece; /* longest */
};

static void put(struct builder *b, enum kern_device_buffer id, uint64_t copies, uint64_t rows,
                uint64_t cols, uint64_t bytes)
{
    struct kern_device_table *t = b->t;
    uint64_t size = 0, one = 0, total = 0;

    if (__builtin_mul_overflow(rows, cols, &size) || __builtin_mul_overflow(size, bytes, &size) ||
        size > ARENA_MAX) {
        b->too_large = true;
        return;
    }
    one = round_up(size, 256);
    if (__builtin_mul_overflow(one, copies, &total) || total > ARENA_MAX ||
        t->arena + total > ARENA_MAX) {
        b->too_large = true;
        return;
    }
    t->at[id] = (struct kern_device_place){t->arena, size, copies > 1 ? one : 0};
    t->arena += total;
}

static uint64_t at(const struct kern_device_table *t, enum kern_device_buffer id, uint64_t copy)
{
    return t->at[id].offset + copy * t->at[id].stride;
}

/* The fixed part: everything but SPLITS, whose size follows from the phases. */
static void place_buffers(struct builder *b)
{
    struct kern_device_table *t = b->t;
    const struct kern_model *m = &t->model;
    bool train = !t->forward_only;
    uint64_t n = t->tokens, w = m->width, layers = train ? m->layers : 1;
    uint64_t residuals = train ? layers + 1 : 1, p = t->layout.size, kept = t->recompute ? 1 : layers;

    t->arena = 0;
    put(b, KERN_DEV_MASTER, 1, p, 1, 4);
    put(b, KERN_DEV_WEIGHTS, 1, p, 1, 2);
    if (train) {
        put(b, KERN_DEV_GRADIENTS, 1, p, 1, 4);
        put(b, KERN_DEV_MOMENT1, 1, p, 1, 4);
        put(b, KERN_DEV_MOMENT2, 1, p, 1, 4);
    }
    put(b, KERN_DEV_ROPE, 1, t->seq_len, m->head_dim, 4);
    put(b, KERN_DEV_TOKENS, 1, n, 1, 4);
    put(b, KERN_DEV_TARGETS, 1, n, 1, 4);
    put(b, KERN_DEV_FIRST, 1, n, 1, 4);
    put(b, KERN_DEV_ORDER, 1, n, 1, 4);
    put(b, KERN_DEV_RUNS, 1, n + 1, 1, 4);
    put(b, KERN_DEV_FIRST_MIN, 1, t->rows, t->first_blocks, 4);
    put(b, KERN_DEV_X, residuals, n, w, 2);
    put(b, KERN_DEV_XG, residuals, n, w, 2);
    put(b, KERN_DEV_SS, residuals, n, t->norm_slots, 4);
    put(b, KERN_DEV_QKV_OUT, kept, n, t->qkv_width, 2);
    put(b, KERN_DEV_MIX, kept, n, t->q_width, 2);
    put(b, KERN_DEV_LSE, kept, n, m->heads, 4);
    put(b, KERN_DEV_MID, kept, n, w, 2);
    put(b, KERN_DEV_MIDG, kept, n, w, 2);
    put(b, KERN_DEV_SS_MID, kept, n, t->norm_slots, 4);
    put(b, KERN_DEV_GU, kept, n, 2 * (uint64_t)m->ffn, 2);
    put(b, KERN_DEV_HIDDEN, kept, n, m->ffn, 2);
    if (t->head_scanned) {
        put(b, KERN_DEV_SPAN_LSE, 1, n, t->head_splits, 4);
        put(b, KERN_DEV_SPAN_TARGET, 1, n, t->head_splits, 4);
        put(b, KERN_DEV_HEAD_TERMS, 1, n, 4, 4);
    } else {
        put(b, KERN_DEV_LOGITS_OUT, 1, t->head_rows, t->vocab_padded, 2);
        put(b, KERN_DEV_LOGIT_MAX, 1, t->head_rows, t->vocab_tiles, 4);
        put(b, KERN_DEV_LOGIT_SUM, 1, t->head_rows, t->vocab_tiles, 4);
    }
    put(b, KERN_DEV_NLL, 1, n, 1, 4);
    put(b, KERN_DEV_NLL_SLOT, 1, divide_up(n, KERN_DEVICE_LOSS_ROWS), 1, 4);
    if (!train)
        return;
    put(b, KERN_DEV_HEAD_SPLIT, t->head_splits, t->head_rows, w, 4);
    put(b, KERN_DEV_DX, 1, n, w, 2);
    put(b, KERN_DEV_DGU, 1, n, 2 * (uint64_t)m->ffn, 2);
    put(b, KERN_DEV_MLP_C, 1, n, t->mlp_slots, 4);
    put(b, KERN_DEV_DMIX, 1, n, t->q_width, 2);
    put(b, KERN_DEV_DELTA, 1, n, m->heads, 4);
    put(b, KERN_DEV_DQKV, 1, n, t->qkv_width, 2);
    put(b, KERN_DEV_QKV_C, 1, n, m->heads + m->kv_heads, 4);
    put(b, KERN_DEV_GAIN_SLOT, 2 * layers, t->gain_slots, w, 4);
    put(b, KERN_DEV_FINAL_SLOT, 1, divide_up(n, t->final_rows), w, 4);
    put(b, KERN_DEV_SQUARES, 1, b->pieces, 1, 4);
    put(b, KERN_DEV_SPLITS, 1, b->splits, 1, 1);
}

/* ---- phases ---- */

static void add(struct builder *b, struct kern_device_phase p)
{
    if (!p.rows)
        p.rows = b->t->tokens;
    if (!p.tiles)
        p.tiles = p.product.tiles + p.weight.tiles;
    p.weights_first = p.weight.tiles && weights_first(&p.product, &p.weight);
    if (b->t->phases)
        b->t->phases[b->phases] = p;
    b->phases++;
}

/* y [m, n] = x [m, k] W [n, k]^T */
static struct kern_device_product forward(const struct kern_device_table *t, uint64_t x, uint64_t w,
                                          uint32_t m, uint32_t n, uint32_t k)
{
    struct kern_device_product p = {.a = x, .b = w, .lda = k, .ldb = k, .m = m, .n = n, .k = k};
    cut(&p, t->model.width, 0);
    return p;
}

/* dx [m, in] = dy [m, out] W [out, in] */
static struct kern_device_product input_gradient(const struct kern_device_table *t, uint64_t dy,
                                                 uint64_t w, uint32_t m, uint32_t out, uint32_t in,
                                                 uint32_t wide)
{
    struct kern_device_product p = {
        .a = dy, .b = w, .lda = out, .ldb = in, .m = m, .n = in, .k = out};
    cut(&p, t->model.width, wide);
    return p;
}

/* dW [out, in] = dy [rows, out]^T x [rows, in] */
static struct kern_device_product weight_gradient(uint64_t dy, uint64_t x, uint32_t rows,
                                                  uint32_t out, uint32_t in,
                                                  const struct kern_device_product *input)
{
    struct kern_device_product p = {
        .a = dy, .b = x, .lda = out, .ldb = in, .m = out, .n = in, .k = rows};
    cut_beside(&p, input, true);
    return p;
}

/* The head's backward pass: here the input's gradient has the long reduction. */
static void cut_head(struct kern_device_phase *p, uint64_t logits, uint64_t head, uint64_t xg,
                     uint32_t vocab, uint32_t width)
{
    p->product = (struct kern_device_product){
        .a = logits, .b = head, .lda = vocab, .ldb = width, .m = p->rows, .n = width, .k = vocab};
    p->weight = (struct kern_device_product){
        .a = logits, .b = xg, .lda = vocab, .ldb = width, .m = vocab, .n = width, .k = p->rows};
    cut(&p->weight, width, 0);
    cut_beside(&p->product, &p->weight, false);
}

static uint64_t weights_at(const struct kern_device_table *t, uint64_t element)
{
    return at(t, KERN_DEV_WEIGHTS, 0) + 2 * element;
}

static uint64_t layer_at(const struct kern_device_table *t, uint32_t layer, uint64_t within)
{
    return t->layout.layer + layer * t->layout.stride + within;
}

/* Layers [begin, end); when they are made again, what the next layer gets from them is there already. */
static void add_layers(struct builder *b, uint32_t begin, uint32_t end, enum kern_device_when when)
{
    const struct kern_device_table *t = b->t;
    const struct kern_model *m = &t->model;
    uint32_t n = t->tokens;

    for (uint32_t l = begin; l < end; l++) {
        add(b, (struct kern_device_phase){.op = KERN_DEV_QKV,
                                          .when = when,
                                          .layer = l,
                                          .product =
                                              forward(t, at(t, KERN_DEV_XG, l),
                                                      weights_at(t, layer_at(t, l, t->layout.qkv)),
                                                      n, t->qkv_width, m->width)});
        add(b, (struct kern_device_phase){
                   .op = KERN_DEV_ATTENTION,
                   .when = when,
                   .layer = l,
                   .tiles = (uint32_t)(t->rows * m->heads *
                                       divide_up(t->seq_len, t->attention_rows))});
        add(b, (struct kern_device_phase){.op = KERN_DEV_OUT,
                                          .when = when,
                                          .layer = l,
                                          .product =
                                              forward(t, at(t, KERN_DEV_MIX, l),
                                                      weights_at(t, layer_at(t, l, t->layout.out)),
                                                      n, m->width, t->q_width)});
        add(b, (struct kern_device_phase){
                   .op = KERN_DEV_GATE_UP,
                   .when = when,
                   .layer = l,
                   .product = forward(t, at(t, KERN_DEV_MIDG, l),
                                      weights_at(t, layer_at(t, l, t->layout.gate_up)), n,
                                      2 * m->ffn, m->width)});
        if (when != KERN_DEV_ALWAYS)
            continue;
        add(b, (struct kern_device_phase){.op = KERN_DEV_DOWN,
                                          .layer = l,
                                          .product =
                                              forward(t, at(t, KERN_DEV_HIDDEN, l),
                                                      weights_at(t, layer_at(t, l, t->layout.down)),
                                                      n, m->width, m->ffn)});
    }
}

static void add_forward(struct builder *b)
{
    uint32_t n = b->t->tokens;

    add(b, (struct kern_device_phase){.op = KERN_DEV_FETCH, .tiles = (uint32_t)divide_up(n, 256)});
    add(b, (struct kern_device_phase){.op = KERN_DEV_EMBED, .tiles = (uint32_t)divide_up(n, 8)});
    add_layers(b, 0, b->t->model.layers, KERN_DEV_ALWAYS);
}

static void add_scanned_head(struct builder *b)
{
    const struct kern_device_table *t = b->t;
    uint32_t rows = (uint32_t)divide_up(t->tokens, KERN_DEVICE_SCAN_ROWS);

    add(b, (struct kern_device_phase){.op = KERN_DEV_HEAD_SCAN, .tiles = rows * t->head_splits});
    add(b, (struct kern_device_phase){.op = KERN_DEV_HEAD_LOSS,
                                      .tiles = (uint32_t)divide_up(t->tokens, t->final_rows)});
    if (!t->forward_only)
        add(b, (struct kern_device_phase){
                   .op = KERN_DEV_HEAD_WEIGHT,
                   .when = KERN_DEV_TRAINING,
                   .tiles = (uint32_t)divide_up(t->vocab_padded, KERN_DEVICE_SCAN_ROWS)});
}

static void add_head(struct builder *b)
{
    struct kern_device_table *t = b->t;
    const struct kern_model *m = &t->model;
    uint64_t logits = at(t, KERN_DEV_LOGITS_OUT, 0), head = weights_at(t, t->layout.head);

    for (uint32_t part = 0; part < t->head_parts; part++) {
        uint32_t row0 = part * t->head_rows;
        uint32_t rows = t->tokens - row0 < t->head_rows ? t->tokens - row0 : t->head_rows;
        uint64_t xg = at(t, KERN_DEV_XG, m->layers) + 2 * (uint64_t)row0 * m->width;
        struct kern_device_phase p = {.part = part, .row0 = row0, .rows = rows};

        p.op = KERN_DEV_LOGITS;
        p.product = forward(t, xg, head, rows, t->vocab_padded, m->width);
        add(b, p);
        p.product = (struct kern_device_product){.tiles_n = p.product.tiles_n};
        p.op = KERN_DEV_LOSS, p.tiles = (uint32_t)divide_up(rows, KERN_DEVICE_LOSS_ROWS);
        add(b, p);
        if (t->forward_only)
            continue;
        p.when = KERN_DEV_TRAINING, p.op = KERN_DEV_HEAD_BACKWARD, p.tiles = 0;
        cut_head(&p, logits, head, xg, t->vocab_padded, m->width);
        p.weight_out = at(t, KERN_DEV_GRADIENTS, 0) + 4 * t->layout.head;
        p.weight_adds = part ? KERN_DEV_ADDS_ALWAYS : KERN_DEV_ADDS_LATER;
        if (p.product.splits > t->head_splits)
            t->head_splits = p.product.splits;
        add(b, p);
        p.product = (struct kern_device_product){.splits = p.product.splits};
        p.weight = (struct kern_device_product){0};
        p.op = KERN_DEV_FINAL_BACKWARD, p.tiles = (uint32_t)divide_up(rows, t->final_rows);
        p.weight_out = 0, p.weight_adds = 0;
        add(b, p);
    }
}

/* Where a weight's gradient goes: in shares to SPLITS, whole to GRADIENTS. */
static void aim(struct builder *b, struct kern_device_phase *p, uint64_t element)
{
    uint64_t matrix = 4 * (uint64_t)p->weight.m * p->weight.n;

    if (p->weight.splits > 1) {
        p->weight_out = at(b->t, KERN_DEV_SPLITS, 0) + b->splits;
        p->weight_adds = KERN_DEV_OVERWRITES;
        b->splits += round_up(p->weight.splits * matrix, 256);
    } else {
        p->weight_out = at(b->t, KERN_DEV_GRADIENTS, 0) + 4 * element;
        p->weight_adds = KERN_DEV_ADDS_LATER;
    }
    add(b, *p);
}

static void add_backward(struct builder *b)
{
    struct kern_device_table *t = b->t;
    const struct kern_model *m = &t->model;
    uint32_t n = t->tokens;
    uint64_t dx = at(t, KERN_DEV_DX, 0);

    b->splits = 0;
    for (uint32_t l = m->layers; l-- > 0;) {
        struct kern_device_phase p = {.when = KERN_DEV_TRAINING, .layer = l};
        uint64_t w = layer_at(t, l, t->layout.down);

        if (t->recompute && l + 1 < m->layers) /* the last layer's are still there */
            add_layers(b, l, l + 1, KERN_DEV_TRAINING);
        p.op = KERN_DEV_DOWN_BACKWARD;
        p.product = input_gradient(t, dx, weights_at(t, w), n, m->width, m->ffn, 0);
        p.weight = weight_gradient(dx, at(t, KERN_DEV_HIDDEN, l), n, m->width, m->ffn, &p.product);
        t->mlp_slots = p.product.tiles_n;
        aim(b, &p, w);

        w = layer_at(t, l, t->layout.gate_up);
        p.op = KERN_DEV_GATE_UP_BACKWARD;
        p.product =
            input_gradient(t, at(t, KERN_DEV_DGU, 0), weights_at(t, w), n, 2 * m->ffn, m->width, 0);
        p.weight = weight_gradient(at(t, KERN_DEV_DGU, 0), at(t, KERN_DEV_MIDG, l), n, 2 * m->ffn,
                                   m->width, &p.product);
        t->gain_slots = p.product.tiles_m;
        aim(b, &p, w);

        w = layer_at(t, l, t->layout.out);
        p.op = KERN_DEV_OUT_BACKWARD;
        p.product = input_gradient(t, dx, weights_at(t, w), n, m->width, t->q_width, m->head_dim);
        p.weight = weight_gradient(dx, at(t, KERN_DEV_MIX, l), n, m->width, t->q_width, &p.product);
        aim(b, &p, w);

        add(b, (struct kern_device_phase){
                   .op = KERN_DEV_ATTENTION_BACKWARD,
                   .when = KERN_DEV_TRAINING,
                   .layer = l,
                   .tiles = (uint32_t)(t->rows * (m->heads + m->kv_heads) *
                                       divide_up(t->seq_len, t->attention_back_rows))});

        w = layer_at(t, l, t->layout.qkv);
        p.op = KERN_DEV_QKV_BACKWARD;
        p.product =
            input_gradient(t, at(t, KERN_DEV_DQKV, 0), weights_at(t, w), n, t->qkv_width, m->width, 0);
        p.weight = weight_gradient(at(t, KERN_DEV_DQKV, 0), at(t, KERN_DEV_XG, l), n, t->qkv_width,
                                   m->width, &p.product);
        aim(b, &p, w);
    }
    add(b,
        (struct kern_device_phase){.op = KERN_DEV_EMBED_BACKWARD,
                                   .when = KERN_DEV_TRAINING,
                                   .tiles = (uint32_t)divide_up(n * divide_up(m->width, 256), 8)});
    add(b, (struct kern_device_phase){
               .op = KERN_DEV_COLLECT, .when = KERN_DEV_TRAINING, .tiles = b->pieces});
    add(b, (struct kern_device_phase){
               .op = KERN_DEV_ADAMW, .when = KERN_DEV_LAST, .tiles = b->pieces});
}

/* ---- pieces ---- */

/* Pieces of one tensor of `size` elements at `begin`. */
static void add_pieces(struct builder *b, uint64_t begin, uint64_t size, bool decay,
                       enum kern_device_source source, uint64_t from, uint64_t stride,
                       uint32_t count)
{
    /* shares cost more to read than the rest */
    uint64_t piece = source == KERN_DEV_SHARES ? b->piece / 4 : b->piece;

    for (uint64_t done = 0; done < size; done += piece) {
        uint64_t length = size - done < piece ? size - done : piece;
        if (b->t->pieces)
            b->t->pieces[b->pieces] =
                (struct kern_device_piece){.begin = begin + done,
                                           .length = (uint32_t)length,
                                           .source = (uint16_t)source,
                                           .decay = decay,
                                           .from = count ? from + 4 * done : 0,
                                           .stride = stride,
                                           .count = count};
        b->pieces++;
    }
}

/* The weight gradient of (op, layer), or NULL: there is none. */
static const struct kern_device_phase *weight_phase(const struct kern_device_table *t,
                                                    enum kern_device_op op, uint32_t layer)
{
    for (uint32_t i = 0; i < t->phase_count; i++)
        if (t->phases[i].op == op && t->phases[i].layer == layer)
            return &t->phases[i];
    return NULL;
}

static void matrix_pieces(struct builder *b, enum kern_device_op op, uint32_t layer, uint64_t begin,
                          uint64_t size)
{
    const struct kern_device_phase *p = weight_phase(b->t, op, layer);
    bool shares = p && p->weight.splits > 1;

    add_pieces(b, begin, size, true, shares ? KERN_DEV_SHARES : KERN_DEV_DIRECT,
               shares ? p->weight_out : 0, shares ? 4 * size : 0, shares ? p->weight.splits : 0);
}

static void gain_pieces(struct builder *b, uint64_t begin, enum kern_device_buffer slots,
                        uint32_t copy, uint32_t count)
{
    const struct kern_device_table *t = b->t;
    add_pieces(b, begin, t->model.width, false, KERN_DEV_GAINS, at(t, slots, copy),
               4 * (uint64_t)t->model.width, count);
}

static void add_all_pieces(struct builder *b)
{
    const struct kern_device_table *t = b->t;
    const struct kern_model *m = &t->model;
    const struct kern_device_layout *l = &t->layout;
    uint64_t w = m->width, table = l->vocab_padded * w;

    b->pieces = 0;
    b->piece = round_up(divide_up(l->size, PIECES), PIECE);
    add_pieces(b, l->embed, table, true, KERN_DEV_DIRECT, 0, 0, 0);
    for (uint32_t i = 0; i < m->layers; i++) {
        uint64_t base = l->layer + i * l->stride;
        gain_pieces(b, base + l->norm1, KERN_DEV_GAIN_SLOT, 2 * i, t->gain_slots);
        matrix_pieces(b, KERN_DEV_QKV_BACKWARD, i, base + l->qkv, t->qkv_width * w);
        matrix_pieces(b, KERN_DEV_OUT_BACKWARD, i, base + l->out, w * t->q_width);
        gain_pieces(b, base + l->norm2, KERN_DEV_GAIN_SLOT, 2 * i + 1, t->gain_slots);
        matrix_pieces(b, KERN_DEV_GATE_UP_BACKWARD, i, base + l->gate_up, 2 * m->ffn * w);
        matrix_pieces(b, KERN_DEV_DOWN_BACKWARD, i, base + l->down, w * m->ffn);
    }
    gain_pieces(b, l->norm, KERN_DEV_FINAL_SLOT, 0, (uint32_t)divide_up(t->tokens, t->final_rows));
    if (m->untied)
        add_pieces(b, l->head, table, true, KERN_DEV_DIRECT, 0, 0, 0);
}

static void add_all(struct builder *b)
{
    b->phases = 0;
    add_forward(b);
    if (b->t->head_scanned)
        add_scanned_head(b);
    else
        add_head(b);
    if (!b->t->forward_only)
        add_backward(b);
    add(b, (struct kern_device_phase){.op = KERN_DEV_RESULT, .tiles = 1});
}

static enum kern_status check(const struct kern_config *c, struct kern_error *reterr)
{
    struct kern_table *t = NULL;
    const struct kern_model *m = &c->model;
    enum kern_status status = kern_table_new(c, &t, reterr);

    if (status != KERN_OK)
        return status;
    kern_table_free(&t);
    if (m->head_dim != 64 && m->head_dim != 128)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "head dimension %u: the CUDA kernels have 64 and 128", m->head_dim);
    if (m->width > 12288)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "width %u: the CUDA kernels hold rows of up to 12288", m->width);
    if (m->width % 8 || m->ffn % 8)
        return kern_fail(reterr, KERN_E_SHAPE,
                         "width %u, feed-forward width %u: the CUDA kernels need multiples of 8",
                         m->width, m->ffn);
    return KERN_OK;
}

/* As many spans as give every block a tile. */
static void derive_spans(struct kern_device_table *t)
{
    uint32_t row_blocks = (uint32_t)divide_up(t->tokens, KERN_DEVICE_SCAN_ROWS);
    uint32_t splits = row_blocks < BLOCKS ? BLOCKS / row_blocks : 1;

    t->head_rows = t->tokens, t->head_parts = 1;
    t->head_span = (uint32_t)round_up(divide_up(t->model.vocab, splits), 64);
    t->head_splits = (uint32_t)divide_up(t->model.vocab, t->head_span);
}

/*
 * Rows of a tile of attention with `heads` tiles a block of rows and sequence. Half as many where each tile finds a block even then:
 * the longest takes half the time. More tiles than blocks take longer instead, as beginning and end cost as much as before.
 */
static uint32_t attention_rows(const struct kern_model *m, const struct kern_config *c, uint32_t heads)
{
    uint64_t few = c->rows * (uint64_t)heads * divide_up(c->seq_len, KERN_DEVICE_ATTENTION_FEW);

    return m->head_dim == 64 && few <= BLOCKS ? KERN_DEVICE_ATTENTION_FEW : KERN_DEVICE_ATTENTION_ROWS;
}

static void derive(struct kern_device_table *t, const struct kern_config *c)
{
    const struct kern_model *m = &c->model;
    uint64_t rows = 0;

    t->model = *m;
    t->rows = c->rows;
    t->seq_len = c->seq_len;
    t->tokens = c->rows * c->seq_len;
    t->forward_only = c->forward_only;
    t->recompute = c->recompute && !c->forward_only && m->layers > 1;
    t->q_width = m->heads * m->head_dim;
    t->kv_width = m->kv_heads * m->head_dim;
    t->qkv_width = t->q_width + 2 * t->kv_width;
    kern_device_layout(m, &t->layout);
    t->vocab_padded = t->layout.vocab_padded;
    t->first_blocks = (uint32_t)divide_up(t->seq_len, 32);
    t->attention_rows = attention_rows(m, c, m->heads);
    t->attention_back_rows = attention_rows(m, c, m->heads + m->kv_heads);

    t->norm_slots = forward(t, 0, 0, t->tokens, m->width, m->width).tiles_n;
    t->final_rows = t->tokens <= FEW_TOKENS ? 8 : 32;
    t->head_splits = 1;
    t->head_scanned = m->width <= KERN_DEVICE_SCAN_WIDTH && m->vocab >= KERN_DEVICE_SCAN_VOCAB;
    if (t->head_scanned) {
        derive_spans(t);
        return;
    }
    rows = HEAD_BYTES / (2 * (uint64_t)t->vocab_padded) / 128 * 128;
    rows = rows > HEAD_ROWS ? HEAD_ROWS : rows < 128 ? 128 : rows;
    t->head_rows = (uint32_t)(rows < t->tokens ? rows : t->tokens);
    t->head_parts = (uint32_t)divide_up(t->tokens, t->head_rows);
    t->vocab_tiles = forward(t, 0, 0, t->head_rows, t->vocab_padded, m->width).tiles_n;
    /* the last chunk, being shorter, may be cut into smaller tiles */
    uint32_t rest = t->tokens - (t->head_parts - 1) * t->head_rows;
    uint32_t last = forward(t, 0, 0, rest, t->vocab_padded, m->width).tiles_n;
    if (last > t->vocab_tiles)
        t->vocab_tiles = last;
}

enum kern_status kern_device_table_new(const struct kern_config *config,
                                       struct kern_device_table **ret_table,
                                       struct kern_error *reterr)
{
    enum kern_status status = check(config, reterr);
    struct kern_device_table *t = NULL;
    struct builder b = {0};

    if (status != KERN_OK)
        return status;
    t = calloc(1, sizeof *t);
    if (!t)
        goto no_memory;
    b.t = t;
    derive(t, config);
    /* Phases tell how gradients are shared, which tells the pieces; then all buffers have their sizes and the
     * phases get their addresses. */
    add_all(&b);
    t->phase_count = b.phases;
    t->phases = calloc(b.phases, sizeof *t->phases);
    if (!t->phases)
        goto no_memory;
    add_all(&b);
    add_all_pieces(&b);
    place_buffers(&b);
    if (b.too_large) {
        kern_device_table_free(&t);
        return kern_fail(
            reterr, KERN_E_SHAPE,
            "a micro-batch of %u x %u tokens of this model needs more than 2^46 bytes: "
            "take fewer rows",
            config->rows, config->seq_len);
    }
    t->piece_count = b.pieces;
    t->pieces = calloc(b.pieces, sizeof *t->pieces);
    if (!t->pieces)
        goto no_memory;
    add_all(&b);
    add_all_pieces(&b);
    *ret_table = t;
    return KERN_OK;

no_memory:
    kern_device_table_free(&t);
    return kern_fail(reterr, KERN_E_NOMEM, "no memory for the phase table");
}

void kern_device_table_free(struct kern_device_table **table)
{
    if (!*table)
        return;
    free((*table)->phases);
    free((*table)->pieces);
    free(*table);
    *table = NULL;
}

const char *kern_device_op_name(enum kern_device_op op)
{
    static const char *const names[KERN_DEVICE_OPS] = {
        "fetch",
        "embed",
        "qkv",
        "attention",
        "out",
        "gate_up",
        "down",
        "logits",
        "loss",
        "head_backward",
        "final_backward",
        "head_scan",
        "head_loss",
        "head_weight",
        "down_backward",
        "gate_up_backward",
        "out_backward",
        "attention_backward",
        "qkv_backward",
        "embed_backward",
        "collect",
        "adamw",
        "result",
    };
    return (unsigned)op < KERN_DEVICE_OPS ? names[op] : "unknown";
}
