/*
 * Two tables. A word of up to 15 bytes and 4 ids is in the first: its bytes and length are the key
 * (16 bytes, compared as two integers), two entries share a cache line; a word that finds both taken
 * has a second line elsewhere. A word of up to 31 bytes and
 * 8 ids is in the second, one line an entry; a short one of 5 to 8 ids leaves a note of that in the
 * first, so that a word never met costs one miss of memory, not two. What fits neither, up to 128
 * bytes (words of scripts that the vocabulary knows badly), lies in a store of entries one after the
 * other, found by hash; when the store is full, it starts over. Still longer words go to the model
 * each time: they seldom come back, and the model is linear in them.
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

#include "model/pages.h"

#define SHORT_BITS 17
#define LONG_BITS 16
#define SHORT_IDS 4
#define LONG_IDS 8
#define LONG_BYTES 31
#define STORE_BITS 16
#define STORE_BYTES 128
#define STORE_SIZE (8u << 20)
#define GROUP 32
#define STRETCH 65536   /* bytes */
#define FULL (3u << 16) /* words kept; the tables have room for twice as many */
#define ID_MASK 0xFFFFFFu
#define ELSEWHERE 255 /* as a count: the ids are in the second table or in the store */

struct short_pair {
    uint64_t keys[2][2];
    uint32_t ids[2][SHORT_IDS];
};

struct long_entry {
    uint64_t key[4];
    uint32_t ids[LONG_IDS];
};

/* The store's entries: this, the word padded to 8 bytes, its ids. */
struct store_entry {
    uint32_t size, count;
    uint8_t word[];
};

struct probe {
    uint64_t key[4];
    uint64_t hash;
    uint32_t start, size;
};

struct tok_words {
    struct short_pair *shorts;
    struct long_entry *longs;
    uint32_t *store_slots; /* offsets in units of 8 bytes; 0: free */
    uint64_t *store;
    uint64_t store_used; /* in units of 8 bytes */
    tok_word_fn encode;
    const void *model;
    void *scratch;
    bool keep;
    uint64_t turn; /* decides which entry gives way */
    struct tok_stats stats;
    uint64_t bytes, missed; /* of this stretch, and of its words that were not there */
    bool around;            /* this stretch goes around the tables */
    struct tok_pages memory;
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

/* The other slot of a word, from bits that the first one leaves alone. With two places to choose
 * from a table is full before a word finds both taken (a neighbour would share the first one's
 * crowd: 15% of the short words of 197 languages had no place). */
static inline uint64_t second_slot(uint64_t hash, uint64_t slot, unsigned bits)
{
    return (slot ^ (hash | 1)) & ((1u << bits) - 1);
}

enum ngt_status tok_words_new(tok_word_fn encode, const void *model, void *scratch, bool keep,
                              struct tok_words **ret_words, struct ngt_error *reterr)
{
    uint64_t shorts = sizeof(struct short_pair) << SHORT_BITS;
    uint64_t longs = sizeof(struct long_entry) << LONG_BITS;
    uint64_t slots = sizeof(uint32_t) << STORE_BITS;
    uint64_t size = keep ? shorts + longs + slots + STORE_SIZE : 1;
    struct tok_words *w = calloc(1, sizeof *w);

    if (w)
        w->memory = tok_pages_new(size);
    if (!w || !w->memory.at) {
        free(w);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the word cache");
    }
    w->shorts = w->memory.at;
    w->longs = (void *)((uint8_t *)w->memory.at + shorts);
    w->store_slots = (void *)((uint8_t *)w->memory.at + shorts + longs);
    w->store = (void *)((uint8_t *)w->memory.at + shorts + longs + slots);
    w->store_used = 1;
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
    tok_pages_done(&(*words)->memory);
    free(*words);
    *words = NULL;
}

struct tok_stats tok_words_stats(const struct tok_words *words)
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

/* The entry of a key in a pair: 0, 1, or 2 where it is not. */
static inline unsigned way_of(const struct short_pair *pair, const struct probe *p)
{
    if (pair->keys[0][0] == p->key[0] && pair->keys[0][1] == p->key[1])
        return 0;
    return pair->keys[1][0] == p->key[0] && pair->keys[1][1] == p->key[1] ? 1 : 2;
}

/* Where a new word goes: to its own place if it was noted there, else to a free one, else one that
 * came late gives way: what came first is mostly what is frequent. */
static void keep_short(struct tok_words *w, const struct probe *p, const uint32_t *ids,
                       uint64_t count)
{
    uint64_t slots[2] = {short_slot(p->hash), 0};
    struct short_pair *pair = NULL;
    unsigned way = 2;

    slots[1] = second_slot(p->hash, slots[0], SHORT_BITS);
    for (unsigned i = 0; i < 2 && way == 2; i++) {
        pair = &w->shorts[slots[i]];
        way = way_of(pair, p);
    }
    for (unsigned i = 0; i < 4 && way == 2; i++) {
        if (w->shorts[slots[i / 2]].keys[i % 2][1] == 0) {
            pair = &w->shorts[slots[i / 2]];
            way = i % 2;
        }
    }
    if (way == 2) {
        w->turn++;
        pair = &w->shorts[slots[w->turn & 1]];
        way = w->turn % 16 >= 2;
    }
    pair->keys[way][0] = p->key[0];
    pair->keys[way][1] = p->key[1];
    for (uint64_t i = 0; i < SHORT_IDS; i++)
        pair->ids[way][i] = count <= SHORT_IDS && i < count ? ids[i] : 0;
    pair->ids[way][0] |= (uint32_t)(count <= SHORT_IDS ? count : ELSEWHERE) << 24;
}

static inline bool is_at(const struct long_entry *e, const struct probe *p)
{
    return ((e->key[0] ^ p->key[0]) | (e->key[1] ^ p->key[1]) | (e->key[2] ^ p->key[2]) |
            (e->key[3] ^ p->key[3])) == 0;
}

static void keep_long(struct tok_words *w, const struct probe *p, const uint32_t *ids,
                      uint64_t count)
{
    uint64_t slot = long_slot(p->hash);
    struct long_entry *e = &w->longs[slot];

    if (e->key[3] != 0) { /* as above: the first to come stays longer */
        e = &w->longs[second_slot(p->hash, slot, LONG_BITS)];
        if (e->key[3] != 0 && ++w->turn % 8 == 0)
            e = &w->longs[slot];
    }
    memcpy(e->key, p->key, sizeof e->key);
    for (uint64_t i = 0; i < LONG_IDS; i++)
        e->ids[i] = count <= LONG_IDS && i < count ? ids[i] : 0;
    e->ids[0] |= (uint32_t)(count <= LONG_IDS ? count : ELSEWHERE) << 24;
}

static inline bool find_long(const struct tok_words *w, const struct probe *p, uint32_t *ids,
                             uint64_t *count)
{
    uint64_t slot = long_slot(p->hash);
    const struct long_entry *e = &w->longs[slot];

    if (!is_at(e, p)) {
        e = &w->longs[second_slot(p->hash, slot, LONG_BITS)];
        if (!is_at(e, p))
            return false;
    }
    memcpy(ids, e->ids, sizeof e->ids);
    *count = ids[0] >> 24;
    ids[0] &= ID_MASK;
    return true;
}

static uint64_t store_hash(const uint8_t *word, uint64_t size)
{
    uint64_t h = size, tail = 0;

    for (; size >= 8; size -= 8, word += 8)
        h = hash2(h, load64(word));
    memcpy(&tail, word, size);
    return hash2(h, tail);
}

static uint64_t store_units(uint64_t size, uint64_t count)
{
    return 1 + (size + 7) / 8 + (count + 1) / 2;
}

static inline void note_miss(struct tok_words *w, uint64_t size)
{
    w->stats.misses++;
    w->missed += size;
}

/* To the model, by way of the store. */
static enum ngt_status from_store(struct tok_words *w, const uint8_t *word, uint64_t size,
                                  uint32_t *ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    uint64_t hash = store_hash(word, size), slot = hash >> (64 - STORE_BITS);
    uint64_t second = second_slot(hash, slot, STORE_BITS);
    struct store_entry *e = NULL;

    for (unsigned i = 0; i < 2 && size <= STORE_BYTES; i++) {
        uint32_t place = w->store_slots[i ? second : slot];
        e = (void *)(w->store + place);
        if (place && e->size == size && memcmp(e->word, word, size) == 0) {
            memcpy(ids, e->word + (size + 7) / 8 * 8, e->count * sizeof *ids);
            *ret_count = e->count;
            return NGT_OK;
        }
    }
    note_miss(w, size);
    enum ngt_status status = w->encode(w->model, w->scratch, word, size, ids, ret_count, reterr);
    if (status != NGT_OK || size > STORE_BYTES)
        return status;
    uint64_t units = store_units(size, *ret_count);
    if (w->store_used + units > STORE_SIZE / 8) {
        memset(w->store_slots, 0, sizeof(uint32_t) << STORE_BITS);
        w->store_used = 1;
        w->stats.starts_over++;
    }
    if (w->store_slots[slot])
        slot = second;
    w->store_slots[slot] = (uint32_t)w->store_used;
    e = (void *)(w->store + w->store_used);
    e->size = (uint32_t)size;
    e->count = (uint32_t)*ret_count;
    memcpy(e->word, word, size);
    memcpy(e->word + (size + 7) / 8 * 8, ids, *ret_count * sizeof *ids);
    w->store_used += units;
    return NGT_OK;
}

/* A short word that is not in its own line, or noted there to be elsewhere. */
static enum ngt_status other_short(struct tok_words *w, const struct probe *p, bool noted,
                                   const uint8_t *text, uint32_t *ids, uint64_t *ret_count,
                                   struct ngt_error *reterr)
{
    const uint8_t *word = text + p->start;
    struct probe second = *p;
    uint8_t copy[32] = {0};
    enum ngt_status status;

    if (!noted) {
        const struct short_pair *next =
            &w->shorts[second_slot(p->hash, short_slot(p->hash), SHORT_BITS)];
        unsigned way = way_of(next, p);
        if (way < 2 && next->ids[way][0] >> 24 != ELSEWHERE) {
            memcpy(ids, next->ids[way], sizeof next->ids[way]);
            *ret_count = ids[0] >> 24;
            ids[0] &= ID_MASK;
            return NGT_OK;
        }
        noted = way < 2;
    }
    memcpy(copy, word, p->size);
    make_long(&second, copy, p->size);
    if (noted) {
        if (find_long(w, &second, ids, ret_count))
            return NGT_OK;
        return from_store(w, word, p->size, ids, ret_count, reterr);
    }
    note_miss(w, p->size);
    status = w->encode(w->model, w->scratch, word, p->size, ids, ret_count, reterr);
    if (status != NGT_OK)
        return status;
    keep_short(w, p, ids, *ret_count);
    if (*ret_count > SHORT_IDS && *ret_count <= LONG_IDS)
        keep_long(w, &second, ids, *ret_count);
    return status;
}

static enum ngt_status other(struct tok_words *w, const struct probe *p, const uint8_t *text,
                             uint32_t *ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    const uint8_t *word = text + p->start;

    if (p->size > LONG_BYTES)
        return from_store(w, word, p->size, ids, ret_count, reterr);
    if (find_long(w, p, ids, ret_count)) {
        if (*ret_count != ELSEWHERE)
            return NGT_OK;
        return from_store(w, word, p->size, ids, ret_count, reterr);
    }
    note_miss(w, p->size);
    enum ngt_status status = w->encode(w->model, w->scratch, word, p->size, ids, ret_count, reterr);
    if (status == NGT_OK)
        keep_long(w, p, ids, *ret_count);
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
 * keep: 40% of the time of 20 MB of base64. So where the tables are full and yet words of two thirds
 * of the bytes of a stretch were not there, the next one, four times as long, goes around them; then
 * it is tried again (none is missed meanwhile). Not before they are full: text is new at first.
 * (Base64: 73% of the bytes; 98 languages in documents of 20 KB, in random order: 49; a corpus of
 * thirty: 16 to 33, from cold.)
 */
static bool go_around(struct tok_words *w)
{
    if (w->bytes >= (w->around ? 4 * STRETCH : STRETCH)) {
        w->around = w->stats.misses > FULL && 3 * w->missed > 2 * w->bytes;
        w->bytes = w->missed = 0;
    }
    return w->around;
}

enum ngt_status tok_words_encode(struct tok_words *w, const uint8_t *text, uint64_t n,
                                 uint64_t from, const uint32_t *ends, uint64_t count,
                                 uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    struct probe probes[GROUP];
    uint32_t *out = ret_ids;
    uint32_t start = (uint32_t)from;

    w->stats.words += count;
    w->bytes += count ? ends[count - 1] - from : 0;
    if (!w->keep || go_around(w))
        return encode_all(w, text, from, ends, count, ret_ids, ret_count, reterr);
    for (uint64_t done = 0; done < count;) {
        uint64_t group = count - done < GROUP ? count - done : GROUP;
        for (uint64_t i = 0; i < group; i++) {
            probes[i].start = start;
            probes[i].size = ends[done + i] - start;
            start = ends[done + i];
            make_probe(w, &probes[i], text, n);
        }
        for (uint64_t i = 0; i < group; i++) {
            const struct probe *p = &probes[i];
            uint64_t more = 0;
            enum ngt_status status;
            if (p->size <= 15) {
                const struct short_pair *pair = &w->shorts[short_slot(p->hash)];
                uint64_t first = (pair->keys[0][0] ^ p->key[0]) | (pair->keys[0][1] ^ p->key[1]);
                uint64_t second = (pair->keys[1][0] ^ p->key[0]) | (pair->keys[1][1] ^ p->key[1]);
                unsigned way = second == 0;
                bool known = first == 0 || second == 0;
                uint32_t head = pair->ids[way][0];
                if (known && head >> 24 != ELSEWHERE) {
                    memcpy(out, pair->ids[way], sizeof pair->ids[way]);
                    out[0] = head & ID_MASK;
                    out += head >> 24;
                    continue;
                }
                status = other_short(w, p, known, text, out, &more, reterr);
            } else {
                status = other(w, p, text, out, &more, reterr);
            }
            if (status != NGT_OK)
                return status;
            out += more;
        }
        done += group;
    }
    *ret_count = (uint64_t)(out - ret_ids);
    return NGT_OK;
}
