/*
 * The pipeline with a tokenizer made here (bytes and a few words): the same bytes for any number of
 * threads, and what stays behind when it is stopped or fails.
 */
#include "pipeline.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "duplicates.h"
#include "folder.h"
#include "job_folder.h"
#include "ngt/file.h"
#include "ngt/reader.h"

struct proto {
    uint8_t bytes[16384];
    uint64_t size;
};

static void put_varint(struct proto *p, uint64_t v)
{
    do {
        p->bytes[p->size++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        v >>= 7;
    } while (v);
}

static void put_bytes(struct proto *p, unsigned field, const void *bytes, uint64_t n)
{
    put_varint(p, field << 3 | 2);
    put_varint(p, n);
    memcpy(p->bytes + p->size, bytes, n);
    p->size += n;
}

static void piece(struct proto *p, const char *name, float score, unsigned type)
{
    struct proto one = {.size = 0};

    put_bytes(&one, 1, name, strlen(name));
    put_varint(&one, 2 << 3 | 5);
    memcpy(one.bytes + one.size, &score, 4);
    one.size += 4;
    put_varint(&one, 3 << 3);
    put_varint(&one, type);
    put_bytes(p, 1, one.bytes, one.size);
}

static struct tok_tokenizer *tokenizer(void)
{
    static const char *const words[] = {"\xE2\x96\x81",
                                        "a",
                                        "b",
                                        "c",
                                        "ab",
                                        "\xE2\x96\x81"
                                        "ab",
                                        "\xE2\x96\x81"
                                        "abc"};
    struct proto *p = calloc(1, sizeof *p), spec = {.size = 0};
    struct tok_config config = {0};
    struct tok_tokenizer *t = NULL;
    struct ngt_error error;
    char name[8];

    piece(p, "<unk>", 0, 2);
    piece(p, "<s>", 0, 3);
    piece(p, "</s>", 0, 3);
    for (unsigned b = 0; b < 256; b++) {
        snprintf(name, sizeof name, "<0x%02X>", b);
        piece(p, name, 0, 6);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        piece(p, words[i], -(float)i, 1);
    put_varint(&spec, 3 << 3);
    put_varint(&spec, 2); /* BPE */
    put_varint(&spec, 35 << 3);
    put_varint(&spec, 1); /* byte_fallback */
    put_bytes(p, 2, spec.bytes, spec.size);
    spec.size = 0;
    put_bytes(&spec, 1, "identity", 8);
    put_varint(&spec, 4 << 3);
    put_varint(&spec, 0); /* keep extra spaces */
    put_bytes(p, 3, spec.bytes, spec.size);
    config.path = t_put("tok.model", p->bytes, p->size);
    if (tok_open(&config, &t, &error) != NGT_OK) {
        T_FAIL("%s", error.message);
        exit(99);
    }
    free(p);
    return t;
}

/* Documents of very different lengths, some records that are refused. */
static void corpus(unsigned records)
{
    struct pretok_bytes b = {0};
    struct ngt_error error;
    uint64_t seed = 5;

    T_REQUIRE(ngt_folder_make(t_path("in"), &error) == NGT_OK);
    for (unsigned i = 0; i < records; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned n = (unsigned)(seed >> 60) * (i % 97 == 0 ? 4000 : 3);
        (void)pretok_bytes_append(&b, "{\"text\":\"", 9);
        for (unsigned k = 0; k < n; k++)
            (void)pretok_bytes_append(&b, &"ab abc"[(seed >> (k % 50)) % 6], 1);
        (void)pretok_bytes_append(&b, i % 211 == 7 ? "\"\n" : "\"}\n", i % 211 == 7 ? 2 : 3);
    }
    t_put("in/a.jsonl", b.at, b.size);
    pretok_bytes_done(&b);
}

/* Documents of three sets, many of them equal, with ids; some name no set. */
static const char *const three_sets[] = {"\"B\"", "\"a/b\"", "17"};

static void corpus_of_sets(unsigned records)
{
    struct pretok_bytes b = {0};
    struct ngt_error error;
    char line[256], name[32];

    T_REQUIRE(ngt_folder_make(t_path("sets-in"), &error) == NGT_OK);
    for (unsigned i = 0; i < records; i++) {
        snprintf(line, sizeof line,
                 "{\"id\":%u,\"m\":{\"set\":%s},\"text\":\"%u abc abc abc abc abc abc abc abc "
                 "abc\"}\n",
                 i, i % 500 == 499 ? "null" : three_sets[i * 7919u % 1000 % 3], i * 31u % 170);
        (void)pretok_bytes_append(&b, line, strlen(line));
        if (i % 75 == 74 || i + 1 == records) { /* several files a unit */
            snprintf(name, sizeof name, "sets-in/%04u.jsonl", i);
            t_put(name, b.at, b.size);
            b.size = 0;
        }
    }
    pretok_bytes_done(&b);
}

/* What the jobs of a test ask for. */
static struct pretok_keys_config wanted = {.text_key = "text"};
static bool dedup;

static struct pretok_plan make_plan(const struct tok_tokenizer *t, uint64_t unit_bytes)
{
    const char *operand = t_path(wanted.split_key ? "sets-in" : "in");
    struct pretok_inputs_config find = {.operands = &operand, .operand_count = 1};
    struct ngt_pair options[] = {{"text_key", "text"}, {"split_by_key", wanted.split_key}};
    struct pretok_plan_config config = {
        .unit_bytes = unit_bytes, .options = options, .option_count = wanted.split_key ? 2 : 1};
    struct pretok_plan plan = {0};
    struct ngt_error error;

    config.identity = tok_identity(t, &config.identity_count);
    T_REQUIRE(pretok_inputs_find(&find, &config.inputs, &error) == NGT_OK);
    T_REQUIRE(pretok_plan_build(&config, &plan, &error) == NGT_OK);
    return plan;
}

struct seen {
    uint64_t units, documents, batches, stop_after;
};

static void unit_done(void *arg, uint64_t unit, const struct pretok_ledger *ledger,
                      const struct pretok_receipt_source *sources, uint64_t source_count)
{
    struct seen *s = arg;

    (void)unit;
    (void)sources;
    T_TRUE(source_count >= 1);
    s->units++;
    s->documents += ledger->documents;
}

static bool stopped(void *arg)
{
    struct seen *s = arg;
    return s->units >= s->stop_after;
}

static enum ngt_status run(const struct pretok_plan *plan, const struct tok_tokenizer *t,
                           const char *folder, unsigned threads, double max_bad, struct seen *seen,
                           struct ngt_error *error)
{
    uint64_t todo[64];
    struct pretok_keys keys;
    struct pretok_timing timing;
    struct pretok_pipeline_config config = {
        .writer = {.plan = plan,
                   .folder = folder,
                   .tokenizer = t,
                   .bos_id = 1,
                   .eos_id = 2,
                   .pad_id = NGT_NO_ID,
                   .eos = true,
                   .shard_tokens = 30000,
                   .keys = &keys,
                   .text_hashes = dedup,
                   .max_bad = max_bad},
        .max_doc_bytes = 1 << 20,
        .limit = UINT64_MAX,
        .todo = todo,
        .todo_count = plan->unit_count,
        .threads = threads,
        .arg = seen,
        .stopped = stopped,
        .unit_done = unit_done,
    };

    T_REQUIRE(plan->unit_count <= 64);
    for (uint64_t i = 0; i < plan->unit_count; i++)
        todo[i] = i + 1;
    T_REQUIRE(pretok_job_folder_make(folder, false, true, error) == NGT_OK);
    config.writer.identity = tok_identity(t, &config.writer.identity_count);
    T_REQUIRE(pretok_keys_new(&wanted, &keys, error) == NGT_OK);
    enum ngt_status status = pretok_pipeline_run(&config, &timing, error);
    pretok_keys_done(&keys);
    return status;
}

static void same_file(const char *a, const char *b)
{
    uint8_t *x = NULL, *y = NULL;
    uint64_t n = 0, m = 0;
    struct ngt_error error;

    T_REQUIRE(ngt_file_read(a, 1 << 28, &x, &n, &error) == NGT_OK);
    T_REQUIRE(ngt_file_read(b, 1 << 28, &y, &m, &error) == NGT_OK);
    if (n != m || memcmp(x, y, n) != 0)
        T_FAIL("%s and %s differ", a, b);
    free(x);
    free(y);
}

T_CASE(threads_change_no_byte)
{
    struct tok_tokenizer *t = tokenizer();
    static const unsigned threads[] = {1, 2, 7};
    static const char *const folders[] = {"one", "two", "seven"};
    struct pretok_plan plan;
    struct ngt_error error;

    corpus(2000);
    plan = make_plan(t, 100000);
    T_TRUE(plan.unit_count > 3);
    for (int i = 0; i < 3; i++) {
        struct seen seen = {.stop_after = UINT64_MAX};
        if (run(&plan, t, t_path(folders[i]), threads[i], 1, &seen, &error) != NGT_OK)
            T_FAIL("%u threads: %s", threads[i], error.message);
        T_EQ_U64(seen.units, plan.unit_count);
        T_EQ_U64(seen.documents, 1991 - 1);
    }
    for (uint64_t u = 1; u <= plan.unit_count; u++) {
        char *one = pretok_receipt_path(&plan, t_path("one"), u);
        struct pretok_receipt r = {0};
        bool there = false;
        T_EQ_INT(pretok_receipt_load(&plan, t_path("one"), u, &there, &r, &error), NGT_OK);
        T_REQUIRE(there);
        T_EQ_INT(pretok_receipt_check(&r, &plan, t_path("one"), true, &error), NGT_OK);
        for (int i = 1; i < 3; i++) {
            char *other = pretok_receipt_path(&plan, t_path(folders[i]), u);
            same_file(one, other);
            free(other);
            for (uint64_t k = 0; k < r.shard_count; k++) {
                char *a = ngt_path_join(t_path("one"), r.shards[k].name);
                char *b = ngt_path_join(t_path(folders[i]), r.shards[k].name);
                same_file(a, b);
                free(a);
                free(b);
            }
        }
        pretok_receipt_done(&r);
        free(one);
    }
    pretok_plan_done(&plan);
    tok_close(&t);
}

static void same_bits(const struct pretok_dropped *a, const struct pretok_dropped *b,
                      const struct pretok_sets *s)
{
    for (uint64_t i = 0; i < s->count; i++) {
        T_EQ_U64(a[i].documents, b[i].documents);
        T_EQ_U64(a[i].tokens, b[i].tokens);
        T_EQ_MEM(a[i].bits, b[i].bits, s->sets[i].documents / 8 + 1);
    }
}

/* Sets and duplicates: the first of equal texts stays, in whatever set it and the others are. */
T_CASE(sets_and_duplicates)
{
    enum { RECORDS = 3000 };
    struct tok_tokenizer *t = tokenizer();
    static const unsigned threads[] = {1, 2, 7};
    static const char *const folders[] = {"one", "two", "seven"}, *const names[] = {"17", "B",
                                                                                    "a%2Fb"};
    struct pretok_plan plan;
    struct pretok_overview o = {0};
    struct pretok_sets sets = {0};
    struct ngt_error error;
    bool met[170] = {false};

    wanted = (struct pretok_keys_config){
        .text_key = "text", .id_key = "id", .meta_keys = "m.set,m", .split_key = "m.set"};
    dedup = true;
    corpus_of_sets(RECORDS);
    plan = make_plan(t, 30000);
    T_TRUE(plan.unit_count > 3);
    for (int i = 0; i < 3; i++) {
        struct seen seen = {.stop_after = UINT64_MAX};
        if (run(&plan, t, t_path(folders[i]), threads[i], 1, &seen, &error) != NGT_OK)
            T_FAIL("%u threads: %s", threads[i], error.message);
        T_EQ_U64(seen.documents, RECORDS - RECORDS / 500);
    }
    for (uint64_t u = 1; u <= plan.unit_count; u++)
        for (int i = 1; i < 3; i++) {
            char *a = pretok_receipt_path(&plan, t_path("one"), u);
            char *b = pretok_receipt_path(&plan, t_path(folders[i]), u);
            same_file(a, b); /* and so the roots of all shards */
            free(a);
            free(b);
        }

    T_REQUIRE(pretok_overview_load(&plan, t_path("seven"), NULL, &o, &error) == NGT_OK);
    T_REQUIRE(pretok_sets_find(&plan, &o, &sets, &error) == NGT_OK);
    T_EQ_U64(sets.count, 3);
    T_EQ_U64(o.ledger.quarantined[PRETOK_NO_SET], RECORDS / 500);
    struct pretok_dropped *d = calloc(3, sizeof *d), *many = calloc(3, sizeof *many);
    char *folder = strdup(t_path("seven"));
    T_REQUIRE(pretok_duplicates_find(folder, &o, &sets, 1 << 20, d, &error) == NGT_OK);
    T_REQUIRE(pretok_duplicates_find(folder, &o, &sets, 37, many, &error) == NGT_OK);
    same_bits(d, many, &sets);
    /* and when there is no room for the files of it */
    struct pretok_dropped *none = calloc(3, sizeof *none);
    struct rlimit room, little;
    getrlimit(RLIMIT_FSIZE, &room);
    little = (struct rlimit){4000, room.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &little);
    enum ngt_status status = pretok_duplicates_find(folder, &o, &sets, 1500, none, &error);
    setrlimit(RLIMIT_FSIZE, &room);
    T_EQ_INT(status, NGT_E_IO);
    T_EQ_INT(error.sys_errno, EFBIG);
    T_TRUE(strstr(error.message, "ulimit -f") != NULL);
    pretok_duplicates_done(none, 3);
    /* once more, plainly: records in their order */
    uint64_t at[3] = {0}, dropped = 0;
    for (unsigned i = 0; i < RECORDS; i++) {
        const char *value = three_sets[i * 7919u % 1000 % 3];
        unsigned set = value[0] == '1' ? 0 : value[1] == 'B' ? 1 : 2;
        if (i % 500 == 499)
            continue;
        T_EQ_STR(sets.sets[set].folder, names[set]);
        bool is = d[set].bits[at[set] / 8] >> at[set] % 8 & 1;
        if (is != met[i * 31u % 170])
            T_FAIL("record %u is %sdropped", i, is ? "" : "not ");
        dropped += is;
        met[i * 31u % 170] = true;
        at[set]++;
    }
    T_EQ_U64(dropped, d[0].documents + d[1].documents + d[2].documents);
    for (unsigned i = 0; i < 3; i++) {
        T_EQ_U64(at[i], sets.sets[i].documents);
        T_EQ_U64(sets.sets[i].ledger.documents, at[i]);
    }
    /* ids and metadata, as they stood */
    const char *id, *metadata;
    struct ngt_reader *r = NULL;
    char *path = pretok_receipt_shard_path(&o.receipts[0], folder, 0);
    T_TRUE(strstr(path, "/seven/B/00001-0001.ngt") != NULL);
    T_REQUIRE(ngt_reader_open(path, 0, &r, &error) == NGT_OK);
    T_EQ_INT(ngt_reader_doc_string(r, NGT_S_DOC_IDS, 0, &id, &error), NGT_OK);
    T_EQ_STR(id, "0");
    T_EQ_INT(ngt_reader_doc_string(r, NGT_S_METADATA, 0, &metadata, &error), NGT_OK);
    T_EQ_STR(metadata, "{\"m.set\":\"B\",\"m\":{\"set\":\"B\"}}");
    ngt_reader_close(&r);
    free(path);
    free(folder);
    pretok_duplicates_done(d, 3);
    pretok_duplicates_done(many, 3);
    pretok_sets_done(&sets);
    pretok_overview_done(&o);
    pretok_plan_done(&plan);
    tok_close(&t);
    wanted = (struct pretok_keys_config){.text_key = "text"};
    dedup = false;
}

/* Each value is a set: one too many ends the run, and says why. */
T_CASE(too_many_sets)
{
    struct tok_tokenizer *t = tokenizer();
    struct pretok_plan plan;
    struct ngt_error error;
    struct seen seen = {.stop_after = UINT64_MAX};

    wanted.split_key = "id";
    corpus_of_sets(PRETOK_SETS + 2);
    plan = make_plan(t, 1 << 30);
    T_EQ_INT(run(&plan, t, t_path("sets"), 2, 1, &seen, &error), NGT_E_DATA);
    T_TRUE(strstr(error.message, "more than 256 values") != NULL);
    T_EQ_U64(seen.units, 0);
    pretok_plan_done(&plan);
    tok_close(&t);
    wanted.split_key = NULL;
}

T_CASE(stopped_between_units)
{
    struct tok_tokenizer *t = tokenizer();
    struct pretok_plan plan;
    struct ngt_error error;
    struct seen seen = {.stop_after = 2};
    uint64_t receipts = 0;

    corpus(2000);
    plan = make_plan(t, 100000);
    T_EQ_INT(run(&plan, t, t_path("stop"), 2, 1, &seen, &error), NGT_E_STOPPED);
    T_TRUE(seen.units >= 2 && seen.units < plan.unit_count);
    for (uint64_t u = 1; u <= plan.unit_count; u++) {
        struct pretok_receipt r = {0};
        bool there = false;
        T_EQ_INT(pretok_receipt_load(&plan, t_path("stop"), u, &there, &r, &error), NGT_OK);
        receipts += there;
        pretok_receipt_done(&r);
    }
    T_EQ_U64(receipts, seen.units);
    pretok_plan_done(&plan);
    tok_close(&t);
}

T_CASE(too_many_refused)
{
    struct tok_tokenizer *t = tokenizer();
    struct pretok_plan plan;
    struct ngt_error error;
    struct seen seen = {.stop_after = UINT64_MAX};

    corpus(2000);
    plan = make_plan(t, 1 << 30);
    T_EQ_INT(run(&plan, t, t_path("bad"), 2, 0.001, &seen, &error), NGT_E_DATA);
    T_TRUE(strstr(error.message, "beyond --max-bad 0.1%") != NULL);
    T_EQ_U64(seen.units, 0);
    pretok_plan_done(&plan);
    tok_close(&t);
}

int main(int argc, char **argv)
{
    return t_main_in_folder(argc, argv);
}
