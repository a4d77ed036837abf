/* The growing array of ids that engines append to. */
#include <stdlib.h>

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

void tok_ids_fuse(struct tok_ids *ids, uint64_t first, uint32_t id)
{
    uint64_t out = first;
    uint32_t before = NGT_NO_ID, any = 0;

    for (uint64_t i = first; i < ids->count; i++)
        any |= ids->ids[i] == id;
    if (!any)
        return;
    for (uint64_t i = first; i < ids->count; i++) {
        uint32_t here = ids->ids[i];
        ids->ids[out] = here;
        out += here != id || before != id;
        before = here;
    }
    ids->count = out;
}
