#include "job/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job/plan_table.h"
#include "job/units.h"

#define HERE NGT_NO_POS, NGT_NO_POS

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

/* ---- what is in it ---- */

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

bool pretok_plan_fingerprint(struct pretok_plan *p)
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
    enum ngt_status status;

    ngt_error_clear(reterr);
    config->inputs = (struct pretok_inputs){0};
    status = pretok_units_cut(&p.inputs, config, &p.units, &p.unit_count, reterr);
    p.query = config->query ? strdup(config->query) : NULL;
    if (status == NGT_OK && ((config->query && !p.query) ||
                             !copy_pairs(config->options, config->option_count, &p.options) ||
                             !copy_pairs(config->identity, config->identity_count, &p.identity) ||
                             !pretok_plan_fingerprint(&p)))
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
