/*
 * One table of 32-byte entries, two to a cache line, which is a bucket. An entry holds a word of up
 * to 16 bytes and 2 ids by itself, whose scores are looked up; others stand in a second store, the
 * entry then has their hash and place. When that store is full, it and the table start over.
 *
 * Words are looked up in groups: the lines of a group are asked for before the first is used.
 */
#include "model/unigram_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ENTRY_BITS 18
#define STORE_BYTES (UINT64_C(12) << 20)
#define HUGE_PAGE (UINT64_C(2) << 20)
#define INLINE 2
#define GROUP 32

struct entry {
    uint64_t key[2];
    uint32_t ids[INLINE];
    float limit;
    uint8_t size, id_count; /* size 0: empty */
    uint8_t stored;         /* key: hash and offset; the numbers are in the store */
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
    uint64_t key[2], hash;
    uint32_t start, size;
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

static uint64_t load(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return v;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t p =
        (__uint128_t)(a ^ UINT64_C(0x9E3779B97F4A7C15)) * (b ^ UINT64_C(0xC2B2AE3D27D4EB4F));
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static const uint64_t masks[8] = {
    0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
};

/* Words of up to 16 bytes: two loads that may overlap; together with the size they tell all. */
static inline void make_probe(struct probe *p, const uint8_t *word)
{
    uint64_t size = p->size;

    if (size < 8) {
        p->key[0] = load(word);
        if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
            p->key[0] &= masks[size];
        else
            p->key[0] >>= 64 - 8 * size;
        p->key[1] = 0;
    } else if (size <= 16) {
        p->key[0] = load(word);
        p->key[1] = load(word + size - 8);
    } else {
        uint64_t hash = size;
        for (uint64_t i = 0; i + 8 < size; i += 8)
            hash = mix(hash, load(word + i));
        p->key[0] = mix(hash, load(word + size - 8));
        p->key[1] = 0;
    }
    p->hash = mix(p->key[0] ^ size << 56, p->key[1]);
}

static inline struct entry *bucket(const struct tok_unigram_words *w, uint64_t hash)
{
    return w->entries + (hash >> (64 - ENTRY_BITS) & ~UINT64_C(1));
}

static struct record *record_at(const struct tok_unigram_words *w, uint64_t offset)
{
    return (struct record *)(void *)(w->store + offset);
}

static bool same_word(const struct tok_unigram_words *w, const struct entry *e,
                      const struct probe *p, const uint8_t *text)
{
    if (e->size != p->size || e->key[0] != p->key[0])
        return false;
    if (!e->stored)
        return e->key[1] == p->key[1];
    const struct record *r = record_at(w, e->key[1]);
    const uint8_t *bytes = (const uint8_t *)(r + 1) + 4 * (r->id_count + r->score_count);
    return memcmp(bytes, text + p->start, p->size) == 0;
}

static void keep(struct tok_unigram_words *w, const struct probe *p, const uint8_t *text)
{
    const struct tok_unigram_word *l = &w->learned;
    uint64_t need =
        (sizeof(struct record) + 4 * (uint64_t)(l->id_count + l->score_count) + p->size + 7) &
        ~UINT64_C(7);
    /* as many scores as ids: then they are those of the ids, no character became several bytes */
    bool stored = p->size > 16 || l->id_count > INLINE || l->score_count != l->id_count;

    if (stored && w->stored + need > STORE_BYTES) {
        memset(w->entries, 0, sizeof(struct entry) << ENTRY_BITS);
        w->stored = 0;
    }
    struct entry *e = bucket(w, p->hash);
    /* what came first is mostly what is frequent: it gives way one time in eight */
    if (e->size && (e[1].size == 0 || ++w->turn % 8))
        e++;
    *e = (struct entry){.key = {p->key[0], p->key[1]},
                        .limit = l->limit,
                        .size = (uint8_t)p->size,
                        .stored = stored};
    if (!stored) {
        e->id_count = (uint8_t)l->id_count;
        memcpy(e->ids, l->ids, 4 * l->id_count);
        return;
    }
    struct record *r = record_at(w, w->stored);
    *r = (struct record){p->size, l->id_count, l->score_count, l->limit};
    uint8_t *out = (uint8_t *)(r + 1);
    memcpy(out, l->ids, 4 * l->id_count);
    memcpy(out + 4 * l->id_count, l->scores, 4 * l->score_count);
    memcpy(out + 4 * (l->id_count + l->score_count), text + p->start, p->size);
    e->key[1] = w->stored;
    w->stored += need;
}

static inline bool within(float sum, float limit)
{
    return fabsf(sum) < limit;
}

/* A word that is not in the table, or not for a sum like this. */
static enum ngt_status other(struct tok_unigram_words *w, const struct probe *p,
                             const uint8_t *text, float *sum, struct tok_ids *ids,
                             struct ngt_error *reterr)
{
    const struct tok_unigram_word *l = &w->learned;

    if (p->size > TOK_UNIGRAM_WORD)
        return tok_unigram_encode(w->model, &w->scratch, text + p->start, p->size, sum, ids,
                                  reterr);
    w->stats.misses++;
    tok_unigram_learn(w->model, text + p->start, p->size, &w->learned);
    keep(w, p, text);
    if (!within(*sum, l->limit))
        return tok_unigram_encode(w->model, &w->scratch, text + p->start, p->size, sum, ids,
                                  reterr);
    memcpy(ids->ids + ids->count, l->ids, 4 * l->id_count);
    ids->count += l->id_count;
    for (uint32_t i = 0; i < l->score_count; i++)
        *sum = l->scores[i] + *sum;
    return NGT_OK;
}

static enum ngt_status known(struct tok_unigram_words *w, const struct entry *e,
                             const struct probe *p, const uint8_t *text, float *sum,
                             struct tok_ids *ids, struct ngt_error *reterr)
{
    if (!within(*sum, e->limit)) {
        w->stats.exact++;
        return tok_unigram_encode(w->model, &w->scratch, text + p->start, p->size, sum, ids,
                                  reterr);
    }
    const struct record *r = record_at(w, e->key[1]);
    const uint8_t *numbers = (const uint8_t *)(r + 1);
    memcpy(ids->ids + ids->count, numbers, 4 * r->id_count);
    ids->count += r->id_count;
    for (uint32_t i = 0; i < r->score_count; i++) {
        float score;
        memcpy(&score, numbers + 4 * (r->id_count + i), sizeof score);
        *sum = score + *sum;
    }
    return NGT_OK;
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
            struct probe *p = &probes[i];
            p->start = (uint32_t)start;
            p->size = (uint32_t)(ends[done + i] - start);
            start = ends[done + i];
            if (p->size > TOK_UNIGRAM_WORD)
                continue;
            make_probe(p, text + p->start);
            __builtin_prefetch(bucket(w, p->hash));
        }
        /* all of them once they are reserved: no word has more ids than three a byte */
        enum ngt_status status = tok_ids_reserve(ids, group * 3 * TOK_UNIGRAM_WORD, reterr);
        for (uint64_t i = 0; i < group && status == NGT_OK; i++) {
            const struct probe *p = &probes[i];
            const struct entry *e = NULL;
            if (p->size <= TOK_UNIGRAM_WORD) {
                e = bucket(w, p->hash);
                e = same_word(w, e, p, text) ? e : same_word(w, e + 1, p, text) ? e + 1 : NULL;
            }
            if (!e) {
                status = other(w, p, text, &s, ids, reterr);
            } else if (e->stored || !within(s, e->limit)) {
                status = known(w, e, p, text, &s, ids, reterr);
            } else {
                memcpy(ids->ids + ids->count, e->ids, sizeof e->ids);
                ids->count += e->id_count;
                s = scores[e->ids[0]] + s;
                if (e->id_count == 2)
                    s = scores[e->ids[1]] + s;
                continue;
            }
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
