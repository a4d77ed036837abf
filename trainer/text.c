#include "trainer/text.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the well-formed UTF-8 sequence at s (Unicode, table 3-7), 0 where there is none. */
static unsigned sequence(const unsigned char *s, uint64_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    unsigned length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

    if (s[0] > 0xf4 || length == 0 || length > n)
        return 0;
    if (s[0] == 0xe0)
        low = 0xa0;
    else if (s[0] == 0xed)
        high = 0x9f;
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    for (unsigned i = 1; i < length; i++) {
        if (s[i] < low || s[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

enum ngt_status trainer_text_open(const struct trainer_options *options,
                                  const struct trainer_about *about,
                                  struct tok_tokenizer **ret_tokenizer, struct ngt_error *reterr)
{
    char *pattern = trainer_identity(about, "pattern"), *engine = trainer_identity(about, "engine");
    struct tok_tokenizer *t = NULL;
    char want[33], have[33];
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    if (!options->tokenizer) {
        char *name = trainer_identity(about, "name");
        status = ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                          "text needs the tokenizer the shards were made with%s%s: give it with "
                          "--tokenizer FILE",
                          name ? ", " : "", name ? name : "");
        free(name);
        goto out;
    }
    struct tok_config config = {.path = options->tokenizer,
                                .engine = engine && strcmp(engine, "reference") == 0 ? TOK_REFERENCE
                                                                                     : TOK_FAST,
                                .pattern = options->pattern ? options->pattern : pattern};
    status = tok_open(&config, &t, reterr);
    if (status != NGT_OK)
        goto out;
    struct ngt_digest128 digest = tok_digest(t);
    if (digest.low != about->tokenizer.low || digest.high != about->tokenizer.high) {
        ngt_digest128_hex(about->tokenizer, want);
        ngt_digest128_hex(digest, have);
        status = ngt_fail(reterr, NGT_E_MISMATCH, options->tokenizer, NGT_NO_POS, NGT_NO_POS,
                          "not the tokenizer the shards were made with: XXH3-128 %s, not %s", have,
                          want);
        goto out;
    }
    *ret_tokenizer = t;
    t = NULL;
out:
    tok_close(&t);
    free(pattern);
    free(engine);
    return status;
}

enum ngt_status trainer_text_encode(const struct tok_tokenizer *tokenizer,
                                    const struct trainer_about *about, const char *what,
                                    const char *text, uint64_t n, struct tok_ids *ids,
                                    struct ngt_error *reterr)
{
    struct tok_scratch *scratch = NULL;
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    for (uint64_t at = 0; at < n;) {
        unsigned length = sequence((const unsigned char *)text + at, n - at);
        if (!length)
            return ngt_fail(reterr, NGT_E_DATA, what, at, NGT_NO_POS, "not UTF-8");
        at += length;
    }
    if ((about->flags & NGT_FLAG_BOS_ADDED) && about->bos_id != NGT_NO_ID) {
        status = tok_ids_reserve(ids, 1, reterr);
        if (status != NGT_OK)
            return status;
        ids->ids[ids->count++] = about->bos_id;
    }
    status = tok_scratch_new(tokenizer, &scratch, reterr);
    if (status == NGT_OK)
        status = tok_encode(tokenizer, scratch, text, n, ids, NULL, reterr);
    tok_scratch_free(&scratch);
    /* a tokenizer of the right digest and the wrong pattern may still leave the vocabulary */
    for (uint64_t i = 0; status == NGT_OK && i < ids->count; i++)
        if (ids->ids[i] >= about->model.vocab)
            status = ngt_fail(reterr, NGT_E_MISMATCH, what, NGT_NO_POS, i,
                              "an id outside the model's vocabulary; is --pattern right?");
    return status;
}
