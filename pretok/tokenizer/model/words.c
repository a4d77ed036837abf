/*
 * A batch is done in groups, so that the memory answers for one word while others are looked at: the
 * keys of all are made and their lines asked for; those that are not in their first line are looked
 * for elsewhere; what is new is encoded, many words at once if the model can; all ids are written in
 * order; what was new is kept. All ids of an entry are copied, whether they count or not; then the
 * place moves on by the count.
 */
#include "model/words.h"

#include <stdlib.h>

#include "model/word_tables.h"

#define GROUP 64 /* bits of a mask */
#define STRETCH 65536   /* bytes */
#define FULL (3u << 17) /* words not found, after which the tables count as full */

struct tok_words {
    struct tok_word_tables tables;
    tok_word_fn encode;
    tok_many_words_fn many;
    const void *model;
    void *scratch;
    bool keep;
    struct tok_stats stats;
    uint64_t bytes, missed; /* of this stretch, and of its words that were not there */
    bool around;            /* this stretch goes around the tables */
};

enum ngt_status tok_words_new(tok_word_fn encode, tok_many_words_fn many, const void *model,
                              void *scratch, bool keep, struct tok_words **ret_words, struct ngt_error *reterr)
{
    struct tok_words *w = calloc(1, sizeof *w);

    if (!w || (keep && !tok_word_tables_init(&w->tables))) {
        free(w);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the word cache");
    }
    w->encode = encode;
    w->many = many;
    w->model = model;
    w->scratch = scratch;
    w->keep = keep;
    *ret_words = w;
    return NGT_OK;
}

void tok_words_free(struct tok_words **words)
{
    if (!*words)
        return;
    tok_word_tables_done(&(*words)->tables);
    free(*words);
    *words = NULL;
}

struct tok_stats tok_words_stats(const struct tok_words *words)
{
    struct tok_stats stats = words->stats;

    stats.starts_over = words->tables.starts_over;
    return stats;
}

/* Without the cache. */
static enum ngt_status encode_all(struct tok_words *w, const uint8_t *text, uint64_t from,
                                  const uint32_t *ends, uint64_t count, uint32_t *ret_ids,
                                  uint64_t *ret_count, struct ngt_error *reterr)
{
    *ret_count = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t start = i ? ends[i - 1] : from, more = 0;
        enum ngt_status status = w->encode(w->model, w->scratch, text + start, ends[i] - start,
                                           ret_ids + *ret_count, &more, reterr);
        if (status != NGT_OK)
            return status;
        w->stats.misses++;
        *ret_count += more;
    }
    return NGT_OK;
}

/*
 * Words that never come back (base64, hashes) cost a miss of memory or two each to find out and to
 * keep: 40% of the time of 20 MB of base64. So where the tables are full and yet words of five ninths
 * of the bytes of a stretch were not there, the next one, four times as long, goes around them; then it
 * is tried again (none is missed meanwhile). Not before they are full: text is new at first. (Base64:
 * 73% of the bytes, 59 where spaces are put in and case is folded; 98 languages in documents of 20 KB,
 * in random order: 49; a corpus of thirty: 16 to 33, from cold.)
 */
static bool go_around(struct tok_words *w)
{
    if (w->bytes >= (w->around ? 4 * STRETCH : STRETCH)) {
        w->around = w->stats.misses > FULL && 9 * w->missed > 5 * w->bytes;
        w->bytes = w->missed = 0;
    }
    return w->around;
}

/* The probe of a word that begins less than 32 bytes before text ends. */
static void ask_at_end(const struct tok_word_tables *t, struct tok_probe *p, const uint8_t *word,
                       uint32_t size)
{
    uint8_t copy[TOK_LONG_BYTES + 1] = {0};

    if (size < sizeof copy)
        memcpy(copy, word, size);
    tok_probe_ask(t, p, copy, size);
}

static inline bool is_at(const struct tok_short_pair *pair, unsigned way, const struct tok_probe *p)
{
    return ((pair->keys[way][0] ^ p->key[0]) | (pair->keys[way][1] ^ p->key[1])) == 0;
}

/* The words of a group. Most are in their first line; `others` are those that are not, or not with their
 * ids. */
struct group {
    struct tok_probe probes[GROUP];
    uint64_t count;
    uint64_t others; /* a bit each */
    const uint32_t *ids[GROUP]; /* of others, with their count at the top of the first; NULL: not yet */
    uint8_t again[GROUP];       /* of others, 1 + which of news is the same word; 0: none */
    uint8_t news[GROUP];        /* others that are nowhere */
    uint64_t new_count;
    uint64_t met; /* a bit by hash for each of news */
    struct tok_new_word words[GROUP]; /* of news */
};

static inline void ask(const struct tok_words *w, struct group *g, const uint8_t *text, uint64_t n,
                       uint64_t start, const uint32_t *ends)
{
    const struct tok_word_tables t = w->tables; /* which no store can change */

    for (uint64_t i = 0; i < g->count; i++) {
        uint32_t size = ends[i] - (uint32_t)start;
        if (start + TOK_LONG_BYTES < n)
            tok_probe_ask(&t, &g->probes[i], text + start, size);
        else
            ask_at_end(&w->tables, &g->probes[i], text + start, size);
        start = ends[i];
    }
}

/* A word for tok_many_words_fn; text [left] begins with it. */
static void copy_word(struct tok_new_word *to, const uint8_t *text, uint64_t left, uint32_t size)
{
    to->size = size;
    to->count = 0;
    if (size > TOK_MANY_BYTES)
        return;
    if (left >= 32 && size <= 32)
        memcpy(to->text, text, 32);
    else
        memcpy(to->text, text, size);
    memset(to->text + size, 0, sizeof(uint32_t));
}

/* Is it one of the new words so far? (They come in clusters.) */
static bool met(struct group *g, unsigned at)
{
    const struct tok_probe *p = &g->probes[at];
    uint64_t bit = 1ull << (tok_short_hash(p) & 63), maybe = g->met & bit;

    g->met |= bit;
    for (uint64_t i = 0; maybe && i < g->new_count && p->size <= TOK_LONG_BYTES; i++) {
        const struct tok_probe *q = &g->probes[g->news[i]];
        if (q->size == p->size && q->key[0] == p->key[0] && q->key[1] == p->key[1] &&
            (p->size <= TOK_SHORT_BYTES || (q->key[2] == p->key[2] && q->key[3] == p->key[3]))) {
            g->again[at] = (uint8_t)(i + 1);
            return true;
        }
    }
    return false;
}

static void find(const struct tok_words *w, struct group *g, const uint8_t *text, uint64_t n,
                 const uint32_t *ends)
{
    uint64_t others = 0;

    for (uint64_t i = 0; i < g->count; i++) {
        const struct tok_probe *p = &g->probes[i];
        bool other = !is_at(p->line, 0, p) | (p->line->ids[0][0] >> 24 == TOK_ELSEWHERE);
        others |= (uint64_t)other << i;
    }
    g->others = others;
    g->new_count = g->met = 0;
    for (uint64_t left = others; left; left &= left - 1)
        tok_word_tables_ask(&w->tables, &g->probes[__builtin_ctzll(left)]);
    for (uint64_t left = others; left; left &= left - 1) {
        unsigned at = (unsigned)__builtin_ctzll(left);
        const struct tok_probe *p = &g->probes[at];
        const uint8_t *word = text + ends[at] - p->size;
        g->ids[at] = tok_word_tables_find(&w->tables, p, word);
        g->again[at] = 0;
        if (g->ids[at] || met(g, at))
            continue;
        g->news[g->new_count] = (uint8_t)at;
        copy_word(&g->words[g->new_count++], word, n - (uint64_t)(word - text), p->size);
    }
}

static void meet(struct tok_words *w, struct group *g)
{
    if (w->many && g->new_count)
        w->many(w->model, g->words, g->new_count);
    for (uint64_t i = 0; i < g->new_count; i++) {
        struct tok_new_word *word = &g->words[i];
        w->missed += word->size;
        if (word->count) {
            word->ids[0] |= word->count << 24;
            g->ids[g->news[i]] = word->ids;
        }
    }
    w->stats.misses += g->new_count;
}

static void keep(struct tok_words *w, const struct group *g, const uint8_t *text,
                 const uint32_t *ends)
{
    for (uint64_t i = 0; i < g->new_count; i++) {
        const struct tok_new_word *word = &g->words[i];
        unsigned at = g->news[i];
        const struct tok_probe *p = &g->probes[at];
        tok_word_tables_keep(&w->tables, p, text + ends[at] - p->size, g->ids[at], word->count);
    }
}

/* Up to TOK_LONG_IDS ids with their count at the top; returns where the next ones go. */
static inline uint32_t *take(const uint32_t *known, uint32_t *out)
{
    uint64_t count = known[0] >> 24;

    memcpy(out, known, TOK_SHORT_IDS * sizeof *out);
    if (__builtin_expect(count > TOK_SHORT_IDS, 0))
        memcpy(out + TOK_SHORT_IDS, known + TOK_SHORT_IDS, TOK_SHORT_IDS * sizeof *out);
    out[0] = known[0] & TOK_ID_MASK;
    return out + count;
}

/* However many there are. */
static inline uint32_t *take_all(const uint32_t *known, uint32_t *out)
{
    uint64_t count = known[0] >> 24;

    for (uint64_t i = TOK_LONG_IDS; i < count; i += TOK_LONG_IDS)
        memcpy(out + i, known + i, TOK_LONG_IDS * sizeof *out);
    return take(known, out);
}

/* The ids of all words of a group, in order; *out moves on. */
static enum ngt_status put(struct tok_words *w, struct group *g, const uint8_t *text,
                           const uint32_t *ends, uint32_t **out, struct ngt_error *reterr)
{
    uint64_t i = 0, news = 0;
    uint32_t *to = *out;

    for (uint64_t left = g->others;; left &= left - 1) {
        uint64_t other = left ? (uint64_t)__builtin_ctzll(left) : g->count;
        for (; i < other; i++)
            to = take(g->probes[i].line->ids[0], to);
        if (i++ == g->count)
            break;
        if (g->again[other]) {
            const struct tok_new_word *word = &g->words[g->again[other] - 1];
            memcpy(to, g->ids[g->news[g->again[other] - 1]], word->count * sizeof *to);
            *to &= TOK_ID_MASK;
            to += word->count;
            continue;
        }
        if (g->ids[other]) {
            to = take_all(g->ids[other], to);
            continue;
        }
        uint64_t found = 0, size = g->probes[other].size;
        enum ngt_status status = w->encode(w->model, w->scratch, text + ends[other] - size, size, to,
                                           &found, reterr);
        if (status != NGT_OK)
            return status;
        while (g->news[news] != other)
            news++;
        g->words[news].count = (uint32_t)found;
        g->ids[other] = to;
        to += found;
    }
    *out = to;
    return NGT_OK;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct group g;
    uint32_t *out = ret_ids;
    uint64_t start = from;

    w->stats.words += count;
    w->bytes += count ? ends[count - 1] - from : 0;
    if (!w->keep || go_around(w))
        return encode_all(w, text, from, ends, count, ret_ids, ret_count, reterr);
    for (uint64_t done = 0; done < count; done += g.count) {
        g.count = count - done < GROUP ? count - done : GROUP;
        ask(w, &g, text, n, start, ends + done);
        find(w, &g, text, n, ends + done);
        meet(w, &g);
        enum ngt_status status = put(w, &g, text, ends + done, &out, reterr);
        if (status != NGT_OK)
            return status;
        keep(w, &g, text, ends + done);
        start = ends[done + g.count - 1];
    }
    *ret_count = (uint64_t)(out - ret_ids);
    return NGT_OK;
}
