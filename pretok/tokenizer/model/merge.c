/*
 * Short words: the lowest rank is searched in an array, each time anew. Long ones: a heap of
 * candidates over a linked list, n log n. A candidate is stale when the symbols at its place are no
 * longer those it was made for: places only grow, so a pair that is there again is the same one.
 */
#include "model/merge.h"

#include <stdlib.h>
#include <string.h>

#define SHORT 48
#define NO_PLACE UINT32_MAX

struct tok_merge_place {
    uint32_t symbol, before, after;
};

struct tok_merge_candidate {
    uint32_t rank, place;
    uint32_t left, right, result;
};

void tok_merge_done(struct tok_merge *m)
{
    free(m->places);
    free(m->heap);
    *m = (struct tok_merge){0};
}

static uint64_t merge_short(const struct tok_rule_table *rules, uint32_t *symbols, uint64_t n,
                            struct tok_merge_last *last)
{
    uint32_t ranks[SHORT], results[SHORT];

    for (uint64_t i = 0; i + 1 < n; i++) {
        const struct tok_rule_entry *e = tok_rule_find(rules, symbols[i], symbols[i + 1]);
        ranks[i] = e->rank;
        results[i] = e->result;
    }
    while (n > 1) {
        uint64_t best = 0;
        for (uint64_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == TOK_RULE_NONE)
            break;
        if (last)
            *last = (struct tok_merge_last){symbols[best], symbols[best + 1], ranks[best]};
        symbols[best] = results[best];
        n--;
        memmove(symbols + best + 1, symbols + best + 2, (n - best - 1) * sizeof *symbols);
        if (best + 1 < n) {
            memmove(ranks + best + 1, ranks + best + 2, (n - best - 1) * sizeof *ranks);
            memmove(results + best + 1, results + best + 2, (n - best - 1) * sizeof *results);
            const struct tok_rule_entry *e = tok_rule_find(rules, symbols[best], symbols[best + 1]);
            ranks[best] = e->rank;
            results[best] = e->result;
        }
        if (best > 0) {
            const struct tok_rule_entry *e = tok_rule_find(rules, symbols[best - 1], symbols[best]);
            ranks[best - 1] = e->rank;
            results[best - 1] = e->result;
        }
    }
    return n;
}

static bool earlier(const struct tok_merge_candidate *a, const struct tok_merge_candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->place < b->place;
}

static bool heap_push(struct tok_merge *m, struct tok_merge_candidate c)
{
    if (m->heap_count == m->heap_room) {
        uint64_t room = m->heap_room * 2 + 256;
        struct tok_merge_candidate *grown = realloc(m->heap, room * sizeof *grown);
        if (!grown)
            return false;
        m->heap = grown;
        m->heap_room = room;
    }
    uint64_t i = m->heap_count++;
    while (i > 0 && earlier(&c, &m->heap[(i - 1) / 2])) {
        m->heap[i] = m->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    m->heap[i] = c;
    return true;
}

static struct tok_merge_candidate heap_pop(struct tok_merge *m)
{
    struct tok_merge_candidate top = m->heap[0], c = m->heap[--m->heap_count];
    uint64_t i = 0;

    for (;;) {
        uint64_t child = 2 * i + 1;
        if (child >= m->heap_count)
            break;
        if (child + 1 < m->heap_count && earlier(&m->heap[child + 1], &m->heap[child]))
            child++;
        if (!earlier(&m->heap[child], &c))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = c;
    return top;
}

static bool consider(struct tok_merge *m, const struct tok_rule_table *rules, uint32_t place)
{
    uint32_t after = m->places[place].after;

    if (after == NO_PLACE)
        return true;
    uint32_t left = m->places[place].symbol, right = m->places[after].symbol;
    const struct tok_rule_entry *e = tok_rule_find(rules, left, right);
    return e->rank == TOK_RULE_NONE ||
           heap_push(m, (struct tok_merge_candidate){e->rank, place, left, right, e->result});
}

static bool merge_long(struct tok_merge *m, const struct tok_rule_table *rules, uint64_t n,
                       struct tok_merge_last *last)
{
    m->heap_count = 0;
    for (uint32_t i = 0; i + 1 < n; i++)
        if (!consider(m, rules, i))
            return false;
    while (m->heap_count) {
        struct tok_merge_candidate c = heap_pop(m);
        struct tok_merge_place *p = &m->places[c.place];
        if (p->symbol != c.left || p->after == NO_PLACE || m->places[p->after].symbol != c.right)
            continue;
        if (last)
            *last = (struct tok_merge_last){c.left, c.right, c.rank};
        struct tok_merge_place *gone = &m->places[p->after];
        p->symbol = c.result;
        p->after = gone->after;
        gone->symbol = NO_PLACE; /* makes its candidates stale */
        if (p->after != NO_PLACE)
            m->places[p->after].before = c.place;
        if (!consider(m, rules, c.place) ||
            (p->before != NO_PLACE && !consider(m, rules, p->before)))
            return false;
    }
    return true;
}

enum ngt_status tok_merge_run(struct tok_merge *m, const struct tok_rule_table *rules,
                              uint32_t *symbols, uint64_t n, uint64_t *ret_count,
                              struct tok_merge_last *ret_last, struct ngt_error *reterr)
{
    uint64_t count = 0;

    if (n <= SHORT) {
        *ret_count = merge_short(rules, symbols, n, ret_last);
        return NGT_OK;
    }
    if (n > m->place_room) {
        struct tok_merge_place *grown = realloc(m->places, (n + n / 2) * sizeof *grown);
        if (!grown)
            goto no_memory;
        m->places = grown;
        m->place_room = n + n / 2;
    }
    for (uint64_t i = 0; i < n; i++)
        m->places[i] = (struct tok_merge_place){symbols[i], i ? (uint32_t)i - 1 : NO_PLACE,
                                                i + 1 < n ? (uint32_t)i + 1 : NO_PLACE};
    if (!merge_long(m, rules, n, ret_last))
        goto no_memory;
    for (uint32_t i = 0; i != NO_PLACE; i = m->places[i].after)
        symbols[count++] = m->places[i].symbol;
    *ret_count = count;
    return NGT_OK;
no_memory:
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for a word of %llu symbols", (unsigned long long)n);
}
