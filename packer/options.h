/* Internal: ngt-pack's command line. */
#ifndef PACKER_OPTIONS_H
#define PACKER_OPTIONS_H

#include "cli/options.h"

struct packer_options {
    uint64_t seq_len, threads, seed, shard_tokens, window_tokens;
    const char *out, *what_if;
    int method, progress;
    double val;
    bool plan_only, shuffle_ids, incomplete, quiet, json, threads_given, seq_len_given;
    unsigned verbose;
};

extern const struct cli_program packer_program;

#endif
