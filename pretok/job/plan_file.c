#include "job/plan_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/plan_table.h"
#include "job/real_path.h"
#include "ngt/file.h"
#include "ngt/json.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define PLAN_VERSION 1       /* inputs and units in it */
#define PLAN_TABLE_VERSION 2 /* in a table beside it */
#define PLAN_LIMIT (UINT64_C(1) << 32)

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the plan");
}

/* ---- writing ---- */

static void write_inputs(struct ngt_json_out *out, const struct pretok_plan *plan)
{
    struct pretok_real_path cache = {0};
    char hex[17];

    ngt_json_key(out, "inputs");
    ngt_json_array(out);
    for (uint64_t i = 0; i < plan->inputs.count; i++) {
        const struct pretok_input *in = &plan->inputs.items[i];
        char *full = in->path ? pretok_real_path(&cache, in->path) : NULL;
        ngt_json_object(out);
        ngt_json_member_string(out, "name", in->name);
        if (in->path)
            ngt_json_member_string(out, "path", full ? full : in->path);
        ngt_json_member_string(out, "format", pretok_format_name(in->format));
        ngt_json_member_bool(out, "plain", in->plain);
        ngt_json_member_u64(out, "bytes", in->size);
        ngt_json_member_u64(out, "mtime_ns", in->mtime);
        ngt_digest64_hex(in->head_tail, hex);
        ngt_json_member_string(out, "head_tail", hex);
        if (in->etag)
            ngt_json_member_string(out, "etag", in->etag);
        ngt_json_object_end(out);
        free(full);
    }
    ngt_json_array_end(out);
    pretok_real_path_done(&cache);
}

static void write_units(struct ngt_json_out *out, const struct pretok_plan *plan)
{
    ngt_json_key(out, "units");
    ngt_json_array(out);
    for (uint64_t i = 0; i < plan->unit_count; i++) {
        const struct pretok_unit *u = &plan->units[i];
        ngt_json_object(out);
        ngt_json_member_u64(out, "first_input", u->first_input);
        ngt_json_member_u64(out, "inputs", u->input_count);
        ngt_json_member_u64(out, "start", u->start);
        ngt_json_member_u64(out, "bytes", u->bytes);
        if (u->text_start != u->start)
            ngt_json_member_u64(out, "text_start", u->text_start);
        ngt_json_member_bool(out, "part", u->part);
        ngt_json_object_end(out);
    }
    ngt_json_array_end(out);
}

/* malloced: the table of the plan at path; NULL: no memory */
static char *table_path(const char *path, uint64_t fingerprint)
{
    const char *slash = strrchr(path, '/');
    char *out = NULL;

    if (asprintf(&out, "%.*splan.%016" PRIx64 ".table", slash ? (int)(slash + 1 - path) : 0, path,
                 fingerprint) < 0)
        return NULL;
    return out;
}

/* The table first: plan.json says that it is there. */
static enum ngt_status save_table(struct ngt_json_out *out, const struct pretok_plan *plan,
                                  const char *path, struct ngt_error *reterr)
{
    char *table = table_path(path, plan->fingerprint), hex[17];
    uint64_t root = 0;
    enum ngt_status status =
        table ? pretok_plan_table_write(plan, table, &root, reterr) : no_memory(reterr);

    ngt_digest64_hex(plan->fingerprint, hex);
    ngt_json_member_string(out, "fingerprint", hex);
    ngt_digest64_hex(root, hex);
    ngt_json_member_string(out, "table_root", hex);
    ngt_json_member_u64(out, "input_count", plan->inputs.count);
    ngt_json_member_u64(out, "unit_count", plan->unit_count);
    free(table);
    return status;
}

enum ngt_status pretok_plan_save(const struct pretok_plan *plan, const char *path, uint64_t small,
                                 struct ngt_error *reterr)
{
    const bool table = plan->inputs.count > small || plan->unit_count > small;
    struct ngt_json_out out;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "plan_version", table ? PLAN_TABLE_VERSION : PLAN_VERSION);
    if (plan->query)
        ngt_json_member_string(&out, "query", plan->query);
    ngt_json_member_pairs(&out, "options", plan->options, plan->option_count);
    ngt_json_member_pairs(&out, "tokenizer", plan->identity, plan->identity_count);
    if (table) {
        status = save_table(&out, plan, path, reterr);
    } else {
        write_inputs(&out, plan);
        write_units(&out, plan);
    }
    ngt_json_object_end(&out);
    if (status == NGT_OK)
        status = out.failed ? no_memory(reterr) : ngt_file_write(path, out.bytes, out.size, reterr);
    ngt_json_out_done(&out);
    return status;
}

/* ---- reading ---- */

static bool read_pairs(const struct ngt_json *object, struct ngt_pair **ret, uint64_t *ret_count)
{
    if (!object || object->type != NGT_JSON_OBJECT)
        return false;
    struct ngt_pair *pairs = calloc(object->length ? object->length : 1, sizeof *pairs);
    *ret = pairs;
    *ret_count = 0;
    for (const struct ngt_json *m = object->first; pairs && m; m = m->next) {
        if (m->type != NGT_JSON_STRING)
            return false;
        pairs[*ret_count] = (struct ngt_pair){strdup(m->key), strdup(m->string)};
        *ret_count += 1;
    }
    return pairs != NULL;
}

static bool get_bool(const struct ngt_json *object, const char *key, bool *ret)
{
    const struct ngt_json *m = ngt_json_get(object, key);

    if (!m || (m->type != NGT_JSON_TRUE && m->type != NGT_JSON_FALSE))
        return false;
    *ret = m->type == NGT_JSON_TRUE;
    return true;
}

static bool read_input(const struct ngt_json *o, struct pretok_input *in)
{
    const char *name, *path = NULL, *format, *hex, *etag;
    char *end;

    if (!ngt_json_get_string(o, "name", &name) || !ngt_json_get_string(o, "format", &format) ||
        !ngt_json_get_string(o, "head_tail", &hex) || !ngt_json_get_u64(o, "bytes", &in->size) ||
        !ngt_json_get_u64(o, "mtime_ns", &in->mtime) || !get_bool(o, "plain", &in->plain))
        return false;
    in->head_tail = strtoull(hex, &end, 16);
    if (strlen(hex) != 16 || *end)
        return false;
    in->format = PRETOK_FORMAT_AUTO;
    for (int f = PRETOK_FORMAT_JSONL; f <= PRETOK_FORMAT_PARQUET; f++)
        if (strcmp(format, pretok_format_name((enum pretok_format)f)) == 0)
            in->format = (enum pretok_format)f;
    in->name = strdup(name);
    if (ngt_json_get_string(o, "path", &path))
        in->path = strdup(path);
    if (ngt_json_get_string(o, "etag", &etag) && !(in->etag = strdup(etag)))
        return false;
    return in->name != NULL && (in->path != NULL) == (path != NULL);
}

/* Units must cover the inputs exactly once and in order: finish relies on it. */
static bool units_cover(const struct pretok_plan *p)
{
    uint64_t input = 0, at = 0;

    for (uint64_t i = 0; i < p->unit_count; i++) {
        const struct pretok_unit *u = &p->units[i];
        if (u->first_input != input || u->input_count == 0 ||
            u->input_count > p->inputs.count - input)
            return false;
        if (!u->part) {
            if (at || u->start)
                return false;
            input += u->input_count;
            continue;
        }
        uint64_t size = p->inputs.items[input].size;
        if (u->input_count != 1 || u->start != at || u->bytes == 0 || u->bytes > size - at)
            return false;
        at += u->bytes;
        if (at == size) {
            at = 0;
            input++;
        }
    }
    return input == p->inputs.count && at == 0;
}

static bool read_head(const struct ngt_json *root, struct pretok_plan *p)
{
    const char *query;

    if (ngt_json_get_string(root, "query", &query) && !(p->query = strdup(query)))
        return false;
    return read_pairs(ngt_json_get(root, "options"), &p->options, &p->option_count) &&
           read_pairs(ngt_json_get(root, "tokenizer"), &p->identity, &p->identity_count);
}

static bool read_hash(const struct ngt_json *root, const char *key, uint64_t *ret)
{
    const char *hex;
    char *end;

    if (!ngt_json_get_string(root, key, &hex) || strlen(hex) != 16)
        return false;
    *ret = strtoull(hex, &end, 16);
    return *end == '\0';
}

static enum ngt_status damaged(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, HERE,
                    "the plan is damaged; start again in another folder");
}

static enum ngt_status load_table(const struct ngt_json *root, const char *path,
                                  const struct pretok_plan_share *share, struct pretok_plan *p,
                                  struct ngt_error *reterr)
{
    uint64_t fingerprint, table_root;
    enum ngt_status status;

    if (!read_head(root, p) || !read_hash(root, "fingerprint", &fingerprint) ||
        !read_hash(root, "table_root", &table_root))
        return damaged(path, reterr);
    char *table = table_path(path, fingerprint);
    status =
        table ? pretok_plan_table_read(table, table_root, share, p, reterr) : no_memory(reterr);
    free(table);
    if (status != NGT_OK)
        return status;
    p->fingerprint = fingerprint;
    if (!share && (!units_cover(p) || !pretok_plan_fingerprint(p) || p->fingerprint != fingerprint))
        return damaged(path, reterr);
    return NGT_OK;
}

static bool read_plan(const struct ngt_json *root, struct pretok_plan *p)
{
    const struct ngt_json *inputs = ngt_json_get(root, "inputs"),
                          *units = ngt_json_get(root, "units");

    if (!read_head(root, p) || !inputs || inputs->type != NGT_JSON_ARRAY || !units ||
        units->type != NGT_JSON_ARRAY)
        return false;
    p->inputs.items = calloc(inputs->length ? inputs->length : 1, sizeof *p->inputs.items);
    p->units = calloc(units->length ? units->length : 1, sizeof *p->units);
    if (!p->inputs.items || !p->units)
        return false;
    for (const struct ngt_json *o = inputs->first; o; o = o->next)
        if (!read_input(o, &p->inputs.items[p->inputs.count++]))
            return false;
    for (const struct ngt_json *o = units->first; o; o = o->next) {
        struct pretok_unit *u = &p->units[p->unit_count++];
        if (!ngt_json_get_u64(o, "first_input", &u->first_input) ||
            !ngt_json_get_u64(o, "inputs", &u->input_count) ||
            !ngt_json_get_u64(o, "start", &u->start) || !ngt_json_get_u64(o, "bytes", &u->bytes) ||
            !get_bool(o, "part", &u->part))
            return false;
        u->text_start = u->start;
        if (ngt_json_get(o, "text_start") && !ngt_json_get_u64(o, "text_start", &u->text_start))
            return false;
    }
    return units_cover(p) && pretok_plan_fingerprint(p);
}

enum ngt_status pretok_plan_load(const char *path, const struct pretok_plan_share *share,
                                 struct pretok_plan *ret_plan, struct ngt_error *reterr)
{
    struct pretok_plan p = {0};
    struct ngt_json *root = NULL;
    uint8_t *bytes = NULL;
    uint64_t size, version;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = ngt_file_read(path, PLAN_LIMIT, &bytes, &size, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status != NGT_OK)
        goto out;
    if (!ngt_json_get_u64(root, "plan_version", &version)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE, "not a plan of pretok");
        goto out;
    }
    if (version != PLAN_VERSION && version != PLAN_TABLE_VERSION) {
        status = ngt_fail(reterr, NGT_E_UNSUPPORTED, path, HERE,
                          "plan version %" PRIu64 "; this program makes version %d", version,
                          PLAN_TABLE_VERSION);
        goto out;
    }
    status = version == PLAN_TABLE_VERSION ? load_table(root, path, share, &p, reterr)
             : read_plan(root, &p)         ? NGT_OK
                                           : damaged(path, reterr);
    if (status != NGT_OK)
        goto out;
    *ret_plan = p;
    p = (struct pretok_plan){0};
out:
    pretok_plan_done(&p);
    ngt_json_free(&root);
    free(bytes);
    return status;
}
