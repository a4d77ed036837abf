#include "options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/pool.h"

#define HERE NGT_NO_POS, NGT_NO_POS
#define AT(field) offsetof(struct pretok_options, field)

static const char *const format_choices[] = {"auto", "jsonl", "text", "warc", "parquet", NULL};
static const char *const bad_choices[] = {"quarantine", "fail", NULL};
static const char *const engine_choices[] = {"fast", "reference", NULL};
static const char *const progress_choices[] = {"auto", "always", "never", NULL};

/* ---- groups of options that commands share ---- */

#define TOKENIZER_OPTIONS                                                                          \
    {.name = "tokenizer",                                                                          \
     .letter = 't',                                                                                \
     .argument = "FILE",                                                                           \
     .type = CLI_STRING,                                                                           \
     .target = AT(tokenizer),                                                                      \
     .help = "tokenizer file (SentencePiece .model)"},                                             \
        {.name = "parse-special",                                                                  \
         .argument = "none|all|LIST",                                                              \
         .type = CLI_STRING,                                                                       \
         .target = AT(parse_special),                                                              \
         .fallback = "none",                                                                       \
         .group = "Tokenizer",                                                                     \
         .help = "which control tokens are recognised in text (names, separated by commas)"},      \
        {.name = "pattern",                                                                        \
         .argument = "NAME",                                                                       \
         .type = CLI_STRING,                                                                       \
         .target = AT(pattern),                                                                    \
         .group = "Tokenizer",                                                                     \
         .help = "the split of rank files, which carry none"},                                     \
    {                                                                                              \
        .name = "engine", .type = CLI_CHOICE, .target = AT(engine), .fallback = "fast",            \
        .choices = engine_choices, .group = "Tokenizer",                                           \
        .help = "the project's own engine where there is one, or the family's library"             \
    }

#define INPUT_OPTIONS                                                                              \
    {.name = "input-format",                                                                       \
     .type = CLI_CHOICE,                                                                           \
     .target = AT(input_format),                                                                   \
     .fallback = "auto",                                                                           \
     .choices = format_choices,                                                                    \
     .group = "Input",                                                                             \
     .help = "auto: by the file's name"},                                                          \
        {.name = "text-key",                                                                       \
         .argument = "PATH",                                                                       \
         .type = CLI_STRING,                                                                       \
         .target = AT(text_key),                                                                   \
         .fallback = "text",                                                                       \
         .group = "Input",                                                                         \
         .help = "dotted key of the text in JSON lines"},                                          \
        {.name = "files-from",                                                                     \
         .argument = "LIST",                                                                       \
         .type = CLI_STRING,                                                                       \
         .target = AT(files_from),                                                                 \
         .group = "Input",                                                                         \
         .help = "file that lists further inputs, one a line"},                                    \
        {.name = "include",                                                                        \
         .argument = "GLOB",                                                                       \
         .type = CLI_LIST,                                                                         \
         .target = AT(include),                                                                    \
         .group = "Input",                                                                         \
         .help = "take only files that match"},                                                    \
        {.name = "exclude",                                                                        \
         .argument = "GLOB",                                                                       \
         .type = CLI_LIST,                                                                         \
         .target = AT(exclude),                                                                    \
         .group = "Input",                                                                         \
         .help = "leave out files that match"},                                                    \
        {.name = "limit",                                                                          \
         .argument = "N",                                                                          \
         .type = CLI_U64,                                                                          \
         .target = AT(limit),                                                                      \
         .given = AT(limit_given),                                                                 \
         .min = 1,                                                                                 \
         .group = "Input",                                                                         \
         .help = "read N records only, for a try"},                                                \
    {                                                                                              \
        .name = "max-doc-bytes", .argument = "N", .type = CLI_SIZE, .target = AT(max_doc_bytes),   \
        .fallback = "1Gi", .min = 1, .group = "Input", .help = "longer texts go to the quarantine" \
    }

#define SPECIAL_OPTIONS                                                                            \
    {.name = "bos",                                                                                \
     .type = CLI_TRUE,                                                                             \
     .target = AT(bos),                                                                            \
     .group = "Tokenizer",                                                                         \
     .help = "begin every document with the BOS token"},                                           \
        {.name = "no-bos",                                                                         \
         .type = CLI_FALSE,                                                                        \
         .target = AT(bos),                                                                        \
         .group = "Tokenizer",                                                                     \
         .help = "do not (the default)"},                                                          \
        {.name = "eos",                                                                            \
         .type = CLI_TRUE,                                                                         \
         .target = AT(eos),                                                                        \
         .group = "Tokenizer",                                                                     \
         .help = "end every document with the EOS token (the default)"},                           \
        {.name = "no-eos",                                                                         \
         .type = CLI_FALSE,                                                                        \
         .target = AT(eos),                                                                        \
         .group = "Tokenizer",                                                                     \
         .help = "do not"},                                                                        \
        {.name = "bos-token",                                                                      \
         .argument = "STRING|ID",                                                                  \
         .type = CLI_STRING,                                                                       \
         .target = AT(bos_token),                                                                  \
         .group = "Tokenizer",                                                                     \
         .help = "where the tokenizer file does not say which"},                                   \
    {                                                                                              \
        .name = "eos-token", .argument = "STRING|ID", .type = CLI_STRING, .target = AT(eos_token), \
        .group = "Tokenizer", .help = "where the tokenizer file does not say which"                \
    }

#define JUDGE_OPTIONS                                                                              \
    {.name = "max-bad",                                                                            \
     .argument = "SHARE",                                                                          \
     .type = CLI_SHARE,                                                                            \
     .target = AT(max_bad),                                                                        \
     .fallback = "1%",                                                                             \
     .group = "Refused records",                                                                   \
     .help = "fail when more of the records are refused"},                                         \
    {                                                                                              \
        .name = "allow-lost-sources", .type = CLI_TRUE, .target = AT(allow_lost),                  \
        .group = "Refused records",                                                                \
        .help = "complete the data set though a source could not be read to its end"               \
    }

#define JOB_OPTIONS                                                                                \
    {.name = "output",                                                                             \
     .letter = 'o',                                                                                \
     .argument = "DIR",                                                                            \
     .type = CLI_STRING,                                                                           \
     .target = AT(output),                                                                         \
     .help = "folder of the data set"},                                                            \
        {.name = "shard-tokens",                                                                   \
         .argument = "N",                                                                          \
         .type = CLI_SIZE,                                                                         \
         .target = AT(shard_tokens),                                                               \
         .fallback = "256Mi",                                                                      \
         .min = 1,                                                                                 \
         .group = "Output",                                                                        \
         .help = "begin another shard after N"},                                                   \
    {                                                                                              \
        .name = "unit-bytes", .argument = "N", .type = CLI_SIZE, .target = AT(unit_bytes),         \
        .fallback = "256Mi", .min = 1, .group = "Output", .help = "stored input of a unit of work" \
    }

#define TALK_OPTIONS                                                                               \
    {.name = "verbose",                                                                            \
     .letter = 'v',                                                                                \
     .type = CLI_COUNT,                                                                            \
     .target = AT(verbose),                                                                        \
     .group = "Messages",                                                                          \
     .help = "tell the timing of every batch and stage"},                                          \
        {.name = "quiet",                                                                          \
         .letter = 'q',                                                                            \
         .type = CLI_TRUE,                                                                         \
         .target = AT(quiet),                                                                      \
         .group = "Messages",                                                                      \
         .help = "errors only"},                                                                   \
    {                                                                                              \
        .name = "progress", .type = CLI_CHOICE, .target = AT(progress), .fallback = "auto",        \
        .choices = progress_choices, .group = "Messages",                                          \
        .help = "auto: a progress line on a terminal"                                              \
    }

#define THREADS_OPTION                                                                             \
    {                                                                                              \
        .name = "threads", .letter = 'j', .argument = "N", .type = CLI_U64, .target = AT(threads), \
        .min = 1, .max = 4096, .help = "threads; all cores by default"                             \
    }

static const struct cli_option run_options[] = {
    TOKENIZER_OPTIONS,
    JOB_OPTIONS,
    THREADS_OPTION,
    INPUT_OPTIONS,
    SPECIAL_OPTIONS,
    {.name = "on-bad",
     .type = CLI_CHOICE,
     .target = AT(on_bad),
     .fallback = "quarantine",
     .choices = bad_choices,
     .group = "Refused records",
     .help = "what becomes of a record without a usable text"},
    JUDGE_OPTIONS,
    {.name = "task",
     .argument = "I/N|auto",
     .type = CLI_STRING,
     .target = AT(task),
     .group = "Output",
     .help = "this task's share of the units; auto: as Slurm or MPI says"},
    {.name = "stats",
     .argument = "FILE",
     .type = CLI_STRING,
     .target = AT(stats),
     .group = "Messages",
     .help = "write the figures as JSON"},
    TALK_OPTIONS,
    {0},
};

static const struct cli_option plan_options[] = {TOKENIZER_OPTIONS, JOB_OPTIONS,  INPUT_OPTIONS,
                                                 SPECIAL_OPTIONS,   TALK_OPTIONS, {0}};

static const struct cli_option status_options[] = {
    {.name = "json", .type = CLI_TRUE, .target = AT(json), .help = "figures as JSON"},
    TALK_OPTIONS,
    {0},
};

static const struct cli_option finish_options[] = {
    {.name = "check-inputs",
     .type = CLI_TRUE,
     .target = AT(check_inputs),
     .help = "read the inputs again and compare their hashes"},
    {.name = "quick",
     .type = CLI_TRUE,
     .target = AT(quick),
     .help = "compare shards by size and root hash only, without reading them whole"},
    THREADS_OPTION,
    JUDGE_OPTIONS,
    TALK_OPTIONS,
    {0},
};

static const struct cli_option encode_options[] = {
    TOKENIZER_OPTIONS,
    {.name = "ids", .type = CLI_TRUE, .target = AT(ids), .help = "print ids (the default)"},
    {.name = "pieces",
     .type = CLI_TRUE,
     .target = AT(pieces),
     .help = "print the tokens' names in the tokenizer file"},
    {.name = "null",
     .letter = '0',
     .type = CLI_TRUE,
     .target = AT(nul),
     .help = "documents end with NUL, not with a newline"},
    {0},
};

static const struct cli_option bench_options[] = {
    TOKENIZER_OPTIONS,
    THREADS_OPTION,
    INPUT_OPTIONS,
    {.name = "json", .type = CLI_TRUE, .target = AT(json), .help = "figures as JSON"},
    TALK_OPTIONS,
    {0},
};

static const struct cli_command commands[] = {
    {.operands = "INPUT...",
     .summary = "tokenize text into document shards",
     .options = run_options,
     .max_operands = UINT64_MAX},
    {.name = "plan",
     .operands = "INPUT...",
     .summary = "fix inputs and units of work, no more",
     .options = plan_options,
     .max_operands = UINT64_MAX},
    {.name = "status",
     .operands = "DIR",
     .summary = "what is done and what is open",
     .options = status_options,
     .min_operands = 1,
     .max_operands = 1},
    {.name = "finish",
     .operands = "DIR",
     .summary = "prove that all is there and complete the set",
     .options = finish_options,
     .min_operands = 1,
     .max_operands = 1},
    {.name = "encode",
     .operands = "[FILE...]",
     .summary = "text in, ids out, a line a document",
     .options = encode_options,
     .max_operands = UINT64_MAX},
    {.name = "bench",
     .operands = "CORPUS...",
     .summary = "speed per core, stage by stage",
     .options = bench_options,
     .min_operands = 1,
     .max_operands = UINT64_MAX},
};

const struct cli_program pretok_program = {
    .name = "pretok",
    .version = NGT_PROJECT_VERSION,
    .summary = "text in, document shards (.ngt) out",
    .commands = commands,
    .command_count = sizeof commands / sizeof *commands,
    .details =
        "Inputs are files, folders (all files below them) or - (standard input). Compression and "
        "archives are told by content: gzip, zstd, bzip2, xz, lz4; tar, zip, cpio, 7z.\n\n"
        "The same command again goes on where it was stopped. Exit codes: 0 done, 1 failed, 2 "
        "wrong usage, 75 stopped early and cleanly.",
};

unsigned pretok_options_threads(const struct pretok_options *o)
{
    return o->threads ? (unsigned)o->threads : ngt_pool_cores();
}

/* ---- tokenizer ---- */

enum ngt_status pretok_options_tokenizer(const struct pretok_options *o,
                                         struct tok_tokenizer **ret_tokenizer,
                                         struct ngt_error *reterr)
{
    struct tok_config config = {
        .path = o->tokenizer, .engine = (enum tok_engine)o->engine, .pattern = o->pattern};
    char *list = NULL, *rest = NULL, *name;
    const char **names = NULL;
    uint64_t count = 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!o->tokenizer)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE, "no tokenizer; give -t FILE");
    if (strcmp(o->parse_special, "all") == 0) {
        config.parse_special = TOK_PARSE_ALL;
    } else if (strcmp(o->parse_special, "none") != 0) {
        rest = list = strdup(o->parse_special);
        names = calloc(strlen(o->parse_special) + 1, sizeof *names);
        if (!list || !names) {
            status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory");
            goto out;
        }
        while ((name = strsep(&rest, ",")) != NULL)
            if (*name)
                names[count++] = name;
        config.parse_special = TOK_PARSE_LIST;
        config.special_list = names;
        config.special_count = count;
    }
    status = tok_open(&config, ret_tokenizer, reterr);
out:
    free(names);
    free(list);
    return status;
}

/* Names of control tokens, separated by spaces, cut to fit. */
static const char *candidates(const struct tok_tokenizer *t, char *out, size_t room)
{
    const struct ngt_vocabulary *v = tok_vocabulary(t);
    size_t used = 0;

    out[0] = '\0';
    for (uint32_t id = 0; id < v->count; id++) {
        uint64_t n = v->starts[id + 1] - v->starts[id];
        if (v->kinds[id] != NGT_ID_CONTROL)
            continue;
        if (used + n + 6 > room) {
            strcpy(out + used, " ...");
            break;
        }
        used += (size_t)snprintf(out + used, room - used, " %.*s", (int)n,
                                 (const char *)v->bytes + v->starts[id]);
    }
    return out[0] ? out : " none";
}

static enum ngt_status resolve(const struct tok_tokenizer *t, const char *option, const char *text,
                               bool added, uint32_t *id, struct ngt_error *reterr)
{
    char names[140];

    if (text) {
        char *end = NULL;
        unsigned long long number = strtoull(text, &end, 10);
        *id = tok_find(t, text);
        if (*id == NGT_NO_ID && text[0] >= '0' && text[0] <= '9' && *end == '\0' &&
            number < tok_vocabulary(t)->count)
            *id = (uint32_t)number;
        if (*id == NGT_NO_ID)
            return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                            "--%s-token: no token \"%.40s\"; control tokens:%s", option, text,
                            candidates(t, names, sizeof names));
    }
    if (added && *id == NGT_NO_ID)
        return ngt_fail(reterr, NGT_E_DATA, NULL, HERE,
                        "the tokenizer does not say which token is %s; give --%s-token or "
                        "--no-%s; control tokens:%s",
                        option[0] == 'b' ? "BOS" : "EOS", option, option,
                        candidates(t, names, sizeof names));
    return NGT_OK;
}

enum ngt_status pretok_options_special(const struct pretok_options *o,
                                       const struct tok_tokenizer *t,
                                       struct pretok_special *ret_special, struct ngt_error *reterr)
{
    struct tok_special known = tok_special_ids(t);
    struct pretok_special s = {.bos = known.bos, .eos = known.eos, .pad = known.pad};
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = resolve(t, "bos", o->bos_token, o->bos, &s.bos, reterr);
    if (status == NGT_OK)
        status = resolve(t, "eos", o->eos_token, o->eos, &s.eos, reterr);
    if (status == NGT_OK)
        *ret_special = s;
    return status;
}

/* ---- task ---- */

static bool number_of(const char *variable, uint64_t *ret)
{
    const char *text = getenv(variable);
    char *end;

    if (!text || !*text)
        return false;
    *ret = strtoull(text, &end, 10);
    return *end == '\0';
}

/* Slurm: elements of the array times tasks of the step. Otherwise MPI's rank and size. */
static bool task_from_environment(uint64_t *task, uint64_t *tasks)
{
    uint64_t id, first = 0, step = 1, count, rank, size;
    bool found = false;

    *task = *tasks = 1;
    if (number_of("SLURM_ARRAY_TASK_ID", &id) && number_of("SLURM_ARRAY_TASK_COUNT", &count)) {
        (void)number_of("SLURM_ARRAY_TASK_MIN", &first);
        if (!number_of("SLURM_ARRAY_TASK_STEP", &step) || step == 0)
            step = 1;
        if (id < first)
            return false;
        *task = (id - first) / step + 1;
        *tasks = count;
        found = true;
    }
    /* only inside a step: in a batch script SLURM_NTASKS tells what could be, not what is */
    if ((number_of("SLURM_STEP_NUM_TASKS", &size) && number_of("SLURM_PROCID", &rank)) ||
        (number_of("OMPI_COMM_WORLD_SIZE", &size) && number_of("OMPI_COMM_WORLD_RANK", &rank)) ||
        (number_of("PMI_SIZE", &size) && number_of("PMI_RANK", &rank))) {
        *task = (*task - 1) * size + rank + 1;
        *tasks *= size;
        found = true;
    }
    return found && *task >= 1 && *task <= *tasks;
}

enum ngt_status pretok_options_task(const struct pretok_options *o, uint64_t *ret_task,
                                    uint64_t *ret_tasks, struct ngt_error *reterr)
{
    int used = 0;

    ngt_error_clear(reterr);
    *ret_task = *ret_tasks = 1;
    if (!o->task)
        return NGT_OK;
    if (strcmp(o->task, "auto") == 0) {
        if (task_from_environment(ret_task, ret_tasks))
            return NGT_OK;
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--task auto: neither SLURM_ARRAY_TASK_ID and _COUNT, SLURM_PROCID in a "
                        "step, OMPI_COMM_WORLD_RANK nor PMI_RANK is set");
    }
    if (sscanf(o->task, "%" SCNu64 "/%" SCNu64 "%n", ret_task, ret_tasks, &used) != 2 ||
        o->task[used] || *ret_task < 1 || *ret_task > *ret_tasks)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "--task: \"%.40s\" is not I/N with I from 1 to N, or auto", o->task);
    return NGT_OK;
}

/* ---- plan ---- */

static const char *decimal(uint64_t n, char *out)
{
    snprintf(out, 24, "%" PRIu64, n);
    return out;
}

static const char *id_text(uint32_t id, char *out)
{
    return id == NGT_NO_ID ? "none" : decimal(id, out);
}

enum ngt_status pretok_options_plan(const struct pretok_options *o, const struct cli_list *operands,
                                    const struct tok_tokenizer *t,
                                    const struct pretok_special *special,
                                    struct pretok_plan *ret_plan, struct ngt_error *reterr)
{
    struct pretok_inputs_config find = {
        .operands = operands->items,
        .operand_count = operands->count,
        .files_from = o->files_from,
        .include = o->include.items,
        .include_count = o->include.count,
        .exclude = o->exclude.items,
        .exclude_count = o->exclude.count,
        .format = (enum pretok_format)o->input_format,
        .output = o->output,
    };
    char numbers[6][24];
    const struct ngt_pair options[] = {
        {"text_key", o->text_key},
        {"input_format", format_choices[o->input_format]},
        {"bos", o->bos ? "yes" : "no"},
        {"bos_id", id_text(special->bos, numbers[0])},
        {"eos", o->eos ? "yes" : "no"},
        {"eos_id", id_text(special->eos, numbers[1])},
        {"parse_special", o->parse_special},
        {"max_doc_bytes", decimal(o->max_doc_bytes, numbers[2])},
        {"shard_tokens", decimal(o->shard_tokens, numbers[3])},
        {"unit_bytes", decimal(o->unit_bytes, numbers[4])},
        {"limit", o->limit_given ? decimal(o->limit, numbers[5]) : "none"},
    };
    struct pretok_plan_config config = {.unit_bytes = o->unit_bytes,
                                        .options = options,
                                        .option_count = sizeof options / sizeof *options};
    enum ngt_status status;

    ngt_error_clear(reterr);
    config.identity = tok_identity(t, &config.identity_count);
    if (operands->count == 0 && !o->files_from)
        return ngt_fail(reterr, NGT_E_RANGE, NULL, HERE,
                        "no input; give files, folders, - or --files-from");
    status = pretok_inputs_find(&find, &config.inputs, reterr);
    if (status == NGT_OK)
        status = pretok_plan_build(&config, ret_plan, reterr);
    return status;
}
