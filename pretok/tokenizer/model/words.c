/*
 * Two tables. A word of up to 15 bytes and 4 ids is in the first: its bytes and length are the key
 * (16 bytes, compared as two integers), two entries share a cache line. A word of up to 31 bytes and
 * 8 ids is in the second, one line an entry. Longer words go to the model each time: they seldom
 * come back, and the model is linear in them.
 *
 * The count of ids stands in the top byte of the first one, which is why ids are below 2^24. All
 * ids of an entry are copied, whether they count or not; then the place moves on by the count.
 *
 * A batch is done in groups: first the keys of all words are made and their lines asked for, then
 * they are looked up, so that the memory answers while other keys are made.
 */
#include "model/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SHORT_BITS 16
#define LONG_BITS 15
#define SHORT_IDS 4
#define LONG_IDS 8
#define LONG_BYTES 31
#define GROUP 32
#define HUGE_PAGE (2u << 20)
#define ID_MASK 0xFFFFFFu

struct short_pair {
    uint64_t keys[2][2];
    uint32_t ids[2][SHORT_IDS];
};

struct long_entry {
    uint64_t key[4];
    uint32_t ids[LONG_IDS];
};

struct probe {
    uint64_t key[4];
    uint64_t hash;
    uint32_t start, size;
};

struct tok_words {
    struct short_pair *shorts;
    struct long_entry *longs;
    tok_word_fn encode;
    const void *model;
    void *scratch;
    uint64_t ids_per_byte;
    uint64_t turn; /* decides which entry gives way */
    struct tok_words_stats stats;
    void *memory;
    uint64_t memory_size;
};

/* the first n bytes of 8 */
static const uint64_t masks[9] = {
    0,          0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
    UINT64_MAX,
};

static inline uint64_t load64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* Multiplication carries upwards, so the top bits depend on all; they are the ones used. */
static inline uint64_t hash2(uint64_t a, uint64_t b)
{
    uint64_t h = (a ^ b * 0x9FB21C651E98DF25u) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static inline uint64_t short_slot(uint64_t hash)
{
    return hash * 0xD6E8FEB86659FD93u >> (64 - SHORT_BITS);
}

static inline uint64_t long_slot(uint64_t hash)
{
    return hash * 0xD6E8FEB86659FD93u >> (64 - LONG_BITS);
}

enum ngt_status tok_words_new(tok_word_fn encode, const void *model, void *scratch,
                              uint64_t ids_per_byte, struct tok_words **ret_words,
                              struct ngt_error *reterr)
{
    uint64_t shorts = sizeof(struct short_pair) << SHORT_BITS;
    uint64_t longs = sizeof(struct long_entry) << LONG_BITS;
    struct tok_words *w = calloc(1, sizeof *w);
    void *memory = MAP_FAILED;

    if (w)
        memory = mmap(NULL, shorts + longs + HUGE_PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        free(w);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the word cache");
    }
    /* every look-up is another page: huge ones spare a walk of the page table each */
    uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1);
    (void)madvise((void *)start, shorts + longs, MADV_HUGEPAGE);
    w->memory = memory;
    w->memory_size = shorts + longs + HUGE_PAGE;
    w->shorts = (void *)start;
    w->longs = (void *)(start + shorts);
    w->encode = encode;
    w->model = model;
    w->scratch = scratch;
    w->ids_per_byte = ids_per_byte;
    *ret_words = w;
    return NGT_OK;
}

void tok_words_free(struct tok_words **words)
{
    if (!*words)
        return;
    (void)munmap((*words)->memory, (*words)->memory_size);
    free(*words);
    *words = NULL;
}

struct tok_words_stats tok_words_stats(const struct tok_words *words)
{
    return words->stats;
}

static inline void make_short(struct probe *p, const uint8_t *at, uint64_t size)
{
    uint64_t low = size < 8 ? size : 8;

    p->key[0] = load64(at) & masks[low];
    p->key[1] = (load64(at + 8) & masks[size - low]) | size << 56;
    p->hash = hash2(p->key[0], p->key[1]);
}

static inline void make_long(struct probe *p, const uint8_t *at, uint64_t size)
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t left = size > 8 * i ? size - 8 * i : 0;
        p->key[i] = load64(at + 8 * i) & masks[left < 8 ? left : 8];
    }
    p->key[3] |= size << 56;
    p->hash = hash2(hash2(p->key[0], p->key[1]), hash2(p->key[2], p->key[3]));
}

/* Keys, and the lines they will be looked up in. Reads 16 or 32 bytes, so words near the end of the
 * text are copied first. */
static inline void make_probe(const struct tok_words *w, struct probe *p, const uint8_t *text,
                              uint64_t n)
{
    const uint8_t *at = text + p->start;
    uint8_t copy[32] = {0};

    if (p->size <= 15) {
        if (p->start + 16ull > n) {
            memcpy(copy, at, p->size);
            at = copy;
        }
        make_short(p, at, p->size);
        __builtin_prefetch(&w->shorts[short_slot(p->hash)]);
    } else if (p->size <= LONG_BYTES) {
        if (p->start + 32ull > n) {
            memcpy(copy, at, p->size);
            at = copy;
        }
        make_long(p, at, p->size);
        __builtin_prefetch(&w->longs[long_slot(p->hash)]);
    }
}

static void keep_short(struct tok_words *w, const struct probe *p, const uint32_t *ids,
                       uint64_t count)
{
    struct short_pair *pair = &w->shorts[short_slot(p->hash)];
    unsigned way = 0;

    /* what came first is mostly what is frequent: the first entry gives way one time in eight */
    if (pair->keys[0][1] != 0)
        way = pair->keys[1][1] == 0 || ++w->turn % 8 != 0;
    pair->keys[way][0] = p->key[0];
    pair->keys[way][1] = p->key[1];
    for (uint64_t i = 0; i < SHORT_IDS; i++)
        pair->ids[way][i] = i < count ? ids[i] : 0;
    pair->ids[way][0] |= (uint32_t)count << 24;
}

static void keep_long(struct tok_words *w, const struct probe *p, const uint32_t *ids,
                      uint64_t count)
{
    struct long_entry *e = &w->longs[long_slot(p->hash)];

    memcpy(e->key, p->key, sizeof e->key);
    for (uint64_t i = 0; i < LONG_IDS; i++)
        e->ids[i] = i < count ? ids[i] : 0;
    e->ids[0] |= (uint32_t)count << 24;
}

static inline bool find_long(const struct tok_words *w, const struct probe *p, uint32_t *ids,
                             uint64_t *count)
{
    const struct long_entry *e = &w->longs[long_slot(p->hash)];

    if (((e->key[0] ^ p->key[0]) | (e->key[1] ^ p->key[1]) | (e->key[2] ^ p->key[2]) |
         (e->key[3] ^ p->key[3])) != 0)
        return false;
    memcpy(ids, e->ids, sizeof e->ids);
    *count = ids[0] >> 24;
    ids[0] &= ID_MASK;
    return true;
}

/* A word that is not in the first table. */
static enum ngt_status other(struct tok_words *w, struct probe *p, const uint8_t *text,
                             uint32_t *ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    uint8_t copy[32] = {0};
    enum ngt_status status;

    if (p->size <= 15) { /* of more ids than the first table holds, perhaps */
        struct probe second = *p;
        memcpy(copy, text + p->start, p->size);
        make_long(&second, copy, p->size);
        if (find_long(w, &second, ids, ret_count))
            return NGT_OK;
        w->stats.misses++;
        status = w->encode(w->model, w->scratch, text + p->start, p->size, ids, ret_count, reterr);
        if (status == NGT_OK && *ret_count <= SHORT_IDS)
            keep_short(w, p, ids, *ret_count);
        else if (status == NGT_OK && *ret_count <= LONG_IDS)
            keep_long(w, &second, ids, *ret_count);
        return status;
    }
    if (p->size <= LONG_BYTES && find_long(w, p, ids, ret_count))
        return NGT_OK;
    w->stats.misses++;
    status = w->encode(w->model, w->scratch, text + p->start, p->size, ids, ret_count, reterr);
    if (status == NGT_OK && p->size <= LONG_BYTES && *ret_count <= LONG_IDS)
        keep_long(w, p, ids, *ret_count);
    return status;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct probe probes[GROUP];
    uint32_t *out = ret_ids;
    uint32_t start = (uint32_t)from;

    w->stats.words += count;
    for (uint64_t done = 0; done < count;) {
        uint64_t group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < group; i++) {
            probes[i].start = start;
            probes[i].size = ends[done + i] - start;
            start = ends[done + i];
            make_probe(w, &probes[i], text, n);
        }
        for (uint64_t i = 0; i < group; i++) {
            struct probe *p = &probes[i];
            if (p->size <= 15) {
                const struct short_pair *pair = &w->shorts[short_slot(p->hash)];
                uint64_t first = (pair->keys[0][0] ^ p->key[0]) | (pair->keys[0][1] ^ p->key[1]);
                uint64_t second = (pair->keys[1][0] ^ p->key[0]) | (pair->keys[1][1] ^ p->key[1]);
                unsigned way = second == 0;
                if (first == 0 || second == 0) {
                    memcpy(out, pair->ids[way], sizeof pair->ids[way]);
                    uint32_t found = out[0];
                    out[0] = found & ID_MASK;
                    out += found >> 24;
                    continue;
                }
            }
            uint64_t more = 0;
            enum ngt_status status = other(w, p, text, out, &more, reterr);
            if (status != NGT_OK)
                return status;
            out += more;
        }
        done += group;
    }
    *ret_count = (uint64_t)(out - ret_ids);
    return NGT_OK;
}
