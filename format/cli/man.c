/* The manual page, section 1, in the man(7) macros. No date: the page depends on the table alone.
 */
#include <ctype.h>
#include <string.h>

#include "emit.h"
#include "table.h"

/* Text with what roff would take for its own escaped; a dash is the one that can be copied. */
static void text(FILE *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        fputs("\\&", out);
    for (; *s; s++) {
        if (*s == '\\')
            fputs("\\e", out);
        else if (*s == '-')
            fputs("\\-", out);
        else if (*s == '\n')
            fputs("\n.PP\n", out);
        else
            fputc(*s, out);
    }
}

static void option(FILE *out, const struct cli_option *o)
{
    char argument[128];

    fputs(".TP\n", out);
    if (o->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", o->letter);
    fputs("\\fB\\-\\-", out);
    text(out, o->name);
    fputs("\\fR", out);
    cli_argument_text(o, argument, sizeof argument);
    if (argument[0]) {
        fputs(" \\fI", out);
        text(out, argument);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    text(out, o->help);
    fputc('.', out);
    if (o->fallback) {
        fputs(" Default: ", out);
        text(out, o->fallback);
        fputc('.', out);
    }
    char range[256];
    if (o->type != CLI_CHOICE)
        cli_range_text(o, range, sizeof range);
    else
        range[0] = '\0';
    if (range[0]) {
        fputs(" Allowed: ", out);
        text(out, range);
        fputc('.', out);
    }
    fputc('\n', out);
}

static void command(FILE *out, const struct cli_command *c)
{
    const char *group;

    for (unsigned i = 0; (group = cli_group_at(c, i)); i++) {
        bool any = false;
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            if (!cli_in_group(o, group))
                continue;
            if (!any && !c->name) {
                fputs(".SS ", out);
                text(out, group);
                fputc('\n', out);
            }
            any = true;
            option(out, o);
        }
    }
    if (!c->name)
        for (const struct cli_option *o = cli_common; o->name; o++)
            option(out, o);
}

static void synopsis(FILE *out, const struct cli_program *p, const struct cli_command *c)
{
    fputs("\\fB", out);
    text(out, p->name);
    if (c->name) {
        fputc(' ', out);
        text(out, c->name);
    }
    fputs("\\fR", out);
    if (c->options && c->options[0].name)
        fputs(" [\\fIOPTION\\fR]...", out);
    if (c->operands) {
        fputs(" \\fI", out);
        text(out, c->operands);
        fputs("\\fR", out);
    }
    fputc('\n', out);
}

void cli_emit_man(FILE *out, const struct cli_program *p)
{
    fputs(".TH ", out);
    for (const char *s = p->name; *s; s++)
        fputc(toupper((unsigned char)*s), out);
    fprintf(out, " 1 \"\" \"%s %s\" \"User Commands\"\n.SH NAME\n", p->name, p->version);
    text(out, p->name);
    fputs(" \\- ", out);
    text(out, p->summary);
    fputs("\n.SH SYNOPSIS\n", out);
    for (uint64_t i = 0; i < p->command_count; i++) {
        if (i)
            fputs(".br\n", out);
        synopsis(out, p, &p->commands[i]);
    }
    const struct cli_command *whole = cli_default_command(p);
    if (whole) {
        fputs(".SH OPTIONS\n", out);
        command(out, whole);
    }
    if (p->command_count > (whole ? 1u : 0u)) {
        fputs(".SH COMMANDS\n", out);
        for (uint64_t i = 0; i < p->command_count; i++) {
            if (!p->commands[i].name)
                continue;
            fputs(".SS ", out);
            text(out, p->commands[i].name);
            fputc('\n', out);
            text(out, p->commands[i].summary);
            fputs(".\n", out);
            command(out, &p->commands[i]);
        }
    }
    fputs(".SH EXIT STATUS\n"
          ".TP\n0\nDone.\n"
          ".TP\n1\nFailed; the message says what, where and what to do.\n"
          ".TP\n2\nWrong usage.\n"
          ".TP\n75\nStopped early and cleanly; the same command again goes on.\n",
          out);
    if (p->details) {
        fputs(".SH NOTES\n", out);
        text(out, p->details);
        fputc('\n', out);
    }
}
