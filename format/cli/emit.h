/*
 * What the files of this library share: the pages made from an option table. Every page goes to a
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

/* The command without a name, or NULL. */
const struct cli_command *cli_default_command(const struct cli_program *p);
/* Does an option of this type take a value? */
bool cli_takes_value(enum cli_type type);
/* What stands for the value: the table's word, else the choices ("auto|cpu|cuda"), else "VALUE". */
void cli_argument_text(const struct cli_option *o, char *out, size_t size);
/* "from 1 to 100", "1 or more"; empty without bounds. */
void cli_range_text(const struct cli_option *o, char *out, size_t size);
/* Headings in their order of appearance, the general one last; NULL past the end. */
const char *cli_group_at(const struct cli_command *c, unsigned index);
#define CLI_GENERAL "General"
bool cli_in_group(const struct cli_option *o, const char *group);

/* The options every command has. */
extern const struct cli_option cli_common[];

#endif
