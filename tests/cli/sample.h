/* A program that has everything an option table can say; the tests of this folder share it. */
#ifndef SAMPLE_H
#define SAMPLE_H

#include "cli/options.h"

struct sample {
    unsigned verbose;
    const char *out;
    struct cli_list include;
    uint64_t steps, bytes;
    double lr, share;
    int device;
    bool quiet, bos, steps_given;
};

static const char *const sample_devices[] = {"auto", "cpu", "cuda", NULL};

static const struct cli_option sample_options[] = {
    {"out", 'o', "DIR", CLI_STRING, offsetof(struct sample, out), .fallback = "run",
     .help = "where results go", .group = "Output"},
    {"include", 0, "GLOB", CLI_LIST, offsetof(struct sample, include),
     .help = "take files whose name matches; may be given several times, and this sentence is long "
             "enough to be broken"},
    {"steps", 'n', "N", CLI_U64, offsetof(struct sample, steps), .fallback = "10", .min = 1,
     .max = 100, .help = "how many", .group = "Work",
     .given = offsetof(struct sample, steps_given)},
    {"unit-bytes-of-stored-input", 0, "N", CLI_SIZE, offsetof(struct sample, bytes),
     .fallback = "256Mi", .min = 1, .help = "size of a unit", .group = "Work"},
    {"lr", 0, "X", CLI_DOUBLE, offsetof(struct sample, lr), .fallback = "3e-4", .low = 0,
     .high = 10, .help = "rate of [learning]: it's a 'rate'", .group = "Work"},
    {"max-bad", 0, "SHARE", CLI_SHARE, offsetof(struct sample, share), .fallback = "1%",
     .help = "share of records that may be bad", .group = "Work"},
    {"device", 0, NULL, CLI_CHOICE, offsetof(struct sample, device), .fallback = "auto",
     .choices = sample_devices, .help = "what computes", .group = "Work"},
    {"bos", 0, NULL, CLI_TRUE, offsetof(struct sample, bos), .help = "add a beginning",
     .group = "Output"},
    {"no-bos", 0, NULL, CLI_FALSE, offsetof(struct sample, bos), .help = "add none",
     .group = "Output"},
    {"quiet", 'q', NULL, CLI_TRUE, offsetof(struct sample, quiet), .help = "say nothing"},
    {"verbose", 'v', NULL, CLI_COUNT, offsetof(struct sample, verbose), .help = "say more"},
    {0},
};

static const struct cli_option sample_status_options[] = {
    {"quiet", 'q', NULL, CLI_TRUE, offsetof(struct sample, quiet), .help = "say nothing"},
    {0},
};

static const struct cli_command sample_commands[] = {
    {NULL, "INPUT...", "does the thing", sample_options, 1, UINT64_MAX},
    {"status", "DIR", "tells how far it is", sample_status_options, 1, 1},
    {"finish", "DIR", "proves that everything is there", NULL, 1, 1},
};

static const struct cli_program sample_program = {
    "the-sample",    "1.2.3", "shows what an option table can say",
    sample_commands, 3,       "A first closing paragraph.\nA second one, with a \\ and a 'quote'."};

/* only subcommands */
static const struct cli_program sample_strict = {
    "strict", "1", "has only commands", sample_commands + 1, 2, NULL};

#endif
