/* Runs the parser with stdout and stderr caught. */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <unistd.h>

#include "sample.h"
#include "t.h"

static char caught_out[65536], caught_err[4096];

__attribute__((unused)) static void capture_read(FILE *f, char *into, size_t room)
{
    rewind(f);
    into[fread(into, 1, room - 1, f)] = '\0';
    fclose(f);
}

struct run {
    enum cli_outcome outcome;
    struct sample config;
    const struct cli_command *command;
    struct cli_list operands;
};

/* line is split at spaces; release with run_done */
__attribute__((unused)) static struct run run_line(const struct cli_program *program,
                                                   const char *line)
{
    static char words[1024];
    char *argv[64] = {(char *)"program"};
    int argc = 1;
    struct run r = {0};
    FILE *out = tmpfile(), *err = tmpfile();

    T_REQUIRE(out && err && strlen(line) < sizeof words);
    strcpy(words, line);
    for (char *w = strtok(words, " "); w; w = strtok(NULL, " "))
        argv[argc++] = strcmp(w, "EMPTY") == 0 ? w + 5 : w;
    fflush(NULL);
    int saved_out = dup(1), saved_err = dup(2);
    dup2(fileno(out), 1);
    dup2(fileno(err), 2);
    r.outcome = cli_parse(program, argc, argv, &r.config, &r.command, &r.operands);
    fflush(NULL);
    dup2(saved_out, 1);
    dup2(saved_err, 2);
    close(saved_out);
    close(saved_err);
    capture_read(out, caught_out, sizeof caught_out);
    capture_read(err, caught_err, sizeof caught_err);
    return r;
}

__attribute__((unused)) static void run_done(struct run *r)
{
    cli_done(r->command, &r->config, &r->operands);
}

#endif
