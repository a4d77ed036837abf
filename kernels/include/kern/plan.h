/*
 * Every buffer of a step, its shape and its place in one arena of `real`s.
 *
 * Dimensions: N tokens of a micro-batch (rows * seq_len), L layers, W width, Q = heads * head_dim,
 * K = kv_heads * head_dim, F ffn, V vocabulary, R rows of a head chunk, B blocks of rows.
 * Buffers marked [L] keep one copy a layer for the backward pass; a plan for forward_only keeps one
 * copy for all layers and no gradients.
 */
#ifndef KERN_PLAN_H
#define KERN_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum kern_buffer {
    /* flat vectors in canonical order, [kern_parameter_count] */
    KERN_BUF_WEIGHTS = 0,
    KERN_BUF_GRADIENTS,
    KERN_BUF_MOMENT1,
    KERN_BUF_MOMENT2,
    /* constants */
    KERN_BUF_ROPE, /* [seq_len, head_dim / 2, 2] cosine and sine of position * theta^(-2i/hd) */
    /* activations */
    KERN_BUF_X,       /* [L + 1][N, W] residual stream entering each layer; the last: the head's */
    KERN_BUF_NORM1,   /* [L][N, W] rmsnorm(x) * gain, input of q, k, v */
    KERN_BUF_RSTD1,   /* [L][N] 1 / sqrt(mean(x^2) + eps) */
    KERN_BUF_QKV,     /* [L][N, Q + 2K] queries and keys after RoPE, then values */
    KERN_BUF_MIX,     /* [L][N, Q] attention's output */
    KERN_BUF_LSE,     /* [L][N, heads] log of the sum of exp of a query's scores */
    KERN_BUF_MID,     /* [L][N, W] residual stream between attention and MLP */
    KERN_BUF_NORM2,   /* [L][N, W] */
    KERN_BUF_RSTD2,   /* [L][N] */
    KERN_BUF_GATE_UP, /* [L][N, 2F] gate, then up, before SwiGLU */
    KERN_BUF_HIDDEN,  /* [L][N, F] silu(gate) * up */
    KERN_BUF_NORMF,   /* [N, W] rmsnorm of the last x, input of the head */
    KERN_BUF_RSTDF,   /* [N] */
    KERN_BUF_LOGITS,  /* [V, R] of one chunk, vocabulary-major: see head.h */
    KERN_BUF_TILEMAX, /* [vocab_tiles, R] maximum of a vocabulary tile's logits */
    KERN_BUF_TILESUM, /* [vocab_tiles, R] sum of exp(logit - that maximum) */
    KERN_BUF_LOGSUM,  /* [N] log of the sum of exp of all logits */
    KERN_BUF_NLL,     /* [N] logsum - target's logit; 0 without a target */
    /* gradients of activations, and slots that later phases add up in order */
    KERN_BUF_DX,        /* [N, W] gradient of the residual stream, from the head down to layer 0 */
    KERN_BUF_DGATE_UP,  /* [N, 2F] */
    KERN_BUF_DMIX,      /* [N, Q] */
    KERN_BUF_DQKV,      /* [N, Q + 2K] of what the projections gave: RoPE is undone */
    KERN_BUF_HEAD_SLOT, /* [vocab_groups, R, W] each group's share of a chunk's d normf */
    KERN_BUF_GAIN_SLOT, /* [2L + 1, B, W] each row block's share of the norm gains' gradients */
    KERN_BUF_SQUARES,   /* [square_tiles] sums of squares of gradients */
    KERN_BUF_NONE_YET,
};
#define KERN_BUFFER_COUNT KERN_BUF_NONE_YET

struct kern_place {
    uint64_t offset; /* in reals, a multiple of 16 */
    uint64_t size;   /* reals of one copy; 0: this plan has no such buffer */
    uint64_t stride; /* from one layer's copy to the next; 0: one copy */
};

struct kern_plan {
    struct kern_place at[KERN_BUFFER_COUNT];
    uint64_t size;    /* reals of the arena */
    uint64_t scratch; /* bytes a worker needs beside it, a multiple of 64 */
};

#ifdef __cplusplus
}
#endif
#endif
