/*
 * Rank files and tekken.json on any bytes. What a loader takes must encode, the fast engine and the
 * plain one alike, into ids of the vocabulary.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum ngt_status encode(const struct tok_family *family, enum tok_engine engine,
                              const uint8_t *data, size_t size, struct tok_ids *ids)
{
    static const char text[] = "aaab abc  \xC3\xA9\n12345<s> <|endoftext|>";
    struct tok_config config = {.path = "fuzz",
                                .pattern = family->takes_pattern ? "gpt2" : NULL,
                                .engine = engine,
                                .parse_special = size % 2 ? TOK_PARSE_ALL : TOK_PARSE_NONE};
    struct tok_model model = {0};
    struct tok_engine_instance instance = {0};
    struct ngt_error e;
    void *scratch = NULL;
    uint8_t *bytes = malloc(size + 1);

    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    ngt_error_clear(&e);
    enum ngt_status status = family->load(&config, bytes, size, &model, &instance, &e);
    free(bytes);
    if (status != NGT_OK) {
        if (status != NGT_E_DATA || !e.message[0])
            abort();
        return status;
    }
    if (instance.vtable->scratch_new(instance.state, &scratch, NULL) != NGT_OK ||
        instance.vtable->encode(instance.state, scratch, text, sizeof text - 1, ids, NULL) !=
            NGT_OK)
        abort();
    for (uint64_t i = 0; i < ids->count; i++)
        if (ids->ids[i] >= model.vocabulary.count)
            abort();
    instance.vtable->scratch_free(scratch);
    instance.vtable->free(instance.state);
    tok_model_done(&model);
    return NGT_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tok_family *const families[] = {&tok_family_rank_file, &tok_family_tekken};

    for (int f = 0; f < 2; f++) {
        struct tok_ids fast = {0}, plain = {0};
        if (!families[f]->probe(data, size))
            continue;
        if (encode(families[f], TOK_FAST, data, size, &fast) == NGT_OK) {
            if (encode(families[f], TOK_PLAIN, data, size, &plain) != NGT_OK)
                abort();
            if (fast.count != plain.count ||
                (fast.count && memcmp(fast.ids, plain.ids, fast.count * sizeof *fast.ids) != 0))
                abort();
        }
        tok_ids_done(&fast);
        tok_ids_done(&plain);
    }
    return 0;
}
