/* Plans against their definition: every token once, best fit as a plain search would choose,
 * estimates equal plans. */
#include "packer/plan.h"

#include "refine.h"
#include "rooms.h"
#include "t.h"

static uint64_t state = 12345;

static uint64_t next(uint64_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
}

T_CASE(rooms_against_a_scan)
{
    static const uint64_t sizes[] = {1, 2, 63, 64, 65, 4095, 4096, 4097, 262145};

    for (unsigned k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint64_t n = sizes[k];
        struct packer_rooms r;
        uint8_t *there = calloc(n, 1);
        T_REQUIRE(packer_rooms_init(&r, n));
        for (int step = 0; step < 3000; step++) {
            uint64_t room = next(n), from = next(n), expected = UINT64_MAX;
            if (there[room])
                packer_rooms_remove(&r, room);
            else
                packer_rooms_add(&r, room);
            there[room] ^= 1;
            if (step % 8 == 0) {
                for (uint64_t i = from; i < n; i++)
                    if (there[i]) {
                        expected = i;
                        break;
                    }
                T_EQ_U64(packer_rooms_at_least(&r, from), expected);
            }
        }
        T_EQ_U64(packer_rooms_at_least(&r, n), UINT64_MAX);
        packer_rooms_done(&r);
        free(there);
    }
}

/* Best-fit decreasing by plain search: number of sequences. */
static uint64_t plain_best_fit(const uint64_t *lengths, uint64_t docs, uint64_t t)
{
    uint64_t *room = malloc((docs + 1) * sizeof *room), bins = 0, whole = 0;

    for (uint64_t d = 0; d < docs; d++)
        whole += lengths[d] / t;
    for (uint64_t l = t - 1; l > 0; l--)
        for (uint64_t d = 0; d < docs; d++) {
            uint64_t best = UINT64_MAX;
            if (lengths[d] % t != l)
                continue;
            for (uint64_t b = 0; b < bins; b++)
                if (room[b] >= l && (best == UINT64_MAX || room[b] < room[best]))
                    best = b;
            if (best == UINT64_MAX)
                room[best = bins++] = t;
            room[best] -= l;
        }
    free(room);
    return whole + bins;
}

static uint64_t plain_first_fit(const uint64_t *lengths, uint64_t docs, uint64_t t)
{
    uint64_t *room = malloc((docs + 1) * sizeof *room), bins = 0, whole = 0;

    for (uint64_t d = 0; d < docs; d++) {
        uint64_t l = lengths[d] % t, b = 0;
        whole += lengths[d] / t;
        if (!l)
            continue;
        while (b < bins && room[b] < l)
            b++;
        if (b == bins)
            room[bins++] = t;
        room[b] -= l;
    }
    free(room);
    return whole + bins;
}

static unsigned refined; /* plans that were better than plain best-fit */

/* Each token of each document exactly once, rows not overfull, report true. */
static void check_plan(const uint64_t *lengths, uint64_t docs, uint64_t t,
                       enum packer_method method)
{
    struct packer_plan *p = NULL;
    struct packer_report estimate;
    struct packer_piece pieces[512];
    uint64_t *start = malloc((docs + 1) * sizeof *start), tokens = 0, segments = 0;

    start[0] = 0;
    for (uint64_t d = 0; d < docs; d++)
        start[d + 1] = start[d] + lengths[d];
    uint8_t *seen = calloc(start[docs] + 1, 1);
    T_REQUIRE(packer_plan_new(lengths, docs, t, method, 7, &p, NULL) == NGT_OK);
    struct packer_report r = packer_plan_report(p);
    T_EQ_U64(r.sequences, packer_plan_sequences(p));
    for (uint64_t q = 0; q < r.sequences; q++) {
        uint64_t n, used = 0;
        T_REQUIRE(packer_plan_sequence(p, q, 512, pieces, &n, NULL) == NGT_OK && n <= 512);
        T_TRUE(n > 0);
        segments += n;
        for (uint64_t i = 0; i < n; i++) {
            T_REQUIRE(pieces[i].doc < docs && pieces[i].length > 0);
            T_REQUIRE(pieces[i].offset + pieces[i].length <= lengths[pieces[i].doc]);
            for (uint64_t k = 0; k < pieces[i].length; k++) {
                uint8_t *s = &seen[start[pieces[i].doc] + pieces[i].offset + k];
                T_REQUIRE(!*s);
                *s = 1;
            }
            used += pieces[i].length;
        }
        tokens += used;
        T_REQUIRE(used <= t);
    }
    T_EQ_U64(tokens, start[docs]);
    T_EQ_U64(r.tokens, tokens);
    T_EQ_U64(r.segments, segments);
    T_EQ_U64(r.padding, r.sequences * t - tokens);
    if (method == PACKER_BEST_FIT) {
        uint64_t plain = plain_best_fit(lengths, docs, t), bound = packer_bound(tokens, t);
        if (plain <= bound)
            T_EQ_U64(r.sequences, plain);
        else
            T_TRUE(r.sequences <= plain && r.sequences >= bound);
        refined += r.sequences < plain;
    }
    if (method == PACKER_FIRST_FIT)
        T_EQ_U64(r.sequences, plain_first_fit(lengths, docs, t));
    if (method == PACKER_CONCAT)
        T_EQ_U64(r.sequences, (tokens + t - 1) / t);
    if (method != PACKER_FIRST_FIT) {
        T_REQUIRE(packer_estimate(lengths, docs, t, method, &estimate, NULL) == NGT_OK);
        T_EQ_MEM(&estimate, &r, sizeof r);
    }
    packer_plan_free(&p);
    free(seen);
    free(start);
}

T_CASE(every_token_once_by_every_method)
{
    for (int round = 0; round < 60; round++) {
        uint64_t docs = next(400), lengths[400], t = 1 + next(round % 3 ? 50 : 300);
        for (uint64_t d = 0; d < docs; d++)
            lengths[d] = next(10) == 0 ? next(5 * t + 1) : next(10) == 0 ? 0 : next(t + 2);
        for (int m = 0; m < 3; m++)
            check_plan(lengths, docs, t, (enum packer_method)m);
    }
    T_TRUE(refined > 5);
}

T_CASE(no_documents)
{
    struct packer_plan *p = NULL;
    uint64_t empty[3] = {0, 0, 0};

    for (int m = 0; m < 3; m++) {
        T_REQUIRE(packer_plan_new(empty, 3, 16, (enum packer_method)m, 0, &p, NULL) == NGT_OK);
        T_EQ_U64(packer_plan_sequences(p), 0);
        packer_plan_free(&p);
    }
}

T_CASE(lengths_out_of_range)
{
    struct packer_plan *p = NULL;
    uint64_t one[1] = {1};

    T_EQ_INT(packer_plan_new(one, 1, 0, PACKER_BEST_FIT, 0, &p, NULL), NGT_E_RANGE);
    T_EQ_INT(packer_plan_new(one, 1, PACKER_MAX_LEN + 1, PACKER_BEST_FIT, 0, &p, NULL),
             NGT_E_RANGE);
}

T_CASE(seeds_reorder_but_do_not_repack)
{
    uint64_t lengths[300];
    struct packer_plan *p = NULL;
    uint64_t moved = 0, first[200];

    for (unsigned d = 0; d < 300; d++)
        lengths[d] = 1 + next(60);
    for (uint64_t seed = 0; seed < 2; seed++) {
        T_REQUIRE(packer_plan_new(lengths, 300, 64, PACKER_BEST_FIT, seed, &p, NULL) == NGT_OK);
        for (uint64_t q = 0; q < packer_plan_sequences(p) && q < 200; q++) {
            struct packer_piece piece[64];
            uint64_t n;
            T_REQUIRE(packer_plan_sequence(p, q, 64, piece, &n, NULL) == NGT_OK);
            if (seed)
                moved += first[q] != piece[0].doc;
            else
                first[q] = piece[0].doc;
        }
        packer_plan_free(&p);
    }
    T_TRUE(moved > 100);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
