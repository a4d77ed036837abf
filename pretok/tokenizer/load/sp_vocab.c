/* The checks are those of the library's InitializePieces and of its Unigram model. */
#include "load/sp_vocab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

#define PIECE_LIMIT 8000

static enum ngt_status refuse(const char *path, uint64_t id, const char *what,
                              struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, id,
                    "%s; SentencePiece does not load such a model", what);
}

static bool reserved(enum tok_sp_type type)
{
    return type == TOK_SP_UNKNOWN || type == TOK_SP_CONTROL || type == TOK_SP_BYTE;
}

static int compare_names(const void *a, const void *b)
{
    const struct tok_sp_piece *x = *(const struct tok_sp_piece *const *)a,
                              *y = *(const struct tok_sp_piece *const *)b;
    int order = memcmp(x->name, y->name, x->size < y->size ? x->size : y->size);

    return order ? order : x->size < y->size ? -1 : x->size > y->size;
}

/* BPE keeps all pieces in one map; the other models keep reserved ones apart. */
static enum ngt_status check_unique(const struct tok_sp_parts *parts, const char *path,
                                    struct ngt_error *reterr)
{
    const struct tok_sp_piece **sorted = malloc(parts->count * sizeof *sorted);
    enum ngt_status status = NGT_OK;

    if (!sorted)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    for (unsigned map = 0; map < 2 && status == NGT_OK; map++) {
        uint64_t n = 0;
        for (uint32_t i = 0; i < parts->count; i++) {
            unsigned mine = parts->model_type != TOK_SP_BPE && reserved(parts->pieces[i].type);
            if (mine == map && !parts->pieces[i].skip)
                sorted[n++] = &parts->pieces[i];
        }
        qsort(sorted, n, sizeof *sorted, compare_names);
        for (uint64_t i = 1; i < n && status == NGT_OK; i++)
            if (compare_names(&sorted[i - 1], &sorted[i]) == 0)
                status = refuse(path, (uint64_t)(sorted[i] - parts->pieces),
                                "two pieces have the same name", reterr);
    }
    free(sorted);
    return status;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum ngt_status check(const struct tok_sp_parts *parts, struct tok_sp_vocab *v,
                             const char *path, struct ngt_error *reterr)
{
    bool found[256] = {false};
    uint32_t normal = 0;

    for (uint32_t i = 0; i < parts->count; i++) {
        const struct tok_sp_piece *p = &parts->pieces[i];
        if (p->size >= PIECE_LIMIT)
            return refuse(path, i, "a piece of 8000 bytes or more", reterr);
        if (parts->model_type == TOK_SP_UNIGRAM && !isfinite(p->score))
            return refuse(path, i, "a score that is no number", reterr);
        if (p->skip)
            continue;
        if (memchr(p->name, 0, p->size))
            return refuse(path, i, "a piece with a null byte", reterr);
        normal += !reserved(p->type);
        if (p->type == TOK_SP_UNKNOWN)
            v->unknown_id = i;
        if (p->type == TOK_SP_BYTE) {
            /* tok_sp_model_read has checked the form <0xNN> */
            int value = p->size == 6 ? hex(p->name[3]) * 16 + hex(p->name[4]) : -1;
            if (value < 0 || value > 255)
                return refuse(path, i, "a byte piece is not named <0xNN>", reterr);
            if (!parts->byte_fallback)
                return refuse(path, i, "a byte piece without byte_fallback", reterr);
            found[value] = true;
            v->byte_ids[value] = i;
        }
    }
    for (unsigned b = 0; b < 256 && parts->byte_fallback; b++)
        if (!found[b])
            return refuse(path, NGT_NO_POS, "byte_fallback without all 256 byte pieces", reterr);
    if (parts->model_type == TOK_SP_UNIGRAM && normal == 0)
        return refuse(path, NGT_NO_POS, "no pieces but reserved ones", reterr);
    return check_unique(parts, path, reterr);
}

/* The piece in internal text; returns its bytes, 0 if no text becomes it. */
static uint64_t spell(const struct tok_sp_piece *p, bool marker, uint8_t *out)
{
    uint64_t used = 0;

    if (p->skip || reserved(p->type) || tok_utf8_valid_prefix(p->name, p->size) != p->size)
        return 0;
    for (uint64_t i = 0; i < p->size; i++) {
        if (marker && p->name[i] == ' ')
            return 0;
        if (marker && p->size - i >= 3 && memcmp(p->name + i, "\xE2\x96\x81", 3) == 0) {
            out[used++] = ' ';
            i += 2;
        } else {
            out[used++] = p->name[i];
        }
    }
    return used;
}

static enum ngt_status build_symbols(const struct tok_sp_parts *parts, struct tok_sp_vocab *v,
                                     struct ngt_error *reterr)
{
    uint64_t n = 0, raw = 0, spelt = 0;
    struct tok_trie_key *keys;
    enum ngt_status status;

    for (uint32_t i = 0; i < parts->count; i++)
        n += parts->pieces[i].type == TOK_SP_USER_DEFINED;
    keys = malloc(2 * (n + 1) * sizeof *keys);
    if (!keys)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    for (uint32_t i = 0; i < parts->count; i++) {
        const struct tok_sp_piece *p = &parts->pieces[i];
        if (p->type != TOK_SP_USER_DEFINED)
            continue;
        keys[raw++] = (struct tok_trie_key){p->name, p->size, i};
        if (tok_utf8_valid_prefix(p->name, p->size) != p->size)
            v->odd = true;
        if (tok_sp_vocab_size(v, i))
            keys[n + 1 + spelt++] =
                (struct tok_trie_key){v->bytes + v->starts[i], tok_sp_vocab_size(v, i), i};
    }
    status = raw ? tok_trie_init(&v->raw_symbols, keys, raw, reterr) : NGT_OK;
    if (status == NGT_OK && spelt)
        status = tok_trie_init(&v->symbols, keys + n + 1, spelt, reterr);
    free(keys);
    return status;
}

enum ngt_status tok_sp_vocab_init(struct tok_sp_vocab *vocab, const struct tok_sp_parts *parts,
                                  const char *path, struct ngt_error *reterr)
{
    struct tok_sp_vocab v = {.count = parts->count,
                             .byte_fallback = parts->byte_fallback,
                             .marker = parts->escape_whitespaces};
    uint64_t total = 0, used = 0;
    enum ngt_status status = check(parts, &v, path, reterr);

    if (status != NGT_OK)
        return status;
    if (parts->count >= TOK_TRIE_NONE)
        return ngt_fail(reterr, NGT_E_UNSUPPORTED, path, NGT_NO_POS, NGT_NO_POS,
                        "more pieces than the fast engine takes");
    for (uint32_t i = 0; i < parts->count; i++)
        total += parts->pieces[i].size;
    v.types = malloc(v.count);
    v.scores = malloc(v.count * sizeof *v.scores);
    v.starts = malloc((v.count + UINT64_C(1)) * sizeof *v.starts);
    v.bytes = malloc(total);
    if (!v.types || !v.scores || !v.starts || !v.bytes) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint32_t i = 0; i < v.count; i++) {
        const struct tok_sp_piece *p = &parts->pieces[i];
        v.types[i] = (uint8_t)p->type;
        v.scores[i] = p->score;
        v.starts[i] = used;
        used += spell(p, v.marker, v.bytes + used);
        if (p->type == TOK_SP_UNUSED && used > v.starts[i] &&
            tok_utf8_lead_size(v.bytes[v.starts[i]]) < used - v.starts[i])
            v.unused = true;
    }
    v.starts[v.count] = used;
    status = build_symbols(parts, &v, reterr);
    if (status != NGT_OK)
        goto out;
    *vocab = v;
    v = (struct tok_sp_vocab){0};
out:
    tok_sp_vocab_done(&v);
    return status;
}

void tok_sp_vocab_done(struct tok_sp_vocab *vocab)
{
    free(vocab->types);
    free(vocab->scores);
    free(vocab->starts);
    free(vocab->bytes);
    tok_trie_done(&vocab->raw_symbols);
    tok_trie_done(&vocab->symbols);
    *vocab = (struct tok_sp_vocab){0};
}
