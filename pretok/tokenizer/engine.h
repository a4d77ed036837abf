/*
 * What an engine is to tokenizer.c, and what a vocabulary file becomes. A new family adds a file
 * that fills a struct tok_model and one that fills a struct tok_engine; nothing else changes.
 */
#ifndef TOK_ENGINE_H
#define TOK_ENGINE_H

#include "tok/tokenizer.h"

/*
 * The one internal form of a vocabulary. Two spellings of every id: its name in the tokenizer file
 * (what tok_find looks up) and the bytes it stands for in text (what a shard stores). All arrays
 * are malloced and released by tok_model_done.
 */
struct tok_model {
    struct ngt_vocabulary vocabulary; /* points into kinds, starts, bytes below */
    uint8_t *kinds;                   /* [count] enum ngt_id_kind */
    uint64_t *starts;                 /* [count + 1] */
    uint8_t *bytes;
    uint64_t *name_starts; /* [count + 1] offsets into names */
    char *names;           /* not NUL-terminated each */
    struct tok_special special;
    const char *family;  /* "sentencepiece"; static */
    const char *variant; /* "bpe", "unigram", ...; static */
};
void tok_model_done(struct tok_model *model);

/*
 * The functions of an engine. `engine` is read-only after creation and shared by all threads; what
 * changes lives in the scratch.
 */
typedef enum ngt_status (*tok_scratch_new_fn)(const void *engine, void **ret_scratch,
                                              struct ngt_error *reterr);
typedef void (*tok_scratch_free_fn)(void *scratch);
typedef enum ngt_status (*tok_encode_fn)(const void *engine, void *scratch, const char *text,
                                         uint64_t n, struct tok_ids *ids, struct ngt_error *reterr);
typedef void (*tok_engine_free_fn)(void *engine);
typedef struct tok_stats (*tok_stats_fn)(const void *scratch);
typedef enum ngt_status (*tok_stage_fn)(const void *engine, void *scratch, enum tok_stage stage,
                                        const char *text, uint64_t n, struct ngt_error *reterr);

struct tok_vtable {
    const char *name;    /* "reference", "fast", "plain" */
    const char *library; /* name and version of the library behind it, or NULL */
    tok_scratch_new_fn scratch_new;
    tok_scratch_free_fn scratch_free;
    tok_encode_fn encode;
    tok_engine_free_fn free;
    tok_stats_fn stats; /* may be NULL: no cache */
    tok_stage_fn stage; /* may be NULL: no stages before the model */
};

struct tok_engine_instance {
    const struct tok_vtable *vtable;
    void *state;
};

/* Of neighbours from `first` on that are this id, the first stays. */
void tok_ids_fuse(struct tok_ids *ids, uint64_t first, uint32_t id);

/*
 * Makes the reference engine of a SentencePiece file from its bytes [n]; they are not kept.
 * NGT_E_DATA when the library refuses them.
 */
NGT_NODISCARD enum ngt_status tok_sp_engine_new(const uint8_t *bytes, uint64_t n, const char *path,
                                                struct tok_engine_instance *ret_engine,
                                                struct ngt_error *reterr);

/*
 * The same of the project's own engine. NGT_E_UNSUPPORTED: a model that only the library knows.
 */
NGT_NODISCARD enum ngt_status tok_sp_fast_new(const uint8_t *bytes, uint64_t n, const char *path,
                                              bool plain, struct tok_engine_instance *ret_engine,
                                              struct ngt_error *reterr);

/*
 * One vocabulary format. probe: do these bytes look like it? Decides which loader a file goes to.
 * load: bytes [n] to vocabulary and engine; it may change the bytes, which are not kept. On failure
 * it has released what it made. NGT_E_DATA: damaged, or a part that is not understood, named.
 */
struct tok_family {
    const char *name; /* "SentencePiece models (.model)" */
    bool takes_pattern;
    const char
        *reference; /* what --engine reference is; NULL: there is none in C, so it is refused */
    bool (*probe)(const uint8_t *bytes, uint64_t n);
    enum ngt_status (*load)(const struct tok_config *config, uint8_t *bytes, uint64_t n,
                            struct tok_model *ret_model, struct tok_engine_instance *ret_engine,
                            struct ngt_error *reterr);
};
extern const struct tok_family tok_family_sentencepiece;
extern const struct tok_family tok_family_rank_file;
extern const struct tok_family tok_family_tekken;
extern const struct tok_family tok_family_huggingface;

#endif
