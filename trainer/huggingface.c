#include "trainer/huggingface.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/checked.h"
#include "ngt/file.h"
#include "ngt/json.h"

#define CONFIG_FILE "config.json"
#define WEIGHTS_FILE "model.safetensors"

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "out of memory");
}

/* ---- writing ---- */

/* 1e-5f as 1e-05, not as the double next to it. */
static double shortest(float v)
{
    char text[32];

    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        if (strtof(text, NULL) == v)
            break;
    }
    return strtod(text, NULL);
}

static enum ngt_status write_config(const char *folder, const struct trainer_about *about,
                                    uint64_t seq_len, struct ngt_error *reterr)
{
    const struct kern_model *m = &about->model;
    char *path = ngt_path_join(folder, CONFIG_FILE);
    struct ngt_json_out j;
    enum ngt_status status = NGT_OK;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_key(&j, "architectures");
    ngt_json_array(&j);
    ngt_json_string(&j, "LlamaForCausalLM");
    ngt_json_array_end(&j);
    ngt_json_member_string(&j, "model_type", "llama");
    ngt_json_member_u64(&j, "vocab_size", m->vocab);
    ngt_json_member_u64(&j, "hidden_size", m->width);
    ngt_json_member_u64(&j, "intermediate_size", m->ffn);
    ngt_json_member_u64(&j, "num_hidden_layers", m->layers);
    ngt_json_member_u64(&j, "num_attention_heads", m->heads);
    ngt_json_member_u64(&j, "num_key_value_heads", m->kv_heads);
    ngt_json_member_u64(&j, "head_dim", m->head_dim);
    ngt_json_member_string(&j, "hidden_act", "silu");
    ngt_json_member_u64(&j, "max_position_embeddings", seq_len ? seq_len : 2048);
    ngt_json_member_double(&j, "rms_norm_eps", shortest(m->rms_eps));
    ngt_json_member_double(&j, "rope_theta", shortest(m->rope_theta));
    ngt_json_key(&j, "rope_scaling");
    ngt_json_null(&j);
    ngt_json_member_bool(&j, "attention_bias", false);
    ngt_json_member_bool(&j, "mlp_bias", false);
    ngt_json_member_bool(&j, "tie_word_embeddings", !m->untied);
    ngt_json_member_double(&j, "initializer_range", 0.02);
    ngt_json_key(&j, "bos_token_id");
    about->bos_id == NGT_NO_ID ? ngt_json_null(&j) : ngt_json_u64(&j, about->bos_id);
    ngt_json_key(&j, "eos_token_id");
    about->eos_id == NGT_NO_ID ? ngt_json_null(&j) : ngt_json_u64(&j, about->eos_id);
    ngt_json_member_string(&j, "torch_dtype", "float32");
    ngt_json_object_end(&j);
    if (!path || j.failed)
        status = no_memory(folder, reterr);
    else
        status = ngt_file_write(path, j.bytes, j.size, reterr);
    ngt_json_out_done(&j);
    free(path);
    return status;
}

/* safetensors: u64 length of a JSON object, the object, the data. */
static enum ngt_status write_weights(const char *folder, const struct kern_model *model,
                                     const float *weights, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, WEIGHTS_FILE);
    struct ngt_output *out = NULL;
    struct ngt_json_out j;
    enum ngt_status status = NGT_OK;

    ngt_json_out_init(&j, true);
    ngt_json_object(&j);
    ngt_json_key(&j, "__metadata__");
    ngt_json_object(&j);
    ngt_json_member_string(&j, "format", "pt"); /* transformers insists on it */
    ngt_json_object_end(&j);
    for (uint32_t i = 0; i < kern_tensor_count(model); i++) {
        struct kern_tensor t;
        kern_tensor_at(model, i, &t);
        ngt_json_key(&j, t.name);
        ngt_json_object(&j);
        ngt_json_member_string(&j, "dtype", "F32");
        ngt_json_key(&j, "shape");
        ngt_json_array(&j);
        ngt_json_u64(&j, t.rows);
        if (t.cols != 1)
            ngt_json_u64(&j, t.cols);
        ngt_json_array_end(&j);
        ngt_json_key(&j, "data_offsets");
        ngt_json_array(&j);
        ngt_json_u64(&j, 4 * t.offset);
        ngt_json_u64(&j, 4 * (t.offset + (uint64_t)t.rows * t.cols));
        ngt_json_array_end(&j);
        ngt_json_object_end(&j);
    }
    ngt_json_object_end(&j);
    if (!path || j.failed) {
        status = no_memory(folder, reterr);
        goto out;
    }
    while (j.size && j.bytes[j.size - 1] == '\n')
        j.size--;
    uint64_t padded = (j.size + 7) / 8 * 8; /* the data is aligned; spaces are allowed for it */
    status = ngt_output_open(path, &out, reterr);
    if (status == NGT_OK)
        status = ngt_output_write(out, &padded, sizeof padded, reterr);
    if (status == NGT_OK)
        status = ngt_output_write(out, j.bytes, j.size, reterr);
    if (status == NGT_OK && padded > j.size)
        status = ngt_output_write(out, "       ", padded - j.size, reterr);
    if (status == NGT_OK)
        status = ngt_output_write(out, weights, 4 * kern_parameter_count(model), reterr);
    if (status == NGT_OK)
        status = ngt_output_commit(&out, reterr);
out:
    ngt_output_abort(&out);
    ngt_json_out_done(&j);
    free(path);
    return status;
}

enum ngt_status trainer_hf_write(const char *folder, const struct trainer_about *about,
                                 const float *weights, uint64_t seq_len, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    enum ngt_status status = ngt_folder_make(folder, reterr);
    if (status == NGT_OK)
        status = write_weights(folder, &about->model, weights, reterr);
    if (status == NGT_OK)
        status = write_config(folder, about, seq_len, reterr);
    return status;
}

/* ---- reading ---- */

struct member {
    const char *key;
    uint32_t *target;
    uint64_t low, high;
    uint32_t fallback; /* 0: must be there */
};

static enum ngt_status bad_member(const char *path, const char *key, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                    "\"%s\" is missing or out of range", key);
}

static enum ngt_status unsupported(const char *path, const char *what, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, path, NGT_NO_POS, NGT_NO_POS,
                    "%s: the model here has no such thing", what);
}

static uint32_t id_member(const struct ngt_json *root, const char *key, uint32_t vocab)
{
    uint64_t id = 0;

    return ngt_json_get_u64(root, key, &id) && id < vocab ? (uint32_t)id : NGT_NO_ID;
}

static enum ngt_status check_kind(const struct ngt_json *root, const char *path,
                                  struct ngt_error *reterr)
{
    static const char *const switches[] = {"attention_bias", "mlp_bias"};
    const char *text = NULL;

    if (!ngt_json_get_string(root, "model_type", &text) || strcmp(text, "llama") != 0)
        return unsupported(path, "a \"model_type\" other than \"llama\"", reterr);
    if (ngt_json_get_string(root, "hidden_act", &text) && strcmp(text, "silu") != 0)
        return unsupported(path, "a \"hidden_act\" other than \"silu\"", reterr);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        const struct ngt_json *v = ngt_json_get(root, switches[i]);
        if (v && v->type == NGT_JSON_TRUE)
            return unsupported(path, switches[i], reterr);
    }
    const struct ngt_json *scaling = ngt_json_get(root, "rope_scaling");
    if (scaling && scaling->type != NGT_JSON_NULL)
        return unsupported(path, "rope_scaling", reterr);
    return NGT_OK;
}

static enum ngt_status read_config(const char *folder, struct trainer_about *about,
                                   struct ngt_error *reterr)
{
    struct kern_model *m = &about->model;
    const struct member members[] = {
        {"hidden_size", &m->width, 1, 65536, 0},
        {"num_hidden_layers", &m->layers, 1, 1024, 0},
        {"num_attention_heads", &m->heads, 1, 1024, 0},
        {"num_key_value_heads", &m->kv_heads, 1, 1024, UINT32_MAX},
        {"head_dim", &m->head_dim, 2, 1024, UINT32_MAX},
        {"intermediate_size", &m->ffn, 1, 1u << 20, 0},
        {"vocab_size", &m->vocab, 2, UINT32_MAX - 1, 0},
    };
    char *path = ngt_path_join(folder, CONFIG_FILE);
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    struct ngt_json *root = NULL;

    if (!path)
        return no_memory(folder, reterr);
    enum ngt_status status = ngt_file_read(path, 1 << 20, &bytes, &size, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status == NGT_OK)
        status = check_kind(root, path, reterr);
    for (size_t i = 0; status == NGT_OK && i < sizeof members / sizeof *members; i++) {
        const struct ngt_json *v = ngt_json_get(root, members[i].key);
        if (v && v->type == NGT_JSON_U64 && v->u64 >= members[i].low && v->u64 <= members[i].high)
            *members[i].target = (uint32_t)v->u64;
        else if ((!v || v->type == NGT_JSON_NULL) && members[i].fallback)
            *members[i].target = members[i].fallback;
        else
            status = bad_member(path, members[i].key, reterr);
    }
    if (status != NGT_OK)
        goto out;
    if (m->kv_heads == UINT32_MAX)
        m->kv_heads = m->heads;
    if (m->head_dim == UINT32_MAX)
        m->head_dim = m->width / m->heads;
    if (m->kv_heads > m->heads || m->heads % m->kv_heads)
        status = bad_member(path, "num_key_value_heads", reterr);
    else if (m->head_dim < 2 || m->head_dim % 2 || m->head_dim > 1024)
        status = bad_member(path, "head_dim", reterr);
    const struct ngt_json *eps = ngt_json_get(root, "rms_norm_eps");
    const struct ngt_json *theta = ngt_json_get(root, "rope_theta");
    const struct ngt_json *tied = ngt_json_get(root, "tie_word_embeddings");
    m->rms_eps = eps ? (float)eps->number : 1e-6f; /* transformers' own default */
    m->rope_theta = theta ? (float)theta->number : 10000;
    m->untied = !(tied && tied->type == NGT_JSON_TRUE);
    if (status == NGT_OK && !(m->rms_eps > 0 && m->rms_eps < 1))
        status = bad_member(path, "rms_norm_eps", reterr);
    if (status == NGT_OK && !(m->rope_theta > 0 && m->rope_theta < 1e30f))
        status = bad_member(path, "rope_theta", reterr);
    about->bos_id = id_member(root, "bos_token_id", m->vocab);
    about->eos_id = id_member(root, "eos_token_id", m->vocab);
out:
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}

static float from_bits(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static float from_half(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;

    if (exponent == 31)
        return from_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0)
        return from_bits(sign | 0x3f800000u) * (float)fraction * 0x1p-24f;
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

enum dtype { F32, F16, BF16 };
static const char *const dtype_names[] = {"F32", "F16", "BF16"};

static void convert(const uint8_t *from, enum dtype dtype, uint64_t n, float *to)
{
    for (uint64_t i = 0; i < n; i++) {
        uint16_t half;
        if (dtype == F32) {
            memcpy(&to[i], from + 4 * i, 4);
            continue;
        }
        memcpy(&half, from + 2 * i, 2);
        to[i] = dtype == F16 ? from_half(half) : from_bits((uint32_t)half << 16);
    }
}

static enum ngt_status bad_tensor(const char *path, const char *name, const char *what,
                                  struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS, "tensor %s: %s", name, what);
}

static enum ngt_status read_tensor(const char *path, const struct ngt_json *entry,
                                   const struct kern_tensor *t, const uint8_t *data,
                                   uint64_t data_bytes, float *weights, struct ngt_error *reterr)
{
    const struct ngt_json *shape = ngt_json_get(entry, "shape");
    const struct ngt_json *offsets = ngt_json_get(entry, "data_offsets");
    const char *name = NULL;
    uint64_t dims[2] = {0, 1}, n = 0, count = (uint64_t)t->rows * t->cols;
    int dtype = -1;

    if (!entry)
        return bad_tensor(path, t->name, "missing", reterr);
    if (ngt_json_get_string(entry, "dtype", &name))
        for (int i = F32; i <= BF16; i++)
            if (strcmp(dtype_names[i], name) == 0)
                dtype = i;
    if (dtype < 0)
        return bad_tensor(path, t->name, "its type is none of F32, F16, BF16", reterr);
    for (const struct ngt_json *d = shape ? shape->first : NULL; d; d = d->next, n++)
        if (n < 2)
            dims[n] = d->type == NGT_JSON_U64 ? d->u64 : 0;
    if (n < 1 || n > 2 || dims[0] != t->rows || dims[1] != t->cols)
        return bad_tensor(path, t->name, "its shape is not what config.json says", reterr);
    const struct ngt_json *begin = offsets ? offsets->first : NULL;
    const struct ngt_json *end = begin ? begin->next : NULL;
    if (!begin || !end || begin->type != NGT_JSON_U64 || end->type != NGT_JSON_U64 ||
        begin->u64 > end->u64 || end->u64 > data_bytes ||
        end->u64 - begin->u64 != count * (dtype == F32 ? 4 : 2))
        return bad_tensor(path, t->name, "its bytes leave the file or do not fit its shape",
                          reterr);
    convert(data + begin->u64, (enum dtype)dtype, count, weights + t->offset);
    return NGT_OK;
}

/* Tensors nobody asked for: harmless ones by name, others are refused, or the model would differ.
 */
static enum ngt_status check_rest(const char *path, const struct ngt_json *root,
                                  const struct kern_model *model, struct ngt_error *reterr)
{
    for (const struct ngt_json *e = root->first; e; e = e->next) {
        bool known = strcmp(e->key, "__metadata__") == 0 || strstr(e->key, "rotary_emb.inv_freq") ||
                     (!model->untied && strcmp(e->key, "lm_head.weight") == 0);
        for (uint32_t i = 0; !known && i < kern_tensor_count(model); i++) {
            struct kern_tensor t;
            kern_tensor_at(model, i, &t);
            known = strcmp(t.name, e->key) == 0;
        }
        if (!known)
            return bad_tensor(path, e->key, "the model has no such tensor", reterr);
    }
    return NGT_OK;
}

static enum ngt_status read_weights(const char *folder, const struct kern_model *model,
                                    float **ret_weights, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, WEIGHTS_FILE);
    struct ngt_map map = {.fd = -1};
    struct ngt_json *root = NULL;
    float *weights = NULL;
    uint64_t header = 0, floats = kern_parameter_count(model);
    enum ngt_status status = NGT_OK;

    if (!path)
        return no_memory(folder, reterr);
    if (access(path, F_OK) != 0 && errno == ENOENT) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "not there; weights in several files, or in PyTorch's own format, must "
                          "be saved as one safetensors file first");
        goto out;
    }
    status = ngt_map_open(path, &map, reterr);
    if (status != NGT_OK)
        goto out;
    if (map.size >= 8)
        memcpy(&header, map.bytes, 8);
    /* half of the file's floats in 16 bits is the least there can be */
    if (map.size < 8 || header > map.size - 8 || header > 100000000 ||
        floats > (map.size - 8 - header) / 2) {
        status = ngt_fail(reterr, NGT_E_DATA, path, 0, NGT_NO_POS,
                          "not a safetensors file of this model");
        goto out;
    }
    status = ngt_json_parse((const char *)map.bytes + 8, header, path, &root, reterr);
    if (status == NGT_OK && root->type != NGT_JSON_OBJECT)
        status = ngt_fail(reterr, NGT_E_DATA, path, 8, NGT_NO_POS, "the header is no object");
    if (status == NGT_OK)
        status = check_rest(path, root, model, reterr);
    if (status != NGT_OK)
        goto out;
    weights = malloc(floats * sizeof *weights);
    if (!weights) {
        status = no_memory(path, reterr);
        goto out;
    }
    for (uint32_t i = 0; status == NGT_OK && i < kern_tensor_count(model); i++) {
        struct kern_tensor t;
        kern_tensor_at(model, i, &t);
        status = read_tensor(path, ngt_json_get(root, t.name), &t, map.bytes + 8 + header,
                             map.size - 8 - header, weights, reterr);
    }
    if (status == NGT_OK) {
        *ret_weights = weights;
        weights = NULL;
    }
out:
    free(weights);
    ngt_json_free(&root);
    ngt_map_close(&map);
    free(path);
    return status;
}

enum ngt_status trainer_hf_read(const char *folder, struct trainer_about *ret_about,
                                float **ret_weights, struct ngt_error *reterr)
{
    struct trainer_about about = {.config = "{}", .identity = ""};

    ngt_error_clear(reterr);
    enum ngt_status status = read_config(folder, &about, reterr);
    if (status == NGT_OK)
        status = read_weights(folder, &about.model, ret_weights, reterr);
    if (status == NGT_OK)
        *ret_about = about;
    return status;
}
