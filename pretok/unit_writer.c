#include "unit_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "job/failure.h"
#include "ngt/file.h"
#include "quarantine.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define JUDGE_FROM 1000u /* records before a unit is judged while it runs */

struct pretok_unit_writer {
    struct pretok_writer_config config;
    uint64_t unit;
    struct ngt_writer *shard;      /* the open one */
    uint64_t origin;               /* serial of the last one; 0: none since the shard began */
    uint32_t origin_index;         /* of origin in the shard */
    struct pretok_ledger part;     /* since the shard began */
    uint64_t excused;              /* see pretok_batch */
    struct pretok_receipt receipt; /* sources are not in it until the commit */
    uint64_t shard_room;
    struct pretok_quarantine *quarantine;
};

static enum ngt_status no_memory(const struct pretok_unit_writer *w, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, w->config.folder, HERE, "out of memory for a unit");
}

enum ngt_status pretok_unit_writer_new(const struct pretok_writer_config *config, uint64_t unit,
                                       struct pretok_unit_writer **ret_writer,
                                       struct ngt_error *reterr)
{
    struct pretok_unit_writer *w = calloc(1, sizeof *w);
    char *path = pretok_quarantine_path(config->plan, config->folder, unit);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!w || !path) {
        status = ngt_fail(reterr, NGT_E_NOMEM, config->folder, HERE, "out of memory for a unit");
        goto out;
    }
    w->config = *config;
    w->unit = unit;
    w->receipt.unit = unit;
    w->receipt.fingerprint = config->plan->fingerprint;
    status = pretok_quarantine_new(path, &w->quarantine, reterr);
out:
    free(path);
    if (status == NGT_OK)
        *ret_writer = w;
    else
        pretok_unit_writer_free(&w);
    return status;
}

void pretok_unit_writer_free(struct pretok_unit_writer **writer)
{
    struct pretok_unit_writer *w = *writer;

    if (!w)
        return;
    ngt_writer_abort(&w->shard);
    pretok_quarantine_free(&w->quarantine);
    pretok_receipt_done(&w->receipt);
    free(w);
    *writer = NULL;
}

const struct pretok_ledger *pretok_unit_writer_ledger(const struct pretok_unit_writer *w)
{
    return &w->receipt.ledger;
}

/* ---- shards ---- */

static enum ngt_status open_shard(struct pretok_unit_writer *w, struct ngt_error *reterr)
{
    const struct pretok_writer_config *c = &w->config;
    const struct ngt_vocabulary *vocabulary = tok_vocabulary(c->tokenizer);
    struct ngt_writer_config config = {
        .kind = NGT_DOCUMENTS,
        .vocab_size = vocabulary->count,
        .bos_id = c->bos_id,
        .eos_id = c->eos_id,
        .pad_id = c->pad_id,
        .flags = (c->bos ? NGT_FLAG_BOS_ADDED : 0) | (c->eos ? NGT_FLAG_EOS_ADDED : 0),
        .tokenizer = tok_digest(c->tokenizer),
        .options = c->plan->options,
        .option_count = c->plan->option_count,
        .identity = c->identity,
        .identity_count = c->identity_count,
        .vocabulary = vocabulary,
    };
    char name[64];
    char *path = ngt_path_join(
        c->folder, pretok_shard_name(c->plan, w->unit, w->receipt.shard_count + 1, name));
    enum ngt_status status;

    if (!path)
        return no_memory(w, reterr);
    status = ngt_writer_open(path, &config, &w->shard, reterr);
    free(path);
    w->origin = 0;
    return status;
}

static enum ngt_status close_shard(struct pretok_unit_writer *w, struct ngt_error *reterr)
{
    struct ngt_counter counters[PRETOK_LEDGER_COUNTERS];
    struct pretok_receipt *r = &w->receipt;
    enum ngt_status status;

    if (!w->shard)
        return NGT_OK;
    if (r->shard_count == w->shard_room) {
        uint64_t room = w->shard_room * 2 + 8;
        struct pretok_receipt_shard *grown = realloc(r->shards, room * sizeof *grown);
        if (!grown)
            return no_memory(w, reterr);
        r->shards = grown;
        w->shard_room = room;
    }
    struct pretok_receipt_shard *s = &r->shards[r->shard_count];
    memset(s, 0, sizeof *s);
    pretok_shard_name(w->config.plan, w->unit, r->shard_count + 1, s->name);
    status = ngt_writer_commit(&w->shard, counters, pretok_ledger_counters(&w->part, counters),
                               &s->summary, reterr);
    if (status == NGT_OK)
        r->shard_count++;
    w->part = (struct pretok_ledger){0};
    return status;
}

/* ---- records ---- */

static enum ngt_status add_document(struct pretok_unit_writer *w, const struct pretok_batch *b,
                                    const struct pretok_item *item, struct pretok_ledger *l,
                                    struct ngt_error *reterr)
{
    const uint64_t limit = w->config.shard_tokens;
    enum ngt_status status = NGT_OK;

    if (w->shard) {
        uint64_t docs = ngt_writer_docs(w->shard), tokens = ngt_writer_tokens(w->shard);
        if (docs &&
            (docs >= PRETOK_SHARD_DOCS || tokens >= limit || item->ids_count > limit - tokens)) {
            /* what was counted of this batch so far belongs to the shard that ends here */
            pretok_ledger_add(&w->part, l);
            pretok_ledger_add(&w->receipt.ledger, l);
            *l = (struct pretok_ledger){0};
            status = close_shard(w, reterr);
        }
    }
    if (status == NGT_OK && !w->shard)
        status = open_shard(w, reterr);
    if (status == NGT_OK && w->origin != item->origin->serial) {
        struct ngt_source source = {.name = item->origin->name,
                                    .member = item->origin->member,
                                    .start = item->origin->start};
        status = ngt_writer_source(w->shard, &source, &w->origin_index, reterr);
        w->origin = item->origin->serial;
    }
    if (status != NGT_OK)
        return status;
    struct ngt_doc doc = {
        .ids = b->ids.ids + item->ids_start,
        .count = item->ids_count,
        .source = w->origin_index,
        .record = item->record.record,
        .offset = item->record.offset,
    };
    l->records++;
    l->documents++;
    l->empty += item->record.text_bytes == 0;
    l->text_bytes += item->record.text_bytes;
    l->tokens += item->ids_count;
    l->replaced += item->record.replaced;
    l->special += item->special;
    l->verified = w->config.verify_roundtrip;
    l->not_back += item->not_back;
    return ngt_writer_doc(w->shard, &doc, reterr);
}

static enum ngt_status refuse(struct pretok_unit_writer *w, const struct pretok_batch *b,
                              const struct pretok_item *item, struct pretok_ledger *l,
                              struct ngt_error *reterr)
{
    const char *keys = (const char *)b->raw.at + item->keys_start;

    if (w->config.fail_on_bad)
        return ngt_fail(reterr, NGT_E_DATA, item->origin->name,
                        item->origin->start + item->record.offset, item->record.record,
                        "%s%s%s%s%s%s (--on-bad fail)",
                        item->origin->member ? item->origin->member : "",
                        item->origin->member ? ": " : "", pretok_reason_text(item->record.reason),
                        item->record.reason == PRETOK_BROKEN ? ": " : "",
                        item->record.reason == PRETOK_BROKEN ? keys : "",
                        item->origin->start ? "; the item is counted from the unit's start" : "");
    l->records++;
    l->quarantined[item->record.reason]++;
    if (item->record.reason == PRETOK_NO_KEY && !w->receipt.keys && keys[0])
        w->receipt.keys = strdup(keys);
    return pretok_quarantine_add(w->quarantine, item, b->raw.at + item->raw_start, keys,
                                 w->config.text_key, reterr);
}

static enum ngt_status judge(const struct pretok_unit_writer *w, struct ngt_error *reterr)
{
    char what[96], name[64];

    const struct pretok_unit *u = &w->config.plan->units[w->unit - 1];
    snprintf(what, sizeof what, "unit %s (%.60s%s)",
             pretok_unit_name(w->config.plan, w->unit, name),
             w->config.plan->inputs.items[u->first_input].name, u->input_count > 1 ? " ..." : "");
    struct pretok_ledger l = w->receipt.ledger;
    l.excused = w->excused;
    return pretok_judge(&l, w->config.max_bad, what, w->config.text_key, w->receipt.keys, reterr);
}

enum ngt_status pretok_unit_writer_add(struct pretok_unit_writer *w,
                                       const struct pretok_batch *batch, struct ngt_error *reterr)
{
    struct pretok_ledger l = {0};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    for (uint64_t i = 0; i < batch->count && status == NGT_OK; i++) {
        const struct pretok_item *item = &batch->items[i];
        if (item->record.filtered) {
            l.records++;
            l.filtered++;
            l.filtered_by[item->record.filtered]++;
            continue;
        }
        status = item->record.reason == PRETOK_ACCEPTED ? add_document(w, batch, item, &l, reterr)
                                                        : refuse(w, batch, item, &l, reterr);
    }
    pretok_ledger_add(&w->part, &l);
    pretok_ledger_add(&w->receipt.ledger, &l);
    w->excused = batch->excused;
    if (status == NGT_OK && w->receipt.ledger.records >= JUDGE_FROM)
        status = judge(w, reterr);
    return status;
}

enum ngt_status pretok_unit_writer_commit(struct pretok_unit_writer *w,
                                          const struct pretok_receipt_source *sources,
                                          uint64_t source_count, struct ngt_error *reterr)
{
    struct pretok_receipt r;
    enum ngt_status status;
    char *path = NULL;

    ngt_error_clear(reterr);
    w->receipt.ledger.excused = w->excused; /* no source is under way any more */
    status = judge(w, reterr);
    if (status == NGT_OK)
        status = close_shard(w, reterr);
    if (status == NGT_OK)
        status = pretok_quarantine_commit(w->quarantine, &w->receipt.quarantine_bytes, reterr);
    if (status == NGT_OK)
        status = pretok_ledger_check(&w->receipt.ledger, w->config.folder, reterr);
    if (status == NGT_OK &&
        !(path = pretok_receipt_path(w->config.plan, w->config.folder, w->unit)))
        status = no_memory(w, reterr);
    if (status == NGT_OK) {
        r = w->receipt;
        r.sources = (struct pretok_receipt_source *)(uintptr_t)sources;
        r.source_count = source_count;
        status = pretok_receipt_save(&r, path, reterr);
    }
    if (status == NGT_OK)
        pretok_failure_remove(w->config.plan, w->config.folder, w->unit);
    free(path);
    return status;
}

/* ---- --max-bad ---- */

enum ngt_status pretok_judge(const struct pretok_ledger *l, double max_bad, const char *what,
                             const char *text_key, const char *keys, struct ngt_error *reterr)
{
    uint64_t bad = pretok_ledger_bad(l) - l->excused;
    struct pretok_ledger quarantined = *l;
    char counts[128];

    if (bad == 0 || (double)bad <= max_bad * (double)(l->records - l->excused))
        return NGT_OK;
    memset(quarantined.filtered_by, 0, sizeof quarantined.filtered_by);
    pretok_ledger_reasons(&quarantined, counts, sizeof counts);
    if (l->quarantined[PRETOK_NO_KEY] && keys)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "%s: %" PRIu64 " of %" PRIu64
                        " records refused (%s), beyond --max-bad %g%%; "
                        "--text-key is \"%s\", the keys there are: %.80s",
                        what, bad, l->records, counts, max_bad * 100, text_key, keys);
    return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                    "%s: %" PRIu64 " of %" PRIu64 " records refused (%s), beyond --max-bad %g%%",
                    what, bad, l->records, counts, max_bad * 100);
}
