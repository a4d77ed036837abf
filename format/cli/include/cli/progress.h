/*
 * What a program tells on stderr, and that its results came out: messages with its name in front, and a progress line that is
 * redrawn in place on a terminal and absent elsewhere. Any thread may call; output never
 * interleaves.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

enum cli_progress_mode {
    CLI_PROGRESS_AUTO, /* on a terminal */
    CLI_PROGRESS_ALWAYS,
    CLI_PROGRESS_NEVER,
};

struct cli_console;

/* quiet drops everything but errors. NULL when out of memory. */
struct cli_console *cli_console_new(const char *program, enum cli_progress_mode mode, bool quiet,
                                    unsigned verbose);
void cli_console_free(struct cli_console **c);

/* "program: message"; errors are red on a terminal unless NO_COLOR is set. */
void cli_error(struct cli_console *c, const struct ngt_error *error);
void cli_say(struct cli_console *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * The exit code of a program that would end with `code`: CLI_EXIT_FAILED, and an error that says so, when what
 * was printed could not be written to standard output. To be called last.
 */
int cli_end_output(struct cli_console *c, int code);
/* only with -v */
void cli_detail(struct cli_console *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Redraws the progress line, at most ten times a second; `final` draws it in any case and ends the
 * line. */
void cli_progress(struct cli_console *c, bool final, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Is a progress line shown at all? Spares the caller from formatting. */
bool cli_progress_shown(const struct cli_console *c);

/* 1234567 -> "1.23 M", bytes -> "1.23 MB", seconds -> "1 h 02 min"; out has at least 24 bytes and
 * is returned. */
char *cli_format_count(uint64_t value, char *out);
char *cli_format_bytes(uint64_t bytes, char *out);
char *cli_format_seconds(double seconds, char *out);

/*
 * Asks SIGINT, SIGTERM and SIGUSR1 to set a flag instead of ending the program; a second SIGINT
 * ends it at once. cli_stopped reads the flag. A limit on the size of files (SIGXFSZ) becomes an error
 * of the write that meets it.
 */
void cli_catch_signals(void);
bool cli_stopped(void);

#endif
