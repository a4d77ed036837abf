#include "trainer/checkpoint.h"

#include "shards.h"

static const struct kern_model tiny = {.layers = 1,
                                       .width = 4,
                                       .heads = 2,
                                       .kv_heads = 1,
                                       .head_dim = 2,
                                       .ffn = 4,
                                       .vocab = 3,
                                       .rms_eps = 1e-5f,
                                       .rope_theta = 10000};

static const uint8_t kinds[3] = {1, 1, 3}, bytes[5] = {'a', 'b', 'c', '<', '>'};
static const uint64_t starts[4] = {0, 1, 3, 5};

static struct trainer_about about(void)
{
    return (struct trainer_about){.step = 12,
                                  .model = tiny,
                                  .bos_id = NGT_NO_ID,
                                  .eos_id = 2,
                                  .flags = NGT_FLAG_EOS_ADDED,
                                  .tokenizer = {5, 6},
                                  .config = "{\"lr\": 0.001}",
                                  .identity = "name\ttiny\n",
                                  .vocabulary = {NGT_VOCAB_LOSSY, 3, kinds, starts, bytes}};
}

static enum ngt_status state(void *context, enum kern_state which, uint64_t count, float *values,
                             bool *ret_have, struct ngt_error *reterr)
{
    (void)reterr;
    *ret_have = !context || which == KERN_WEIGHTS;
    for (uint64_t i = 0; i < count; i++)
        values[i] = (float)i + 1000.0f * (float)which;
    return NGT_OK;
}

static char *write_one(const char *name, void *context)
{
    char *path = ngt_path_join(scratch_folder(), name);
    struct trainer_about a = about();
    struct ngt_error error;

    if (trainer_checkpoint_write(path, &a, state, context, &error) != NGT_OK) {
        T_FAIL("%s: %s", error.path, error.message);
        exit(99);
    }
    return path;
}

T_CASE(round_trip)
{
    char *path = write_one("round", NULL);
    struct trainer_checkpoint *c = NULL;
    struct ngt_error error;

    T_REQUIRE(trainer_checkpoint_open(path, &c, &error) == NGT_OK);
    const struct trainer_about *a = trainer_checkpoint_about(c), b = about();
    T_EQ_U64(a->step, 12);
    T_EQ_U64(a->model.ffn, 4);
    T_EQ_U64(a->model.vocab, 3);
    T_TRUE(a->model.rope_theta == 10000 && !a->model.untied);
    T_EQ_U64(a->bos_id, NGT_NO_ID);
    T_EQ_U64(a->eos_id, 2);
    T_EQ_U64(a->tokenizer.high, 6);
    T_EQ_STR(a->config, b.config);
    T_EQ_STR(a->identity, b.identity);
    T_EQ_U64(a->vocabulary.count, 3);
    T_EQ_U64(a->vocabulary.flags, NGT_VOCAB_LOSSY);
    T_EQ_MEM(a->vocabulary.bytes, bytes, 5);
    T_EQ_MEM(a->vocabulary.starts, starts, sizeof starts);
    T_EQ_MEM(a->vocabulary.kinds, kinds, 3);
    for (int which = 0; which < 3; which++) {
        const float *v = trainer_checkpoint_state(c, (enum kern_state)which);
        T_REQUIRE(v);
        for (uint64_t i = 0; i < kern_parameter_count(&tiny); i++)
            T_TRUE(v[i] == (float)i + 1000.0f * (float)which);
    }
    trainer_checkpoint_close(&c);
    free(path);
}

T_CASE(weights_alone)
{
    int only = 1;
    char *path = write_one("alone", &only);
    struct trainer_checkpoint *c = NULL;

    T_REQUIRE(trainer_checkpoint_open(path, &c, NULL) == NGT_OK);
    T_TRUE(trainer_checkpoint_state(c, KERN_WEIGHTS) != NULL);
    T_TRUE(trainer_checkpoint_state(c, KERN_MOMENT1) == NULL);
    trainer_checkpoint_close(&c);
    free(path);
}

static void put_file(const char *path, const uint8_t *data, uint64_t size)
{
    FILE *f = fopen(path, "wb");
    T_REQUIRE(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

static void expect_refused(const char *path, const char *what, uint64_t at)
{
    struct trainer_checkpoint *c = NULL;
    struct ngt_error error;
    enum ngt_status status = trainer_checkpoint_open(path, &c, &error);

    if (status != NGT_E_CORRUPT || c || !error.message[0] || !error.path[0])
        T_FAIL("%s at %llu: status %d, \"%s\"", what, (unsigned long long)at, status,
               error.message);
    trainer_checkpoint_close(&c);
}

T_CASE(every_prefix_is_refused)
{
    char *path = write_one("whole", NULL), *cut = ngt_path_join(scratch_folder(), "cut");
    uint8_t *data = NULL;
    uint64_t size = 0;

    T_REQUIRE(ngt_file_read(path, 1 << 20, &data, &size, NULL) == NGT_OK);
    put_file(cut, data, size);
    for (uint64_t n = size; n-- > 0;) {
        T_REQUIRE(truncate(cut, (off_t)n) == 0);
        expect_refused(cut, "prefix", n);
    }
    free(data);
    free(cut);
    free(path);
}

T_CASE(every_bit_flip_is_refused)
{
    char *path = write_one("whole", NULL), *flipped = ngt_path_join(scratch_folder(), "flipped");
    uint8_t *data = NULL;
    uint64_t size = 0;

    T_REQUIRE(ngt_file_read(path, 1 << 20, &data, &size, NULL) == NGT_OK);
    put_file(flipped, data, size);
    FILE *f = fopen(flipped, "r+b");
    T_REQUIRE(f);
    for (uint64_t i = 0; i < size; i++) {
        if (!data[i] && i % 5) /* most of it is padding */
            continue;
        uint8_t bad = data[i] ^ (uint8_t)(1u << i % 8);
        T_REQUIRE(fseek(f, (long)i, SEEK_SET) == 0 && fputc(bad, f) != EOF && fflush(f) == 0);
        expect_refused(flipped, "flip", i);
        T_REQUIRE(fseek(f, (long)i, SEEK_SET) == 0 && fputc(data[i], f) != EOF);
    }
    T_REQUIRE(fclose(f) == 0);
    free(data);
    free(flipped);
    free(path);
}

/* An attacker fixes the hashes: what is checked then is meaning. */
static void reseal(uint8_t *data)
{
    uint64_t hash = ngt_digest64(data, 4088);
    memcpy(data + 4088, &hash, 8);
}

struct forged {
    const char *what;
    unsigned at, size;
    uint64_t value;
};

static const struct forged forgeries[] = {
    {"layers 0", 32, 4, 0},
    {"layers 2^32-1", 32, 4, UINT32_MAX},
    {"width 2^31", 36, 4, 1u << 31},
    {"kv heads 0", 44, 4, 0},
    {"odd head", 48, 4, 3},
    {"vocab 2^32-1", 56, 4, UINT32_MAX},
    {"untied 2", 60, 4, 2},
    {"untied 1", 60, 4, 1},
    {"eps nan", 64, 4, 0x7fc00000},
    {"floats", 24, 8, UINT64_MAX},
    {"eos outside", 76, 4, 3},
    {"sections 7", 12, 4, 7},
    {"sections 2^32-1", 12, 4, UINT32_MAX},
    {"sections 0", 12, 4, 0},
    {"reserved", 100, 4, 1},
    {"kind 0", 104, 4, 0},
    {"kind 9", 104, 4, 9},
    {"offset wraps", 112, 8, UINT64_MAX - 4095},
    {"bytes wrap", 120, 8, UINT64_MAX},
    {"bytes short", 120, 8, 4},
    {"second before the first", 144, 8, 4096},
};

T_CASE(forged_headers_are_refused)
{
    char *path = write_one("whole", NULL), *forged = ngt_path_join(scratch_folder(), "forged");
    uint8_t *data = NULL;
    uint64_t size = 0;

    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        T_REQUIRE(ngt_file_read(path, 1 << 20, &data, &size, NULL) == NGT_OK);
        memcpy(data + forgeries[i].at, &forgeries[i].value, forgeries[i].size);
        reseal(data);
        put_file(forged, data, size);
        expect_refused(forged, forgeries[i].what, i);
        free(data);
    }
    free(forged);
    free(path);
}

T_CASE(a_newer_version_is_named)
{
    char *path = write_one("newer", NULL);
    struct trainer_checkpoint *c = NULL;
    struct ngt_error error;
    uint8_t *data = NULL;
    uint64_t size = 0;

    T_REQUIRE(ngt_file_read(path, 1 << 20, &data, &size, NULL) == NGT_OK);
    data[8] = 2;
    reseal(data);
    put_file(path, data, size);
    T_EQ_INT(trainer_checkpoint_open(path, &c, &error), NGT_E_UNSUPPORTED);
    T_EQ_U64(error.offset, 8);
    free(data);
    free(path);
}

T_CASE(the_latest_by_name_and_old_ones_go)
{
    char *folder = ngt_path_join(scratch_folder(), "many"), *latest = NULL;
    struct trainer_about a = about();
    uint64_t step = 0;

    T_REQUIRE(ngt_folder_make(folder, NULL) == NGT_OK);
    T_EQ_INT(trainer_checkpoint_latest(folder, &latest, &step, NULL), NGT_OK);
    T_TRUE(latest == NULL);
    for (uint64_t s = 8; s <= 12; s++) {
        char *path = trainer_checkpoint_path(folder, s);
        T_EQ_INT(trainer_checkpoint_write(path, &a, state, NULL, NULL), NGT_OK);
        free(path);
    }
    char *other = ngt_path_join(folder, "checkpoint-99.ngc"); /* not by our rule: left alone */
    put_file(other, (const uint8_t *)"x", 1);
    T_EQ_INT(trainer_checkpoint_prune(folder, 2, NULL), NGT_OK);
    T_EQ_INT(trainer_checkpoint_latest(folder, &latest, &step, NULL), NGT_OK);
    T_EQ_U64(step, 12);
    for (uint64_t s = 8; s <= 12; s++) {
        char *path = trainer_checkpoint_path(folder, s);
        T_EQ_INT(access(path, F_OK) == 0, s >= 11);
        free(path);
    }
    T_EQ_INT(access(other, F_OK), 0);
    free(other);
    free(latest);
    free(folder);
}

int main(int argc, char **argv)
{
    int code = t_main(argc, argv);
    scratch_remove();
    return code;
}
