#include "quarantine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/file.h"
#include "ngt/json.h"

#define HERE NGT_NO_POS, NGT_NO_POS

struct pretok_quarantine {
    char *path;
    struct ngt_output *out;
    char base64[(PRETOK_RAW_LIMIT + 2) / 3 * 4 + 1];
};

enum ngt_status pretok_quarantine_new(const char *path, struct pretok_quarantine **ret_quarantine,
                                      struct ngt_error *reterr)
{
    struct pretok_quarantine *q = calloc(1, sizeof *q);

    if (!q || !(q->path = strdup(path))) {
        free(q);
        return ngt_fail(reterr, NGT_E_NOMEM, path, HERE, "out of memory");
    }
    *ret_quarantine = q;
    return NGT_OK;
}

void pretok_quarantine_free(struct pretok_quarantine **q)
{
    if (!*q)
        return;
    ngt_output_abort(&(*q)->out);
    free((*q)->path);
    free(*q);
    *q = NULL;
}

static void encode64(const uint8_t *from, uint64_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (uint64_t i = 0; i < n; i += 3) {
        uint64_t left = n - i;
        uint32_t group = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) |
                         (left > 2 ? from[i + 2] : 0);
        *out++ = digits[group >> 18];
        *out++ = digits[group >> 12 & 63];
        *out++ = left > 1 ? digits[group >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[group & 63] : '=';
    }
    *out = '\0';
}

static void explain(const struct pretok_record *r, const char *keys, const struct pretok_plan *plan,
                    char *out, size_t room)
{
    const char *option, *value;
    const char *text = pretok_reason_text(r->reason);

    pretok_plan_text(plan, &option, &value);
    if (r->reason == PRETOK_NOT_JSON)
        snprintf(out, room, "%s from byte %" PRIu64 " on", text, r->error_at);
    else if (r->reason == PRETOK_NO_KEY)
        snprintf(out, room, "%s \"%.120s\"; keys: %s", text, value, keys);
    else if (r->reason == PRETOK_BROKEN)
        snprintf(out, room, "%s: %s (byte %" PRIu64 " of it)", text, keys, r->error_at);
    else if (r->reason == PRETOK_CHARSET)
        snprintf(out, room, "%s: %s", text, keys);
    else
        snprintf(out, room, "%s", text);
}

enum ngt_status pretok_quarantine_add(struct pretok_quarantine *q, const struct pretok_item *item,
                                      const uint8_t *raw, const char *keys,
                                      const struct pretok_plan *plan, struct ngt_error *reterr)
{
    const struct pretok_record *r = &item->record;
    struct ngt_json_out out;
    char reason[512];
    enum ngt_status status = NGT_OK;

    if (!q->out)
        status = ngt_output_open(q->path, &q->out, reterr);
    if (status != NGT_OK)
        return status;
    explain(r, keys, plan, reason, sizeof reason);
    encode64(raw, r->raw_bytes, q->base64);
    ngt_json_out_init(&out, true);
    ngt_json_object(&out);
    ngt_json_member_string(&out, "source", item->origin->name);
    if (item->origin->member)
        ngt_json_member_string(&out, "member", item->origin->member);
    if (item->origin->start)
        ngt_json_member_u64(&out, "start", item->origin->start);
    ngt_json_member_u64(&out, "record", r->record);
    ngt_json_member_u64(&out, "offset", r->offset);
    ngt_json_member_string(&out, "reason", reason);
    ngt_json_member_u64(&out, "bytes", r->full_bytes);
    ngt_json_member_string(&out, "raw", q->base64);
    ngt_json_object_end(&out);
    status = out.failed ? ngt_fail(reterr, NGT_E_NOMEM, q->path, HERE, "out of memory")
                        : ngt_output_write(q->out, out.bytes, out.size, reterr);
    if (status == NGT_OK && (out.size == 0 || out.bytes[out.size - 1] != '\n'))
        status = ngt_output_write(q->out, "\n", 1, reterr);
    ngt_json_out_done(&out);
    return status;
}

enum ngt_status pretok_quarantine_commit(struct pretok_quarantine *q, uint64_t *ret_bytes,
                                         struct ngt_error *reterr)
{
    *ret_bytes = 0;
    if (q->out) {
        *ret_bytes = ngt_output_size(q->out);
        return ngt_output_commit(&q->out, reterr);
    }
    if (unlink(q->path) != 0 && errno != ENOENT)
        return ngt_fail(reterr, NGT_E_IO, q->path, HERE, "cannot remove");
    return NGT_OK;
}
