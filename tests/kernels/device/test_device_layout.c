/* The device's flat vector: where every logical row of every tensor stands. */
#include "t.h"

#include "kern/device/layout.h"
#include "lab.h"

static uint64_t layer_start(const struct kern_device_layout *l, uint32_t layer)
{
    return l->layer + layer * l->stride;
}

/* Where row `row` of tensor `name` of layer `layer` stands, by the header's words. */
static uint64_t stands_at(const struct kern_model *m, const struct kern_device_layout *l,
                          uint32_t layer, const char *name, uint64_t row)
{
    uint64_t w = m->width, hd = m->head_dim, q = m->heads * hd, kv = m->kv_heads * hd;
    uint64_t in = row % hd, i = in % (hd / 2), h = in / (hd / 2);
    uint64_t turned = row / hd * hd + 16 * (i / 8) + 8 * h + i % 8;
    uint64_t gate = 16 * (row / 8) + row % 8, at = layer_start(l, layer);

    if (strstr(name, "embed_tokens"))
        return l->embed + row * w;
    if (strstr(name, "lm_head"))
        return l->head + row * w;
    if (strcmp(name, "model.norm.weight") == 0)
        return l->norm + row;
    if (strstr(name, "input_layernorm"))
        return at + l->norm1 + row;
    if (strstr(name, "post_attention"))
        return at + l->norm2 + row;
    if (strstr(name, "q_proj"))
        return at + l->qkv + turned * w;
    if (strstr(name, "k_proj"))
        return at + l->qkv + (q + turned) * w;
    if (strstr(name, "v_proj"))
        return at + l->qkv + (q + kv + row) * w;
    if (strstr(name, "o_proj"))
        return at + l->out + row * q;
    if (strstr(name, "gate_proj"))
        return at + l->gate_up + gate * w;
    if (strstr(name, "up_proj"))
        return at + l->gate_up + (gate + 8) * w;
    T_TRUE(strstr(name, "down_proj") != NULL);
    return at + l->down + row * m->ffn;
}

static void check(struct kern_config config)
{
    const struct kern_model *m = &config.model;
    struct kern_device_layout l;
    uint64_t n = kern_parameter_count(m), zeros = 0;

    kern_device_layout(m, &l);
    float *canonical = calloc(n, sizeof *canonical), *back = calloc(n, sizeof *back);
    float *device = calloc(l.size, sizeof *device);
    T_REQUIRE(canonical && back && device);
    for (uint64_t i = 0; i < n; i++)
        canonical[i] = (float)(i + 1); /* exact: all shapes here are below 2^24 */
    memset(device, 0xff, l.size * sizeof *device);
    memset(back, 0xff, n * sizeof *back);
    kern_device_layout_to(m, &l, canonical, device);
    kern_device_layout_from(m, &l, device, back);
    T_EQ_MEM(back, canonical, n * sizeof *back);
    for (uint64_t i = 0; i < l.size; i++)
        zeros += device[i] == 0;
    T_EQ_U64(zeros, l.size - n); /* and so every element stands in one place */

    for (uint32_t i = 0; i < kern_tensor_count(m); i++) {
        struct kern_tensor t;
        uint32_t layer = 0;

        kern_tensor_at(m, i, &t);
        sscanf(t.name, "model.layers.%u.", &layer);
        for (uint64_t row = 0; row < t.rows; row++) {
            uint64_t at = stands_at(m, &l, layer, t.name, row);
            if (memcmp(device + at, canonical + t.offset + row * t.cols, t.cols * sizeof *device) !=
                0) {
                T_FAIL("%s: row %" PRIu64 " is not at %" PRIu64, t.name, row, at);
                break;
            }
        }
    }
    T_EQ_U64(l.layer % 64 + l.stride % 64 + l.norm1 % 64 + l.qkv % 64 + l.out % 64 + l.norm2 % 64 +
                 l.gate_up % 64 + l.down % 64 + l.norm % 64 + l.head % 64,
             0);
    T_EQ_U64(l.vocab_padded, (m->vocab + 7) / 8 * 8);
    free(canonical);
    free(back);
    free(device);
}

T_CASE(tied)
{
    check(lab_config(2, 72, 2, 2, 64, 40, 101, false, 1, 8));
}

T_CASE(untied_grouped)
{
    check(lab_config(3, 64, 4, 2, 64, 88, 104, true, 1, 8));
}

T_CASE(head_128)
{
    check(lab_config(1, 8, 3, 1, 128, 8, 2, true, 1, 8));
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
