/* The statistics of a dry run, and its file. */
#include "estimate.h"

#include <math.h>

#include "folder.h"

#define COUNT 32

/* Pieces of one size, whose figure per byte is given. */
static void pieces(struct pretok_observation *o, const double *ratios, uint64_t count)
{
    memset(o, 0, count * sizeof *o);
    for (uint64_t i = 0; i < count; i++) {
        o[i].weight = 1.0 / 1000;
        o[i].size = 1000;
        for (int f = 0; f < PRETOK_FIGURES; f++)
            o[i].figures[f] = ratios[i] * 1000;
    }
}

static const double none[PRETOK_FIGURES];

T_CASE(equal_pieces_leave_no_doubt)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {0};
    double ratios[COUNT];

    for (int i = 0; i < COUNT; i++)
        ratios[i] = 2;
    pieces(o, ratios, COUNT);
    pretok_estimate_compute(o, COUNT, 1e6, .032, none, &e);
    T_EQ_U64(e.figures[PRETOK_F_TOKENS].value, 2000000);
    T_TRUE(e.figures[PRETOK_F_TOKENS].high - e.figures[PRETOK_F_TOKENS].low < 1e-6);
}

/* Against t of a table: 31 degrees, 99%: 2.7440. */
T_CASE(width_is_that_of_students_t)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {0};
    double ratios[COUNT];

    for (int i = 0; i < COUNT; i++)
        ratios[i] = i % 2 ? 1 : 3;
    pieces(o, ratios, COUNT);
    pretok_estimate_compute(o, COUNT, 1e6, 0, none, &e);
    double half = e.figures[PRETOK_F_TOKENS].value - e.figures[PRETOK_F_TOKENS].low;
    double want = 2.7440 * 1e6 * sqrt(1.0 / (COUNT - 1));
    T_TRUE(fabs(half / want - 1) < 1e-3);
    /* half of it read: what is left is uncertain */
    pretok_estimate_compute(o, COUNT, 1e6, .5, none, &e);
    half = e.figures[PRETOK_F_TOKENS].value - e.figures[PRETOK_F_TOKENS].low;
    T_TRUE(fabs(half / want - sqrt(.5)) < 1e-3);
    pretok_estimate_compute(o, COUNT, 1e6, 1, none, &e);
    T_EQ_U64(e.figures[PRETOK_F_TOKENS].low, 2000000);
    T_EQ_U64(e.figures[PRETOK_F_TOKENS].high, 2000000);
}

T_CASE(small_files_count_as_what_they_were_drawn_with)
{
    /* one file of 10 bytes and 5 records, one of 1000 and 1 record: each stands for as many bytes */
    struct pretok_observation o[2] = {{.weight = .1, .size = 10}, {.weight = .001, .size = 1000}};
    struct pretok_estimate e = {0};

    o[0].figures[PRETOK_F_RECORDS] = 5;
    o[1].figures[PRETOK_F_RECORDS] = 1;
    pretok_estimate_compute(o, 2, 1e6, 0, none, &e);
    T_EQ_U64(e.figures[PRETOK_F_RECORDS].value + .5, 250500);
}

T_CASE(none_seen_is_not_none)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {0};
    double ratios[COUNT] = {0};

    pieces(o, ratios, COUNT);
    pretok_estimate_compute(o, COUNT, 3.2e6, .01, none, &e);
    T_EQ_U64(e.figures[PRETOK_F_QUARANTINED].low, 0);
    T_EQ_U64(e.figures[PRETOK_F_QUARANTINED].high, 529); /* -ln(0.005) / 1% */
    /* ten seen, one a piece in ten pieces of a million: between 3.7 and 21.4 of them, by the table */
    for (int i = 0; i < 10; i++)
        o[i].figures[PRETOK_F_QUARANTINED] = 1;
    pretok_estimate_compute(o, COUNT, 3.2e6, .01, none, &e);
    T_EQ_U64(e.figures[PRETOK_F_QUARANTINED].value + .5, 1000);
    T_TRUE(e.figures[PRETOK_F_QUARANTINED].low <= 372);
    T_TRUE(e.figures[PRETOK_F_QUARANTINED].high >= 2130);
}

T_CASE(what_does_not_grow_is_added)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {0};
    double ratios[COUNT], base[PRETOK_FIGURES] = {0};

    for (int i = 0; i < COUNT; i++)
        ratios[i] = 1;
    pieces(o, ratios, COUNT);
    base[PRETOK_F_SHARD_BYTES] = 77;
    pretok_estimate_compute(o, COUNT, 1000, .5, base, &e);
    T_EQ_U64(e.figures[PRETOK_F_SHARD_BYTES].value, 1077);
    T_EQ_U64(e.figures[PRETOK_F_SHARD_BYTES].low + .5, 1077);
    T_EQ_U64(e.figures[PRETOK_F_DOCUMENTS].value, 1000);
}

/*
 * A thousand populations of files whose ratios are drawn from a heavy tail (lognormal, sigma 1), 32
 * pieces of each: the interval must hold the mean in nearly all. A t-interval of skewed data is
 * somewhat short of its 99%; below 95% the formula is wrong.
 */
T_CASE(intervals_hold)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {0};
    double ratios[COUNT], truth = exp(.5);
    uint64_t state = 1, held = 0;

    for (int round = 0; round < 1000; round++) {
        for (int i = 0; i < COUNT; i++) {
            double sum = 0;
            for (int k = 0; k < 12; k++) {
                state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                sum += (double)(state >> 11) / 9007199254740992.0;
            }
            ratios[i] = exp(sum - 6);
        }
        pieces(o, ratios, COUNT);
        pretok_estimate_compute(o, COUNT, 1e6, .01, none, &e);
        held += e.figures[PRETOK_F_TOKENS].low <= truth * 1e6 &&
                e.figures[PRETOK_F_TOKENS].high >= truth * 1e6;
    }
    printf("%" PRIu64 " of 1000 held\n", held);
    T_TRUE(held >= 950);
    T_TRUE(held < 1000);
}

T_CASE(file_and_back)
{
    struct pretok_observation o[COUNT];
    struct pretok_estimate e = {.fingerprint = 0xABCDEF, .seed = 3, .records = 9, .pieces = COUNT},
                           back = {0};
    struct ngt_error error;
    double ratios[COUNT];
    bool there = true;

    for (int i = 0; i < COUNT; i++)
        ratios[i] = 1 + i;
    pieces(o, ratios, COUNT);
    pretok_estimate_compute(o, COUNT, 1e6, .1, none, &e);
    T_EQ_INT(pretok_estimate_load(t_folder, 0xABCDEF, &there, &back, &error), NGT_OK);
    T_TRUE(!there);
    T_EQ_INT(pretok_estimate_save(&e, t_folder, &error), NGT_OK);
    T_EQ_INT(pretok_estimate_load(t_folder, 0xABCDEF, &there, &back, &error), NGT_OK);
    T_TRUE(there);
    T_EQ_U64(back.seed, 3);
    T_EQ_U64(back.records, 9);
    T_EQ_U64(back.figures[PRETOK_F_TOKENS].value, e.figures[PRETOK_F_TOKENS].value + .5);
    T_TRUE(fabs(back.figures[PRETOK_F_CPU_SECONDS].high - e.figures[PRETOK_F_CPU_SECONDS].high) <
           1e-3);
    T_EQ_INT(pretok_estimate_load(t_folder, 0xABCDEE, &there, &back, &error), NGT_OK);
    T_TRUE(!there);
    t_put("estimate.json", "{}", 2);
    T_EQ_INT(pretok_estimate_load(t_folder, 0xABCDEF, &there, &back, &error), NGT_E_DATA);
}

int main(int argc, char **argv)
{
    return t_main_in_folder(argc, argv);
}
