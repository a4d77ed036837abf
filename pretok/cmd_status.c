/* pretok status DIR: from plan, receipts and notes of failures alone. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "commands.h"
#include "job/failure.h"
#include "job_folder.h"
#include "overview.h"
#include "throughput.h"

#define FAILURES_SHOWN 10u

struct state {
    const struct pretok_plan *plan;
    const char *folder;
    struct pretok_overview overview;
    struct pretok_throughput speed;
    char **failures; /* [unit_count]; NULL: none known */
    uint64_t failed; /* open units with a failure; `missing` are the other open ones */
    uint64_t missing;
    char *array; /* open units, failed ones too */
    uint64_t tasks;
    bool complete;
};

static enum ngt_status look(struct state *s, uint64_t tasks, struct ngt_error *reterr)
{
    const struct pretok_overview *o = &s->overview;
    struct timespec t;
    enum ngt_status status = pretok_overview_load(s->plan, s->folder, NULL, &s->overview, reterr);

    if (status != NGT_OK)
        return status;
    s->failures = calloc(o->unit_count + 1, sizeof *s->failures);
    s->array = pretok_overview_array(o, tasks);
    if (!s->failures || !s->array)
        return ngt_fail(reterr, NGT_E_NOMEM, s->folder, NGT_NO_POS, NGT_NO_POS, "out of memory");
    for (uint64_t u = 0; u < o->unit_count; u++)
        if (!o->receipts[u].unit &&
            (s->failures[u] = pretok_failure_load(s->plan, s->folder, u + 1)))
            s->failed++;
    s->missing = o->unit_count - o->done - s->failed;
    s->tasks = tasks ? tasks : o->unit_count;
    clock_gettime(CLOCK_REALTIME, &t);
    s->speed = pretok_throughput_measure(s->plan, s->folder, o,
                                         (double)t.tv_sec + (double)t.tv_nsec * 1e-9);
    return pretok_job_folder_complete(s->folder, &s->complete, reterr);
}

static void print_json(const struct state *s)
{
    const struct pretok_overview *o = &s->overview;
    struct ngt_json_out out;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "units", o->unit_count);
    ngt_json_member_u64(&out, "done", o->done);
    ngt_json_member_u64(&out, "missing", s->missing);
    ngt_json_member_u64(&out, "failed", s->failed);
    ngt_json_member_u64(&out, "lost_sources", o->lost_sources);
    ngt_json_member_bool(&out, "complete", s->complete);
    ngt_json_member_string(&out, "array", s->array);
    ngt_json_member_u64(&out, "tasks", s->tasks);
    ngt_json_key(&out, "throughput");
    ngt_json_object(&out);
    ngt_json_member_double(&out, "seconds", s->speed.seconds);
    ngt_json_member_u64(&out, "units", s->speed.units);
    ngt_json_member_u64(&out, "input_bytes", s->speed.bytes);
    ngt_json_member_u64(&out, "tokens", s->speed.tokens);
    ngt_json_member_u64(&out, "input_bytes_left", s->speed.left_bytes);
    if (s->speed.left >= 0)
        ngt_json_member_double(&out, "seconds_left", s->speed.left);
    ngt_json_object_end(&out);
    ngt_json_key(&out, "failures");
    ngt_json_array(&out);
    for (uint64_t u = 0; u < o->unit_count; u++)
        if (s->failures[u]) {
            ngt_json_object(&out);
            ngt_json_member_u64(&out, "unit", u + 1);
            ngt_json_member_string(&out, "why", s->failures[u]);
            ngt_json_object_end(&out);
        }
    ngt_json_array_end(&out);
    ngt_json_key(&out, "ledger");
    ngt_json_object(&out);
    pretok_ledger_write(&o->ledger, &out);
    ngt_json_object_end(&out);
    ngt_json_object_end(&out);
    if (!out.failed)
        fwrite(out.bytes, 1, out.size, stdout);
    ngt_json_out_done(&out);
}

static void print_speed(const struct pretok_throughput *t, bool all_done)
{
    double seconds = t->seconds > 0 ? t->seconds : 1;
    char bytes[24], tokens[24], time[24];

    if (t->units)
        printf("throughput   %12s/s of stored input, %s tokens/s, in %s%s\n",
               cli_format_bytes((uint64_t)((double)t->bytes / seconds), bytes),
               cli_format_count((uint64_t)((double)t->tokens / seconds), tokens),
               all_done ? "" : "the last ", cli_format_seconds(t->seconds, time));
    else if (!all_done)
        printf("throughput                   0   no unit was committed in the last %s\n",
               cli_format_seconds(t->seconds, time));
    if (!all_done)
        printf("time left    %15s   at that rate, for %s of stored input\n",
               t->left >= 0 ? cli_format_seconds(t->left, time) : "?",
               cli_format_bytes(t->left_bytes, bytes));
}

static void print_text(const struct state *s)
{
    const struct pretok_overview *o = &s->overview;
    char open_units[400];
    uint64_t shown = 0;

    printf("units        %15" PRIu64 "\n", o->unit_count);
    printf("done         %15" PRIu64 "\n", o->done);
    if (o->done < o->unit_count) {
        printf("missing      %15" PRIu64 "\n", s->missing);
        printf("failed       %15" PRIu64 "\n", s->failed);
        printf("open                           %s\n",
               pretok_overview_open_units(o, open_units, sizeof open_units));
        printf("array                          %s of %" PRIu64 "\n", s->array, s->tasks);
    }
    for (uint64_t u = 0; u < o->unit_count && shown <= FAILURES_SHOWN; u++)
        if (s->failures[u] && shown++ < FAILURES_SHOWN)
            printf("unit %" PRIu64 " failed: %s\n", u + 1, s->failures[u]);
    if (s->failed > FAILURES_SHOWN)
        printf("and %" PRIu64 " more, in receipts/*.failed\n", s->failed - FAILURES_SHOWN);
    if (o->lost_sources)
        printf("lost sources %15" PRIu64 "\n", o->lost_sources);
    print_speed(&s->speed, o->done == o->unit_count);
    printf("data set     %15s\n", s->complete ? "complete" : "not complete");
    pretok_ledger_print(&o->ledger, stdout);
}

int pretok_cmd_status(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console)
{
    struct pretok_plan plan = {0};
    struct state s = {.plan = &plan, .folder = operands->items[0]};
    struct ngt_error error;
    enum ngt_status status = pretok_job_folder_load(s.folder, NULL, &plan, &error);

    if (status == NGT_OK)
        status = look(&s, o->tasks, &error);
    if (status == NGT_OK && o->json)
        print_json(&s);
    else if (status == NGT_OK)
        print_text(&s);
    int code = pretok_exit(console, status, &error);
    for (uint64_t u = 0; s.failures && u < s.overview.unit_count; u++)
        free(s.failures[u]);
    free(s.failures);
    free(s.array);
    pretok_overview_done(&s.overview);
    pretok_plan_done(&plan);
    return code;
}
