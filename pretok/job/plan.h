/*
 * What a run will do, fixed before anything is read: inputs, units, options that affect bytes,
 * tokenizer. Everything that follows is a function of the plan, so any number of tasks, killed and
 * repeated at will, ends in the same bytes.
 *
 * A unit is several small files, one file, or a part of a JSON lines file: of a plain one a range
 * that begins and ends at record boundaries; of a zstd file some of its frames. Frames know nothing
 * of records: the first part takes its last record to its end, in the frames behind it, and the next
 * one begins behind the first newline, so that each record belongs to one part: that in which it
 * begins, or, if it begins with it, that before. Other compressed files are not cut, whatever their
 * size.
 */
#ifndef PRETOK_PLAN_H
#define PRETOK_PLAN_H

#include "job/inputs.h"
#include "ngt/digest.h"
#include "ngt/file.h"
#include "ngt/writer.h"

struct pretok_unit {
    uint64_t first_input, input_count;
    uint64_t start, bytes; /* of the input, when input_count is 1; else 0 and the sum of sizes */
    uint64_t text_start;   /* what start is once the input is decompressed */
    bool part;             /* a range: not the whole file */
};

struct pretok_plan {
    struct pretok_inputs inputs;
    struct pretok_unit *units; /* [unit_count]; unit number u is units[u - 1] */
    uint64_t unit_count;
    struct ngt_pair *options; /* owned strings; what affects bytes */
    uint64_t option_count;
    struct ngt_pair *identity; /* of the tokenizer; owned strings */
    uint64_t identity_count;
    uint64_t fingerprint; /* of all of it but paths and times; stands in every receipt */
    char *query;          /* what was asked for: operands, lists, globs; NULL: not known */
    /* Of a table: inputs and units, or a share of them, point into it. */
    struct ngt_map table;
    bool mapped;
};

/* The units of task I of N: I, I + N, I + 2 N ... */
struct pretok_plan_share {
    uint64_t task, tasks; /* 1 <= task <= tasks */
};

struct pretok_plan_config {
    struct pretok_inputs inputs;               /* taken over, also on failure */
    uint64_t unit_bytes;                       /* >= 1 */
    const struct ngt_pair *options, *identity; /* copied */
    uint64_t option_count, identity_count;
    /* Compressed files are not cut at all: each is to be judged whole. */
    bool keep_compressed;
    /* A plan made before, or NULL: a file in it that has not changed since is cut at the same places
     * without looking at it. Where another unit_bytes was asked then, comparing the options tells. */
    const struct pretok_plan *known;
    const char *query;                  /* copied; NULL: not known */
    const struct pretok_remote *remote; /* as pretok_inputs_config */
};

/* Cuts inputs into units: reads a few bytes of each file that is cut, and of a zstd file the header
 * of each block; frames of several that do not say how much they hold are decompressed. */
NGT_NODISCARD enum ngt_status pretok_plan_build(struct pretok_plan_config *config,
                                                struct pretok_plan *ret_plan,
                                                struct ngt_error *reterr);
void pretok_plan_done(struct pretok_plan *plan);

/* Sets the fingerprint, from all else. false: no memory. */
bool pretok_plan_fingerprint(struct pretok_plan *plan);

/* NGT_E_MISMATCH names the first difference: what was planned, what is asked for now. */
NGT_NODISCARD enum ngt_status pretok_plan_compare(const struct pretok_plan *planned,
                                                  const struct pretok_plan *now, const char *path,
                                                  struct ngt_error *reterr);

/* As pretok_plan_compare, but of tokenizer and options alone. */
NGT_NODISCARD enum ngt_status
pretok_plan_compare_options(const struct pretok_plan *planned, const struct ngt_pair *options,
                            uint64_t option_count, const struct ngt_pair *identity,
                            uint64_t identity_count, const char *path, struct ngt_error *reterr);

/* Is it standard input? */
bool pretok_plan_is_stream(const struct pretok_plan *plan);
uint64_t pretok_plan_bytes(const struct pretok_plan *plan, uint64_t unit); /* 1-based */
/* The value of an option, or NULL. */
const char *pretok_plan_option(const struct pretok_plan *plan, const char *key);

/* What the text is made of: "text-key" or "text-template", and its value; for messages. */
void pretok_plan_text(const struct pretok_plan *plan, const char **ret_option,
                      const char **ret_value);

/* Zero-padded so that names sort in data order: "00012" and "00012-0003.ngt". out has 64 bytes. */
char *pretok_unit_name(const struct pretok_plan *plan, uint64_t unit, char *out);
char *pretok_shard_name(const struct pretok_plan *plan, uint64_t unit, uint64_t part, char *out);

#endif
