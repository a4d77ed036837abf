/*
 * Completions for bash, zsh and fish. They complete option names, choices and commands; everything
 * else is a file name, which the shell does best by itself.
 */
#include <string.h>

#include "emit.h"
#include "table.h"

/* "ngt-pack" -> "_ngt_pack": a name shells take for a function */
static void function_name(FILE *out, const struct cli_program *p)
{
    fputc('_', out);
    for (const char *s = p->name; *s; s++)
        fputc(*s == '-' ? '_' : *s, out);
}

static void names(FILE *out, const struct cli_program *p, const char *separator)
{
    bool any = false;

    for (uint64_t i = 0; i < p->command_count; i++)
        if (p->commands[i].name) {
            fprintf(out, "%s%s", any ? separator : "", p->commands[i].name);
            any = true;
        }
}

static bool has_commands(const struct cli_program *p)
{
    return p->command_count > (cli_default_command(p) ? 1u : 0u);
}

/* A word in single quotes; `special` are characters that need a backslash of their own inside. */
static void quoted(FILE *out, const char *s, const char *special)
{
    for (; *s; s++) {
        if (*s == '\'')
            fputs("'\\''", out);
        else if (strchr(special, *s))
            fprintf(out, "\\%c", *s);
        else
            fputc(*s, out);
    }
}

/* ---- bash ---- */

static void bash_words(FILE *out, const struct cli_command *c)
{
    for (const struct cli_option *o = c->options; o && o->name; o++)
        fprintf(out, "--%s ", o->name);
    fputs("--help --version", out);
}

void cli_emit_bash(FILE *out, const struct cli_program *p)
{
    fprintf(out, "# bash completion for %s, made by %s --emit=bash\n", p->name, p->name);
    function_name(out, p);
    fputs("()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= "
          "options=\n"
          "    COMPREPLY=()\n"
          "    # \"--name=value\" comes as three words\n"
          "    if [[ $cur == = ]]; then\n"
          "        cur=\n"
          "    elif [[ $prev == = ]]; then\n"
          "        prev=${COMP_WORDS[COMP_CWORD-2]}\n"
          "    fi\n",
          out);
    if (has_commands(p)) {
        fputs("    if (( COMP_CWORD > 1 )); then\n        case ${COMP_WORDS[1]} in\n            ",
              out);
        names(out, p, "|");
        fputs(") command=${COMP_WORDS[1]} ;;\n        esac\n    fi\n", out);
    }
    fputs("    case $command:$prev in\n", out);
    for (uint64_t i = 0; i < p->command_count; i++) {
        const struct cli_command *c = &p->commands[i];
        const char *name = c->name ? c->name : "";
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            if (!cli_takes_value(o->type))
                continue;
            fprintf(out, "        %s:--%s", name, o->name);
            if (o->letter)
                fprintf(out, "|%s:-%c", name, o->letter);
            fputs(") ", out);
            if (o->type == CLI_CHOICE) {
                fputs("COMPREPLY=($(compgen -W '", out);
                for (const char *const *choice = o->choices; *choice; choice++)
                    fprintf(out, "%s%s", choice == o->choices ? "" : " ", *choice);
                fputs("' -- \"$cur\")); ", out);
            }
            fputs("return ;;\n", out);
        }
    }
    fputs("        *:--emit) COMPREPLY=($(compgen -W 'man bash zsh fish json' -- \"$cur\")); "
          "return ;;\n    esac\n    case $command in\n",
          out);
    for (uint64_t i = 0; i < p->command_count; i++) {
        const struct cli_command *c = &p->commands[i];
        fprintf(out, "        %s) options='", c->name ? c->name : "''");
        bash_words(out, c);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n",
          out);
    if (has_commands(p)) {
        fputs("    elif (( COMP_CWORD == 1 )); then\n        COMPREPLY=($(compgen -W '", out);
        names(out, p, " ");
        fputs("' -- \"$cur\"))\n", out);
    }
    fputs("    fi\n}\ncomplete -o default -F ", out);
    function_name(out, p);
    fprintf(out, " %s\n", p->name);
}

/* ---- zsh ---- */

static void zsh_options(FILE *out, const struct cli_command *c, const char *indent)
{
    for (const struct cli_option *o = c->options; o && o->name; o++) {
        bool value = cli_takes_value(o->type), again = o->type == CLI_LIST || o->type == CLI_COUNT;
        char argument[128];

        fputs(indent, out);
        if (o->letter && again)
            fprintf(out, "'*'{-%c%s,--%s%s}'", o->letter, value ? "+" : "", o->name,
                    value ? "=" : "");
        else if (o->letter)
            fprintf(out, "'(-%c --%s)'{-%c%s,--%s%s}'", o->letter, o->name, o->letter,
                    value ? "+" : "", o->name, value ? "=" : "");
        else
            fprintf(out, "'%s--%s%s", again ? "*" : "", o->name, value ? "=" : "");
        fputc('[', out);
        quoted(out, o->help, "[]:\\");
        fputc(']', out);
        if (o->type == CLI_CHOICE) {
            fprintf(out, ":%s:(", o->name);
            for (const char *const *choice = o->choices; *choice; choice++)
                fprintf(out, "%s%s", choice == o->choices ? "" : " ", *choice);
            fputc(')', out);
        } else if (value) {
            cli_argument_text(o, argument, sizeof argument);
            fputc(':', out);
            quoted(out, argument, ":\\");
            fputs(o->type == CLI_STRING || o->type == CLI_LIST ? ":_files" : ":", out);
        }
        fputs("' \\\n", out);
    }
    fprintf(out, "%s'--help[print the help]' '--version[print the version]' \\\n", indent);
}

void cli_emit_zsh(FILE *out, const struct cli_program *p)
{
    const struct cli_command *whole = cli_default_command(p);

    fprintf(out, "#compdef %s\n# made by %s --emit=zsh\n", p->name, p->name);
    if (has_commands(p)) {
        fputs("local -a commands=(\n", out);
        for (uint64_t i = 0; i < p->command_count; i++)
            if (p->commands[i].name) {
                fprintf(out, "    '%s:", p->commands[i].name);
                quoted(out, p->commands[i].summary, ":\\");
                fputs("'\n", out);
            }
        fputs(")\nif (( CURRENT > 2 )); then\n    case $words[2] in\n", out);
        for (uint64_t i = 0; i < p->command_count; i++) {
            const struct cli_command *c = &p->commands[i];
            if (!c->name)
                continue;
            fprintf(out,
                    "        %s)\n            shift words; (( CURRENT-- ))\n"
                    "            _arguments -s -S \\\n",
                    c->name);
            zsh_options(out, c, "                ");
            fputs("                '*:file:_files'\n            return ;;\n", out);
        }
        fputs("    esac\nfi\n(( CURRENT == 2 )) && _describe command commands\n", out);
    }
    fputs("_arguments -s -S \\\n", out);
    if (whole)
        zsh_options(out, whole, "    ");
    fputs("    '*:file:_files'\n", out);
}

/* ---- fish ---- */

static void fish_condition(FILE *out, const struct cli_program *p, const struct cli_command *c)
{
    if (!has_commands(p))
        return;
    if (c->name) {
        fprintf(out, " -n '__fish_seen_subcommand_from %s'", c->name);
    } else {
        fputs(" -n 'not __fish_seen_subcommand_from ", out);
        names(out, p, " ");
        fputc('\'', out);
    }
}

/* Inside single quotes fish has a backslash escape, unlike the others. */
static void fish_quoted(FILE *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '\'' || *s == '\\')
            fputc('\\', out);
        fputc(*s, out);
    }
}

void cli_emit_fish(FILE *out, const struct cli_program *p)
{
    fprintf(out, "# fish completion for %s, made by %s --emit=fish\n", p->name, p->name);
    for (uint64_t i = 0; i < p->command_count; i++) {
        const struct cli_command *c = &p->commands[i];
        if (c->name) {
            fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '", p->name, c->name);
            fish_quoted(out, c->summary);
            fputs("'\n", out);
        }
        for (const struct cli_option *o = c->options; o && o->name; o++) {
            fprintf(out, "complete -c %s", p->name);
            fish_condition(out, p, c);
            fprintf(out, " -l %s", o->name);
            if (o->letter)
                fprintf(out, " -s %c", o->letter);
            if (o->type == CLI_CHOICE) {
                fputs(" -x -a '", out);
                for (const char *const *choice = o->choices; *choice; choice++)
                    fprintf(out, "%s%s", choice == o->choices ? "" : " ", *choice);
                fputc('\'', out);
            } else if (o->type == CLI_STRING || o->type == CLI_LIST) {
                fputs(" -r", out);
            } else if (cli_takes_value(o->type)) {
                fputs(" -x", out);
            }
            fputs(" -d '", out);
            fish_quoted(out, o->help);
            fputs("'\n", out);
        }
    }
    fprintf(out, "complete -c %s -l help -d 'print the help'\n", p->name);
    fprintf(out, "complete -c %s -l version -d 'print the version'\n", p->name);
}
