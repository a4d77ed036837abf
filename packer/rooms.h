/* Internal: which rooms 0..T are there; "smallest room of at least n" in a few instructions. */
#ifndef PACKER_ROOMS_H
#define PACKER_ROOMS_H

#include <stdbool.h>
#include <stdint.h>

#define PACKER_ROOM_LEVELS 5 /* 64^5 > PACKER_MAX_LEN */

/* level 0 has a bit a room, level k + 1 a bit a word of level k */
struct packer_rooms {
    uint64_t *words[PACKER_ROOM_LEVELS];
    uint64_t size;
};

bool packer_rooms_init(struct packer_rooms *r,
                       uint64_t size); /* rooms 0 .. size - 1; false: out of memory */
void packer_rooms_done(struct packer_rooms *r);
void packer_rooms_add(struct packer_rooms *r, uint64_t room);
void packer_rooms_remove(struct packer_rooms *r, uint64_t room);
/* UINT64_MAX when there is none */
uint64_t packer_rooms_at_least(const struct packer_rooms *r, uint64_t n);

#endif
