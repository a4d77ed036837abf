/*
 * Mistral's tekken.json: ranks in base64, the split, and how many special tokens stand before the
 * ranks: id = rank + default_num_special_tokens. Of the ranks only so many count that the
 * vocabulary has default_vocab_size ids.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load/rank_vocabulary.h"
#include "ngt/json.h"

#define LONGEST_TOKEN 4096
#define SPECIAL_LIMIT 100000
#define SPECIAL_NAME 24

/* What files of version 3, which list none, have; the others are <SPECIAL_n>. */
static const char *const v3_names[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "<pad>",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
};

/* A member "token_bytes" that is a string: a tokenizer.json may hold that word as a token, but then
 * its value is a number. */
static bool probe(const uint8_t *bytes, uint64_t n)
{
    static const char key[] = "\"token_bytes\"";
    const uint8_t *at = bytes, *end = bytes + n;

    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    if (at == end || *at != '{')
        return false;
    while ((at = memmem(at, (size_t)(end - at), key, sizeof key - 1)) != NULL) {
        at += sizeof key - 1;
        while (at < end && (*at == ' ' || *at == ':' || *at == '\n' || *at == '\r' || *at == '\t'))
            at++;
        if (at < end && *at == '"')
            return true;
    }
    return false;
}

static enum ngt_status refuse(const char *path, uint64_t item, const char *what,
                              struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, item, "%s; the tekken file is damaged",
                    what);
}

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

/* Special tokens [0, count), by the file's list or by the names of version 3. names: count *
 * SPECIAL_NAME bytes of ours for those without one. */
static enum ngt_status add_specials(const struct ngt_json *root, const char *path, uint64_t count,
                                    char *names, struct tok_rank_vocabulary *v,
                                    struct ngt_error *reterr)
{
    const struct ngt_json *list = ngt_json_get(root, "special_tokens");
    const char **given = calloc(count + 1, sizeof *given);
    enum ngt_status status = given ? NGT_OK : no_memory(path, reterr);

    for (uint64_t i = 0; i < sizeof v3_names / sizeof *v3_names && !list && status == NGT_OK; i++)
        if (i < count)
            given[i] = v3_names[i];
    for (const struct ngt_json *t = list ? list->first : NULL; t && status == NGT_OK; t = t->next) {
        uint64_t rank = 0;
        const char *name = NULL;
        if (!ngt_json_get_u64(t, "rank", &rank) || !ngt_json_get_string(t, "token_str", &name) ||
            rank >= count || !*name)
            status = refuse(path, NGT_NO_POS,
                            "a special token without a name or a rank below "
                            "default_num_special_tokens",
                            reterr);
        else
            given[rank] = name;
    }
    for (uint64_t i = 0; i < count && status == NGT_OK; i++) {
        if (!given[i]) {
            snprintf(names + i * SPECIAL_NAME, SPECIAL_NAME, "<SPECIAL_%" PRIu64 ">", i);
            given[i] = names + i * SPECIAL_NAME;
        }
        struct tok_rank rank = {(uint32_t)i, true, (const uint8_t *)given[i], strlen(given[i])};
        if (!tok_rank_vocabulary_add(v, rank))
            status = no_memory(path, reterr);
    }
    free(given);
    return status;
}

static enum ngt_status add_ranks(const struct ngt_json *vocab, const char *path, uint64_t specials,
                                 uint64_t size, struct tok_rank_vocabulary *v,
                                 struct ngt_error *reterr)
{
    uint64_t room = 0, used = 0, item = 0;

    for (const struct ngt_json *t = vocab->first; t; t = t->next) {
        const struct ngt_json *text = ngt_json_get(t, "token_bytes");
        if (!text || text->type != NGT_JSON_STRING)
            return refuse(path, item, "a token without token_bytes", reterr);
        room += text->length;
        item++;
    }
    v->bytes = malloc(room + 1);
    if (!v->bytes)
        return no_memory(path, reterr);
    item = 0;
    for (const struct ngt_json *t = vocab->first; t && item < size - specials; t = t->next) {
        const struct ngt_json *text = ngt_json_get(t, "token_bytes");
        struct tok_rank rank = {.bytes = v->bytes + used};
        uint64_t value = 0;
        if (!ngt_json_get_u64(t, "rank", &value) || value >= 1u << 24 ||
            !tok_base64_decode(text->string, text->length, v->bytes + used, &rank.size) ||
            rank.size == 0 || rank.size > LONGEST_TOKEN)
            return refuse(path, item, "a token without a rank or bytes of it", reterr);
        rank.id = (uint32_t)(value + specials);
        used += rank.size;
        if (!tok_rank_vocabulary_add(v, rank))
            return no_memory(path, reterr);
        item++;
    }
    return NGT_OK;
}

static enum ngt_status load(const struct tok_config *config, uint8_t *bytes, uint64_t n,
                            struct tok_model *ret_model, struct tok_engine_instance *ret_engine,
                            struct ngt_error *reterr)
{
    struct tok_rank_vocabulary v = {0};
    struct ngt_json *root = NULL;
    const struct ngt_json *settings, *vocab;
    const char *split = NULL;
    uint64_t size = 0, specials = 0;
    char *names = NULL;
    enum ngt_status status = ngt_json_parse((const char *)bytes, n, config->path, &root, reterr);

    if (status != NGT_OK)
        return status;
    settings = ngt_json_get(root, "config");
    vocab = ngt_json_get(root, "vocab");
    if (!ngt_json_get_string(settings, "pattern", &split) ||
        !ngt_json_get_u64(settings, "default_vocab_size", &size) ||
        !ngt_json_get_u64(settings, "default_num_special_tokens", &specials) || !vocab ||
        vocab->type != NGT_JSON_ARRAY || size <= specials || specials > SPECIAL_LIMIT) {
        status = refuse(config->path, NGT_NO_POS,
                        "no vocab, or no config with pattern, default_vocab_size and "
                        "default_num_special_tokens",
                        reterr);
        goto out;
    }
    names = malloc(specials * SPECIAL_NAME + 1);
    status = names ? add_specials(root, config->path, specials, names, &v, reterr)
                   : no_memory(config->path, reterr);
    if (status == NGT_OK)
        status = add_ranks(vocab, config->path, specials, size, &v, reterr);
    if (status == NGT_OK)
        status = tok_rank_engine_new(config, &v, split, "tekken", ret_model, ret_engine, reterr);
out:
    tok_rank_vocabulary_done(&v);
    ngt_json_free(&root);
    free(names);
    return status;
}

const struct tok_family tok_family_tekken = {
    .name = "tekken.json",
    .takes_pattern = false,
    .probe = probe,
    .load = load,
};
