#include "input/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/memory.h"

bool pretok_bytes_reserve(struct pretok_bytes *b, uint64_t n)
{
    if (n <= b->room - b->size)
        return true;
    if (n > UINT64_MAX / 4 || b->room > UINT64_MAX / 4)
        return false;
    uint64_t room = b->room + b->room / 2 + 256;
    if (room < b->size + n)
        room = b->size + n;
    uint8_t *grown = ngt_grow(b->at, b->size, room);
    if (!grown)
        return false;
    b->at = grown;
    b->room = room;
    return true;
}

bool pretok_bytes_append(struct pretok_bytes *b, const void *bytes, uint64_t n)
{
    if (!pretok_bytes_reserve(b, n))
        return false;
    if (n)
        memcpy(b->at + b->size, bytes, n);
    b->size += n;
    return true;
}

void pretok_bytes_done(struct pretok_bytes *b)
{
    free(b->at);
    *b = (struct pretok_bytes){0};
}
