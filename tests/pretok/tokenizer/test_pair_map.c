/* The map of pairs against a list: what is in it, what is not, and crowds made to share a bucket. */
#include "model/pair_map.h"
#include "t.h"

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 16;
}

/* The i-th pair as 40 bits, no two alike: near to one another or anywhere. */
static uint64_t pair(uint64_t i, bool near)
{
    return near ? i : i * 0x9E3779B97F4A7C15u & ((1ull << 40) - 1);
}

static void filled(uint64_t count, bool near)
{
    struct tok_pair_map m;
    uint64_t *entries = malloc(count * sizeof *entries), wrong = 0;

    T_REQUIRE(entries);
    for (uint64_t i = 0; i < count; i++)
        entries[i] = pair(i, near) << 24 | (i * 7 % TOK_PAIR_MAP_NONE);
    T_REQUIRE(tok_pair_map_init(&m, entries, count));
    for (uint64_t i = 0; i < 2 * count; i++) {
        uint64_t p = pair(i, near);
        uint32_t want = i < count ? (uint32_t)(i * 7 % TOK_PAIR_MAP_NONE) : TOK_PAIR_MAP_NONE;
        wrong += tok_pair_map_find(&m, (uint32_t)(p >> 20), (uint32_t)p & 0xFFFFF) != want;
    }
    T_EQ_U64(wrong, 0);
    tok_pair_map_done(&m);
    free(entries);
}

T_CASE(pairs_that_are_there_and_others)
{
    filled(1, true); /* (0, 0) */
    filled(2, false);
    filled(1000, true);
    filled(1000, false);
    filled(300000, true);
    filled(300000, false);
}

/* Free slots are all ones: the pair that is, too, is not there. */
T_CASE(the_last_pair)
{
    struct tok_pair_map m;
    uint64_t entry = 5ull << 44 | 6ull << 24 | 7;

    T_REQUIRE(tok_pair_map_init(&m, &entry, 1));
    T_EQ_U64(tok_pair_map_find(&m, 5, 6), 7);
    T_EQ_U64(tok_pair_map_find(&m, 0xFFFFF, 0xFFFFF), TOK_PAIR_MAP_NONE);
    T_EQ_U64(tok_pair_map_find(&m, 6, 5), TOK_PAIR_MAP_NONE);
    tok_pair_map_done(&m);
}

/* Pairs of one bucket, as a file made for that may have them: refused, not searched for ever. */
T_CASE(a_crowd_is_refused)
{
    enum { COUNT = 20000 };
    static uint64_t entries[COUNT];
    struct tok_pair_map m = {.shift = 64 - 13};
    uint64_t state = 1, count = 0;

    while (count < 100) {
        uint64_t p = next(&state) & ((1ull << 40) - 1);
        if (tok_pair_map_bucket(&m, p) == 77)
            entries[count++] = p << 24;
    }
    for (; count < COUNT; count++)
        entries[count] = pair(count, false) << 24;
    T_TRUE(!tok_pair_map_init(&m, entries, COUNT));
    T_TRUE(!m.slots && !m.memory.at);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
