/* Sets of code points as sorted ranges, and the bit maps made of them. */
#include "split/charset.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

void tok_charset_done(struct tok_charset *set)
{
    free(set->at);
    *set = (struct tok_charset){0};
}

static bool make_room(struct tok_charset *set, uint64_t count)
{
    if (set->failed)
        return false;
    if (count <= set->room)
        return true;
    uint64_t room = set->room * 2 > count ? set->room * 2 : count + 8;
    void *grown = realloc(set->at, room * sizeof *set->at);
    if (!grown) {
        set->failed = true;
        return false;
    }
    set->at = grown;
    set->room = room;
    return true;
}

void tok_charset_add(struct tok_charset *set, uint32_t first, uint32_t last)
{
    if (!make_room(set, set->count + 1))
        return;
    /* [i, j): the ranges that touch the new one */
    uint64_t i = set->count, j;
    while (i > 0 && (uint64_t)set->at[i - 1].last + 1 >= first)
        i--;
    for (j = i; j < set->count && set->at[j].first <= (uint64_t)last + 1; j++) {
        if (set->at[j].first < first)
            first = set->at[j].first;
        if (set->at[j].last > last)
            last = set->at[j].last;
    }
    memmove(set->at + i + 1, set->at + j, (set->count - j) * sizeof *set->at);
    set->at[i] = (struct tok_unicode_range){first, last};
    set->count = set->count - (j - i) + 1;
}

void tok_charset_add_all(struct tok_charset *set, const struct tok_charset *other)
{
    set->failed |= other->failed;
    for (uint64_t i = 0; i < other->count; i++)
        tok_charset_add(set, other->at[i].first, other->at[i].last);
}

void tok_charset_add_categories(struct tok_charset *set, uint32_t categories)
{
    for (uint32_t c = 0; c < TOK_UNICODE_TABLED; c++)
        if (categories >> tok_unicode_category(c) & 1) {
            uint32_t first = c;
            while (c + 1 < TOK_UNICODE_TABLED && categories >> tok_unicode_category(c + 1) & 1)
                c++;
            tok_charset_add(set, first, c);
        }
    uint32_t at = TOK_UNICODE_TABLED;
    for (uint32_t i = 0; i <= tok_unicode_tail_count; i++) {
        bool end = i == tok_unicode_tail_count;
        uint32_t first = end ? TOK_CODE_POINTS : tok_unicode_tail[i].first;
        if (at < first && categories >> TOK_UNICODE_UNASSIGNED & 1)
            tok_charset_add(set, at, first - 1);
        if (end)
            break;
        if (categories >> tok_unicode_tail[i].category & 1)
            tok_charset_add(set, first, tok_unicode_tail[i].last);
        at = tok_unicode_tail[i].last + 1;
    }
}

void tok_charset_add_set(struct tok_charset *set, const struct tok_unicode_set *other)
{
    for (uint32_t i = 0; i < other->count; i++)
        tok_charset_add(set, other->ranges[i].first, other->ranges[i].last);
}

void tok_charset_invert(struct tok_charset *set)
{
    struct tok_charset out = {.failed = set->failed};
    uint32_t at = 0;

    for (uint64_t i = 0; i < set->count; i++) {
        if (at < set->at[i].first)
            tok_charset_add(&out, at, set->at[i].first - 1);
        at = set->at[i].last + 1;
    }
    if (at < TOK_CODE_POINTS)
        tok_charset_add(&out, at, TOK_CODE_POINTS - 1);
    tok_charset_done(set);
    *set = out;
}

void tok_charset_intersect(struct tok_charset *set, const struct tok_charset *other)
{
    struct tok_charset out = {.failed = set->failed || other->failed};
    uint64_t i = 0, j = 0;

    while (i < set->count && j < other->count) {
        struct tok_unicode_range a = set->at[i], b = other->at[j];
        uint32_t first = a.first > b.first ? a.first : b.first;
        uint32_t last = a.last < b.last ? a.last : b.last;
        if (first <= last)
            tok_charset_add(&out, first, last);
        if (a.last < b.last)
            i++;
        else
            j++;
    }
    tok_charset_done(set);
    *set = out;
}

void tok_charset_fold(struct tok_charset *set)
{
    struct tok_charset more = {0};

    /* The table holds every pair, so once through it suffices. */
    for (uint32_t i = 0; i < tok_unicode_fold_count; i++) {
        struct tok_unicode_fold f = tok_unicode_fold[i];
        for (uint32_t c = f.first; c <= f.last; c += f.step)
            if (tok_charset_has(set, c))
                tok_charset_add(&more, (uint32_t)((int32_t)c + f.delta),
                                (uint32_t)((int32_t)c + f.delta));
    }
    tok_charset_add_all(set, &more);
    tok_charset_done(&more);
}

bool tok_charset_has(const struct tok_charset *set, uint32_t c)
{
    uint64_t low = 0, high = set->count;

    while (low < high) {
        uint64_t mid = (low + high) / 2;
        if (c > set->at[mid].last)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->count && c >= set->at[low].first;
}

bool tok_charset_equal(const struct tok_charset *a, const struct tok_charset *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->at, b->at, a->count * sizeof *a->at) == 0);
}

bool tok_charset_disjoint(const struct tok_charset *a, const struct tok_charset *b)
{
    for (uint64_t i = 0, j = 0; i < a->count && j < b->count;) {
        if (a->at[i].last < b->at[j].first)
            i++;
        else if (b->at[j].last < a->at[i].first)
            j++;
        else
            return false;
    }
    return true;
}

bool tok_charset_full(const struct tok_charset *set)
{
    return set->count == 1 && set->at[0].first == 0 && set->at[0].last == TOK_CODE_POINTS - 1;
}

struct tok_charmap *tok_charmap_new(const struct tok_charset *set)
{
    struct tok_charmap *map = calloc(1, sizeof *map);
    uint64_t blocks = 0, room = 0, range = 0;

    if (!map || set->failed)
        goto out;
    for (uint32_t b = 0; b < TOK_CODE_POINTS >> 8; b++) {
        uint8_t bits[32] = {0};
        uint32_t first = b << 8, last = first + 255;
        while (range < set->count && set->at[range].last < first)
            range++;
        for (uint64_t r = range; r < set->count && set->at[r].first <= last; r++) {
            uint32_t from = set->at[r].first > first ? set->at[r].first : first;
            uint32_t to = set->at[r].last < last ? set->at[r].last : last;
            for (uint32_t c = from; c <= to; c++)
                bits[c >> 3 & 31] |= (uint8_t)(1u << (c & 7));
        }
        uint64_t same = 0;
        while (same < blocks && memcmp(map->block[same], bits, 32) != 0)
            same++;
        if (same == blocks) {
            if (blocks == room) {
                room = room ? room * 2 : 8;
                void *grown = realloc(map->block, room * 32);
                if (!grown)
                    goto out;
                map->block = grown;
            }
            memcpy(map->block[blocks++], bits, 32);
        }
        map->index[b] = (uint16_t)same;
    }
    for (uint32_t c = 0; c < 128; c++)
        if (tok_charset_has(set, c))
            map->ascii[c >> 6] |= (uint64_t)1 << (c & 63);
    return map;
out:
    tok_charmap_free(&map);
    return NULL;
}

void tok_charmap_free(struct tok_charmap **map)
{
    if (*map)
        free((*map)->block);
    free(*map);
    *map = NULL;
}
