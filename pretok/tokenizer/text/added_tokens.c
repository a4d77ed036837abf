/*
 * A trie in one hash table, walked from every place where two bytes are those of some token's
 * beginning. Most text has no such place, so finding the first byte is what must be fast.
 */
#include "text/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "text/hf_tables.h"
#include "text/utf8_inline.h"

#define NO_TOKEN UINT32_MAX

struct edge {
    uint64_t key; /* node << 8 | byte, plus 1; 0: free */
    uint32_t node;
};

struct tok_added {
    struct tok_added_token *tokens; /* without their contents */
    uint32_t *token_of;             /* of each node, or NO_TOKEN */
    struct edge *edges;
    uint64_t mask, nodes;
    /* Of the groups that tokens fall into by their first byte: a bit in `first` of that byte, and in
     * `second` of each byte that may stand behind it. */
    uint8_t first[256], second[256];
    bool single[256];     /* a token of this one byte */
    uint64_t pairs[1024]; /* a bit for each pair of bytes that begin a token */
    unsigned firsts;      /* different first bytes */
    int only;             /* the one first byte, or -1 */
};

static uint64_t slot_of(const struct tok_added *a, uint64_t key)
{
    return (key * 0x9E3779B97F4A7C15u) >> 20 & a->mask;
}

static struct edge *edge_of(const struct tok_added *a, uint32_t node, uint8_t byte)
{
    uint64_t key = ((uint64_t)node << 8 | byte) + 1, at = slot_of(a, key);

    while (a->edges[at].key && a->edges[at].key != key)
        at = (at + 1) & a->mask;
    return &a->edges[at];
}

static void insert(struct tok_added *a, const struct tok_added_token *t, uint32_t index)
{
    uint32_t node = 0;

    for (uint64_t i = 0; i < t->size; i++) {
        struct edge *e = edge_of(a, node, t->content[i]);
        if (!e->key) {
            *e = (struct edge){((uint64_t)node << 8 | t->content[i]) + 1, (uint32_t)a->nodes};
            a->token_of[a->nodes++] = NO_TOKEN;
        }
        node = e->node;
    }
    a->token_of[node] = index;
    if (!a->first[t->content[0]])
        a->first[t->content[0]] = (uint8_t)(1u << a->firsts++ % 8);
    uint8_t group = a->first[t->content[0]];
    if (t->size == 1) {
        a->single[t->content[0]] = true;
        for (unsigned b = 0; b < 256; b++)
            a->second[b] |= group;
    } else {
        unsigned pair = (unsigned)t->content[0] << 8 | t->content[1];
        a->second[t->content[1]] |= group;
        a->pairs[pair >> 6] |= (uint64_t)1 << (pair & 63);
    }
}

enum ngt_status tok_added_new(const struct tok_added_token *tokens, uint64_t count,
                              const char *path, struct tok_added **ret_added,
                              struct ngt_error *reterr)
{
    struct tok_added *a = calloc(1, sizeof *a);
    uint64_t total = 1, room = 16;

    for (uint64_t i = 0; i < count; i++)
        total += tokens[i].size;
    while (room < 2 * total)
        room *= 2;
    if (total >= UINT32_MAX || count >= NO_TOKEN)
        goto nomem;
    if (a) {
        a->mask = room - 1;
        a->tokens = malloc(count * sizeof *a->tokens + 1);
        a->token_of = malloc(total * sizeof *a->token_of);
        a->edges = calloc(room, sizeof *a->edges);
    }
    if (!a || !a->tokens || !a->token_of || !a->edges)
        goto nomem;
    a->token_of[a->nodes++] = NO_TOKEN;
    for (uint64_t i = 0; i < count; i++) {
        a->tokens[i] = tokens[i];
        a->tokens[i].content = NULL;
        insert(a, &tokens[i], (uint32_t)i);
    }
    a->only = a->firsts == 1 ? tokens[0].content[0] : -1;
    *ret_added = a;
    return NGT_OK;
nomem:
    tok_added_free(&a);
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for %llu added tokens", (unsigned long long)count);
}

void tok_added_free(struct tok_added **added)
{
    if (!*added)
        return;
    free((*added)->tokens);
    free((*added)->token_of);
    free((*added)->edges);
    free(*added);
    *added = NULL;
}

/* Does no token begin at any of the eight bytes from here on, of nine? */
static inline bool none_of_eight(const struct tok_added *a, const uint8_t *text)
{
    unsigned may = 0;

    for (unsigned i = 0; i < 8; i++)
        may |= a->first[text[i]] & a->second[text[i + 1]];
    return may == 0;
}

/* The next place from `at` on where a token may begin; n where there is none. */
static uint64_t candidate(const struct tok_added *a, const uint8_t *text, uint64_t n, uint64_t at)
{
    for (; at < n; at++) {
        if (a->only >= 0) {
            const uint8_t *found = memchr(text + at, a->only, n - at);
            if (!found)
                return n;
            at = (uint64_t)(found - text);
        } else {
            while (n - at > 8 && none_of_eight(a, text + at))
                at += 8;
            while (at < n && !a->first[text[at]])
                at++;
            if (at == n)
                return n;
        }
        if (a->single[text[at]])
            return at;
        if (at + 1 < n) {
            unsigned pair = (unsigned)text[at] << 8 | text[at + 1];
            if (a->pairs[pair >> 6] >> (pair & 63) & 1)
                return at;
        }
    }
    return n;
}

/* The longest token at text[at]. */
static uint32_t longest(const struct tok_added *a, const uint8_t *text, uint64_t n, uint64_t at,
                        uint64_t *ret_end)
{
    uint32_t node = 0, found = NO_TOKEN;

    for (; at < n; at++) {
        const struct edge *e = edge_of(a, node, text[at]);
        if (!e->key)
            break;
        node = e->node;
        if (a->token_of[node] != NO_TOKEN) {
            found = a->token_of[node];
            *ret_end = at + 1;
        }
    }
    return found;
}

static bool has_class(const uint8_t *at, uint8_t class)
{
    unsigned size;

    return (tok_hf_class(tok_utf8_get(at, &size)) & class) != 0;
}

bool tok_added_next(const struct tok_added *a, const uint8_t *text, uint64_t n,
                    struct tok_added_walk *walk, struct tok_added_match *ret_match)
{
    uint64_t start, end = 0;

    while ((start = candidate(a, text, n, walk->at)) < n) {
        uint32_t index = longest(a, text, n, start, &end);
        if (index == NO_TOKEN) {
            walk->at = start + 1;
            continue;
        }
        const struct tok_added_token *t = &a->tokens[index];
        walk->at = end;
        if (t->text)
            continue;
        if (t->single_word &&
            ((start > 0 && has_class(tok_utf8_back(text, text + start), TOK_HF_WORD)) ||
             (end < n && has_class(text + end, TOK_HF_WORD))))
            continue;
        if (t->lstrip) {
            while (start > walk->done) {
                const uint8_t *before = tok_utf8_back(text, text + start);
                if (!has_class(before, TOK_HF_SPACE))
                    break;
                start = (uint64_t)(before - text);
            }
            if (start < walk->done)
                start = walk->done;
        }
        while (t->rstrip && end < n && has_class(text + end, TOK_HF_SPACE))
            end += tok_utf8_lead_size(text[end]);
        /* in white space that the match before took with rstrip: nothing is left, so it is no match */
        if (start >= end) {
            walk->done = start > end ? walk->done : end;
            continue;
        }
        *ret_match = (struct tok_added_match){t->id, walk->done, start, end};
        walk->done = end;
        return true;
    }
    return false;
}
