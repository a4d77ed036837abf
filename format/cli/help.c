#include <string.h>

#include "emit.h"
#include "table.h"

/* Where the explanations begin; a longer option puts its own on the next line. */
#define COLUMN 27

/* Columns, not bytes: continuation bytes of UTF-8 take no room. */
static size_t columns(const char *s, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xc0) != 0x80;
    return count;
}

/* Writes words from column `at` on, broken at CLI_WIDTH and indented to `indent`; ends the line. */
static void wrap(FILE *out, const char *text, size_t at, size_t indent)
{
    bool first = true;

    while (*text) {
        size_t n = strcspn(text, " "), wide = columns(text, n);
        if (!first && at + 1 + wide > CLI_WIDTH) {
            fprintf(out, "\n%*s", (int)indent, "");
            at = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)n, text);
        at += wide + !first;
        first = false;
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

static void print_option(FILE *out, const struct cli_option *o)
{
    char label[160], argument[128], text[512];

    cli_argument_text(o, argument, sizeof argument);
    if (o->letter)
        snprintf(label, sizeof label, "  -%c, --%s %s", o->letter, o->name, argument);
    else
        snprintf(label, sizeof label, "  --%s %s", o->name, argument);
    size_t n = strlen(label);
    while (n && label[n - 1] == ' ')
        label[--n] = '\0';
    if (o->fallback)
        snprintf(text, sizeof text, "%s (default %s)", o->help, o->fallback);
    else
        snprintf(text, sizeof text, "%s", o->help);
    if (n + 2 > COLUMN)
        fprintf(out, "%s\n%*s", label, COLUMN, "");
    else
        fprintf(out, "%-*s", COLUMN, label);
    wrap(out, text, COLUMN, COLUMN);
}

static void print_options(FILE *out, const struct cli_command *c)
{
    const char *group;

    for (unsigned i = 0; (group = cli_group_at(c, i)); i++) {
        fprintf(out, "\n%s:\n", group);
        for (const struct cli_option *o = c->options; o && o->name; o++)
            if (cli_in_group(o, group))
                print_option(out, o);
    }
    for (const struct cli_option *o = cli_common; o->name; o++)
        print_option(out, o);
}

static void print_usage(FILE *out, const char *lead, const struct cli_program *p,
                        const struct cli_command *c)
{
    fprintf(out, "%s%s%s%s%s%s%s\n", lead, p->name, c->name ? " " : "", c->name ? c->name : "",
            c->options && c->options[0].name ? " [OPTION]..." : "", c->operands ? " " : "",
            c->operands ? c->operands : "");
}

void cli_emit_help(FILE *out, const struct cli_program *p, const struct cli_command *c)
{
    static const struct cli_command none = {0};
    bool whole = !c || !c->name;
    const char *lead = "Usage: ";

    c = c ? c : &none;
    if (!whole || cli_default_command(p)) {
        print_usage(out, lead, p, c);
        lead = "       ";
    }
    if (whole && p->command_count > (cli_default_command(p) ? 1u : 0u)) {
        fprintf(out, "%s%s COMMAND [OPTION]...\n\n", lead, p->name);
        wrap(out, p->summary, 0, 0);
        fprintf(out, "\nCommands (%s COMMAND --help tells more):\n", p->name);
        for (uint64_t i = 0; i < p->command_count; i++)
            if (p->commands[i].name) {
                size_t at = strlen(p->commands[i].name) + 2 < 12 ? 12 : CLI_WIDTH;
                fprintf(out, "  %-10s", p->commands[i].name);
                if (at == CLI_WIDTH)
                    fprintf(out, "\n%12s", "");
                wrap(out, p->commands[i].summary, 12, 12);
            }
    } else {
        fputc('\n', out);
        wrap(out, whole ? p->summary : c->summary, 0, 0);
    }
    print_options(out, c);
    if (whole && p->details) {
        fputc('\n', out);
        for (const char *line = p->details; *line;) {
            size_t n = strcspn(line, "\n");
            char paragraph[1024];
            snprintf(paragraph, sizeof paragraph, "%.*s", (int)n, line);
            wrap(out, paragraph, 0, 0);
            line += n + (line[n] == '\n');
        }
    }
}
