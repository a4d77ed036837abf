/* See unigram_hf.h. Sums are formed in the library's order, so that they round alike. */
#include "model/unigram_hf.h"

#include <stdlib.h>
#include <string.h>

#include "model/trie.h"
#include "ngt/layout.h"
#include "text/utf8_inline.h"

#define UNKNOWN_PENALTY 10.0
#define NOWHERE UINT32_MAX

struct tok_unigram_hf {
    struct tok_trie trie;
    double *scores;
    double unknown_score;
    uint32_t unknown, byte_ids[256];
    bool fallback;
};

/* The best way to a place in the word. */
struct way {
    double score;
    uint32_t from; /* NOWHERE: none yet */
    uint32_t id;
};
struct tok_unigram_hf_scratch {
    struct way *ways;
    uint64_t room;
};

enum ngt_status tok_unigram_hf_new(struct tok_hf_file *f, const char *path,
                                   struct tok_unigram_hf **ret_unigram, struct ngt_error *reterr)
{
    const struct tok_model *m = &f->model;
    struct tok_unigram_hf *u = calloc(1, sizeof *u);
    struct tok_trie_key *keys = malloc((m->vocabulary.count + 1ull) * sizeof *keys);
    uint64_t count = 0;
    enum ngt_status status = NGT_E_NOMEM;

    for (uint32_t id = 0; keys && id < m->vocabulary.count; id++) {
        uint64_t n = m->name_starts[id + 1] - m->name_starts[id];
        if (f->in_model[id] && n)
            keys[count++] =
                (struct tok_trie_key){(const uint8_t *)m->names + m->name_starts[id], n, id};
    }
    if (m->vocabulary.count >= TOK_TRIE_NONE) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "%u tokens; at most 2^24 are supported", m->vocabulary.count);
    } else if (u && keys && tok_trie_init(&u->trie, keys, count, reterr) == NGT_OK) {
        u->scores = f->scores;
        f->scores = NULL;
        u->unknown_score = f->min_score - UNKNOWN_PENALTY;
        u->unknown = f->unknown;
        u->fallback = f->byte_fallback;
        memcpy(u->byte_ids, f->byte_ids, sizeof u->byte_ids);
        *ret_unigram = u;
        u = NULL;
        status = NGT_OK;
    }
    free(keys);
    tok_unigram_hf_free(&u);
    if (status == NGT_E_NOMEM)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the vocabulary");
    return status;
}

void tok_unigram_hf_free(struct tok_unigram_hf **unigram)
{
    if (!*unigram)
        return;
    tok_trie_done(&(*unigram)->trie);
    free((*unigram)->scores);
    free(*unigram);
    *unigram = NULL;
}

enum ngt_status tok_unigram_hf_scratch_new(struct tok_unigram_hf_scratch **ret,
                                           struct ngt_error *reterr)
{
    *ret = calloc(1, sizeof **ret);
    if (!*ret)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    return NGT_OK;
}

void tok_unigram_hf_scratch_free(struct tok_unigram_hf_scratch **scratch)
{
    if (!*scratch)
        return;
    free((*scratch)->ways);
    free(*scratch);
    *scratch = NULL;
}

/* On equal scores the way found first stays, which is that of the earlier start. */
static void offer(struct way *to, double score, uint64_t from, uint32_t id)
{
    if (to->from == NOWHERE || score > to->score)
        *to = (struct way){score, (uint32_t)from, id};
}

static void find_ways(const struct tok_unigram_hf *u, struct way *ways, const uint8_t *word,
                      uint64_t n)
{
    ways[0] = (struct way){0, NOWHERE, 0};
    for (uint64_t i = 1; i <= n; i++)
        ways[i].from = NOWHERE;
    for (uint64_t at = 0; at < n;) {
        uint64_t size = tok_utf8_lead_size(word[at]);
        double here = ways[at].score;
        bool single = false;
        uint32_t base = u->trie.root;
        tok_trie_unit unit;
        for (uint64_t end = at; end < n && tok_trie_step(&u->trie, base, word[end], &unit);) {
            uint32_t id = tok_trie_value(unit);
            base = tok_trie_base(unit);
            end++;
            if (id != TOK_TRIE_NONE) {
                offer(&ways[end], u->scores[id] + here, at, id);
                single |= end - at == size;
            }
            if (end < n && !tok_trie_may_step(unit, word[end]))
                break;
        }
        if (!single)
            offer(&ways[at + size], u->unknown_score + here, at, u->unknown);
        at += size;
    }
}

static uint32_t token_of(const struct tok_unigram_hf *u, const uint8_t *text, uint64_t n)
{
    uint32_t base = u->trie.root;
    tok_trie_unit unit = (tok_trie_unit)TOK_TRIE_NONE << 8;

    for (uint64_t at = 0; at < n; at++) {
        if (at && !base)
            return NGT_NO_ID;
        if (!tok_trie_step(&u->trie, base, text[at], &unit))
            return NGT_NO_ID;
        base = tok_trie_base(unit);
    }
    return tok_trie_value(unit) == TOK_TRIE_NONE ? NGT_NO_ID : tok_trie_value(unit);
}

/* A run of unknowns is one string, which may be a token after all; written from the back. */
static uint32_t *put_unknown(const struct tok_unigram_hf *u, const uint8_t *text, uint64_t n,
                             uint32_t *end)
{
    uint32_t id = token_of(u, text, n);
    uint64_t known = 0;

    if (id != NGT_NO_ID) {
        *--end = id;
        return end;
    }
    while (u->fallback && known < n && u->byte_ids[text[known]] != NGT_NO_ID)
        known++;
    if (!u->fallback || known < n) {
        *--end = u->unknown;
        return end;
    }
    while (n)
        *--end = u->byte_ids[text[--n]];
    return end;
}

enum ngt_status tok_unigram_hf_encode(const void *unigram, void *scratch, const uint8_t *word,
                                      uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                      struct ngt_error *reterr)
{
    const struct tok_unigram_hf *u = unigram;
    struct tok_unigram_hf_scratch *s = scratch;

    if (s->room <= n) {
        struct way *grown = realloc(s->ways, (n + n / 2 + 64) * sizeof *grown);
        if (!grown)
            return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                            "out of memory for a sentence of %llu bytes", (unsigned long long)n);
        s->ways = grown;
        s->room = n + n / 2 + 64;
    }
    find_ways(u, s->ways, word, n);
    /* from the back to the end of the room, then moved to its front */
    uint32_t *end = ret_ids + n, *at = end;
    for (uint64_t to = n; to;) {
        uint64_t from = s->ways[to].from;
        if (s->ways[to].id != u->unknown) {
            *--at = s->ways[to].id;
            to = from;
            continue;
        }
        while (from && s->ways[from].id == u->unknown)
            from = s->ways[from].from;
        at = put_unknown(u, word + from, to - from, at);
        to = from;
    }
    *ret_count = (uint64_t)(end - at);
    memmove(ret_ids, at, *ret_count * sizeof *at);
    return NGT_OK;
}
