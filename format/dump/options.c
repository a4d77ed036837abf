#include "dump.h"

#define AT(field) offsetof(struct dump_config, field)

static const struct cli_option options[] = {
    {"header", 'H', NULL, CLI_TRUE, AT(header), .group = "What to show (one of)",
     .help = "header, sections, options, tokenizer, ledger (default)"},
    {"list", 'l', NULL, CLI_TRUE, AT(list), .group = "What to show (one of)",
     .help = "one line a shard"},
    {"docs", 'd', NULL, CLI_TRUE, AT(docs), .group = "What to show (one of)",
     .help = "one line a document: length and origin; packed: one a segment"},
    {"ids", 'i', NULL, CLI_TRUE, AT(ids), .group = "What to show (one of)",
     .help = "ids, one document or sequence a line"},
    {"text", 't', NULL, CLI_TRUE, AT(text), .group = "What to show (one of)",
     .help = "the text back"},
    {"stats", 's', NULL, CLI_TRUE, AT(stats), .group = "What to show (one of)",
     .help = "lengths, frequent tokens, entropies, unused ids"},
    {"verify", 0, NULL, CLI_TRUE, AT(verify), .group = "What to show (one of)",
     .help = "check every hash and invariant, one line a shard"},
    {"range", 'r', "A:B", CLI_STRING, AT(range), .group = "Which",
     .help = "documents or sequences A to B - 1 (from 0; either may be left out)"},
    {"doc", 'n', "N", CLI_U64, AT(doc), .group = "Which", .help = "document or sequence N alone",
     .given = AT(doc_given)},
    {"at", 0, "SOURCE:RECORD", CLI_STRING, AT(at), .group = "Which",
     .help = "the document that came from this file and line"},
    {"incomplete", 0, NULL, CLI_TRUE, AT(incomplete), .group = "Which",
     .help = "take the shards of a folder without dataset.json"},
    {"json", 'j', NULL, CLI_TRUE, AT(json), .group = "How", .help = "the same as JSON"},
    {"special", 0, NULL, CLI_TRUE, AT(special), .group = "How",
     .help = "show control tokens in --text"},
    {"top", 0, "N", CLI_U64, AT(top), .fallback = "20", .max = 100000, .group = "How",
     .help = "how many frequent tokens --stats lists"},
    {0},
};

static const struct cli_command commands[] = {
    {NULL, "SHARD|DIR...", "shows and proves what is in .ngt shards", options, 1, UINT64_MAX},
};

const struct cli_program dump_program = {
    .name = "ngt-dump",
    .version = NGT_VERSION,
    .summary = "shows and proves what is in .ngt shards",
    .commands = commands,
    .command_count = 1,
    .details = "A folder means the shards that its dataset.json lists. Exit status: 0 done, 1 "
               "failed or damaged, "
               "2 wrong usage.",
};
