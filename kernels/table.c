/* Shapes to phases. The tilings chosen here are part of the result's bits: sums run over tiles in
 * order, so changing a constant changes the last bits of a training run (never its meaning). */
#include "kern/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Tokens of a chunk of logits: the chunk, V * R floats, should stay near the last-level cache. */
#define HEAD_CHUNK_REALS (8u << 20)
#define HEAD_ROWS_MAX 256u

__attribute__((format(printf, 2, 3))) static enum kern_status refuse(struct kern_error *reterr,
                                                                     const char *format, ...)
{
    if (reterr) {
        va_list args;
        reterr->code = KERN_E_SHAPE;
        va_start(args, format);
        vsnprintf(reterr->message, sizeof reterr->message, format, args);
        va_end(args);
    }
    return KERN_E_SHAPE;
}

static uint32_t blocks(uint64_t n, uint32_t block)
{
    return (uint32_t)((n + block - 1) / block);
}

static enum kern_status check(const struct kern_config *c, struct kern_error *reterr)
{
    const struct kern_model *m = &c->model;

    if (!m->layers || m->layers > 1024)
        return refuse(reterr, "%u layers: 1 to 1024 are supported", m->layers);
    if (!m->width || m->width > 65536)
        return refuse(reterr, "width %u: 1 to 65536 is supported", m->width);
    if (!m->ffn || m->ffn > 262144)
        return refuse(reterr, "feed-forward width %u: 1 to 262144 is supported", m->ffn);
    if (m->head_dim < 2 || m->head_dim % 2 || m->head_dim > 1024)
        return refuse(reterr, "head dimension %u: an even number from 2 to 1024 is needed",
                      m->head_dim);
    if (!m->heads || m->heads > 1024)
        return refuse(reterr, "%u heads: 1 to 1024 are supported", m->heads);
    if (!m->kv_heads || m->heads % m->kv_heads)
        return refuse(reterr, "%u key/value heads: must divide the %u heads", m->kv_heads,
                      m->heads);
    if (m->vocab < 2 || m->vocab > INT32_MAX)
        return refuse(reterr, "vocabulary of %u: 2 to 2^31 - 1 is supported", m->vocab);
    if (!(m->rms_eps > 0) || !(m->rope_theta > 0))
        return refuse(reterr, "rms_eps %g and rope_theta %g must be above 0", (double)m->rms_eps,
                      (double)m->rope_theta);
    if (!c->rows || !c->seq_len || (uint64_t)c->rows * c->seq_len > INT32_MAX)
        return refuse(reterr, "a micro-batch of %u x %u tokens: 1 to 2^31 - 1 are supported",
                      c->rows, c->seq_len);
    if (!c->forward_only && (!(c->beta1 >= 0 && c->beta1 < 1) || !(c->beta2 >= 0 && c->beta2 < 1) ||
                             !(c->adam_eps > 0)))
        return refuse(reterr, "AdamW needs betas in [0, 1) and eps above 0, not %g, %g, %g",
                      (double)c->beta1, (double)c->beta2, (double)c->adam_eps);
    return KERN_OK;
}

static void place_weights(struct kern_table *t)
{
    const struct kern_model *m = &t->model;
    uint64_t w = m->width, at = 0;
    struct kern_offsets *o = &t->at;

    o->embed = 0;
    o->layer = m->vocab * w;
    o->norm1 = at, at += w;
    o->qkv = at, at += t->qkv_width * w;
    o->out = at, at += w * t->q_width;
    o->norm2 = at, at += w;
    o->gate_up = at, at += 2 * (uint64_t)m->ffn * w;
    o->down = at, at += w * m->ffn;
    o->stride = at;
    o->norm = o->layer + m->layers * o->stride;
    o->head = m->untied ? o->norm + w : o->embed;
    t->parameters = o->norm + w + (m->untied ? m->vocab * w : 0);
}

static void choose_tilings(struct kern_table *t)
{
    uint32_t v = t->model.vocab;

    /* 128 rows amortise the packing of a weight panel; fewer where that leaves under 16 tiles. */
    t->row_block = 128;
    while (t->row_block > 16 && blocks(t->tokens, t->row_block) < 16)
        t->row_block /= 2;
    t->row_blocks = blocks(t->tokens, t->row_block);
    t->query_block = 64;
    t->query_blocks = blocks(t->seq_len, t->query_block);
    t->weight_block = 64;

    t->head_rows = HEAD_ROWS_MAX;
    while (t->head_rows > t->row_block && (uint64_t)t->head_rows * v > HEAD_CHUNK_REALS)
        t->head_rows /= 2;
    if (t->head_rows > t->row_block * t->row_blocks)
        t->head_rows = t->row_block * t->row_blocks;
    t->head_parts = blocks(t->tokens, t->head_rows);
    t->vocab_tile = 512;
    while (t->vocab_tile > 16 && blocks(v, t->vocab_tile) < 32)
        t->vocab_tile /= 2;
    t->vocab_tiles = blocks(v, t->vocab_tile);
    t->vocab_groups = t->vocab_tiles < 16 ? t->vocab_tiles : 16;
    t->embed_block = v <= 64 ? 4 : (v + 63) / 64;
    t->embed_blocks = blocks(v, t->embed_block);
    t->square_tile = 32768;
    t->square_tiles = blocks(t->parameters, t->square_tile);
}

struct list {
    struct kern_phase *at; /* NULL: only count */
    uint32_t count;
};

#define READS(...)                                                                                 \
    (const uint8_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__, KERN_NO_BUFFER                                                                \
    }
#define WRITES READS

static void add(struct list *list, struct kern_phase p, const uint8_t *reads, const uint8_t *writes)
{
    if (!p.row_tiles)
        p.row_tiles = p.tiles;
    for (unsigned i = 0; i < KERN_PHASE_READS; i++)
        p.reads[i] = KERN_NO_BUFFER;
    for (unsigned i = 0; i < KERN_PHASE_WRITES; i++)
        p.writes[i] = KERN_NO_BUFFER;
    for (unsigned i = 0; reads[i] != KERN_NO_BUFFER; i++)
        p.reads[i] = reads[i];
    for (unsigned i = 0; writes[i] != KERN_NO_BUFFER; i++)
        p.writes[i] = writes[i];
    if (list->at)
        list->at[list->count] = p;
    list->count++;
}

static void add_forward(const struct kern_table *t, struct list *list)
{
    uint32_t b = t->row_blocks;

    add(list, (struct kern_phase){.op = KERN_EMBED_FORWARD, .tiles = b}, READS(KERN_BUF_WEIGHTS),
        WRITES(KERN_BUF_X));
    for (uint32_t l = 0; l < t->model.layers; l++) {
        add(list, (struct kern_phase){.op = KERN_QKV_FORWARD, .layer = l, .tiles = b},
            READS(KERN_BUF_X, KERN_BUF_WEIGHTS, KERN_BUF_ROPE),
            WRITES(KERN_BUF_NORM1, KERN_BUF_RSTD1, KERN_BUF_QKV));
        add(list,
            (struct kern_phase){.op = KERN_ATTENTION_FORWARD,
                                .layer = l,
                                .tiles = t->rows * t->model.heads * t->query_blocks},
            READS(KERN_BUF_QKV), WRITES(KERN_BUF_MIX, KERN_BUF_LSE));
        add(list, (struct kern_phase){.op = KERN_OUT_FORWARD, .layer = l, .tiles = b},
            READS(KERN_BUF_MIX, KERN_BUF_X, KERN_BUF_WEIGHTS), WRITES(KERN_BUF_MID));
        add(list, (struct kern_phase){.op = KERN_GATE_UP_FORWARD, .layer = l, .tiles = b},
            READS(KERN_BUF_MID, KERN_BUF_WEIGHTS),
            WRITES(KERN_BUF_NORM2, KERN_BUF_RSTD2, KERN_BUF_GATE_UP, KERN_BUF_HIDDEN));
        add(list, (struct kern_phase){.op = KERN_DOWN_FORWARD, .layer = l, .tiles = b},
            READS(KERN_BUF_HIDDEN, KERN_BUF_MID, KERN_BUF_WEIGHTS), WRITES(KERN_BUF_X));
    }
    add(list, (struct kern_phase){.op = KERN_FINAL_NORM_FORWARD, .tiles = b},
        READS(KERN_BUF_X, KERN_BUF_WEIGHTS), WRITES(KERN_BUF_NORMF, KERN_BUF_RSTDF));
}

/* Row blocks of head chunk `part`; the last chunk may have fewer. */
static uint32_t part_blocks(const struct kern_table *t, uint32_t part)
{
    uint32_t per = t->head_rows / t->row_block, done = part * per;
    return t->row_blocks - done < per ? t->row_blocks - done : per;
}

/* The logits of all tokens at once would be V * N floats (262 MB at 1m 8x256); a chunk of rows goes
 * forward and backward before the next begins, in the same memory. */
static void add_head(const struct kern_table *t, struct list *list)
{
    for (uint32_t part = 0; part < t->head_parts; part++) {
        uint32_t b = part_blocks(t, part);

        add(list, (struct kern_phase){.op = KERN_LOGITS, .part = part, .tiles = t->vocab_tiles},
            READS(KERN_BUF_NORMF, KERN_BUF_WEIGHTS),
            WRITES(KERN_BUF_LOGITS, KERN_BUF_TILEMAX, KERN_BUF_TILESUM));
        add(list, (struct kern_phase){.op = KERN_LOSS, .part = part, .tiles = b},
            READS(KERN_BUF_LOGITS, KERN_BUF_TILEMAX, KERN_BUF_TILESUM),
            WRITES(KERN_BUF_LOGSUM, KERN_BUF_NLL));
        if (t->forward_only)
            continue;
        add(list,
            (struct kern_phase){.op = KERN_HEAD_BACKWARD,
                                .when = KERN_WHEN_TRAINING,
                                .part = part,
                                .tiles = t->vocab_groups},
            READS(KERN_BUF_LOGITS, KERN_BUF_LOGSUM, KERN_BUF_NORMF, KERN_BUF_WEIGHTS,
                  KERN_BUF_GRADIENTS),
            WRITES(KERN_BUF_LOGITS, KERN_BUF_HEAD_SLOT, KERN_BUF_GRADIENTS));
        add(list,
            (struct kern_phase){.op = KERN_FINAL_NORM_BACKWARD,
                                .when = KERN_WHEN_TRAINING,
                                .part = part,
                                .tiles = b},
            READS(KERN_BUF_HEAD_SLOT, KERN_BUF_X, KERN_BUF_RSTDF, KERN_BUF_WEIGHTS),
            WRITES(KERN_BUF_DX, KERN_BUF_GAIN_SLOT));
    }
}

/* Tiles of the gradient of a weight matrix [out, in]: blocks of output rows over all inputs. */
static uint32_t weight_tiles(const struct kern_table *t, uint32_t out)
{
    return blocks(out, t->weight_block);
}

static void add_backward(const struct kern_table *t, struct list *list)
{
    uint32_t b = t->row_blocks, w = t->model.width;

    for (uint32_t l = t->model.layers; l-- > 0;) {
        struct kern_phase p = {.when = KERN_WHEN_TRAINING, .layer = l, .row_tiles = b};

        p.op = KERN_DOWN_BACKWARD, p.tiles = b + weight_tiles(t, w);
        add(list, p,
            READS(KERN_BUF_DX, KERN_BUF_GATE_UP, KERN_BUF_HIDDEN, KERN_BUF_WEIGHTS,
                  KERN_BUF_GRADIENTS),
            WRITES(KERN_BUF_DGATE_UP, KERN_BUF_GRADIENTS));
        p.op = KERN_GATE_UP_BACKWARD, p.tiles = b + weight_tiles(t, 2 * t->model.ffn);
        add(list, p,
            READS(KERN_BUF_DGATE_UP, KERN_BUF_MID, KERN_BUF_NORM2, KERN_BUF_RSTD2, KERN_BUF_DX,
                  KERN_BUF_WEIGHTS, KERN_BUF_GRADIENTS),
            WRITES(KERN_BUF_DX, KERN_BUF_GAIN_SLOT, KERN_BUF_GRADIENTS));
        p.op = KERN_OUT_BACKWARD, p.tiles = b + weight_tiles(t, w);
        add(list, p, READS(KERN_BUF_DX, KERN_BUF_MIX, KERN_BUF_WEIGHTS, KERN_BUF_GRADIENTS),
            WRITES(KERN_BUF_DMIX, KERN_BUF_GRADIENTS));
        p.op = KERN_ATTENTION_BACKWARD, p.tiles = p.row_tiles = t->rows * t->model.kv_heads;
        add(list, p, READS(KERN_BUF_DMIX, KERN_BUF_MIX, KERN_BUF_QKV, KERN_BUF_LSE, KERN_BUF_ROPE),
            WRITES(KERN_BUF_DQKV));
        p.row_tiles = b;
        p.op = KERN_QKV_BACKWARD, p.tiles = b + weight_tiles(t, t->qkv_width);
        add(list, p,
            READS(KERN_BUF_DQKV, KERN_BUF_X, KERN_BUF_NORM1, KERN_BUF_RSTD1, KERN_BUF_DX,
                  KERN_BUF_WEIGHTS, KERN_BUF_GRADIENTS),
            WRITES(KERN_BUF_DX, KERN_BUF_GAIN_SLOT, KERN_BUF_GRADIENTS));
    }
    add(list,
        (struct kern_phase){
            .op = KERN_EMBED_BACKWARD, .when = KERN_WHEN_TRAINING, .tiles = t->embed_blocks},
        READS(KERN_BUF_DX, KERN_BUF_GRADIENTS), WRITES(KERN_BUF_GRADIENTS));
    add(list,
        (struct kern_phase){
            .op = KERN_GAIN_REDUCE, .when = KERN_WHEN_TRAINING, .tiles = 2 * t->model.layers + 1},
        READS(KERN_BUF_GAIN_SLOT, KERN_BUF_GRADIENTS), WRITES(KERN_BUF_GRADIENTS));
    add(list,
        (struct kern_phase){.op = KERN_SQUARES, .when = KERN_WHEN_LAST, .tiles = t->square_tiles},
        READS(KERN_BUF_GRADIENTS), WRITES(KERN_BUF_SQUARES));
    add(list, (struct kern_phase){.op = KERN_NORM, .when = KERN_WHEN_LAST, .tiles = 1},
        READS(KERN_BUF_SQUARES), WRITES(KERN_NO_BUFFER));
    add(list,
        (struct kern_phase){.op = KERN_ADAMW, .when = KERN_WHEN_LAST, .tiles = t->square_tiles},
        READS(KERN_BUF_GRADIENTS, KERN_BUF_WEIGHTS, KERN_BUF_MOMENT1, KERN_BUF_MOMENT2),
        WRITES(KERN_BUF_WEIGHTS, KERN_BUF_MOMENT1, KERN_BUF_MOMENT2));
}

static void add_all(const struct kern_table *t, struct list *list)
{
    add_forward(t, list);
    add_head(t, list);
    if (!t->forward_only)
        add_backward(t, list);
}

enum kern_status kern_table_new(const struct kern_config *config, struct kern_table **ret_table,
                                struct kern_error *reterr)
{
    const struct kern_model *m = &config->model;
    enum kern_status status = check(config, reterr);
    struct kern_table *t = NULL;

    if (status != KERN_OK)
        return status;
    t = calloc(1, sizeof *t);
    if (!t)
        goto no_memory;
    t->model = *m;
    t->rows = config->rows;
    t->seq_len = config->seq_len;
    t->forward_only = config->forward_only;
    t->tokens = t->rows * t->seq_len;
    t->q_width = m->heads * m->head_dim;
    t->kv_width = m->kv_heads * m->head_dim;
    t->qkv_width = t->q_width + 2 * t->kv_width;
    place_weights(t);
    choose_tilings(t);

    struct list list = {NULL, 0};
    add_all(t, &list);
    t->phase_count = list.count;
    t->phases = calloc(list.count, sizeof *t->phases);
    if (!t->phases)
        goto no_memory;
    list = (struct list){t->phases, 0};
    add_all(t, &list);
    status = kern_plan_build(t, reterr);
    if (status != KERN_OK) {
        kern_table_free(&t);
        return status;
    }
    *ret_table = t;
    return KERN_OK;

no_memory:
    kern_table_free(&t);
    if (reterr) {
        reterr->code = KERN_E_NOMEM;
        snprintf(reterr->message, sizeof reterr->message, "no memory for the phase table");
    }
    return KERN_E_NOMEM;
}

void kern_table_free(struct kern_table **table)
{
    if (!*table)
        return;
    free((*table)->phases);
    free(*table);
    *table = NULL;
}

const char *kern_op_name(enum kern_op op)
{
    static const char *const names[KERN_OP_COUNT] = {
        "embed_forward",
        "qkv_forward",
        "attention_forward",
        "out_forward",
        "gate_up_forward",
        "down_forward",
        "final_norm_forward",
        "logits",
        "loss",
        "head_backward",
        "final_norm_backward",
        "down_backward",
        "gate_up_backward",
        "out_backward",
        "attention_backward",
        "qkv_backward",
        "embed_backward",
        "gain_reduce",
        "squares",
        "norm",
        "adamw",
    };
    return (unsigned)op < KERN_OP_COUNT ? names[op] : "unknown";
}
