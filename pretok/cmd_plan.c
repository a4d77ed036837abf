/* pretok plan: inputs and units fixed, nothing read but their ends. */
#include <inttypes.h>
#include <stdio.h>

#include "commands.h"
#include "job_folder.h"

static bool stopped(void *arg)
{
    (void)arg;
    return cli_stopped();
}

int pretok_cmd_plan(const struct pretok_options *o, const struct cli_list *operands,
                    struct cli_console *console)
{
    struct tok_tokenizer *t = NULL;
    struct pretok_remote *remote = NULL;
    struct pretok_special special;
    struct pretok_plan plan = {0};
    struct ngt_error error;
    enum ngt_status status = NGT_OK;
    uint64_t bytes = 0;

    ngt_error_clear(&error);
    cli_catch_signals();
    status = pretok_options_output(o, &error);
    if (status == NGT_OK)
        status = pretok_options_tokenizer(o, &t, &error);
    if (status == NGT_OK)
        status = pretok_options_special(o, t, &special, &error);
    if (status == NGT_OK)
        status = pretok_options_remote(o, stopped, &remote, &error);
    if (status == NGT_OK)
        status = pretok_options_plan(o, operands, t, &special, NULL, remote, &plan, &error);
    if (status == NGT_OK)
        status = pretok_job_folder_make(o->output, o->split_key, &error);
    if (status == NGT_OK)
        status = pretok_job_folder_plan(o->output, &plan, &error);
    if (status == NGT_OK) {
        for (uint64_t i = 0; i < plan.inputs.count; i++)
            bytes += plan.inputs.items[i].size;
        printf("inputs       %15" PRIu64 "   %" PRIu64 " bytes\n", plan.inputs.count, bytes);
        printf("units        %15" PRIu64 "\n", plan.unit_count);
        for (uint64_t u = 1; u <= plan.unit_count && o->verbose; u++) {
            const struct pretok_unit *unit = &plan.units[u - 1];
            printf("unit %" PRIu64 ": %s", u, plan.inputs.items[unit->first_input].name);
            if (unit->input_count > 1)
                printf(" and %" PRIu64 " more", unit->input_count - 1);
            if (unit->part)
                printf(" from %" PRIu64, unit->start);
            printf(", %" PRIu64 " bytes\n", unit->bytes);
        }
    }
    int code = pretok_exit(console, status, &error);
    pretok_plan_done(&plan);
    pretok_remote_free(&remote);
    tok_close(&t);
    return code;
}
