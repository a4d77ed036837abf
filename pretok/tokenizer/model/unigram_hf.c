/*
 * See unigram_hf.h. Sums are formed in the library's order, so that they round alike.
 *
 * A long word is done in stretches: the best ways to all places that can still be gone on from have a
 * beginning in common, mostly up to a few pieces back, and that beginning is certain.
 */
#include "model/unigram_hf.h"

#include <stdlib.h>
#include <string.h>

#include "model/trie.h"
#include "ngt/layout.h"
#include "ngt/memory.h"
#include "text/utf8_inline.h"

#define UNKNOWN_PENALTY 10.0
#define NOWHERE UINT32_MAX
#define STRETCH 16384 /* bytes, whose ways stay in a near cache */

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

/* A word on its way to ids. Places are counted from the word's begin; those before `base` are done. */
struct run {
    const uint8_t *word;
    uint64_t n, base;
    uint64_t at;    /* from here on, no way was gone on with */
    uint64_t known; /* ways up to here are set, if only to NOWHERE */
    uint64_t count; /* ids */
};

struct tok_unigram_hf_scratch {
    struct way *ways; /* of places from run.base on */
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

/* Bytes of the longest step: a piece, or a character that is none. */
static uint64_t longest(const struct tok_unigram_hf *u)
{
    return u->trie.max_bytes > 4 ? u->trie.max_bytes : 4;
}

/* On equal scores the way found first stays, which is that of the earlier start. */
static void offer(struct way *to, double score, uint64_t from, uint32_t id)
{
    if (to->from == NOWHERE || score > to->score)
        *to = (struct way){score, (uint32_t)from, id};
}

/* Ways from all places before `stop`; the room reaches as far as a piece from there. */
static void find_ways(const struct tok_unigram_hf *u, struct way *all, struct run *r, uint64_t stop)
{
    const uint8_t *word = r->word;
    const uint64_t n = r->n;
    uint64_t at = r->at, reach = n - stop < longest(u) ? n : stop + longest(u);

    while (r->known < reach)
        all[++r->known - r->base].from = NOWHERE;
    while (at < stop) {
        struct way *ways = all + (at - r->base); /* to places from here on */
        uint64_t size = tok_utf8_lead_size(word[at]), left = n - at;
        double here = ways->score;
        bool single = false;
        uint32_t base = u->trie.root;
        tok_trie_unit unit;
        for (uint64_t end = 0;
             end < left && tok_trie_step(&u->trie, base, word[at + end], &unit);) {
            uint32_t id = tok_trie_value(unit);
            base = tok_trie_base(unit);
            end++;
            if (id != TOK_TRIE_NONE) {
                offer(&ways[end], u->scores[id] + here, at, id);
                single |= end == size;
            }
            if (end < left && !tok_trie_may_step(unit, word[at + end]))
                break;
        }
        if (!single)
            offer(&ways[size], u->unknown_score + here, at, u->unknown);
        at += size;
    }
    r->at = at;
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

/* The ids of the way from r->base to a place, behind those that are there; written from the back to the
 * end of their room, then moved to its front. */
static void put_way(const struct tok_unigram_hf *u, const struct way *ways, struct run *r,
                    uint64_t to, uint32_t *ret_ids)
{
    uint32_t *begin = ret_ids + r->count, *end = begin + (to - r->base), *at = end;

    while (to > r->base) {
        uint64_t from = ways[to - r->base].from;
        if (ways[to - r->base].id != u->unknown) {
            *--at = ways[to - r->base].id;
            to = from;
            continue;
        }
        while (from > r->base && ways[from - r->base].id == u->unknown)
            from = ways[from - r->base].from;
        at = put_unknown(u, r->word + from, to - from, at);
        to = from;
    }
    memmove(begin, at, (uint64_t)(end - at) * sizeof *at);
    r->count += (uint64_t)(end - at);
}

/* The last place that all ways from r->at on and beyond have in common, and that does not part a run of
 * unknowns. */
static uint64_t common(const struct tok_unigram_hf *u, const struct way *ways, const struct run *r)
{
    const uint64_t base = r->base;
    uint64_t place = r->at;

    for (uint64_t p = r->at + 1; p <= r->known; p++) {
        uint64_t other = ways[p - base].from;
        if (other == NOWHERE)
            continue;
        while (other != place) {
            if (other > place)
                other = ways[other - base].from;
            else
                place = ways[place - base].from;
        }
    }
    while (place > base && ways[place - base].id == u->unknown)
        place = ways[place - base].from;
    return place;
}

/* The first `kept` stay. */
static enum ngt_status reserve(struct tok_unigram_hf_scratch *s, uint64_t kept, uint64_t room,
                               struct ngt_error *reterr)
{
    if (room <= s->room)
        return NGT_OK;
    struct way *grown = ngt_grow(s->ways, kept * sizeof *grown, (room + room / 2) * sizeof *grown);
    if (!grown)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a sentence of %llu bytes", (unsigned long long)room);
    s->ways = grown;
    s->room = room + room / 2;
    return NGT_OK;
}

enum ngt_status tok_unigram_hf_encode_in(const struct tok_unigram_hf *u,
                                         struct tok_unigram_hf_scratch *s, uint64_t stretch,
                                         const uint8_t *word, uint64_t n, uint32_t *ret_ids,
                                         uint64_t *ret_count, struct ngt_error *reterr)
{
    struct run r = {.word = word, .n = n};
    uint64_t limit = stretch;
    enum ngt_status status = reserve(s, 0, 1, reterr);

    if (status == NGT_OK)
        s->ways[0] = (struct way){0, NOWHERE, 0};
    while (status == NGT_OK && r.at < n) {
        uint64_t stop = n - r.base < limit ? n : r.base + limit;
        uint64_t reach = n - stop < longest(u) ? n : stop + longest(u);
        status = reserve(s, r.known - r.base + 1, reach - r.base + 1, reterr);
        if (status != NGT_OK)
            return status;
        find_ways(u, s->ways, &r, stop);
        if (r.at >= n)
            break;
        uint64_t place = common(u, s->ways, &r);
        /* none (pieces of two letters in a run of one), or so far back that moving costs more */
        if (place == r.base || place - r.base < limit / 2) {
            limit = limit < 8 * stretch ? 2 * limit : n;
            continue;
        }
        put_way(u, s->ways, &r, place, ret_ids);
        memmove(s->ways, s->ways + (place - r.base), (r.known - place + 1) * sizeof *s->ways);
        r.base = place;
    }
    if (status == NGT_OK)
        put_way(u, s->ways, &r, n, ret_ids);
    *ret_count = r.count;
    return status;
}

enum ngt_status tok_unigram_hf_encode(const void *unigram, void *scratch, const uint8_t *word,
                                      uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                      struct ngt_error *reterr)
{
    /* so long that what is moved behind each, as far as the longest piece reaches, is little beside it */
    uint64_t least = 4 * longest(unigram), stretch = STRETCH > least ? STRETCH : least;

    return tok_unigram_hf_encode_in(unigram, scratch, stretch, word, n, ret_ids, ret_count, reterr);
}
