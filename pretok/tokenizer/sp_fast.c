/*
 * SentencePiece files: the project's own engine, with the ids of sentencepiece 0.2.3. A document
 * becomes internal text, that is cut into words where no piece of the vocabulary reaches across,
 * and the words go through a cache to the model.
 *
 *   document -> text/normalize_sp -> text/cuts_sp -> model/words -> model/bpe             BPE, Char
 *                                                 -> model/unigram_words -> unigram_sp    Unigram
 *                                 -> model/sp_bpe_plain          BPE with UNUSED pieces, whole
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "load/sp_model.h"
#include "load/sp_vocab.h"
#include "model/bpe.h"
#include "model/sp_bpe.h"
#include "model/sp_bpe_plain.h"
#include "model/unigram_words.h"
#include "model/words.h"
#include "text/normalize_sp.h"

/* words handed on at a time */
#define BATCH 512

enum way { WAY_BPE, WAY_PLAIN, WAY_UNIGRAM, WAY_UNIGRAM_PLAIN };

struct sp_fast {
    enum way way;
    struct tok_sp_vocab vocab;
    struct tok_charsmap *charsmap;
    struct tok_sp_scan scan;
    struct tok_sp_normalizer normalizer;
    struct tok_sp_cuts cuts;
    bool starts_symbol[256]; /* in internal text */
    int only_start;          /* the one byte of them, or -1 */
    struct tok_bpe *bpe;
    uint64_t ids_per_byte;
    struct tok_sp_plain *plain;
    struct tok_unigram unigram;
};

struct sp_fast_scratch {
    struct tok_sp_text text;
    struct tok_bpe_scratch *bpe;
    struct tok_words *words;
    struct tok_sp_plain_scratch *plain;
    struct tok_unigram_words *unigram;
    struct tok_unigram_scratch viterbi;
    uint32_t ends[BATCH];
};

static void fast_free(void *engine)
{
    struct sp_fast *e = engine;

    tok_sp_vocab_done(&e->vocab);
    tok_charsmap_free(&e->charsmap);
    tok_sp_cuts_done(&e->cuts);
    tok_bpe_free(&e->bpe);
    tok_sp_plain_free(&e->plain);
    tok_unigram_done(&e->unigram);
    free(e);
}

static void fast_scratch_free(void *scratch)
{
    struct sp_fast_scratch *s = scratch;

    tok_words_free(&s->words);
    tok_bpe_scratch_free(&s->bpe);
    tok_sp_plain_scratch_free(&s->plain);
    tok_unigram_words_free(&s->unigram);
    tok_unigram_scratch_done(&s->viterbi);
    tok_sp_text_done(&s->text);
    free(s);
}

static enum ngt_status encode_word(const void *model, void *scratch, const uint8_t *word,
                                   uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                   struct ngt_error *reterr)
{
    return tok_bpe_encode(model, scratch, word, n, ret_ids, ret_count, reterr);
}

static enum ngt_status fast_scratch_new(const void *engine, void **ret_scratch,
                                        struct ngt_error *reterr)
{
    const struct sp_fast *e = engine;
    struct sp_fast_scratch *s = calloc(1, sizeof *s);
    enum ngt_status status = NGT_OK;

    if (!s)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    switch (e->way) {
    case WAY_BPE:
        status = tok_bpe_scratch_new(e->bpe, &s->bpe, reterr);
        if (status == NGT_OK)
            status = tok_words_new(encode_word, tok_bpe_many(e->bpe), e->bpe, s->bpe, true,
                                   &s->words, reterr);
        break;
    case WAY_PLAIN:
        status = tok_sp_plain_scratch_new(e->plain, &s->plain, reterr);
        break;
    case WAY_UNIGRAM:
        status = tok_unigram_words_new(&e->unigram, &s->unigram, reterr);
        break;
    case WAY_UNIGRAM_PLAIN:
        break;
    }
    if (status != NGT_OK) {
        fast_scratch_free(s);
        return status;
    }
    *ret_scratch = s;
    return NGT_OK;
}

/* Text [from, end) holds no user-defined symbol. */
static enum ngt_status encode_bpe(const struct sp_fast *e, struct sp_fast_scratch *s, uint64_t from,
                                  uint64_t end, struct tok_ids *ids, struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    while (from < end && status == NGT_OK) {
        uint64_t found = 0;
        uint64_t count = e->scan.cut(&e->cuts, s->text.bytes, end, from, s->ends, BATCH);
        uint64_t next = s->ends[count - 1];
        status = tok_ids_reserve(ids, (next - from) * e->ids_per_byte + 8, reterr);
        if (status == NGT_OK)
            status = tok_words_encode(s->words, s->text.bytes, s->text.n, from, s->ends, count,
                                      ids->ids + ids->count, &found, reterr);
        ids->count += found;
        from = next;
    }
    return status;
}

/* The next place from `at` on where a user-defined symbol may begin, or n. */
static uint64_t next_start(const struct sp_fast *e, const uint8_t *text, uint64_t n, uint64_t at)
{
    if (e->only_start >= 0) {
        const uint8_t *found = memchr(text + at, e->only_start, n - at);
        return found ? (uint64_t)(found - text) : n;
    }
    while (at < n && !e->starts_symbol[text[at]])
        at++;
    return at;
}

static enum ngt_status encode_symbols_bpe(const struct sp_fast *e, struct sp_fast_scratch *s,
                                          struct tok_ids *ids, struct ngt_error *reterr)
{
    const uint8_t *text = s->text.bytes;
    uint64_t n = s->text.n, from = 0, at = 0;
    uint32_t id;
    enum ngt_status status = NGT_OK;

    if (!e->vocab.symbols.units)
        return encode_bpe(e, s, 0, n, ids, reterr);
    while (at < n && status == NGT_OK) {
        at = next_start(e, text, n, at);
        uint64_t size = at < n ? tok_sp_symbol_at(&e->vocab.symbols, text + at, n - at, &id) : 0;
        if (!size) {
            at++;
            continue;
        }
        status = encode_bpe(e, s, from, at, ids, reterr);
        if (status == NGT_OK)
            status = tok_ids_reserve(ids, 1, reterr);
        if (status == NGT_OK)
            ids->ids[ids->count++] = id;
        at += size;
        from = at;
    }
    return status == NGT_OK ? encode_bpe(e, s, from, n, ids, reterr) : status;
}

static enum ngt_status encode_unigram(const struct sp_fast *e, struct sp_fast_scratch *s,
                                      struct tok_ids *ids, struct ngt_error *reterr)
{
    uint64_t n = s->text.n, from = 0;
    float sum = 0;
    enum ngt_status status = NGT_OK;

    while (from < n && status == NGT_OK) {
        uint64_t count = e->scan.cut(&e->cuts, s->text.bytes, n, from, s->ends, BATCH);
        status = tok_unigram_words_encode(s->unigram, s->text.bytes, from, s->ends, count, &sum,
                                          ids, reterr);
        from = s->ends[count - 1];
    }
    return status;
}

static enum ngt_status fast_encode(const void *engine, void *scratch, const char *text, uint64_t n,
                                   struct tok_ids *ids, struct ngt_error *reterr)
{
    const struct sp_fast *e = engine;
    struct sp_fast_scratch *s = scratch;
    uint64_t first = ids->count;
    float sum = 0;
    enum ngt_status status;

    if (n > INT32_MAX - 16) /* as the library, whose positions are int */
        return ngt_fail(reterr, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS,
                        "text of %llu bytes; SentencePiece takes less than 2 GiB",
                        (unsigned long long)n);
    status = tok_sp_normalize(&e->normalizer, (const uint8_t *)text, n, &s->text, reterr);
    if (status != NGT_OK)
        return status;
    switch (e->way) {
    case WAY_BPE:
        status = encode_symbols_bpe(e, s, ids, reterr);
        break;
    case WAY_PLAIN:
        status = tok_sp_plain_encode(e->plain, s->plain, s->text.bytes, s->text.n, ids, reterr);
        break;
    case WAY_UNIGRAM:
        status = encode_unigram(e, s, ids, reterr);
        break;
    case WAY_UNIGRAM_PLAIN:
        status = tok_unigram_encode(&e->unigram, &s->viterbi, s->text.bytes, s->text.n, &sum, ids,
                                    reterr);
        break;
    }
    if (!e->vocab.byte_fallback && status == NGT_OK) /* known text never gives this id */
        tok_ids_fuse(ids, first, e->vocab.unknown_id);
    return status;
}

static struct tok_stats fast_stats(const void *scratch)
{
    const struct sp_fast_scratch *s = scratch;
    return s->words ? tok_words_stats(s->words) : (struct tok_stats){0};
}

static enum ngt_status fast_stage(const void *engine, void *scratch, enum tok_stage stage,
                                  const char *text, uint64_t n, struct ngt_error *reterr)
{
    const struct sp_fast *e = engine;
    struct sp_fast_scratch *s = scratch;
    enum ngt_status status =
        tok_sp_normalize(&e->normalizer, (const uint8_t *)text, n, &s->text, reterr);

    for (uint64_t at = 0; status == NGT_OK && stage == TOK_STAGE_SPLIT && at < s->text.n;) {
        uint64_t count = e->scan.cut(&e->cuts, s->text.bytes, s->text.n, at, s->ends, BATCH);
        at = s->ends[count - 1];
    }
    return status;
}

static const struct tok_vtable fast_vtable = {
    .name = "fast",
    .library = NULL,
    .scratch_new = fast_scratch_new,
    .scratch_free = fast_scratch_free,
    .encode = fast_encode,
    .free = fast_free,
    .stats = fast_stats,
    .stage = fast_stage,
};

static const struct tok_vtable plain_vtable = {
    .name = "plain",
    .library = NULL,
    .scratch_new = fast_scratch_new,
    .scratch_free = fast_scratch_free,
    .encode = fast_encode,
    .free = fast_free,
};

static enum ngt_status build(struct sp_fast *e, const struct tok_sp_parts *parts, bool plain,
                             const char *path, struct ngt_error *reterr)
{
    tok_trie_unit unit;
    enum ngt_status status;

    if (parts->charsmap_bytes) {
        status =
            tok_charsmap_new(parts->charsmap, parts->charsmap_bytes, path, &e->charsmap, reterr);
        if (status != NGT_OK)
            return status;
    }
    status = tok_sp_vocab_init(&e->vocab, parts, path, reterr);
    if (status != NGT_OK)
        return status;
    if (parts->model_type == TOK_SP_WORD || e->vocab.odd ||
        (e->charsmap && !e->charsmap->text_only))
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, path, NGT_NO_POS, NGT_NO_POS,
                        "a kind of model that the fast engine does not know");
    tok_sp_scan_init(&e->scan, plain ? TOK_SCALAR : tok_isa_chosen());
    e->normalizer = (struct tok_sp_normalizer){
        .charsmap = e->charsmap,
        .symbols = e->vocab.raw_symbols.units ? &e->vocab.raw_symbols : NULL,
        .dummy_prefix = parts->dummy_prefix,
        .suffix = parts->whitespace_as_suffix,
        .squeeze = parts->remove_extra_whitespaces,
        .escape = parts->escape_whitespaces,
    };
    tok_sp_normalizer_init(&e->normalizer, &e->scan);
    e->only_start = -1;
    for (unsigned b = 0, starts = 0; b < 256 && e->vocab.symbols.units; b++) {
        e->starts_symbol[b] =
            tok_trie_step(&e->vocab.symbols, e->vocab.symbols.root, (uint8_t)b, &unit);
        starts += e->starts_symbol[b];
        if (e->starts_symbol[b])
            e->only_start = starts == 1 ? (int)b : -1;
    }
    status = tok_sp_cuts_init(&e->cuts, e->vocab.bytes, e->vocab.starts, e->vocab.count, reterr);
    if (status != NGT_OK)
        return status;
    if (parts->model_type == TOK_SP_UNIGRAM) {
        e->way = plain ? WAY_UNIGRAM_PLAIN : WAY_UNIGRAM;
        return tok_unigram_init(&e->unigram, &e->vocab, reterr);
    }
    if (parts->model_type == TOK_SP_BPE && (e->vocab.unused || plain)) {
        e->way = WAY_PLAIN;
        return tok_sp_plain_new(&e->vocab, &e->plain, reterr);
    }
    e->way = WAY_BPE;
    status = tok_sp_bpe_new(&e->vocab, parts->model_type == TOK_SP_BPE, path, &e->bpe, reterr);
    if (status == NGT_OK)
        e->ids_per_byte = tok_bpe_ids_per_byte(e->bpe);
    return status;
}

enum ngt_status tok_sp_fast_new(const uint8_t *bytes, uint64_t n, const char *path, bool plain,
                                struct tok_engine_instance *ret_engine, struct ngt_error *reterr)
{
    struct tok_sp_parts parts = {0};
    struct sp_fast *e = NULL;
    enum ngt_status status = tok_sp_parts_read(bytes, n, path, &parts, reterr);

    if (status != NGT_OK)
        return status;
    e = calloc(1, sizeof *e);
    status = e ? build(e, &parts, plain, path, reterr)
               : ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
    tok_sp_parts_done(&parts);
    if (status != NGT_OK) {
        if (e)
            fast_free(e);
        return status;
    }
    *ret_engine = (struct tok_engine_instance){plain ? &plain_vtable : &fast_vtable, e};
    return NGT_OK;
}
