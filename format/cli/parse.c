/*
 * argv against an option table. Values go to the config struct at the offsets the table gives;
 * nothing here knows what they mean. A message is one line that names what was typed, what is
 * allowed and where to read more; the help itself is only printed when asked for.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "emit.h"

const struct cli_option cli_common[] = {
    {.name = "help", .type = CLI_TRUE, .help = "print this text"},
    {.name = "version", .type = CLI_TRUE, .help = "print the version"},
    {0},
};

static const char *const emit_choices[] = {"man", "bash", "zsh", "fish", "json", NULL};

struct parse {
    const struct cli_program *program;
    const struct cli_command *command;
    char *config;
    struct cli_list operands;
};

static enum cli_outcome usage(const struct parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum cli_outcome usage(const struct parse *p, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", p->program->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return CLI_USAGE;
}

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

static bool parse_u64(const char *text, uint64_t *ret)
{
    uint64_t value = 0;

    if (!*text)
        return false;
    for (; *text; text++)
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    *ret = value;
    return true;
}

static bool parse_double(const char *text, bool share, double *ret)
{
    char *end = NULL;

    /* strtod takes leading space, hexadecimal, "inf" and "nan", none of which is meant here */
    if (strspn(text, "+-.0123456789eE%") != strlen(text) || !*text)
        return false;
    double value = strtod(text, &end);
    if (end == text || !isfinite(value))
        return false;
    if (share && *end == '%') {
        value /= 100;
        end++;
    }
    if (*end != '\0')
        return false;
    *ret = value;
    return true;
}

static bool list_add(struct cli_list *list, const char *item)
{
    /* room is the next power of two, so it grows when count reaches one */
    if ((list->count & (list->count - 1)) == 0) {
        uint64_t room = list->count ? list->count * 2 : 1;
        const char **items = realloc(list->items, room * sizeof *items);
        if (!items)
            return false;
        list->items = items;
    }
    list->items[list->count++] = item;
    return true;
}

static enum cli_outcome bad_value(const struct parse *p, const struct cli_option *o,
                                  const char *value, const char *what)
{
    char range[256];

    cli_range_text(o, range, sizeof range);
    if (o->type == CLI_CHOICE)
        return usage(p, "--%s: \"%s\" is not one of %s", o->name, value, range);
    return usage(p, "--%s: \"%s\" is not %s%s%s", o->name, value, what, range[0] ? " " : "", range);
}

/* value is NULL for the types without one. */
static enum cli_outcome set(const struct parse *p, const struct cli_option *o, const char *value)
{
    void *at = p->config + o->target;
    uint64_t n;
    double d;

    switch (o->type) {
    case CLI_TRUE:
        *(bool *)at = true;
        break;
    case CLI_FALSE:
        *(bool *)at = false;
        break;
    case CLI_COUNT:
        (*(unsigned *)at)++;
        break;
    case CLI_STRING:
        *(const char **)at = value;
        break;
    case CLI_LIST:
        if (!list_add(at, value))
            return usage(p, "out of memory");
        break;
    case CLI_U64:
        if (!parse_u64(value, &n) || n < o->min || (o->max && n > o->max))
            return bad_value(p, o, value, "a whole number");
        *(uint64_t *)at = n;
        break;
    case CLI_SIZE:
        if (!cli_parse_size(value, &n) || n < o->min || (o->max && n > o->max))
            return bad_value(p, o, value, "a size (a number with K, M, G, T or Ki, Mi, Gi, Ti)");
        *(uint64_t *)at = n;
        break;
    case CLI_DOUBLE:
        if (!parse_double(value, false, &d) ||
            ((o->low != 0 || o->high != 0) && (d < o->low || d > o->high)))
            return bad_value(p, o, value, "a number");
        *(double *)at = d;
        break;
    case CLI_SHARE: {
        double high = o->low == 0 && o->high == 0 ? 1 : o->high;
        if (!parse_double(value, true, &d) || d < o->low || d > high)
            return bad_value(p, o, value, "a share (1% or 0.01)");
        *(double *)at = d;
        break;
    }
    case CLI_CHOICE:
        for (int i = 0; o->choices[i]; i++)
            if (strcmp(o->choices[i], value) == 0) {
                *(int *)at = i;
                return CLI_RUN;
            }
        return bad_value(p, o, value, "");
    }
    return CLI_RUN;
}

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours. */
static unsigned edit_distance(const char *a, const char *b)
{
    enum { MOST = 32 };
    unsigned d[MOST + 1][MOST + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > MOST || m > MOST)
        return UINT32_MAX;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            unsigned best = (unsigned)(i ? i : j);
            if (i && j) {
                best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
                if (d[i - 1][j] + 1 < best)
                    best = d[i - 1][j] + 1;
                if (d[i][j - 1] + 1 < best)
                    best = d[i][j - 1] + 1;
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                    d[i - 2][j - 2] + 1 < best)
                    best = d[i - 2][j - 2] + 1;
            }
            d[i][j] = best;
        }
    return d[n][m];
}

struct closest {
    const char *name;
    unsigned distance;
};

static void consider(struct closest *best, const char *typed, const char *name)
{
    /* what was typed may be the beginning of the name: an abbreviation is nearer than any typo */
    unsigned distance =
        strncmp(typed, name, strlen(typed)) == 0 ? 1 : 2 * edit_distance(typed, name);
    /* a third of the letters wrong is another word, not a typo */
    if (distance != 1 && distance / 2 > (strlen(typed) + 1) / 3)
        return;
    if (!best->name || distance < best->distance)
        *best = (struct closest){name, distance};
}

static enum cli_outcome unknown_option(const struct parse *p, const char *name, size_t length)
{
    char typed[64];
    struct closest best = {NULL, 0};
    const char *sub = p->command->name;

    snprintf(typed, sizeof typed, "%.*s", (int)(length < 63 ? length : 63), name);
    if (typed[0]) {
        for (const struct cli_option *o = p->command->options; o && o->name; o++)
            consider(&best, typed, o->name);
        for (const struct cli_option *o = cli_common; o->name; o++)
            consider(&best, typed, o->name);
    }
    if (best.name)
        return usage(p, "unknown option --%s; did you mean --%s?", typed, best.name);
    return usage(p, "unknown option --%s; see %s%s%s --help", typed, p->program->name,
                 sub ? " " : "", sub ? sub : "");
}

static enum cli_outcome emit(const struct parse *p, const char *what)
{
    if (strcmp(what, "man") == 0)
        cli_emit_man(stdout, p->program);
    else if (strcmp(what, "bash") == 0)
        cli_emit_bash(stdout, p->program);
    else if (strcmp(what, "zsh") == 0)
        cli_emit_zsh(stdout, p->program);
    else if (strcmp(what, "fish") == 0)
        cli_emit_fish(stdout, p->program);
    else if (strcmp(what, "json") == 0) {
        if (!cli_emit_json(stdout, p->program))
            return usage(p, "out of memory");
    } else {
        struct cli_option o = {.name = "emit", .type = CLI_CHOICE, .choices = emit_choices};
        return bad_value(p, &o, what, "");
    }
    return CLI_DONE;
}

/* Marks and sets; value as typed, or NULL. */
static enum cli_outcome take(const struct parse *p, const struct cli_option *o, const char *value)
{
    if (o->given)
        *(bool *)(p->config + o->given) = true;
    return set(p, o, value);
}

/* name points behind the dashes; *next is the index of the following argument. */
static enum cli_outcome long_option(const struct parse *p, const char *name, int argc, char **argv,
                                    int *next)
{
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const char *value = equals ? equals + 1 : NULL;

    for (const struct cli_option *o = p->command->options; o && o->name; o++) {
        if (strlen(o->name) != length || memcmp(o->name, name, length) != 0)
            continue;
        if (!cli_takes_value(o->type)) {
            if (value)
                return usage(p, "--%s takes no value (\"%s\" was given)", o->name, value);
            return take(p, o, NULL);
        }
        if (!value) {
            char argument[128];
            cli_argument_text(o, argument, sizeof argument);
            if (*next >= argc)
                return usage(p, "--%s needs a value: --%s %s", o->name, o->name, argument);
            value = argv[(*next)++];
        }
        return take(p, o, value);
    }
    if (length == 4 && memcmp(name, "emit", 4) == 0) {
        if (!value && *next < argc)
            value = argv[(*next)++];
        return emit(p, value ? value : "");
    }
    if (strcmp(name, "help") == 0) {
        cli_emit_help(stdout, p->program, p->command);
        return CLI_DONE;
    }
    if (strcmp(name, "version") == 0) {
        printf("%s %s\n", p->program->name, p->program->version);
        return CLI_DONE;
    }
    return unknown_option(p, name, length);
}

/* letters: "qvj4"; the first letter with a value takes the rest, or the next argument. */
static enum cli_outcome short_options(const struct parse *p, const char *letters, int argc,
                                      char **argv, int *next)
{
    for (; *letters; letters++) {
        const struct cli_option *o = p->command->options;
        while (o && o->name && o->letter != *letters)
            o++;
        if (!o || !o->name) {
            const char *sub = p->command->name;
            if (*letters == 'h' || *letters == '?')
                return usage(p, "unknown option -%c; did you mean --help?", *letters);
            return usage(p, "unknown option -%c; see %s%s%s --help", *letters, p->program->name,
                         sub ? " " : "", sub ? sub : "");
        }
        if (!cli_takes_value(o->type)) {
            enum cli_outcome outcome = take(p, o, NULL);
            if (outcome != CLI_RUN)
                return outcome;
            continue;
        }
        if (letters[1])
            return take(p, o, letters + 1);
        if (*next >= argc) {
            char argument[128];
            cli_argument_text(o, argument, sizeof argument);
            return usage(p, "-%c needs a value: -%c %s", o->letter, o->letter, argument);
        }
        return take(p, o, argv[(*next)++]);
    }
    return CLI_RUN;
}

/* Finds the command; *next moves past its name. */
static enum cli_outcome find_command(struct parse *p, int argc, char **argv, int *next)
{
    const struct cli_program *program = p->program;
    static const struct cli_command none = {0}; /* answers --help, --version and --emit only */
    struct closest best = {NULL, 0};

    p->command = cli_default_command(program);
    if (argc > 1)
        for (uint64_t i = 0; i < program->command_count; i++)
            if (program->commands[i].name && strcmp(program->commands[i].name, argv[1]) == 0) {
                p->command = &program->commands[i];
                *next = 2;
                return CLI_RUN;
            }
    if (p->command)
        return CLI_RUN;
    p->command = &none;
    if (argc > 1 && argv[1][0] == '-') {
        enum cli_outcome outcome = CLI_RUN;
        if (strncmp(argv[1], "--", 2) == 0 && argv[1][2]) {
            int after = 2;
            outcome = long_option(p, argv[1] + 2, argc, argv, &after);
        }
        return outcome == CLI_RUN ? usage(p, "a command comes first; see %s --help", program->name)
                                  : outcome;
    }
    if (argc < 2)
        return usage(p, "which command? See %s --help", program->name);
    for (uint64_t i = 0; i < program->command_count; i++)
        consider(&best, argv[1], program->commands[i].name);
    if (best.name)
        return usage(p, "unknown command \"%s\"; did you mean %s?", argv[1], best.name);
    return usage(p, "unknown command \"%s\"; see %s --help", argv[1], program->name);
}

/* "prog -q report DIR" would otherwise look for a file called report. */
static enum cli_outcome misplaced_command(const struct parse *p, const char *first)
{
    for (uint64_t i = 0; i < p->program->command_count; i++) {
        const char *name = p->program->commands[i].name;
        if (name && strcmp(name, first) == 0)
            return usage(p, "the command %s comes first: %s %s ...; a file of that name is ./%s",
                         name, p->program->name, name, name);
    }
    return CLI_RUN;
}

static enum cli_outcome check_operands(const struct parse *p)
{
    const struct cli_command *c = p->command;
    const char *sub = c->name ? c->name : "", *space = c->name ? " " : "";

    if (!c->name && p->operands.count && misplaced_command(p, p->operands.items[0]) != CLI_RUN)
        return CLI_USAGE;

    if (p->operands.count < c->min_operands)
        return usage(p, "%s%sneeds %s; see %s%s%s --help", sub, space,
                     c->operands ? c->operands : "an operand", p->program->name, space, sub);
    if (p->operands.count > c->max_operands) {
        const char *extra = p->operands.items[c->max_operands];
        if (!c->max_operands)
            return usage(p, "\"%s\": %s%stakes options only", extra, sub, space);
        return usage(p, "\"%s\" is too much: %s%stakes %s", extra, sub, space,
                     c->operands ? c->operands : "fewer operands");
    }
    return CLI_RUN;
}

enum cli_outcome cli_parse(const struct cli_program *program, int argc, char **argv, void *config,
                           const struct cli_command **ret_command, struct cli_list *ret_operands)
{
    struct parse p = {.program = program, .config = config};
    int next = 1;
    bool only_operands = false;

    *ret_operands = (struct cli_list){0};
    *ret_command = NULL;
    enum cli_outcome outcome = find_command(&p, argc, argv, &next);
    if (outcome != CLI_RUN)
        return outcome;
    for (const struct cli_option *o = p.command->options; o && o->name; o++)
        if (o->fallback && cli_takes_value(o->type)) {
            outcome = set(&p, o, o->fallback);
            assert(outcome == CLI_RUN); /* a default outside its own bounds is a bug in the table */
        }
    while (outcome == CLI_RUN && next < argc) {
        const char *word = argv[next++];
        if (only_operands || word[0] != '-' || word[1] == '\0')
            outcome = list_add(&p.operands, word) ? CLI_RUN : usage(&p, "out of memory");
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-')
            outcome = long_option(&p, word + 2, argc, argv, &next);
        else
            outcome = short_options(&p, word + 1, argc, argv, &next);
    }
    if (outcome == CLI_RUN)
        outcome = check_operands(&p);
    if (outcome == CLI_DONE && (fflush(stdout) != 0 || ferror(stdout)))
        outcome = usage(&p, "cannot write to standard output: %s", strerror(errno));
    if (outcome != CLI_RUN) {
        cli_done(p.command, config, &p.operands);
        return outcome;
    }
    *ret_command = p.command;
    *ret_operands = p.operands;
    return CLI_RUN;
}

void cli_done(const struct cli_command *command, void *config, struct cli_list *operands)
{
    for (const struct cli_option *o = command ? command->options : NULL; o && o->name; o++)
        if (o->type == CLI_LIST) {
            struct cli_list *list = (struct cli_list *)((char *)config + o->target);
            free(list->items);
            *list = (struct cli_list){0};
        }
    free(operands->items);
    *operands = (struct cli_list){0};
}
