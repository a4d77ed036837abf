/* Names and shapes of the buffers, as table.h has them: written down once more, beside the builder
 * of the table, so that the validator has something to compare the table with. */
#include "kern/device/regions.h"

const char *kern_device_buffer_name(enum kern_device_buffer id)
{
    static const char *const names[KERN_DEVICE_BUFFERS] = {
        "master",     "weights",   "gradients",  "moment1",   "moment2",   "rope",  "tokens",
        "targets",    "first",     "order",      "runs",      "first_min", "x",     "xg",
        "ss",         "qkv_out",   "mix",        "lse",       "mid",       "midg",  "ss_mid",
        "gu",         "hidden",    "logits_out", "logit_max", "logit_sum", "span_lse", "span_target",
        "head_terms", "nll",       "nll_slot",   "head_split", "dx",        "dgu",        "mlp_c",     "dmix",      "delta", "dqkv",
        "qkv_c",      "gain_slot", "final_slot", "splits",    "squares",
    };
    return (unsigned)id < (unsigned)KERN_DEVICE_BUFFERS ? names[id] : "unknown";
}

static bool is_gradient(enum kern_device_buffer id)
{
    return id == KERN_DEV_GRADIENTS || id == KERN_DEV_MOMENT1 || id == KERN_DEV_MOMENT2 ||
           id >= KERN_DEV_HEAD_SPLIT;
}

struct kern_device_matrix kern_device_matrix(const struct kern_device_table *t,
                                             enum kern_device_buffer id)
{
    const struct kern_model *m = &t->model;
    uint64_t n = t->tokens, w = m->width, f = m->ffn, layers = t->forward_only ? 1 : m->layers;
    uint64_t residuals = t->forward_only ? 1 : layers + 1, kept = t->recompute ? 1 : layers;

    if (t->forward_only && is_gradient(id))
        return (struct kern_device_matrix){0};
    switch (id) {
    case KERN_DEV_MASTER:
    case KERN_DEV_GRADIENTS:
    case KERN_DEV_MOMENT1:
    case KERN_DEV_MOMENT2:
        return (struct kern_device_matrix){1, 1, t->layout.size, 4};
    case KERN_DEV_WEIGHTS:
        return (struct kern_device_matrix){1, 1, t->layout.size, 2};
    case KERN_DEV_ROPE:
        return (struct kern_device_matrix){1, t->seq_len, m->head_dim, 4};
    case KERN_DEV_TOKENS:
    case KERN_DEV_TARGETS:
    case KERN_DEV_FIRST:
    case KERN_DEV_ORDER:
    case KERN_DEV_NLL:
        return (struct kern_device_matrix){1, n, 1, 4};
    case KERN_DEV_RUNS:
        return (struct kern_device_matrix){1, n + 1, 1, 4};
    case KERN_DEV_FIRST_MIN:
        return (struct kern_device_matrix){1, t->rows, (t->seq_len + 31) / 32, 4};
    case KERN_DEV_X:
    case KERN_DEV_XG:
        return (struct kern_device_matrix){residuals, n, w, 2};
    case KERN_DEV_SS:
        return (struct kern_device_matrix){residuals, n, t->norm_slots, 4};
    case KERN_DEV_QKV_OUT:
        return (struct kern_device_matrix){kept, n, t->qkv_width, 2};
    case KERN_DEV_MIX:
        return (struct kern_device_matrix){kept, n, t->q_width, 2};
    case KERN_DEV_LSE:
        return (struct kern_device_matrix){kept, n, m->heads, 4};
    case KERN_DEV_MID:
    case KERN_DEV_MIDG:
        return (struct kern_device_matrix){kept, n, w, 2};
    case KERN_DEV_SS_MID:
        return (struct kern_device_matrix){kept, n, t->norm_slots, 4};
    case KERN_DEV_GU:
        return (struct kern_device_matrix){kept, n, 2 * f, 2};
    case KERN_DEV_HIDDEN:
        return (struct kern_device_matrix){kept, n, f, 2};
    case KERN_DEV_LOGITS_OUT:
        if (t->head_scanned)
            return (struct kern_device_matrix){0};
        return (struct kern_device_matrix){1, t->head_rows, t->vocab_padded, 2};
    case KERN_DEV_LOGIT_MAX:
    case KERN_DEV_LOGIT_SUM:
        if (t->head_scanned)
            return (struct kern_device_matrix){0};
        return (struct kern_device_matrix){1, t->head_rows, t->vocab_tiles, 4};
    case KERN_DEV_SPAN_LSE:
    case KERN_DEV_SPAN_TARGET:
        if (!t->head_scanned)
            return (struct kern_device_matrix){0};
        return (struct kern_device_matrix){1, n, t->head_splits, 4};
    case KERN_DEV_HEAD_TERMS:
        if (!t->head_scanned)
            return (struct kern_device_matrix){0};
        return (struct kern_device_matrix){1, n, 4, 4};
    case KERN_DEV_NLL_SLOT:
        return (struct kern_device_matrix){
            1, (n + KERN_DEVICE_LOSS_ROWS - 1) / KERN_DEVICE_LOSS_ROWS, 1, 4};
    case KERN_DEV_HEAD_SPLIT:
        return (struct kern_device_matrix){t->head_splits, t->head_rows, w, 4};
    case KERN_DEV_DX:
        return (struct kern_device_matrix){1, n, w, 2};
    case KERN_DEV_DGU:
        return (struct kern_device_matrix){1, n, 2 * f, 2};
    case KERN_DEV_MLP_C:
        return (struct kern_device_matrix){1, n, t->mlp_slots, 4};
    case KERN_DEV_DMIX:
        return (struct kern_device_matrix){1, n, t->q_width, 2};
    case KERN_DEV_DELTA:
        return (struct kern_device_matrix){1, n, m->heads, 4};
    case KERN_DEV_DQKV:
        return (struct kern_device_matrix){1, n, t->qkv_width, 2};
    case KERN_DEV_QKV_C:
        return (struct kern_device_matrix){1, n, m->heads + m->kv_heads, 4};
    case KERN_DEV_GAIN_SLOT:
        return (struct kern_device_matrix){2 * layers, t->gain_slots, w, 4};
    case KERN_DEV_FINAL_SLOT:
        return (struct kern_device_matrix){1, (n + t->final_rows - 1) / t->final_rows, w, 4};
    case KERN_DEV_SPLITS:
        return (struct kern_device_matrix){1, 1, t->at[KERN_DEV_SPLITS].size, 1};
    case KERN_DEV_SQUARES:
        return (struct kern_device_matrix){1, 1, t->piece_count, 4};
    case KERN_DEV_BUFFER_END:
        break;
    }
    return (struct kern_device_matrix){0};
}
