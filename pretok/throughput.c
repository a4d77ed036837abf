#include "throughput.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "job/plan_file.h"
#include "ngt/file.h"

static double plan_time(const char *folder)
{
    char *path = ngt_path_join(folder, PRETOK_PLAN_FILE);
    struct stat st;
    double at = 0;

    if (path && stat(path, &st) == 0)
        at = (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec * 1e-9;
    free(path);
    return at;
}

struct pretok_throughput pretok_throughput_measure(const struct pretok_plan *plan,
                                                   const char *folder,
                                                   const struct pretok_overview *o, double now)
{
    struct pretok_throughput t = {.left = -1};
    bool complete = o->done == o->unit_count;
    double from = plan_time(folder), until = now;

    if (complete) {
        until = from;
        for (uint64_t u = 0; u < o->unit_count; u++)
            if (o->receipts[u].committed > until)
                until = o->receipts[u].committed;
    } else if (from < now - PRETOK_THROUGHPUT_WINDOW) {
        from = now - PRETOK_THROUGHPUT_WINDOW;
    }
    for (uint64_t u = 0; u < o->unit_count; u++) {
        const struct pretok_receipt *r = &o->receipts[u];
        uint64_t bytes = pretok_plan_bytes(plan, u + 1);
        if (!r->unit) {
            t.left_bytes += bytes;
        } else if (complete || r->committed >= from) {
            t.units++;
            t.bytes += bytes;
            t.tokens += r->ledger.tokens;
        }
    }
    t.seconds = until > from ? until - from : 0;
    if (complete)
        t.left = 0;
    else if (t.bytes)
        t.left = (double)t.left_bytes * t.seconds / (double)t.bytes;
    return t;
}
