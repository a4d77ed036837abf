/*
 * Symbols are a linked list over the text, candidates a heap by (score, place). A candidate is
 * stale when one side is gone or their sizes no longer add up. What the library keeps in a map from
 * merged strings to their parts is here, for each UNUSED piece, the size of the left part.
 */
#include "model/sp_bpe_plain.h"

#include <stdlib.h>
#include <string.h>

#include "model/sp_bpe.h"
#include "text/normalize_sp.h"
#include "text/utf8.h"

/* The library gives up falling apart at that depth, and then keeps the piece. */
#define DEPTH_LIMIT 100
#define NONE UINT32_MAX

struct tok_sp_plain {
    const struct tok_sp_vocab *vocab;
    struct tok_trie pieces; /* all that have a spelling; without units: none */
};

struct symbol {
    uint32_t start, size; /* size 0: merged into another */
    uint32_t prev, next;
    bool frozen;
};

struct candidate {
    int32_t key; /* of the score */
    uint32_t left, right, size;
};

/* How an UNUSED piece came about, valid in the document with this number. */
struct origin {
    uint64_t document;
    uint32_t left_size;
};

struct tok_sp_plain_scratch {
    struct symbol *symbols;
    struct candidate *heap;
    uint64_t symbol_room, heap_count, heap_room;
    struct origin *origins; /* [vocabulary] */
    uint64_t document;
};

enum ngt_status tok_sp_plain_new(const struct tok_sp_vocab *vocab, struct tok_sp_plain **ret_plain,
                                 struct ngt_error *reterr)
{
    struct tok_sp_plain *p = calloc(1, sizeof *p);
    struct tok_trie_key *keys = malloc(vocab->count * sizeof *keys);
    uint64_t n = 0;
    enum ngt_status status = NGT_OK;

    if (p && keys) {
        p->vocab = vocab;
        for (uint32_t id = 0; id < vocab->count; id++)
            if (tok_sp_vocab_size(vocab, id))
                keys[n++] = (struct tok_trie_key){vocab->bytes + vocab->starts[id],
                                                  tok_sp_vocab_size(vocab, id), id};
        if (n)
            status = tok_trie_init(&p->pieces, keys, n, reterr);
    } else {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the tokenizer");
    }
    free(keys);
    if (status != NGT_OK)
        free(p);
    else
        *ret_plain = p;
    return status;
}

void tok_sp_plain_free(struct tok_sp_plain **plain)
{
    if (!*plain)
        return;
    tok_trie_done(&(*plain)->pieces);
    free(*plain);
    *plain = NULL;
}

enum ngt_status tok_sp_plain_scratch_new(const struct tok_sp_plain *plain,
                                         struct tok_sp_plain_scratch **ret_scratch,
                                         struct ngt_error *reterr)
{
    struct tok_sp_plain_scratch *s = calloc(1, sizeof *s);

    if (s)
        s->origins = calloc(plain->vocab->count, sizeof *s->origins);
    if (!s || !s->origins) {
        free(s);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    }
    *ret_scratch = s;
    return NGT_OK;
}

void tok_sp_plain_scratch_free(struct tok_sp_plain_scratch **scratch)
{
    if (!*scratch)
        return;
    free((*scratch)->symbols);
    free((*scratch)->heap);
    free((*scratch)->origins);
    free(*scratch);
    *scratch = NULL;
}

/* The piece spelt so, or NONE. */
static uint32_t find(const struct tok_sp_plain *p, const uint8_t *text, uint64_t n)
{
    tok_trie_unit unit = (tok_trie_unit)TOK_TRIE_NONE << 8;
    uint32_t base = p->pieces.root;

    if (!p->pieces.units)
        return NONE;
    for (uint64_t i = 0; i < n; i++) {
        if (!tok_trie_step(&p->pieces, base, text[i], &unit))
            return NONE;
        base = tok_trie_base(unit);
    }
    return tok_trie_value(unit) == TOK_TRIE_NONE ? NONE : tok_trie_value(unit);
}

static bool before(const struct candidate *a, const struct candidate *b)
{
    return a->key != b->key ? a->key > b->key : a->left < b->left;
}

static enum ngt_status push(struct tok_sp_plain_scratch *s, struct candidate c,
                            struct ngt_error *reterr)
{
    if (s->heap_count == s->heap_room) {
        uint64_t room = s->heap_room * 2 + 1024;
        struct candidate *grown = realloc(s->heap, room * sizeof *grown);
        if (!grown)
            return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                            "out of memory for %llu merges", (unsigned long long)room);
        s->heap = grown;
        s->heap_room = room;
    }
    uint64_t at = s->heap_count++;
    for (; at > 0 && before(&c, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = c;
    return NGT_OK;
}

static struct candidate pop(struct tok_sp_plain_scratch *s)
{
    struct candidate top = s->heap[0], last = s->heap[--s->heap_count];
    uint64_t at = 0, child;

    while ((child = 2 * at + 1) < s->heap_count) {
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[at] = s->heap[child];
        at = child;
    }
    s->heap[at] = last;
    return top;
}

static enum ngt_status consider(const struct tok_sp_plain *p, struct tok_sp_plain_scratch *s,
                                const uint8_t *text, uint32_t left, uint32_t right,
                                struct ngt_error *reterr)
{
    if (left == NONE || right == NONE)
        return NGT_OK;
    const struct symbol *l = &s->symbols[left], *r = &s->symbols[right];
    if (l->frozen || r->frozen)
        return NGT_OK;
    uint32_t size = l->size + r->size, id = find(p, text + l->start, size);
    if (id == NONE)
        return NGT_OK;
    if (p->vocab->types[id] == TOK_SP_UNUSED)
        s->origins[id] = (struct origin){s->document, l->size};
    return push(s, (struct candidate){tok_sp_score_key(p->vocab->scores[id]), left, right, size},
                reterr);
}

static void put_unknown(const struct tok_sp_vocab *v, const uint8_t *text, uint64_t n,
                        struct tok_ids *ids)
{
    if (!v->byte_fallback) {
        ids->ids[ids->count++] = v->unknown_id;
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (v->marker && text[i] == ' ') {
            ids->ids[ids->count++] = v->byte_ids[0xE2];
            ids->ids[ids->count++] = v->byte_ids[0x96];
            ids->ids[ids->count++] = v->byte_ids[0x81];
        } else {
            ids->ids[ids->count++] = v->byte_ids[text[i]];
        }
    }
}

/* Room for 3 n ids is there. Recursion ends at DEPTH_LIMIT. */
static void put(const struct tok_sp_plain *p, const struct tok_sp_plain_scratch *s,
                const uint8_t *text, uint32_t n, unsigned depth, struct tok_ids *ids)
{
    uint32_t id = find(p, text, n);

    if (id != NONE && (depth > DEPTH_LIMIT || p->vocab->types[id] != TOK_SP_UNUSED)) {
        ids->ids[ids->count++] = id;
    } else if (id == NONE || s->origins[id].document != s->document) {
        put_unknown(p->vocab, text, n, ids);
    } else {
        uint32_t left = s->origins[id].left_size;
        put(p, s, text, left, depth + 1, ids);
        put(p, s, text + left, n - left, depth + 1, ids);
    }
}

enum ngt_status tok_sp_plain_encode(const struct tok_sp_plain *p, struct tok_sp_plain_scratch *s,
                                    const uint8_t *text, uint64_t n, struct tok_ids *ids,
                                    struct ngt_error *reterr)
{
    const struct tok_trie *frozen = p->vocab->symbols.units ? &p->vocab->symbols : NULL;
    uint32_t count = 0, value;
    enum ngt_status status;

    if (n == 0)
        return NGT_OK;
    s->document++;
    s->heap_count = 0;
    if (n > s->symbol_room) {
        struct symbol *grown = realloc(s->symbols, (n + n / 2) * sizeof *grown);
        if (!grown)
            return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                            "out of memory for a text of %llu bytes", (unsigned long long)n);
        s->symbols = grown;
        s->symbol_room = n + n / 2;
    }
    for (uint64_t at = 0; at < n; count++) {
        uint64_t size = frozen ? tok_sp_symbol_at(frozen, text + at, n - at, &value) : 0;
        s->symbols[count] = (struct symbol){.start = (uint32_t)at,
                                            .prev = count ? count - 1 : NONE,
                                            .next = count + 1,
                                            .frozen = size != 0};
        if (!size)
            size = tok_utf8_lead_size(text[at]);
        s->symbols[count].size = (uint32_t)size;
        at += size;
    }
    s->symbols[count - 1].next = NONE;
    for (uint32_t i = 0; i + 1 < count; i++) {
        status = consider(p, s, text, i, i + 1, reterr);
        if (status != NGT_OK)
            return status;
    }
    while (s->heap_count) {
        struct candidate c = pop(s);
        struct symbol *l = &s->symbols[c.left], *r = &s->symbols[c.right];
        if (l->size == 0 || r->size == 0 || l->size + r->size != c.size)
            continue;
        l->size = c.size;
        l->next = r->next;
        r->size = 0;
        if (l->next != NONE)
            s->symbols[l->next].prev = c.left;
        status = consider(p, s, text, l->prev, c.left, reterr);
        if (status == NGT_OK)
            status = consider(p, s, text, c.left, l->next, reterr);
        if (status != NGT_OK)
            return status;
    }
    status = tok_ids_reserve(ids, 3 * n, reterr);
    for (uint32_t i = 0; i != NONE && status == NGT_OK; i = s->symbols[i].next)
        put(p, s, text + s->symbols[i].start, s->symbols[i].size, 0, ids);
    return status;
}
