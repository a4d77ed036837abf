/*
 * Building. Nodes are placed depth first, so that what is walked together lies together. Blocks of
 * 256 units are kept open while they have room, but only the last few: a node with many children
 * seldom fits into an old one, and looking there is what makes double arrays slow to build.
 */
#include "model/trie.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_BLOCKS 4
#define LINE_UNITS 8 /* of 64 bytes; place_beside relies on 8 */

struct sort_key {
    uint64_t head; /* first 8 bytes, big-endian */
    const struct tok_trie_key *key;
};

struct block_map {
    uint64_t taken[4]; /* units in use */
    uint64_t bases[4]; /* bases in use */
};

/* A node whose children are to be placed: keys [first, last) share depth bytes. */
struct open_node {
    uint64_t first, last, depth;
    uint64_t unit; /* where its base belongs; UINT64_MAX for the root */
};

struct builder {
    struct tok_trie *t;
    const struct tok_trie_key *keys;
    struct block_map *blocks;
    uint64_t block_count, block_room;
    struct open_node *stack;
    uint64_t stack_count, stack_room;
};

static uint64_t head_of(const struct tok_trie_key *k)
{
    uint64_t head = 0;

    for (unsigned i = 0; i < 8; i++)
        head = head << 8 | (i < k->size ? k->bytes[i] : 0);
    return head;
}

static int compare_keys(const struct tok_trie_key *a, const struct tok_trie_key *b)
{
    int order = memcmp(a->bytes, b->bytes, a->size < b->size ? a->size : b->size);

    if (order)
        return order;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->value < b->value ? -1 : a->value > b->value;
}

/* Of equal heads. */
static int compare_sort(const void *x, const void *y)
{
    const struct sort_key *a = x, *b = y;

    return compare_keys(a->key, b->key);
}

/* By their heads, a byte of them at a time from the last on: 200,000 keys in 5 ms, where a sort that
 * compares takes 40. Those of equal heads stay as they are. Returns which of the two holds them. */
static struct sort_key *sort_heads(struct sort_key *from, struct sort_key *to, uint64_t count)
{
    uint64_t counts[8][256] = {{0}};

    for (uint64_t i = 0; i < count; i++)
        for (unsigned byte = 0; byte < 8; byte++)
            counts[byte][from[i].head >> 8 * byte & 0xFF]++;
    for (unsigned byte = 0; byte < 8; byte++) {
        uint64_t places[256], place = 0;
        if (count && counts[byte][from[0].head >> 8 * byte & 0xFF] == count)
            continue;
        for (unsigned value = 0; value < 256; value++) {
            places[value] = place;
            place += counts[byte][value];
        }
        for (uint64_t i = 0; i < count; i++)
            to[places[from[i].head >> 8 * byte & 0xFF]++] = from[i];
        struct sort_key *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* Sorts, and drops all but the first of equal keys. */
static bool sort(struct tok_trie_key *keys, uint64_t *count)
{
    struct tok_pages memory =
        tok_pages_new((2 * *count + 1) * sizeof(struct sort_key) + *count * sizeof *keys);
    struct sort_key *order = memory.at;
    struct tok_trie_key *sorted = order ? (void *)(order + 2 * *count) : NULL;
    uint64_t kept = 0;
    bool done = order != NULL;

    for (uint64_t i = 0; i < *count && done; i++)
        order[i] = (struct sort_key){head_of(&keys[i]), &keys[i]};
    if (done) {
        order = sort_heads(order, order + *count, *count);
        for (uint64_t i = 0, end; i < *count; i = end) {
            for (end = i + 1; end < *count && order[end].head == order[i].head;)
                end++;
            if (end - i > 1)
                qsort(order + i, end - i, sizeof *order, compare_sort);
        }
        for (uint64_t i = 0; i < *count; i++) {
            const struct tok_trie_key *k = order[i].key;
            if (kept && sorted[kept - 1].size == k->size &&
                memcmp(sorted[kept - 1].bytes, k->bytes, k->size) == 0)
                continue;
            sorted[kept++] = *k;
        }
        memcpy(keys, sorted, kept * sizeof *keys);
        *count = kept;
    }
    tok_pages_done(&memory);
    return done;
}

static bool reserve(struct builder *b, uint64_t room)
{
    struct tok_trie *t = b->t;
    struct tok_pages pages = {0};

    if (room * 256 <= TOK_TRIE_UNITS)
        pages = tok_pages_new(room * 256 * sizeof *t->units);
    struct block_map *blocks = realloc(b->blocks, room * sizeof *blocks);
    if (blocks)
        b->blocks = blocks;
    if (!pages.at || !blocks) {
        tok_pages_done(&pages);
        return false;
    }
    if (t->count)
        memcpy(pages.at, t->units, t->count * sizeof *t->units);
    tok_pages_done(&t->memory);
    t->memory = pages;
    t->units = pages.at;
    b->block_room = room;
    return true;
}

static bool add_block(struct builder *b)
{
    struct tok_trie *t = b->t;

    if (b->block_count == b->block_room && !reserve(b, b->block_room * 2))
        return false;
    /* Base 0 of a block belongs to no node, so label i at unit i of it is asked for by nobody. In
     * block 0 all who ask have base 0 (no children) and ask for label i at unit i. */
    for (uint64_t i = 0; i < 256; i++)
        t->units[t->count + i] = (uint64_t)TOK_TRIE_NONE << 8 | (uint8_t)(t->count ? i : ~i);
    memset(&b->blocks[b->block_count++], 0, sizeof *b->blocks);
    t->count += 256;
    return true;
}

static bool has(const uint64_t *map, unsigned i)
{
    return map[i / 64] >> i % 64 & 1;
}

/* The base in block k where all labels [count] are free, or -1. */
static int fit(const struct block_map *k, const uint8_t *labels, unsigned count)
{
    for (unsigned w = 0; w < 4; w++) {
        for (uint64_t left = ~k->taken[w]; left; left &= left - 1) {
            unsigned base = (w * 64 + (unsigned)__builtin_ctzll(left)) ^ labels[0];
            unsigned i = 1;
            if (base == 0 || has(k->bases, base))
                continue;
            while (i < count && !has(k->taken, base ^ labels[i]))
                i++;
            if (i == count)
                return (int)base;
        }
    }
    return -1;
}

static void take(struct block_map *map, unsigned base, const uint8_t *labels, unsigned count)
{
    map->bases[base / 64] |= 1ull << base % 64;
    for (unsigned i = 0; i < count; i++) {
        unsigned unit = base ^ labels[i];
        map->taken[unit / 64] |= 1ull << unit % 64;
    }
}

/* Bit i of the eight to bit i ^ by. */
static unsigned exchange(unsigned bits, unsigned by)
{
    bits = by & 1 ? (bits & 0x55) << 1 | (bits >> 1 & 0x55) : bits;
    bits = by & 2 ? (bits & 0x33) << 2 | (bits >> 2 & 0x33) : bits;
    return by & 4 ? (bits & 0x0F) << 4 | bits >> 4 : bits;
}

/* An only child beside its parent, on the same cache line: most nodes deep down are only children,
 * and a walk waits once for several of them. False: no room there. */
static bool place_beside(struct builder *b, uint64_t parent, uint8_t label, uint32_t *ret_base)
{
    struct block_map *map = &b->blocks[parent / 256];
    /* all units of the line at once: their bases are eight neighbours too */
    unsigned line = (unsigned)parent & 255 & ~(LINE_UNITS - 1u), bases = line ^ (label & ~7u);
    unsigned room = ~(unsigned)(map->taken[line / 64] >> line % 64) & 0xFF;
    unsigned used = (unsigned)(map->bases[bases / 64] >> bases % 64) & 0xFF;

    used |= bases == 0; /* base 0 belongs to no node */
    room &= ~exchange(used, label & 7);
    if (!room)
        return false;
    unsigned base = (line + (unsigned)__builtin_ctz(room)) ^ label;
    take(map, base, &label, 1);
    *ret_base = (uint32_t)(parent / 256 * 256 + base);
    return true;
}

static bool place(struct builder *b, const uint8_t *labels, unsigned count, uint32_t *ret_base)
{
    uint64_t first = b->block_count > OPEN_BLOCKS ? b->block_count - OPEN_BLOCKS : 1;
    int base = -1;
    uint64_t k = first;

    for (; k < b->block_count && base < 0; k++)
        base = fit(&b->blocks[k], labels, count);
    if (base < 0) {
        if (!add_block(b))
            return false;
        k = b->block_count;
        base = fit(&b->blocks[k - 1], labels, count);
    }
    take(&b->blocks[k - 1], (unsigned)base, labels, count);
    *ret_base = (uint32_t)((k - 1) * 256 + (unsigned)base);
    return true;
}

static bool push(struct builder *b, struct open_node node)
{
    if (b->stack_count == b->stack_room) {
        uint64_t room = b->stack_room * 2 + 256;
        struct open_node *grown = realloc(b->stack, room * sizeof *grown);
        if (!grown)
            return false;
        b->stack = grown;
        b->stack_room = room;
    }
    b->stack[b->stack_count++] = node;
    return true;
}

static tok_trie_unit may_follow(const uint8_t *labels, unsigned count)
{
    tok_trie_unit bits = 0;

    for (unsigned i = 0; i < count; i++)
        bits |= UINT64_C(1) << (56 + (labels[i] & 7));
    return bits;
}

/* What is left of a key that is alone below its node: only children, down to its end. */
static bool expand_alone(struct builder *b, struct open_node node)
{
    const struct tok_trie_key *k = &b->keys[node.first];

    for (uint64_t at = node.depth; at < k->size; at++) {
        uint8_t label = k->bytes[at];
        uint32_t base = 0, value = at + 1 == k->size ? k->value : TOK_TRIE_NONE;
        if (!place_beside(b, node.unit, label, &base) && !place(b, &label, 1, &base))
            return false;
        b->t->units[node.unit] |= (uint64_t)base << 32 | may_follow(&label, 1);
        node.unit = base ^ label;
        b->t->units[node.unit] = (uint64_t)value << 8 | label;
    }
    return true;
}

/* Places the children of one node and puts those that have children of their own on the stack. */
static bool expand(struct builder *b, struct open_node node)
{
    uint8_t labels[256];
    uint64_t starts[257];
    unsigned count = 0;
    uint32_t base = 0;

    for (uint64_t i = node.first; i < node.last; i++) {
        uint8_t label = b->keys[i].bytes[node.depth];
        if (!count || labels[count - 1] != label) {
            labels[count] = label;
            starts[count++] = i;
        }
    }
    starts[count] = node.last;
    bool beside =
        count == 1 && node.unit != UINT64_MAX && place_beside(b, node.unit, labels[0], &base);
    if (!beside && !place(b, labels, count, &base))
        return false;
    if (node.unit == UINT64_MAX)
        b->t->root = base;
    else
        b->t->units[node.unit] |= (uint64_t)base << 32 | may_follow(labels, count);
    for (unsigned i = count; i-- > 0;) {
        const struct tok_trie_key *k = &b->keys[starts[i]];
        bool ends = k->size == node.depth + 1;
        uint64_t unit = base ^ labels[i];
        b->t->units[unit] = (uint64_t)(ends ? k->value : TOK_TRIE_NONE) << 8 | labels[i];
        if (starts[i] + ends < starts[i + 1] &&
            !push(b, (struct open_node){starts[i] + ends, starts[i + 1], node.depth + 1, unit}))
            return false;
    }
    return true;
}

enum ngt_status tok_trie_init(struct tok_trie *t, struct tok_trie_key *keys, uint64_t count,
                              struct ngt_error *reterr)
{
    struct builder b = {.t = t, .keys = keys};
    uint64_t total = 0, most = TOK_TRIE_UNITS / 256;
    bool done;

    *t = (struct tok_trie){0};
    for (uint64_t i = 0; i < count; i++)
        total += keys[i].size;
    /* a unit a byte of them is seldom too little: keys share their beginnings. Pages that are not
     * touched are not there. Block 0 stays empty: base 0 means "no children" */
    done = reserve(&b, total / 256 < most - 16 ? total / 256 + 16 : most) && sort(keys, &count) &&
           add_block(&b) && add_block(&b);
    if (done && count)
        done = push(&b, (struct open_node){0, count, 0, UINT64_MAX});
    t->keys = count;
    for (uint64_t i = 0; i < count; i++)
        if (keys[i].size > t->max_bytes)
            t->max_bytes = keys[i].size;
    while (done && b.stack_count) {
        struct open_node node = b.stack[--b.stack_count];
        bool alone = node.last - node.first == 1 && node.unit != UINT64_MAX;
        done = alone ? expand_alone(&b, node) : expand(&b, node);
    }
    free(b.blocks);
    free(b.stack);
    if (!done) {
        tok_trie_done(t);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the spellings of %llu tokens",
                        (unsigned long long)count);
    }
    return NGT_OK;
}

void tok_trie_done(struct tok_trie *t)
{
    tok_pages_done(&t->memory);
    *t = (struct tok_trie){0};
}
