/* The subcommands: each returns the exit code and has told its error itself. */
#ifndef TRAINER_COMMANDS_H
#define TRAINER_COMMANDS_H

#include "cli/progress.h"
#include "trainer/config.h"

extern const struct cli_program trainer_program;

int trainer_cmd_train(const struct trainer_options *options, const struct cli_list *operands,
                      struct cli_console *console);
int trainer_cmd_generate(const struct trainer_options *options, const struct cli_list *operands,
                         struct cli_console *console);
int trainer_cmd_report(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console);
int trainer_cmd_export(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console);
int trainer_cmd_import(const struct trainer_options *options, const struct cli_list *operands,
                       struct cli_console *console);
int trainer_cmd_eval(const struct trainer_options *options, const struct cli_list *operands,
                     struct cli_console *console);

#endif
