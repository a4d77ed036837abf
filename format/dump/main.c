#include <errno.h>

#include "cli/progress.h"
#include "dump.h"
#include "ngt/file.h"

typedef enum ngt_status (*show_fn)(const struct dump_config *, const struct ngt_dataset *, FILE *,
                                   struct ngt_error *);

/* The mode asked for, or NULL when more than one was. --verify has no show function: it opens no
 * data set. */
static int pick(const struct dump_config *c, show_fn *ret)
{
    const struct {
        bool on;
        show_fn show;
    } modes[] = {{c->header, dump_header}, {c->list, dump_list}, {c->docs, dump_docs},
                 {c->ids, dump_ids},       {c->text, dump_text}, {c->stats, dump_stats},
                 {c->verify, NULL}};
    int given = 0;

    *ret = dump_header;
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++)
        if (modes[i].on) {
            *ret = modes[i].show;
            given++;
        }
    return given <= 1;
}

int main(int argc, char **argv)
{
    struct dump_config config = {0};
    const struct cli_command *command;
    struct cli_list operands = {0};
    struct ngt_dataset *set = NULL;
    struct cli_console *console = NULL;
    struct ngt_error error;
    show_fn show;
    int code = CLI_EXIT_FAILED;

    ngt_map_guard();
    ngt_error_clear(&error);
    enum cli_outcome outcome = cli_parse(&dump_program, argc, argv, &config, &command, &operands);
    if (outcome != CLI_RUN)
        return outcome == CLI_DONE ? CLI_EXIT_OK : CLI_EXIT_USAGE;
    console = cli_console_new(dump_program.name, CLI_PROGRESS_AUTO, false, 0);
    if (!console)
        goto out;
    if (!pick(&config, &show) ||
        (config.range != NULL) + config.doc_given + (config.at != NULL) > 1) {
        cli_say(console, "one of --header --list --docs --ids --text --stats --verify at a time, "
                         "and one of --range "
                         "--doc --at");
        code = CLI_EXIT_USAGE;
        goto out;
    }
    enum ngt_status status;
    if (config.verify) {
        status = dump_verify(&config, operands.items, operands.count, stdout, &error);
    } else {
        status = ngt_dataset_open(operands.items, operands.count,
                                  config.incomplete ? NGT_DATASET_INCOMPLETE : 0, &set, &error);
        if (status == NGT_OK)
            status = show(&config, set, stdout, &error);
    }
    if (status == NGT_OK)
        code = CLI_EXIT_OK;
    else
        cli_error(console, &error);
    code = cli_end_output(console, code);
out:
    ngt_dataset_close(&set);
    cli_console_free(&console);
    cli_done(command, &config, &operands);
    return code;
}
