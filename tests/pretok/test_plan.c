/* Inputs found, named and sorted; units that cover them exactly once; a plan that comes back. */
#include "job/plan_file.h"

#include "folder.h"
#include "ngt/file.h"

static const struct ngt_pair options[] = {{"text_key", "text"}, {"eos", "yes"}};
static const struct ngt_pair identity[] = {{"name", "x.model"}, {"xxh3_128", "00"}};

/* n lines of `length` bytes, the newline included */
static void lines(const char *name, unsigned n, unsigned length)
{
    char *text = malloc((size_t)n * length + 1);

    for (unsigned i = 0; i < n; i++) {
        memset(text + (size_t)i * length, 'a' + (int)(i % 26), length);
        text[(size_t)i * length + length - 1] = '\n';
    }
    t_put(name, text, (size_t)n * length);
    free(text);
}

static enum ngt_status plan_as(const struct pretok_plan *known, uint64_t unit_bytes,
                               struct pretok_plan *plan, struct ngt_error *error)
{
    const char *operand = t_path("in");
    struct pretok_inputs_config find = {.operands = &operand, .operand_count = 1};
    struct pretok_plan_config config = {.unit_bytes = unit_bytes,
                                        .known = known,
                                        .options = options,
                                        .option_count = 2,
                                        .identity = identity,
                                        .identity_count = 2};
    enum ngt_status status = pretok_inputs_find(&find, &config.inputs, error);

    return status == NGT_OK ? pretok_plan_build(&config, plan, error) : status;
}

static enum ngt_status plan_of(uint64_t unit_bytes, struct pretok_plan *plan,
                               struct ngt_error *error)
{
    return plan_as(NULL, unit_bytes, plan, error);
}

static void files(void)
{
    struct ngt_error error;

    T_REQUIRE(ngt_folder_make(t_path("in/sub/.hidden"), &error) == NGT_OK);
    lines("in/b.jsonl", 100, 10);
    lines("in/a.jsonl", 3, 7);
    lines("in/sub/c.txt", 1, 500);
    lines("in/sub/d.jsonl.gz", 1, 30); /* plain by content */
    t_put("in/z.jsonl.gz", "\x1F\x8B\x08 told by its first bytes", 27);
    t_put("in/e.jsonl", "", 0);
    t_put("in/.dot.jsonl", "x", 1);
    t_put("in/sub/.hidden/x.jsonl", "x", 1);
}

T_CASE(names_and_order)
{
    static const char *const names[] = {"a.jsonl",   "b.jsonl",        "e.jsonl",
                                        "sub/c.txt", "sub/d.jsonl.gz", "z.jsonl.gz"};
    struct pretok_plan plan = {0};
    struct ngt_error error;

    files();
    T_REQUIRE(plan_of(1 << 20, &plan, &error) == NGT_OK);
    T_EQ_U64(plan.inputs.count, 6);
    for (uint64_t i = 0; i < plan.inputs.count && i < 6; i++)
        T_EQ_STR(plan.inputs.items[i].name, names[i]);
    T_EQ_INT(plan.inputs.items[3].format, PRETOK_FORMAT_TEXT);
    T_TRUE(plan.inputs.items[4].plain && !plan.inputs.items[5].plain);
    T_EQ_U64(plan.unit_count, 1);
    T_EQ_U64(plan.units[0].input_count, 6);
    pretok_plan_done(&plan);
}

/* A file that a plan made before has is cut as it was then, unless it is another one now. */
T_CASE(cut_as_before)
{
    struct pretok_plan before = {0}, plan = {0};
    struct ngt_error error;

    files();
    lines("in/c.jsonl", 100, 10);
    T_REQUIRE(plan_of(300, &before, &error) == NGT_OK);
    lines("in/c.jsonl", 101, 10);
    T_REQUIRE(plan_as(&before, 100, &plan, &error) == NGT_OK);
    uint64_t of_b = 0, of_c = 0;
    for (uint64_t i = 0; i < plan.unit_count; i++) {
        const struct pretok_unit *u = &plan.units[i];
        of_b += strcmp(plan.inputs.items[u->first_input].name, "b.jsonl") == 0;
        of_c += strcmp(plan.inputs.items[u->first_input].name, "c.jsonl") == 0;
        T_EQ_U64(u->text_start, u->start);
    }
    T_EQ_U64(of_b, 4);  /* 1000 bytes by 300 */
    T_EQ_U64(of_c, 11); /* 1010 bytes by 100 */
    pretok_plan_done(&plan);
    pretok_plan_done(&before);
    (void)unlink(t_path("in/c.jsonl"));
}

/* Whatever the size of a unit: inputs are covered once and in order, cuts are at line ends. */
T_CASE(units)
{
    struct ngt_error error;

    files();
    for (uint64_t size = 1; size < 1700; size += size < 40 ? 1 : 97) {
        struct pretok_plan plan = {0};
        uint64_t input = 0, at = 0, total = 0;
        T_REQUIRE(plan_of(size, &plan, &error) == NGT_OK);
        for (uint64_t u = 0; u < plan.unit_count; u++) {
            const struct pretok_unit *unit = &plan.units[u];
            T_EQ_U64(unit->first_input, input);
            total += unit->bytes;
            if (!unit->part) {
                T_EQ_U64(at, 0);
                input += unit->input_count;
                if (unit->input_count > 1 && unit->bytes > size)
                    T_FAIL("unit of %u bytes is larger than %u", (unsigned)unit->bytes,
                           (unsigned)size);
                continue;
            }
            T_EQ_U64(unit->input_count, 1);
            T_EQ_U64(unit->start, at);
            at += unit->bytes;
            uint64_t line = strcmp(plan.inputs.items[input].name, "b.jsonl") == 0 ? 10 : 7;
            if (unit->bytes % line && strncmp(plan.inputs.items[input].name, "sub", 3) != 0)
                T_FAIL("cut inside a record at %u", (unsigned)at);
            if (at == plan.inputs.items[input].size) {
                at = 0;
                input++;
            }
        }
        T_EQ_U64(input, plan.inputs.count);
        T_EQ_U64(total, 1000 + 21 + 500 + 30 + 27);
        pretok_plan_done(&plan);
    }
}

T_CASE(saved_and_loaded)
{
    struct pretok_plan plan = {0}, back = {0};
    struct ngt_error error;
    char name[64];

    files();
    T_REQUIRE(plan_of(100, &plan, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_save(&plan, t_path("plan.json"), PRETOK_PLAN_SMALL, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_load(t_path("plan.json"), NULL, &back, &error) == NGT_OK);
    T_EQ_U64(back.fingerprint, plan.fingerprint);
    T_EQ_U64(back.unit_count, plan.unit_count);
    T_EQ_INT(pretok_plan_compare(&plan, &back, "x", &error), NGT_OK);
    T_EQ_STR(pretok_plan_option(&back, "eos"), "yes");
    T_TRUE(pretok_plan_option(&back, "none") == NULL);
    T_EQ_STR(pretok_unit_name(&back, 7, name), "00007");
    T_EQ_STR(pretok_shard_name(&back, 7, 12, name), "00007-0012.ngt");
    pretok_plan_done(&plan);
    pretok_plan_done(&back);
}

/* The same as a table: whole, and of each task what it needs and nothing else. */
T_CASE(table_and_shares)
{
    struct pretok_plan plan = {0}, back = {0};
    struct ngt_error error;
    uint64_t seen = 0;

    files();
    T_REQUIRE(plan_of(100, &plan, &error) == NGT_OK);
    T_REQUIRE(plan.unit_count > 12);
    T_REQUIRE(pretok_plan_save(&plan, t_path("large.json"), 0, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_load(t_path("large.json"), NULL, &back, &error) == NGT_OK);
    T_EQ_U64(back.fingerprint, plan.fingerprint);
    T_EQ_INT(pretok_plan_compare(&plan, &back, "x", &error), NGT_OK);
    for (uint64_t i = 0; i < plan.inputs.count; i++) {
        T_EQ_STR(back.inputs.items[i].name, plan.inputs.items[i].name);
        T_EQ_STR(strrchr(back.inputs.items[i].path, '/'), strrchr(plan.inputs.items[i].path, '/'));
    }
    pretok_plan_done(&back);
    for (uint64_t task = 1; task <= 5; task++) {
        struct pretok_plan_share share = {task, 5};
        T_REQUIRE(pretok_plan_load(t_path("large.json"), &share, &back, &error) == NGT_OK);
        T_EQ_U64(back.unit_count, plan.unit_count);
        T_EQ_U64(back.inputs.count, plan.inputs.count);
        T_EQ_U64(back.fingerprint, plan.fingerprint);
        for (uint64_t u = 0; u < plan.unit_count; u++) {
            const struct pretok_unit *x = &plan.units[u], *y = &back.units[u];
            if (u % 5 != task - 1) {
                T_EQ_U64(y->bytes, 0);
                continue;
            }
            seen++;
            T_EQ_U64(y->start, x->start);
            T_EQ_U64(y->bytes, x->bytes);
            T_EQ_U64(y->first_input, x->first_input);
            T_EQ_STR(back.inputs.items[y->first_input].name,
                     plan.inputs.items[x->first_input].name);
        }
        pretok_plan_done(&back);
    }
    T_EQ_U64(seen, plan.unit_count);
    pretok_plan_done(&plan);
}

/* What a table keeps of a remote input: its address as it is, and its ETag where it has one. */
T_CASE(table_of_remote_inputs)
{
    static const char *const etags[] = {"\"5d41402abc4b2a76b9719d911017c592-12\"", NULL, ""};
    struct pretok_inputs in = {calloc(3, sizeof *in.items), 3};
    struct pretok_plan plan = {0}, back = {0};
    struct ngt_error error;
    char path[64], name[64];

    T_REQUIRE(in.items != NULL);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "s3://bucket/data//../%d.jsonl", i);
        snprintf(name, sizeof name, i == 1 ? "other %d" : "%d.jsonl",
                 i); /* an end of path or not */
        in.items[i] = (struct pretok_input){.name = strdup(name),
                                            .path = strdup(path),
                                            .etag = etags[i] ? strdup(etags[i]) : NULL,
                                            .size = 50,
                                            .format = PRETOK_FORMAT_JSONL,
                                            .plain = true};
    }
    struct pretok_plan_config config = {.inputs = in, .unit_bytes = 50};
    T_REQUIRE(pretok_plan_build(&config, &plan, &error) == NGT_OK);
    for (uint64_t small = 0; small <= 3; small += 3) { /* a table, and plan.json alone */
        T_REQUIRE(pretok_plan_save(&plan, t_path("remote.json"), small, &error) == NGT_OK);
        T_REQUIRE(pretok_plan_load(t_path("remote.json"), NULL, &back, &error) == NGT_OK);
        T_EQ_INT(back.mapped, small == 0);
        T_EQ_INT(pretok_plan_compare(&plan, &back, "x", &error), NGT_OK);
        for (uint64_t i = 0; i < 3; i++) {
            const struct pretok_input *x = &plan.inputs.items[i], *y = &back.inputs.items[i];
            T_EQ_STR(y->name, x->name);
            T_EQ_STR(y->path, x->path);
            T_EQ_INT(y->etag != NULL, x->etag != NULL);
            if (x->etag && y->etag)
                T_EQ_STR(y->etag, x->etag);
        }
        pretok_plan_done(&back);
    }
    pretok_plan_done(&plan);
}

/* Whatever byte of a table is another one, reading all of it fails; so does every cut. */
T_CASE(damaged_table)
{
    struct pretok_plan plan = {0}, back = {0};
    struct ngt_error error;
    char name[64];
    uint8_t *bytes = NULL;
    uint64_t size;

    files();
    T_REQUIRE(plan_of(100, &plan, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_save(&plan, t_path("large.json"), 0, &error) == NGT_OK);
    snprintf(name, sizeof name, "plan.%016" PRIx64 ".table", plan.fingerprint);
    T_REQUIRE(ngt_file_read(t_path(name), 1 << 20, &bytes, &size, &error) == NGT_OK);
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] ^= 0x41;
        t_put(name, bytes, size);
        bytes[i] ^= 0x41;
        if (pretok_plan_load(t_path("large.json"), NULL, &back, &error) == NGT_OK) {
            T_FAIL("byte %" PRIu64 " of %" PRIu64 " can be changed", i, size);
            pretok_plan_done(&back);
        }
    }
    for (uint64_t n = 0; n < size; n += 7) {
        t_put(name, bytes, n);
        T_TRUE(pretok_plan_load(t_path("large.json"), NULL, &back, &error) != NGT_OK);
    }
    /* a task sees what is its own */
    struct pretok_plan_share share = {1, plan.unit_count};
    bytes[size - 1] ^= 1; /* the last string's end: not of unit 1 */
    t_put(name, bytes, size);
    T_EQ_INT(pretok_plan_load(t_path("large.json"), &share, &back, &error), NGT_OK);
    pretok_plan_done(&back);
    share.task = plan.unit_count;
    T_EQ_INT(pretok_plan_load(t_path("large.json"), &share, &back, &error), NGT_E_DATA);
    free(bytes);
    pretok_plan_done(&plan);
}

T_CASE(differences)
{
    struct pretok_plan plan = {0}, now = {0};
    struct ngt_error error;

    files();
    T_REQUIRE(plan_of(1000, &plan, &error) == NGT_OK);
    lines("in/a.jsonl", 4, 7);
    T_REQUIRE(plan_of(1000, &now, &error) == NGT_OK);
    T_EQ_INT(pretok_plan_compare(&plan, &now, "x", &error), NGT_E_MISMATCH);
    T_TRUE(strstr(error.message, "its size") != NULL);
    pretok_plan_done(&now);
    unlink(t_path("in/a.jsonl"));
    T_REQUIRE(plan_of(1000, &now, &error) == NGT_OK);
    T_EQ_INT(pretok_plan_compare(&plan, &now, "x", &error), NGT_E_MISMATCH);
    T_TRUE(strstr(error.message, "a.jsonl was planned and is missing") != NULL);
    T_EQ_INT(pretok_plan_compare(&now, &plan, "x", &error), NGT_E_MISMATCH);
    T_TRUE(strstr(error.message, "a.jsonl was not planned") != NULL);
    pretok_plan_done(&now);
    pretok_plan_done(&plan);
}

/* A plan is read from disk: units that overlap or leave a gap are refused. */
T_CASE(damaged)
{
    static const char *const changes[][2] = {
        {"\"start\": 0", "\"start\": 1"},    {"\"first_input\": 1", "\"first_input\": 2"},
        {"\"inputs\": 1", "\"inputs\": 9"},  {"\"plan_version\": 1", "\"plan_version\": 2"},
        {"\"head_tail\"", "\"head_tails\""}, {"\"part\": true", "\"part\": 1"},
    };
    struct pretok_plan plan = {0}, back = {0};
    struct ngt_error error;
    uint8_t *bytes = NULL;
    uint64_t size;

    files();
    T_REQUIRE(plan_of(100, &plan, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_save(&plan, t_path("plan.json"), PRETOK_PLAN_SMALL, &error) == NGT_OK);
    T_REQUIRE(ngt_file_read(t_path("plan.json"), 1 << 20, &bytes, &size, &error) == NGT_OK);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *at = strstr((char *)bytes, changes[i][0]), *changed = malloc(size + 64);
        T_REQUIRE(at != NULL);
        int head = (int)(at - (char *)bytes);
        int n = snprintf(changed, size + 64, "%.*s%s%s", head, (char *)bytes, changes[i][1],
                         at + strlen(changes[i][0]));
        t_put("bad.json", changed, (size_t)n);
        enum ngt_status status = pretok_plan_load(t_path("bad.json"), NULL, &back, &error);
        if (status != NGT_E_DATA && status != NGT_E_UNSUPPORTED)
            T_FAIL("%s passes: %d", changes[i][1], status);
        free(changed);
    }
    T_EQ_INT(pretok_plan_load(t_path("nothing.json"), NULL, &back, &error), NGT_E_IO);
    free(bytes);
    pretok_plan_done(&plan);
}

int main(int argc, char **argv)
{
    return t_main_in_folder(argc, argv);
}
