#include "trainer/config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/json.h"

/*
 * Defaults by preset: learning rates as usual for these sizes (smaller models bear more), batches
 * of about 2k to 130k tokens, and the sequence lengths of the presets' own table.
 */
struct preset {
    const char *name;
    double lr;
    uint64_t batch, seq_len;
};

static const struct preset presets[] = {
    {"1m", 1e-3, 8, 256},     {"10m", 1e-3, 32, 512},   {"42m", 6e-4, 32, 1024},
    {"124m", 6e-4, 64, 1024}, {"350m", 3e-4, 64, 1024}, {"1.3b", 2e-4, 64, 2048},
};

static const struct preset *find_preset(const char *name)
{
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return &presets[0];
}

uint64_t trainer_preset_seq_len(const char *preset)
{
    return find_preset(preset)->seq_len;
}

enum ngt_status trainer_config_model(const struct trainer_options *o, uint64_t vocab,
                                     struct kern_model *ret_model, struct ngt_error *reterr)
{
    struct kern_model model = {0};

    ngt_error_clear(reterr);
    if (!kern_model_preset(o->model, &model))
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "--model: there is no preset \"%s\"; there are 1m, 10m, 42m, 124m, 350m "
                        "and 1.3b",
                        o->model);
    if (vocab < 2 || vocab > UINT32_MAX)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "a vocabulary of %llu ids cannot be trained on", (unsigned long long)vocab);
    model.vocab = (uint32_t)vocab;
    model.untied = o->untied;
    if (o->kv_given) {
        if (o->kv_heads > model.heads || model.heads % o->kv_heads)
            return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                            "--kv-heads: %llu does not divide the %u heads of %s",
                            (unsigned long long)o->kv_heads, model.heads, o->model);
        model.kv_heads = (uint32_t)o->kv_heads;
    }
    *ret_model = model;
    return NGT_OK;
}

/* The identity of the data: what the shards' header hashes cover is every byte of them. */
static enum ngt_status data_digest(const struct ngt_dataset *set, struct ngt_digest128 *ret,
                                   struct ngt_error *reterr)
{
    struct ngt_digest_stream *stream = ngt_digest_stream_new();

    if (!stream)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the data's identity");
    for (uint64_t i = 0; i < set->count; i++) {
        uint64_t hash = ngt_reader_header_hash(set->readers[i]);
        ngt_digest_stream_add(stream, &hash, sizeof hash);
    }
    *ret = ngt_digest_stream_value128(stream);
    ngt_digest_stream_free(&stream);
    return NGT_OK;
}

enum ngt_status trainer_config_resolve(const struct trainer_options *o,
                                       const struct ngt_dataset *set, uint64_t sequences,
                                       uint64_t seq_len, enum trainer_device device,
                                       uint64_t previous_micro, struct trainer_config *ret_config,
                                       struct ngt_error *reterr)
{
    const struct preset *preset = find_preset(o->model);
    const struct ngt_header *header = ngt_reader_header(set->readers[0]);
    struct trainer_config c = {0};
    struct trainer_schedule *s = &c.schedule;

    ngt_error_clear(reterr);
    enum ngt_status status = trainer_config_model(o, header->vocab_size, &c.model, reterr);
    if (status == NGT_OK)
        status = data_digest(set, &c.data, reterr);
    if (status != NGT_OK)
        return status;
    snprintf(c.model_name, sizeof c.model_name, "%s", o->model);
    c.tokenizer = header->tokenizer;
    c.sequences = sequences;
    c.seq_len = seq_len;
    c.seed = o->seed;
    c.weight_decay = o->weight_decay;
    c.clip = o->clip;
    c.batch = o->batch_given ? o->batch : preset->batch;
    if (o->micro_given) {
        c.micro_batch = o->micro_batch;
    } else if (previous_micro) {
        c.micro_batch = previous_micro;
    } else {
        /* A CPU holds the fp32 logits of a micro-batch: 16384 positions of 32000 ids are 2 GB. A
         * device has about 80 GB; the larger presets take less of it at once, by halves until they fit,
         * which comes sooner with --recompute (cmd_train.c). */
        uint64_t positions = device == TRAINER_CUDA ? 65536 : 4096;
        c.micro_batch = positions / seq_len ? positions / seq_len : 1;
    }
    if (c.micro_batch > c.batch)
        c.micro_batch = c.batch;
    /* one pass over the data: the last step may begin the next one */
    s->steps = o->steps_given ? o->steps : sequences / c.batch + (sequences % c.batch != 0);
    if (o->warmup_given && o->warmup > s->steps)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "--warmup: %llu is more than the %llu steps of the run",
                        (unsigned long long)o->warmup, (unsigned long long)s->steps);
    s->warmup = o->warmup_given ? o->warmup : s->steps / 20 < 2000 ? s->steps / 20 : 2000;
    s->lr = o->lr_given ? o->lr : preset->lr;
    s->min_lr = o->min_lr_given ? o->min_lr : s->lr / 10;
    if (s->min_lr > s->lr)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "--min-lr: %g is more than the learning rate, %g", s->min_lr, s->lr);
    /* sequence numbers (step * batch + row) must fit into 64 bits */
    if (s->steps > UINT64_MAX / 2 / c.batch)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "--steps: %llu steps of %llu sequences are too many to count",
                        (unsigned long long)s->steps, (unsigned long long)c.batch);
    *ret_config = c;
    return NGT_OK;
}

char *trainer_config_text(const struct trainer_config *c)
{
    struct ngt_json_out j;
    char digest[33], *text = NULL;

    ngt_json_out_init(&j, false);
    ngt_json_object(&j);
    ngt_json_member_string(&j, "model", c->model_name);
    ngt_json_member_u64(&j, "vocab", c->model.vocab);
    ngt_json_member_u64(&j, "kv-heads", c->model.kv_heads);
    ngt_json_member_bool(&j, "untied", c->model.untied);
    ngt_json_member_u64(&j, "steps", c->schedule.steps);
    ngt_json_member_u64(&j, "warmup", c->schedule.warmup);
    ngt_json_member_double(&j, "lr", c->schedule.lr);
    ngt_json_member_double(&j, "min-lr", c->schedule.min_lr);
    ngt_json_member_double(&j, "weight-decay", c->weight_decay);
    ngt_json_member_double(&j, "clip", c->clip);
    ngt_json_member_u64(&j, "batch", c->batch);
    ngt_json_member_u64(&j, "micro-batch", c->micro_batch);
    ngt_json_member_u64(&j, "seq-len", c->seq_len);
    ngt_json_member_u64(&j, "seed", c->seed);
    ngt_json_member_u64(&j, "sequences", c->sequences);
    ngt_digest128_hex(c->tokenizer, digest);
    ngt_json_member_string(&j, "tokenizer", digest);
    ngt_digest128_hex(c->data, digest);
    ngt_json_member_string(&j, "data", digest);
    ngt_json_object_end(&j);
    if (!j.failed)
        text = strdup(j.bytes);
    ngt_json_out_done(&j);
    return text;
}

/* A scalar as it would be typed. */
static void scalar_text(const struct ngt_json *v, char *out, size_t size)
{
    if (!v)
        snprintf(out, size, "nothing");
    else if (v->type == NGT_JSON_STRING)
        snprintf(out, size, "%s", v->string);
    else if (v->type == NGT_JSON_U64)
        snprintf(out, size, "%llu", (unsigned long long)v->u64);
    else if (v->type == NGT_JSON_NUMBER)
        snprintf(out, size, "%.17g", v->number);
    else
        snprintf(out, size, "%s", v->type == NGT_JSON_TRUE ? "on" : "off");
}

/* Short where that is exact: 0.001, not 0.001000000000000000002 */
static void shorten(const struct ngt_json *v, char *out, size_t size)
{
    if (v && v->type == NGT_JSON_NUMBER)
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(out, size, "%.*g", digits, v->number);
            if (strtod(out, NULL) == v->number)
                return;
        }
}

enum ngt_status trainer_config_compare(const char *old_text, const char *new_text,
                                       const char *old_path, struct ngt_error *reterr)
{
    struct ngt_json *old = NULL, *new = NULL;
    char a[64], b[64];

    ngt_error_clear(reterr);
    enum ngt_status status = ngt_json_parse(old_text, strlen(old_text), old_path, &old, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse(new_text, strlen(new_text), NULL, &new, reterr);
    for (const struct ngt_json *n = new ? new->first : NULL; status == NGT_OK &&n; n = n->next) {
        const struct ngt_json *o = ngt_json_get(old, n->key);
        scalar_text(o, a, sizeof a);
        scalar_text(n, b, sizeof b);
        if (strcmp(a, b) == 0)
            continue;
        shorten(o, a, sizeof a);
        shorten(n, b, sizeof b);
        if (strcmp(n->key, "data") == 0 || strcmp(n->key, "sequences") == 0 ||
            strcmp(n->key, "tokenizer") == 0 || strcmp(n->key, "vocab") == 0)
            status = ngt_fail(reterr, NGT_E_MISMATCH, old_path, NGT_NO_POS, NGT_NO_POS,
                              "the shards are not those the run began with (%s was %s, is %s); "
                              "give those, or another run folder with -o",
                              n->key, a, b);
        else
            status = ngt_fail(reterr, NGT_E_MISMATCH, old_path, NGT_NO_POS, NGT_NO_POS,
                              "--%s: the run began with %s, now it is %s; give the old value, or "
                              "another run folder with -o",
                              n->key, a, b);
    }
    ngt_json_free(&old);
    ngt_json_free(&new);
    return status;
}
