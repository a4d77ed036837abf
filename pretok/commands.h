/* One function a subcommand: does it, prints its results to stdout, and returns the exit code. */
#ifndef PRETOK_COMMANDS_H
#define PRETOK_COMMANDS_H

#include "options.h"

typedef int (*pretok_command_fn)(const struct pretok_options *o, const struct cli_list *operands,
                                 struct cli_console *console);

int pretok_cmd_run(const struct pretok_options *o, const struct cli_list *operands,
                   struct cli_console *console);
int pretok_cmd_plan(const struct pretok_options *o, const struct cli_list *operands,
                    struct cli_console *console);
int pretok_cmd_status(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console);
int pretok_cmd_finish(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console);
int pretok_cmd_encode(const struct pretok_options *o, const struct cli_list *operands,
                      struct cli_console *console);
int pretok_cmd_bench(const struct pretok_options *o, const struct cli_list *operands,
                     struct cli_console *console);

/* Prints the error, if any, and gives the exit code that goes with it. */
int pretok_exit(struct cli_console *console, enum ngt_status status, const struct ngt_error *error);

#endif
