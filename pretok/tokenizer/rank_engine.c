/* The engine of rank vocabularies: split, word cache, byte pair encoding over all splits. */
#include <stdlib.h>
#include <string.h>

#include "byte_level.h"
#include "engine.h"
#include "load/rank_vocabulary.h"
#include "model/bpe.h"
#include "text/added_tokens.h"

struct rank_engine {
    struct tok_split *split;
    struct tok_bpe *bpe;
    struct tok_added *specials; /* those that are parsed; NULL: none */
    bool plain;
};

struct rank_scratch {
    struct tok_split_scratch *split;
    struct tok_bpe_scratch *bpe;
    struct tok_words *words;
};

static void engine_free(void *engine)
{
    struct rank_engine *e = engine;

    if (!e)
        return;
    tok_split_free(&e->split);
    tok_bpe_free(&e->bpe);
    tok_added_free(&e->specials);
    free(e);
}

static void scratch_free(void *scratch)
{
    struct rank_scratch *s = scratch;

    if (!s)
        return;
    tok_words_free(&s->words);
    tok_split_scratch_free(&s->split);
    tok_bpe_scratch_free(&s->bpe);
    free(s);
}

static enum ngt_status encode_word(const void *model, void *scratch, const uint8_t *word,
                                   uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                   struct ngt_error *reterr)
{
    return tok_bpe_encode(model, scratch, word, n, ret_ids, ret_count, reterr);
}

static enum ngt_status encode_word_plain(const void *model, void *scratch, const uint8_t *word,
                                         uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                         struct ngt_error *reterr)
{
    return tok_bpe_encode_plain(model, scratch, word, n, ret_ids, ret_count, reterr);
}

static enum ngt_status scratch_new(const void *engine, void **ret_scratch, struct ngt_error *reterr)
{
    const struct rank_engine *e = engine;
    struct rank_scratch *s = calloc(1, sizeof *s);
    enum ngt_status status;

    if (!s)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    status = tok_split_scratch_new(e->split, &s->split, reterr);
    if (status == NGT_OK)
        status = tok_bpe_scratch_new(e->bpe, &s->bpe, reterr);
    if (status == NGT_OK)
        status = tok_words_new(e->plain ? encode_word_plain : encode_word,
                               e->plain ? NULL : tok_bpe_many(e->bpe), e->bpe, s->bpe, !e->plain,
                               &s->words, reterr);
    if (status != NGT_OK) {
        scratch_free(s);
        return status;
    }
    *ret_scratch = s;
    return NGT_OK;
}

static enum ngt_status encode(const void *engine, void *scratch, const char *text, uint64_t n,
                              struct tok_ids *ids, struct ngt_error *reterr)
{
    const struct rank_engine *e = engine;
    struct rank_scratch *s = scratch;
    struct tok_added_walk walk = {0};
    struct tok_added_match match;
    const uint8_t *at = (const uint8_t *)text;
    enum ngt_status status = NGT_OK;

    if (n > UINT32_MAX - 64)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "text of %llu bytes; the engine takes less than 4 GiB",
                        (unsigned long long)n);
    while (e->specials && status == NGT_OK && tok_added_next(e->specials, at, n, &walk, &match)) {
        status = tok_byte_level_encode(e->split, s->split, s->words, at + match.section,
                                       match.start - match.section, ids, reterr);
        if (status == NGT_OK)
            status = tok_ids_reserve(ids, 1, reterr);
        if (status == NGT_OK)
            ids->ids[ids->count++] = match.id;
    }
    if (status == NGT_OK)
        status = tok_byte_level_encode(e->split, s->split, s->words, at + walk.done, n - walk.done,
                                       ids, reterr);
    return status;
}

static struct tok_stats stats(const void *scratch)
{
    const struct rank_scratch *s = scratch;
    return tok_words_stats(s->words);
}

static enum ngt_status stage(const void *engine, void *scratch, enum tok_stage stage,
                             const char *text, uint64_t n, struct ngt_error *reterr)
{
    const struct rank_engine *e = engine;
    struct rank_scratch *s = scratch;

    return stage == TOK_STAGE_SPLIT
               ? tok_byte_level_split(e->split, s->split, (const uint8_t *)text, n, reterr)
               : NGT_OK;
}

static const struct tok_vtable vtables[2] = {
    {"fast", NULL, scratch_new, scratch_free, encode, engine_free, stats, stage},
    {"plain", NULL, scratch_new, scratch_free, encode, engine_free, NULL, stage},
};

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

static bool is(const struct tok_rank *r, const char *name)
{
    return r->special && r->size == strlen(name) && memcmp(r->bytes, name, r->size) == 0;
}

/* by_id [count]: the entry of each id, or NULL */
static enum ngt_status fill_model(const struct tok_rank *const *by_id, uint32_t count,
                                  const char *variant, struct tok_model *m)
{
    uint64_t total = 0, used = 0;

    for (uint32_t id = 0; id < count; id++)
        total += by_id[id] ? by_id[id]->size : 0;
    m->special = (struct tok_special){NGT_NO_ID, NGT_NO_ID, NGT_NO_ID, NGT_NO_ID};
    m->family = "ranks";
    m->variant = variant;
    m->kinds = calloc(count + 1ull, 1);
    m->starts = calloc(count + 1ull, sizeof *m->starts);
    m->name_starts = calloc(count + 1ull, sizeof *m->name_starts);
    m->names = malloc(total + 1);
    m->bytes = malloc(total + 1);
    if (!m->kinds || !m->starts || !m->name_starts || !m->names || !m->bytes)
        return NGT_E_NOMEM;
    for (uint32_t id = 0; id < count; id++) {
        const struct tok_rank *r = by_id[id];
        m->starts[id] = m->name_starts[id] = used;
        m->kinds[id] = !r ? NGT_ID_UNUSED : r->special ? NGT_ID_CONTROL : NGT_ID_NORMAL;
        if (!r)
            continue;
        memcpy(m->bytes + used, r->bytes, r->size);
        used += r->size;
        if (is(r, "<|begin_of_text|>") || is(r, "<s>"))
            m->special.bos = id;
        if (is(r, "<|endoftext|>") || is(r, "<|end_of_text|>") || is(r, "</s>"))
            m->special.eos = id;
        if (is(r, "<pad>"))
            m->special.pad = id;
        if (is(r, "<unk>"))
            m->special.unk = id;
    }
    m->starts[count] = m->name_starts[count] = used;
    memcpy(m->names, m->bytes, used);
    m->vocabulary = (struct ngt_vocabulary){
        .count = count, .kinds = m->kinds, .starts = m->starts, .bytes = m->bytes};
    return NGT_OK;
}

static enum ngt_status build_bpe(const struct tok_rank *const *by_id, uint32_t count, bool plain,
                                 const char *path, struct tok_bpe **ret_bpe,
                                 struct ngt_error *reterr)
{
    uint64_t *starts = calloc(count + 1ull, sizeof *starts), total = 0;
    bool *initial = calloc(count + 1ull, sizeof *initial);
    uint32_t *ranks = calloc(count + 1ull, sizeof *ranks);
    uint8_t *bytes = NULL;
    enum ngt_status status = NGT_OK;
    unsigned singles = 0;

    for (uint32_t id = 0; id < count; id++)
        total += by_id[id] && !by_id[id]->special ? by_id[id]->size : 0;
    bytes = malloc(total + 1);
    if (!starts || !initial || !ranks || !bytes) {
        status = no_memory(path, reterr);
        goto out;
    }
    total = 0;
    for (uint32_t id = 0; id < count; id++) {
        const struct tok_rank *r = by_id[id];
        starts[id] = total;
        ranks[id] = id;
        if (!r || r->special)
            continue;
        memcpy(bytes + total, r->bytes, r->size);
        total += r->size;
        initial[id] = r->size == 1;
        singles += r->size == 1;
    }
    starts[count] = total;
    if (singles != 256) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "%u tokens of one byte where a rank file has all 256: not every text "
                          "could be written in it",
                          singles);
        goto out;
    }
    struct tok_bpe_config config = {
        .ids = count,
        .symbols = count,
        .starts = starts,
        .bytes = bytes,
        .initial = initial,
        .split_ranks = ranks,
        .no_plain = !plain,
        .whole_word = true,
        .unknown = TOK_UNKNOWN_DROP,
    };
    status = tok_bpe_new(&config, path, ret_bpe, reterr);
out:
    free(starts);
    free(initial);
    free(ranks);
    free(bytes);
    return status;
}

static bool listed(const struct tok_config *config, const struct tok_rank *r)
{
    bool found = config->parse_special == TOK_PARSE_ALL;

    for (uint64_t i = 0; i < config->special_count && !found; i++)
        found = config->parse_special == TOK_PARSE_LIST && is(r, config->special_list[i]);
    return found;
}

/* The special tokens that --parse-special names, to be matched in text. */
static enum ngt_status parse_specials(const struct tok_config *config,
                                      const struct tok_rank_vocabulary *v,
                                      struct tok_added **ret_specials, struct ngt_error *reterr)
{
    struct tok_added_token *tokens = calloc(v->count + 1, sizeof *tokens);
    uint64_t count = 0;
    enum ngt_status status = tokens ? NGT_OK : no_memory(config->path, reterr);

    for (uint64_t i = 0; i < v->count && status == NGT_OK; i++)
        if (v->ranks[i].special && listed(config, &v->ranks[i]))
            tokens[count++] = (struct tok_added_token){
                .content = v->ranks[i].bytes, .size = v->ranks[i].size, .id = v->ranks[i].id};
    for (uint64_t k = 0;
         config->parse_special == TOK_PARSE_LIST && k < config->special_count && status == NGT_OK;
         k++) {
        bool found = false;
        for (uint64_t i = 0; i < v->count && !found; i++)
            found = is(&v->ranks[i], config->special_list[k]);
        if (!found)
            status = ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS,
                              "--parse-special: \"%s\" is not a special token of this tokenizer",
                              config->special_list[k]);
    }
    if (status == NGT_OK && count)
        status = tok_added_new(tokens, count, config->path, ret_specials, reterr);
    free(tokens);
    return status;
}

enum ngt_status tok_rank_engine_new(const struct tok_config *config,
                                    const struct tok_rank_vocabulary *v, const char *split,
                                    const char *variant, struct tok_model *ret_model,
                                    struct tok_engine_instance *ret_engine,
                                    struct ngt_error *reterr)
{
    struct rank_engine *e = calloc(1, sizeof *e);
    struct tok_model model = {0};
    const struct tok_rank **by_id = NULL;
    uint32_t count = 0;
    enum ngt_status status = NGT_OK;

    for (uint64_t i = 0; i < v->count; i++)
        if (v->ranks[i].id >= count)
            count = v->ranks[i].id + 1;
    by_id = calloc(count + 1ull, sizeof(struct tok_rank *));
    if (!e || !by_id) {
        status = no_memory(config->path, reterr);
        goto out;
    }
    for (uint64_t i = 0; i < v->count && status == NGT_OK; i++) {
        if (by_id[v->ranks[i].id])
            status = ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, i,
                              "two tokens of rank %u; the file is damaged", v->ranks[i].id);
        by_id[v->ranks[i].id] = &v->ranks[i];
    }
    if (status == NGT_OK)
        status = tok_split_new(split, strlen(split), config->path, &e->split, reterr);
    if (status == NGT_OK && !tok_split_covers(e->split))
        status = ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS,
                          "the split %s may leave text out", split);
    if (status == NGT_OK)
        status =
            build_bpe(by_id, count, config->engine == TOK_PLAIN, config->path, &e->bpe, reterr);
    if (status == NGT_OK)
        status = parse_specials(config, v, &e->specials, reterr);
    if (status == NGT_OK && fill_model(by_id, count, variant, &model) != NGT_OK)
        status = no_memory(config->path, reterr);
    if (status == NGT_OK) {
        *ret_model = model;
        model = (struct tok_model){0};
        e->plain = config->engine == TOK_PLAIN;
        if (e->plain)
            tok_split_use_scalar(e->split);
        *ret_engine = (struct tok_engine_instance){&vtables[e->plain], e};
        e = NULL;
    }
out:
    tok_model_done(&model);
    engine_free(e);
    free(by_id);
    return status;
}
