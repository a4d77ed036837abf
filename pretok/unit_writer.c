#include "unit_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "job/failure.h"
#include "ngt/file.h"
#include "quarantine.h"
#include "set_name.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define JUDGE_FROM 1000u /* records before a unit is judged while it runs */

/* A set on its way: the open shard. A job that is not split has one, without a folder. */
struct set {
    struct ngt_writer *shard;
    uint64_t origin;       /* number of the last one; 0: none since the shard began */
    uint32_t origin_index; /* of origin in the shard */
    uint64_t shards;       /* closed ones */
    uint64_t *origins, origin_count, origin_room; /* of the open shard; as the receipt wants them */
    struct pretok_ledger part;                    /* since the shard began */
};

struct pretok_unit_writer {
    struct pretok_writer_config config;
    uint64_t unit;
    bool split;
    struct set *sets; /* [set_count], as in the receipt where the job is split */
    uint64_t set_count;
    struct pretok_bytes last_value; /* of --split-by-key, and its set */
    uint64_t last_set;
    struct pretok_bytes id, metadata; /* of the document at hand, with terminators */
    uint64_t excused;                 /* see pretok_batch */
    struct pretok_receipt receipt;    /* sources are not in it until the commit */
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
    w->split = config->keys->split != PRETOK_NO_FIELD;
    w->sets = calloc(w->split ? PRETOK_SETS : 1, sizeof *w->sets);
    w->receipt.sets = calloc(PRETOK_SETS, sizeof *w->receipt.sets);
    if (!w->sets || !w->receipt.sets) {
        status = no_memory(w, reterr);
        goto out;
    }
    w->set_count = !w->split;
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
    for (uint64_t i = 0; i < w->set_count; i++) {
        ngt_writer_abort(&w->sets[i].shard);
        free(w->sets[i].origins);
    }
    free(w->sets);
    pretok_bytes_done(&w->last_value);
    pretok_bytes_done(&w->id);
    pretok_bytes_done(&w->metadata);
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

static enum ngt_status open_shard(struct pretok_unit_writer *w, uint64_t set,
                                  struct ngt_error *reterr)
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
        .vocabulary_frame = c->vocabulary,
    };
    char name[64];
    char *folder =
        w->split ? ngt_path_join(c->folder, w->receipt.sets[set].folder) : strdup(c->folder);
    char *path = folder ? ngt_path_join(folder, pretok_shard_name(c->plan, w->unit,
                                                                  w->sets[set].shards + 1, name))
                        : NULL;
    enum ngt_status status = path ? NGT_OK : no_memory(w, reterr);

    if (status == NGT_OK && w->split)
        status = ngt_folder_make(folder, reterr);
    if (status == NGT_OK)
        status = ngt_writer_open(path, &config, &w->sets[set].shard, reterr);
    free(path);
    free(folder);
    w->sets[set].origin = 0;
    return status;
}

static enum ngt_status close_shard(struct pretok_unit_writer *w, uint64_t set,
                                   struct ngt_error *reterr)
{
    struct ngt_counter counters[PRETOK_LEDGER_COUNTERS];
    struct pretok_receipt *r = &w->receipt;
    struct set *o = &w->sets[set];
    enum ngt_status status;

    if (!o->shard)
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
    s->set = set;
    pretok_shard_name(w->config.plan, w->unit, o->shards + 1, s->name);
    status = ngt_writer_commit(&o->shard, counters, pretok_ledger_counters(&o->part, counters),
                               &s->summary, reterr);
    if (status == NGT_OK) {
        s->origins = o->origins;
        s->origin_count = o->origin_count;
        o->origins = NULL;
        o->origin_count = o->origin_room = 0;
        r->shard_count++;
        o->shards++;
    }
    o->part = (struct pretok_ledger){0};
    return status;
}

/* ---- sets ---- */

/* *ret_set PRETOK_SETS: the document has no value that names one. */
static enum ngt_status set_of(struct pretok_unit_writer *w, const struct pretok_batch *b,
                              const struct pretok_item *item, uint64_t *ret_set,
                              struct ngt_error *reterr)
{
    const struct pretok_field f = pretok_batch_field(b, item, w->config.keys->split);
    struct pretok_receipt *r = &w->receipt;
    char name[PRETOK_SET_NAME_ROOM];
    uint64_t set = 0;

    *ret_set = PRETOK_SETS;
    if (!f.json || !pretok_set_name(f.json, f.bytes, name))
        return NGT_OK;
    while (set < r->set_count && strcmp(r->sets[set].folder, name) != 0)
        set++;
    if (set == PRETOK_SETS)
        return ngt_fail(reterr, NGT_E_DATA, item->origin->name,
                        item->origin->start + item->record.offset, item->record.record,
                        "--split-by-key \"%.60s\" has more than %u values (%s, %s, ... %s): each "
                        "is a set of its own; split by another key",
                        w->config.keys->fields[w->config.keys->split], PRETOK_SETS,
                        r->sets[0].folder, r->sets[1].folder, name);
    if (set == r->set_count) {
        if (!(r->sets[set].folder = strdup(name)))
            return no_memory(w, reterr);
        w->set_count = ++r->set_count;
    }
    w->last_value.size = 0;
    w->last_set = set;
    *ret_set = set;
    return pretok_bytes_append(&w->last_value, f.json, f.bytes) ? NGT_OK : no_memory(w, reterr);
}

static enum ngt_status find_set(struct pretok_unit_writer *w, const struct pretok_batch *b,
                                const struct pretok_item *item, uint64_t *ret_set,
                                struct ngt_error *reterr)
{
    *ret_set = 0;
    if (!w->split)
        return NGT_OK;
    const struct pretok_field f = pretok_batch_field(b, item, w->config.keys->split);
    if (f.json && f.bytes == w->last_value.size && memcmp(f.json, w->last_value.at, f.bytes) == 0) {
        *ret_set = w->last_set; /* most documents have the value of the one before */
        return NGT_OK;
    }
    return set_of(w, b, item, ret_set, reterr);
}

/* ---- records ---- */

static enum ngt_status add_origin(struct pretok_unit_writer *w, struct set *o,
                                  const struct pretok_origin *origin, struct ngt_error *reterr)
{
    struct ngt_source source = {
        .name = origin->name, .member = origin->member, .start = origin->start};

    o->origin = origin->number;
    if (w->split && w->config.text_hashes) {
        if (o->origin_count == o->origin_room) {
            uint64_t room = o->origin_room * 2 + 16;
            uint64_t *grown = realloc(o->origins, room * sizeof *grown);
            if (!grown)
                return no_memory(w, reterr);
            o->origins = grown;
            o->origin_room = room;
        }
        o->origins[o->origin_count++] = origin->number;
    }
    return ngt_writer_source(o->shard, &source, &o->origin_index, reterr);
}

static bool put_field(struct pretok_bytes *to, struct pretok_field f)
{
    return pretok_bytes_append(to, f.json, f.bytes);
}

/* The document's id and metadata as text; *ret_id, *ret_metadata NULL where it has none. */
static bool spell_fields(struct pretok_unit_writer *w, const struct pretok_batch *b,
                         const struct pretok_item *item, const char **ret_id,
                         const char **ret_metadata)
{
    const struct pretok_keys *k = w->config.keys;
    bool good = true;

    *ret_id = *ret_metadata = NULL;
    w->id.size = w->metadata.size = 0;
    if (k->id != PRETOK_NO_FIELD) {
        struct pretok_field f = pretok_batch_field(b, item, k->id);
        good = !f.json || (put_field(&w->id, f) && pretok_bytes_append(&w->id, "", 1));
        *ret_id = f.json && good ? (const char *)w->id.at : NULL;
    }
    for (uint64_t i = 0; i < k->meta_count && good; i++) {
        struct pretok_field f = pretok_batch_field(b, item, k->meta[i].field);
        const char *name = k->meta[i].name;
        if (f.json)
            good = pretok_bytes_append(&w->metadata, w->metadata.size ? "," : "{", 1) &&
                   pretok_bytes_append(&w->metadata, name, strlen(name)) &&
                   put_field(&w->metadata, f);
    }
    if (good && w->metadata.size) {
        good = pretok_bytes_append(&w->metadata, "}", 2);
        *ret_metadata = (const char *)w->metadata.at;
    }
    return good;
}

/* Does the document begin another shard? */
static bool rolls(const struct pretok_unit_writer *w, const struct ngt_writer *shard,
                  const struct pretok_item *item)
{
    const uint64_t limit = w->config.shard_tokens, docs = ngt_writer_docs(shard),
                   tokens = ngt_writer_tokens(shard);

    return docs &&
           (docs >= PRETOK_SHARD_DOCS || tokens >= limit || item->ids_count > limit - tokens ||
            ngt_writer_strings(shard) >= PRETOK_SHARD_STRINGS);
}

static void count_document(const struct pretok_unit_writer *w, const struct pretok_item *item,
                           const struct ngt_doc *doc, struct pretok_ledger *l)
{
    l->records++;
    l->documents++;
    l->empty += item->record.text_bytes == 0;
    l->text_bytes += item->record.text_bytes;
    l->tokens += item->ids_count;
    l->replaced += item->record.replaced;
    l->special += item->special;
    l->no_id += w->config.keys->id != PRETOK_NO_FIELD && !doc->id;
    l->no_metadata += w->config.keys->meta_count && !doc->metadata;
    l->verified = w->config.verify_roundtrip;
    l->not_back += item->not_back;
}

static enum ngt_status add_document(struct pretok_unit_writer *w, const struct pretok_batch *b,
                                    const struct pretok_item *item, uint64_t set,
                                    struct ngt_error *reterr)
{
    struct set *o = &w->sets[set];
    struct ngt_doc doc = {
        .ids = b->ids.ids + item->ids_start,
        .count = item->ids_count,
        .record = item->record.record,
        .offset = item->record.offset,
        .text_hash = w->config.text_hashes ? &item->text_hash : NULL,
    };
    enum ngt_status status = NGT_OK;

    if (o->shard && rolls(w, o->shard, item))
        status = close_shard(w, set, reterr);
    if (status == NGT_OK && !o->shard)
        status = open_shard(w, set, reterr);
    if (status == NGT_OK && o->origin != item->origin->number)
        status = add_origin(w, o, item->origin, reterr);
    if (status != NGT_OK)
        return status;
    doc.source = o->origin_index;
    if (!spell_fields(w, b, item, &doc.id, &doc.metadata))
        return no_memory(w, reterr);
    count_document(w, item, &doc, &o->part);
    count_document(w, item, &doc, &w->receipt.ledger);
    if (w->split)
        count_document(w, item, &doc, &w->receipt.sets[set].ledger);
    return ngt_writer_doc(o->shard, &doc, reterr);
}

/* A refused record counts in the unit, and in its shard where that is the unit's only one. */
static enum ngt_status refuse(struct pretok_unit_writer *w, const struct pretok_batch *b,
                              const struct pretok_item *item, struct ngt_error *reterr)
{
    const char *keys = (const char *)b->raw.at + item->keys_start;
    const enum pretok_reason reason = item->record.reason;

    if (w->config.fail_on_bad)
        return ngt_fail(reterr, NGT_E_DATA, item->origin->name,
                        item->origin->start + item->record.offset, item->record.record,
                        "%s%s%s%s%s%s (--on-bad fail)",
                        item->origin->member ? item->origin->member : "",
                        item->origin->member ? ": " : "", pretok_reason_text(reason),
                        reason == PRETOK_BROKEN ? ": " : "", reason == PRETOK_BROKEN ? keys : "",
                        item->origin->start ? "; the item is counted from the unit's start" : "");
    w->receipt.ledger.records++;
    w->receipt.ledger.quarantined[reason]++;
    if (!w->split) {
        w->sets[0].part.records++;
        w->sets[0].part.quarantined[reason]++;
    }
    if (reason == PRETOK_NO_KEY && !w->receipt.keys && keys[0])
        w->receipt.keys = strdup(keys);
    return pretok_quarantine_add(w->quarantine, item, b->raw.at + item->raw_start, keys,
                                 w->config.plan, reterr);
}

/* Left out on request: counted, like a refused record, and gone. */
static void leave_out(struct pretok_unit_writer *w, enum pretok_filtered why)
{
    struct pretok_ledger *l[2] = {&w->receipt.ledger, w->split ? NULL : &w->sets[0].part};

    for (unsigned i = 0; i < 2 && l[i]; i++) {
        l[i]->records++;
        l[i]->filtered++;
        l[i]->filtered_by[why]++;
    }
}

/* A document that belongs to no set; its text stands for the record, which is gone. */
static enum ngt_status refuse_document(struct pretok_unit_writer *w, struct pretok_batch *b,
                                       struct pretok_item *item, enum pretok_reason reason,
                                       struct ngt_error *reterr)
{
    return pretok_batch_refuse(b, item, reason) ? refuse(w, b, item, reterr) : no_memory(w, reterr);
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
    return pretok_judge(w->config.plan, &l, w->config.max_bad, what, w->receipt.keys, reterr);
}

enum ngt_status pretok_unit_writer_add(struct pretok_unit_writer *w, struct pretok_batch *batch,
                                       struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    for (uint64_t i = 0; i < batch->count && status == NGT_OK; i++) {
        struct pretok_item *item = &batch->items[i];
        uint64_t set = 0;
        if (item->record.reason != PRETOK_ACCEPTED) {
            status = refuse(w, batch, item, reterr);
            continue;
        }
        if (item->record.filtered) {
            leave_out(w, item->record.filtered);
            continue;
        }
        status = find_set(w, batch, item, &set, reterr);
        if (status == NGT_OK)
            status = set == PRETOK_SETS ? refuse_document(w, batch, item, PRETOK_NO_SET, reterr)
                                        : add_document(w, batch, item, set, reterr);
    }
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
    for (uint64_t i = 0; i < w->set_count && status == NGT_OK; i++)
        status = close_shard(w, i, reterr);
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

enum ngt_status pretok_judge(const struct pretok_plan *plan, const struct pretok_ledger *l,
                             double max_bad, const char *what, const char *keys,
                             struct ngt_error *reterr)
{
    const char *option, *value;
    uint64_t bad = pretok_ledger_bad(l) - l->excused;
    struct pretok_ledger quarantined = *l;
    char counts[128];

    if (bad == 0 || (double)bad <= max_bad * (double)(l->records - l->excused))
        return NGT_OK;
    memset(quarantined.filtered_by, 0, sizeof quarantined.filtered_by);
    pretok_ledger_reasons(&quarantined, counts, sizeof counts);
    pretok_plan_text(plan, &option, &value);
    if (l->quarantined[PRETOK_NO_KEY] && keys)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "%s: %" PRIu64 " of %" PRIu64
                        " records refused (%s), beyond --max-bad %g%%; "
                        "--%s is \"%.60s\", the keys there are: %.80s",
                        what, bad, l->records, counts, max_bad * 100, option, value, keys);
    const char *split =
        l->quarantined[PRETOK_NO_SET] ? pretok_plan_option(plan, "split_by_key") : NULL;
    return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                    "%s: %" PRIu64 " of %" PRIu64
                    " records refused (%s), beyond --max-bad %g%%%s%.60s",
                    what, bad, l->records, counts, max_bad * 100,
                    split ? "; --split-by-key is " : "", split ? split : "");
}
