/* The option tables: everything ngtrain can be told. */
#include <math.h>

#include "cli/progress.h"
#include "trainer/commands.h"

#define AT(field) offsetof(struct trainer_options, field)

static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const launches[] = {"persistent", "graph", "stepwise", NULL};
static const char *const progress_modes[] = {"auto", "always", "never", NULL};

/* in every table */
#define TALK                                                                                       \
    {"json", 0, NULL, CLI_TRUE, AT(json), .help = "print the figures as JSON"},                    \
        {"quiet", 'q', NULL, CLI_TRUE, AT(quiet), .help = "say nothing but errors"},               \
        {"verbose", 'v', NULL, CLI_COUNT, AT(verbose), .help = "say more"},                        \
    {                                                                                              \
        0                                                                                          \
    }

#define DEVICE                                                                                     \
    {"threads",        'j',      "THREADS",   CLI_U64,                                             \
     AT(threads),      .min = 1, .max = 4096, .help = "threads of the CPU (default: all cores)",   \
     .group = "Device"},                                                                           \
    {                                                                                              \
        "device", 0, NULL, CLI_CHOICE, AT(device), .fallback = "auto", .choices = devices,         \
                                                   .help = "what computes", .group = "Device"      \
    }

#define TOKENIZER                                                                                  \
    {"tokenizer",    't',           "FILE",                                                        \
     CLI_STRING,     AT(tokenizer), .help = "the tokenizer file the shards were made with",        \
     .group = "Text"},                                                                             \
    {                                                                                              \
        "pattern", 0, "NAME", CLI_STRING, AT(pattern),                                             \
            .help = "split of rank files (default: the shards')", .group = "Text"                  \
    }

static const struct cli_option train_options[] = {
    {"model", 0, "PRESET", CLI_STRING, AT(model), .fallback = "1m",
     .help = "1m 10m 42m 124m 350m 1.3b", .group = "Model"},
    {"kv-heads", 0, "N", CLI_U64, AT(kv_heads), .min = 1, .max = 1024,
     .help = "heads of keys and values (default: all heads)", .group = "Model",
     .given = AT(kv_given)},
    {"untied", 0, NULL, CLI_TRUE, AT(untied), .help = "a head apart from the embedding",
     .group = "Model"},
    {"seq-len", 'T', "T", CLI_U64, AT(seq_len), .min = 1, .max = 1u << 20,
     .help = "for document shards (default by preset)", .group = "Model", .given = AT(seq_given)},
    {"seed", 0, "S", CLI_U64, AT(seed), .fallback = "0", .help = "of weights and of the order",
     .group = "Model"},

    {"steps", 0, "N", CLI_U64, AT(steps), .min = 1, .help = "steps (default: once over the data)",
     .group = "Schedule", .given = AT(steps_given)},
    {"stop-after", 0, "N", CLI_U64, AT(stop_after), .min = 1,
     .help = "end with step N; the schedule stays that of --steps", .group = "Schedule",
     .given = AT(stop_given)},
    {"batch", 0, "SEQS", CLI_U64, AT(batch), .min = 1, .max = 1u << 20,
     .help = "sequences a step (default by preset)", .group = "Schedule", .given = AT(batch_given)},
    {"micro-batch", 0, "SEQS", CLI_U64, AT(micro_batch), .min = 1, .max = 1u << 20,
     .help = "sequences held at once (default by device)", .group = "Schedule",
     .given = AT(micro_given)},
    {"lr", 0, "X", CLI_DOUBLE, AT(lr), .low = 0, .high = 10,
     .help = "highest learning rate (default by preset)", .group = "Schedule",
     .given = AT(lr_given)},
    {"warmup", 0, "N", CLI_U64, AT(warmup), .help = "steps of rising rate (default: a twentieth)",
     .group = "Schedule", .given = AT(warmup_given)},
    {"min-lr", 0, "X", CLI_DOUBLE, AT(min_lr), .low = 0, .high = 10,
     .help = "rate of the last step (default a tenth of --lr)", .group = "Schedule",
     .given = AT(min_lr_given)},
    {"weight-decay", 0, "X", CLI_DOUBLE, AT(weight_decay), .fallback = "0.1", .low = 0, .high = 10,
     .help = "on matrices", .group = "Schedule"},
    {"clip", 0, "X", CLI_DOUBLE, AT(clip), .fallback = "1", .low = 0, .high = 1e9,
     .help = "highest gradient norm; 0: none", .group = "Schedule"},

    {"out", 'o', "RUNDIR", CLI_STRING, AT(out), .fallback = "run",
     .help = "checkpoints, metrics, report", .group = "Run folder"},
    {"checkpoint-every", 0, "N", CLI_U64, AT(checkpoint_every), .fallback = "1000",
     .help = "steps; 0: only at the end", .group = "Run folder"},
    {"val", 0, "DIR|SHARD", CLI_LIST, AT(val),
     .help = "held-out set (default: DIR/val where there is one)", .group = "Run folder"},
    {"val-every", 0, "N", CLI_U64, AT(val_every), .fallback = "250",
     .help = "steps; 0: only at the end", .group = "Run folder"},
    {"log-every", 0, "N", CLI_U64, AT(log_every), .fallback = "1", .min = 1,
     .help = "steps a line of metrics.jsonl stands for", .group = "Run folder"},
    {"incomplete", 0, NULL, CLI_TRUE, AT(incomplete),
     .help = "take the shards of a folder without dataset.json", .group = "Run folder"},

    DEVICE,
    {"launch", 0, NULL, CLI_CHOICE, AT(launch), .fallback = "persistent", .choices = launches,
     .help = "how the kernel runs (CUDA)", .group = "Device", .given = AT(launch_given)},
    {"ctas", 0, "N", CLI_U64, AT(ctas), .min = 1, .max = 4096,
     .help = "resident blocks (CUDA; default: all)", .group = "Device", .given = AT(ctas_given)},
    {"recompute", 0, NULL, CLI_TRUE, AT(recompute),
     .help = "make activations again, not keep them (CUDA)",
     .group = "Device"},
    {"deadline", 0, "SECONDS", CLI_DOUBLE, AT(deadline), .fallback = "60", .low = 0.1, .high = 1e6,
     .help = "data this late end the run", .group = "Device"},

    {"progress", 0, NULL, CLI_CHOICE, AT(progress), .fallback = "auto", .choices = progress_modes,
     .help = "the live line"},
    TALK,
};

static const struct cli_option generate_options[] = {
    {"prompt", 'p', "TEXT", CLI_STRING, AT(prompt), .help = "what the text begins with",
     .group = "Text"},
    {"tokens", 'n', "N", CLI_U64, AT(tokens), .fallback = "128", .min = 1, .max = 1u << 24,
     .help = "most tokens to add", .group = "Text"},
    TOKENIZER,
    {"special", 0, NULL, CLI_TRUE, AT(special), .help = "show special tokens", .group = "Text"},
    {"temperature", 0, "X", CLI_DOUBLE, AT(temperature), .fallback = "1", .low = 0, .high = 100,
     .help = "0: always the most likely token", .group = "Choice"},
    {"top-k", 0, "K", CLI_U64, AT(top_k), .fallback = "0",
     .help = "of the K most likely tokens; 0: of all", .group = "Choice"},
    {"top-p", 0, "P", CLI_DOUBLE, AT(top_p), .fallback = "1", .low = 0, .high = 1,
     .help = "of the most likely ones that make up P", .group = "Choice"},
    {"seed", 0, "S", CLI_U64, AT(seed), .fallback = "0", .help = "of the choice",
     .group = "Choice"},
    DEVICE,
    TALK,
};

static const struct cli_option eval_options[] = {
    TOKENIZER,
    {"seq-len", 'T', "T", CLI_U64, AT(seq_len), .min = 1, .max = 1u << 20,
     .help = "tokens a sequence (default: as trained); packed sets have theirs", .group = "Text",
     .given = AT(seq_given)},
    {"incomplete", 0, NULL, CLI_TRUE, AT(incomplete),
     .help = "take the shards of a folder without dataset.json", .group = "Text"},
    DEVICE,
    {"progress", 0, NULL, CLI_CHOICE, AT(progress), .fallback = "auto", .choices = progress_modes,
     .help = "the live line"},
    TALK,
};

static const struct cli_option report_options[] = {TALK};

static const struct cli_option plain_options[] = {
    {"quiet", 'q', NULL, CLI_TRUE, AT(quiet), .help = "say nothing but errors"},
    {0},
};

static const struct cli_command commands[] = {
    {NULL, "SHARD|DIR...", "train a model on shards", train_options, 1, UINT64_MAX},
    {"generate", "RUNDIR", "text from the latest checkpoint", generate_options, 1, 1},
    {"report", "RUNDIR", "loss curve, speed and where the time went", report_options, 1, 1},
    {"eval", "RUNDIR FILE", "the loss on a text, a shard or a data set", eval_options, 2, 2},
    {"export", "RUNDIR DIR", "the latest checkpoint for transformers", plain_options, 2, 2},
    {"import", "DIR RUNDIR", "a LlamaForCausalLM as step 0 of a run", plain_options, 2, 2},
};

const struct cli_program trainer_program = {
    "ngtrain",
    TRAINER_VERSION,
    "train a language model on .ngt shards",
    commands,
    sizeof commands / sizeof *commands,
    "The same command again resumes; a changed option that matters is refused by name.",
};
