/*
 * Words are done in groups: first the keys of all are made and their lines asked for, then they are looked
 * up, so that the memory answers while other keys are made.
 *
 * Where the model can encode many words at once, the ids of those that are in their first line are
 * set aside one behind the other, and the others leave gaps of no size. When there are some of these,
 * which may take several groups, they are looked for elsewhere, and what is new is encoded; then all ids
 * are written, with what belongs into the gaps.
 */
#include "model/words.h"

#include <stdlib.h>

#include "model/word_tables.h"

#define GROUP 128
#define WORDS 1024      /* whose ids are set aside, and those of one group more */
#define SOME 32         /* gaps that are filled together, if there are as many */
#define FEW 6           /* for which asking first does not pay */
#define STRETCH 65536   /* bytes */
#define FULL (3u << 17) /* words not found, after which the tables count as full */

/* A word that is not in its first line, or not with its ids. */
struct gap {
    struct tok_probe probe;
    const uint8_t *word;
    uint64_t at;         /* where its ids belong among those set aside */
    const uint32_t *ids; /* with their count at the top of the first; NULL: it is new */
    uint64_t of;         /* if new: which of news */
    uint64_t more; /* ids that tok_word_fn has written, if many left it to that; ids is where */
};

/* Words whose ids are not written yet, and the probes of a group of them. */
struct batch {
    struct tok_probe probes[GROUP];
    uint64_t group, words;                            /* how many */
    uint32_t ids[(WORDS + GROUP + 1) * TOK_LONG_IDS]; /* set aside */
    uint64_t count;                                   /* of ids */
    struct gap gaps[SOME + GROUP];
    uint64_t gap_count, new_count;
    uint64_t met[4]; /* a bit by hash for each of news */
    const struct gap *new_gaps[SOME + GROUP];
    struct tok_new_word news[SOME + GROUP];
};

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
    struct batch batch;     /* of the call at hand */
};

enum ngt_status tok_words_new(tok_word_fn encode, tok_many_words_fn many, const void *model,
                              void *scratch, bool keep, struct tok_words **ret_words,
                              struct ngt_error *reterr)
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

/* Probes for a group of up to `left` words, none of which is longer than what is kept. */
static inline void ask(const struct tok_words *w, struct batch *b, const uint8_t *text, uint64_t n,
                       uint64_t start, const uint32_t *ends, uint64_t left)
{
    const struct tok_word_tables t = w->tables; /* which no store can change */
    uint64_t most = left < GROUP ? left : GROUP, i = 0;

    for (; i < most; i++) {
        uint32_t size = ends[i] - (uint32_t)start;
        if (size > TOK_STORE_BYTES)
            break;
        if (start + TOK_LONG_BYTES < n)
            tok_probe_ask(&t, &b->probes[i], text + start, size);
        else
            ask_at_end(&w->tables, &b->probes[i], text + start, size);
        start = ends[i];
    }
    b->group = i;
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

/* From one of the two entries of the word's first line, if its ids are there. The first to come is mostly
 * what is frequent, so this is a branch. */
static inline bool take_way(const struct tok_probe *p, unsigned way, uint32_t **out)
{
    const uint32_t *ids = p->line->ids[way];

    if (!is_at(p->line, way, p) || *ids >> 24 == TOK_ELSEWHERE)
        return false;
    *out = take(ids, *out);
    return true;
}

/* However many there are. */
static inline uint32_t *take_all(const uint32_t *known, uint32_t *out)
{
    uint64_t count = known[0] >> 24;

    for (uint64_t i = TOK_LONG_IDS; i < count; i += TOK_LONG_IDS)
        memcpy(out + i, known + i, TOK_LONG_IDS * sizeof *out);
    return take(known, out);
}

/* Sets the ids of what is in its first line aside. */
static void look(struct batch *b, const uint8_t *text, const uint32_t *ends)
{
    uint32_t *out = b->ids + b->count;
    uint64_t gaps = b->gap_count;

    for (uint64_t i = 0; i < b->group; i++) {
        const struct tok_probe *p = &b->probes[i];
        if (take_way(p, 0, &out) || take_way(p, 1, &out))
            continue;
        b->gaps[gaps].probe = *p;
        b->gaps[gaps].word = text + ends[i] - p->size;
        b->gaps[gaps++].at = (uint64_t)(out - b->ids);
    }
    b->gap_count = gaps;
    b->words += b->group;
    b->count = (uint64_t)(out - b->ids);
}

/* Is it one of the new words so far? (They come in clusters.) */
static bool met(struct batch *b, struct gap *gap)
{
    const struct tok_probe *p = &gap->probe;

    if (p->size > TOK_LONG_BYTES)
        return false; /* it has no key */
    uint64_t hash = tok_short_hash(p), *bits = &b->met[hash >> 6 & 3], bit = 1ull << (hash & 63);
    uint64_t maybe = *bits & bit;
    *bits |= bit;
    for (uint64_t i = 0; maybe && i < b->new_count; i++) {
        const struct tok_probe *q = &b->new_gaps[i]->probe;
        if (q->size == p->size && q->key[0] == p->key[0] && q->key[1] == p->key[1] &&
            (p->size <= TOK_SHORT_BYTES || (q->key[2] == p->key[2] && q->key[3] == p->key[3]))) {
            gap->of = i;
            return true;
        }
    }
    return false;
}

/* Looks for the words of gaps. text ends at `end`. */
static void find(const struct tok_words *w, struct batch *b, const uint8_t *end)
{
    for (uint64_t i = 0; b->gap_count > FEW && i < b->gap_count; i++)
        tok_word_tables_ask(&w->tables, &b->gaps[i].probe);
    b->new_count = 0;
    memset(b->met, 0, sizeof b->met);
    for (uint64_t i = 0; i < b->gap_count; i++) {
        struct gap *gap = &b->gaps[i];
        gap->ids = tok_word_tables_find(&w->tables, &gap->probe, gap->word);
        if (gap->ids || met(b, gap))
            continue;
        gap->of = b->new_count;
        b->new_gaps[b->new_count] = gap;
        copy_word(&b->news[b->new_count++], gap->word, (uint64_t)(end - gap->word),
                  gap->probe.size);
    }
}

/* Ids of b from one place to another, and up to TOK_LONG_IDS - 1 more. */
static inline uint32_t *put(const struct batch *b, uint64_t from, uint64_t to, uint32_t *out)
{
    for (uint64_t i = from; i < to; i += TOK_LONG_IDS)
        memcpy(out + (i - from), b->ids + i, TOK_LONG_IDS * sizeof *out);
    return out + (to - from);
}

static enum ngt_status encode_one(struct tok_words *w, const uint8_t *word, uint64_t size,
                                  uint32_t *out, uint64_t *ret_count, struct ngt_error *reterr)
{
    w->stats.misses++;
    w->missed += size;
    return w->encode(w->model, w->scratch, word, size, out, ret_count, reterr);
}

/* Encodes what is new. */
static void meet(struct tok_words *w, struct batch *b)
{
    if (b->new_count)
        w->many(w->model, b->news, b->new_count);
    for (uint64_t i = 0; i < b->new_count; i++) {
        struct tok_new_word *word = &b->news[i];
        word->ids[0] |= word->count << 24;
        w->stats.misses += word->count > 0;
        w->missed += word->count ? word->size : 0;
    }
}

/* Writes all ids. */
static enum ngt_status fill(struct tok_words *w, struct batch *b, uint32_t **out,
                            struct ngt_error *reterr)
{
    uint64_t from = 0;
    enum ngt_status status = NGT_OK;

    for (uint64_t i = 0; i < b->gap_count && status == NGT_OK; i++) {
        struct gap *gap = &b->gaps[i];
        *out = put(b, from, gap->at, *out);
        from = gap->at;
        if (gap->ids || b->news[gap->of].count) {
            *out = take_all(gap->ids ? gap->ids : b->news[gap->of].ids, *out);
            continue;
        }
        gap->ids = *out;
        status = encode_one(w, gap->word, gap->probe.size, *out, &gap->more, reterr);
        *out += status == NGT_OK ? gap->more : 0;
    }
    *out = put(b, from, b->count, *out);
    return status;
}

/* What was found before must have been used by then: it may have to give way. */
static void keep(struct tok_words *w, const struct batch *b)
{
    for (uint64_t i = 0; i < b->new_count; i++) {
        const struct tok_new_word *word = &b->news[i];
        const struct gap *gap = b->new_gaps[i];
        tok_word_tables_keep(&w->tables, &gap->probe, gap->word, word->count ? word->ids : gap->ids,
                             word->count ? word->count : gap->more);
    }
}

/* Writes the ids of all words so far. text ends at `end`. */
static enum ngt_status flush(struct tok_words *w, struct batch *b, const uint8_t *end,
                             uint32_t **out, struct ngt_error *reterr)
{
    find(w, b, end);
    meet(w, b);
    enum ngt_status status = fill(w, b, out, reterr);
    if (status == NGT_OK)
        keep(w, b);
    b->words = b->count = b->gap_count = 0;
    return status;
}

/* One word of a group after the other, through all tables. */
static enum ngt_status singly(struct tok_words *w, const struct batch *b, const uint8_t *text,
                              const uint32_t *ends, uint32_t **out, struct ngt_error *reterr)
{
    uint32_t *to = *out;

    for (uint64_t i = 0; i < b->group; i++) {
        const struct tok_probe *p = &b->probes[i];
        if (take_way(p, 0, &to) || take_way(p, 1, &to))
            continue;
        const uint8_t *word = text + ends[i] - p->size;
        const uint32_t *ids = tok_word_tables_find(&w->tables, p, word);
        if (ids) {
            to = take_all(ids, to);
            continue;
        }
        uint64_t found = 0;
        enum ngt_status status = encode_one(w, word, p->size, to, &found, reterr);
        if (status != NGT_OK)
            return status;
        tok_word_tables_keep(&w->tables, p, word, to, found);
        to += found;
    }
    *out = to;
    return NGT_OK;
}

/* Without the cache. */
static enum ngt_status encode_all(struct tok_words *w, struct batch *b, const uint8_t *text,
                                  uint64_t n, uint64_t from, const uint32_t *ends, uint64_t count,
                                  uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    uint64_t start = from;
    enum ngt_status status = NGT_OK;

    *ret_count = 0;
    for (uint64_t done = 0; done < count && status == NGT_OK; done += b->group) {
        b->group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < b->group && w->many; i++) {
            uint64_t at = i ? ends[done + i - 1] : start;
            copy_word(&b->news[i], text + at, n - at, ends[done + i] - (uint32_t)at);
        }
        if (w->many)
            w->many(w->model, b->news, b->group);
        for (uint64_t i = 0; i < b->group && status == NGT_OK; i++) {
            uint64_t more = w->many ? b->news[i].count : 0;
            if (more)
                memcpy(ret_ids + *ret_count, b->news[i].ids, more * sizeof *ret_ids);
            else
                status = w->encode(w->model, w->scratch, text + start, ends[done + i] - start,
                                   ret_ids + *ret_count, &more, reterr);
            start = ends[done + i];
            *ret_count += more;
        }
        w->stats.misses += b->group;
    }
    return status;
}

static enum ngt_status encode_group(struct tok_words *w, struct batch *b, const uint8_t *text,
                                    uint64_t n, const uint32_t *ends, uint32_t **out,
                                    struct ngt_error *reterr)
{
    if (!w->many)
        return singly(w, b, text, ends, out, reterr);
    look(b, text, ends);
    return b->gap_count < SOME && b->words < WORDS ? NGT_OK : flush(w, b, text + n, out, reterr);
}

/* A word that no table keeps. */
static enum ngt_status encode_long(struct tok_words *w, struct batch *b, const uint8_t *text,
                                   uint64_t n, uint64_t start, uint64_t end, uint32_t **out,
                                   struct ngt_error *reterr)
{
    uint64_t found = 0;
    enum ngt_status status = flush(w, b, text + n, out, reterr);

    if (status == NGT_OK)
        status = encode_one(w, text + start, end - start, *out, &found, reterr);
    *out += status == NGT_OK ? found : 0;
    return status;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct batch *b = &w->batch;
    uint32_t *out = ret_ids;
    uint64_t start = from;
    enum ngt_status status = NGT_OK;

    w->stats.words += count;
    w->bytes += count ? ends[count - 1] - from : 0;
    if (!w->keep || go_around(w))
        return encode_all(w, b, text, n, from, ends, count, ret_ids, ret_count, reterr);
    b->words = b->count = b->gap_count = 0;
    for (uint64_t done = 0; done < count && status == NGT_OK;) {
        ask(w, b, text, n, start, ends + done, count - done);
        if (b->group)
            status = encode_group(w, b, text, n, ends + done, &out, reterr);
        else
            status = encode_long(w, b, text, n, start, ends[done], &out, reterr);
        done += b->group ? b->group : 1;
        start = ends[done - 1];
    }
    if (status == NGT_OK)
        status = flush(w, b, text + n, &out, reterr);
    *ret_count = (uint64_t)(out - ret_ids);
    return status;
}
