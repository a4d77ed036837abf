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

/* 1 + what a digit stands for, 0 for what is none. By a table: to tell capitals from small letters by
 * branches took a tenth of opening a rank file. */
static const uint8_t digits[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

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
            uint32_t d = i + k < n - padding ? digits[(uint8_t)text[i + k]] : 1;
            if (!d)
                return false;
            group = group << 6 | (d - 1);
        }
        for (unsigned k = 0; k < 3 && size < n / 4 * 3 - padding; k++)
            ret_bytes[size++] = (uint8_t)(group >> (16 - 8 * k));
    }
    *ret_size = size;
    return true;
}
