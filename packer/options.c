#include "options.h"

#include "packer/plan.h"

#define AT(field) offsetof(struct packer_options, field)

static const char *const progress_modes[] = {"auto", "always", "never", NULL};

static const struct cli_option options[] = {
    {"seq-len", 'T', "T", CLI_SIZE, AT(seq_len), .min = 1, .max = PACKER_MAX_LEN,
     .given = AT(seq_len_given), .group = "What to make", .help = "tokens of a sequence"},
    {"out", 'o', "DIR", CLI_STRING, AT(out), .group = "What to make",
     .help = "folder of the packed data set"},
    {"threads", 'j', "N", CLI_U64, AT(threads), .min = 1, .max = 4096, .given = AT(threads_given),
     .help = "worker threads (default: all cores)"},
    {"method", 'm', NULL, CLI_CHOICE, AT(method), .fallback = "best-fit",
     .choices = packer_method_names, .group = "What to make",
     .help = "how documents share sequences"},
    {"seed", 0, "S", CLI_U64, AT(seed), .fallback = "0", .group = "What to make",
     .help = "key of the order of sequences"},
    {"val", 0, "SHARE", CLI_SHARE, AT(val), .fallback = "0", .low = 0, .high = 0.999,
     .group = "What to make", .help = "share of documents held out into DIR/val, as 1% or 0.01"},
    {"shard-tokens", 0, "N", CLI_SIZE, AT(shard_tokens), .fallback = "256Mi", .min = 1,
     .group = "What to make", .help = "tokens of a shard"},
    {"window-tokens", 0, "N", CLI_SIZE, AT(window_tokens), .fallback = "64Mi", .min = 1,
     .help = "tokens gathered in memory at once (4 bytes each)"},
    {"shuffle-ids", 0, NULL, CLI_TRUE, AT(shuffle_ids), .group = "What to make",
     .help = "control experiment: ids trade places, only their frequencies remain"},
    {"what-if", 0, "LIST", CLI_STRING, AT(what_if), .group = "Without writing",
     .help = "padding and cuts at these lengths, as in 1024,2048,8192"},
    {"plan-only", 0, NULL, CLI_TRUE, AT(plan_only), .group = "Without writing",
     .help = "print the report alone"},
    {"incomplete", 0, NULL, CLI_TRUE, AT(incomplete),
     .help = "take the shards of a folder without dataset.json"},
    {"json", 0, NULL, CLI_TRUE, AT(json), .help = "the report as JSON"},
    {"progress", 0, NULL, CLI_CHOICE, AT(progress), .fallback = "auto", .choices = progress_modes,
     .help = "progress line"},
    {"quiet", 'q', NULL, CLI_TRUE, AT(quiet), .help = "errors only on standard error"},
    {"verbose", 'v', NULL, CLI_COUNT, AT(verbose), .help = "say more"},
    {0},
};

static const struct cli_command commands[] = {
    {NULL, "SHARD|DIR...", "packs documents into training sequences of T tokens", options, 1,
     UINT64_MAX},
};

const struct cli_program packer_program = {
    .name = "ngt-pack",
    .version = NGT_VERSION,
    .summary = "packs documents into training sequences of T tokens",
    .commands = commands,
    .command_count = 1,
    .details = "best-fit cuts only documents longer than T and pads a few tokens in ten thousand; "
               "concat pads nothing "
               "and cuts wherever T falls. No token is dropped by either. The same command again "
               "goes on where a "
               "stopped one ended.",
};
