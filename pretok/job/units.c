#include "job/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "input/stream.h"
#include "input/zstd_frames.h"
#include "remote/object.h"
#include "remote/spool.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the plan");
}

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

enum ngt_status pretok_units_boundary(const struct pretok_input *in,
                                      const struct pretok_remote *remote, uint64_t at,
                                      uint64_t *ret, struct ngt_error *reterr)
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
    bool more = false;
    enum ngt_status status = pretok_stream_open(&config, &stream, &error);

    if (status == NGT_OK)
        status = pretok_stream_next(stream, &more, &member, &error);
    *ret = status == NGT_OK && more && !member;
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
    if (status == NGT_OK)
        status = ngt_map_outcome(&map, status, reterr);
    if (frames && status == NGT_OK)
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

static enum ngt_status cut_all(const struct pretok_inputs *inputs,
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

enum ngt_status pretok_units_cut(const struct pretok_inputs *inputs,
                                 const struct pretok_plan_config *config,
                                 struct pretok_unit **ret_units, uint64_t *ret_count,
                                 struct ngt_error *reterr)
{
    struct units units = {0};
    enum ngt_status status = cut_all(inputs, config, &units, reterr);

    if (status == NGT_OK) {
        *ret_units = units.items;
        *ret_count = units.count;
    } else {
        free(units.items);
    }
    return status;
}
