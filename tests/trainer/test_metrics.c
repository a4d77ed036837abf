#include "trainer/metrics.h"

#include <math.h>

#include "shards.h"

static void write_lines(const char *folder, uint64_t from, uint64_t to)
{
    struct trainer_metrics *m = NULL;
    uint64_t validated = 0;

    T_REQUIRE(trainer_metrics_open(folder, from, &m, &validated, NULL) == NGT_OK);
    for (uint64_t step = from + 1; step <= to; step++) {
        struct trainer_metrics_line line = {.step = step,
                                            .loss = step == 3 ? NAN : 2.5,
                                            .lr = 1e-3,
                                            .tokens = 100,
                                            .seconds = 0.5,
                                            .updated = step != 3};
        T_EQ_INT(trainer_metrics_step(m, &line, NULL), NGT_OK);
        if (step % 4 == 0) {
            struct trainer_validation_line check = {step, 3.25, 77};
            T_EQ_INT(trainer_metrics_validation(m, &check, NULL), NGT_OK);
        }
    }
    T_EQ_INT(trainer_metrics_sync(m, NULL), NGT_OK);
    trainer_metrics_close(&m);
}

static void add_text(const char *folder, const char *text)
{
    char *path = ngt_path_join(folder, TRAINER_METRICS_FILE);
    FILE *f = fopen(path, "a");
    T_REQUIRE(f && fputs(text, f) >= 0 && fclose(f) == 0);
    free(path);
}

T_CASE(written_and_read_back)
{
    struct trainer_history h;
    write_lines(scratch_folder(), 0, 9);
    T_REQUIRE(trainer_history_read(scratch_folder(), &h, NULL) == NGT_OK);
    T_EQ_U64(h.step_count, 9);
    T_EQ_U64(h.validation_count, 2);
    T_TRUE(isnan(h.steps[2].loss) && !h.steps[2].updated);
    T_TRUE(h.steps[8].loss == 2.5 && h.steps[8].updated);
    T_EQ_U64(h.validations[1].step, 8);
    T_EQ_U64(h.validations[1].val_tokens, 77);
    trainer_history_done(&h);
}

T_CASE(a_resumed_run_cuts_back)
{
    struct trainer_history h;
    struct trainer_metrics *m = NULL;
    uint64_t validated = 0;

    write_lines(scratch_folder(), 0, 9);
    write_lines(scratch_folder(), 6, 10);
    T_REQUIRE(trainer_history_read(scratch_folder(), &h, NULL) == NGT_OK);
    T_EQ_U64(h.step_count, 10);
    for (uint64_t i = 0; i < h.step_count; i++)
        T_EQ_U64(h.steps[i].step, i + 1);
    T_EQ_U64(h.validation_count, 2);
    trainer_history_done(&h);
    T_REQUIRE(trainer_metrics_open(scratch_folder(), 8, &m, &validated, NULL) == NGT_OK);
    T_EQ_U64(validated, 8);
    trainer_metrics_close(&m);
    T_REQUIRE(trainer_metrics_open(scratch_folder(), 3, &m, &validated, NULL) == NGT_OK);
    T_EQ_U64(validated, UINT64_MAX);
    trainer_metrics_close(&m);
}

T_CASE(a_torn_last_line_goes)
{
    struct trainer_history h;
    write_lines(scratch_folder(), 0, 2);
    add_text(scratch_folder(), "{\"step\": 3, \"lo");
    T_REQUIRE(trainer_history_read(scratch_folder(), &h, NULL) == NGT_OK);
    T_EQ_U64(h.step_count, 2);
    trainer_history_done(&h);
    write_lines(scratch_folder(), 2, 4);
    T_REQUIRE(trainer_history_read(scratch_folder(), &h, NULL) == NGT_OK);
    T_EQ_U64(h.step_count, 4);
    trainer_history_done(&h);
}

T_CASE(a_line_of_something_else_is_named)
{
    struct trainer_history h;
    struct ngt_error error;
    write_lines(scratch_folder(), 0, 2);
    add_text(scratch_folder(), "hello\n");
    T_EQ_INT(trainer_history_read(scratch_folder(), &h, &error), NGT_E_DATA);
    T_EQ_U64(error.item, 3);
    write_lines(scratch_folder(), 0, 0);
}

int main(int argc, char **argv)
{
    int code = t_main(argc, argv);
    scratch_remove();
    return code;
}
