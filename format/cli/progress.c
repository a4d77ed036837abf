/*
 * Messages and the progress line. Invariant: with the lock held and `drawn` set, the cursor stands
 * at the end of the progress line; a message first clears the line and draws it again behind
 * itself.
 */
#include "cli/progress.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/options.h"

struct cli_console {
    const char *program;
    bool terminal, shown, colour, quiet, drawn;
    unsigned verbose;
    double last_draw; /* seconds, monotonic */
    char line[1024];  /* the progress line as it was formatted last */
    pthread_mutex_t lock;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct cli_console *cli_console_new(const char *program, enum cli_progress_mode mode, bool quiet,
                                    unsigned verbose)
{
    struct cli_console *c = calloc(1, sizeof *c);
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");

    if (!c)
        return NULL;
    c->program = program;
    c->quiet = quiet;
    c->verbose = quiet ? 0 : verbose;
    c->terminal = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    c->shown =
        !quiet && (mode == CLI_PROGRESS_ALWAYS || (mode == CLI_PROGRESS_AUTO && c->terminal));
    c->colour = c->terminal && !(no_colour && *no_colour);
    c->last_draw = -1e9;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void cli_console_free(struct cli_console **console)
{
    struct cli_console *c = *console;

    if (!c)
        return;
    if (c->drawn)
        fputc('\n', stderr);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *console = NULL;
}

bool cli_progress_shown(const struct cli_console *c)
{
    return c && c->shown;
}

/* How many bytes of s fit into `columns`, without cutting a UTF-8 sequence. */
static size_t fitting(const char *s, unsigned columns)
{
    size_t n = 0;
    unsigned used = 0;

    while (s[n]) {
        if (((unsigned char)s[n] & 0xc0) != 0x80 && used++ == columns)
            break;
        n++;
    }
    return n;
}

static unsigned terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
        return size.ws_col;
    return 80;
}

static void erase(struct cli_console *c)
{
    if (c->drawn)
        fputs("\r\033[K", stderr);
    c->drawn = false;
}

static void draw(struct cli_console *c)
{
    /* the last column stays free: some terminals wrap when it is written */
    fprintf(stderr, "\r%.*s\033[K", (int)fitting(c->line, terminal_columns() - 1), c->line);
    fflush(stderr);
    c->drawn = true;
}

/* One write a message, so that processes that share a terminal or a log do not mix within a line.
 */
static void message(struct cli_console *c, bool error, const char *text)
{
    bool again = false;
    char out[1600];
    const char *program = c ? c->program : program_invocation_short_name;
    bool red = error && c && c->colour;

    if (c) {
        pthread_mutex_lock(&c->lock);
        again = c->drawn;
        erase(c);
    }
    int n = snprintf(out, sizeof out, "%s: %s%s%s\n", program, red ? "\033[31m" : "", text,
                     red ? "\033[0m" : "");
    if (n >= (int)sizeof out) {
        n = (int)sizeof out - 1;
        out[n - 1] = '\n';
    }
    fwrite(out, 1, (size_t)n, stderr);
    fflush(stderr);
    if (c) {
        if (again)
            draw(c);
        pthread_mutex_unlock(&c->lock);
    }
}

void cli_error(struct cli_console *c, const struct ngt_error *error)
{
    char text[1024];

    ngt_error_print(error, text, sizeof text);
    message(c, true, text);
}

int cli_end_output(struct cli_console *c, int code)
{
    struct ngt_error error;

    errno = 0; /* of a write before, it is not known any more */
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    ngt_error_clear(&error);
    ngt_ignore(ngt_fail(&error, NGT_E_IO, "standard output", NGT_NO_POS, NGT_NO_POS,
                        "cannot write all of it"));
    cli_error(c, &error);
    return code == CLI_EXIT_OK ? CLI_EXIT_FAILED : code;
}

void cli_say(struct cli_console *c, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (c && c->quiet)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    message(c, false, text);
}

void cli_detail(struct cli_console *c, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (!c || !c->verbose)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    message(c, false, text);
}

void cli_progress(struct cli_console *c, bool final, const char *format, ...)
{
    va_list args;

    if (!cli_progress_shown(c))
        return;
    pthread_mutex_lock(&c->lock);
    double time = now();
    /* without a terminal a line cannot be drawn over: whole lines then, and fewer of them */
    if (!final && time - c->last_draw < (c->terminal ? 0.1 : 1.0))
        goto out;
    va_start(args, format);
    vsnprintf(c->line, sizeof c->line, format, args);
    va_end(args);
    c->last_draw = time;
    if (c->terminal) {
        draw(c);
        if (final) {
            fputc('\n', stderr);
            c->drawn = false;
        }
    } else {
        fprintf(stderr, "%s\n", c->line);
    }
    fflush(stderr);
out:
    pthread_mutex_unlock(&c->lock);
}

/* Three significant digits: 1.23 12.3 123 */
static char *scaled(double value, const char *const *units, char *out)
{
    unsigned unit = 0;

    while (value >= 999.5 && units[unit + 1]) {
        value /= 1000;
        unit++;
    }
    if (unit == 0)
        snprintf(out, 24, "%.0f%s", value, units[0]);
    else
        snprintf(out, 24, "%.*f%s", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, units[unit]);
    return out;
}

char *cli_format_count(uint64_t value, char *out)
{
    static const char *const units[] = {"", " k", " M", " G", " T", " P", NULL};

    return scaled((double)value, units, out);
}

char *cli_format_bytes(uint64_t bytes, char *out)
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", NULL};

    return scaled((double)bytes, units, out);
}

char *cli_format_seconds(double seconds, char *out)
{
    if (!(seconds >= 0) || seconds > 1e9)
        return strcpy(out, "?");
    if (seconds < 9.95) {
        snprintf(out, 24, "%.1f s", seconds);
        return out;
    }
    uint64_t s = (uint64_t)(seconds + 0.5);
    if (s < 60)
        snprintf(out, 24, "%u s", (unsigned)s);
    else if (s < 3600)
        snprintf(out, 24, "%u min %02u s", (unsigned)(s / 60), (unsigned)(s % 60));
    else if (s < 86400)
        snprintf(out, 24, "%u h %02u min", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else
        snprintf(out, 24, "%u d %02u h", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
    return out;
}
