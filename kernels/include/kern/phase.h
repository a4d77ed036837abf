/*
 * One phase of a step as plain data, and the call by which any twin of it works one tile.
 *
 * A step is a list of phases. All tiles of a phase are independent of each other: they read what
 * earlier phases wrote and write disjoint places, so they may run in any order on any number of
 * workers; between two phases stands a barrier. Tile counts follow from shapes alone, never from
 * the number of workers: that is why a result has the same bits for 1 worker and for 8.
 */
#ifndef KERN_PHASE_H
#define KERN_PHASE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the order of their first use in a step. The contract of each stands in the header named. */
enum kern_op {
    KERN_EMBED_FORWARD = 0,      /* embed.h */
    KERN_QKV_FORWARD = 1,        /* qkv.h */
    KERN_ATTENTION_FORWARD = 2,  /* attention.h */
    KERN_OUT_FORWARD = 3,        /* attention.h */
    KERN_GATE_UP_FORWARD = 4,    /* mlp.h */
    KERN_DOWN_FORWARD = 5,       /* mlp.h */
    KERN_FINAL_NORM_FORWARD = 6, /* head.h, as the next four */
    KERN_LOGITS = 7,
    KERN_LOSS = 8,
    KERN_HEAD_BACKWARD = 9,
    KERN_FINAL_NORM_BACKWARD = 10,
    KERN_DOWN_BACKWARD = 11,      /* mlp.h */
    KERN_GATE_UP_BACKWARD = 12,   /* mlp.h */
    KERN_OUT_BACKWARD = 13,       /* attention.h */
    KERN_ATTENTION_BACKWARD = 14, /* attention.h */
    KERN_QKV_BACKWARD = 15,       /* qkv.h */
    KERN_EMBED_BACKWARD = 16,     /* embed.h */
    KERN_GAIN_REDUCE = 17,        /* update.h, as the next three */
    KERN_SQUARES = 18,
    KERN_NORM = 19,
    KERN_ADAMW = 20,
};
#define KERN_OP_COUNT 21

/* When a phase takes part. */
enum kern_when {
    KERN_WHEN_ALWAYS = 0,   /* forward: training and validation */
    KERN_WHEN_TRAINING = 1, /* backward: every micro-batch of a training step */
    KERN_WHEN_LAST = 2,     /* update: after the last micro-batch of a training step */
};

#define KERN_PHASE_READS 7
#define KERN_PHASE_WRITES 5
#define KERN_NO_BUFFER 0xff

struct kern_phase {
    enum kern_op op;
    enum kern_when when;
    uint32_t layer; /* 0 where the phase belongs to no layer */
    uint32_t part;  /* head phases: the chunk of rows; else 0 */
    uint32_t tiles;
    /*
     * Backward phases of a linear layer are one list of two kinds of tiles: [0, row_tiles) are
     * gradients of the input (one block of rows each), the rest gradients of the weight (one block
     * of it each). Forward phases: row_tiles == tiles.
     */
    uint32_t row_tiles;
    /* enum kern_buffer (plan.h), padded with KERN_NO_BUFFER. One that stands in both lists is
     * changed in place: added to, or overwritten by the tile that read it. */
    uint8_t reads[KERN_PHASE_READS], writes[KERN_PHASE_WRITES];
};

struct kern_table;

/* Written by KERN_NORM, read by KERN_ADAMW and by the backend's result. */
struct kern_verdict {
    double norm;  /* global gradient norm before clipping */
    double scale; /* factor on every gradient: 1, or clip / (norm + 1e-6) where that is less */
    bool update;  /* false: no targets in the step, or a norm that is not finite */
};

/* What a phase works on. `real` stands for the type of the twin: float or double. */
struct kern_run {
    const struct kern_table *table;
    void *arena;             /* real [table->plan.size]: every buffer at its offset */
    const uint32_t *tokens;  /* [table->tokens], each < vocab */
    const uint32_t *targets; /* [table->tokens], < vocab or KERN_NO_TARGET */
    const uint32_t *first;   /* [table->tokens] first position of the segment, within the row */
    bool first_micro;        /* weight gradients are overwritten instead of added to */
    uint64_t step_targets;
    double lr, bias1, bias2;
    double beta1, beta2, adam_eps, weight_decay, clip;
    struct kern_verdict *verdict;
};

/*
 * Works tile `tile` (< p->tiles) of phase p. scratch: table->plan.scratch bytes aligned to 64,
 * this worker's own, undefined on entry. Allocates nothing, knows nothing of other workers.
 */
typedef void kern_phase_fn(const struct kern_run *r, const struct kern_phase *p, uint32_t tile,
                           void *scratch);

/* Declares the reference twins of one phase. */
#define KERN_TWINS(name) kern_phase_fn kern_f32_##name, kern_f64_##name

/* One function for each op: the reference fills all, faster twins overwrite some. */
struct kern_functions {
    kern_phase_fn *run[KERN_OP_COUNT];
};

#ifdef __cplusplus
}
#endif
#endif
