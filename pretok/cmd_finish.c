/* pretok finish DIR: every byte of every shard is hashed, unless --quick. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "finish.h"
#include "job_folder.h"
#include "overview.h"

static void say(void *arg, const char *message)
{
    cli_say(arg, "%s", message);
}

/* On stdout, for whoever submits again; the error that follows tells the units. */
static void print_array(const struct pretok_finish_config *c, uint64_t tasks)
{
    struct pretok_overview o = {0};
    char *array = NULL;

    if (pretok_overview_load(c->plan, c->folder, NULL, &o, NULL) != NGT_OK)
        return;
    if (o.done < o.unit_count && (array = pretok_overview_array(&o, tasks)) != NULL)
        printf("array %s of %" PRIu64 "\n", array, tasks ? tasks : o.unit_count);
    free(array);
    pretok_overview_done(&o);
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
    struct pretok_remote *remote = NULL;
    struct pretok_report report;
    struct ngt_error error;
    enum ngt_status status = pretok_job_folder_load(config.folder, NULL, &plan, &error);

    config.plan = &plan;
    if (status == NGT_OK)
        status = pretok_options_remote(o, NULL, &remote, &error);
    config.remote = remote;
    if (status == NGT_OK)
        status = pretok_finish(&config, &report, &error);
    if (status == NGT_OK)
        pretok_report_print(&report, stdout);
    else
        print_array(&config, o->tasks);
    int code = pretok_exit(console, status, &error);
    pretok_plan_done(&plan);
    pretok_remote_free(&remote);
    return code;
}
