/*
 * kern/device/executor.h. Two arenas: t's own holds the state between tiles; the other, the cell, is
 * all 0xff but while a tile works in it. A stamp a byte says which phase wrote it last.
 */
#include "kern/device/executor.h"

#include "backend_ops.h"

#include <stdlib.h>
#include <string.h>

struct executor {
    struct kern_device_twin *t;
    unsigned char *live, *cell;
    uint16_t *stamp; /* phase number + 1 of the last write in this slot; 0: none */
    uint64_t random;
    struct kern_error *reterr;
    /* where we are, for messages */
    const struct kern_device_phase *p;
    uint32_t tile;
};

static enum kern_status refuse(struct executor *e, enum kern_device_buffer id, uint64_t byte,
                               const char *what)
{
    const struct kern_device_phase *p = e->p;

    return kern_fail(
        e->reterr, KERN_E_DEVICE, "phase %u (%s, layer %u, part %u), tile %u: %s, byte %llu %s",
        (unsigned)(p - e->t->table->phases), kern_device_op_name((enum kern_device_op)p->op),
        p->layer, p->part, e->tile, kern_device_buffer_name(id),
        (unsigned long long)(byte - e->t->table->at[id].offset), what);
}

/* The phase's number as a stamp; tables of more than 65534 phases do not occur in tests. */
static uint16_t stamp_of(const struct executor *e)
{
    return (uint16_t)(e->p - e->t->table->phases + 1);
}

static bool persists(const struct executor *e, enum kern_device_buffer id)
{
    switch (id) {
    case KERN_DEV_MASTER:
    case KERN_DEV_WEIGHTS:
    case KERN_DEV_MOMENT1:
    case KERN_DEV_MOMENT2:
    case KERN_DEV_ROPE:
        return true;
    case KERN_DEV_GRADIENTS:
        return !e->t->slot.first_micro;
    default:
        return false;
    }
}

/* ---- the runs of bytes of a region ---- */

typedef enum kern_status run_fn(struct executor *e, const struct kern_device_region *r,
                                uint64_t begin, uint64_t end);

static enum kern_status each_run(struct executor *e, const struct kern_device_region *r,
                                 run_fn *visit)
{
    const struct kern_device_place *at = &e->t->table->at[r->buffer];

    for (uint64_t copy = r->copy; copy < (uint64_t)r->copy + r->copies; copy++)
        for (uint64_t row = 0; row < r->rows; row++) {
            uint64_t begin = at->offset + copy * at->stride + r->start + row * r->stride;
            enum kern_status status = KERN_OK;

            if (begin + r->bytes > e->t->table->arena)
                return refuse(e, (enum kern_device_buffer)r->buffer, begin, "is outside the arena");
            status = visit(e, r, begin, begin + r->bytes);
            if (status != KERN_OK)
                return status;
        }
    return KERN_OK;
}

static enum kern_status each(struct executor *e, const struct kern_device_regions *list, bool reads,
                             bool writes, run_fn *visit)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct kern_device_region *r = &list->at[i];
        bool wanted =
            (reads && r->access == KERN_DEV_READS) || (writes && r->access != KERN_DEV_READS);
        enum kern_status status = wanted ? each_run(e, r, visit) : KERN_OK;

        if (status != KERN_OK)
            return status;
    }
    return KERN_OK;
}

/* ---- one tile ---- */

/* Whether any stamp of a run is `value`: without an exit on the way, so that it takes many at once. */
static bool has_stamp(const struct executor *e, uint64_t begin, uint64_t end, uint16_t value)
{
    unsigned found = 0;

    for (uint64_t i = begin; i < end; i++)
        found |= e->stamp[i] == value;
    return found != 0;
}

static enum kern_status show(struct executor *e, const struct kern_device_region *r, uint64_t begin,
                             uint64_t end)
{
    if (!persists(e, (enum kern_device_buffer)r->buffer) && has_stamp(e, begin, end, 0))
        return refuse(e, (enum kern_device_buffer)r->buffer, begin,
                      "and what follows are read before they are written");
    memcpy(e->cell + begin, e->live + begin, end - begin);
    return KERN_OK;
}

static enum kern_status keeps(struct executor *e, const struct kern_device_region *r,
                              uint64_t begin, uint64_t end)
{
    if (memcmp(e->cell + begin, e->live + begin, end - begin) != 0)
        return refuse(e, (enum kern_device_buffer)r->buffer, begin,
                      "was changed, being declared as read only");
    return KERN_OK;
}

static enum kern_status take(struct executor *e, const struct kern_device_region *r, uint64_t begin,
                             uint64_t end)
{
    enum kern_device_buffer id = (enum kern_device_buffer)r->buffer;
    uint64_t bytes = kern_device_matrix(e->t->table, id).bytes;

    if (id == KERN_DEV_SPLITS)
        bytes = 4;
    if (has_stamp(e, begin, end, stamp_of(e)))
        return refuse(e, id, begin, "and what follows are written by two tiles of the phase");
    for (uint64_t i = begin; i < end; i++)
        e->stamp[i] = stamp_of(e);
    /* No result is this not-a-number, but KERN_NO_TARGET and the ends of unused runs are. */
    for (uint64_t i = begin; i < end && e->p->op != KERN_DEV_FETCH; i += bytes)
        if (e->cell[i] == 0xff && e->cell[i + 1] == 0xff && e->cell[i + bytes - 1] == 0xff &&
            e->cell[i + bytes - 2] == 0xff)
            return refuse(e, id, i, "was to be written and was not");
    memcpy(e->live + begin, e->cell + begin, end - begin);
    return KERN_OK;
}

static enum kern_status hide(struct executor *e, const struct kern_device_region *r, uint64_t begin,
                             uint64_t end)
{
    (void)r;
    memset(e->cell + begin, 0xff, end - begin);
    return KERN_OK;
}

static enum kern_status is_own(struct executor *e, const struct kern_device_region *r,
                               uint64_t begin, uint64_t end)
{
    if (has_stamp(e, begin, end, stamp_of(e)))
        return refuse(e, (enum kern_device_buffer)r->buffer, begin,
                      "and what follows are read, and written by the same phase");
    return KERN_OK;
}

/* In words: this runs over the whole arena for every tile. An arena is a multiple of 256 bytes (validate.h). */
static bool is_blank(const unsigned char *cell, uint64_t bytes)
{
    uint64_t all = UINT64_MAX;

    for (uint64_t i = 0; i < bytes; i += sizeof all) {
        uint64_t word;
        memcpy(&word, cell + i, sizeof word);
        all &= word;
    }
    return all == UINT64_MAX;
}

/* The cell holds nothing once all declared regions are hidden. */
static enum kern_status look_for_strays(struct executor *e)
{
    const struct kern_device_table *table = e->t->table;
    uint64_t at = 0;

    if (is_blank(e->cell, table->arena))
        return KERN_OK;
    while (e->cell[at] == 0xff)
        at++;
    for (int id = 0; id < KERN_DEVICE_BUFFERS; id++) {
        const struct kern_device_place *p = &table->at[id];
        uint64_t copies = kern_device_matrix(table, (enum kern_device_buffer)id).copies;

        if (p->size && at >= p->offset && at < p->offset + (copies - 1) * p->stride + p->size)
            return refuse(e, (enum kern_device_buffer)id, at, "was written without being declared");
    }
    return refuse(e, KERN_DEV_MASTER, at, "lies between buffers and was written");
}

/* What was declared as changed holds old values; without the poison of `take`, so it is shown. */
static enum kern_status show_changed(struct executor *e, const struct kern_device_regions *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (list->at[i].access == KERN_DEV_CHANGES) {
            enum kern_status status = each_run(e, &list->at[i], show);
            if (status != KERN_OK)
                return status;
        }
    return KERN_OK;
}

static enum kern_status work_tile(struct executor *e, bool thorough)
{
    struct kern_device_regions list;
    enum kern_status status = KERN_OK;

    kern_device_regions(e->t, e->p, e->tile, &list);
    status = each(e, &list, true, false, show);
    if (status == KERN_OK)
        status = show_changed(e, &list);
    if (status != KERN_OK)
        return status;
    e->t->arena = e->cell;
    kern_device_twin_run(e->t, e->p, e->tile);
    e->t->arena = e->live;
    status = each(e, &list, true, false, keeps);
    if (status == KERN_OK)
        status = each(e, &list, false, true, take);
    if (status == KERN_OK)
        status = each(e, &list, true, true, hide);
    if (status == KERN_OK && thorough)
        status = look_for_strays(e);
    return status;
}

/* ---- one phase ---- */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static enum kern_status work_phase(struct executor *e, uint32_t *order, bool thorough)
{
    enum kern_status status = KERN_OK;
    uint32_t tiles = e->p->tiles;

    for (uint32_t i = 0; i < tiles; i++) { /* Fisher and Yates's shuffle, inside out */
        uint32_t j = (uint32_t)(next(&e->random) % (i + 1));
        order[i] = order[j];
        order[j] = i;
    }
    for (uint32_t i = 0; i < tiles && status == KERN_OK; i++) {
        e->tile = order[i];
        status = work_tile(e, thorough);
    }
    if (status == KERN_OK && !thorough)
        status = look_for_strays(e);
    /* Once more, as the order at hand may have hidden it. */
    for (e->tile = 0; e->tile < tiles && status == KERN_OK; e->tile++) {
        struct kern_device_regions list;
        kern_device_regions(e->t, e->p, e->tile, &list);
        status = each(e, &list, true, false, is_own);
    }
    return status;
}

enum kern_status kern_device_execute(struct kern_device_twin *t, bool thorough, uint64_t seed,
                                     struct kern_error *reterr)
{
    const struct kern_device_table *table = t->table;
    struct executor e = {.t = t, .live = t->arena, .random = seed, .reterr = reterr};
    enum kern_status status = KERN_OK;
    uint32_t most = 1, *order = NULL;

    for (uint32_t i = 0; i < table->phase_count; i++)
        most = table->phases[i].tiles > most ? table->phases[i].tiles : most;
    order = calloc(most, sizeof *order);
    e.cell = aligned_alloc(256, (table->arena + 255) / 256 * 256);
    e.stamp = calloc(table->arena, sizeof *e.stamp);
    if (!order || !e.cell || !e.stamp) {
        status = kern_fail(reterr, KERN_E_NOMEM, "no memory to execute a phase table");
        goto out;
    }
    memset(e.cell, 0xff, table->arena);
    for (uint32_t i = 0; i < table->phase_count && status == KERN_OK; i++) {
        e.p = &table->phases[i];
        if (e.p->when <= t->slot.when)
            status = work_phase(&e, order, thorough);
    }
out:
    free(order);
    free(e.cell);
    free(e.stamp);
    return status;
}
