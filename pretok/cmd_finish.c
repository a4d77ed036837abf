/* pretok finish DIR: every byte of every shard is hashed, unless --quick. */
#include <stdio.h>

#include "commands.h"
#include "finish.h"
#include "job_folder.h"

static void say(void *arg, const char *message)
{
    cli_say(arg, "%s", message);
}

int pretok_cmd_finish(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console)
{
    struct pretok_finish_config config = {.folder = operands->items[0],
                                          .version = pretok_program.version,
                                          .max_bad = o->max_bad,
                                          .allow_lost = o->allow_lost,
                                          .whole = !o->quick,
                                          .check_inputs = o->check_inputs,
                                          .threads = pretok_options_threads(o),
                                          .arg = console,
                                          .say = say};
    struct pretok_plan plan = {0};
    struct pretok_ledger ledger;
    struct ngt_error error;
    enum ngt_status status = pretok_job_folder_load(config.folder, &plan, &error);

    config.plan = &plan;
    if (status == NGT_OK)
        status = pretok_finish(&config, &ledger, &error);
    if (status == NGT_OK)
        pretok_ledger_print(&ledger, stdout);
    int code = pretok_exit(console, status, &error);
    pretok_plan_done(&plan);
    return code;
}
