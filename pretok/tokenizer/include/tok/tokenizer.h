/*
 * A tokenizer: text to ids, exactly as its reference library does it. One vtable for all engines.
 * After opening it is read-only and may be used by any number of threads, each with a scratch of
 * its own.
 */
#ifndef TOK_TOKENIZER_H
#define TOK_TOKENIZER_H

#include "ngt/digest.h"
#include "ngt/error.h"
#include "ngt/writer.h"

#ifdef __cplusplus
extern "C" {
#endif

enum tok_engine {
    TOK_FAST = 0,      /* the project's own, where there is one for the file; else the reference */
    TOK_REFERENCE = 1, /* the family's library as it is */
    TOK_PLAIN = 2,     /* the project's own without vectors, caches and shortcuts: the twin that the
                          fast one is compared with; slow */
};

/* What strings of control and special tokens in text become. */
enum tok_parse_special {
    TOK_PARSE_NONE = 0, /* they stay text, and are counted */
    TOK_PARSE_ALL = 1,
    TOK_PARSE_LIST = 2,
};

struct tok_config {
    const char *path;
    enum tok_engine engine;
    const char *pattern; /* split of rank files; NULL where the file carries one */
    enum tok_parse_special parse_special;
    const char *const *special_list; /* TOK_PARSE_LIST: the strings */
    uint64_t special_count;
    bool file_limits; /* truncate and pad each document as a tokenizer.json says; normally not */
};

/* Growing array of ids; owned by the caller, released with tok_ids_done. */
struct tok_ids {
    uint32_t *ids;
    uint64_t count, room;
};
void tok_ids_done(struct tok_ids *ids);
/* Makes room for n more; NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_ids_reserve(struct tok_ids *ids, uint64_t n,
                                              struct ngt_error *reterr);

/* What one document's encoding met. */
struct tok_counts {
    uint64_t special_strings; /* strings of control tokens left as text */
};

struct tok_tokenizer;
struct tok_scratch;

/* NGT_OK; NGT_E_IO; NGT_E_DATA: not a tokenizer file, or a part of it that is not understood,
 * named; NGT_E_UNSUPPORTED: NGT_SIMD names what is not here. */
NGT_NODISCARD enum ngt_status tok_open(const struct tok_config *config,
                                       struct tok_tokenizer **ret_tokenizer,
                                       struct ngt_error *reterr);
void tok_close(struct tok_tokenizer **t);

/* The vector instructions that the fast engine uses here: "avx512", "avx2", "neon", or "scalar" for
 * none. The environment variable NGT_SIMD names other ones, to compare with; ids never depend on
 * them. */
const char *tok_simd(void);

/* Lives as long as t. */
const struct ngt_vocabulary *tok_vocabulary(const struct tok_tokenizer *t);
/* XXH3-128 of the file. */
struct ngt_digest128 tok_digest(const struct tok_tokenizer *t);
/* Pairs for the shard's identity section: family, variant, hash, engine, library version
 * (reference), pattern ... The file's name is not among them: it would change bytes. */
const struct ngt_pair *tok_identity(const struct tok_tokenizer *t, uint64_t *ret_count);

struct tok_special {
    uint32_t bos, eos, pad, unk; /* NGT_NO_ID where the file names none */
};
struct tok_special tok_special_ids(const struct tok_tokenizer *t);
/* The id of a token by its name ("</s>"), or NGT_NO_ID. */
uint32_t tok_find(const struct tok_tokenizer *t, const char *name);
/* The name of id, which must be in the vocabulary; [*ret_bytes], not NUL-terminated, lives as long
 * as t. */
const char *tok_name(const struct tok_tokenizer *t, uint32_t id, uint64_t *ret_bytes);

/* Working memory of one thread. */
NGT_NODISCARD enum ngt_status tok_scratch_new(const struct tok_tokenizer *t,
                                              struct tok_scratch **ret_scratch,
                                              struct ngt_error *reterr);
void tok_scratch_free(struct tok_scratch **scratch);

/*
 * Appends the ids of text [n] (valid UTF-8, NUL allowed) to ids; no BOS or EOS. Adds to *counts
 * (may be NULL). No allocation in steady state by our engines. NGT_E_NOMEM, or NGT_E_DATA when the
 * library refuses the text.
 */
NGT_NODISCARD enum ngt_status tok_encode(const struct tok_tokenizer *t, struct tok_scratch *scratch,
                                         const char *text, uint64_t n, struct tok_ids *ids,
                                         struct tok_counts *counts, struct ngt_error *reterr);

/* What the word cache of a scratch has seen; zero where the engine has none. */
struct tok_stats {
    uint64_t words, misses, starts_over;
};
struct tok_stats tok_scratch_stats(const struct tok_scratch *scratch);

/*
 * Does the first stages of tok_encode alone and drops the result, so that a benchmark can tell what
 * each costs. A stage that the engine does not have costs nothing.
 */
enum tok_stage {
    TOK_STAGE_NORMALIZE = 1, /* added tokens are looked for, text is normalized */
    TOK_STAGE_SPLIT = 2,     /* and cut into pieces */
};
NGT_NODISCARD enum ngt_status tok_encode_stage(const struct tok_tokenizer *t,
                                               struct tok_scratch *scratch, enum tok_stage stage,
                                               const char *text, uint64_t n,
                                               struct ngt_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
