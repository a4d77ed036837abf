#include "overview.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ngt_status pretok_overview_load(const struct pretok_plan *plan, const char *folder,
                                     const struct pretok_plan_share *share,
                                     struct pretok_overview *ret_overview, struct ngt_error *reterr)
{
    struct pretok_overview o = {.unit_count = plan->unit_count};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    o.receipts = calloc(plan->unit_count + 1, sizeof *o.receipts);
    if (!o.receipts)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the receipts");
    for (uint64_t u = share ? share->task : 1; u <= plan->unit_count && status == NGT_OK;
         u += share ? share->tasks : 1) {
        struct pretok_receipt *r = &o.receipts[u - 1];
        bool there = false;
        status = pretok_receipt_load(plan, folder, u, &there, r, reterr);
        if (status != NGT_OK || !there)
            continue;
        o.done++;
        pretok_ledger_add(&o.ledger, &r->ledger);
        for (uint64_t i = 0; i < r->source_count; i++)
            o.lost_sources += r->sources[i].lost != NULL;
    }
    if (status == NGT_OK)
        *ret_overview = o;
    else
        pretok_overview_done(&o);
    return status;
}

void pretok_overview_done(struct pretok_overview *o)
{
    for (uint64_t i = 0; o->receipts && i < o->unit_count; i++)
        pretok_receipt_done(&o->receipts[i]);
    free(o->receipts);
    *o = (struct pretok_overview){0};
}

char *pretok_overview_open_units(const struct pretok_overview *o, char *out, size_t room)
{
    size_t used = 0;

    out[0] = '\0';
    for (uint64_t u = 0; u < o->unit_count; u++) {
        uint64_t first = u;
        char range[48];
        if (o->receipts[u].unit)
            continue;
        while (u + 1 < o->unit_count && !o->receipts[u + 1].unit)
            u++;
        int n = first == u
                    ? snprintf(range, sizeof range, "%" PRIu64, first + 1)
                    : snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, first + 1, u + 1);
        if (used + (size_t)n + 8 > room) {
            strcpy(out + used, ", ...");
            break;
        }
        used += (size_t)snprintf(out + used, room - used, "%s%s", used ? ", " : "", range);
    }
    return out;
}

char *pretok_overview_array(const struct pretok_overview *o, uint64_t tasks)
{
    char *text = NULL;
    size_t size = 0;
    /* a task beyond the units has none */
    uint64_t count = tasks && tasks < o->unit_count ? tasks : o->unit_count;
    bool *open = calloc(count + 2, sizeof *open), first = true;
    FILE *to = open_memstream(&text, &size);

    if (!open || !to)
        goto out;
    for (uint64_t u = 0; u < o->unit_count; u++)
        if (!o->receipts[u].unit)
            open[u % count + 1] = true;
    for (uint64_t t = 1; t <= count; t++) {
        uint64_t begin = t;
        if (!open[t])
            continue;
        while (open[t + 1]) /* the one after the last stays false */
            t++;
        fprintf(to, "%s%" PRIu64, first ? "" : ",", begin);
        if (t > begin)
            fprintf(to, "-%" PRIu64, t);
        first = false;
    }
out:
    free(open);
    if (to && fclose(to) != 0) {
        free(text);
        text = NULL;
    }
    return text;
}
