/*
 * One table of 32-byte entries, two to a cache line, which is a bucket. An entry holds a word of up
 * to 15 bytes and 2 ids by itself, whose scores are looked up; of others the rest is in a second store,
 * and of longer words the key is a hash. When that store is full, it and the table start over.
 *
 * Words are looked up in groups: the lines of a group are asked for before the first is used.
 */
#include "model/unigram_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "model/word_key.h"

#define ENTRY_BITS 19
#define STORE_BYTES (UINT64_C(12) << 20)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define INLINE 2
#define GROUP 128

struct entry {
    uint64_t key[2]; /* key[1] 0: empty */
    union {
        uint32_t ids[INLINE];
        uint64_t place; /* in the store */
    };
    float limit; /* 0: the numbers are in the store */
    uint32_t id_count;
};
_Static_assert(sizeof(struct entry) == 32, "two entries are a cache line");

/* In the store: this, ids, scores, the word's bytes; a multiple of 8 bytes. */
struct record {
    uint32_t size, id_count, score_count;
    float limit;
};

struct tok_unigram_words {
    const struct tok_unigram *model;
    struct entry *entries;
    uint8_t *store;
    uint64_t stored;
    uint64_t turn; /* decides which entry gives way */
    struct tok_unigram_scratch scratch;
    struct tok_unigram_word learned;
    struct tok_unigram_stats stats;
    void *memory;
    uint64_t memory_bytes;
};

struct probe {
    uint64_t key[2];
    struct entry *bucket; /* of two */
    uint32_t size;
};

enum ngt_status tok_unigram_words_new(const struct tok_unigram *model,
                                      struct tok_unigram_words **ret_words,
                                      struct ngt_error *reterr)
{
    struct tok_unigram_words *w = calloc(1, sizeof *w);
    uint64_t table = sizeof(struct entry) << ENTRY_BITS;
    void *memory = MAP_FAILED;

    if (w)
        memory = mmap(NULL, table + STORE_BYTES + HUGE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(w);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the word cache");
    }
    uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    (void)madvise((void *)start, table + STORE_BYTES, MADV_HUGEPAGE);
    w->model = model;
    w->memory = memory;
    w->memory_bytes = table + STORE_BYTES + HUGE_PAGE;
    w->entries = (void *)start;
    w->store = (uint8_t *)start + table;
    *ret_words = w;
    return NGT_OK;
}

void tok_unigram_words_free(struct tok_unigram_words **words)
{
    if (!*words)
        return;
    tok_unigram_scratch_done(&(*words)->scratch);
    (void)munmap((*words)->memory, (*words)->memory_bytes);
    free(*words);
    *words = NULL;
}

struct tok_unigram_stats tok_unigram_words_stats(const struct tok_unigram_words *words)
{
    return words->stats;
}

/* The key of a word of 16 bytes and more. */
static void long_key(uint64_t key[2], const uint8_t *word, uint64_t size)
{
    uint64_t a = size, b = 0;

    for (uint64_t i = 0; i + 8 < size; i += 8) {
        a = tok_word_hash2(a, tok_load8(word + i));
        b = tok_word_hash2(b ^ a, i);
    }
    key[0] = tok_word_hash2(a, tok_load8(word + size - 8));
    key[1] = b >> 8 | size << 56;
}

static struct record *record_at(const struct tok_unigram_words *w, uint64_t place)
{
    return (struct record *)(void *)(w->store + place);
}

static inline bool is_at(const struct entry *e, const struct probe *p)
{
    return ((e->key[0] ^ p->key[0]) | (e->key[1] ^ p->key[1])) == 0;
}

static bool is_stored(const struct entry *e)
{
    return e->limit == 0;
}

/* The entry of a word, or NULL. */
static struct entry *find(const struct tok_unigram_words *w, const struct probe *p,
                          const uint8_t *word)
{
    for (struct entry *e = p->bucket; e < p->bucket + 2; e++) {
        if (!is_at(e, p))
            continue;
        if (p->size <= TOK_WORD_KEY_BYTES)
            return e;
        const struct record *r = record_at(w, e->place);
        const uint8_t *bytes = (const uint8_t *)(r + 1) + 4 * (r->id_count + r->score_count);
        if (memcmp(bytes, word, p->size) == 0)
            return e;
    }
    return NULL;
}

static void keep(struct tok_unigram_words *w, const struct probe *p, const uint8_t *word)
{
    const struct tok_unigram_word *l = &w->learned;
    uint64_t need =
        (sizeof(struct record) + 4 * (uint64_t)(l->id_count + l->score_count) + p->size + 7) &
        ~UINT64_C(7);
    /* as many scores as ids: then they are those of the ids, no character became several bytes */
    bool stored = p->size > TOK_WORD_KEY_BYTES || l->id_count > INLINE ||
                  l->score_count != l->id_count || l->limit == 0;

    if (stored && w->stored + need > STORE_BYTES) {
        memset(w->entries, 0, sizeof(struct entry) << ENTRY_BITS);
        w->stored = 0;
    }
    struct entry *e = p->bucket;
    /* what came first is mostly what is frequent: it gives way one time in eight */
    if (e->key[1] && (e[1].key[1] == 0 || ++w->turn % 8))
        e++;
    *e = (struct entry){.key = {p->key[0], p->key[1]}};
    if (!stored) {
        e->limit = l->limit;
        e->id_count = l->id_count;
        memcpy(e->ids, l->ids, 4 * l->id_count);
        return;
    }
    struct record *r = record_at(w, w->stored);
    *r = (struct record){p->size, l->id_count, l->score_count, l->limit};
    uint8_t *out = (uint8_t *)(r + 1);
    memcpy(out, l->ids, 4 * l->id_count);
    memcpy(out + 4 * l->id_count, l->scores, 4 * l->score_count);
    memcpy(out + 4 * (l->id_count + l->score_count), word, p->size);
    e->place = w->stored;
    w->stored += need;
}

static inline bool within(float sum, float limit)
{
    return fabsf(sum) < limit;
}

static void put(const uint32_t *found, uint64_t id_count, const uint8_t *scores,
                uint64_t score_count, float *sum, struct tok_ids *ids)
{
    memcpy(ids->ids + ids->count, found, 4 * id_count);
    ids->count += id_count;
    for (uint64_t i = 0; i < score_count; i++) {
        float score;
        memcpy(&score, scores + 4 * i, sizeof score);
        *sum = score + *sum;
    }
}

/* A word that is not the first entry, or not for a sum like this, or whose numbers are stored. */
static enum ngt_status other(struct tok_unigram_words *w, const struct probe *p,
                             const uint8_t *word, float *sum, struct tok_ids *ids,
                             struct ngt_error *reterr)
{
    const struct tok_unigram_word *l = &w->learned;
    const struct entry *e = p->size <= TOK_UNIGRAM_WORD ? find(w, p, word) : NULL;

    if (e && is_stored(e)) {
        const struct record *r = record_at(w, e->place);
        const uint8_t *numbers = (const uint8_t *)(r + 1);
        if (within(*sum, r->limit)) {
            put((const void *)numbers, r->id_count, numbers + 4 * r->id_count, r->score_count, sum,
                ids);
            return NGT_OK;
        }
    } else if (e && within(*sum, e->limit)) {
        for (uint32_t i = 0; i < e->id_count; i++) {
            ids->ids[ids->count++] = e->ids[i];
            *sum = w->model->scores[e->ids[i]] + *sum;
        }
        return NGT_OK;
    }
    if (e) {
        w->stats.exact++;
    } else if (p->size <= TOK_UNIGRAM_WORD) {
        w->stats.misses++;
        tok_unigram_learn(w->model, word, p->size, &w->learned);
        keep(w, p, word);
        if (within(*sum, l->limit)) {
            put(l->ids, l->id_count, (const void *)l->scores, l->score_count, sum, ids);
            return NGT_OK;
        }
    }
    return tok_unigram_encode(w->model, &w->scratch, word, p->size, sum, ids, reterr);
}

/* The probe of a word; its line is asked for. */
static inline void ask(const struct tok_unigram_words *w, struct probe *p, const uint8_t *word,
                       uint64_t size)
{
    p->size = (uint32_t)size;
    if (size <= TOK_WORD_KEY_BYTES) {
        tok_word_key(p->key, word, size);
    } else if (size <= TOK_UNIGRAM_WORD) {
        long_key(p->key, word, size);
    } else { /* no entry is like that, whatever its bucket */
        p->key[0] = 0;
        p->key[1] = UINT64_MAX;
    }
    uint64_t hash = tok_word_hash2(p->key[0], p->key[1]);
    p->bucket = w->entries + (hash >> (64 - ENTRY_BITS) & ~UINT64_C(1));
    __builtin_prefetch(p->bucket);
}

/* The ids of a word whose entry this is with its numbers, and for a sum like this. */
static inline bool take(const struct entry *e, const struct probe *p, const float *scores,
                        float *sum, struct tok_ids *ids)
{
    if (!is_at(e, p) || !within(*sum, e->limit))
        return false;
    memcpy(ids->ids + ids->count, e->ids, sizeof e->ids);
    ids->count += e->id_count;
    *sum = scores[e->ids[0]] + *sum;
    if (e->id_count == 2)
        *sum = scores[e->ids[1]] + *sum;
    return true;
}

enum ngt_status tok_unigram_words_encode(struct tok_unigram_words *w, const uint8_t *text,
                                         uint64_t from, const uint32_t *ends, uint64_t count,
                                         float *sum, struct tok_ids *ids, struct ngt_error *reterr)
{
    struct probe probes[GROUP];
    const float *scores = w->model->scores;
    uint64_t start = from;
    float s = *sum;

    w->stats.words += count;
    for (uint64_t done = 0; done < count;) {
        uint64_t group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < group; i++) {
            ask(w, &probes[i], text + start, ends[done + i] - start);
            start = ends[done + i];
        }
        /* all of them once they are reserved: no word has more ids than three a byte */
        enum ngt_status status = tok_ids_reserve(ids, group * 3 * TOK_UNIGRAM_WORD, reterr);
        for (uint64_t i = 0; i < group && status == NGT_OK; i++) {
            const struct probe *p = &probes[i];
            const struct entry *e = p->bucket;
            if (take(e, p, scores, &s, ids) || take(e + 1, p, scores, &s, ids))
                continue;
            status = other(w, p, text + ends[done + i] - p->size, &s, ids, reterr);
            /* the exact pass may have used up what was reserved */
            if (status == NGT_OK)
                status = tok_ids_reserve(ids, (group - i) * 3 * TOK_UNIGRAM_WORD, reterr);
        }
        if (status != NGT_OK)
            return status;
        done += group;
    }
    *sum = s;
    return NGT_OK;
}
