#include "dataset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ngt/dataset.h"
#include "ngt/drops.h"
#include "ngt/file.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define DATASET_LIMIT (UINT64_C(1) << 32)

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for " NGT_DATASET_FILE);
}

/* What a unit gave to a set; WHOLE: to all. */
#define WHOLE UINT64_MAX

struct share {
    uint64_t documents, shards;
};

static struct share share_of(const struct pretok_dataset *d, const struct pretok_receipt *r,
                             uint64_t set)
{
    struct share s = {0};

    for (uint64_t k = 0; k < r->shard_count; k++)
        if (set == WHOLE || pretok_sets_of(d->sets, r, k) == set) {
            s.documents += r->shards[k].summary.docs;
            s.shards++;
        }
    return s;
}

/*
 * A unit that begins inside a source says where, and how many lines of the source lie before it:
 * what a reader adds to a record number of that unit to get the line in the file.
 */
static void write_units(struct ngt_json_out *out, const struct pretok_dataset *d, uint64_t set)
{
    const struct pretok_overview *o = d->overview;
    uint64_t first = 0, lines = 0; /* lines of the current source so far */

    ngt_json_key(out, "units");
    ngt_json_array(out);
    for (uint64_t i = 0; i < o->unit_count; i++) {
        const struct pretok_receipt *r = &o->receipts[i];
        const struct pretok_receipt_source *s = r->source_count ? &r->sources[0] : NULL;
        ngt_json_object(out);
        ngt_json_member_u64(out, "unit", r->unit);
        ngt_json_member_u64(out, "first_record", first);
        ngt_json_member_u64(out, "records", r->ledger.records);
        struct share share = share_of(d, r, set);
        ngt_json_member_u64(out, "documents", share.documents);
        ngt_json_member_u64(out, "shards", share.shards);
        if (s && s->start) {
            ngt_json_member_string(out, "source", s->name);
            ngt_json_member_u64(out, "start", d->plan->units[i].text_start);
            ngt_json_member_u64(out, "records_before", lines);
        }
        ngt_json_object_end(out);
        first += r->ledger.records;
        if (s)
            lines = s->start ? lines + s->lines : s->lines;
    }
    ngt_json_array_end(out);
}

static void write_lost(struct ngt_json_out *out, const struct pretok_overview *o)
{
    ngt_json_key(out, "lost_sources");
    ngt_json_array(out);
    for (uint64_t i = 0; i < o->unit_count; i++)
        for (uint64_t k = 0; k < o->receipts[i].source_count; k++)
            if (o->receipts[i].sources[k].lost) {
                ngt_json_object(out);
                ngt_json_member_string(out, "source", o->receipts[i].sources[k].name);
                ngt_json_member_string(out, "why", o->receipts[i].sources[k].lost);
                ngt_json_object_end(out);
            }
    ngt_json_array_end(out);
}

static bool digest_of(const struct pretok_plan *plan, struct ngt_digest128 *ret)
{
    char high[17] = "";

    for (uint64_t i = 0; i < plan->identity_count; i++) {
        const char *hex = plan->identity[i].value;
        if (strcmp(plan->identity[i].key, "xxh3_128") != 0 || strlen(hex) != 32)
            continue;
        memcpy(high, hex, 16);
        ret->high = strtoull(high, NULL, 16);
        ret->low = strtoull(hex + 16, NULL, 16);
        return true;
    }
    return false;
}

static void write_ledger(struct ngt_json_out *out, const struct pretok_ledger *l)
{
    ngt_json_key(out, "ledger");
    ngt_json_object(out);
    pretok_ledger_write(l, out);
    ngt_json_object_end(out);
}

static void write_estimate(struct ngt_json_out *out, const struct pretok_dataset *d)
{
    ngt_json_key(out, "estimate");
    ngt_json_object(out);
    pretok_estimate_write(d->estimate, d->facts, out);
    ngt_json_object_end(out);
}

/* What is the same for the whole and for each set; ends the object. */
static void write_rest(struct ngt_json_out *out, const struct pretok_dataset *d, uint64_t set)
{
    ngt_json_member_pairs(out, "options", d->plan->options, d->plan->option_count);
    ngt_json_member_pairs(out, "tokenizer_identity", d->plan->identity, d->plan->identity_count);
    write_lost(out, d->overview);
    write_units(out, d, set);
    ngt_json_object_end(out);
}

static enum ngt_status save(struct ngt_json_out *out, const char *folder, struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, NGT_DATASET_FILE);
    enum ngt_status status = out->failed || !path
                                 ? no_memory(reterr)
                                 : ngt_file_write(path, out->bytes, out->size, reterr);

    free(path);
    return status;
}

/* Writes the set's drop list, or removes one that an earlier finish left, and says so in out. */
static enum ngt_status write_drops(struct ngt_json_out *out, const struct pretok_dataset *d,
                                   uint64_t set, const char *folder, struct ngt_error *reterr)
{
    const struct pretok_dropped *dropped = d->dropped ? &d->dropped[set] : NULL;
    char *path = ngt_path_join(folder, NGT_DROPS_FILE), hex[17];
    uint64_t bytes, hash;
    enum ngt_status status = path ? NGT_OK : no_memory(reterr);

    if (status != NGT_OK)
        return status;
    if (!dropped || !dropped->documents) {
        if (unlink(path) != 0 && errno != ENOENT)
            status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot remove");
        free(path);
        return status;
    }
    status =
        ngt_drops_write(path, dropped->bits, d->sets->sets[set].documents, &bytes, &hash, reterr);
    if (status == NGT_OK) {
        ngt_json_key(out, "drops");
        ngt_json_object(out);
        ngt_json_member_string(out, "name", NGT_DROPS_FILE);
        ngt_json_member_u64(out, "bytes", bytes);
        ngt_digest64_hex(hash, hex);
        ngt_json_member_string(out, "hash", hex);
        ngt_json_member_string(out, "reason", "duplicates");
        ngt_json_member_u64(out, "documents", dropped->documents);
        ngt_json_member_u64(out, "tokens", dropped->tokens);
        ngt_json_object_end(out);
    }
    free(path);
    return status;
}

/* One set: the folder's own where the job is not split. */
static enum ngt_status write_set(const struct pretok_dataset *d, uint64_t set,
                                 struct ngt_digest128 tokenizer, struct ngt_error *reterr)
{
    const struct pretok_set *s = &d->sets->sets[set];
    struct ngt_dataset_shard *shards = calloc(s->shards + 1, sizeof *shards);
    char *folder = s->folder ? ngt_path_join(d->folder, s->folder) : strdup(d->folder);
    struct ngt_json_out out;
    uint64_t count = 0;
    enum ngt_status status = shards && folder ? NGT_OK : no_memory(reterr);

    ngt_json_out_init(&out, false);
    for (uint64_t u = 0; u < d->overview->unit_count && status == NGT_OK; u++) {
        const struct pretok_receipt *r = &d->overview->receipts[u];
        for (uint64_t k = 0; k < r->shard_count; k++)
            if (pretok_sets_of(d->sets, r, k) == set)
                shards[count++] = (struct ngt_dataset_shard){.name = r->shards[k].name,
                                                             .summary = r->shards[k].summary};
    }
    if (status == NGT_OK) {
        ngt_dataset_json(&out, "pretok", d->version, NGT_DOCUMENTS, tokenizer, shards, count);
        if (s->folder)
            ngt_json_member_string(&out, "set", s->folder);
        status = write_drops(&out, d, set, folder, reterr);
    }
    if (status == NGT_OK) {
        write_ledger(&out, s->folder ? &s->ledger : &d->ledger);
        if (!s->folder && d->estimate)
            write_estimate(&out, d);
        write_rest(&out, d, set);
        status = save(&out, folder, reterr);
    }
    ngt_json_out_done(&out);
    free(folder);
    free(shards);
    return status;
}

/* The whole of a split job: no data set itself, but the list of those it is split into. */
static enum ngt_status write_whole(const struct pretok_dataset *d, struct ngt_digest128 tokenizer,
                                   struct ngt_error *reterr)
{
    struct ngt_json_out out;
    char hex[33];
    enum ngt_status status;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_string(&out, "program", "pretok");
    ngt_json_member_string(&out, "version", d->version);
    ngt_json_member_string(&out, "kind", "sets");
    ngt_digest128_hex(tokenizer, hex);
    ngt_json_member_string(&out, "tokenizer", hex);
    ngt_json_key(&out, "sets");
    ngt_json_array(&out);
    for (uint64_t i = 0; i < d->sets->count; i++) {
        const struct pretok_set *s = &d->sets->sets[i];
        ngt_json_object(&out);
        ngt_json_member_string(&out, "name", s->folder);
        ngt_json_member_u64(&out, "documents", s->documents);
        ngt_json_member_u64(&out, "tokens", s->tokens);
        ngt_json_member_u64(&out, "shards", s->shards);
        ngt_json_member_u64(&out, "bytes", s->bytes);
        if (s->ledger.duplicates)
            ngt_json_member_u64(&out, "duplicates", s->ledger.duplicates);
        ngt_json_object_end(&out);
    }
    ngt_json_array_end(&out);
    write_ledger(&out, &d->ledger);
    if (d->estimate)
        write_estimate(&out, d);
    write_rest(&out, d, WHOLE);
    status = save(&out, d->folder, reterr);
    ngt_json_out_done(&out);
    return status;
}

enum ngt_status pretok_dataset_write(const struct pretok_dataset *d, struct ngt_error *reterr)
{
    struct ngt_digest128 tokenizer = {0};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (!digest_of(d->plan, &tokenizer))
        return ngt_fail(reterr, NGT_E_DATA, d->folder, HERE,
                        "the plan does not name the tokenizer's hash");
    for (uint64_t i = 0; i < d->sets->count && status == NGT_OK; i++)
        status = write_set(d, i, tokenizer, reterr);
    if (status == NGT_OK && d->sets->split)
        status = write_whole(d, tokenizer, reterr);
    return status;
}

enum ngt_status pretok_dataset_ledger(const char *folder, struct pretok_ledger *ret_ledger,
                                      struct ngt_error *reterr)
{
    char *path = ngt_path_join(folder, NGT_DATASET_FILE);
    struct ngt_json *root = NULL;
    uint8_t *bytes = NULL;
    uint64_t size;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = path ? ngt_file_read(path, DATASET_LIMIT, &bytes, &size, reterr) : no_memory(reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status == NGT_OK)
        status = pretok_ledger_read(ngt_json_get(root, "ledger"), path, ret_ledger, reterr);
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}
