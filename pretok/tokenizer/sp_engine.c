/* SentencePiece files: which engine, and the reference engine, which is the library as it is. */
#include <stdlib.h>

#include "engine.h"
#include "load/sp_model.h"
#include "sp_shim.h"

#define SP_LIBRARY "sentencepiece " TOK_SENTENCEPIECE_VERSION

static enum ngt_status sp_scratch_new(const void *engine, void **ret_scratch,
                                      struct ngt_error *reterr)
{
    (void)engine;
    *ret_scratch = sp_shim_scratch_new();
    if (!*ret_scratch)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    return NGT_OK;
}

static void sp_scratch_free(void *scratch)
{
    sp_shim_scratch_free(scratch);
}

static void sp_free(void *engine)
{
    sp_shim_free(engine);
}

static enum ngt_status sp_encode(const void *engine, void *scratch, const char *text, uint64_t n,
                                 struct tok_ids *ids, struct ngt_error *reterr)
{
    char message[SP_SHIM_MESSAGE];
    const int *found = NULL;
    uint64_t count = 0;

    /* positions inside the library are int, and the prefix may add to them */
    if (n > INT32_MAX - 16)
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "text of %llu bytes; libsentencepiece takes less than 2 GiB",
                        (unsigned long long)n);
    switch (sp_shim_encode(engine, scratch, text, n, &found, &count, message)) {
    case SP_SHIM_OK:
        break;
    case SP_SHIM_NOMEM:
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory in libsentencepiece for a text of %llu bytes",
                        (unsigned long long)n);
    case SP_SHIM_REFUSED:
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "libsentencepiece refuses the text: %s", message);
    }
    enum ngt_status status = tok_ids_reserve(ids, count, reterr);
    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < count; i++)
        ids->ids[ids->count + i] = (uint32_t)found[i];
    ids->count += count;
    return NGT_OK;
}

static const struct tok_vtable sp_vtable = {
    .name = "reference",
    .library = SP_LIBRARY,
    .scratch_new = sp_scratch_new,
    .scratch_free = sp_scratch_free,
    .encode = sp_encode,
    .free = sp_free,
};

enum ngt_status tok_sp_engine_new(const uint8_t *bytes, uint64_t n, const char *path,
                                  struct tok_engine_instance *ret_engine, struct ngt_error *reterr)
{
    char message[SP_SHIM_MESSAGE];
    struct sp_shim *model = NULL;

    switch (sp_shim_load(bytes, n, &model, message)) {
    case SP_SHIM_OK:
        break;
    case SP_SHIM_NOMEM:
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    case SP_SHIM_REFUSED:
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "libsentencepiece refuses the model: %s", message);
    }
    *ret_engine = (struct tok_engine_instance){&sp_vtable, model};
    return NGT_OK;
}

static enum ngt_status load(const struct tok_config *config, uint8_t *bytes, uint64_t n,
                            struct tok_model *ret_model, struct tok_engine_instance *ret_engine,
                            struct ngt_error *reterr)
{
    bool list = config->parse_special == TOK_PARSE_LIST;
    enum ngt_status status = tok_sp_model_read(
        bytes, n, config->path, config->parse_special == TOK_PARSE_ALL,
        list ? config->special_list : NULL, list ? config->special_count : 0, ret_model, reterr);

    if (status != NGT_OK)
        return status;
    status = NGT_E_UNSUPPORTED;
    if (config->engine != TOK_REFERENCE)
        status = tok_sp_fast_new(bytes, n, config->path, config->engine == TOK_PLAIN, ret_engine,
                                 reterr);
    if (status == NGT_E_UNSUPPORTED) {
        ngt_error_clear(reterr);
        status = tok_sp_engine_new(bytes, n, config->path, ret_engine, reterr);
    }
    if (status != NGT_OK)
        tok_model_done(ret_model);
    return status;
}

const struct tok_family tok_family_sentencepiece = {
    .name = "SentencePiece models (.model)",
    .takes_pattern = false,
    .reference = SP_LIBRARY,
    .probe = tok_sp_model_probe,
    .load = load,
};
