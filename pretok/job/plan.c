#include "job/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/stream.h"
#include "input/zstd_frames.h"
#include "job/plan_table.h"
#include "job/real_path.h"
#include "ngt/file.h"
#include "ngt/json.h"
#include "remote/object.h"
#include "remote/spool.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define PLAN_VERSION 1       /* inputs and units in it */
#define PLAN_TABLE_VERSION 2 /* in a table beside it */
#define PLAN_LIMIT (UINT64_C(1) << 32)

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the plan");
}

/* ---- pairs ---- */

static bool copy_pairs(const struct ngt_pair *from, uint64_t count, struct ngt_pair **ret)
{
    struct ngt_pair *pairs = calloc(count ? count : 1, sizeof *pairs);

    *ret = pairs;
    for (uint64_t i = 0; pairs && i < count; i++) {
        pairs[i] = (struct ngt_pair){strdup(from[i].key), strdup(from[i].value)};
        if (!pairs[i].key || !pairs[i].value)
            return false;
    }
    return pairs != NULL;
}

static void free_pairs(struct ngt_pair *pairs, uint64_t count)
{
    for (uint64_t i = 0; pairs && i < count; i++) {
        free((char *)(uintptr_t)pairs[i].key);
        free((char *)(uintptr_t)pairs[i].value);
    }
    free(pairs);
}

static const char *find_pair(const struct ngt_pair *pairs, uint64_t count, const char *key)
{
    for (uint64_t i = 0; i < count; i++)
        if (strcmp(pairs[i].key, key) == 0)
            return pairs[i].value;
    return NULL;
}

const char *pretok_plan_option(const struct pretok_plan *plan, const char *key)
{
    return find_pair(plan->options, plan->option_count, key);
}

void pretok_plan_text(const struct pretok_plan *plan, const char **ret_option,
                      const char **ret_value)
{
    const char *template = pretok_plan_option(plan, "text_template"),
               *key = pretok_plan_option(plan, "text_key");

    *ret_option = template ? "text-template" : "text-key";
    *ret_value = template ? template : key ? key : "";
}

/* ---- units ---- */

struct units {
    struct pretok_unit *items;
    uint64_t count, room;
};

static bool units_add(struct units *u, struct pretok_unit unit)
{
    if (u->count == u->room) {
        uint64_t room = u->room * 2 + 64;
        struct pretok_unit *grown = realloc(u->items, room * sizeof *grown);
        if (!grown)
            return false;
        u->items = grown;
        u->room = room;
    }
    u->items[u->count++] = unit;
    return true;
}

/* An input that is looked into at places. */
struct places {
    const struct pretok_input *in;
    int fd;                       /* of a file */
    struct pretok_object *object; /* of an address */
};

static enum ngt_status places_open(const struct pretok_input *in,
                                   const struct pretok_remote *remote, struct places *p,
                                   struct ngt_error *reterr)
{
    *p = (struct places){.in = in, .fd = -1};
    if (pretok_url_is(in->path))
        return pretok_object_open(remote, in->address ? in->address : in->path, in->etag,
                                  &p->object, reterr);
    p->fd = open(in->path, O_RDONLY | O_CLOEXEC);
    return p->fd >= 0 ? NGT_OK : ngt_fail(reterr, NGT_E_IO, in->path, HERE, "cannot open");
}

static void places_close(struct places *p)
{
    if (p->fd >= 0)
        close(p->fd);
    pretok_object_close(&p->object);
}

/* At most n bytes from `at` on, *ret_n 0 at the end. */
static enum ngt_status places_read(struct places *p, uint64_t at, uint64_t n, uint8_t *out,
                                   uint64_t *ret_n, struct ngt_error *reterr)
{
    if (p->object) {
        *ret_n = p->in->size - at < n ? p->in->size - at : n;
        return pretok_object_read(p->object, at, *ret_n, out, reterr);
    }
    for (;;) {
        ssize_t got = pread(p->fd, out, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ngt_fail(reterr, NGT_E_IO, p->in->path, at, NGT_NO_POS, "cannot read");
        *ret_n = (uint64_t)got;
        return NGT_OK;
    }
}

/* The first record boundary at or behind `at`: the byte after a newline, or the end. */
static enum ngt_status boundary(struct places *p, uint64_t at, uint64_t *ret,
                                struct ngt_error *reterr)
{
    uint8_t buffer[16384];
    uint64_t from = at - 1; /* a record may begin exactly at `at` */

    while (from < p->in->size) {
        uint64_t got = 0;
        enum ngt_status status = places_read(p, from, sizeof buffer, buffer, &got, reterr);
        if (status != NGT_OK)
            return status;
        if (got == 0)
            break;
        const uint8_t *newline = memchr(buffer, '\n', got);
        if (newline) {
            *ret = from + (uint64_t)(newline - buffer) + 1;
            return NGT_OK;
        }
        from += got;
    }
    *ret = p->in->size;
    return NGT_OK;
}

enum ngt_status pretok_plan_boundary(const struct pretok_input *in,
                                     const struct pretok_remote *remote, uint64_t at, uint64_t *ret,
                                     struct ngt_error *reterr)
{
    struct places places;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = places_open(in, remote, &places, reterr);
    if (status == NGT_OK)
        status = boundary(&places, at, ret, reterr);
    places_close(&places);
    return status;
}

static enum ngt_status cut_plain(struct units *units, const struct pretok_input *in, uint64_t index,
                                 const struct pretok_plan_config *config, struct ngt_error *reterr)
{
    const uint64_t unit_bytes = config->unit_bytes;
    struct places places;
    uint64_t start = 0;
    enum ngt_status status = places_open(in, config->remote, &places, reterr);

    while (start < in->size && status == NGT_OK) {
        uint64_t end = in->size;
        if (in->size - start > unit_bytes)
            status = boundary(&places, start + unit_bytes, &end, reterr);
        if (status == NGT_OK &&
            !units_add(units, (struct pretok_unit){.first_input = index,
                                                   .input_count = 1,
                                                   .start = start,
                                                   .bytes = end - start,
                                                   .text_start = start,
                                                   .part = start != 0 || end != in->size}))
            status = no_memory(reterr);
        start = end;
    }
    places_close(&places);
    return status;
}

/*
 * Whether a file holds one stream of bytes: no archive under its compression. What is damaged is left to the
 * reader, who tells why; but a disk that fails today must not decide where the file is cut.
 */
static enum ngt_status is_one_stream(const char *path, uint64_t size, bool *ret,
                                     struct ngt_error *reterr)
{
    struct pretok_stream_config config = {.place.path = path, .bytes = size};
    struct pretok_stream *stream = NULL;
    struct ngt_error error;
    const char *member = NULL;
    const uint8_t *at;
    uint64_t n;
    bool more = false;
    enum ngt_status status = pretok_stream_open(&config, &stream, &error);

    if (status == NGT_OK)
        status = pretok_stream_next(stream, &more, &member, &error);
    *ret = status == NGT_OK && more && !member;
    if (*ret) /* looking at the first bytes, the stream keeps a failure to itself */
        status = pretok_stream_read(stream, &at, &n, &error);
    pretok_stream_close(&stream);
    if (status != NGT_E_IO && status != NGT_E_NOMEM)
        return NGT_OK;
    if (reterr && reterr->code == NGT_OK)
        *reterr = error;
    return status;
}

/* What an address stands for. */
static enum ngt_status begins_as_zstd(const struct pretok_input *in,
                                      const struct pretok_remote *remote, bool *ret,
                                      struct ngt_error *reterr)
{
    struct places p;
    uint8_t head[512];
    uint64_t n = 0;
    enum ngt_status status = places_open(in, remote, &p, reterr);

    if (status == NGT_OK)
        status = places_read(&p, 0, sizeof head, head, &n, reterr);
    if (status == NGT_OK)
        *ret = pretok_content_of(head, n) == PRETOK_ZSTD;
    places_close(&p);
    return status;
}

/* Whole unless it is zstd with frames to cut at. */
static enum ngt_status cut_compressed(struct units *units, const struct pretok_input *in,
                                      uint64_t index, const struct pretok_plan_config *config,
                                      struct ngt_error *reterr)
{
    const uint64_t unit_bytes = config->unit_bytes;
    struct pretok_zstd_place start = {0, 0};
    struct ngt_map map = {.fd = -1};
    struct pretok_spool spool = {.fd = -1};
    enum ngt_status status = NGT_OK;
    bool frames = true;

    /* The frames' own bytes say how long they are, and they lie everywhere: an object with frames
     * comes here whole. */
    if (pretok_url_is(in->path)) {
        status = begins_as_zstd(in, config->remote, &frames, reterr);
        if (status == NGT_OK && frames)
            status = pretok_spool_fetch(config->remote, in->address ? in->address : in->path,
                                        in->etag, &spool, reterr);
    }
    const char *path = spool.fd >= 0 ? spool.path : in->path;
    if (status == NGT_OK && frames)
        status = ngt_map_open(path, &map, reterr);
    if (status == NGT_OK && frames && map.size != in->size)
        status = ngt_fail(reterr, NGT_E_DATA, in->path, HERE, "changes while it is looked at");
    frames = frames && status == NGT_OK &&
             pretok_content_of(map.bytes, map.size < 512 ? map.size : 512) == PRETOK_ZSTD;
    if (frames)
        status = is_one_stream(path, in->size, &frames, reterr);
    while (start.stored < in->size && status == NGT_OK) {
        struct pretok_zstd_place end = {in->size, 0};
        if (frames && in->size - start.stored > unit_bytes) {
            end = start;
            pretok_zstd_next_cut(map.bytes, map.size, start.stored + unit_bytes, &end);
            status = ngt_map_check(&map, reterr);
        }
        if (status == NGT_OK &&
            !units_add(units,
                       (struct pretok_unit){.first_input = index,
                                            .input_count = 1,
                                            .start = start.stored,
                                            .bytes = end.stored - start.stored,
                                            .text_start = start.text,
                                            .part = start.stored != 0 || end.stored != in->size}))
            status = no_memory(reterr);
        start = end;
    }
    ngt_map_close(&map);
    pretok_spool_close(&spool);
    return status;
}

static int name_against(const void *key, const void *item)
{
    return strcmp(key, ((const struct pretok_input *)item)->name);
}

/* As it was cut before. *ret_done false: it was not there, or is another file now. */
static enum ngt_status cut_as_known(struct units *units, const struct pretok_input *in,
                                    uint64_t index, const struct pretok_plan *known, bool *ret_done,
                                    struct ngt_error *reterr)
{
    const struct pretok_inputs *inputs = known ? &known->inputs : NULL;
    const struct pretok_input *k =
        known ? bsearch(in->name, inputs->items, inputs->count, sizeof *inputs->items, name_against)
              : NULL;
    uint64_t low = 0, high = known ? known->unit_count : 0;

    *ret_done = false;
    if (!k || k->size != in->size || k->mtime != in->mtime || k->head_tail != in->head_tail ||
        k->format != in->format || k->plain != in->plain)
        return NGT_OK;
    const uint64_t there = (uint64_t)(k - inputs->items);
    while (low < high) { /* units rise with their inputs */
        uint64_t middle = low + (high - low) / 2;
        if (known->units[middle].first_input < there)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < known->unit_count && known->units[low].first_input == there; low++) {
        struct pretok_unit u = known->units[low];
        if (u.input_count != 1)
            return NGT_OK; /* a small one then: of another unit_bytes */
        u.first_input = index;
        if (!units_add(units, u))
            return no_memory(reterr);
        *ret_done = true;
    }
    return NGT_OK;
}

static enum ngt_status make_units(const struct pretok_inputs *inputs,
                                  const struct pretok_plan_config *config, struct units *units,
                                  struct ngt_error *reterr)
{
    const uint64_t unit_bytes = config->unit_bytes;
    struct pretok_unit group = {0};

    for (uint64_t i = 0; i < inputs->count; i++) {
        const struct pretok_input *in = &inputs->items[i];
        bool large = in->size > unit_bytes;
        if (group.input_count && (large || in->size > unit_bytes - group.bytes)) {
            if (!units_add(units, group))
                return no_memory(reterr);
            group = (struct pretok_unit){0};
        }
        if (large && in->path && in->format == PRETOK_FORMAT_JSONL &&
            (in->plain || !config->keep_compressed)) {
            bool done;
            enum ngt_status status = cut_as_known(units, in, i, config->known, &done, reterr);
            if (status == NGT_OK && !done)
                status = in->plain ? cut_plain(units, in, i, config, reterr)
                                   : cut_compressed(units, in, i, config, reterr);
            if (status != NGT_OK)
                return status;
            continue;
        }
        if (!group.input_count)
            group.first_input = i;
        group.input_count++;
        group.bytes += in->size;
        if (group.bytes >= unit_bytes) {
            if (!units_add(units, group))
                return no_memory(reterr);
            group = (struct pretok_unit){0};
        }
    }
    if (group.input_count && !units_add(units, group))
        return no_memory(reterr);
    return NGT_OK;
}

bool pretok_plan_is_stream(const struct pretok_plan *plan)
{
    return plan->inputs.count == 1 && !plan->inputs.items[0].path;
}

uint64_t pretok_plan_bytes(const struct pretok_plan *plan, uint64_t unit)
{
    return plan->units[unit - 1].bytes;
}

static int digits(uint64_t n)
{
    int count = 1;

    while (n >= 10) {
        n /= 10;
        count++;
    }
    return count;
}

char *pretok_unit_name(const struct pretok_plan *plan, uint64_t unit, char *out)
{
    int width = digits(plan->unit_count);

    snprintf(out, 64, "%0*" PRIu64, width < 5 ? 5 : width, unit);
    return out;
}

char *pretok_shard_name(const struct pretok_plan *plan, uint64_t unit, uint64_t part, char *out)
{
    int width = digits(plan->unit_count);

    snprintf(out, 64, "%0*" PRIu64 "-%04" PRIu64 ".ngt", width < 5 ? 5 : width, unit, part);
    return out;
}

/* ---- building ---- */

static void add_text(struct ngt_digest_stream *d, const char *s)
{
    ngt_digest_stream_add(d, s, strlen(s) + 1);
}

static void add_number(struct ngt_digest_stream *d, uint64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, n);
    add_text(d, text);
}

static bool set_fingerprint(struct pretok_plan *p)
{
    struct ngt_digest_stream *d = ngt_digest_stream_new64();

    if (!d)
        return false;
    for (uint64_t i = 0; i < p->option_count; i++) {
        add_text(d, p->options[i].key);
        add_text(d, p->options[i].value);
    }
    for (uint64_t i = 0; i < p->identity_count; i++) {
        add_text(d, p->identity[i].key);
        add_text(d, p->identity[i].value);
    }
    for (uint64_t i = 0; i < p->inputs.count; i++) {
        add_text(d, p->inputs.items[i].name);
        add_number(d, p->inputs.items[i].size);
        add_number(d, p->inputs.items[i].head_tail);
    }
    for (uint64_t i = 0; i < p->unit_count; i++) {
        add_number(d, p->units[i].first_input);
        add_number(d, p->units[i].input_count);
        add_number(d, p->units[i].start);
        add_number(d, p->units[i].bytes);
    }
    p->fingerprint = ngt_digest_stream_value64(d);
    ngt_digest_stream_free(&d);
    return true;
}

enum ngt_status pretok_plan_build(struct pretok_plan_config *config, struct pretok_plan *ret_plan,
                                  struct ngt_error *reterr)
{
    struct pretok_plan p = {.inputs = config->inputs,
                            .option_count = config->option_count,
                            .identity_count = config->identity_count};
    struct units units = {0};
    enum ngt_status status;

    ngt_error_clear(reterr);
    config->inputs = (struct pretok_inputs){0};
    status = make_units(&p.inputs, config, &units, reterr);
    p.units = units.items;
    p.unit_count = units.count;
    p.query = config->query ? strdup(config->query) : NULL;
    if (status == NGT_OK && ((config->query && !p.query) ||
                             !copy_pairs(config->options, config->option_count, &p.options) ||
                             !copy_pairs(config->identity, config->identity_count, &p.identity) ||
                             !set_fingerprint(&p)))
        status = no_memory(reterr);
    if (status == NGT_OK)
        *ret_plan = p;
    else
        pretok_plan_done(&p);
    return status;
}

void pretok_plan_done(struct pretok_plan *plan)
{
    if (plan->mapped)
        pretok_plan_table_close(plan);
    pretok_inputs_done(&plan->inputs);
    free(plan->units);
    free(plan->query);
    free_pairs(plan->options, plan->option_count);
    free_pairs(plan->identity, plan->identity_count);
    *plan = (struct pretok_plan){0};
}

/* ---- on disk ---- */

static void write_pairs(struct ngt_json_out *out, const char *key, const struct ngt_pair *pairs,
                        uint64_t count)
{
    ngt_json_key(out, key);
    ngt_json_object(out);
    for (uint64_t i = 0; i < count; i++)
        ngt_json_member_string(out, pairs[i].key, pairs[i].value);
    ngt_json_object_end(out);
}

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
    write_pairs(&out, "options", plan->options, plan->option_count);
    write_pairs(&out, "tokenizer", plan->identity, plan->identity_count);
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
    if (!share && (!units_cover(p) || !set_fingerprint(p) || p->fingerprint != fingerprint))
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
    return units_cover(p) && set_fingerprint(p);
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

/* ---- comparing ---- */

static enum ngt_status compare_pairs(const char *what, const struct ngt_pair *a, uint64_t n,
                                     const struct ngt_pair *b, uint64_t m, const char *path,
                                     struct ngt_error *reterr)
{
    for (uint64_t i = 0; i < n + m; i++) {
        const char *key = i < n ? a[i].key : b[i - n].key;
        const char *x = find_pair(a, n, key), *y = find_pair(b, m, key);
        if (x && y && strcmp(x, y) == 0)
            continue;
        return ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                        "planned with another %s: %s was %s, is now %s; use another folder", what,
                        key, x ? x : "not set", y ? y : "not set");
    }
    return NGT_OK;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static enum ngt_status compare_inputs(const struct pretok_inputs *a, const struct pretok_inputs *b,
                                      const char *path, struct ngt_error *reterr)
{
    uint64_t i = 0;

    for (; i < a->count && i < b->count; i++) {
        const struct pretok_input *x = &a->items[i], *y = &b->items[i];
        int order = strcmp(x->name, y->name);
        if (order < 0)
            break;
        if (order > 0)
            return ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                            "input %s was not planned; use another folder", y->name);
        const char *what = x->size != y->size             ? "its size"
                           : x->head_tail != y->head_tail ? "its content"
                           : !same_text(x->etag, y->etag) ? "its ETag"
                           : x->mtime != y->mtime         ? "its time of modification"
                                                          : NULL;
        if (what)
            return ngt_fail(reterr, NGT_E_MISMATCH, y->path, HERE,
                            "changed since it was planned (%s); use another folder", what);
        if (x->format != y->format)
            return ngt_fail(reterr, NGT_E_MISMATCH, y->path, HERE,
                            "planned as %s, now %s; use another folder",
                            pretok_format_name(x->format), pretok_format_name(y->format));
    }
    if (i < a->count)
        return ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                        "input %s was planned and is missing now", a->items[i].name);
    if (i < b->count)
        return ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                        "input %s was not planned; use another folder", b->items[i].name);
    return NGT_OK;
}

enum ngt_status pretok_plan_compare_options(const struct pretok_plan *planned,
                                            const struct ngt_pair *options, uint64_t option_count,
                                            const struct ngt_pair *identity,
                                            uint64_t identity_count, const char *path,
                                            struct ngt_error *reterr)
{
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = compare_pairs("tokenizer", planned->identity, planned->identity_count, identity,
                           identity_count, path, reterr);
    if (status == NGT_OK)
        status = compare_pairs("option", planned->options, planned->option_count, options,
                               option_count, path, reterr);
    return status;
}

enum ngt_status pretok_plan_compare(const struct pretok_plan *planned,
                                    const struct pretok_plan *now, const char *path,
                                    struct ngt_error *reterr)
{
    enum ngt_status status = pretok_plan_compare_options(
        planned, now->options, now->option_count, now->identity, now->identity_count, path, reterr);

    if (status == NGT_OK)
        status = compare_inputs(&planned->inputs, &now->inputs, path, reterr);
    if (status == NGT_OK && planned->fingerprint != now->fingerprint)
        status = ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                          "the inputs are cut at other places than planned; use another folder");
    return status;
}
