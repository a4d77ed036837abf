/*
 * The builder of the phase table: shapes in, phases and memory plan out. Nothing here depends on
 * the machine.
 */
#ifndef KERN_TABLE_H
#define KERN_TABLE_H

#include "kern/backend.h"
#include "kern/phase.h"
#include "kern/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the tensors stand in the flat vectors, in reals. Neighbours are read as one matrix: q, k, v
 * as [Q + 2K, W] and gate, up as [2F, W]. */
struct kern_offsets {
    uint64_t embed;  /* [V, W] */
    uint64_t layer;  /* first layer's start */
    uint64_t stride; /* of a layer */
    /* within a layer */
    uint64_t norm1, qkv, out, norm2, gate_up, down;
    uint64_t norm; /* [W] */
    uint64_t head; /* [V, W]; equals embed when tied */
};

struct kern_table {
    struct kern_model model;
    uint32_t rows, seq_len;
    bool forward_only;

    /* derived shapes */
    uint32_t tokens;            /* rows * seq_len */
    uint32_t q_width, kv_width; /* heads * head_dim, kv_heads * head_dim */
    uint32_t qkv_width;         /* q_width + 2 * kv_width */
    uint64_t parameters;

    /* tilings */
    uint32_t row_block, row_blocks;     /* tokens of a row tile; the last may be short */
    uint32_t query_block, query_blocks; /* queries of an attention tile, of one sequence */
    uint32_t weight_block;              /* output rows of a weight-gradient tile */
    uint32_t head_rows, head_parts;     /* tokens of a head chunk (whole row blocks) */
    uint32_t vocab_tile, vocab_tiles;   /* vocabulary of a logits tile */
    uint32_t vocab_groups;              /* tiles of the head's backward: runs of vocab tiles */
    uint32_t embed_block, embed_blocks; /* vocabulary of an embedding-gradient tile */
    uint32_t square_tile, square_tiles; /* weights of a SQUARES or ADAMW tile */

    struct kern_offsets at;
    struct kern_plan plan;
    uint32_t phase_count;
    struct kern_phase *phases; /* [phase_count] */
};

/*
 * Checks the shape and builds the table. KERN_OK, KERN_E_NOMEM, or KERN_E_SHAPE with the number
 * that is not supported. The trainer's limits: 2 <= vocab < 2^31, head_dim even, heads a multiple
 * of kv_heads, tokens of a micro-batch < 2^31.
 */
KERN_NODISCARD enum kern_status kern_table_new(const struct kern_config *config,
                                               struct kern_table **ret_table,
                                               struct kern_error *reterr);
void kern_table_free(struct kern_table **table);

/* plan.c: fills t->plan from t's shapes and tilings. */
KERN_NODISCARD enum kern_status kern_plan_build(struct kern_table *t, struct kern_error *reterr);

/* The name of a phase's op, for traces: "qkv_forward". */
const char *kern_op_name(enum kern_op op);

#ifdef __cplusplus
}
#endif
#endif
