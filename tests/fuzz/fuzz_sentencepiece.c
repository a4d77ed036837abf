/*
 * A SentencePiece file that is not to be trusted, and a text through what was made of it. Input: a
 * byte with the length of the text, the text, the file. Every id must exist; cut and cached must be
 * what the exact pass gives on a second scratch that knows no words yet.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "load/sp_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const struct tok_engine_instance *e, void *scratch, const uint8_t *text,
                   uint64_t n, uint32_t vocabulary, struct tok_ids *ids)
{
    ids->count = 0;
    if (e->vtable->encode(e->state, scratch, (const char *)text, n, ids, NULL) != NGT_OK)
        abort();
    for (uint64_t i = 0; i < ids->count; i++)
        if (ids->ids[i] >= vocabulary)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tok_model model = {0};
    struct tok_engine_instance e = {0};
    struct tok_ids first = {0}, second = {0};
    void *scratch = NULL;

    if (size < 1 || size - 1 < data[0])
        return 0;
    uint64_t n = data[0], bytes = size - 1 - n;
    uint8_t *file = malloc(bytes ? bytes : 1), *text = malloc(n ? n : 1);
    if (!file || !text)
        abort();
    memcpy(text, data + 1, n);
    memcpy(file, data + 1 + n, bytes);
    if (tok_sp_model_read(file, bytes, "x", n & 1, NULL, 0, &model, NULL) == NGT_OK) {
        if (tok_sp_fast_new(file, bytes, "x", false, &e, NULL) == NGT_OK) {
            for (unsigned twice = 0; twice < 2; twice++) {
                if (e.vtable->scratch_new(e.state, &scratch, NULL) != NGT_OK)
                    abort();
                encode(&e, scratch, text, n, model.vocabulary.count, &first);
                encode(&e, scratch, text, n, model.vocabulary.count, &second);
                e.vtable->scratch_free(scratch);
                if (first.count != second.count ||
                    (first.count && memcmp(first.ids, second.ids, first.count * 4) != 0))
                    abort();
            }
            e.vtable->free(e.state);
        }
        tok_model_done(&model);
    }
    tok_ids_done(&first);
    tok_ids_done(&second);
    free(file);
    free(text);
    return 0;
}
