/* See names.h. */
#include "load/names.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/digest.h"
#include "ngt/layout.h"

enum ngt_status tok_names_init(struct tok_names *n, const uint8_t *bytes, const uint64_t *starts,
                               uint64_t count, const char *path, struct ngt_error *reterr)
{
    uint64_t room = 16;

    while (room < 2 * count)
        room *= 2;
    *n = (struct tok_names){.bytes = bytes,
                            .starts = starts,
                            .slots = calloc(room, sizeof *n->slots),
                            .mask = room - 1};
    if (n->slots)
        return NGT_OK;
    tok_names_done(n);
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

void tok_names_done(struct tok_names *n)
{
    free(n->slots);
    *n = (struct tok_names){0};
}

/* The slot of a name, or the free one where it belongs. */
static uint64_t slot_of(const struct tok_names *n, const void *name, uint64_t size, uint32_t *tag)
{
    uint64_t hash = ngt_digest64(name, size), at = hash & n->mask;

    *tag = (uint32_t)(hash >> 32);
    for (; n->slots[at].id; at = (at + 1) & n->mask) {
        uint32_t id = n->slots[at].id - 1;
        if (n->slots[at].tag == *tag && n->starts[id + 1] - n->starts[id] == size &&
            memcmp(n->bytes + n->starts[id], name, size) == 0)
            break;
    }
    return at;
}

uint32_t tok_names_put(struct tok_names *n, uint32_t id)
{
    uint32_t tag, before;
    uint64_t at = slot_of(n, n->bytes + n->starts[id], n->starts[id + 1] - n->starts[id], &tag);

    before = n->slots[at].id ? n->slots[at].id - 1 : NGT_NO_ID;
    n->slots[at] = (struct tok_name_slot){id + 1, tag};
    return before;
}

uint32_t tok_names_find(const struct tok_names *n, const void *name, uint64_t size)
{
    uint32_t tag;
    uint64_t at = slot_of(n, name, size, &tag);

    return n->slots[at].id ? n->slots[at].id - 1 : NGT_NO_ID;
}
