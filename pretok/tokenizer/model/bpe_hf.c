/* See bpe_hf.h. Symbols are token ids; a word is a linked list of them, candidates wait in a heap. */
#include "model/bpe_hf.h"

#include <stdlib.h>
#include <string.h>

#include "load/names.h"
#include "ngt/layout.h"
#include "text/normalize_hf.h"
#include "text/utf8_inline.h"

#define NONE UINT32_MAX
#define LONGEST 64 /* of a character with prefix and suffix, whose bytes may fall back */

/* Where a character stands in its word decides about what it is called. */
enum { NOT_FIRST = 1, LAST = 2, PLACES = 4 };

struct symbol_key {
    uint32_t key; /* character << 2 | place, + 1; 0: free */
    uint32_t id;
};
struct rule_key {
    uint64_t pair;         /* left << 32 | right */
    uint32_t rank, result; /* rank NONE: free */
};

struct tok_bpe_hf {
    struct symbol_key *symbols;
    uint64_t symbol_mask;
    struct rule_key *rules;
    uint64_t rule_mask;
    uint8_t *prefix, *suffix;
    uint64_t prefix_size, suffix_size;
    bool bytes, marker, fuse, fallback;
    uint32_t unknown, byte_ids[256];
    /* ignore_merges: what words are spelt like */
    bool whole_words;
    uint8_t *spellings;
    uint64_t *starts;
    struct tok_names words;
};

struct node {
    uint32_t id, previous, next; /* id NONE: merged into the one before */
};
struct candidate {
    uint32_t rank, at, result;
};
struct tok_bpe_hf_scratch {
    struct node *nodes;
    uint64_t count, room;
    struct candidate *heap;
    uint64_t heap_count, heap_room;
};

static uint64_t mix(uint64_t x)
{
    x *= 0x9E3779B97F4A7C15u;
    return x ^ x >> 29;
}

static struct symbol_key *symbol_slot(const struct tok_bpe_hf *b, uint32_t key)
{
    uint64_t at = mix(key) & b->symbol_mask;

    while (b->symbols[at].key && b->symbols[at].key != key)
        at = (at + 1) & b->symbol_mask;
    return &b->symbols[at];
}

static struct rule_key *rule_slot(const struct tok_bpe_hf *b, uint64_t pair)
{
    uint64_t at = mix(pair) & b->rule_mask;

    while (b->rules[at].rank != NONE && b->rules[at].pair != pair)
        at = (at + 1) & b->rule_mask;
    return &b->rules[at];
}

/* The one character of name [n] as words have it; false where it is not one. */
static bool one_character(const struct tok_bpe_hf *b, const uint8_t *name, uint64_t n,
                          uint32_t *ret)
{
    unsigned size;

    if (n == 0 || tok_utf8_lead_size(name[0]) != n)
        return false;
    *ret = tok_utf8_get(name, &size);
    if (b->bytes) {
        int byte = tok_hf_char_byte(*ret);
        *ret = (uint32_t)byte;
        return byte >= 0;
    }
    return !b->marker || *ret != ' ';
}

static void add_symbol(struct tok_bpe_hf *b, uint32_t id, const uint8_t *name, uint64_t n)
{
    for (unsigned place = 0; place < PLACES; place++) {
        uint64_t before = place & NOT_FIRST ? b->prefix_size : 0;
        uint64_t behind = place & LAST ? b->suffix_size : 0;
        uint32_t c;
        if (n < before + behind || memcmp(name, b->prefix, before) != 0 ||
            memcmp(name + n - behind, b->suffix, behind) != 0 ||
            !one_character(b, name + before, n - before - behind, &c))
            continue;
        uint32_t key = (c << 2 | place) + 1;
        *symbol_slot(b, key) = (struct symbol_key){key, id};
    }
}

/* How a word would be spelt that is this name; false where none is. */
static bool word_spelling(const struct tok_bpe_hf *b, const uint8_t *name, uint64_t n, uint8_t *out,
                          uint64_t *ret_size)
{
    unsigned size;
    uint64_t used = 0;

    for (uint64_t at = 0; at < n; at += size) {
        uint32_t c = tok_utf8_get(name + at, &size);
        int byte = b->bytes ? tok_hf_char_byte(c) : b->marker && c == 0x2581 ? ' ' : -1;
        if ((b->bytes && byte < 0) || (b->marker && c == ' '))
            return false;
        if (byte >= 0) {
            out[used++] = (uint8_t)byte;
        } else {
            memcpy(out + used, name + at, size);
            used += size;
        }
    }
    *ret_size = used;
    return used != 0;
}

static bool collect_words(struct tok_bpe_hf *b, const struct tok_hf_file *f, const char *path)
{
    const struct tok_model *m = &f->model;
    uint32_t count = m->vocabulary.count;
    uint64_t used = 0, size;

    b->spellings = malloc(m->name_starts[count] + 1);
    b->starts = malloc((count + 1ull) * sizeof *b->starts);
    if (!b->spellings || !b->starts)
        return false;
    for (uint32_t id = 0; id < count; id++) {
        b->starts[id] = used;
        if (f->in_model[id] &&
            word_spelling(b, (const uint8_t *)m->names + m->name_starts[id],
                          m->name_starts[id + 1] - m->name_starts[id], b->spellings + used, &size))
            used += size;
    }
    b->starts[count] = used;
    if (tok_names_init(&b->words, b->spellings, b->starts, count, path, NULL) != NGT_OK)
        return false;
    for (uint32_t id = 0; id < count; id++)
        if (b->starts[id + 1] > b->starts[id])
            (void)tok_names_put(&b->words, id);
    return true;
}

static bool copy_slice(struct tok_slice s, uint8_t **ret, uint64_t *ret_size)
{
    *ret = malloc(s.size + 1);
    if (!*ret)
        return false;
    if (s.size)
        memcpy(*ret, s.at, s.size);
    *ret_size = s.size;
    return true;
}

static bool fill(struct tok_bpe_hf *b, const struct tok_hf_file *f, const char *path)
{
    const struct tok_model *m = &f->model;
    uint64_t symbols = 16, rules = 16;

    while (symbols < 2ull * PLACES * m->vocabulary.count)
        symbols *= 2;
    while (rules < 2 * f->merge_count)
        rules *= 2;
    b->symbol_mask = symbols - 1;
    b->rule_mask = rules - 1;
    b->symbols = calloc(symbols, sizeof *b->symbols);
    b->rules = malloc(rules * sizeof *b->rules);
    if (!b->symbols || !b->rules || !copy_slice(f->prefix, &b->prefix, &b->prefix_size) ||
        !copy_slice(f->suffix, &b->suffix, &b->suffix_size))
        return false;
    for (uint64_t i = 0; i < rules; i++)
        b->rules[i] = (struct rule_key){0, NONE, 0};
    for (uint64_t i = 0; i < f->merge_count; i++) {
        uint64_t pair = (uint64_t)f->merges[i].left << 32 | f->merges[i].right;
        *rule_slot(b, pair) = (struct rule_key){pair, (uint32_t)i, f->merges[i].result};
    }
    for (uint32_t id = 0; id < m->vocabulary.count; id++)
        if (f->in_model[id])
            add_symbol(b, id, (const uint8_t *)m->names + m->name_starts[id],
                       m->name_starts[id + 1] - m->name_starts[id]);
    return !b->whole_words || collect_words(b, f, path);
}

enum ngt_status tok_bpe_hf_new(const struct tok_hf_file *f, bool marker, const char *path,
                               struct tok_bpe_hf **ret_bpe, struct ngt_error *reterr)
{
    struct tok_bpe_hf *b = calloc(1, sizeof *b);

    if (f->prefix.size + f->suffix.size > LONGEST - 4) {
        free(b);
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "model: \"continuing_subword_prefix\" and \"end_of_word_suffix\" of more "
                        "than %d bytes are not supported",
                        LONGEST - 4);
    }
    if (b) {
        b->bytes = f->bytes;
        b->marker = marker;
        b->fuse = f->fuse_unknown;
        b->fallback = f->byte_fallback;
        b->unknown = f->unknown;
        b->whole_words = f->ignore_merges;
        memcpy(b->byte_ids, f->byte_ids, sizeof b->byte_ids);
        if (fill(b, f, path)) {
            *ret_bpe = b;
            return NGT_OK;
        }
    }
    tok_bpe_hf_free(&b);
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

void tok_bpe_hf_free(struct tok_bpe_hf **bpe)
{
    if (!*bpe)
        return;
    free((*bpe)->symbols);
    free((*bpe)->rules);
    free((*bpe)->prefix);
    free((*bpe)->suffix);
    free((*bpe)->spellings);
    free((*bpe)->starts);
    tok_names_done(&(*bpe)->words);
    free(*bpe);
    *bpe = NULL;
}

enum ngt_status tok_bpe_hf_scratch_new(struct tok_bpe_hf_scratch **ret_scratch,
                                       struct ngt_error *reterr)
{
    *ret_scratch = calloc(1, sizeof **ret_scratch);
    if (!*ret_scratch)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    return NGT_OK;
}

void tok_bpe_hf_scratch_free(struct tok_bpe_hf_scratch **scratch)
{
    if (!*scratch)
        return;
    free((*scratch)->nodes);
    free((*scratch)->heap);
    free(*scratch);
    *scratch = NULL;
}

uint64_t tok_bpe_hf_ids_per_byte(const struct tok_bpe_hf *b)
{
    /* a byte of a word may be a character of two or three bytes with a prefix and a suffix */
    return b->fallback ? 3 + b->prefix_size + b->suffix_size : 1;
}

static enum ngt_status no_memory(uint64_t n, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for a word of %llu symbols", (unsigned long long)n);
}

static enum ngt_status push_node(struct tok_bpe_hf_scratch *s, uint32_t id,
                                 struct ngt_error *reterr)
{
    if (s->count == s->room) {
        uint64_t room = s->room * 2 + 256;
        struct node *grown = room < NONE ? realloc(s->nodes, room * sizeof *grown) : NULL;
        if (!grown)
            return no_memory(room, reterr);
        s->nodes = grown;
        s->room = room;
    }
    uint32_t at = (uint32_t)s->count++;
    s->nodes[at] = (struct node){id, at ? at - 1 : NONE, NONE};
    if (at)
        s->nodes[at - 1].next = at;
    return NGT_OK;
}

/* The bytes of a character that is no symbol, with what belongs to its place. */
static uint64_t fallback_bytes(const struct tok_bpe_hf *b, uint32_t c, unsigned place, uint8_t *out)
{
    uint64_t n = 0;

    if (place & NOT_FIRST) {
        memcpy(out, b->prefix, b->prefix_size);
        n = b->prefix_size;
    }
    n += tok_utf8_put(b->bytes ? tok_hf_byte_char((uint8_t)c) : c, out + n);
    if (place & LAST) {
        memcpy(out + n, b->suffix, b->suffix_size);
        n += b->suffix_size;
    }
    return n;
}

static enum ngt_status symbols_of(const struct tok_bpe_hf *b, struct tok_bpe_hf_scratch *s,
                                  const uint8_t *word, uint64_t n, struct ngt_error *reterr)
{
    bool pending = false; /* an unknown that is not in the list yet */
    unsigned size = 1;
    enum ngt_status status = NGT_OK;

    s->count = 0;
    for (uint64_t at = 0; at < n && status == NGT_OK; at += size) {
        uint32_t c = b->bytes ? word[at] : tok_utf8_get(word + at, &size);
        unsigned place = (at ? NOT_FIRST : 0) | (at + size == n ? LAST : 0);
        uint8_t text[LONGEST + 4];
        if (b->marker && c == ' ')
            c = 0x2581;
        const struct symbol_key *k = symbol_slot(b, (c << 2 | place) + 1);
        if (k->key) {
            if (pending)
                status = push_node(s, b->unknown, reterr);
            pending = false;
            if (status == NGT_OK)
                status = push_node(s, k->id, reterr);
            continue;
        }
        uint64_t bytes = b->fallback ? fallback_bytes(b, c, place, text) : 0, known = 0;
        while (known < bytes && b->byte_ids[text[known]] != NGT_NO_ID)
            known++;
        if (b->fallback && known == bytes) {
            for (uint64_t i = 0; i < bytes && status == NGT_OK; i++)
                status = push_node(s, b->byte_ids[text[i]], reterr);
            continue;
        }
        if (b->unknown == NGT_NO_ID)
            continue;
        if (pending && !b->fuse)
            status = push_node(s, b->unknown, reterr);
        pending = true;
    }
    return pending && status == NGT_OK ? push_node(s, b->unknown, reterr) : status;
}

static bool before(struct candidate a, struct candidate b)
{
    return a.rank != b.rank ? a.rank < b.rank : a.at < b.at;
}

static void sift_down(struct candidate *heap, uint64_t count, struct candidate c)
{
    uint64_t at = 0, child;

    while ((child = 2 * at + 1) < count) {
        child += child + 1 < count && before(heap[child + 1], heap[child]);
        if (!before(heap[child], c))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = c;
}

/* The pair at `at` and its neighbour, if it is a rule. */
static enum ngt_status push_pair(const struct tok_bpe_hf *b, struct tok_bpe_hf_scratch *s,
                                 uint32_t at, struct ngt_error *reterr)
{
    uint32_t next = s->nodes[at].next;
    const struct rule_key *r;

    if (next == NONE)
        return NGT_OK;
    r = rule_slot(b, (uint64_t)s->nodes[at].id << 32 | s->nodes[next].id);
    if (r->rank == NONE)
        return NGT_OK;
    if (s->heap_count == s->heap_room) {
        uint64_t room = s->heap_room * 2 + 256;
        struct candidate *grown = realloc(s->heap, room * sizeof *grown);
        if (!grown)
            return no_memory(room, reterr);
        s->heap = grown;
        s->heap_room = room;
    }
    struct candidate c = {r->rank, at, r->result};
    uint64_t k = s->heap_count++;
    for (; k && before(c, s->heap[(k - 1) / 2]); k = (k - 1) / 2)
        s->heap[k] = s->heap[(k - 1) / 2];
    s->heap[k] = c;
    return NGT_OK;
}

static enum ngt_status merge(const struct tok_bpe_hf *b, struct tok_bpe_hf_scratch *s,
                             struct ngt_error *reterr)
{
    enum ngt_status status = NGT_OK;

    s->heap_count = 0;
    for (uint32_t i = 0; i + 1 < s->count && status == NGT_OK; i++)
        status = push_pair(b, s, i, reterr);
    while (s->heap_count && status == NGT_OK) {
        struct candidate top = s->heap[0];
        s->heap_count--;
        if (s->heap_count)
            sift_down(s->heap, s->heap_count, s->heap[s->heap_count]);
        struct node *left = &s->nodes[top.at];
        if (left->id == NONE || left->next == NONE)
            continue;
        /* stale only if the pair that stands there now does not give the same token */
        struct node *right = &s->nodes[left->next];
        const struct rule_key *r = rule_slot(b, (uint64_t)left->id << 32 | right->id);
        if (r->rank == NONE || r->result != top.result)
            continue;
        left->id = top.result;
        right->id = NONE;
        left->next = right->next;
        if (left->next != NONE)
            s->nodes[left->next].previous = top.at;
        if (left->previous != NONE)
            status = push_pair(b, s, left->previous, reterr);
        if (status == NGT_OK)
            status = push_pair(b, s, top.at, reterr);
    }
    return status;
}

enum ngt_status tok_bpe_hf_encode(const void *bpe, void *scratch, const uint8_t *word, uint64_t n,
                                  uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    const struct tok_bpe_hf *b = bpe;
    struct tok_bpe_hf_scratch *s = scratch;
    uint64_t count = 0;

    if (b->whole_words) {
        uint32_t id = tok_names_find(&b->words, word, n);
        if (id != NGT_NO_ID) {
            ret_ids[0] = id;
            *ret_count = 1;
            return NGT_OK;
        }
    }
    enum ngt_status status = symbols_of(b, s, word, n, reterr);
    if (status == NGT_OK)
        status = merge(b, s, reterr);
    if (status != NGT_OK)
        return status;
    for (uint64_t i = 0; i < s->count; i++)
        if (s->nodes[i].id != NONE)
            ret_ids[count++] = s->nodes[i].id;
    *ret_count = count;
    return NGT_OK;
}
