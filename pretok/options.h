/* The command line as data, and what follows from it before anything is read. */
#ifndef PRETOK_OPTIONS_H
#define PRETOK_OPTIONS_H

#include "cli/options.h"
#include "cli/progress.h"
#include "filter.h"
#include "job/plan.h"
#include "keys.h"
#include "remote/remote.h"
#include "tok/tokenizer.h"

struct pretok_options {
    const char *tokenizer, *output;
    uint64_t threads; /* 0: all cores */
    int input_format; /* enum pretok_format */
    const char *text_key, *text_template;
    bool text_key_given;
    const char *id_key, *meta_keys, *split_key;
    bool dedup;
    struct pretok_filter filter;
    bool bos, eos;
    const char *bos_token, *eos_token;
    const char *parse_special;
    int on_bad; /* 0 quarantine, 1 fail */
    double max_bad;
    bool allow_lost;
    int on_lost; /* 0 keep, 1 drop */
    uint64_t max_expansion;
    uint64_t max_doc_bytes, shard_tokens, unit_bytes;
    const char *task, *pattern;
    int engine; /* enum tok_engine */
    bool file_limits, verify_roundtrip;
    const char *stats;
    unsigned verbose;
    bool quiet;
    int progress;
    struct cli_list include, exclude;
    const char *files_from;
    uint64_t remote_timeout; /* seconds */
    uint64_t limit;
    bool limit_given;
    const char *sample; /* plan; NULL: no sample */
    uint64_t sample_seed;
    bool check_inputs, quick; /* finish */
    uint64_t tasks;           /* finish, status; 0: a task a unit */
    bool ids, pieces, nul;    /* encode */
    bool json;                /* status, bench */
};

extern const struct cli_program pretok_program;

/* Opens the tokenizer that the options describe. NGT_E_RANGE: an option that makes no sense. */
NGT_NODISCARD enum ngt_status pretok_options_tokenizer(const struct pretok_options *o,
                                                       struct tok_tokenizer **ret_tokenizer,
                                                       struct ngt_error *reterr);

/* The special ids of a run: from the tokenizer file, or as --bos-token and --eos-token say. */
struct pretok_special {
    uint32_t bos, eos, pad; /* NGT_NO_ID: none */
};
/* NGT_E_DATA: one that is to be added is not known, or no such token; the message names candidates.
 */
NGT_NODISCARD enum ngt_status pretok_options_special(const struct pretok_options *o,
                                                     const struct tok_tokenizer *t,
                                                     struct pretok_special *ret_special,
                                                     struct ngt_error *reterr);

/* What is taken from records. NGT_E_DATA: a bad path or template; NGT_E_RANGE: options that exclude
 * each other. */
NGT_NODISCARD enum ngt_status pretok_options_keys(const struct pretok_options *o,
                                                  struct pretok_keys *ret_keys,
                                                  struct ngt_error *reterr);

/* Finds the inputs and cuts them: what a run with these options would do. known: a
 * plan made before, see pretok_inputs_config and pretok_plan_config; may be NULL. remote: NULL:
 * addresses are refused. */
NGT_NODISCARD enum ngt_status
pretok_options_plan(const struct pretok_options *o, const struct cli_list *operands,
                    const struct tok_tokenizer *t, const struct pretok_special *special,
                    const struct pretok_plan *known, const struct pretok_remote *remote,
                    struct pretok_plan *ret_plan, struct ngt_error *reterr);
/* --sample: a share of the input, or records. NGT_E_RANGE: neither. */
NGT_NODISCARD enum ngt_status pretok_options_sample(const struct pretok_options *o,
                                                    double *ret_share, uint64_t *ret_records,
                                                    struct ngt_error *reterr);
/* What of the command line says which inputs there are, as a hash: equal ones find the same files, as
 * long as nobody adds or takes away any. Empty: an address has a query, which no plan holds, so that the
 * words are needed to read it. NGT_E_IO, NGT_E_DATA: a list cannot be read. */
NGT_NODISCARD enum ngt_status pretok_options_query(const struct pretok_options *o,
                                                   const struct cli_list *operands, char out[33],
                                                   struct ngt_error *reterr);
/* NGT_E_MISMATCH: the plan was made with another tokenizer or other options; path is the plan's. */
NGT_NODISCARD enum ngt_status pretok_options_check(const struct pretok_options *o,
                                                   const struct tok_tokenizer *t,
                                                   const struct pretok_special *special,
                                                   const struct pretok_plan *planned,
                                                   const char *path, struct ngt_error *reterr);

/* NGT_E_RANGE: no folder for the data set is given, or an address. */
NGT_NODISCARD enum ngt_status pretok_options_output(const struct pretok_options *o,
                                                    struct ngt_error *reterr);

/*
 * Who asks for remote inputs: credentials, region and endpoint as the environment has them (AWS_...,
 * SSL_CERT_FILE, TMPDIR). stopped: see pretok_remote_config; may be NULL. NGT_E_DATA.
 */
NGT_NODISCARD enum ngt_status pretok_options_remote(const struct pretok_options *o,
                                                    bool (*stopped)(void *arg),
                                                    struct pretok_remote **ret_remote,
                                                    struct ngt_error *reterr);
unsigned pretok_options_threads(const struct pretok_options *o);

#endif
