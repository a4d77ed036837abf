#include "record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HERE NGT_NO_POS, NGT_NO_POS
#define RECORD_FILE "pack.json"
#define RECORD_LIMIT (1ull << 32)

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
}

static bool add(struct packer_record *r, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool add(struct packer_record *r, const char *key, const char *format, ...)
{
    va_list args;
    char *value = NULL;

    va_start(args, format);
    if (vasprintf(&value, format, args) < 0)
        value = NULL;
    va_end(args);
    char *name = strdup(key);
    struct ngt_pair *larger = realloc(r->options, (r->option_count + 1) * sizeof *larger);
    if (larger)
        r->options = larger;
    if (!value || !name || !larger) {
        free(value);
        free(name);
        return false;
    }
    r->options[r->option_count++] = (struct ngt_pair){name, value};
    return true;
}

/* Of all drop lists, in their order. */
static uint64_t drops_hash(const struct ngt_dataset *set)
{
    uint64_t hash = 0;

    for (uint64_t i = 0; i < set->count; i++)
        if (set->drops[i] && (i == 0 || set->drops[i] != set->drops[i - 1])) {
            uint64_t pair[2] = {hash, ngt_drops_hash(set->drops[i])};
            hash = ngt_digest64(pair, sizeof pair);
        }
    return hash;
}

enum ngt_status packer_record_new(const struct ngt_dataset *set, const struct packer_config *config,
                                  const char *side, struct packer_record *ret_record,
                                  struct ngt_error *reterr)
{
    struct packer_record r = {0};
    const struct ngt_pair *pairs;
    uint64_t count;
    enum ngt_status status =
        ngt_reader_pairs(set->readers[0], NGT_S_OPTIONS, &pairs, &count, reterr);
    bool good = status == NGT_OK;

    good = good && add(&r, "method", "%s", packer_method_names[config->method]);
    good = good && add(&r, "seq-len", "%" PRIu64, config->seq_len);
    good = good && add(&r, "seed", "%" PRIu64, config->seed);
    good = good && add(&r, "val", "%.17g", config->val_share);
    good = good && add(&r, "side", "%s", side);
    good = good && add(&r, "shard-tokens", "%" PRIu64, config->shard_tokens);
    if (set->dropped)
        good = good &&
               add(&r, "dropped", "%" PRIu64 " (%016" PRIx64 ")", set->dropped, drops_hash(set));
    if (config->shuffle_ids)
        good = good && add(&r, "shuffle-ids", "true");
    for (uint64_t i = 0; good && i < count; i++) {
        char key[128];
        snprintf(key, sizeof key, "input.%s", pairs[i].key);
        good = add(&r, key, "%s", pairs[i].value);
    }
    r.inputs = calloc(set->count + 1, sizeof *r.inputs);
    for (uint64_t i = 0; good && r.inputs && i < set->count; i++) {
        const char *slash = strrchr(set->paths[i], '/');
        r.inputs[i].name = strdup(slash ? slash + 1 : set->paths[i]);
        ngt_digest64_hex(ngt_reader_header_hash(set->readers[i]), r.inputs[i].root);
        r.input_count++;
        good = r.inputs[i].name != NULL;
    }
    if (good && r.inputs) {
        *ret_record = r;
        return NGT_OK;
    }
    packer_record_done(&r);
    return status == NGT_OK ? no_memory(reterr) : status;
}

void packer_record_done(struct packer_record *r)
{
    for (uint64_t i = 0; i < r->option_count; i++) {
        free((char *)(uintptr_t)r->options[i].key);
        free((char *)(uintptr_t)r->options[i].value);
    }
    for (uint64_t i = 0; i < r->input_count; i++)
        free(r->inputs[i].name);
    free(r->options);
    free(r->inputs);
    *r = (struct packer_record){0};
}

void packer_record_json(struct ngt_json_out *j, const struct packer_record *r)
{
    ngt_json_member_pairs(j, "options", r->options, r->option_count);
    ngt_json_key(j, "inputs");
    ngt_json_array(j);
    for (uint64_t i = 0; i < r->input_count; i++) {
        ngt_json_object(j);
        ngt_json_member_string(j, "name", r->inputs[i].name);
        ngt_json_member_string(j, "root", r->inputs[i].root);
        ngt_json_object_end(j);
    }
    ngt_json_array_end(j);
}

void packer_report_json(struct ngt_json_out *j, const struct packer_report *r)
{
    ngt_json_member_u64(j, "seq_len", r->seq_len);
    ngt_json_member_u64(j, "documents", r->documents);
    ngt_json_member_u64(j, "filled_documents", r->filled);
    ngt_json_member_u64(j, "tokens", r->tokens);
    ngt_json_member_u64(j, "targets", r->targets);
    ngt_json_member_u64(j, "sequences", r->sequences);
    ngt_json_member_u64(j, "segments", r->segments);
    ngt_json_member_u64(j, "documents_cut", r->cut);
    ngt_json_member_u64(j, "padding", r->padding);
}

static enum ngt_status differs(const char *path, const char *what, const char *there,
                               const char *wanted, struct ngt_error *reterr)
{
    return ngt_fail(
        reterr, NGT_E_EXISTS, path, HERE,
        "holds another data set: %s is %s there, %s here; choose another folder or remove it", what,
        there, wanted);
}

/* Is the record in this JSON file ours? */
static enum ngt_status compare(const struct packer_record *r, const char *path,
                               struct ngt_error *reterr)
{
    uint8_t *bytes = NULL;
    uint64_t size, i = 0;
    struct ngt_json *root = NULL;
    enum ngt_status status = ngt_file_read(path, RECORD_LIMIT, &bytes, &size, reterr);

    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status != NGT_OK)
        goto out;
    const struct ngt_json *options = ngt_json_get(root, "options"),
                          *inputs = ngt_json_get(root, "inputs");
    if (!options || !inputs || inputs->type != NGT_JSON_ARRAY) {
        status = ngt_fail(reterr, NGT_E_EXISTS, path, HERE,
                          "is not of ngt-pack; choose another folder for packed shards");
        goto out;
    }
    for (i = 0; i < r->option_count && status == NGT_OK; i++) {
        const char *value = "absent";
        if (!ngt_json_get_string(options, r->options[i].key, &value) ||
            strcmp(value, r->options[i].value) != 0)
            status = differs(path, r->options[i].key, value, r->options[i].value, reterr);
    }
    if (status == NGT_OK && inputs->length != r->input_count) {
        char there[24], here[24];
        snprintf(there, sizeof there, "%" PRIu64, inputs->length);
        snprintf(here, sizeof here, "%" PRIu64, r->input_count);
        status = differs(path, "the number of input shards", there, here, reterr);
    }
    i = 0;
    for (const struct ngt_json *in = inputs->first; in && status == NGT_OK; in = in->next, i++) {
        const char *name = "?", *digest = "?";
        if (!ngt_json_get_string(in, "name", &name) || !ngt_json_get_string(in, "root", &digest) ||
            strcmp(digest, r->inputs[i].root) != 0) {
            char what[160];
            snprintf(what, sizeof what, "input shard %s, by its root,", r->inputs[i].name);
            status = differs(path, what, digest, r->inputs[i].root, reterr);
        }
    }
out:
    ngt_json_free(&root);
    free(bytes);
    return status;
}

enum ngt_status packer_record_claim(const struct packer_record *r, const char *folder,
                                    bool *ret_complete, struct ngt_error *reterr)
{
    char *done = ngt_path_join(folder, NGT_DATASET_FILE),
         *path = ngt_path_join(folder, RECORD_FILE);
    struct ngt_json_out j;
    bool claimed;
    enum ngt_status status;

    ngt_json_out_init(&j, false);
    if (!done || !path) {
        status = no_memory(reterr);
        goto out;
    }
    status = ngt_file_find(done, ret_complete, NULL, reterr);
    if (status != NGT_OK)
        goto out;
    if (*ret_complete) {
        status = compare(r, done, reterr);
        goto out;
    }
    status = ngt_file_find(path, &claimed, NULL, reterr);
    if (status != NGT_OK)
        goto out;
    if (claimed) {
        status = compare(r, path, reterr);
        goto out;
    }
    ngt_json_object(&j);
    packer_record_json(&j, r);
    ngt_json_object_end(&j);
    status = j.failed ? no_memory(reterr) : ngt_file_write(path, j.bytes, j.size, reterr);
out:
    ngt_json_out_done(&j);
    free(done);
    free(path);
    return status;
}
