#include "finish.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataset.h"
#include "input/source.h"
#include "job_folder.h"
#include "ngt/dataset.h"
#include "ngt/file.h"
#include "ngt/pool.h"
#include "overview.h"
#include "unit_writer.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the receipts");
}

/* ---- proofs ---- */

struct proof {
    const struct pretok_finish_config *config;
    const struct pretok_overview *overview;
};

static enum ngt_status prove_inputs(const struct proof *p, const struct pretok_receipt *r,
                                    struct ngt_error *reterr)
{
    const struct pretok_plan *plan = p->config->plan;
    const struct pretok_unit *u = &plan->units[r->unit - 1];
    const char *limit = pretok_plan_option(plan, "limit");
    bool limited = limit && strcmp(limit, "none") != 0;

    if (limited)
        return NGT_OK; /* not everything was to be read */
    if (r->source_count != u->input_count)
        return ngt_fail(reterr, NGT_E_CORRUPT, NULL, NGT_NO_POS, r->unit,
                        "the unit's receipt has %" PRIu64 " sources, the plan %" PRIu64,
                        r->source_count, u->input_count);
    for (uint64_t i = 0; i < r->source_count; i++) {
        const struct pretok_receipt_source *s = &r->sources[i];
        const struct pretok_input *in = &plan->inputs.items[u->first_input + i];
        uint64_t want = u->part ? u->bytes : in->size;
        bool stream = in->path == NULL;
        if (strcmp(s->name, in->name) != 0 || s->start != (u->part ? u->start : 0) ||
            (!s->lost && !stream && s->stored_bytes != want))
            return ngt_fail(reterr, NGT_E_CORRUPT, in->name, NGT_NO_POS, r->unit,
                            "the unit's receipt says %" PRIu64 " bytes of %s from %" PRIu64
                            " were read, the plan says %" PRIu64 " from %" PRIu64,
                            s->stored_bytes, s->name, s->start, want, u->part ? u->start : 0);
    }
    return NGT_OK;
}

static enum ngt_status read_again(const struct proof *p, const struct pretok_input *in,
                                  const struct pretok_receipt_source *s, struct ngt_error *reterr)
{
    const struct pretok_place place = {
        .path = in->path, .address = in->address, .etag = in->etag, .remote = p->config->remote};
    struct pretok_source *source = NULL;
    const uint8_t *at;
    uint64_t n = 1;
    enum ngt_status status =
        pretok_place_source_new(&place, s->start, s->stored_bytes, &source, reterr);

    while (status == NGT_OK && n)
        status = source->read(source, &at, &n, reterr);
    if (status == NGT_OK) {
        struct ngt_digest128 d = pretok_file_source_digest(source);
        if (d.low != s->hash.low || d.high != s->hash.high)
            status = ngt_fail(reterr, NGT_E_MISMATCH, in->path, HERE,
                              "does not hold the bytes that were read from it");
    }
    pretok_source_free(&source);
    return status;
}

static enum ngt_status prove_unit(void *arg, uint64_t index, unsigned worker,
                                  struct ngt_error *reterr)
{
    const struct proof *p = arg;
    const struct pretok_finish_config *c = p->config;
    const struct pretok_receipt *r = &p->overview->receipts[index];
    const struct pretok_unit *u = &c->plan->units[index];
    enum ngt_status status = prove_inputs(p, r, reterr);

    (void)worker;
    if (status == NGT_OK)
        status = pretok_receipt_check(r, c->plan, c->folder, c->whole, reterr);
    for (uint64_t i = 0; i < r->source_count && status == NGT_OK && c->check_inputs; i++) {
        const struct pretok_input *in = &c->plan->inputs.items[u->first_input + i];
        if (in->path && !r->sources[i].lost)
            status = read_again(p, in, &r->sources[i], reterr);
    }
    return status;
}

static enum ngt_status prove_all(const struct pretok_finish_config *c,
                                 const struct pretok_overview *o, struct ngt_error *reterr)
{
    struct proof proof = {c, o};
    struct ngt_pool *pool = NULL;
    enum ngt_status status = ngt_pool_new(c->threads ? c->threads : 1, &pool, reterr);

    if (status == NGT_OK)
        status = ngt_pool_each(pool, o->unit_count, prove_unit, &proof, reterr);
    ngt_pool_free(&pool);
    return status;
}

/* NULL: all sources were read to their end. */
static const struct pretok_receipt_source *first_lost(const struct pretok_overview *o)
{
    for (uint64_t i = 0; i < o->unit_count; i++)
        for (uint64_t k = 0; k < o->receipts[i].source_count; k++)
            if (o->receipts[i].sources[k].lost)
                return &o->receipts[i].sources[k];
    return NULL;
}

static enum ngt_status judge_all(const struct pretok_finish_config *c,
                                 const struct pretok_overview *o, struct ngt_error *reterr)
{
    const char *keys = NULL, *option, *value;
    enum ngt_status status = pretok_ledger_check(&o->ledger, c->folder, reterr);

    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < o->unit_count && !keys; i++)
        keys = o->receipts[i].keys;
    if (o->ledger.documents == 0 && o->ledger.records == 0) {
        const struct pretok_receipt_source *lost = first_lost(o);
        if (lost && !c->allow_lost)
            return NGT_OK; /* tell_lost has more to say of it */
        return ngt_fail(reterr, NGT_E_DATA, c->folder, HERE,
                        "the inputs hold no record at all%s%.100s%s%.140s", lost ? "; " : "",
                        lost ? lost->name : "", lost ? " cannot be read to its end: " : "",
                        lost ? lost->lost : "");
    }
    if (o->ledger.documents == 0 && o->ledger.filtered) {
        char counts[128];
        pretok_ledger_reasons(&o->ledger, counts, sizeof counts);
        return ngt_fail(reterr, NGT_E_DATA, c->folder, HERE,
                        "not one document in %" PRIu64 " records (%s)%s", o->ledger.records, counts,
                        o->ledger.filtered_by[PRETOK_WARC_RESPONSE]
                            ? "; text is not extracted from HTML: take the WET files"
                            : "");
    }
    pretok_plan_text(c->plan, &option, &value);
    if (o->ledger.documents == 0)
        return ngt_fail(reterr, NGT_E_DATA, c->folder, HERE,
                        "not one document in %" PRIu64 " records; --%s is \"%.60s\"%s%.120s",
                        o->ledger.records, option, value, keys ? ", the keys there are: " : "",
                        keys ? keys : "");
    return pretok_judge(c->plan, &o->ledger, c->max_bad, "all units", keys, reterr);
}

static enum ngt_status tell_lost(const struct pretok_finish_config *c,
                                 const struct pretok_overview *o, struct ngt_error *reterr)
{
    char line[700];

    for (uint64_t i = 0; i < o->unit_count && c->say; i++)
        for (uint64_t k = 0; k < o->receipts[i].source_count; k++) {
            const struct pretok_receipt_source *s = &o->receipts[i].sources[k];
            if (!s->lost)
                continue;
            snprintf(line, sizeof line, "%s: not read to its end: %s", s->name, s->lost);
            c->say(c->arg, line);
        }
    if (o->lost_sources && !c->allow_lost) {
        const struct pretok_receipt_source *lost = first_lost(o);
        return ngt_fail(reterr, NGT_E_DATA, c->folder, HERE,
                        "%" PRIu64
                        " sources could not be read to their end (%.40s: %.60s); " NGT_DATASET_FILE
                        " is withheld: start again, in another folder once they "
                        "are mended, or accept with --allow-lost-sources",
                        o->lost_sources, lost->name, lost->lost);
    }
    return NGT_OK;
}

/* ---- what is written ---- */

static enum ngt_status append_file(struct ngt_output *out, const char *path,
                                   struct ngt_error *reterr)
{
    struct pretok_source *source = NULL;
    const uint8_t *at;
    uint64_t n = 1;
    enum ngt_status status = pretok_file_source_new(path, 0, 0, UINT64_MAX, &source, reterr);

    while (status == NGT_OK && n) {
        status = source->read(source, &at, &n, reterr);
        if (status == NGT_OK && n)
            status = ngt_output_write(out, at, n, reterr);
    }
    pretok_source_free(&source);
    return status;
}

static enum ngt_status join_quarantine(const struct pretok_finish_config *c,
                                       const struct pretok_overview *o, struct ngt_error *reterr)
{
    char *path = ngt_path_join(c->folder, "quarantine.jsonl");
    struct ngt_output *out = NULL;
    enum ngt_status status = path ? NGT_OK : no_memory(reterr);

    for (uint64_t i = 0; i < o->unit_count && status == NGT_OK; i++) {
        if (!o->receipts[i].quarantine_bytes)
            continue;
        char *part = pretok_quarantine_path(c->plan, c->folder, i + 1);
        if (!part)
            status = no_memory(reterr);
        if (status == NGT_OK && !out)
            status = ngt_output_open(path, &out, reterr);
        if (status == NGT_OK)
            status = append_file(out, part, reterr);
        free(part);
    }
    if (status == NGT_OK && out)
        status = ngt_output_commit(&out, reterr);
    else if (status == NGT_OK && unlink(path) != 0 && errno != ENOENT)
        status = ngt_fail(reterr, NGT_E_IO, path, HERE, "cannot remove");
    ngt_output_abort(&out);
    free(path);
    return status;
}

static enum ngt_status find_duplicates(const struct pretok_finish_config *c,
                                       struct pretok_dataset *set,
                                       struct pretok_dropped **ret_dropped,
                                       struct ngt_error *reterr)
{
    struct pretok_dropped *dropped = calloc(set->sets->count + 1, sizeof *dropped);
    enum ngt_status status = dropped
                                 ? pretok_duplicates_find(c->folder, set->overview, set->sets,
                                                          PRETOK_DUPLICATES_TEXTS, dropped, reterr)
                                 : no_memory(reterr);

    *ret_dropped = dropped;
    set->dropped = dropped;
    for (uint64_t i = 0; i < set->sets->count && status == NGT_OK; i++) {
        struct pretok_ledger *l = &set->sets->sets[i].ledger;
        l->duplicates = dropped[i].documents;
        l->duplicate_tokens = dropped[i].tokens;
        set->ledger.duplicates += dropped[i].documents;
        set->ledger.duplicate_tokens += dropped[i].tokens;
    }
    return status;
}

/* The dry run's figures beside these; a damaged file of them is told, and is no failure. One that cannot be read
 * is: dataset.json would be another one when the disk is better. */
static enum ngt_status compare_estimate(const struct pretok_finish_config *c,
                                        const struct pretok_sets *sets,
                                        struct pretok_report *report, struct ngt_error *reterr)
{
    struct ngt_error error;
    enum ngt_status status;
    double bytes = 0;

    for (uint64_t i = 0; i < sets->count; i++)
        bytes += (double)sets->sets[i].bytes;
    pretok_facts_of(&report->ledger, bytes, &report->facts);
    status = pretok_estimate_load(c->folder, c->plan->fingerprint, &report->estimated,
                                  &report->estimate, &error);
    if (status == NGT_E_IO || status == NGT_E_NOMEM) {
        *reterr = error;
        return status;
    }
    if (status != NGT_OK && c->say) {
        char line[700];
        ngt_error_print(&error, line, sizeof line);
        c->say(c->arg, line);
    }
    return NGT_OK;
}

void pretok_report_print(const struct pretok_report *r, FILE *to)
{
    pretok_ledger_print(&r->ledger, to);
    if (r->estimated)
        pretok_estimate_print(&r->estimate, &r->facts, to);
}

enum ngt_status pretok_finish(const struct pretok_finish_config *config,
                              struct pretok_report *ret_report, struct ngt_error *reterr)
{
    struct pretok_report report = {0};
    struct pretok_overview o = {0};
    struct pretok_sets sets = {0};
    struct pretok_dropped *dropped = NULL;
    struct pretok_dataset set = {.plan = config->plan,
                                 .overview = &o,
                                 .sets = &sets,
                                 .folder = config->folder,
                                 .version = config->version};
    char open_units[200];
    enum ngt_status status = pretok_overview_load(config->plan, config->folder, NULL, &o, reterr);

    if (status != NGT_OK)
        return status;
    *ret_report = (struct pretok_report){.ledger = o.ledger};
    if (o.done < o.unit_count)
        status =
            ngt_fail(reterr, NGT_E_DATA, config->folder, HERE,
                     "%" PRIu64 " of %" PRIu64 " units are missing: %s", o.unit_count - o.done,
                     o.unit_count, pretok_overview_open_units(&o, open_units, sizeof open_units));
    if (status == NGT_OK)
        status = prove_all(config, &o, reterr);
    if (status == NGT_OK)
        status = judge_all(config, &o, reterr);
    if (status == NGT_OK)
        status = join_quarantine(config, &o, reterr);
    if (status == NGT_OK)
        status = tell_lost(config, &o, reterr);
    if (status == NGT_OK)
        status = pretok_sets_find(config->plan, &o, &sets, reterr);
    set.ledger = o.ledger;
    if (status == NGT_OK && pretok_plan_option(config->plan, "dedup"))
        status = find_duplicates(config, &set, &dropped, reterr);
    report.ledger = set.ledger;
    if (status == NGT_OK)
        status = compare_estimate(config, &sets, &report, reterr);
    if (status == NGT_OK) {
        set.estimate = report.estimated ? &report.estimate : NULL;
        set.facts = &report.facts;
        status = pretok_dataset_write(&set, reterr);
    }
    *ret_report = report;
    if (status == NGT_OK)
        pretok_job_folder_sweep(config->folder, sets.split);
    pretok_duplicates_done(dropped, sets.count);
    pretok_sets_done(&sets);
    pretok_overview_done(&o);
    return status;
}
