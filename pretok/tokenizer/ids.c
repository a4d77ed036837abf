/* The growing array of ids that engines append to. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "ngt/layout.h"
#include "ngt/memory.h"

void tok_ids_done(struct tok_ids *ids)
{
    free(ids->ids);
    *ids = (struct tok_ids){0};
}

enum ngt_status tok_ids_reserve(struct tok_ids *ids, uint64_t n, struct ngt_error *reterr)
{
    if (n <= ids->room - ids->count)
        return NGT_OK;
    uint64_t room = ids->room + ids->room / 2 + 1024;
    if (room < ids->count + n)
        room = ids->count + n;
    uint32_t *grown = n < UINT64_MAX / 16 && room < UINT64_MAX / 16
                          ? ngt_grow(ids->ids, ids->count * sizeof *grown, room * sizeof *grown)
                          : NULL;
    if (!grown)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for %llu ids", (unsigned long long)room);
    ids->ids = grown;
    ids->room = room;
    return NGT_OK;
}

/* Is none of eight ids this one? */
static inline bool none_is(const uint32_t *ids, uint32_t id)
{
    uint32_t any = 0;

#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; i++)
        any |= ids[i] == id;
    return !any;
}

void tok_ids_fuse(struct tok_ids *ids, uint64_t first, uint32_t id)
{
    const uint64_t count = ids->count;
    uint32_t *at = ids->ids, before = NGT_NO_ID;
    uint64_t i = first;

    while (count - i >= 8 && none_is(at + i, id))
        i += 8;
    uint64_t out = i;
    while (i < count) {
        if (before != id && count - i >= 8 && none_is(at + i, id)) {
            memmove(at + out, at + i, 8 * sizeof *at);
            i += 8;
            out += 8;
            continue;
        }
        for (uint64_t end = count - i < 8 ? count : i + 8; i < end; i++) {
            uint32_t here = at[i];
            at[out] = here;
            out += here != id || before != id;
            before = here;
        }
    }
    ids->count = out;
}
