/*
 * There are no merge rules in a SentencePiece file: two neighbours merge when their concatenation
 * is a piece, the piece of the larger score first. tok_bpe_new lists all such pairs by itself from
 * the rank of each piece.
 *
 * A user-defined symbol never comes out of a merge: text between symbols does not hold one, or the
 * matcher would have taken it. So they have no spelling here.
 */
#include "model/sp_bpe.h"

#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

int32_t tok_sp_score_key(float score)
{
    int32_t bits;

    memcpy(&bits, &score, sizeof bits);
    return bits < 0 ? bits ^ INT32_MAX : bits;
}

struct ranked {
    int32_t key;
    uint32_t id;
};

static int compare(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->key > y->key ? -1 : x->key < y->key;
}

/* Characters that occur in pieces, each once. */
struct characters {
    uint8_t seen[0x110000 / 8];
};

static uint32_t code_point(const uint8_t *text, unsigned size)
{
    uint32_t c = size == 1 ? text[0] : text[0] & (0x7Fu >> size);

    for (unsigned i = 1; i < size; i++)
        c = c << 6 | (text[i] & 0x3F);
    return c;
}

/* True the first time. */
static bool note(struct characters *characters, const uint8_t *text, unsigned size)
{
    uint32_t c = code_point(text, size);
    uint8_t bit = (uint8_t)(1u << (c & 7)), *byte = &characters->seen[c / 8];
    bool first = !(*byte & bit);

    *byte |= bit;
    return first;
}

static bool takes_part(const struct tok_sp_vocab *v, uint32_t id)
{
    return v->types[id] == TOK_SP_NORMAL && tok_sp_vocab_size(v, id) != 0;
}

static bool is_character(const struct tok_sp_vocab *v, uint32_t id)
{
    return tok_utf8_lead_size(v->bytes[v->starts[id]]) == tok_sp_vocab_size(v, id);
}

enum ngt_status tok_sp_bpe_new(const struct tok_sp_vocab *v, bool merges, const char *path,
                               struct tok_bpe **ret_bpe, struct ngt_error *reterr)
{
    struct characters *characters = calloc(1, sizeof *characters);
    struct ranked *order = malloc(v->count * sizeof *order);
    uint64_t total = v->starts[v->count], used = 0;
    uint32_t symbols = v->count, ranked = 0;
    uint64_t *starts = malloc((v->count + total + 1) * sizeof *starts);
    uint8_t *bytes = malloc(2 * total + 1);
    bool *initial = calloc(v->count + total + 1, sizeof *initial);
    uint32_t *ranks = calloc(v->count + total + 1, sizeof *ranks);
    enum ngt_status status;

    if (!characters || !order || !starts || !bytes || !initial || !ranks) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
        goto out;
    }
    for (uint32_t id = 0; id < v->count; id++) {
        uint64_t size = tok_sp_vocab_size(v, id);
        starts[id] = used;
        if (!takes_part(v, id))
            continue;
        initial[id] = is_character(v, id);
        if (initial[id])
            (void)note(characters, v->bytes + v->starts[id], (unsigned)size);
        else if (!merges)
            continue;
        memcpy(bytes + used, v->bytes + v->starts[id], size);
        used += size;
        order[ranked++] = (struct ranked){tok_sp_score_key(v->scores[id]), id};
    }
    /* equal scores are equal ranks */
    qsort(order, ranked, sizeof *order, compare);
    for (uint32_t i = 0, rank = 0; i < ranked; i++) {
        rank += i && order[i].key != order[i - 1].key;
        ranks[order[i].id] = rank;
    }
    /* characters that are no pieces but parts of some */
    for (uint32_t id = 0; id < v->count && merges; id++) {
        const uint8_t *piece = v->bytes + v->starts[id];
        uint64_t size = takes_part(v, id) ? tok_sp_vocab_size(v, id) : 0;
        for (uint64_t at = 0; at < size; at += tok_utf8_lead_size(piece[at])) {
            unsigned n = tok_utf8_lead_size(piece[at]);
            if (!note(characters, piece + at, n))
                continue;
            starts[symbols] = used;
            initial[symbols++] = true;
            memcpy(bytes + used, piece + at, n);
            used += n;
        }
    }
    starts[symbols] = used;
    struct tok_bpe_config config = {
        .ids = v->count,
        .symbols = symbols,
        .starts = starts,
        .bytes = bytes,
        .initial = initial,
        .split_ranks = ranks,
        .characters = true,
        .marker = v->marker,
        .unknown = v->byte_fallback ? TOK_UNKNOWN_BYTES : TOK_UNKNOWN_FUSED,
        .unknown_id = v->unknown_id,
        .byte_ids = v->byte_ids,
    };
    status = tok_bpe_new(&config, path, ret_bpe, reterr);
out:
    free(characters);
    free(order);
    free(starts);
    free(bytes);
    free(initial);
    free(ranks);
    return status;
}
