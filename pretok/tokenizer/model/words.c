/*
 * A batch is done in groups: first the keys of all words are made and their lines asked for, then
 * they are looked up, so that the memory answers while other keys are made.
 *
 * All ids of an entry are copied, whether they count or not; then the place moves on by the count.
 */
#include "model/words.h"

#include <stdlib.h>

#include "model/word_tables.h"

#define GROUP 64
#define STRETCH 65536   /* bytes */
#define FULL (3u << 17) /* words not found, after which the tables count as full */

struct tok_words {
    struct tok_word_tables tables;
    tok_word_fn encode;
    const void *model;
    void *scratch;
    bool keep;
    struct tok_stats stats;
    uint64_t bytes, missed; /* of this stretch, and of its words that were not there */
    bool around;            /* this stretch goes around the tables */
};

enum ngt_status tok_words_new(tok_word_fn encode, const void *model, void *scratch, bool keep,
                              struct tok_words **ret_words, struct ngt_error *reterr)
{
    struct tok_words *w = calloc(1, sizeof *w);

    if (!w || (keep && !tok_word_tables_init(&w->tables))) {
        free(w);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the word cache");
    }
    w->encode = encode;
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

/* A word that is not in the first line of the first table. */
static enum ngt_status other(struct tok_words *w, const struct tok_probe *p, const uint8_t *word,
                             uint32_t *ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct tok_found found = tok_word_tables_find(&w->tables, p, word);
    if (found.ids) {
        /* Copies of a fixed size are a few moves, and what is kept can be read that far. */
        if (found.count <= TOK_LONG_IDS)
            memcpy(ids, found.ids, TOK_LONG_IDS * sizeof *ids);
        else
            memcpy(ids, found.ids, found.count * sizeof *ids);
        ids[0] &= TOK_ID_MASK;
        *ret_count = found.count;
        return NGT_OK;
    }
    w->stats.misses++;
    w->missed += p->size;
    enum ngt_status status = w->encode(w->model, w->scratch, word, p->size, ids, ret_count, reterr);
    if (status == NGT_OK)
        tok_word_tables_keep(&w->tables, p, word, ids, *ret_count);
    return status;
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

/* All ids of an entry; returns how many of them count. */
static inline uint64_t take(const uint32_t *known, uint32_t *out)
{
    uint32_t head = known[0];

    memcpy(out, known, TOK_SHORT_IDS * sizeof *out);
    out[0] = head & TOK_ID_MASK;
    return head >> 24;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    const struct tok_word_tables *t = &w->tables;
    struct tok_probe probes[GROUP];
    uint32_t *out = ret_ids;
    uint64_t start = from;

    w->stats.words += count;
    w->bytes += count ? ends[count - 1] - from : 0;
    if (!w->keep || go_around(w))
        return encode_all(w, text, from, ends, count, ret_ids, ret_count, reterr);
    for (uint64_t done = 0; done < count;) {
        uint64_t group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < group; i++) {
            uint32_t size = ends[done + i] - (uint32_t)start;
            if (start + TOK_LONG_BYTES < n)
                tok_probe_ask(t, &probes[i], text + start, size);
            else
                ask_at_end(t, &probes[i], text + start, size);
            start = ends[done + i];
        }
        for (uint64_t i = 0; i < group; i++) {
            const struct tok_probe *p = &probes[i];
            const struct tok_short_pair *pair = p->line;
            if (is_at(pair, 0, p) && pair->ids[0][0] >> 24 != TOK_ELSEWHERE) {
                out += take(pair->ids[0], out);
                continue;
            }
            if (is_at(pair, 1, p) && pair->ids[1][0] >> 24 != TOK_ELSEWHERE) {
                out += take(pair->ids[1], out);
                continue;
            }
            uint64_t found = 0;
            enum ngt_status status =
                other(w, p, text + ends[done + i] - p->size, out, &found, reterr);
            if (status != NGT_OK)
                return status;
            out += found;
        }
        done += group;
    }
    *ret_count = (uint64_t)(out - ret_ids);
    return NGT_OK;
}
