/*
 * What a run is fed with, for another trainer to eat the same (scripts/compare-run).
 *
 *   dump_feed RUNDIR/config.json SHARD|DIR...
 *
 * Writes to stdout, little-endian: u32 sequences a step and their length; then for every step of the
 * run f64 learning rate, u64 targets, and u32 tokens, targets and segment starts of all its sequences.
 * Order, schedule and targets are the trainer's own: trainer/feed.h makes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ngt/file.h"
#include "ngt/json.h"
#include "trainer/feed.h"

static void must(enum ngt_status status, const struct ngt_error *error)
{
    char text[640];

    if (status == NGT_OK)
        return;
    ngt_error_print(error, text, sizeof text);
    fprintf(stderr, "dump_feed: %s\n", text);
    exit(1);
}

static double number(const struct ngt_json *root, const char *key)
{
    const struct ngt_json *v = ngt_json_get(root, key);

    if (!v || (v->type != NGT_JSON_U64 && v->type != NGT_JSON_NUMBER)) {
        fprintf(stderr, "dump_feed: the configuration has no number \"%s\"\n", key);
        exit(1);
    }
    return v->number;
}

/* ret_length: tokens of a sequence */
static struct trainer_feed_config read_config(const char *path, uint64_t *ret_length)
{
    struct ngt_error error;
    struct ngt_json *root = NULL;
    uint8_t *text = NULL;
    uint64_t size = 0;

    must(ngt_file_read(path, UINT64_C(1) << 20, &text, &size, &error), &error);
    must(ngt_json_parse((const char *)text, size, path, &root, &error), &error);
    const struct ngt_json *o = ngt_json_get(root, "options");
    struct trainer_feed_config c = {
        .schedule = {.steps = (uint64_t)number(o, "steps"),
                     .warmup = (uint64_t)number(o, "warmup"),
                     .lr = number(o, "lr"),
                     .min_lr = number(o, "min-lr")},
        .batch = (uint64_t)number(o, "batch"),
        .seed = (uint64_t)number(o, "seed"),
    };
    c.micro_batch = c.batch; /* a step is one slot here */
    c.end_step = c.schedule.steps;
    *ret_length = (uint64_t)number(o, "seq-len");
    ngt_json_free(&root);
    free(text);
    return c;
}

static void give(const void *from, size_t size, size_t n)
{
    if (fwrite(from, size, n, stdout) == n)
        return;
    perror("dump_feed");
    exit(1);
}

int main(int argc, char **argv)
{
    struct ngt_dataset *set = NULL;
    struct ngt_sequences *sequences = NULL;
    struct trainer_ring *ring = NULL;
    struct trainer_feed *feed = NULL;
    const struct trainer_slot *slot = NULL;
    struct ngt_error error;
    uint64_t length = 0;

    if (argc < 3) {
        fprintf(stderr, "dump_feed RUNDIR/config.json SHARD|DIR...\n");
        return 2;
    }
    struct trainer_feed_config c = read_config(argv[1], &length);
    must(ngt_dataset_open((const char *const *)argv + 2, (uint64_t)argc - 2, NGT_OPEN_VERIFY, &set,
                          &error),
         &error);
    must(ngt_sequences_new(set, length, &sequences, &error), &error);
    c.train = sequences;
    must(trainer_ring_new(4, c.batch, length, &ring, &error), &error);
    must(trainer_feed_start(&c, ring, &feed, &error), &error);
    uint32_t shape[2] = {(uint32_t)c.batch, (uint32_t)length};
    give(shape, sizeof *shape, 2);
    for (;;) {
        must(trainer_ring_take(ring, 60, &slot, &error), &error);
        if (!slot) {
            fprintf(stderr, "dump_feed: no sequence came within a minute\n");
            return 1;
        }
        if (slot->kind == TRAINER_STOP)
            break;
        if (slot->kind == TRAINER_TRAIN) {
            give(&slot->lr, sizeof slot->lr, 1);
            give(&slot->step_targets, sizeof slot->step_targets, 1);
            give(slot->tokens, sizeof *slot->tokens, c.batch * length);
            give(slot->targets, sizeof *slot->targets, c.batch * length);
            give(slot->first_position, sizeof *slot->first_position, c.batch * length);
        }
        trainer_ring_release(ring);
    }
    if (fflush(stdout) != 0) {
        perror("dump_feed");
        return 1;
    }
    if (!trainer_feed_stop(&feed, 60))
        return 1;
    trainer_ring_free(&ring);
    ngt_sequences_free(&sequences);
    ngt_dataset_close(&set);
    return 0;
}
