/*
 * Command lines as data. One table of options per program (and per subcommand); parsing, --help,
 * the man page, shell completions and a JSON description all read it. Values land in a plain config
 * struct at the offset the table gives.
 */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum cli_type {
    CLI_TRUE,   /* no argument; bool = true */
    CLI_FALSE,  /* no argument; bool = false (--no-bos) */
    CLI_STRING, /* const char * */
    CLI_LIST,   /* struct cli_list; may be repeated */
    CLI_U64,    /* uint64_t, plain number, in [min, max] */
    CLI_SIZE,   /* uint64_t with K M G T (1000) or Ki Mi Gi Ti, in [min, max] */
    CLI_DOUBLE, /* double in [low, high] */
    CLI_SHARE,  /* double in [low, high], without bounds in [0, 1]; "1%" or "0.01" */
    CLI_CHOICE, /* int: index in choices */
    CLI_COUNT,  /* no argument; unsigned, counts repetitions (-vv) */
};

struct cli_list {
    const char **items; /* malloced array; strings belong to argv */
    uint64_t count;
};

struct cli_option {
    const char *name;     /* "max-bad", without dashes */
    char letter;          /* 0: none */
    const char *argument; /* "N", "DIR"; NULL for the types without one */
    enum cli_type type;
    size_t target; /* offsetof(struct config, field) */
    const char
        *fallback; /* default as it would be typed; NULL: the field stays as the caller set it */
    uint64_t min, max;          /* CLI_U64, CLI_SIZE; max 0 = no upper bound */
    double low, high;           /* CLI_DOUBLE, CLI_SHARE; both 0 = no bounds */
    const char *const *choices; /* CLI_CHOICE, NULL-terminated */
    const char *help;           /* one sentence, no final dot */
    const char *group;          /* heading in --help; NULL: the general one */
    size_t given;               /* offsetof of a bool that tells the option was typed, or 0 */
};

struct cli_command {
    const char *name;                    /* NULL: the program without a subcommand */
    const char *operands;                /* "INPUT..." or NULL */
    const char *summary;                 /* one sentence */
    const struct cli_option *options;    /* ends with name == NULL */
    uint64_t min_operands, max_operands; /* max UINT64_MAX: any number */
};

struct cli_program {
    const char *name, *version, *summary;
    const struct cli_command *commands; /* [command_count]; the one without a name, if any, first */
    uint64_t command_count;
    const char *details; /* closing paragraphs of --help and the man page; may be NULL */
};

enum cli_outcome {
    CLI_RUN,   /* go on */
    CLI_DONE,  /* --help, --version or --emit were answered: exit 0 */
    CLI_USAGE, /* a message went to stderr: exit 2 */
};

#define CLI_EXIT_OK 0
#define CLI_EXIT_FAILED 1
#define CLI_EXIT_USAGE 2
#define CLI_EXIT_AGAIN 75 /* stopped early and cleanly; the same command goes on */

/*
 * Parses argv. config is the struct the offsets refer to, the same for all commands of a program;
 * fallbacks are applied first. Operands keep their order; "--" ends options; an abbreviated or
 * unknown option names the closest known one. *ret_command is the command met. Release lists and
 * operands with cli_done.
 */
enum cli_outcome cli_parse(const struct cli_program *program, int argc, char **argv, void *config,
                           const struct cli_command **ret_command, struct cli_list *ret_operands);
void cli_done(const struct cli_command *command, void *config, struct cli_list *operands);

/* "256Mi", "1.5G", "4096" -> bytes; false when it is not a size or overflows. */
bool cli_parse_size(const char *text, uint64_t *ret_value);

#endif
