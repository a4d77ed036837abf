/* Ring and feed: the order of slots, and what is in them, computed a second time. */
#include "trainer/feed.h"

#include <pthread.h>

#include "shards.h"

struct fixture {
    struct ngt_dataset *set;
    struct ngt_sequences *sequences;
};

static const uint64_t lengths[] = {5, 0, 1, 17, 3, 64, 2, 9, 30, 12};

static struct fixture open_fixture(uint64_t seq_len)
{
    struct fixture f = {0};
    const char *path = make_shard("feed.ngt", lengths, sizeof lengths / sizeof *lengths);
    struct ngt_error error;

    if (ngt_dataset_open(&path, 1, NGT_OPEN_VERIFY, &f.set, &error) != NGT_OK ||
        ngt_sequences_new(f.set, seq_len, &f.sequences, &error) != NGT_OK) {
        T_FAIL("%s: %s", error.path, error.message);
        exit(99);
    }
    return f;
}

static void close_fixture(struct fixture *f)
{
    ngt_sequences_free(&f->sequences);
    ngt_dataset_close(&f->set);
}

/* The row that number n of the run must be. */
static void expect_row(const struct fixture *f, uint64_t seed, uint64_t n,
                       const struct trainer_slot *slot, uint64_t row, uint64_t *targets)
{
    uint64_t count = ngt_sequences_count(f->sequences), length = ngt_sequences_len(f->sequences);
    struct ngt_permutation *p = NULL;
    uint32_t tokens[64], next[64], first[64];

    T_REQUIRE(length <= 64);
    T_REQUIRE(ngt_permutation_new(count, ngt_permutation_key(seed, n / count, NGT_PURPOSE_EPOCH),
                                  &p, NULL) == NGT_OK);
    uint64_t index = ngt_permutation_at(p, n % count);
    ngt_permutation_free(&p);
    T_REQUIRE(ngt_sequences_gather(f->sequences, index, tokens, next, first, NULL) == NGT_OK);
    T_EQ_MEM(slot->tokens + row * length, tokens, length * 4);
    T_EQ_MEM(slot->targets + row * length, next, length * 4);
    T_EQ_MEM(slot->first_position + row * length, first, length * 4);
    for (uint64_t i = 0; i < length; i++)
        *targets += next[i] != NGT_NO_ID;
}

static void run_feed(uint64_t slots, uint64_t batch, uint64_t micro, uint64_t from, uint64_t end)
{
    struct fixture f = open_fixture(8);
    struct trainer_ring *ring = NULL;
    struct trainer_feed *feed = NULL;
    struct trainer_feed_config c = {.train = f.sequences,
                                    .validation = f.sequences,
                                    .schedule = {20, 3, 1e-3, 1e-4},
                                    .first_step = from,
                                    .end_step = end,
                                    .batch = batch,
                                    .micro_batch = micro,
                                    .seed = 7,
                                    .val_every = 4,
                                    .checkpoint_every = 3,
                                    .validate_first = from == 4};
    const struct trainer_slot *slot = NULL;
    uint64_t micros = trainer_feed_micros(&c), checks = trainer_feed_validation_micros(&c);
    bool validate = c.validate_first;

    T_REQUIRE(trainer_ring_new(slots, micro, 8, &ring, NULL) == NGT_OK);
    T_REQUIRE(trainer_feed_start(&c, ring, &feed, NULL) == NGT_OK);
    for (uint64_t step = from; step <= end; step++) {
        for (uint64_t m = 0; validate && m < checks; m++) {
            T_REQUIRE(trainer_ring_take(ring, 60, &slot, NULL) == NGT_OK);
            T_EQ_INT(slot->kind, TRAINER_VALIDATE);
            T_EQ_U64(slot->step, step);
            T_EQ_INT(slot->first, m == 0);
            T_EQ_INT(slot->last, m + 1 == checks);
            trainer_ring_release(ring);
        }
        if (step > from && (step % 3 == 0 || step == end)) {
            T_REQUIRE(trainer_ring_take(ring, 60, &slot, NULL) == NGT_OK);
            T_EQ_INT(slot->kind, TRAINER_CHECKPOINT);
            T_EQ_U64(slot->step, step);
            trainer_ring_release(ring);
        }
        if (step == end)
            break;
        uint64_t targets = 0, said = 0, row = 0;
        for (uint64_t m = 0; m < micros; m++) {
            T_REQUIRE(trainer_ring_take(ring, 60, &slot, NULL) == NGT_OK);
            T_EQ_INT(slot->kind, TRAINER_TRAIN);
            T_EQ_U64(slot->step, step);
            T_EQ_INT(slot->first, m == 0);
            T_EQ_INT(slot->last, m + 1 == micros);
            T_TRUE(slot->lr == trainer_schedule_lr(&c.schedule, step));
            T_TRUE(slot->bias2 == trainer_schedule_bias(TRAINER_BETA2, step));
            said = slot->step_targets;
            for (uint64_t r = 0; r < slot->rows; r++, row++)
                expect_row(&f, 7, step * batch + row, slot, r, &targets);
            trainer_ring_release(ring);
        }
        T_EQ_U64(row, batch);
        T_EQ_U64(said, targets);
        validate = (step + 1) % 4 == 0 || step + 1 == c.schedule.steps;
    }
    T_REQUIRE(trainer_ring_take(ring, 60, &slot, NULL) == NGT_OK);
    T_EQ_INT(slot->kind, TRAINER_STOP);
    T_EQ_U64(slot->step, end);
    trainer_ring_release(ring);
    T_TRUE(trainer_feed_stop(&feed, 60));
    trainer_ring_free(&ring);
    close_fixture(&f);
}

T_CASE(whole_run)
{
    run_feed(8, 4, 4, 0, 20);
}

T_CASE(short_last_micro_batch)
{
    run_feed(8, 5, 2, 0, 20);
}

T_CASE(ring_of_one_step)
{
    run_feed(3, 5, 2, 0, 7);
}

T_CASE(one_row_at_a_time)
{
    run_feed(64, 40, 1, 0, 5); /* a step of more than one epoch: 18 sequences */
}

T_CASE(resumed)
{
    run_feed(8, 5, 2, 4, 9);
    run_feed(8, 5, 2, 19, 20);
    run_feed(8, 5, 2, 4, 4);
}

T_CASE(consumer_that_leaves)
{
    struct fixture f = open_fixture(8);
    for (int taken = 0; taken < 5; taken++) {
        struct trainer_ring *ring = NULL;
        struct trainer_feed *feed = NULL;
        struct trainer_feed_config c = {.train = f.sequences,
                                        .schedule = {1000, 0, 1, 1},
                                        .end_step = 1000,
                                        .batch = 2,
                                        .micro_batch = 2};
        T_REQUIRE(trainer_ring_new(2, 2, 8, &ring, NULL) == NGT_OK);
        T_REQUIRE(trainer_feed_start(&c, ring, &feed, NULL) == NGT_OK);
        for (int i = 0; i < taken; i++) {
            const struct trainer_slot *slot = NULL;
            T_EQ_INT(trainer_ring_take(ring, 60, &slot, NULL), NGT_OK);
            trainer_ring_release(ring);
        }
        T_TRUE(trainer_feed_stop(&feed, 60)); /* joins a thread that waits for a free slot */
        T_TRUE(feed == NULL);
        trainer_ring_free(&ring);
    }
    close_fixture(&f);
}

T_CASE(failure_of_the_producer_comes_in_order)
{
    struct trainer_ring *ring = NULL;
    const struct trainer_slot *slot = NULL;
    struct ngt_error error, got;

    ngt_error_clear(&error);
    (void)ngt_fail(&error, NGT_E_CORRUPT, "x.ngt", 5, NGT_NO_POS, "bad block");
    T_REQUIRE(trainer_ring_new(2, 1, 4, &ring, NULL) == NGT_OK);
    T_TRUE(trainer_ring_reserve(ring, 1));
    trainer_ring_reserved(ring, 0)->step = 9;
    trainer_ring_publish(ring, 1);
    trainer_ring_fail(ring, &error);
    T_EQ_INT(trainer_ring_take(ring, 60, &slot, &got), NGT_OK);
    T_EQ_U64(slot->step, 9);
    trainer_ring_release(ring);
    T_EQ_INT(trainer_ring_take(ring, 60, &slot, &got), NGT_E_CORRUPT);
    T_EQ_STR(got.message, "bad block");
    trainer_ring_free(&ring);
}

T_CASE(impossible_ring)
{
    struct trainer_ring *ring = NULL;
    struct ngt_error error;
    T_EQ_INT(trainer_ring_new(UINT64_MAX, 1u << 20, 1u << 20, &ring, &error), NGT_E_RANGE);
    T_TRUE(ring == NULL);
}

int main(int argc, char **argv)
{
    int code = t_main(argc, argv);
    scratch_remove();
    return code;
}
