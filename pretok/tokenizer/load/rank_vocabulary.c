#include "load/rank_vocabulary.h"

#include <stdlib.h>
#include <string.h>

void tok_rank_vocabulary_done(struct tok_rank_vocabulary *v)
{
    free(v->ranks);
    free(v->bytes);
    *v = (struct tok_rank_vocabulary){0};
}

bool tok_rank_vocabulary_add(struct tok_rank_vocabulary *v, struct tok_rank rank)
{
    if (v->count == v->room) {
        uint64_t room = v->room * 2 + 1024;
        struct tok_rank *grown = realloc(v->ranks, room * sizeof *grown);
        if (!grown)
            return false;
        v->ranks = grown;
        v->room = room;
    }
    v->ranks[v->count++] = rank;
    return true;
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool tok_base64_decode(const char *text, uint64_t n, uint8_t *ret_bytes, uint64_t *ret_size)
{
    uint64_t size = 0, padding = 0;

    if (n % 4 != 0)
        return false;
    while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
        padding++;
    for (uint64_t i = 0; i < n; i += 4) {
        uint32_t group = 0;
        for (unsigned k = 0; k < 4; k++) {
            int d = i + k < n - padding ? digit(text[i + k]) : 0;
            if (d < 0)
                return false;
            group = group << 6 | (uint32_t)d;
        }
        for (unsigned k = 0; k < 3 && size < n / 4 * 3 - padding; k++)
            ret_bytes[size++] = (uint8_t)(group >> (16 - 8 * k));
    }
    *ret_size = size;
    return true;
}
