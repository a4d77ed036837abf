#include <locale.h>
#include <string.h>

#include "commands.h"
#include "ngt/file.h"

int pretok_exit(struct cli_console *console, enum ngt_status status, const struct ngt_error *error)
{
    if (status == NGT_OK)
        return CLI_EXIT_OK;
    cli_error(console, error);
    return status == NGT_E_STOPPED ? CLI_EXIT_AGAIN
           : status == NGT_E_RANGE ? CLI_EXIT_USAGE
                                   : CLI_EXIT_FAILED;
}

static pretok_command_fn function_of(const char *command)
{
    static const struct {
        const char *name;
        pretok_command_fn run;
    } functions[] = {
        {"plan", pretok_cmd_plan},     {"status", pretok_cmd_status}, {"finish", pretok_cmd_finish},
        {"encode", pretok_cmd_encode}, {"bench", pretok_cmd_bench},
    };

    for (size_t i = 0; command && i < sizeof functions / sizeof *functions; i++)
        if (strcmp(command, functions[i].name) == 0)
            return functions[i].run;
    return pretok_cmd_run;
}

int main(int argc, char **argv)
{
    struct pretok_options options = {.eos = true};
    const struct cli_command *command = NULL;
    struct cli_list operands = {0};
    struct cli_console *console = NULL;
    int code;

    ngt_map_guard();
    /* names of archive members come in UTF-8, whatever the user's locale */
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    switch (cli_parse(&pretok_program, argc, argv, &options, &command, &operands)) {
    case CLI_DONE:
        return CLI_EXIT_OK;
    case CLI_USAGE:
        return CLI_EXIT_USAGE;
    case CLI_RUN:
        break;
    }
    console = cli_console_new("pretok", (enum cli_progress_mode)options.progress, options.quiet,
                              options.verbose);
    code = cli_end_output(console, function_of(command->name)(&options, &operands, console));
    cli_console_free(&console);
    cli_done(command, &options, &operands);
    return code;
}
