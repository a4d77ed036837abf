/*
 * tokenizer.json on any bytes. What the loader takes must encode: the same ids the first time and
 * from the word cache, all of them in the vocabulary. The whole of the input is the file; texts are
 * made of what such files are about, and of the file itself.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "text/utf8_inline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct tok_engine_instance *engine, const struct tok_model *m,
                   void *scratch, const char *text, uint64_t n)
{
    struct tok_ids first = {0}, again = {0};

    if (engine->vtable->encode(engine->state, scratch, text, n, &first, NULL) != NGT_OK ||
        engine->vtable->encode(engine->state, scratch, text, n, &again, NULL) != NGT_OK)
        abort(); /* no memory for so little */
    if (first.count != again.count ||
        (first.count && memcmp(first.ids, again.ids, first.count * sizeof *first.ids) != 0))
        abort();
    for (uint64_t i = 0; i < first.count; i++)
        if (first.ids[i] >= m->vocabulary.count)
            abort();
    tok_ids_done(&first);
    tok_ids_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] =
        "Hello  world's <s>\n\ta\xC3\xA9 e\xCC\x81\xE2\x96\x81 12345 \xF0\x9F"
        "\x98\x80\xEA\xB0\x80\xE1\x86\xA8 <unk>\0``x''";
    struct tok_config config = {.path = "fuzz",
                                .parse_special = size % 2 ? TOK_PARSE_ALL : TOK_PARSE_NONE};
    struct tok_model model = {0};
    struct tok_engine_instance engine = {0};
    struct ngt_error e;
    void *scratch = NULL;
    uint8_t *bytes = malloc(size + 1);

    if (!bytes)
        abort();
    memcpy(bytes, data, size);
    ngt_error_clear(&e);
    enum ngt_status status = tok_family_huggingface.load(&config, bytes, size, &model, &engine, &e);
    if (status == NGT_OK) {
        if (engine.vtable->scratch_new(engine.state, &scratch, NULL) != NGT_OK)
            abort();
        encode(&engine, &model, scratch, text, sizeof text - 1);
        uint64_t n = tok_utf8_valid_prefix(data, size);
        encode(&engine, &model, scratch, (const char *)data, n < 4096 ? n : 0);
        engine.vtable->scratch_free(scratch);
        engine.vtable->free(engine.state);
        tok_model_done(&model);
    } else if (status != NGT_E_DATA || e.code != NGT_E_DATA || !e.message[0]) {
        abort();
    }
    free(bytes);
    return 0;
}
