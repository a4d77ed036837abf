#include "job/receipt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ngt/file.h"
#include "ngt/verify.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define RECEIPT_LIMIT (UINT64_C(1) << 31)

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for a receipt");
}

void pretok_receipt_done(struct pretok_receipt *r)
{
    for (uint64_t i = 0; i < r->source_count; i++) {
        free(r->sources[i].name);
        free(r->sources[i].lost);
    }
    for (uint64_t i = 0; i < r->set_count; i++)
        free(r->sets[i].folder);
    for (uint64_t i = 0; i < r->shard_count; i++)
        free(r->shards[i].origins);
    free(r->sources);
    free(r->sets);
    free(r->shards);
    free(r->keys);
    *r = (struct pretok_receipt){0};
}

static char *path_of(const struct pretok_plan *plan, const char *folder, uint64_t unit,
                     const char *suffix)
{
    char name[96], number[64];

    snprintf(name, sizeof name, PRETOK_RECEIPT_FOLDER "/%s%s", pretok_unit_name(plan, unit, number),
             suffix);
    return ngt_path_join(folder, name);
}

char *pretok_receipt_path(const struct pretok_plan *plan, const char *folder, uint64_t unit)
{
    return path_of(plan, folder, unit, ".json");
}

char *pretok_quarantine_path(const struct pretok_plan *plan, const char *folder, uint64_t unit)
{
    return path_of(plan, folder, unit, ".quarantine.jsonl");
}

char *pretok_receipt_shard_path(const struct pretok_receipt *r, const char *folder, uint64_t shard)
{
    const struct pretok_receipt_shard *s = &r->shards[shard];
    char *set = r->set_count ? ngt_path_join(folder, r->sets[s->set].folder) : NULL;
    char *path = r->set_count && !set ? NULL : ngt_path_join(set ? set : folder, s->name);

    free(set);
    return path;
}

/* ---- writing ---- */

static void write_source(struct ngt_json_out *out, const struct pretok_receipt_source *s)
{
    char hex[33];

    ngt_json_object(out);
    ngt_json_member_string(out, "name", s->name);
    ngt_json_member_u64(out, "start", s->start);
    ngt_json_member_u64(out, "bytes", s->stored_bytes);
    ngt_digest128_hex(s->hash, hex);
    ngt_json_member_string(out, "xxh3_128", hex);
    ngt_json_member_u64(out, "lines", s->lines);
    ngt_json_member_u64(out, "records", s->records);
    if (s->lost)
        ngt_json_member_string(out, "lost", s->lost);
    ngt_json_object_end(out);
}

static void write_shard(struct ngt_json_out *out, const struct pretok_receipt *r,
                        const struct pretok_receipt_shard *s)
{
    char hex[17];

    ngt_json_object(out);
    ngt_json_member_string(out, "name", s->name);
    if (r->set_count)
        ngt_json_member_u64(out, "set", s->set);
    ngt_json_member_u64(out, "bytes", s->summary.file_bytes);
    ngt_json_member_u64(out, "documents", s->summary.docs);
    ngt_json_member_u64(out, "filled_documents", s->summary.filled_docs);
    ngt_json_member_u64(out, "tokens", s->summary.tokens);
    ngt_json_member_u64(out, "targets", s->summary.targets);
    ngt_digest64_hex(s->summary.header_hash, hex);
    ngt_json_member_string(out, "root", hex);
    if (s->origin_count) {
        ngt_json_key(out, "origins");
        ngt_json_array(out);
        for (uint64_t i = 0; i < s->origin_count; i++)
            ngt_json_u64(out, s->origins[i]);
        ngt_json_array_end(out);
    }
    ngt_json_object_end(out);
}

enum ngt_status pretok_receipt_save(const struct pretok_receipt *r, const char *path,
                                    struct ngt_error *reterr)
{
    struct ngt_json_out out;
    enum ngt_status status;
    char hex[17];

    ngt_error_clear(reterr);
    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "unit", r->unit);
    ngt_digest64_hex(r->fingerprint, hex);
    ngt_json_member_string(&out, "plan", hex);
    ngt_json_key(&out, "ledger");
    ngt_json_object(&out);
    pretok_ledger_write(&r->ledger, &out);
    ngt_json_object_end(&out);
    ngt_json_member_u64(&out, "quarantine_bytes", r->quarantine_bytes);
    if (r->keys)
        ngt_json_member_string(&out, "keys", r->keys);
    ngt_json_key(&out, "sources");
    ngt_json_array(&out);
    for (uint64_t i = 0; i < r->source_count; i++)
        write_source(&out, &r->sources[i]);
    ngt_json_array_end(&out);
    if (r->set_count) {
        ngt_json_key(&out, "sets");
        ngt_json_array(&out);
        for (uint64_t i = 0; i < r->set_count; i++) {
            ngt_json_object(&out);
            ngt_json_member_string(&out, "folder", r->sets[i].folder);
            pretok_ledger_write(&r->sets[i].ledger, &out);
            ngt_json_object_end(&out);
        }
        ngt_json_array_end(&out);
    }
    ngt_json_key(&out, "shards");
    ngt_json_array(&out);
    for (uint64_t i = 0; i < r->shard_count; i++)
        write_shard(&out, r, &r->shards[i]);
    ngt_json_array_end(&out);
    ngt_json_object_end(&out);
    status = out.failed ? no_memory(reterr) : ngt_file_write(path, out.bytes, out.size, reterr);
    ngt_json_out_done(&out);
    return status;
}

/* ---- reading ---- */

static bool hex64(const char *text, uint64_t *ret)
{
    char *end;

    if (strlen(text) != 16)
        return false;
    *ret = strtoull(text, &end, 16);
    return *end == '\0';
}

static bool hex128(const char *text, struct ngt_digest128 *ret)
{
    char high[17];

    if (strlen(text) != 32)
        return false;
    memcpy(high, text, 16);
    high[16] = '\0';
    return hex64(high, &ret->high) && hex64(text + 16, &ret->low);
}

static bool read_source(const struct ngt_json *o, struct pretok_receipt_source *s)
{
    const char *name, *hex, *lost = NULL;

    if (!ngt_json_get_string(o, "name", &name) || !ngt_json_get_u64(o, "start", &s->start) ||
        !ngt_json_get_u64(o, "bytes", &s->stored_bytes) ||
        !ngt_json_get_string(o, "xxh3_128", &hex) || !hex128(hex, &s->hash) ||
        !ngt_json_get_u64(o, "lines", &s->lines) || !ngt_json_get_u64(o, "records", &s->records))
        return false;
    s->name = strdup(name);
    if (ngt_json_get_string(o, "lost", &lost))
        s->lost = strdup(lost);
    return s->name && (s->lost != NULL) == (lost != NULL);
}

static bool read_shard(const struct ngt_json *o, uint64_t set_count, struct pretok_receipt_shard *s)
{
    const char *name, *hex;

    if (!ngt_json_get_string(o, "name", &name) || strlen(name) >= sizeof s->name ||
        strchr(name, '/') || !ngt_json_get_u64(o, "bytes", &s->summary.file_bytes) ||
        !ngt_json_get_u64(o, "documents", &s->summary.docs) ||
        !ngt_json_get_u64(o, "filled_documents", &s->summary.filled_docs) ||
        !ngt_json_get_u64(o, "tokens", &s->summary.tokens) ||
        !ngt_json_get_u64(o, "targets", &s->summary.targets) ||
        !ngt_json_get_string(o, "root", &hex) || !hex64(hex, &s->summary.header_hash))
        return false;
    strcpy(s->name, name);
    s->set = 0;
    const struct ngt_json *origins = ngt_json_get(o, "origins");
    if (origins && origins->type == NGT_JSON_ARRAY) {
        if (!(s->origins = calloc(origins->length + 1, sizeof *s->origins)))
            return false;
        for (const struct ngt_json *n = origins->first; n; n = n->next) {
            if (n->type != NGT_JSON_U64 || n->u64 > UINT32_MAX)
                return false;
            s->origins[s->origin_count++] = n->u64;
        }
    }
    return !set_count || (ngt_json_get_u64(o, "set", &s->set) && s->set < set_count);
}

/* A folder's name is followed below the job's folder, so it must not lead out of it. */
static bool read_sets(const struct ngt_json *sets, struct pretok_receipt *r)
{
    const char *folder;

    if (sets->type != NGT_JSON_ARRAY || !(r->sets = calloc(sets->length + 1, sizeof *r->sets)))
        return false;
    for (const struct ngt_json *o = sets->first; o; o = o->next) {
        struct pretok_receipt_set *s = &r->sets[r->set_count];
        if (!ngt_json_get_string(o, "folder", &folder) || !folder[0] || folder[0] == '.' ||
            strchr(folder, '/') || !(s->folder = strdup(folder)))
            return false;
        r->set_count++;
        if (pretok_ledger_read(o, folder, &s->ledger, NULL) != NGT_OK)
            return false;
    }
    return true;
}

static bool read_lists(const struct ngt_json *root, struct pretok_receipt *r)
{
    const struct ngt_json *sources = ngt_json_get(root, "sources"),
                          *shards = ngt_json_get(root, "shards"),
                          *sets = ngt_json_get(root, "sets");
    const char *keys;

    if (!sources || sources->type != NGT_JSON_ARRAY || !shards || shards->type != NGT_JSON_ARRAY ||
        !ngt_json_get_u64(root, "quarantine_bytes", &r->quarantine_bytes))
        return false;
    if (sets && !read_sets(sets, r))
        return false;
    r->sources = calloc(sources->length + 1, sizeof *r->sources);
    r->shards = calloc(shards->length + 1, sizeof *r->shards);
    if (!r->sources || !r->shards)
        return false;
    for (const struct ngt_json *o = sources->first; o; o = o->next)
        if (!read_source(o, &r->sources[r->source_count++]))
            return false;
    for (const struct ngt_json *o = shards->first; o; o = o->next)
        if (!read_shard(o, r->set_count, &r->shards[r->shard_count++]))
            return false;
    if (ngt_json_get_string(root, "keys", &keys))
        r->keys = strdup(keys);
    return true;
}

static enum ngt_status check_sums(const struct pretok_receipt *r, const char *path,
                                  struct ngt_error *reterr)
{
    uint64_t docs = 0, tokens = 0, records = 0, set_docs = 0, set_tokens = 0;
    enum ngt_status status = pretok_ledger_check(&r->ledger, path, reterr);

    for (uint64_t i = 0; i < r->shard_count; i++) {
        docs += r->shards[i].summary.docs;
        tokens += r->shards[i].summary.tokens;
    }
    for (uint64_t i = 0; i < r->set_count; i++) {
        const struct pretok_ledger *l = &r->sets[i].ledger;
        for (uint64_t k = 0; k < r->shard_count; k++)
            if (r->shards[k].set == i) {
                set_docs += r->shards[k].summary.docs;
                set_tokens += r->shards[k].summary.tokens;
            }
        set_docs -= l->documents;
        set_tokens -= l->tokens;
        if (status == NGT_OK && (set_docs || set_tokens || l->records != l->documents))
            status = ngt_fail(reterr, NGT_E_CORRUPT, path, HERE,
                              "the shards of set %s do not hold what its ledger says",
                              r->sets[i].folder);
    }
    for (uint64_t i = 0; i < r->source_count; i++)
        records += r->sources[i].records;
    if (status == NGT_OK && (docs != r->ledger.documents || tokens != r->ledger.tokens))
        status = ngt_fail(reterr, NGT_E_CORRUPT, path, HERE,
                          "shards hold %" PRIu64 " documents and %" PRIu64
                          " tokens, the ledger says %" PRIu64 " and %" PRIu64,
                          docs, tokens, r->ledger.documents, r->ledger.tokens);
    if (status == NGT_OK && records != r->ledger.records)
        status = ngt_fail(reterr, NGT_E_CORRUPT, path, HERE,
                          "sources gave %" PRIu64 " records, the ledger says %" PRIu64, records,
                          r->ledger.records);
    return status;
}

enum ngt_status pretok_receipt_load(const struct pretok_plan *plan, const char *folder,
                                    uint64_t unit, bool *ret_there,
                                    struct pretok_receipt *ret_receipt, struct ngt_error *reterr)
{
    struct pretok_receipt r = {0};
    struct ngt_json *root = NULL;
    uint8_t *bytes = NULL;
    uint64_t size;
    const char *hex;
    char *path = pretok_receipt_path(plan, folder, unit);
    struct stat st;
    bool there;
    enum ngt_status status;

    ngt_error_clear(reterr);
    *ret_there = false;
    if (!path)
        return no_memory(reterr);
    status = ngt_file_find(path, &there, &st, reterr);
    if (status != NGT_OK || !there)
        goto out;
    status = ngt_file_read(path, RECEIPT_LIMIT, &bytes, &size, reterr);
    if (status == NGT_OK)
        status = ngt_json_parse((const char *)bytes, size, path, &root, reterr);
    if (status != NGT_OK)
        goto out;
    if (!ngt_json_get_u64(root, "unit", &r.unit) || !ngt_json_get_string(root, "plan", &hex) ||
        !hex64(hex, &r.fingerprint) || !read_lists(root, &r)) {
        status = ngt_fail(reterr, NGT_E_DATA, path, HERE,
                          "the receipt is damaged; remove it and run again");
        goto out;
    }
    if (r.unit != unit || r.fingerprint != plan->fingerprint) {
        status = ngt_fail(reterr, NGT_E_MISMATCH, path, HERE,
                          "the receipt belongs to another plan; remove it and run again");
        goto out;
    }
    status = pretok_ledger_read(ngt_json_get(root, "ledger"), path, &r.ledger, reterr);
    if (status == NGT_OK)
        status = check_sums(&r, path, reterr);
    if (status != NGT_OK)
        goto out;
    r.committed = (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec * 1e-9;
    *ret_receipt = r;
    *ret_there = true;
    r = (struct pretok_receipt){0};
out:
    pretok_receipt_done(&r);
    ngt_json_free(&root);
    free(bytes);
    free(path);
    return status;
}

/* ---- against the files ---- */

static enum ngt_status missing(const char *path, uint64_t unit, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, unit,
                    "is missing, though the unit's receipt lists it");
}

static enum ngt_status check_shard(const struct pretok_receipt *r,
                                   const struct pretok_receipt_shard *s, const char *path,
                                   bool whole, struct ngt_error *reterr)
{
    struct ngt_reader *reader = NULL;
    struct ngt_shard_summary found = {0};
    bool there;
    enum ngt_status status = ngt_file_find(path, &there, NULL, reterr);

    if (status != NGT_OK)
        return status;
    if (!there)
        return missing(path, r->unit, reterr);
    if (whole) {
        status = ngt_verify(path, &found, reterr);
    } else {
        status = ngt_reader_open(path, 0, &reader, reterr);
        if (status == NGT_OK) {
            const struct ngt_header *h = ngt_reader_header(reader);
            found = (struct ngt_shard_summary){.file_bytes = h->file_bytes,
                                               .docs = h->docs,
                                               .tokens = h->tokens,
                                               .header_hash = ngt_reader_header_hash(reader)};
        }
        ngt_reader_close(&reader);
    }
    if (status != NGT_OK)
        return status;
    if (found.file_bytes != s->summary.file_bytes || found.header_hash != s->summary.header_hash ||
        found.docs != s->summary.docs || found.tokens != s->summary.tokens)
        return ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, r->unit,
                        "is not the shard that the unit's receipt lists");
    return NGT_OK;
}

enum ngt_status pretok_receipt_check(const struct pretok_receipt *r, const struct pretok_plan *plan,
                                     const char *folder, bool whole, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;
    struct stat st;

    ngt_error_clear(reterr);
    for (uint64_t i = 0; i < r->shard_count && status == NGT_OK; i++) {
        char *path = pretok_receipt_shard_path(r, folder, i);
        status = path ? check_shard(r, &r->shards[i], path, whole, reterr) : no_memory(reterr);
        free(path);
    }
    if (status == NGT_OK && r->quarantine_bytes) {
        char *path = pretok_quarantine_path(plan, folder, r->unit);
        bool there = false;
        status = path ? ngt_file_find(path, &there, &st, reterr) : no_memory(reterr);
        if (status == NGT_OK && !there)
            status = missing(path, r->unit, reterr);
        else if (status == NGT_OK && (uint64_t)st.st_size != r->quarantine_bytes)
            status = ngt_fail(reterr, NGT_E_MISMATCH, path, NGT_NO_POS, r->unit,
                              "has another size than the unit's receipt says");
        free(path);
    }
    return status;
}
