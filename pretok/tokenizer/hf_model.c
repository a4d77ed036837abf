/* See hf_model.h. */
#include "hf_model.h"

#include <stdlib.h>
#include <string.h>

#include "model/bpe.h"
#include "model/bpe_hf.h"
#include "model/unigram_hf.h"
#include "model/wordpiece_hf.h"
#include "ngt/layout.h"
#include "text/utf8_inline.h"

struct tok_hf_encoder {
    struct tok_bpe *bpe; /* one of the four; or beside odd_bpe, as its faster twin */
    struct tok_bpe_hf *odd_bpe;
    struct tok_unigram_hf *unigram;
    struct tok_wordpiece *wordpiece;
    struct tok_hf_cuts cuts; /* of bpe */
};

static bool takes_part(const struct tok_hf_file *f, uint32_t id)
{
    for (uint64_t i = 0; i < f->merge_count; i++)
        if (f->merges[i].left == id || f->merges[i].right == id)
            return true;
    return false;
}

static unsigned bytes_known(const struct tok_hf_file *f)
{
    unsigned known = 0;

    for (unsigned b = 0; b < 256; b++)
        known += f->byte_ids[b] != NGT_NO_ID;
    return known;
}

/* Byte tokens that merges name: what falls back to bytes would be merged again. */
static bool bytes_merge(const struct tok_hf_file *f)
{
    bool *is_byte = calloc(f->model.vocabulary.count, 1);
    bool found = !is_byte; /* without memory, the model that can do all */

    for (unsigned b = 0; b < 256 && is_byte; b++)
        is_byte[f->byte_ids[b]] = true;
    for (uint64_t i = 0; i < f->merge_count && !found; i++)
        found = is_byte[f->merges[i].left] || is_byte[f->merges[i].right];
    free(is_byte);
    return found;
}

/* Is the file within what bpe.h describes, but for a suffix of words? */
static bool is_plain(const struct tok_hf_file *f)
{
    if (f->prefix.size || (f->suffix.size && (f->byte_fallback || f->ignore_merges)))
        return false;
    if (f->byte_fallback)
        /* in byte-level text a fallback would be to the bytes of ByteLevel's characters */
        return !f->bytes && bytes_known(f) == 256 && !bytes_merge(f);
    return f->unknown == NGT_NO_ID || !takes_part(f, f->unknown);
}

/*
 * How text spells a token, at out: 0 bytes where no text does. *ret_units: of how many characters (or
 * bytes) that text starts out as. A suffix of words is spelt TOK_BPE_END.
 */
static uint64_t spell(const struct tok_hf_file *f, bool marker, uint32_t id, uint8_t *out,
                      uint64_t *ret_units)
{
    const struct tok_model *m = &f->model;
    const uint8_t *name = (const uint8_t *)m->names + m->name_starts[id];
    uint64_t n = m->name_starts[id + 1] - m->name_starts[id], used = 0;
    unsigned size;
    bool ends = f->suffix.size && n > f->suffix.size &&
                memcmp(name + n - f->suffix.size, f->suffix.at, f->suffix.size) == 0;

    *ret_units = 0;
    n -= ends ? f->suffix.size : 0;
    if (!f->in_model[id])
        return 0;
    if (f->bytes) {
        used = tok_hf_chars_bytes(name, n, out);
        if (used == UINT64_MAX || (f->suffix.size && memchr(out, TOK_BPE_END, used)))
            return 0;
        *ret_units = used;
    }
    for (uint64_t at = 0; at < n && !f->bytes; at += size) {
        uint32_t c = tok_utf8_get(name + at, &size);
        ++*ret_units;
        if (marker && c == ' ') {
            return 0;
        } else if (marker && c == 0x2581) {
            out[used++] = ' ';
        } else {
            memcpy(out + used, name + at, size);
            used += size;
        }
    }
    if (ends)
        out[used++] = TOK_BPE_END;
    return used;
}

/* Does every rule make what its sides are spelt like? Not where a suffix came out of its letters. */
static bool all_join(const struct tok_bpe_config *c)
{
    bool join = true;

    for (uint64_t i = 0; i < c->rule_count && join; i++) {
        const struct tok_bpe_rule *r = &c->rules[i];
        uint64_t left = c->starts[r->left + 1] - c->starts[r->left];
        uint64_t right = c->starts[r->right + 1] - c->starts[r->right];
        const uint8_t *whole = c->bytes + c->starts[r->result];
        join = c->starts[r->result + 1] - c->starts[r->result] == left + right &&
               memcmp(whole, c->bytes + c->starts[r->left], left) == 0 &&
               memcmp(whole + left, c->bytes + c->starts[r->right], right) == 0;
    }
    return join;
}

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

static bool are_spelt(const uint64_t *starts, const struct tok_bpe_rule *r)
{
    return starts[r->left] < starts[r->left + 1] && starts[r->right] < starts[r->right + 1];
}

static enum ngt_status plain_bpe(const struct tok_hf_file *f, enum tok_hf_markers markers,
                                 bool plain, const char *path, struct tok_hf_encoder *e,
                                 struct ngt_error *reterr)
{
    const bool marker = markers != TOK_HF_AS_SPELT;
    uint32_t count = f->model.vocabulary.count;
    uint64_t *starts = malloc((count + 1ull) * sizeof *starts), units, used = 0, kept = 0;
    unsigned bytes_there = 0; /* as symbols */
    uint8_t *bytes = malloc(f->model.name_starts[count] + 1);
    bool *initial = calloc(count, 1);
    const struct tok_bpe_rule *rules = f->merges;
    struct tok_bpe_rule *some = NULL;
    enum ngt_status status;

    if (!starts || !bytes || !initial) {
        status = no_memory(path, reterr);
        goto out;
    }
    for (uint32_t id = 0; id < count; id++) {
        starts[id] = used;
        used += spell(f, marker, id, bytes + used, &units);
        initial[id] = units == 1 && used > starts[id];
        bytes_there += initial[id] && f->bytes && used == starts[id] + 1;
    }
    starts[count] = used;
    /* without rules about symbols that no text becomes; there are none in most files */
    while (kept < f->merge_count && are_spelt(starts, &rules[kept]))
        kept++;
    if (kept < f->merge_count) {
        some = malloc(f->merge_count * sizeof *some);
        if (!some) {
            status = no_memory(path, reterr);
            goto out;
        }
        memcpy(some, rules, kept * sizeof *some);
        for (uint64_t i = kept + 1; i < f->merge_count; i++)
            if (are_spelt(starts, &rules[i]))
                some[kept++] = rules[i];
        rules = some;
    }
    struct tok_bpe_config config = {
        .ids = count,
        .symbols = count,
        .starts = starts,
        .bytes = bytes,
        .initial = initial,
        .rules = rules,
        .rule_count = kept,
        .joined =
            true, /* names are, spelt character by character; with a suffix all_join says so */
        .no_plain = !plain && (f->unknown != NGT_NO_ID || f->byte_fallback || bytes_there == 256),
        .characters = !f->bytes,
        .marker = marker,
        .whole_word = f->ignore_merges,
        .ends = f->suffix.size != 0,
        .unknown = f->byte_fallback          ? TOK_UNKNOWN_BYTES
                   : f->unknown == NGT_NO_ID ? TOK_UNKNOWN_DROP
                   : f->fuse_unknown         ? TOK_UNKNOWN_FUSED
                                             : TOK_UNKNOWN_ID,
        .unknown_id = f->unknown,
        .byte_ids = f->byte_ids,
    };
    status =
        config.ends && !all_join(&config) ? NGT_OK : tok_bpe_new(&config, path, &e->bpe, reterr);
    if (status == NGT_OK && e->bpe)
        status = tok_hf_cuts_init(&e->cuts, &config, tok_bpe_takes_whole(e->bpe),
                                  markers == TOK_HF_SPACES_FIRST, reterr);
out:
    free(starts);
    free(bytes);
    free(initial);
    free(some);
    return status;
}

enum ngt_status tok_hf_encoder_new(struct tok_hf_file *f, enum tok_hf_markers markers, bool plain,
                                   const char *path, struct tok_hf_encoder **ret_encoder,
                                   struct ngt_error *reterr)
{
    struct tok_hf_encoder *e = calloc(1, sizeof *e);
    enum ngt_status status = NGT_OK;

    if (!e)
        return no_memory(path, reterr);
    if (f->kind == TOK_HF_UNIGRAM)
        status = tok_unigram_hf_new(f, path, &e->unigram, reterr);
    else if (f->kind != TOK_HF_BPE)
        status = tok_wordpiece_new(f, path, &e->wordpiece, reterr);
    else if (is_plain(f))
        status = plain_bpe(f, markers, plain, path, e, reterr);
    if (status == NGT_OK && f->kind == TOK_HF_BPE && (!is_plain(f) || f->suffix.size))
        status = tok_bpe_hf_new(f, markers != TOK_HF_AS_SPELT, path, &e->odd_bpe, reterr);
    if (status == NGT_OK)
        *ret_encoder = e;
    else
        tok_hf_encoder_free(&e);
    return status;
}

void tok_hf_encoder_free(struct tok_hf_encoder **encoder)
{
    if (!*encoder)
        return;
    tok_bpe_free(&(*encoder)->bpe);
    tok_bpe_hf_free(&(*encoder)->odd_bpe);
    tok_unigram_hf_free(&(*encoder)->unigram);
    tok_wordpiece_free(&(*encoder)->wordpiece);
    tok_hf_cuts_done(&(*encoder)->cuts);
    free(*encoder);
    *encoder = NULL;
}

const struct tok_hf_cuts *tok_hf_encoder_cuts(const struct tok_hf_encoder *e)
{
    return e->cuts.known ? &e->cuts : NULL;
}

uint64_t tok_hf_encoder_ids_per_byte(const struct tok_hf_encoder *e)
{
    return e->bpe       ? tok_bpe_ids_per_byte(e->bpe)
           : e->odd_bpe ? tok_bpe_hf_ids_per_byte(e->odd_bpe)
                        : 1;
}

static enum ngt_status bpe_word(const void *model, void *scratch, const uint8_t *word, uint64_t n,
                                uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    return tok_bpe_encode(model, scratch, word, n, ret_ids, ret_count, reterr);
}

static enum ngt_status bpe_word_plain(const void *model, void *scratch, const uint8_t *word,
                                      uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                      struct ngt_error *reterr)
{
    return tok_bpe_encode_plain(model, scratch, word, n, ret_ids, ret_count, reterr);
}

/* A word of a file with a suffix. */
static enum ngt_status ended_word(const void *model, void *scratch, const uint8_t *word, uint64_t n,
                                  uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    static const uint8_t end = TOK_BPE_END;
    struct tok_hf_words *w = scratch;

    w->ended.size = 0;
    enum ngt_status status = tok_buffer_reserve(&w->ended, n + 1, reterr);
    if (status != NGT_OK)
        return status;
    tok_buffer_put(&w->ended, word, n);
    tok_buffer_put(&w->ended, &end, 1);
    return tok_bpe_encode(model, w->scratch, w->ended.at, w->ended.size, ret_ids, ret_count,
                          reterr);
}

enum ngt_status tok_hf_words_init(struct tok_hf_words *w, const struct tok_hf_encoder *e,
                                  bool plain, struct ngt_error *reterr)
{
    struct tok_bpe_scratch *bpe = NULL;
    struct tok_bpe_hf_scratch *odd_bpe = NULL;
    struct tok_unigram_hf_scratch *unigram = NULL;
    const void *model = e->wordpiece;
    tok_word_fn word = tok_wordpiece_encode;
    enum ngt_status status = NGT_OK;

    *w = (struct tok_hf_words){.encoder = e, .odd = e->odd_bpe && (plain || !e->bpe)};
    if (e->bpe && !w->odd) {
        status = tok_bpe_scratch_new(e->bpe, &bpe, reterr);
        w->scratch = bpe;
        model = e->bpe;
        word = e->odd_bpe ? ended_word : plain ? bpe_word_plain : bpe_word;
    } else if (w->odd) {
        status = tok_bpe_hf_scratch_new(&odd_bpe, reterr);
        w->scratch = odd_bpe;
        model = e->odd_bpe;
        word = tok_bpe_hf_encode;
    } else if (e->unigram) {
        status = tok_unigram_hf_scratch_new(&unigram, reterr);
        w->scratch = unigram;
        model = e->unigram;
        word = tok_unigram_hf_encode;
    }
    if (status == NGT_OK)
        status = tok_words_new(word, word == bpe_word ? tok_bpe_many(e->bpe) : NULL, model,
                               word == ended_word ? w : w->scratch, !plain, &w->words, reterr);
    if (status != NGT_OK)
        tok_hf_words_done(w);
    return status;
}

void tok_hf_words_done(struct tok_hf_words *w)
{
    struct tok_bpe_scratch *bpe = w->scratch;
    struct tok_bpe_hf_scratch *odd_bpe = w->scratch;
    struct tok_unigram_hf_scratch *unigram = w->scratch;

    tok_words_free(&w->words);
    tok_buffer_done(&w->ended);
    if (w->odd)
        tok_bpe_hf_scratch_free(&odd_bpe);
    else if (w->encoder && w->encoder->bpe)
        tok_bpe_scratch_free(&bpe);
    else if (w->encoder && w->encoder->unigram)
        tok_unigram_hf_scratch_free(&unigram);
    *w = (struct tok_hf_words){0};
}
