/* Facts about an option table that parser and pages both need. */
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const struct cli_option cli_common[] = {
    {.name = "help", .type = CLI_TRUE, .help = "print this text"},
    {.name = "version", .type = CLI_TRUE, .help = "print the version"},
    {0},
};

const struct cli_command *cli_default_command(const struct cli_program *p)
{
    for (uint64_t i = 0; i < p->command_count; i++)
        if (!p->commands[i].name)
            return &p->commands[i];
    return NULL;
}

bool cli_takes_value(enum cli_type type)
{
    return type != CLI_TRUE && type != CLI_FALSE && type != CLI_COUNT;
}

void cli_argument_text(const struct cli_option *o, char *out, size_t size)
{
    size_t used = 0;

    out[0] = '\0';
    if (!cli_takes_value(o->type))
        return;
    if (o->argument || o->type != CLI_CHOICE) {
        snprintf(out, size, "%s", o->argument ? o->argument : "VALUE");
        return;
    }
    for (const char *const *c = o->choices; *c && used < size; c++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used ? "|" : "", *c);
}

void cli_range_text(const struct cli_option *o, char *out, size_t size)
{
    double low = o->low, high = o->high;

    out[0] = '\0';
    switch (o->type) {
    case CLI_U64:
    case CLI_SIZE:
        if (o->max)
            snprintf(out, size, "from %" PRIu64 " to %" PRIu64, o->min, o->max);
        else if (o->min)
            snprintf(out, size, "%" PRIu64 " or more", o->min);
        break;
    case CLI_SHARE:
        if (low == 0 && high == 0)
            high = 1;
        snprintf(out, size, "from %g%% to %g%%", low * 100, high * 100);
        break;
    case CLI_DOUBLE:
        if (low == 0 && high == 0)
            break;
        if (isinf(high))
            snprintf(out, size, "%g or more", low);
        else
            snprintf(out, size, "from %g to %g", low, high);
        break;
    case CLI_CHOICE:
        cli_argument_text(o, out, size);
        break;
    case CLI_TRUE:
    case CLI_FALSE:
    case CLI_STRING:
    case CLI_LIST:
    case CLI_COUNT:
        break;
    }
}

bool cli_in_group(const struct cli_option *o, const char *group)
{
    return strcmp(o->group ? o->group : CLI_GENERAL, group) == 0;
}

const char *cli_group_at(const struct cli_command *c, unsigned index)
{
    unsigned seen = 0;

    for (const struct cli_option *o = c->options; o && o->name; o++) {
        if (cli_in_group(o, CLI_GENERAL))
            continue;
        bool known = false;
        for (const struct cli_option *before = c->options; before != o && !known; before++)
            known = cli_in_group(before, o->group);
        if (!known && seen++ == index)
            return o->group;
    }
    return seen == index ? CLI_GENERAL : NULL;
}
