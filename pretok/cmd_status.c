/* pretok status DIR: from plan and receipts alone. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "finish.h"
#include "job_folder.h"

static void print_json(const struct pretok_overview *o, bool complete)
{
    struct ngt_json_out out;

    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    ngt_json_member_u64(&out, "units", o->unit_count);
    ngt_json_member_u64(&out, "done", o->done);
    ngt_json_member_u64(&out, "lost_sources", o->lost_sources);
    ngt_json_member_bool(&out, "complete", complete);
    ngt_json_key(&out, "ledger");
    ngt_json_object(&out);
    pretok_ledger_write(&o->ledger, &out);
    ngt_json_object_end(&out);
    ngt_json_object_end(&out);
    if (!out.failed)
        fwrite(out.bytes, 1, out.size, stdout);
    ngt_json_out_done(&out);
}

int pretok_cmd_status(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console)
{
    const char *folder = operands->items[0];
    struct pretok_plan plan = {0};
    struct pretok_overview overview = {0};
    struct ngt_error error;
    char open_units[400];
    enum ngt_status status = pretok_job_folder_load(folder, &plan, &error);

    if (status == NGT_OK)
        status = pretok_overview_load(&plan, folder, &overview, &error);
    if (status == NGT_OK) {
        bool complete = pretok_job_folder_complete(folder);
        if (o->json) {
            print_json(&overview, complete);
        } else {
            printf("units        %15" PRIu64 "\n", overview.unit_count);
            printf("done         %15" PRIu64 "\n", overview.done);
            if (overview.done < overview.unit_count)
                printf("open                           %s\n",
                       pretok_overview_open_units(&overview, open_units, sizeof open_units));
            if (overview.lost_sources)
                printf("lost sources %15" PRIu64 "\n", overview.lost_sources);
            printf("data set     %15s\n", complete ? "complete" : "not complete");
            pretok_ledger_print(&overview.ledger, stdout);
        }
    }
    int code = pretok_exit(console, status, &error);
    pretok_overview_done(&overview);
    pretok_plan_done(&plan);
    return code;
}
