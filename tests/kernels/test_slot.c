/* What a backend refuses in a slot, what it adds to it, and the order of results. */
#include "slot.h"

#include "t.h"

#define ROWS 2u
#define LENGTH 4u

static const struct kern_config config = {
    .model = {1, 8, 1, 1, 8, 8, 10, false, 1e-5f, 1e4f}, .rows = ROWS, .seq_len = LENGTH};

struct contents {
    uint32_t tokens[ROWS * LENGTH], targets[ROWS * LENGTH], first[ROWS * LENGTH];
};

static struct kern_slot slot_of(const struct contents *c, uint32_t rows)
{
    return (struct kern_slot){.kind = KERN_TRAIN,
                              .rows = rows,
                              .tokens = c->tokens,
                              .targets = c->targets,
                              .first = c->first};
}

static void refused(const struct contents *c, uint32_t rows, const char *what)
{
    struct kern_slot s = slot_of(c, rows);
    struct kern_error error = {0};

    T_EQ_INT(kern_slot_check(&config, &s, &error), KERN_E_SHAPE);
    if (!strstr(error.message, what))
        T_FAIL("\"%s\" does not say \"%s\"", error.message, what);
}

T_CASE(what_is_refused)
{
    struct contents good = {
        .tokens = {9, 0, 1, 2, 3}, .targets = {0, KERN_NO_TARGET, 9}, .first = {0, 0, 2, 2}};
    struct kern_slot s = slot_of(&good, ROWS);
    struct contents c = good;

    T_EQ_INT(kern_slot_check(&config, &s, NULL), KERN_OK);
    refused(&good, 0, "a slot of 0 rows");
    refused(&good, 3, "a slot of 3 rows");
    c.tokens[6] = 10;
    refused(&c, ROWS, "token 10 at row 1, position 2");
    c = good, c.targets[1] = 11;
    refused(&c, ROWS, "target 11 at row 0, position 1");
    c = good, c.first[4] = 1;
    refused(&c, ROWS, "segment start 1 at row 1 lies after its position 0");
    c = good, c.first[3] = 1;
    refused(&c, ROWS, "segment start 1 at row 0, position 3 lies before the last one's");

    struct kern_config forward = config;
    forward.forward_only = true;
    T_EQ_INT(kern_slot_check(&forward, &s, NULL), KERN_E_SHAPE);
}

T_CASE(missing_rows_are_padding)
{
    struct contents c = {.tokens = {1, 2, 3, 4}, .targets = {2, 3, 4, KERN_NO_TARGET}}, full;
    struct kern_slot s = slot_of(&c, 1);

    memset(&full, 0xff, sizeof full);
    kern_slot_rows(&config, &s, full.tokens, full.targets, full.first);
    for (uint32_t n = 0; n < ROWS * LENGTH; n++) {
        T_EQ_U64(full.tokens[n], n < LENGTH ? c.tokens[n] : 0);
        T_EQ_U64(full.targets[n], n < LENGTH ? c.targets[n] : KERN_NO_TARGET);
        T_EQ_U64(full.first[n], n < LENGTH ? 0 : n % LENGTH); /* each a segment of its own */
    }
    T_EQ_U64(kern_slot_targets(&config, &s), 3);
}

T_CASE(results_keep_their_order)
{
    struct kern_results r;
    struct kern_result out;
    uint64_t pushed = 0, popped = 0;

    T_REQUIRE(kern_results_init(&r));
    for (unsigned round = 0; round < 5; round++) { /* grows while its head is in the middle */
        for (unsigned i = 0; i < 50; i++)
            T_EQ_INT(kern_results_push(&r, &(struct kern_result){.step = pushed++}, NULL), KERN_OK);
        for (unsigned i = 0; i < 20; i++) {
            T_REQUIRE(kern_results_pop(&r, &out));
            T_EQ_U64(out.step, popped++);
        }
    }
    while (kern_results_pop(&r, &out))
        T_EQ_U64(out.step, popped++);
    T_EQ_U64(popped, pushed);
    kern_results_done(&r);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
