/* The set of pairs against a list: what is in it, what is not, and a crowd made to share one place. */
#include "t.h"
#include "model/pair_set.h"

static uint64_t next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 16;
}

/* Left and right of the i-th pair, no two alike; near to one another or anywhere. */
static void pair(uint64_t i, bool near, uint32_t *ret_left, uint32_t *ret_right)
{
    uint64_t both = near ? i : i * 0x9E3779B97F4A7C15u & ((1ull << 48) - 1);

    *ret_left = (uint32_t)(both >> 24);
    *ret_right = (uint32_t)both & 0xFFFFFF;
}

static void filled(uint64_t count, bool near)
{
    struct tok_pair_set s;
    uint32_t left, right, wrong = 0;

    T_REQUIRE(tok_pair_set_init(&s, count, NULL) == NGT_OK);
    for (uint64_t i = 0; i < count; i++) {
        pair(i, near, &left, &right);
        T_TRUE(tok_pair_set_put(&s, left, right, (uint32_t)(i % (TOK_PAIR_NUMBERS - 1)) + 1,
                                (uint32_t)i + 5));
    }
    for (uint64_t i = 0; i < 2 * count; i++) {
        pair(i, near, &left, &right);
        uint64_t hash = tok_pair_hash(left, right);
        uint32_t want = i < count ? (uint32_t)(i % (TOK_PAIR_NUMBERS - 1)) + 1 : 0;
        wrong += tok_pair_number(&s, hash) != want;
        wrong += i < count && !tok_pair_maybe(&s, hash);
        uint64_t join = i < count ? (uint64_t)want << 32 | (i + 5) : TOK_PAIR_NONE;
        wrong += tok_pair_find(&s, left, right) != join;
    }
    T_EQ_U64(wrong, 0);
    tok_pair_set_done(&s);
}

T_CASE(pairs_that_are_there_and_others)
{
    filled(1, false);
    filled(1000, false);
    filled(1000, true);
    filled(300000, false);
    filled(300000, true);
}

/* The filter may err one way only, and seldom. */
T_CASE(most_other_pairs_are_told_by_the_filter)
{
    struct tok_pair_set s;
    uint64_t state = 1, passed = 0;

    T_REQUIRE(tok_pair_set_init(&s, 50000, NULL) == NGT_OK);
    for (uint32_t i = 0; i < 50000; i++)
        T_TRUE(tok_pair_set_put(&s, i, i + 7, 1, 2));
    for (int i = 0; i < 100000; i++)
        passed += tok_pair_maybe(&s, tok_pair_hash((uint32_t)next(&state) & 0xFFFFFF, 60001));
    T_TRUE(passed < 10000);
    tok_pair_set_done(&s);
}

T_CASE(a_crowd_is_refused)
{
    struct tok_pair_set s;
    unsigned kept = 0;
    bool refused = false;

    T_REQUIRE(tok_pair_set_init(&s, 1000, NULL) == NGT_OK);
    for (uint32_t i = 0; i < 1u << 25 && !refused; i++) {
        uint64_t hash = tok_pair_hash(i & 0xFFFFFF, i >> 24);
        if (hash >> s.slot_shift != 77)
            continue;
        refused = !tok_pair_set_put(&s, i & 0xFFFFFF, i >> 24, ++kept, 0);
        T_EQ_U64(tok_pair_number(&s, hash), refused ? 0 : kept);
    }
    T_TRUE(refused);
    T_EQ_U64(kept, 257);
    tok_pair_set_done(&s);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
