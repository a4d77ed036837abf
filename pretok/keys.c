#include "keys.h"

#include <stdlib.h>
#include <string.h>

#include "input/key_tree.h"
#include "ngt/json.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the keys of records");
}

static enum ngt_status add_field(struct pretok_keys *k, const char *path, const char *option,
                                 uint64_t *ret_field, struct ngt_error *reterr)
{
    enum ngt_status status = pretok_key_path_check(path, option, reterr);

    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < k->field_count; i++)
        if (strcmp(k->fields[i], path) == 0) {
            *ret_field = i;
            return NGT_OK;
        }
    if (!(k->fields[k->field_count] = strdup(path)))
        return no_memory(reterr);
    *ret_field = k->field_count++;
    return NGT_OK;
}

/* `"PATH":` as it stands in front of the value. malloced; NULL: no memory. */
static char *json_name(const char *path)
{
    struct ngt_json_out out;
    char *name = NULL;

    ngt_json_out_init(&out, true);
    ngt_json_string(&out, path);
    if (!out.failed && (name = malloc(out.size + 2)) != NULL) {
        uint64_t n = out.size;
        memcpy(name, out.bytes, n);
        while (n && name[n - 1] == '\n')
            n--;
        memcpy(name + n, ":", 2);
    }
    ngt_json_out_done(&out);
    return name;
}

static enum ngt_status add_meta(struct pretok_keys *k, const char *list, struct ngt_error *reterr)
{
    char *path = malloc(strlen(list) + 1);
    enum ngt_status status = path ? NGT_OK : no_memory(reterr);

    for (const char *at = list; at && status == NGT_OK;) {
        uint64_t n = 0;
        for (; *at && *at != ','; at++) {
            if (at[0] == '\\' && at[1] == ',')
                at++;
            path[n++] = *at;
        }
        path[n] = '\0';
        at = *at ? at + 1 : NULL;
        struct pretok_meta_key *m = &k->meta[k->meta_count];
        status = add_field(k, path, "meta-keys", &m->field, reterr);
        for (uint64_t i = 0; i < k->meta_count && status == NGT_OK; i++)
            if (k->meta[i].field == m->field)
                status = ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                                  "--meta-keys names \"%.80s\" twice", path);
        if (status != NGT_OK)
            break;
        k->meta_count++;
        if (!(m->name = json_name(path)))
            status = no_memory(reterr);
    }
    free(path);
    return status;
}

enum ngt_status pretok_keys_new(const struct pretok_keys_config *config,
                                struct pretok_keys *ret_keys, struct ngt_error *reterr)
{
    struct pretok_keys k = {.id = PRETOK_NO_FIELD, .split = PRETOK_NO_FIELD};
    uint64_t most = (config->meta_keys ? strlen(config->meta_keys) : 0) + 3;
    enum ngt_status status;

    ngt_error_clear(reterr);
    k.fields = calloc(most, sizeof *k.fields);
    k.meta = calloc(most, sizeof *k.meta);
    if (!k.fields || !k.meta)
        status = no_memory(reterr);
    else if (config->text_template)
        status = pretok_template_parse(config->text_template, &k.text, reterr);
    else
        status = pretok_template_of_key(config->text_key, &k.text, reterr);
    if (status == NGT_OK && config->id_key)
        status = add_field(&k, config->id_key, "id-key", &k.id, reterr);
    if (status == NGT_OK && config->split_key)
        status = add_field(&k, config->split_key, "split-by-key", &k.split, reterr);
    if (status == NGT_OK && config->meta_keys)
        status = add_meta(&k, config->meta_keys, reterr);
    if (status == NGT_OK)
        *ret_keys = k;
    else
        pretok_keys_done(&k);
    return status;
}

void pretok_keys_done(struct pretok_keys *k)
{
    pretok_template_done(&k->text);
    for (uint64_t i = 0; i < k->field_count; i++)
        free(k->fields[i]);
    for (uint64_t i = 0; i < k->meta_count; i++)
        free(k->meta[i].name);
    free(k->fields);
    free(k->meta);
    *k = (struct pretok_keys){0};
}

struct pretok_wanted pretok_keys_wanted(const struct pretok_keys *k)
{
    return (struct pretok_wanted){
        .text = &k->text, .fields = (const char *const *)k->fields, .field_count = k->field_count};
}
