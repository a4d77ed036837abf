#include <string.h>

#include "ngt/file.h"
#include "trainer/commands.h"

struct entry {
    const char *name;
    int (*run)(const struct trainer_options *options, const struct cli_list *operands,
               struct cli_console *console);
};

static const struct entry entries[] = {
    {"", trainer_cmd_train},    {"generate", trainer_cmd_generate}, {"report", trainer_cmd_report},
    {"eval", trainer_cmd_eval}, {"export", trainer_cmd_export},     {"import", trainer_cmd_import},
};

int main(int argc, char **argv)
{
    struct trainer_options options = {0};
    const struct cli_command *command = NULL;
    struct cli_list operands;
    int code = CLI_EXIT_FAILED;

    ngt_map_guard();
    enum cli_outcome outcome =
        cli_parse(&trainer_program, argc, argv, &options, &command, &operands);
    if (outcome != CLI_RUN)
        return outcome == CLI_DONE ? CLI_EXIT_OK : CLI_EXIT_USAGE;
    struct cli_console *console =
        cli_console_new(trainer_program.name, (enum cli_progress_mode)options.progress,
                        options.quiet, options.verbose);
    for (size_t i = 0; console && i < sizeof entries / sizeof *entries; i++)
        if (strcmp(entries[i].name, command->name ? command->name : "") == 0)
            code = entries[i].run(&options, &operands, console);
    code = cli_end_output(console, code);
    cli_console_free(&console);
    cli_done(command, &options, &operands);
    return code;
}
