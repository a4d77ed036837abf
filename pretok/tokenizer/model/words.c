/*
 * A batch is done in groups: first the keys of all words are made and their lines asked for, then
 * they are looked up, so that the memory answers while other keys are made.
 *
 * All ids of an entry are copied, whether they count or not; then the place moves on by the count.
 */
#include "model/words.h"

#include <stdlib.h>

#include "model/word_tables.h"

#define GROUP 32
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

/* A word that is not in its first line. */
static enum ngt_status other(struct tok_words *w, const struct tok_probe *p, uint32_t *ids,
                             uint64_t *ret_count, struct ngt_error *reterr)
{
    struct tok_found found = tok_word_tables_find(&w->tables, p);
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
    enum ngt_status status =
        w->encode(w->model, w->scratch, p->word, p->size, ids, ret_count, reterr);
    if (status == NGT_OK)
        tok_word_tables_keep(&w->tables, p, ids, *ret_count);
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
 * keep: 40% of the time of 20 MB of base64. So where the tables are full and yet words of five
 * ninths of the bytes of a stretch were not there, the next one, four times as long, goes around them; then
 * it is tried again (none is missed meanwhile). Not before they are full: text is new at first.
 * (Base64: 73% of the bytes, 59 where spaces are put in and case is folded; 98 languages in documents of 20 KB, in random order: 49; a corpus of
 * thirty: 16 to 33, from cold.)
 */
static bool go_around(struct tok_words *w)
{
    if (w->bytes >= (w->around ? 4 * STRETCH : STRETCH)) {
        w->around = w->stats.misses > FULL && 9 * w->missed > 5 * w->bytes;
        w->bytes = w->missed = 0;
    }
    return w->around;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct tok_probe probes[GROUP];
    uint32_t *out = ret_ids;
    uint32_t start = (uint32_t)from;

    w->stats.words += count;
    w->bytes += count ? ends[count - 1] - from : 0;
    if (!w->keep || go_around(w))
        return encode_all(w, text, from, ends, count, ret_ids, ret_count, reterr);
    for (uint64_t done = 0; done < count;) {
        uint64_t group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < group; i++) {
            tok_probe_ask(&w->tables, &probes[i], text + start, ends[done + i] - start, n - start);
            start = ends[done + i];
        }
        for (uint64_t i = 0; i < group; i++) {
            const struct tok_probe *p = &probes[i];
            uint64_t more = 0;
            if (p->size <= TOK_SHORT_BYTES) {
                const struct tok_short_pair *pair =
                    &w->tables.shorts[tok_word_slot(p->hash, TOK_SHORT_BITS)];
                uint64_t first = (pair->keys[0][0] ^ p->key[0]) | (pair->keys[0][1] ^ p->key[1]);
                uint64_t second = (pair->keys[1][0] ^ p->key[0]) | (pair->keys[1][1] ^ p->key[1]);
                unsigned way = second == 0;
                uint32_t head = pair->ids[way][0];
                if ((first == 0 || second == 0) && head >> 24 != TOK_ELSEWHERE) {
                    memcpy(out, pair->ids[way], sizeof pair->ids[way]);
                    out[0] = head & TOK_ID_MASK;
                    out += head >> 24;
                    continue;
                }
            }
            if (p->size > TOK_SHORT_BYTES && p->size <= TOK_LONG_BYTES) {
                const struct tok_long_entry *e =
                    &w->tables.longs[tok_word_slot(p->hash, TOK_LONG_BITS)];
                uint32_t head = e->ids[0];
                if (tok_long_is_at(e, p) && head >> 24 != TOK_ELSEWHERE) {
                    memcpy(out, e->ids, sizeof e->ids);
                    out[0] = head & TOK_ID_MASK;
                    out += head >> 24;
                    continue;
                }
            }
            enum ngt_status status = other(w, p, out, &more, reterr);
            if (status != NGT_OK)
                return status;
            out += more;
        }
        done += group;
    }
    *ret_count = (uint64_t)(out - ret_ids);
    return NGT_OK;
}
