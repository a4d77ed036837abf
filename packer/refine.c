#include "refine.h"

#include <stdlib.h>

uint64_t packer_bound(uint64_t tokens, uint64_t seq_len)
{
    uint64_t least = tokens / seq_len + (tokens % seq_len != 0);

    return least + least / 5000 + 1; /* in integers: 0.0002 = 1 / 5000 */
}

struct bin {
    uint64_t number, room;
    bool fixed; /* holds a document that would otherwise stay whole, or was dissolved */
};

/* Largest room first; of equal ones the lower number. */
static int by_room(const void *a, const void *b)
{
    const struct bin *const *x = a, *const *y = b;
    if ((*x)->room != (*y)->room)
        return (*x)->room < (*y)->room ? 1 : -1;
    return (*x)->number < (*y)->number ? -1 : 1;
}

static bool add_part(struct packer_refinement *r, uint64_t bin, uint64_t doc, uint64_t offset,
                     uint64_t length)
{
    struct packer_part *larger = realloc(r->parts, (r->part_count + 1) * sizeof *larger);

    if (!larger)
        return false;
    r->parts = larger;
    r->parts[r->part_count++] = (struct packer_part){bin, {doc, offset, (uint32_t)length}};
    return true;
}

/* Hands out free room: the rooms of all bins but the target, largest first. */
struct rooms {
    struct bin **bins; /* sorted */
    uint64_t count, at;
};

/* Divides tokens [offset, offset + length) of a document among the rooms. */
static bool divide(struct packer_refinement *r, struct rooms *rooms, uint64_t doc, uint64_t offset,
                   uint64_t length)
{
    while (length) {
        struct bin *b = rooms->bins[rooms->at];
        uint64_t take = b->room < length ? b->room : length;
        if (!add_part(r, b->number, doc, offset, take))
            return false;
        b->room -= take;
        offset += take;
        length -= take;
        if (b->room == 0)
            rooms->at++;
    }
    return true;
}

static bool dissolve(struct packer_refinement *r, struct bin *bins, struct bin **sorted,
                     struct bin *target)
{
    struct rooms rooms = {.bins = sorted};
    uint64_t parts = r->part_count;

    for (uint64_t b = 0; b < r->bins; b++)
        if (&bins[b] != target && bins[b].room && bins[b].room < r->seq_len)
            sorted[rooms.count++] = &bins[b];
    qsort(sorted, rooms.count, sizeof *sorted, by_room);
    for (uint64_t i = 0; i < r->n; i++)
        if (r->bin_of[i] == target->number) {
            uint64_t n = r->lengths[r->order[i]], rest = n % r->seq_len;
            if (!divide(r, &rooms, r->order[i], n - rest, rest))
                return false;
            r->bin_of[i] = UINT64_MAX;
        }
    /* parts that an earlier step had put here move on */
    for (uint64_t k = 0; k < parts; k++)
        if (r->parts[k].bin == target->number) {
            struct packer_piece p = r->parts[k].piece;
            if (!divide(r, &rooms, p.doc, p.offset, p.length))
                return false;
            r->parts[k].bin = UINT64_MAX;
        }
    target->room = r->seq_len;
    target->fixed = true;
    return true;
}

/* Numbers the bins that are left from 0, in order, and drops the parts that moved on. */
static bool renumber(struct packer_refinement *r, const struct bin *bins)
{
    uint64_t *number = malloc((r->bins + 1) * sizeof *number), kept = 0, parts = 0;

    if (!number)
        return false;
    for (uint64_t b = 0; b < r->bins; b++)
        number[b] = bins[b].room < r->seq_len ? kept++ : UINT64_MAX;
    for (uint64_t i = 0; i < r->n; i++)
        if (r->bin_of[i] != UINT64_MAX)
            r->bin_of[i] = number[r->bin_of[i]];
    for (uint64_t k = 0; k < r->part_count; k++)
        if (r->parts[k].bin != UINT64_MAX) {
            r->parts[parts] = r->parts[k];
            r->parts[parts].bin = number[r->parts[parts].bin];
            parts++;
        }
    r->part_count = parts;
    r->bins = kept;
    free(number);
    return true;
}

bool packer_refine(struct packer_refinement *r, uint64_t most)
{
    uint64_t left = r->bins;
    struct bin *bins = calloc(r->bins + 1, sizeof *bins),
               **sorted = calloc(r->bins + 1, sizeof *sorted);
    bool good = bins && sorted;

    for (uint64_t b = 0; good && b < r->bins; b++)
        bins[b] = (struct bin){b, r->seq_len, false};
    for (uint64_t i = 0; good && i < r->n; i++) {
        bins[r->bin_of[i]].room -= r->lengths[r->order[i]] % r->seq_len;
        bins[r->bin_of[i]].fixed |= r->lengths[r->order[i]] < r->seq_len;
    }
    while (good && left > most) {
        struct bin *target = NULL;
        uint64_t free_room = 0;
        for (uint64_t b = 0; b < r->bins; b++) {
            if (bins[b].room < r->seq_len)
                free_room += bins[b].room;
            if (!bins[b].fixed && (!target || bins[b].room >= target->room))
                target = &bins[b];
        }
        if (!target || free_room - target->room < r->seq_len - target->room)
            break;
        good = dissolve(r, bins, sorted, target);
        left--;
    }
    good = good && renumber(r, bins);
    free(bins);
    free(sorted);
    return good;
}
