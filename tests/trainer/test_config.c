#include "trainer/config.h"

#include "shards.h"

static struct trainer_options defaults(void)
{
    return (struct trainer_options){.model = "1m", .weight_decay = 0.1, .clip = 1};
}

static struct ngt_dataset *data(void)
{
    static const uint64_t lengths[] = {100, 200};
    struct ngt_dataset *set = NULL;
    const char *path = make_shard("config.ngt", lengths, 2);
    T_REQUIRE(ngt_dataset_open(&path, 1, 0, &set, NULL) == NGT_OK);
    return set;
}

T_CASE(defaults_are_resolved)
{
    struct ngt_dataset *set = data();
    struct trainer_options o = defaults();
    struct trainer_config c;

    T_REQUIRE(trainer_config_resolve(&o, set, 1001, 256, TRAINER_CPU, 0, &c, NULL) == NGT_OK);
    T_EQ_U64(c.batch, 8);
    T_EQ_U64(c.micro_batch, 8);
    T_EQ_U64(c.schedule.steps, 126); /* once over the data */
    T_EQ_U64(c.schedule.warmup, 6);
    T_TRUE(c.schedule.lr == 1e-3 && c.schedule.min_lr == 1e-3 / 10);
    T_EQ_U64(c.model.vocab, SHARD_VOCAB);
    T_REQUIRE(trainer_config_resolve(&o, set, 1001, 4096, TRAINER_CPU, 0, &c, NULL) == NGT_OK);
    T_EQ_U64(c.micro_batch, 1);
    T_REQUIRE(trainer_config_resolve(&o, set, 1001, 4096, TRAINER_CUDA, 3, &c, NULL) == NGT_OK);
    T_EQ_U64(c.micro_batch, 3); /* of the run that goes on */
    ngt_dataset_close(&set);
}

struct bad {
    const char *option;
    void (*change)(struct trainer_options *o);
};

static void bad_model(struct trainer_options *o)
{
    o->model = "2m";
}
static void bad_kv(struct trainer_options *o)
{
    o->kv_given = true;
    o->kv_heads = 3;
}
static void bad_warmup(struct trainer_options *o)
{
    o->warmup_given = true;
    o->warmup = 10000;
}
static void bad_min_lr(struct trainer_options *o)
{
    o->min_lr_given = true;
    o->min_lr = 1;
}
static void bad_steps(struct trainer_options *o)
{
    o->steps_given = true;
    o->steps = UINT64_MAX;
}

static const struct bad bad_options[] = {{"--model", bad_model},
                                         {"--kv-heads", bad_kv},
                                         {"--warmup", bad_warmup},
                                         {"--min-lr", bad_min_lr},
                                         {"--steps", bad_steps}};

T_CASE(what_does_not_fit_is_named)
{
    struct ngt_dataset *set = data();
    for (size_t i = 0; i < sizeof bad_options / sizeof *bad_options; i++) {
        struct trainer_options o = defaults();
        struct trainer_config c;
        struct ngt_error error;
        bad_options[i].change(&o);
        T_EQ_INT(trainer_config_resolve(&o, set, 1001, 256, TRAINER_CPU, 0, &c, &error),
                 NGT_E_DATA);
        if (strncmp(error.message, bad_options[i].option, strlen(bad_options[i].option)) != 0)
            T_FAIL("\"%s\" does not begin with %s", error.message, bad_options[i].option);
    }
    ngt_dataset_close(&set);
}

T_CASE(a_changed_option_is_named)
{
    struct ngt_dataset *set = data();
    struct trainer_options o = defaults();
    struct trainer_config c;
    struct ngt_error error;

    T_REQUIRE(trainer_config_resolve(&o, set, 1001, 256, TRAINER_CPU, 0, &c, NULL) == NGT_OK);
    char *before = trainer_config_text(&c);
    T_REQUIRE(before);
    T_EQ_INT(trainer_config_compare(before, before, "run", &error), NGT_OK);
    c.schedule.lr = 0.002;
    char *after = trainer_config_text(&c);
    T_EQ_INT(trainer_config_compare(before, after, "run", &error), NGT_E_MISMATCH);
    T_EQ_STR(error.message, "--lr: the run began with 0.001, now it is 0.002; give the old value, "
                            "or another run folder with -o");
    free(after);
    c.schedule.lr = 1e-3;
    c.data.low++;
    after = trainer_config_text(&c);
    T_EQ_INT(trainer_config_compare(before, after, "run", &error), NGT_E_MISMATCH);
    T_TRUE(strstr(error.message, "the shards are not those") == error.message);
    free(after);
    free(before);
    ngt_dataset_close(&set);
}

int main(int argc, char **argv)
{
    int code = t_main(argc, argv);
    scratch_remove();
    return code;
}
