/* Which file is it, which engine reads it; all else is the engine's. */
#include "tok/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "ngt/file.h"
#include "simd/isa.h"
#include "text/special_strings.h"

/* The largest vocabularies in use take some 20 MB. */
#define FILE_LIMIT (1u << 30)

static const struct tok_family *const families[] = {
    &tok_family_sentencepiece,
    &tok_family_tekken, /* before the next one, which takes any JSON object that could be its own */
    &tok_family_huggingface,
    &tok_family_rank_file,
};
#define FAMILY_COUNT (sizeof families / sizeof *families)

struct tok_tokenizer {
    struct tok_model model;
    struct tok_engine_instance engine;
    struct tok_special_strings *strings;
    struct ngt_digest128 digest;
    struct ngt_pair identity[8];
    char pattern[32];
    uint64_t identity_count;
    char digest_text[33];
};

struct tok_scratch {
    const struct tok_vtable *vtable;
    void *state;
};

static bool starts_with(const uint8_t *bytes, uint64_t n, const void *magic, uint64_t size)
{
    return n >= size && memcmp(bytes, magic, size) == 0;
}

static enum ngt_status refuse(const uint8_t *bytes, uint64_t n, const char *path,
                              struct ngt_error *reterr)
{
    const char *what = "not a tokenizer file";
    uint64_t i = 0;
    char known[240] = "";

    while (i < n && (bytes[i] == ' ' || bytes[i] == '\n' || bytes[i] == '\r' || bytes[i] == '\t'))
        i++;
    if (n == 0)
        what = "an empty file";
    else if (starts_with(bytes, n, "\x28\xB5\x2F\xFD", 4) || starts_with(bytes, n, "\x1F\x8B", 2))
        what = "a compressed file; decompress it first";
    else if (i < n && bytes[i] == '{')
        what = "JSON, but neither a tokenizer.json nor a tekken.json";
    for (size_t f = 0; f < FAMILY_COUNT; f++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", f ? ", " : "", families[f]->name);
    }
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS, "%s; understood are %s", what,
                    known);
}

static void describe(struct tok_tokenizer *t, const struct tok_config *config)
{
    struct ngt_pair *p = t->identity;

    ngt_digest128_hex(t->digest, t->digest_text);
    *p++ = (struct ngt_pair){"family", t->model.family};
    *p++ = (struct ngt_pair){"variant", t->model.variant};
    *p++ = (struct ngt_pair){"xxh3_128", t->digest_text};
    *p++ = (struct ngt_pair){"engine", t->engine.vtable->name};
    if (t->engine.vtable->library)
        *p++ = (struct ngt_pair){"library", t->engine.vtable->library};
    if (config->pattern) {
        snprintf(t->pattern, sizeof t->pattern, "%s", config->pattern);
        *p++ = (struct ngt_pair){"pattern", t->pattern};
    }
    if (config->file_limits)
        *p++ = (struct ngt_pair){"file_limits", "applied"};
    t->identity_count = (uint64_t)(p - t->identity);
}

/* Control ids that are parsed are no longer "left in text". */
static enum ngt_status count_strings(struct tok_tokenizer *t, const struct tok_config *config,
                                     struct ngt_error *reterr)
{
    bool *skip = calloc(t->model.vocabulary.count, sizeof *skip);
    enum ngt_status status;

    if (!skip)
        return ngt_fail(reterr, NGT_E_NOMEM, config->path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    for (uint32_t id = 0; id < t->model.vocabulary.count; id++)
        skip[id] = config->parse_special == TOK_PARSE_ALL;
    for (uint64_t i = 0; config->parse_special == TOK_PARSE_LIST && i < config->special_count;
         i++) {
        uint32_t id = tok_find(t, config->special_list[i]);
        if (id != NGT_NO_ID)
            skip[id] = true;
    }
    status = tok_special_strings_new(&t->model, skip, &t->strings, reterr);
    free(skip);
    return status;
}

enum ngt_status tok_open(const struct tok_config *config, struct tok_tokenizer **ret_tokenizer,
                         struct ngt_error *reterr)
{
    struct tok_tokenizer *t = NULL;
    const struct tok_family *family = NULL;
    uint8_t *bytes = NULL;
    uint64_t size = 0;
    enum ngt_status status;

    ngt_error_clear(reterr);
    status = tok_isa_check(reterr);
    if (status != NGT_OK)
        goto out;
    status = ngt_file_read(config->path, FILE_LIMIT, &bytes, &size, reterr);
    if (status != NGT_OK)
        goto out;
    for (size_t f = 0; f < FAMILY_COUNT && !family; f++)
        if (families[f]->probe(bytes, size))
            family = families[f];
    if (!family) {
        status = refuse(bytes, size, config->path, reterr);
        goto out;
    }
    if (config->pattern && !family->takes_pattern) {
        status =
            ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS,
                     "--pattern belongs to rank files; this file says itself how to split text");
        goto out;
    }
    if (config->engine == TOK_REFERENCE && !family->reference) {
        status = ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS,
                          "--engine reference: the library behind %s is not one that C can call; "
                          "the fast engine gives its ids",
                          family->name);
        goto out;
    }
    t = calloc(1, sizeof *t);
    if (!t) {
        status = ngt_fail(reterr, NGT_E_NOMEM, config->path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    t->digest = ngt_digest128(bytes, size); /* of the file, before anything is changed in it */
    status = family->load(config, bytes, size, &t->model, &t->engine, reterr);
    if (status != NGT_OK)
        goto out;
    status = count_strings(t, config, reterr);
    if (status != NGT_OK)
        goto out;
    describe(t, config);
    *ret_tokenizer = t;
    t = NULL;
out:
    free(bytes);
    tok_close(&t);
    return status;
}

void tok_close(struct tok_tokenizer **t)
{
    if (!*t)
        return;
    if ((*t)->engine.vtable)
        (*t)->engine.vtable->free((*t)->engine.state);
    tok_special_strings_free(&(*t)->strings);
    tok_model_done(&(*t)->model);
    free(*t);
    *t = NULL;
}

const char *tok_simd(void)
{
    return tok_isa_name(tok_isa_chosen());
}

const struct ngt_vocabulary *tok_vocabulary(const struct tok_tokenizer *t)
{
    return &t->model.vocabulary;
}

struct ngt_digest128 tok_digest(const struct tok_tokenizer *t)
{
    return t->digest;
}

const struct ngt_pair *tok_identity(const struct tok_tokenizer *t, uint64_t *ret_count)
{
    *ret_count = t->identity_count;
    return t->identity;
}

struct tok_special tok_special_ids(const struct tok_tokenizer *t)
{
    return t->model.special;
}

uint32_t tok_find(const struct tok_tokenizer *t, const char *name)
{
    uint64_t n = strlen(name);

    for (uint32_t id = 0; id < t->model.vocabulary.count; id++) {
        uint64_t start = t->model.name_starts[id];
        if (t->model.name_starts[id + 1] - start == n &&
            memcmp(t->model.names + start, name, n) == 0)
            return id;
    }
    return NGT_NO_ID;
}

const char *tok_name(const struct tok_tokenizer *t, uint32_t id, uint64_t *ret_bytes)
{
    *ret_bytes = t->model.name_starts[id + 1] - t->model.name_starts[id];
    return t->model.names + t->model.name_starts[id];
}

enum ngt_status tok_scratch_new(const struct tok_tokenizer *t, struct tok_scratch **ret_scratch,
                                struct ngt_error *reterr)
{
    struct tok_scratch *s = calloc(1, sizeof *s);
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!s)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    s->vtable = t->engine.vtable;
    status = s->vtable->scratch_new(t->engine.state, &s->state, reterr);
    if (status != NGT_OK) {
        free(s);
        return status;
    }
    *ret_scratch = s;
    return NGT_OK;
}

void tok_scratch_free(struct tok_scratch **scratch)
{
    if (!*scratch)
        return;
    (*scratch)->vtable->scratch_free((*scratch)->state);
    free(*scratch);
    *scratch = NULL;
}

enum ngt_status tok_encode(const struct tok_tokenizer *t, struct tok_scratch *scratch,
                           const char *text, uint64_t n, struct tok_ids *ids,
                           struct tok_counts *counts, struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    if (counts)
        counts->special_strings += tok_special_strings_count(t->strings, text, n);
    return t->engine.vtable->encode(t->engine.state, scratch->state, text, n, ids, reterr);
}

struct tok_stats tok_scratch_stats(const struct tok_scratch *scratch)
{
    return scratch->vtable->stats ? scratch->vtable->stats(scratch->state) : (struct tok_stats){0};
}

enum ngt_status tok_encode_stage(const struct tok_tokenizer *t, struct tok_scratch *scratch,
                                 enum tok_stage stage, const char *text, uint64_t n,
                                 struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    return t->engine.vtable->stage
               ? t->engine.vtable->stage(t->engine.state, scratch->state, stage, text, n, reterr)
               : NGT_OK;
}
