/* Internal: facts about an option table that parser and pages both need. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "cli/options.h"

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
