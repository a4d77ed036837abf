/*
 * The pages made from an option table. Every page goes to a
 * stdio stream and depends on the table alone, so that the emitted files can be golden.
 */
#ifndef CLI_EMIT_H
#define CLI_EMIT_H

#include <stdio.h>

#include "cli/options.h"

/* Columns of --help. */
#define CLI_WIDTH 80

/* --help of one command; of the program, with its list of commands, when c is the one without a
 * name or NULL. */
void cli_emit_help(FILE *out, const struct cli_program *p, const struct cli_command *c);
void cli_emit_man(FILE *out, const struct cli_program *p);
void cli_emit_bash(FILE *out, const struct cli_program *p);
void cli_emit_zsh(FILE *out, const struct cli_program *p);
void cli_emit_fish(FILE *out, const struct cli_program *p);
/* false when out of memory */
bool cli_emit_json(FILE *out, const struct cli_program *p);

#endif
