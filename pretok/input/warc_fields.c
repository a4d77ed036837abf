#include "input/warc_fields.h"

#include <stdlib.h>
#include <strings.h>

#include "ngt/json.h"

struct pretok_warc_values {
    const struct pretok_wanted *wanted;
    struct pretok_field *values; /* [wanted->field_count] */
    struct ngt_json_out json;    /* all of them, one behind the other */
};

struct pretok_warc_values *pretok_warc_values_new(const struct pretok_wanted *wanted)
{
    struct pretok_warc_values *v = calloc(1, sizeof *v);

    if (!v)
        return NULL;
    v->wanted = wanted;
    v->values = calloc(wanted->field_count + 1, sizeof *v->values);
    ngt_json_out_init(&v->json, true);
    if (!v->values)
        pretok_warc_values_free(&v);
    return v;
}

void pretok_warc_values_free(struct pretok_warc_values **v)
{
    if (!*v)
        return;
    ngt_json_out_done(&(*v)->json);
    free((*v)->values);
    free(*v);
    *v = NULL;
}

/* A dotted path is a name where "\." stands for its dots; names have no parts. */
static bool is_named(const char *path, const char *name)
{
    for (; *path; path++, name++) {
        if (*path == '.')
            return false;
        if (*path == '\\' && path[1] == '.')
            path++;
        if (strncasecmp(path, name, 1) != 0)
            return false;
    }
    return !*name;
}

static const struct pretok_warc_field *last_named(const struct pretok_warc_field *fields,
                                                  uint64_t count, const char *path)
{
    while (count > 0 && !is_named(path, fields[count - 1].name))
        count--;
    return count ? &fields[count - 1] : NULL;
}

bool pretok_warc_values_take(struct pretok_warc_values *v, const struct pretok_warc_field *fields,
                             uint64_t count, struct pretok_record *record, bool *ret_fit)
{
    const uint64_t wanted = v->wanted->field_count;

    v->json.size = 0;
    for (uint64_t i = 0; i < wanted; i++) {
        const struct pretok_warc_field *f = last_named(fields, count, v->wanted->fields[i]);
        uint64_t start = v->json.size;
        if (f)
            ngt_json_string_n(&v->json, (const char *)f->value, f->bytes);
        v->values[i].bytes = v->json.size - start;
    }
    if (v->json.failed)
        return false;
    *ret_fit = v->json.size <= PRETOK_FIELDS_LIMIT;
    if (!*ret_fit)
        return true;
    /* only now do the bytes stay where they are; a value has two quotes at least */
    const uint8_t *at = (const uint8_t *)v->json.bytes;
    for (uint64_t i = 0; i < wanted; i++) {
        v->values[i].json = v->values[i].bytes ? at : NULL;
        if (at)
            at += v->values[i].bytes;
    }
    record->fields = v->values;
    record->field_count = wanted;
    return true;
}
