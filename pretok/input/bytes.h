/* A growing array of bytes. Keeps its memory when emptied, so that steady state allocates nothing.
 */
#ifndef PRETOK_BYTES_H
#define PRETOK_BYTES_H

#include <stdbool.h>
#include <stdint.h>

struct pretok_bytes {
    uint8_t *at; /* [room], the first size of them in use */
    uint64_t size, room;
};

/* Makes room for n more; false when out of memory, and nothing changes. */
bool pretok_bytes_reserve(struct pretok_bytes *b, uint64_t n);
bool pretok_bytes_append(struct pretok_bytes *b, const void *bytes, uint64_t n);
void pretok_bytes_done(struct pretok_bytes *b);

#endif
