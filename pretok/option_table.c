/*
 * The options of pretok and its subcommands. clang-format would give each member a line of its own.
 */
#include "options.h"

// clang-format off
#define AT(field) offsetof(struct pretok_options, field)

static const char *const format_choices[] = {"auto", "jsonl", "text", "warc", "parquet", NULL};
static const char *const bad_choices[] = {"quarantine", "fail", NULL};
static const char *const lost_choices[] = {"keep", "drop", NULL};
static const char *const engine_choices[] = {"fast", "reference", "plain", NULL};
static const char *const progress_choices[] = {"auto", "always", "never", NULL};

/* ---- groups of options that commands share ---- */

#define TOKENIZER_OPTIONS \
    {.name = "tokenizer", .letter = 't', .argument = "FILE", .type = CLI_STRING, .target = AT(tokenizer), \
     .group = "Tokenizer", .help = "SentencePiece .model, tokenizer.json, .tiktoken or tekken.json"}, \
    {.name = "parse-special", .argument = "none|all|LIST", .type = CLI_STRING, .target = AT(parse_special), \
     .fallback = "none", .group = "Tokenizer", \
     .help = "which control tokens are recognised in text (names, separated by commas)"}, \
    {.name = "pattern", .argument = "NAME", .type = CLI_STRING, .target = AT(pattern), .group = "Tokenizer", \
     .help = "the split of rank files, which carry none"}, \
    {.name = "engine", .type = CLI_CHOICE, .target = AT(engine), .fallback = "fast", .choices = engine_choices, \
     .group = "Tokenizer", .help = "the project's own engine; the family's library; the own one without shortcuts"}, \
    {.name = "file-limits", .type = CLI_TRUE, .target = AT(file_limits), .group = "Tokenizer", \
     .help = "truncate and pad documents as the tokenizer.json says (not done otherwise)"}

#define REMOTE_OPTION \
    {.name = "remote-timeout", .argument = "SECONDS", .type = CLI_U64, .target = AT(remote_timeout), \
     .fallback = "300", .min = 1, .max = 1000000, .group = "Input", \
     .help = "give up a remote input (s3://, https://) that has delivered nothing for so long"}

#define INPUT_OPTIONS \
    {.name = "input-format", .type = CLI_CHOICE, .target = AT(input_format), .fallback = "auto", \
     .choices = format_choices, .group = "Input", .help = "auto: by the file's name"}, \
    {.name = "text-key", .argument = "PATH", .type = CLI_STRING, .target = AT(text_key), .fallback = "text", \
     .given = AT(text_key_given), .group = "Input", .help = "dotted key of the text in JSON lines; column in Parquet"}, \
    {.name = "text-template", .argument = "TEXT", .type = CLI_STRING, .target = AT(text_template), .group = "Input", \
     .help = "text of several keys: '{title?\\n\\n}{text}'"}, \
    {.name = "files-from", .argument = "LIST", .type = CLI_STRING, .target = AT(files_from), .group = "Input", \
     .help = "file that lists further inputs, one a line"}, \
    {.name = "include", .argument = "GLOB", .type = CLI_LIST, .target = AT(include), .group = "Input", \
     .help = "take only files that match"}, \
    {.name = "exclude", .argument = "GLOB", .type = CLI_LIST, .target = AT(exclude), .group = "Input", \
     .help = "leave out files that match"}, \
    {.name = "limit", .argument = "N", .type = CLI_U64, .target = AT(limit), .given = AT(limit_given), .min = 1, \
     .group = "Input", .help = "read N records only, for a try"}, \
    {.name = "max-doc-bytes", .argument = "N", .type = CLI_SIZE, .target = AT(max_doc_bytes), .fallback = "1Gi", \
     .min = 1, .group = "Input", .help = "longer texts go to the quarantine"}

#define DOCUMENT_OPTIONS \
    {.name = "id-key", .argument = "PATH", .type = CLI_STRING, .target = AT(id_key), .group = "Documents", \
     .help = "key of a value kept as the document's id"}, \
    {.name = "meta-keys", .argument = "PATH,...", .type = CLI_STRING, .target = AT(meta_keys), .group = "Documents", \
     .help = "keys of values kept as its metadata"}, \
    {.name = "split-by-key", .argument = "PATH", .type = CLI_STRING, .target = AT(split_key), .group = "Documents", \
     .help = "a data set of its own for each value, in a folder below DIR"}, \
    {.name = "dedup", .type = CLI_TRUE, .target = AT(dedup), .group = "Documents", \
     .help = "drop documents whose text came before; ngt-pack leaves them out"}, \
    {.name = "min-chars", .argument = "N", .type = CLI_U64, .target = AT(filter.min_chars), .group = "Documents", \
     .help = "leave out documents of fewer characters"}, \
    {.name = "max-chars", .argument = "N", .type = CLI_U64, .target = AT(filter.max_chars), .min = 1, .group = "Documents", \
     .help = "of more"}, \
    {.name = "min-tokens", .argument = "N", .type = CLI_U64, .target = AT(filter.min_tokens), .group = "Documents", \
     .help = "leave out documents of fewer tokens, BOS and EOS not counted"}, \
    {.name = "max-tokens", .argument = "N", .type = CLI_U64, .target = AT(filter.max_tokens), .min = 1, .group = "Documents", \
     .help = "of more"}

#define SPECIAL_OPTIONS \
    {.name = "bos", .type = CLI_TRUE, .target = AT(bos), .group = "Tokenizer", \
     .help = "begin every document with the BOS token"}, \
    {.name = "no-bos", .type = CLI_FALSE, .target = AT(bos), .group = "Tokenizer", \
     .help = "do not (the default)"}, \
    {.name = "eos", .type = CLI_TRUE, .target = AT(eos), .group = "Tokenizer", \
     .help = "end every document with the EOS token (the default)"}, \
    {.name = "no-eos", .type = CLI_FALSE, .target = AT(eos), .group = "Tokenizer", .help = "do not"}, \
    {.name = "bos-token", .argument = "STRING|ID", .type = CLI_STRING, .target = AT(bos_token), \
     .group = "Tokenizer", .help = "where the tokenizer file does not say which"}, \
    {.name = "eos-token", .argument = "STRING|ID", .type = CLI_STRING, .target = AT(eos_token), \
     .group = "Tokenizer", .help = "where the tokenizer file does not say which"}

#define ROUNDTRIP_OPTION \
    {.name = "verify-roundtrip", .type = CLI_TRUE, .target = AT(verify_roundtrip), .group = "Tokenizer", \
     .help = "count documents whose text the ids do not give back"}

#define JUDGE_OPTIONS \
    {.name = "max-bad", .argument = "SHARE", .type = CLI_SHARE, .target = AT(max_bad), .fallback = "1%", \
     .group = "Refused records", .help = "fail when more of the records are refused"}, \
    {.name = "allow-lost-sources", .type = CLI_TRUE, .target = AT(allow_lost), .group = "Refused records", \
     .help = "complete the data set though a source could not be read to its end"}

#define JOB_OPTIONS \
    {.name = "output", .letter = 'o', .argument = "DIR", .type = CLI_STRING, .target = AT(output), \
     .group = "Output", .help = "folder of the data set"}, \
    {.name = "shard-tokens", .argument = "N", .type = CLI_SIZE, .target = AT(shard_tokens), .fallback = "256Mi", \
     .min = 1, .group = "Output", .help = "begin another shard after N"}, \
    {.name = "unit-bytes", .argument = "N", .type = CLI_SIZE, .target = AT(unit_bytes), .fallback = "256Mi", \
     .min = 1, .group = "Output", .help = "stored input of a unit of work"}

#define TALK_OPTIONS \
    {.name = "verbose", .letter = 'v', .type = CLI_COUNT, .target = AT(verbose), .group = "Messages", \
     .help = "tell the timing of every batch and stage"}, \
    {.name = "quiet", .letter = 'q', .type = CLI_TRUE, .target = AT(quiet), .group = "Messages", \
     .help = "errors only"}, \
    {.name = "progress", .type = CLI_CHOICE, .target = AT(progress), .fallback = "auto", \
     .choices = progress_choices, .group = "Messages", .help = "auto: a progress line on a terminal"}

#define THREADS_OPTION \
    {.name = "threads", .letter = 'j', .argument = "N", .type = CLI_U64, .target = AT(threads), .min = 1, \
     .max = 4096, .help = "threads; all cores by default"}

#define TASKS_OPTION \
    {.name = "tasks", .argument = "N", .type = CLI_U64, .target = AT(tasks), .min = 1, .max = 1000000000, \
     .help = "print what is missing as an array of N tasks; a task a unit by default"}

/* of plan too, which passes over those that say how, not what: the same words plan a job and run it */
#define RUN_OPTIONS \
    TOKENIZER_OPTIONS, \
    JOB_OPTIONS, \
    THREADS_OPTION, \
    INPUT_OPTIONS, \
    REMOTE_OPTION, \
    DOCUMENT_OPTIONS, \
    SPECIAL_OPTIONS, \
    ROUNDTRIP_OPTION, \
    {.name = "on-bad", .type = CLI_CHOICE, .target = AT(on_bad), .fallback = "quarantine", .choices = bad_choices, \
     .group = "Refused records", .help = "what becomes of a record without a usable text"}, \
    {.name = "on-lost", .type = CLI_CHOICE, .target = AT(on_lost), .fallback = "keep", .choices = lost_choices, \
     .group = "Refused records", \
     .help = "of a source that cannot be read to its end: keep what is readable, or take nothing (reads twice)"}, \
    {.name = "max-expansion", .argument = "N", .type = CLI_SIZE, .target = AT(max_expansion), .fallback = "1000", .min = 1, \
     .group = "Refused records", .help = "a stored byte may become N bytes of text, after the first GiB; more is a lost source"}, \
    JUDGE_OPTIONS, \
    {.name = "task", .argument = "I/N|auto|none", .type = CLI_STRING, .target = AT(task), .group = "Output", \
     .help = "this task's share of the units; auto, and the default where there are several: as Slurm or MPI says"}, \
    {.name = "stats", .argument = "FILE", .type = CLI_STRING, .target = AT(stats), .group = "Messages", \
     .help = "write the figures as JSON"}, \
    TALK_OPTIONS

static const struct cli_option run_options[] = {
    RUN_OPTIONS,
    {0},
};

static const struct cli_option plan_options[] = {
    RUN_OPTIONS,
    {.name = "sample", .argument = "SHARE|N", .type = CLI_STRING, .target = AT(sample), .group = "Dry run",
     .help = "tokenize that share (1%), or N records of the input, and tell what all of it will come to"},
    {.name = "sample-seed", .argument = "N", .type = CLI_U64, .target = AT(sample_seed), .fallback = "1", .group = "Dry run",
     .help = "draw another sample"},
    {0},
};

static const struct cli_option status_options[] = {
    {.name = "json", .type = CLI_TRUE, .target = AT(json), .help = "figures as JSON"},
    TASKS_OPTION,
    TALK_OPTIONS,
    {0},
};

static const struct cli_option finish_options[] = {
    {.name = "check-inputs", .type = CLI_TRUE, .target = AT(check_inputs),
     .help = "read the inputs again and compare their hashes"},
    REMOTE_OPTION,
    {.name = "quick", .type = CLI_TRUE, .target = AT(quick),
     .help = "compare shards by size and root hash only, without reading them whole"},
    TASKS_OPTION,
    THREADS_OPTION,
    JUDGE_OPTIONS,
    TALK_OPTIONS,
    {0},
};

static const struct cli_option encode_options[] = {
    TOKENIZER_OPTIONS,
    {.name = "ids", .type = CLI_TRUE, .target = AT(ids), .help = "print ids (the default)"},
    {.name = "pieces", .type = CLI_TRUE, .target = AT(pieces),
     .help = "print the tokens' names in the tokenizer file"},
    {.name = "null", .letter = '0', .type = CLI_TRUE, .target = AT(nul),
     .help = "documents end with NUL, not with a newline"},
    REMOTE_OPTION,
    {0},
};

static const struct cli_option bench_options[] = {
    TOKENIZER_OPTIONS,
    THREADS_OPTION,
    INPUT_OPTIONS,
    {.name = "json", .type = CLI_TRUE, .target = AT(json), .help = "figures as JSON"},
    {.name = "quick", .type = CLI_TRUE, .target = AT(quick), .help = "one pass, of the tokenizer only, nothing compared"},
    TALK_OPTIONS,
    {0},
};

static const struct cli_command commands[] = {
    {.operands = "INPUT...", .summary = "tokenize text into document shards", .options = run_options,
     .max_operands = UINT64_MAX},
    {.name = "plan", .operands = "INPUT...", .summary = "fix inputs and units of work, no more",
     .options = plan_options, .max_operands = UINT64_MAX},
    {.name = "status", .operands = "DIR", .summary = "what is done and what is open", .options = status_options,
     .min_operands = 1, .max_operands = 1},
    {.name = "finish", .operands = "DIR", .summary = "prove that all is there and complete the set",
     .options = finish_options, .min_operands = 1, .max_operands = 1},
    {.name = "encode", .operands = "[FILE...]", .summary = "text in, ids out, a line a document",
     .options = encode_options, .max_operands = UINT64_MAX},
    {.name = "bench", .operands = "CORPUS...", .summary = "speed per core, stage by stage", .options = bench_options,
     .min_operands = 1, .max_operands = UINT64_MAX},
};
// clang-format on

const struct cli_program pretok_program = {
    .name = "pretok",
    .version = NGT_PROJECT_VERSION,
    .summary = "text in, document shards (.ngt) out",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .details =
        "Inputs are files, folders (all files below them), addresses (s3://bucket/key, "
        "s3://bucket/prefix/ for all objects below it, https://host/path) or - (standard input). Compression and "
        "archives are told by content: gzip, zstd, bzip2, xz, lz4; tar, zip, cpio, 7z. Formats by "
        "name: JSON lines, text, WARC and WET, Parquet.\n\n"
        "The same command again goes on where it was stopped. Exit codes: 0 done, 1 failed, 2 "
        "wrong usage, 75 stopped early and cleanly.",
};
