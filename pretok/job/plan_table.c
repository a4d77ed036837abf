#include "job/plan_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "job/real_path.h"
#include "ngt/checked.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define HEAD 64u
#define UNIT 64u
#define INPUT 40u
#define HASH_AT 56u

static const char magic[8] = "NGTPLAN1";

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the plan");
}

static void put(uint8_t *to, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)(v >> 8 * i);
}

static uint64_t get(const uint8_t *from, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint64_t)from[i] << 8 * i;
    return v;
}

/* ---- writing ---- */

/* The string of an input, in a buffer that grows. */
struct spelling {
    struct pretok_real_path cache;
    char *bytes;
    uint64_t size, room;
    uint64_t name, etag; /* where they begin; etag 0: none */
};

static bool spell(struct spelling *s, const struct pretok_input *in)
{
    char *path = in->path ? pretok_real_path(&s->cache, in->path) : NULL;
    uint64_t p = path ? strlen(path) : 0, n = strlen(in->name);
    bool ends = path && p >= n && strcmp(path + p - n, in->name) == 0;
    uint64_t named = (path ? p + 1 : 0) + (ends ? 0 : n + 1), e = in->etag ? strlen(in->etag) : 0,
             size = named + (in->etag ? e + 1 : 0);

    if (in->path && !path)
        return false;
    if (size > s->room) {
        char *grown = realloc(s->bytes, size * 2);
        if (!grown) {
            free(path);
            return false;
        }
        s->bytes = grown;
        s->room = size * 2;
    }
    if (path)
        memcpy(s->bytes, path, p + 1);
    if (!ends)
        memcpy(s->bytes + named - n - 1, in->name, n + 1);
    if (in->etag)
        memcpy(s->bytes + named, in->etag, e + 1);
    s->name = named - n - 1;
    s->etag = in->etag ? named : 0;
    s->size = size;
    free(path);
    return true;
}

static void encode_input(const struct pretok_input *in, const struct spelling *s,
                         uint8_t out[INPUT])
{
    memset(out, 0, INPUT);
    put(out, s->size, 4);
    put(out + 4, s->name, 4);
    put(out + 8, in->size, 8);
    put(out + 16, in->mtime, 8);
    put(out + 24, in->head_tail, 8);
    out[32] = (uint8_t)in->format;
    out[33] = (uint8_t)((in->plain ? 1 : 0) | (in->path ? 2 : 0));
    put(out + 36, s->etag, 4);
}

/* The records of all units; *ret_strings: bytes of all strings. */
static enum ngt_status encode_units(const struct pretok_plan *p, uint8_t *units, struct spelling *s,
                                    uint64_t *ret_strings, struct ngt_error *reterr)
{
    const uint64_t base = HEAD + UNIT * p->unit_count + INPUT * p->inputs.count;
    uint64_t at = base, next = 0, last = 0; /* of the next input, and of the one before */
    uint8_t record[INPUT];
    enum ngt_status status = NGT_OK;

    for (uint64_t u = 0; u < p->unit_count && status == NGT_OK; u++) {
        const struct pretok_unit *unit = &p->units[u];
        uint8_t *out = units + UNIT * u;
        bool again = unit->first_input < next; /* another part of a file */
        /* strings come behind records in the file, and in the hash */
        struct ngt_digest_stream *hash = ngt_digest_stream_new64();
        char *gathered = NULL;
        uint64_t size = 0, room = 0;
        memset(out, 0, UNIT);
        put(out, unit->first_input, 8);
        put(out + 8, unit->input_count, 8);
        put(out + 16, unit->start, 8);
        put(out + 24, unit->bytes, 8);
        put(out + 32, unit->text_start, 8);
        put(out + 40, again ? last : at, 8);
        out[48] = unit->part ? 1 : 0;
        if (!hash)
            status = no_memory(reterr);
        else
            ngt_digest_stream_add(hash, out, HASH_AT);
        for (uint64_t i = 0; i < unit->input_count && status == NGT_OK; i++) {
            const struct pretok_input *in = &p->inputs.items[unit->first_input + i];
            if (!spell(s, in)) {
                status = no_memory(reterr);
                break;
            }
            encode_input(in, s, record);
            ngt_digest_stream_add(hash, record, INPUT);
            if (size + s->size > room) {
                char *grown = realloc(gathered, room = (size + s->size) * 2);
                if (!grown) {
                    status = no_memory(reterr);
                    break;
                }
                gathered = grown;
            }
            memcpy(gathered + size, s->bytes, s->size);
            size += s->size;
        }
        if (status == NGT_OK) {
            ngt_digest_stream_add(hash, gathered, size);
            put(out + HASH_AT, ngt_digest_stream_value64(hash), 8);
            if (!again) {
                last = at;
                at += size;
                next = unit->first_input + unit->input_count;
            }
        }
        ngt_digest_stream_free(&hash);
        free(gathered);
    }
    *ret_strings = at - base;
    return status;
}

enum ngt_status pretok_plan_table_write(const struct pretok_plan *plan, const char *path,
                                        uint64_t *ret_root, struct ngt_error *reterr)
{
    uint8_t head[HEAD] = {0}, record[INPUT], *units = calloc(plan->unit_count + 1, UNIT);
    struct spelling s = {0};
    struct ngt_output *out = NULL;
    uint64_t strings = 0, root;
    enum ngt_status status = units ? NGT_OK : no_memory(reterr);

    if (status == NGT_OK)
        status = encode_units(plan, units, &s, &strings, reterr);
    if (status == NGT_OK)
        status = ngt_output_open(path, &out, reterr);
    if (status != NGT_OK)
        goto out;
    root = ngt_digest64(units, UNIT * plan->unit_count);
    memcpy(head, magic, sizeof magic);
    put(head + 8, plan->inputs.count, 8);
    put(head + 16, plan->unit_count, 8);
    put(head + 24, strings, 8);
    put(head + 32, root, 8);
    put(head + HASH_AT, ngt_digest64(head, HASH_AT), 8);
    status = ngt_output_write(out, head, sizeof head, reterr);
    if (status == NGT_OK)
        status = ngt_output_write(out, units, UNIT * plan->unit_count, reterr);
    for (int strings_now = 0; strings_now < 2; strings_now++)
        for (uint64_t i = 0; i < plan->inputs.count && status == NGT_OK; i++) {
            if (!spell(&s, &plan->inputs.items[i]))
                status = no_memory(reterr);
            encode_input(&plan->inputs.items[i], &s, record);
            if (status == NGT_OK)
                status = strings_now ? ngt_output_write(out, s.bytes, s.size, reterr)
                                     : ngt_output_write(out, record, INPUT, reterr);
        }
    if (status == NGT_OK)
        status = ngt_output_commit(&out, reterr);
    if (status == NGT_OK)
        *ret_root = root;
out:
    ngt_output_abort(&out);
    pretok_real_path_done(&s.cache);
    free(s.bytes);
    free(units);
    return status;
}

/* ---- reading ---- */

/* Zeros that take memory where they are written only. */
static void *vast(uint64_t count, uint64_t size)
{
    uint64_t bytes;
    void *at = MAP_FAILED;

    if (!ngt_mul_u64(&bytes, count ? count : 1, size))
        at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static bool read_input(const uint8_t *record, const uint8_t *strings, uint64_t left,
                       struct pretok_input *in, uint64_t *ret_used)
{
    uint64_t size = get(record, 4), name = get(record + 4, 4), etag = get(record + 36, 4);

    if (size == 0 || size > left || name >= size || etag >= size || strings[size - 1] != '\0' ||
        record[32] > PRETOK_FORMAT_PARQUET)
        return false;
    in->path = record[33] & 2 ? (char *)(uintptr_t)strings : NULL;
    in->name = (char *)(uintptr_t)strings + name;
    in->etag = etag ? (char *)(uintptr_t)strings + etag : NULL;
    in->size = get(record + 8, 8);
    in->mtime = get(record + 16, 8);
    in->head_tail = get(record + 24, 8);
    in->format = (enum pretok_format)record[32];
    in->plain = record[33] & 1;
    *ret_used = size;
    return true;
}

static bool read_unit(struct pretok_plan *p, uint64_t u)
{
    const uint8_t *file = p->table.bytes, *record = file + HEAD + UNIT * u;
    const uint8_t *inputs = file + HEAD + UNIT * p->unit_count;
    struct pretok_unit *unit = &p->units[u];
    uint64_t strings = get(record + 40, 8), used, at;
    struct ngt_digest_stream *hash = ngt_digest_stream_new64();
    bool good = hash != NULL;

    *unit = (struct pretok_unit){.first_input = get(record, 8),
                                 .input_count = get(record + 8, 8),
                                 .start = get(record + 16, 8),
                                 .bytes = get(record + 24, 8),
                                 .text_start = get(record + 32, 8),
                                 .part = record[48] & 1};
    good = good && unit->input_count && unit->first_input < p->inputs.count &&
           unit->input_count <= p->inputs.count - unit->first_input &&
           strings >= HEAD + UNIT * p->unit_count + INPUT * p->inputs.count &&
           strings <= p->table.size;
    at = strings;
    if (good)
        ngt_digest_stream_add(hash, record, HASH_AT);
    for (uint64_t i = unit->first_input; good && i < unit->first_input + unit->input_count; i++) {
        good = read_input(inputs + INPUT * i, file + at, p->table.size - at, &p->inputs.items[i],
                          &used);
        if (good)
            ngt_digest_stream_add(hash, inputs + INPUT * i, INPUT);
        at += good ? used : 0;
    }
    if (good) {
        ngt_digest_stream_add(hash, file + strings, at - strings);
        good = ngt_digest_stream_value64(hash) == get(record + HASH_AT, 8);
    }
    ngt_digest_stream_free(&hash);
    return good;
}

enum ngt_status pretok_plan_table_read(const char *path, uint64_t root,
                                       const struct pretok_plan_share *share, struct pretok_plan *p,
                                       struct ngt_error *reterr)
{
    const uint64_t first = share ? share->task - 1 : 0, step = share ? share->tasks : 1;
    uint64_t units, inputs, all;
    enum ngt_status status = ngt_map_open(path, &p->table, reterr);

    if (status != NGT_OK)
        return status;
    p->mapped = true;
    const uint8_t *head = p->table.bytes;
    if (p->table.size < HEAD || memcmp(head, magic, sizeof magic) != 0 ||
        get(head + HASH_AT, 8) != ngt_digest64(head, HASH_AT) || get(head + 32, 8) != root)
        goto damaged;
    p->inputs.count = get(head + 8, 8);
    p->unit_count = get(head + 16, 8);
    if (ngt_mul_u64(&units, p->unit_count, UNIT) || ngt_mul_u64(&inputs, p->inputs.count, INPUT) ||
        ngt_add_u64(&all, units, inputs) || ngt_add_u64(&all, all, HEAD) ||
        ngt_add_u64(&all, all, get(head + 24, 8)) || all != p->table.size ||
        (!share && ngt_digest64(head + HEAD, units) != root))
        goto damaged;
    p->inputs.items = vast(p->inputs.count, sizeof *p->inputs.items);
    p->units = vast(p->unit_count, sizeof *p->units);
    if (!p->inputs.items || !p->units)
        return no_memory(reterr);
    for (uint64_t u = first; u < p->unit_count; u += step)
        if (!read_unit(p, u))
            goto damaged;
    return ngt_map_check(&p->table, reterr);
damaged:
    status = ngt_fail(reterr, NGT_E_DATA, path, HERE,
                      "the plan's table is damaged, or not this plan's; start again in another "
                      "folder");
    return ngt_map_outcome(&p->table, status, reterr);
}

void pretok_plan_table_close(struct pretok_plan *p)
{
    if (p->inputs.items)
        munmap(p->inputs.items, (p->inputs.count ? p->inputs.count : 1) * sizeof *p->inputs.items);
    if (p->units)
        munmap(p->units, (p->unit_count ? p->unit_count : 1) * sizeof *p->units);
    p->inputs.items = NULL;
    p->inputs.count = 0;
    p->units = NULL;
    ngt_map_close(&p->table);
}
