/*
 * What the trainer sees of a device: a model's state lives in a backend; work is submitted as slots
 * in order, results come back in the same order. The CPU backend works a slot when it is submitted;
 * a resident CUDA kernel works behind the caller's back, which is why nothing here returns a loss
 * directly. No CUDA header leaves this folder, and no ngt header enters it: the caller lends
 * threads through struct kern_workers.
 */
#ifndef KERN_BACKEND_H
#define KERN_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KERN_NODISCARD __attribute__((warn_unused_result))
#define KERN_NO_TARGET UINT32_MAX

enum kern_status {
    KERN_OK = 0,
    KERN_E_NOMEM = -1,
    KERN_E_SHAPE = -2, /* a model or batch that is not supported; the message names the number */
    KERN_E_UNAVAILABLE = -3, /* this build or machine has no such device */
    KERN_E_DEVICE = -4,      /* the device failed or missed a deadline */
};

struct kern_error {
    enum kern_status code;
    char message[256]; /* what is wrong, then what to do */
};

/* ---- the model (DESIGN: Llama-style decoder) ---- */
struct kern_model {
    uint32_t layers, width, heads, kv_heads, head_dim,
        ffn;        /* width = residual width; q is heads * head_dim */
    uint32_t vocab; /* any size >= 2 */
    bool untied;    /* a head of its own instead of the embedding */
    float rms_eps, rope_theta;
};

/* The named presets 1m 10m 42m 124m 350m 1.3b; false if there is none of that name. vocab is set by
 * the caller. */
bool kern_model_preset(const char *name, struct kern_model *ret_model);

/* One parameter tensor of the canonical order: logical layout, row-major, as in Hugging Face's
 * LlamaForCausalLM. */
struct kern_tensor {
    char name[64];       /* "model.layers.0.self_attn.q_proj.weight" ... */
    uint32_t rows, cols; /* cols = 1 for norm weights */
    uint64_t offset;     /* in floats, in the flat parameter vector */
    bool decay;          /* matrices */
    float init_std;      /* N(0, init_std); 0: ones */
};

uint32_t kern_tensor_count(const struct kern_model *model);
void kern_tensor_at(const struct kern_model *model, uint32_t index, struct kern_tensor *ret_tensor);
uint64_t kern_parameter_count(const struct kern_model *model); /* floats of the flat vector */
/* Matrix and attention FLOP of one trained token, forward and backward, for MFU. */
double kern_flop_per_token(const struct kern_model *model, uint32_t seq_len);

/* ---- threads lent by the caller ---- */
struct kern_workers {
    unsigned count; /* >= 1 */
    void *context;
    /* runs task(arg, w) for every w in [0, count) at the same time and returns when all are done */
    void (*run)(void *context, void (*task)(void *arg, unsigned worker), void *arg);
};

/* ---- a backend ---- */
/* How a GPU's phases come about; the results have the same bits. */
enum kern_launch {
    KERN_PERSISTENT = 0, /* one kernel for the whole run, fed through rings in pinned memory */
    KERN_GRAPH = 1,      /* one graph a slot, a node a phase */
    KERN_STEPWISE = 2,   /* a launch a phase, and the host waits for every slot */
};

struct kern_config {
    struct kern_model model;
    uint32_t rows;    /* sequences of one micro-batch: the largest a slot may carry */
    uint32_t seq_len; /* T */
    float beta1, beta2, adam_eps, weight_decay, clip;
    bool forward_only; /* no gradients, no optimizer state: generate, eval */
    /* a GPU's; the CPU backend passes over them */
    enum kern_launch launch;
    uint32_t ctas;   /* resident blocks; 0: as many as the device holds at once */
    bool recompute;  /* one copy of what a layer's backward pass needs, made again before it; same bits */
    double deadline; /* seconds that the device waits for a slot, or the host for the device */
};

enum kern_slot_kind {
    KERN_TRAIN = 1,
    KERN_VALIDATE = 2, /* forward only; nothing changes */
    KERN_STOP = 3,
};

/* One micro-batch. The arrays may be reused as soon as kern_submit returns. */
struct kern_slot {
    enum kern_slot_kind kind;
    uint64_t step;
    uint32_t rows;           /* <= config.rows */
    const uint32_t *tokens;  /* [rows * seq_len] < vocab */
    const uint32_t *targets; /* [rows * seq_len] < vocab, or KERN_NO_TARGET */
    const uint32_t
        *first; /* [rows * seq_len] first position of the token's segment, within its row */
    bool first_micro, last_micro; /* of the step: gradients start at zero; the update follows */
    uint64_t step_targets;   /* targets of the whole step, all micro-batches: the loss's divisor */
    double lr, bias1, bias2; /* of this step: learning rate, 1 - beta1^t, 1 - beta2^t */
};

/* One result a step (KERN_TRAIN, after its last micro-batch) or a slot (KERN_VALIDATE). */
struct kern_result {
    enum kern_slot_kind kind;
    uint64_t step, targets;
    double nll;       /* summed over targets, nats; train: nll / step_targets is the loss */
    double grad_norm; /* before clipping */
    bool updated;     /* false: no targets, or a norm that is not finite */
    double compute_seconds, wait_seconds; /* device time working; device time waiting for a slot */
    double busy;                          /* share of the workers' time inside tile functions */
};

struct kern_backend;

KERN_NODISCARD enum kern_status kern_cpu_new(const struct kern_config *config,
                                             const struct kern_workers *workers,
                                             struct kern_backend **ret_backend,
                                             struct kern_error *reterr);
/* KERN_E_UNAVAILABLE with the reason when the build or the machine has no CUDA device. */
KERN_NODISCARD enum kern_status kern_cuda_new(const struct kern_config *config,
                                              struct kern_backend **ret_backend,
                                              struct kern_error *reterr);
void kern_backend_free(struct kern_backend **backend);

KERN_NODISCARD enum kern_status kern_submit(struct kern_backend *b, const struct kern_slot *slot,
                                            struct kern_error *reterr);
/* Next result in order. wait = false: *ret_have tells whether there was one. */
KERN_NODISCARD enum kern_status kern_collect(struct kern_backend *b, bool wait, bool *ret_have,
                                             struct kern_result *ret_result,
                                             struct kern_error *reterr);

/* Flat vectors [kern_parameter_count] in canonical order. Called with no result outstanding. */
enum kern_state {
    KERN_WEIGHTS = 0,
    KERN_MOMENT1 = 1,
    KERN_MOMENT2 = 2,
    KERN_GRADIENTS = 3, /* of the last step, before clipping, divided by step_targets; get only */
};
KERN_NODISCARD enum kern_status kern_state_get(struct kern_backend *b, enum kern_state which,
                                               float *ret_values, struct kern_error *reterr);
KERN_NODISCARD enum kern_status kern_state_set(struct kern_backend *b, enum kern_state which,
                                               const float *values, struct kern_error *reterr);

/*
 * A copy of weights and moments as they stand between two slots, kept while later slots change the
 * originals: what a checkpoint is written from while training goes on. Take with no result outstanding; a
 * later one replaces it. Get may be called from another thread than the one that submits.
 */
KERN_NODISCARD enum kern_status kern_snapshot_take(struct kern_backend *b,
                                                   struct kern_error *reterr);
KERN_NODISCARD enum kern_status kern_snapshot_get(struct kern_backend *b, enum kern_state which,
                                                  float *ret_values, struct kern_error *reterr);

/* What the work is done by. */
struct kern_device_name {
    char name[128];    /* "NVIDIA H100 80GB HBM3, 264 blocks", "8 threads" */
    double peak_flops; /* bf16 products a second by the chip's tables; 0: not known */
};
void kern_describe(const struct kern_backend *b, struct kern_device_name *ret_name);

/* ---- generation: one sequence, keys and values kept, token by token ---- */
struct kern_decoder;
/* limit: most tokens of the sequence; weights are those of b, which must outlive the decoder. */
KERN_NODISCARD enum kern_status kern_decoder_new(struct kern_backend *b, uint32_t limit,
                                                 struct kern_decoder **ret_decoder,
                                                 struct kern_error *reterr);
void kern_decoder_free(struct kern_decoder **decoder);
/* Appends a token at the next position; ret_logits [vocab] predicts the one after it (may be NULL).
 */
KERN_NODISCARD enum kern_status kern_decoder_step(struct kern_decoder *d, uint32_t token,
                                                  float *ret_logits, struct kern_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
