/*
 * What was typed (struct trainer_options, filled by the option table) and what a run is (struct
 * trainer_config: every default resolved). The second is stored in the run folder and in each
 * checkpoint; a run goes on only with an equal one.
 */
#ifndef TRAINER_CONFIG_H
#define TRAINER_CONFIG_H

#include "cli/options.h"
#include "kern/backend.h"
#include "ngt/dataset.h"
#include "trainer/schedule.h"

enum trainer_device {
    TRAINER_AUTO = 0,
    TRAINER_CPU = 1,
    TRAINER_CUDA = 2,
};

enum trainer_launch {
    TRAINER_PERSISTENT = 0,
    TRAINER_GRAPH = 1,
    TRAINER_STEPWISE = 2,
};

struct trainer_options {
    /* training */
    const char *model, *out;
    uint64_t threads; /* 0: all cores */
    int device;       /* enum trainer_device */
    uint64_t steps, stop_after, batch, micro_batch, seq_len, warmup, kv_heads, seed;
    double lr, min_lr, weight_decay, clip;
    struct cli_list val;
    uint64_t val_every, checkpoint_every, log_every;
    int launch; /* enum trainer_launch */
    uint64_t ctas;
    double deadline;
    bool untied, recompute, incomplete;
    bool steps_given, stop_given, batch_given, micro_given, seq_given, warmup_given, kv_given,
        lr_given, min_lr_given, launch_given, ctas_given;
    /* generate, eval */
    const char *prompt, *tokenizer, *pattern;
    uint64_t tokens, top_k;
    double temperature, top_p;
    bool special;
    /* all */
    int progress; /* enum cli_progress_mode */
    bool quiet, json;
    unsigned verbose;
};

struct trainer_config {
    char model_name[16];
    struct kern_model model;
    struct trainer_schedule schedule;
    uint64_t batch, micro_batch, seq_len, seed;
    double weight_decay, clip;
    struct ngt_digest128 data;      /* of the shards' header hashes, in order: of every byte */
    struct ngt_digest128 tokenizer; /* the shards' */
    uint64_t sequences;             /* of an epoch */
};

/* Sequence length for document shards where none is typed, by the preset. */
uint64_t trainer_preset_seq_len(const char *preset);

/*
 * Resolves every default. sequences: of the training set, at its sequence length seq_len. device:
 * decides the default micro-batch only. previous_micro: of the run that goes on, 0 for a new one.
 * NGT_E_DATA names the option that does not fit.
 */
NGT_NODISCARD enum ngt_status
trainer_config_resolve(const struct trainer_options *options, const struct ngt_dataset *set,
                       uint64_t sequences, uint64_t seq_len, enum trainer_device device,
                       uint64_t previous_micro, struct trainer_config *ret_config,
                       struct ngt_error *reterr);

/* The model of the options and a vocabulary size. NGT_E_DATA names the option. */
NGT_NODISCARD enum ngt_status trainer_config_model(const struct trainer_options *options,
                                                   uint64_t vocab, struct kern_model *ret_model,
                                                   struct ngt_error *reterr);

/*
 * The options that matter as one JSON object, its keys named like the options; equal text means an
 * equal run. Malloced, or NULL when out of memory.
 */
char *trainer_config_text(const struct trainer_config *config);

/*
 * NGT_E_MISMATCH names the first option in which two such texts differ, with both values.
 * old_path: where the old one comes from, for messages.
 */
NGT_NODISCARD enum ngt_status trainer_config_compare(const char *old_text, const char *new_text,
                                                     const char *old_path,
                                                     struct ngt_error *reterr);

#endif
