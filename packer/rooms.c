#include "rooms.h"

#include <stdlib.h>

bool packer_rooms_init(struct packer_rooms *r, uint64_t size)
{
    uint64_t n = size;

    *r = (struct packer_rooms){.size = size};
    for (unsigned k = 0; k < PACKER_ROOM_LEVELS; k++) {
        n = n / 64 + 1;
        r->words[k] = calloc(n, sizeof **r->words);
        if (!r->words[k]) {
            packer_rooms_done(r);
            return false;
        }
    }
    return true;
}

void packer_rooms_done(struct packer_rooms *r)
{
    for (unsigned k = 0; k < PACKER_ROOM_LEVELS; k++)
        free(r->words[k]);
    *r = (struct packer_rooms){0};
}

void packer_rooms_add(struct packer_rooms *r, uint64_t room)
{
    for (unsigned k = 0; k < PACKER_ROOM_LEVELS; k++, room /= 64)
        r->words[k][room / 64] |= 1ull << room % 64;
}

void packer_rooms_remove(struct packer_rooms *r, uint64_t room)
{
    for (unsigned k = 0; k < PACKER_ROOM_LEVELS; k++, room /= 64) {
        r->words[k][room / 64] &= ~(1ull << room % 64);
        if (r->words[k][room / 64])
            return;
    }
}

uint64_t packer_rooms_at_least(const struct packer_rooms *r, uint64_t n)
{
    uint64_t at = n;

    if (n >= r->size)
        return UINT64_MAX;
    /* up while the rest of the word is empty, then down along the lowest bits */
    for (unsigned k = 0; k < PACKER_ROOM_LEVELS; k++) {
        uint64_t word = r->words[k][at / 64] >> at % 64;
        if (word) {
            at += (uint64_t)__builtin_ctzll(word);
            while (k-- > 0)
                at = at * 64 + (uint64_t)__builtin_ctzll(r->words[k][at]);
            return at;
        }
        /* at most the number of this level's words, for which the next level has a bit (init adds a
         * word) */
        at = at / 64 + 1;
    }
    return UINT64_MAX;
}
