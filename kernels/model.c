/* The model's shapes: presets, the canonical order of tensors, FLOP counts. */
#include "kern/backend.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tensors of a layer in the order of the flat vector; q, k, v and gate, up are neighbours because
 * they are read as one matrix (kern_offsets). */
#define LAYER_TENSORS 9

bool kern_model_preset(const char *name, struct kern_model *ret_model)
{
    static const struct {
        const char *name;
        uint32_t layers, width, heads, head_dim, ffn;
    } presets[] = {
        {"1m", 5, 128, 2, 64, 384},       {"10m", 12, 256, 4, 64, 768},
        {"42m", 8, 512, 8, 64, 1408},     {"124m", 12, 768, 12, 64, 2560},
        {"350m", 24, 1024, 16, 64, 2816}, {"1.3b", 24, 2048, 16, 128, 5632},
    };

    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (strcmp(presets[i].name, name) != 0)
            continue;
        *ret_model = (struct kern_model){
            .layers = presets[i].layers,
            .width = presets[i].width,
            .heads = presets[i].heads,
            .kv_heads = presets[i].heads,
            .head_dim = presets[i].head_dim,
            .ffn = presets[i].ffn,
            .rms_eps = 1e-5f,
            .rope_theta = 10000.0f,
        };
        return true;
    }
    return false;
}

uint32_t kern_tensor_count(const struct kern_model *m)
{
    return 1 + LAYER_TENSORS * m->layers + 1 + (m->untied ? 1 : 0);
}

void kern_tensor_at(const struct kern_model *m, uint32_t index, struct kern_tensor *ret_tensor)
{
    uint32_t q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    float residual = (float)(0.02 / sqrt(2.0 * m->layers));
    const struct {
        const char *name;
        uint32_t rows, cols;
        float std;
    } layer[LAYER_TENSORS] = {
        {"input_layernorm", m->width, 1, 0},           {"self_attn.q_proj", q, m->width, 0.02f},
        {"self_attn.k_proj", kv, m->width, 0.02f},     {"self_attn.v_proj", kv, m->width, 0.02f},
        {"self_attn.o_proj", m->width, q, residual},   {"post_attention_layernorm", m->width, 1, 0},
        {"mlp.gate_proj", m->ffn, m->width, 0.02f},    {"mlp.up_proj", m->ffn, m->width, 0.02f},
        {"mlp.down_proj", m->width, m->ffn, residual},
    };
    uint64_t embed = (uint64_t)m->vocab * m->width, per_layer = 0;

    for (unsigned i = 0; i < LAYER_TENSORS; i++)
        per_layer += (uint64_t)layer[i].rows * layer[i].cols;

    struct kern_tensor t = {.init_std = 0.02f, .decay = true};
    uint32_t norm = 1 + LAYER_TENSORS * m->layers;
    if (index == 0) {
        snprintf(t.name, sizeof t.name, "model.embed_tokens.weight");
        t.rows = m->vocab, t.cols = m->width;
    } else if (index < norm) {
        uint32_t l = (index - 1) / LAYER_TENSORS, i = (index - 1) % LAYER_TENSORS;
        snprintf(t.name, sizeof t.name, "model.layers.%u.%s.weight", l, layer[i].name);
        t.rows = layer[i].rows, t.cols = layer[i].cols;
        t.init_std = layer[i].std;
        t.decay = layer[i].cols > 1 || layer[i].std > 0;
        t.offset = embed + l * per_layer;
        for (uint32_t j = 0; j < i; j++)
            t.offset += (uint64_t)layer[j].rows * layer[j].cols;
    } else if (index == norm) {
        snprintf(t.name, sizeof t.name, "model.norm.weight");
        t.rows = m->width, t.cols = 1;
        t.init_std = 0;
        t.decay = false;
        t.offset = embed + m->layers * per_layer;
    } else {
        snprintf(t.name, sizeof t.name, "lm_head.weight");
        t.rows = m->vocab, t.cols = m->width;
        t.offset = embed + m->layers * per_layer + m->width;
    }
    *ret_tensor = t;
}

uint64_t kern_parameter_count(const struct kern_model *m)
{
    struct kern_tensor last;
    kern_tensor_at(m, kern_tensor_count(m) - 1, &last);
    return last.offset + (uint64_t)last.rows * last.cols;
}

double kern_flop_per_token(const struct kern_model *m, uint32_t seq_len)
{
    double q = (double)m->heads * m->head_dim, kv = (double)m->kv_heads * m->head_dim;
    double body = m->layers * (m->width * (2 * q + 2 * kv) + 3.0 * m->width * m->ffn);
    double head = (double)m->vocab * m->width;

    /* 2 forward and 4 backward a weight; causal attention: 4 T/2 forward, twice that backward. */
    return 6 * (body + head) + 6.0 * m->layers * seq_len * q;
}
