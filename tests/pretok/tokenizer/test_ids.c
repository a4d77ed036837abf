/* The array of ids: a run of the unknown one becomes one, wherever it lies. */
#include "engine.h"
#include "t.h"

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

T_CASE(runs_are_fused)
{
    enum { MOST = 70 };
    uint32_t state = 1;

    for (unsigned round = 0; round < 20000 && !t_failures; round++) {
        struct tok_ids ids = {0};
        uint32_t want[MOST];
        uint64_t count = next(&state) % MOST, first = count ? next(&state) % (count + 1) : 0, n = 0;
        unsigned rare = 1 + next(&state) % 12; /* of how many ids one is unknown */
        T_REQUIRE(tok_ids_reserve(&ids, MOST, NULL) == NGT_OK);
        for (uint64_t i = 0; i < count; i++) {
            uint32_t id = next(&state) % rare == 0 || (i && ids.ids[i - 1] == 5 && next(&state) % 2)
                              ? 5
                              : 6 + next(&state) % 3;
            ids.ids[ids.count++] = id;
            if (i <= first || id != 5 || want[n - 1] != 5)
                want[n++] = id;
        }
        tok_ids_fuse(&ids, first, 5);
        T_EQ_U64(ids.count, n);
        if (memcmp(ids.ids, want, n * sizeof *want) != 0)
            T_FAIL("%" PRIu64 " ids from %" PRIu64 " on, round %u", count, first, round);
        tok_ids_done(&ids);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
