/*
 * The step as a GPU works it: the phases of kern/phase.h fused and cut into tiles for tensor cores,
 * as plain data. Built, checked and run here in C; kernels/cuda runs the same table in one kernel.
 *
 * Dimensions: N tokens of a micro-batch (rows * seq_len), L layers, W width, Q = heads * head_dim,
 * K = kv_heads * head_dim, F ffn, V vocabulary, P parameters of the device's flat vector (layout.h),
 * R rows of a head chunk. Tilings follow from shapes and one nominal number of multiprocessors
 * (KERN_DEVICE_NOMINAL), never from those at hand: no result depends on how many blocks work.
 *
 * What RMSNorm costs no pass for (exact in real arithmetic). With y = r * (x . g), r = 1 / rms(x):
 *   - whoever makes x stores x, bf16(x . g) and slots of its sum of squares; the next product's
 *     epilogue multiplies by r;
 *   - with dY the gradient of Y = y W^T, the backward pass needs c = sum_k dY_k Y_k, known where dY is
 *     made; dY is stored times r. Then, with a = (r dY) W: dx = g . a - x r^2 c / W + the residual's,
 *     dg = sum over rows of a . x, dW = (r dY)^T (x . g).
 */
#ifndef KERN_DEVICE_TABLE_H
#define KERN_DEVICE_TABLE_H

#include "kern/backend.h"
#include "kern/device/layout.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Multiprocessors that tilings are chosen for: an H100's. */
#define KERN_DEVICE_NOMINAL 132u
/* Threads of a block, all phases. */
#define KERN_DEVICE_THREADS 256u
/* Queries, or keys, that an attention tile owns; and where there are few tiles. */
#define KERN_DEVICE_ATTENTION_ROWS 64u
#define KERN_DEVICE_ATTENTION_FEW 32u
/* Rows of a LOSS tile. */
#define KERN_DEVICE_LOSS_ROWS 2u
/* Widest model whose head is worked without its logits ever being stored, and the smallest vocabulary for which
 * that pays; rows of tokens, and of the head, that one tile of it holds. */
#define KERN_DEVICE_SCAN_WIDTH 128u
#define KERN_DEVICE_SCAN_VOCAB 4096u
#define KERN_DEVICE_SCAN_ROWS 128u

/* In the order of a step. Contracts: device/ops.h. */
enum kern_device_op {
    KERN_DEV_FETCH = 0,
    KERN_DEV_EMBED,
    KERN_DEV_QKV,
    KERN_DEV_ATTENTION,
    KERN_DEV_OUT,
    KERN_DEV_GATE_UP,
    KERN_DEV_DOWN,
    KERN_DEV_LOGITS,
    KERN_DEV_LOSS,
    KERN_DEV_HEAD_BACKWARD,
    KERN_DEV_FINAL_BACKWARD,
    KERN_DEV_HEAD_SCAN, /* this and the next two instead of the four before them */
    KERN_DEV_HEAD_LOSS,
    KERN_DEV_HEAD_WEIGHT,
    KERN_DEV_DOWN_BACKWARD,
    KERN_DEV_GATE_UP_BACKWARD,
    KERN_DEV_OUT_BACKWARD,
    KERN_DEV_ATTENTION_BACKWARD,
    KERN_DEV_QKV_BACKWARD,
    KERN_DEV_EMBED_BACKWARD,
    KERN_DEV_COLLECT,
    KERN_DEV_ADAMW,
    KERN_DEV_RESULT,
};
#define KERN_DEVICE_OPS 23

/* When a phase takes part, ascending: a slot of one kind runs all phases up to its own. */
enum kern_device_when {
    KERN_DEV_ALWAYS = 0,
    KERN_DEV_TRAINING = 1,
    KERN_DEV_LAST = 2, /* of a step's micro-batches */
};

enum kern_device_buffer {
    /* flat vectors [P], layout.h */
    KERN_DEV_MASTER = 0, /* f32 */
    KERN_DEV_WEIGHTS,    /* bf16: rounded masters */
    KERN_DEV_GRADIENTS,  /* f32 */
    KERN_DEV_MOMENT1,    /* f32 */
    KERN_DEV_MOMENT2,    /* f32 */
    KERN_DEV_ROPE,       /* f32 [seq_len, head_dim / 2, 2] cosine, sine */
    /* the slot at work */
    KERN_DEV_TOKENS,    /* u32 [N] */
    KERN_DEV_TARGETS,   /* u32 [N], KERN_NO_TARGET */
    KERN_DEV_FIRST,     /* u32 [N] */
    KERN_DEV_ORDER,     /* u32 [N] positions sorted by token id, equal ids by position */
    KERN_DEV_RUNS,      /* u32 [N + 1] starts of equal ids in ORDER, then N */
    KERN_DEV_FIRST_MIN, /* u32 [rows, ceil(seq_len / 32)] smallest FIRST of 32 positions */
    /* activations; with recompute there is one copy of those [L] */
    KERN_DEV_X,  /* bf16 [L + 1][N, W] residual stream entering a layer; the last: the head's */
    KERN_DEV_XG, /* bf16 [L + 1][N, W] x . gain of the norm that follows */
    KERN_DEV_SS, /* f32 [L + 1][N, norm_slots] shares of the sum of x^2 */
    KERN_DEV_QKV_OUT,    /* bf16 [L][N, Q + 2K] after RoPE, heads in layout.h's order */
    KERN_DEV_MIX,        /* bf16 [L][N, Q] */
    KERN_DEV_LSE,        /* f32 [L][N, heads] natural logarithm */
    KERN_DEV_MID,        /* bf16 [L][N, W] */
    KERN_DEV_MIDG,       /* bf16 [L][N, W] */
    KERN_DEV_SS_MID,     /* f32 [L][N, norm_slots] */
    KERN_DEV_GU,         /* bf16 [L][N, 2F] gate and up, interleaved as in layout.h */
    KERN_DEV_HIDDEN,     /* bf16 [L][N, F] */
    KERN_DEV_LOGITS_OUT, /* bf16 [R, vocab_padded]; LOSS turns them into r * gradients */
    KERN_DEV_LOGIT_MAX,  /* f32 [R, vocab_tiles] */
    KERN_DEV_LOGIT_SUM,  /* f32 [R, vocab_tiles] sum of exp(logit - max) */
    KERN_DEV_SPAN_LSE,    /* f32 [N, head_splits] of the ids of a span, natural */
    KERN_DEV_SPAN_TARGET, /* f32 [N, head_splits] the target's logit where it is in the span, else 0 */
    KERN_DEV_HEAD_TERMS,  /* f32 [N, 4] rf / ln 2, lse / ln 2, inverse_targets * rf (0: no target), 0 */
    KERN_DEV_NLL,        /* f32 [N] */
    KERN_DEV_NLL_SLOT,   /* f32 [ceil(N / 2)] sums of KERN_DEVICE_LOSS_ROWS rows */
    /* gradients of activations */
    KERN_DEV_HEAD_SPLIT, /* f32 [head_splits][R, W] shares of (r dlogits) * head; scanned: of a span's
                            softmax * head, without the target */
    KERN_DEV_DX,         /* bf16 [N, W] */
    KERN_DEV_DGU,        /* bf16 [N, 2F] times r */
    KERN_DEV_MLP_C,      /* f32 [N, mlp_slots] shares of c of the norm before the MLP */
    KERN_DEV_DMIX,       /* bf16 [N, Q] */
    KERN_DEV_DELTA,      /* f32 [N, heads] sum of DMIX . MIX a head */
    KERN_DEV_DQKV,       /* bf16 [N, Q + 2K] before RoPE, times r */
    KERN_DEV_QKV_C,      /* f32 [N, heads + kv_heads] shares of c of the norm before attention */
    KERN_DEV_GAIN_SLOT, /* f32 [2L][gain_slots, W] a gain's gradient in shares of row blocks: layer l's
                            first norm, its second, ... */
    KERN_DEV_FINAL_SLOT, /* f32 [ceil(N / final_rows), W] the same of the final norm */
    KERN_DEV_SPLITS,     /* f32: weight gradients in shares of rows, see kern_device_piece */
    KERN_DEV_SQUARES,    /* f32 [pieces] */
    KERN_DEV_BUFFER_END,
};
#define KERN_DEVICE_BUFFERS ((int)KERN_DEV_BUFFER_END)

/* In bytes; offsets are multiples of 256. */
struct kern_device_place {
    uint64_t offset, size; /* size of one copy; 0: this table has no such buffer */
    uint64_t stride;       /* from one layer's copy to the next; 0: one copy */
};

/* Tile of a matrix product: 128 x 128, or 64 x 64 where there would be too few of the former. */
enum kern_device_shape { KERN_DEV_LARGE = 0, KERN_DEV_SMALL = 1 };
#define KERN_DEVICE_DEPTH 64u /* of the reduction, a stage of the pipeline */

/*
 * One matrix product C [m, n] = sum over k of A . B. Operands stand in row-major matrices in one of
 * two ways: rows of k ("k last"), or k rows ("k first"). Tiles run split by split; inside a split in
 * groups of eight block rows, the block row running fastest (kern_device_tile).
 */
struct kern_device_product {
    uint64_t a, b;     /* byte offsets in the arena of element (0, 0) */
    uint32_t lda, ldb; /* elements from one row of the stored matrix to the next */
    uint32_t m, n, k; /* multiples of 8 but for what counts tokens, which may be any number: m where
                          A is k last, k where both are k first */
    uint32_t shape;   /* enum kern_device_shape */
    uint32_t tiles_m, tiles_n, splits;
    uint32_t k_split; /* of one split, a multiple of KERN_DEVICE_DEPTH; the last may be short */
    uint32_t tiles;   /* tiles_m * tiles_n * splits; 0: no product */
    uint64_t by_plane, by_wide; /* divisors (kern_device_divisor) of tiles_m * tiles_n and of 8 * tiles_n: kern_device_tile's */
};

/* How the weight's tiles are written. */
enum kern_device_adds {
    KERN_DEV_OVERWRITES = 0,  /* shares */
    KERN_DEV_ADDS_LATER = 1,  /* GRADIENTS: overwritten in a step's first micro-batch, else added */
    KERN_DEV_ADDS_ALWAYS = 2, /* GRADIENTS: an earlier chunk of rows has written them */
};

struct kern_device_phase {
    uint32_t op, when, layer;
    uint32_t part;       /* head phases: the chunk of rows */
    uint32_t row0, rows; /* head phases: tokens of the chunk; else 0, N */
    uint32_t tiles;      /* tiles [0, product.tiles) are the product's, then the weight's */
    uint32_t weights_first; /* 1: blocks had better begin with the weight's, which are longer; no result depends on it */
    /* Forward, or gradient of the input. Two phases have none but keep a number of their chunk's
     * product, as chunks may be cut differently: LOSS `tiles_n` of LOGITS, FINAL_BACKWARD `splits`
     * of HEAD_BACKWARD. */
    struct kern_device_product product;
    struct kern_device_product weight; /* gradient of the weight */
    uint64_t weight_out;  /* byte offset of f32 [splits][m, n]: in SPLITS, or in GRADIENTS */
    uint32_t weight_adds; /* enum kern_device_adds */
    uint32_t reserved;
};

/* A range of the flat vector that COLLECT and ADAMW work as one tile. */
enum kern_device_source {
    KERN_DEV_DIRECT = 0, /* the gradient stands in GRADIENTS already */
    KERN_DEV_SHARES = 1, /* the sum of `count` shares in SPLITS */
    KERN_DEV_GAINS = 2,  /* the sum of `count` rows of GAIN_SLOT or FINAL_SLOT */
};
struct kern_device_piece {
    uint64_t begin;  /* in the flat vector; a multiple of 8 */
    uint32_t length; /* a multiple of 8 */
    uint16_t source; /* enum kern_device_source */
    uint16_t decay;
    uint64_t from;   /* byte offset of the first share of element `begin` */
    uint64_t stride; /* bytes from one share to the next */
    uint32_t count;
    uint32_t reserved;
};

struct kern_device_table {
    struct kern_model model;
    uint32_t rows, seq_len, tokens;
    bool forward_only;
    /* Backward passes of layers but the last begin with QKV, ATTENTION, OUT and GATE_UP once more, in training
     * slots alone, as the next layer's activations have taken the place of theirs. Set only where there is such
     * a layer: not with one layer, not forward_only. */
    bool recompute;
    uint32_t q_width, kv_width, qkv_width, vocab_padded;
    struct kern_device_layout layout;

    /* of a tile of ATTENTION, and of ATTENTION_BACKWARD: KERN_DEVICE_ATTENTION_ROWS, or _FEW where each finds a block then */
    uint32_t attention_rows, attention_back_rows;
    uint32_t norm_slots;            /* column tiles of OUT and DOWN */
    uint32_t mlp_slots;             /* column tiles of DOWN_BACKWARD's input gradient */
    uint32_t gain_slots;            /* row blocks of the products that give a gain's shares */
    uint32_t head_rows, head_parts; /* R */
    uint32_t vocab_tiles, head_splits;
    bool head_scanned;  /* HEAD_SCAN and so on; R is N then, and there are no logits */
    uint32_t head_span; /* scanned: ids of a split, a multiple of 64; else 0 */
    uint32_t final_rows;   /* of a tile of FINAL_BACKWARD or HEAD_LOSS: few where they are few in all */
    uint32_t first_blocks; /* of 32 positions, a sequence */

    struct kern_device_place at[KERN_DEVICE_BUFFERS];
    uint64_t arena; /* bytes */

    uint32_t phase_count, piece_count;
    struct kern_device_phase *phases; /* [phase_count] */
    struct kern_device_piece *pieces; /* [piece_count], in order and without gaps */
};

/*
 * KERN_OK, KERN_E_NOMEM, or KERN_E_SHAPE: what kern_table_new refuses, a head dimension other than
 * 64 or 128, or a width or ffn that is not a multiple of 8.
 */
KERN_NODISCARD enum kern_status kern_device_table_new(const struct kern_config *config,
                                                      struct kern_device_table **ret_table,
                                                      struct kern_error *reterr);
void kern_device_table_free(struct kern_device_table **table);

/* "qkv_backward" */
const char *kern_device_op_name(enum kern_device_op op);

/* Block row, block column and split of a product's tile; also in kernels/cuda. */
struct kern_device_coordinates {
    uint32_t m, n, split;
};
#if defined(__CUDACC__)
#define KERN_DEVICE_INLINE __host__ __device__ static inline
#else
#define KERN_DEVICE_INLINE static inline
#endif
/*
 * The tile of ATTENTION's numbering that tile `tile` of ATTENTION_BACKWARD's `tiles`, of which the first `keys` are
 * keys, works. Long ones come first. But where every tile finds a block at once, two on a
 * multiprocessor, the short queries come first: there they meet the long keys.
 */
KERN_DEVICE_INLINE uint32_t kern_device_query_tile(uint32_t tile, uint32_t keys, uint32_t tiles)
{
    return tiles <= 2 * KERN_DEVICE_NOMINAL ? tiles - 1 - tile : tile - keys;
}

/*
 * Division by a number that is known long before, as a multiplication: a division is a chain of a hundred instructions on a
 * GPU, where tiles begin with a few. Exact where n * d < 2^40.
 */
#define KERN_DEVICE_DIVISOR_BITS 40
KERN_DEVICE_INLINE uint64_t kern_device_divisor(uint32_t d)
{
    return ((UINT64_C(1) << KERN_DEVICE_DIVISOR_BITS) + d - 1) / d;
}
KERN_DEVICE_INLINE uint32_t kern_device_divide(uint32_t n, uint64_t divisor)
{
    return (uint32_t)(n * divisor >> KERN_DEVICE_DIVISOR_BITS);
}

KERN_DEVICE_INLINE struct kern_device_coordinates
kern_device_tile(const struct kern_device_product *p, uint32_t tile)
{
    uint32_t plane = p->tiles_m * p->tiles_n, split = p->splits > 1 ? kern_device_divide(tile, p->by_plane) : 0;
    uint32_t in = tile - split * plane, wide = 8 * p->tiles_n, group = kern_device_divide(in, p->by_wide), first = group * 8;
    uint32_t height = p->tiles_m - first < 8 ? p->tiles_m - first : 8, rest = in - group * wide;
    struct kern_device_coordinates c;
    c.n = height == 8 ? rest / 8 : rest / height;
    c.m = first + (rest - c.n * height);
    c.split = split;
    return c;
}

#ifdef __cplusplus
}
#endif
#endif
