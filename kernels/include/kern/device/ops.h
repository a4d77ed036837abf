/*
 * Contracts of the device's phases, for the kernels and for their twins in C. Letters and buffers as
 * in table.h; l is the phase's layer, a buffer's copy is written BUF[l]. "bf16(v)" rounds to nearest
 * even. Sums of products run in f32 on the device and in double in the twins; every value that is
 * stored in bf16 is rounded once, where it is stored, and later uses read the rounded value.
 *
 * r1(n), r2(n), rf(n): 1 / sqrt(sum of the row's slots in order / W + rms_eps), of SS[l], SS_MID[l] and
 * SS[L]. Gains are read from MASTER in f32. Tiles of products are those of kern_device_tile(); a
 * matrix product's tile writes the elements of its block and the slots of its block's rows.
 */
#ifndef KERN_DEVICE_OPS_H
#define KERN_DEVICE_OPS_H

#include <stdint.h>

#include "kern/device/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What a slot carries beside its arrays. Lives in the ring in pinned host memory and, for the slot
 * at work, in device memory.
 */
struct kern_device_slot {
    uint64_t number; /* of the slot, from 0 */
    uint64_t step;
    uint32_t kind;        /* enum kern_slot_kind */
    uint32_t when;        /* enum kern_device_when: the last group of phases to run */
    uint32_t first_micro; /* weight gradients are overwritten instead of added to */
    uint32_t runs;        /* distinct ids: RUNS[0 .. runs] */
    uint64_t targets;     /* in this slot */
    uint64_t step_targets;
    float lr, step_size, root2; /* lr, lr / bias1, 1 / sqrt(bias2) */
    float inverse_targets;      /* 1 / step_targets, 0 without targets */
};

/* Constants of a run. */
struct kern_device_constants {
    float rms_eps, beta1, beta2, adam_eps, weight_decay, clip;
};

/*
 * FETCH    tile: 256 positions. TOKENS, TARGETS, FIRST, ORDER, RUNS from the slot; FIRST_MIN of its
 *          blocks of 32 positions of a sequence (blocks that begin in the tile's positions). A resident kernel may have
 *          done it for the next slot while COLLECT ran, as nothing from there on reads what it writes.
 * EMBED    tile: 8 rows. X[0] = WEIGHTS of the id's row; XG[0] = bf16(X * norm1 gain of layer 0);
 *          SS[0][n][0] = sum of X^2, further slots 0. Untied and first_micro in training: the tiles
 *          together also zero GRADIENTS of the embedding (tile i of T: rows [V' i / T, V' (i+1) / T),
 *          V' = vocab_padded).
 * QKV      product XG[l] . W^T. y = r1 * sum; q and k heads turned by RoPE at position n % T - first[n]:
 *          the pair (c, c + 8) inside each 16 columns, frequency 8 * (c / 16) + c % 8 of the head
 *          (c the column in the head): (a cos - b sin, b cos + a sin). QKV_OUT[l] = bf16.
 * ATTENTION tile: attention_rows queries of one (sequence, head): tile = (blocks - 1 - block) * rows * heads +
 *          sequence * heads + head. As kern/attention.h: scores of q . k / sqrt(hd) for keys first ..
 *          query; MIX[l] = bf16(sum p v) with p in bf16 in the product, LSE[l].
 * OUT      product MIX[l] . W^T + X[l]: MID[l] = bf16; then, of the rounded value v, MIDG[l] =
 *          bf16(v * norm2 gain of l), SS_MID[l][n][block column] = sum of v^2 over the block's columns.
 * GATE_UP  product MIDG[l] . W^T; y = r2 * sum; GU[l] = bf16(y). With the rounded g (16-column group's
 *          first 8) and u (its last 8): HIDDEN[l] = bf16(g * sigmoid(g) * u).
 * DOWN     product HIDDEN[l] . W^T + MID[l]: as OUT, into X[l + 1], XG[l + 1] (norm1 gain of l + 1, after
 *          the last layer the final norm's) and SS[l + 1].
 * LOGITS   product XG[L] . head^T over the chunk's rows; LOGITS_OUT[row - row0] = bf16(rf * sum); of the
 *          rounded logits of ids below the vocabulary: LOGIT_MAX and LOGIT_SUM [row - row0][block column]
 *          (-inf and 0 for a block of padding alone).
 * LOSS     tile: KERN_DEVICE_LOSS_ROWS rows of the chunk. lse from the block columns' pairs; NLL[n] = lse - target's logit, 0
 *          without a target; NLL_SLOT[n / 2] = their sum in order. In training: d = (exp(logit - lse) -
 *          [target]) * inverse_targets, 0 for padding ids and rows without target (selected);
 *          LOGITS_OUT = bf16(rf * d).
 * HEAD_BACKWARD  product: HEAD_SPLIT[split][row - row0] = LOGITS_OUT . head (f32). Weight:
 *          LOGITS_OUT^T . XG[L].
 * FINAL_BACKWARD tile: final_rows rows of the chunk. a = the shares in order; DX[n] = bf16(gain * a - X[L] * rf^2
 *          * (sum of X[L] * gain * a) / W); FINAL_SLOT[n / final_rows] = sum over the tile's rows of a * X[L].
 * HEAD_SCAN tile: KERN_DEVICE_SCAN_ROWS rows, the ids of a span (tile = span * row blocks + row block; span s: ids
 *          head_span * s and on, below the vocabulary). With z = rf * XG[L] . head^T, not rounded:
 *          SPAN_LSE[n][s] = lse of z over the span; SPAN_TARGET[n][s] = z of the target if it is one of
 *          them, else 0. In training: HEAD_SPLIT[s][n] = sum over the span's ids but the target of
 *          exp(z - SPAN_LSE) * head[id], the first factor rounded to bf16 in some scale.
 * HEAD_LOSS tile: final_rows rows. lse over the spans' SPAN_LSE; NLL[n], NLL_SLOT as LOSS. In training: f =
 *          inverse_targets * rf, 0 without a target; a = f * (sum over spans of exp(SPAN_LSE - lse) *
 *          HEAD_SPLIT + (exp(z of the target - lse) - 1) * head[target]) (selected); HEAD_TERMS[n]; then DX
 *          and FINAL_SLOT as FINAL_BACKWARD.
 * HEAD_WEIGHT tile: KERN_DEVICE_SCAN_ROWS ids. GRADIENTS[head][id] = or += sum over rows of bf16(f * (exp(z - lse) -
 *          [id is the target])) * XG[L], 0 for padding ids, with what HEAD_TERMS has.
 * DOWN_BACKWARD  product dh = DX . W. With g, u of GU[l], s = sigmoid(g): dg = dh * u * s * (1 + g (1 - s)),
 *          du = dh * g * s; MLP_C[n][block column] = sum of dg * g + du * u over the block's units; DGU =
 *          bf16(r2 * (dg, du)) interleaved. Weight: DX^T . HIDDEN[l].
 * GATE_UP_BACKWARD  product a = DGU . W; c = the slots of MLP_C in order; DX = bf16(DX + gain * a - MID[l] *
 *          r2^2 * c / W) in place; GAIN_SLOT[2l + 1][block row] = sum over the block's rows of a * MID[l].
 *          Weight: DGU^T . MIDG[l].
 * OUT_BACKWARD  product: DMIX = bf16(DX . W); DELTA[n][head] = sum over the head's columns of the rounded
 *          DMIX * MIX[l]. Weight: DX^T . MIX[l].
 * ATTENTION_BACKWARD  tiles: keys first, then queries. With B = ceil(T / attention_back_rows), KV = kv_heads: tile < rows *
 *          KV * B: block = tile / (rows * KV), sequence and kv head from the rest: dk, dv of attention_back_rows keys over
 *          all query heads of the kv head. The others: kern_device_query_tile() of
 *          ATTENTION's tiles: dq of attention_back_rows queries.
 *          p = exp(s - LSE), ds = p * (DMIX . v - DELTA) / sqrt(hd), p and ds in bf16 in the products.
 *          QKV_C[n][head] = sum of dq * q; QKV_C[n][heads + kv head] = sum of dk * k + dv * v, of the
 *          unrounded gradients; DQKV = bf16(r1 * them), dq and dk turned back by RoPE first.
 * QKV_BACKWARD  as GATE_UP_BACKWARD with DQKV, QKV_C, X[l], r1, GAIN_SLOT[2l]. Weight: DQKV^T . XG[l].
 * EMBED_BACKWARD  work item = (run of equal ids, 256 columns), 8 to a tile, the columns running fastest:
 *          GRADIENTS[embedding][id] += sum of DX over the run's positions in order.
 * COLLECT  tile: a piece. Its gradient = (first_micro) or += the sum of its shares in order (nothing for
 *          DIRECT); in a step's last micro-batch SQUARES[piece] = sum of squares.
 * ADAMW    tile: a piece. norm = sqrt(sum of SQUARES); as kern/update.h's adamw on MASTER; WEIGHTS =
 *          bf16(MASTER).
 * RESULT   one tile. Adds up NLL_SLOT and posts the slot's or the step's result.
 */

/* Relative error (root of the summed squares) of a device phase against its twin in double, for a
 * whole buffer and for its worst 64 x 64 block. */
#define KERN_DEVICE_TOLERANCE_BF16 1e-2
#define KERN_DEVICE_TOLERANCE_F32 1e-3

/* ---- twins in C, in double, for tests and the executor ---- */

struct kern_device_twin {
    const struct kern_device_table *table;
    unsigned char *arena; /* [table->arena] as the device's */
    struct kern_device_slot slot;
    struct kern_device_constants constants;
    const uint32_t *tokens, *targets, *first, *order, *runs; /* what FETCH copies */
    /* RESULT and ADAMW leave here: */
    double nll; /* of the slot */
    double norm;
    uint32_t updated;
};

/*
 * Works tile `tile` of phase p by the definition: what the device takes by a shortcut (c, the row scale
 * after the product) is computed directly from what it stands for. Allocates only scratch,
 * which it frees; reads and writes what kern_device_regions (regions.h) names and nothing else.
 */
void kern_device_twin_run(struct kern_device_twin *t, const struct kern_device_phase *p,
                          uint32_t tile);

#ifdef __cplusplus
}
#endif
#endif
