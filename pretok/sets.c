#include "sets.h"

#include <stdlib.h>
#include <string.h>

#include "unit_writer.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static int by_folder(const void *a, const void *b)
{
    return strcmp(((const struct pretok_set *)a)->folder, ((const struct pretok_set *)b)->folder);
}

static struct pretok_set *find(const struct pretok_sets *s, const char *folder)
{
    struct pretok_set key = {.folder = folder};

    return bsearch(&key, s->sets, s->count, sizeof key, by_folder);
}

uint64_t pretok_sets_of(const struct pretok_sets *s, const struct pretok_receipt *r, uint64_t shard)
{
    return s->split ? (uint64_t)(find(s, r->sets[r->shards[shard].set].folder) - s->sets) : 0;
}

static enum ngt_status name_sets(const struct pretok_plan *plan, const struct pretok_overview *o,
                                 struct pretok_sets *s, struct ngt_error *reterr)
{
    for (uint64_t u = 0; u < o->unit_count; u++)
        for (uint64_t i = 0; i < o->receipts[u].set_count; i++) {
            const char *folder = o->receipts[u].sets[i].folder;
            if (find(s, folder))
                continue;
            if (s->count == PRETOK_SETS)
                return ngt_fail(
                    reterr, NGT_E_DATA, NULL, HERE,
                    "--split-by-key \"%.60s\" has more than %u values (%s, %s, ... %s): "
                    "each is a set of its own; split by another key, in another folder",
                    pretok_plan_option(plan, "split_by_key"), PRETOK_SETS, s->sets[0].folder,
                    s->sets[1].folder, folder);
            s->sets[s->count++].folder = folder;
            qsort(s->sets, s->count, sizeof *s->sets, by_folder);
        }
    return NGT_OK;
}

enum ngt_status pretok_sets_find(const struct pretok_plan *plan, const struct pretok_overview *o,
                                 struct pretok_sets *ret_sets, struct ngt_error *reterr)
{
    struct pretok_sets s = {.sets = calloc(PRETOK_SETS, sizeof *s.sets),
                            .split = pretok_plan_option(plan, "split_by_key") != NULL};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (!s.sets)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sets");
    if (s.split) {
        status = name_sets(plan, o, &s, reterr);
    } else {
        s.count = 1;
        s.sets[0].ledger = o->ledger;
    }
    for (uint64_t u = 0; u < o->unit_count && status == NGT_OK; u++) {
        const struct pretok_receipt *r = &o->receipts[u];
        for (uint64_t i = 0; i < r->set_count && s.split; i++)
            pretok_ledger_add(&find(&s, r->sets[i].folder)->ledger, &r->sets[i].ledger);
        for (uint64_t k = 0; k < r->shard_count; k++) {
            struct pretok_set *set = &s.sets[pretok_sets_of(&s, r, k)];
            set->shards++;
            set->documents += r->shards[k].summary.docs;
            set->tokens += r->shards[k].summary.tokens;
            set->bytes += r->shards[k].summary.file_bytes;
        }
    }
    if (status == NGT_OK)
        *ret_sets = s;
    else
        pretok_sets_done(&s);
    return status;
}

void pretok_sets_done(struct pretok_sets *s)
{
    free(s->sets);
    *s = (struct pretok_sets){0};
}
