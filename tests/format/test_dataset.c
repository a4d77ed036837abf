/* Folders mean what dataset.json lists; what does not belong together is named. */
#include "ngt/dataset.h"

#include "shards.h"
#include "t.h"

static const char *folder;

static char *at(const char *name)
{
    static char path[8][512];
    static unsigned turn;

    turn = (turn + 1) % 8;
    snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
    return path[turn];
}

static struct ngt_shard_summary shard(const char *path, uint32_t vocab, uint64_t seed)
{
    static const uint64_t lengths[] = {3, 4, 5};
    struct shards_spec spec = {.vocab = vocab, .lengths = lengths, .docs = 3, .seed = seed};
    struct ngt_shard_summary sum;

    T_REQUIRE(shards_write(path, &spec, &sum, NULL) == NGT_OK);
    return sum;
}

static void write_list(const struct ngt_dataset_shard *shards, uint64_t count)
{
    struct ngt_json_out out;

    ngt_json_out_init(&out, false);
    ngt_dataset_json(&out, "test", "1", NGT_DOCUMENTS, (struct ngt_digest128){7, 9}, shards, count);
    ngt_json_object_end(&out);
    T_REQUIRE(ngt_file_write(at(NGT_DATASET_FILE), out.bytes, out.size, NULL) == NGT_OK);
    ngt_json_out_done(&out);
}

static enum ngt_status open_one(const char *path, unsigned flags, struct ngt_error *e)
{
    struct ngt_dataset *set = NULL;
    enum ngt_status status = ngt_dataset_open((const char *const[]){path}, 1, flags, &set, e);

    ngt_dataset_close(&set);
    return status;
}

T_CASE(a_folder_is_what_its_list_says)
{
    struct ngt_dataset_shard shards[2] = {{"b.ngt", shard(at("b.ngt"), 40, 1)},
                                          {"a.ngt", shard(at("a.ngt"), 40, 2)}};
    struct ngt_dataset *set = NULL;
    struct ngt_error e;
    const char *const paths[1] = {folder};

    T_EQ_INT(open_one(folder, 0, &e), NGT_E_DATA);
    T_TRUE(strstr(e.message, "--incomplete") != NULL);
    T_REQUIRE(ngt_dataset_open(paths, 1, NGT_DATASET_INCOMPLETE, &set, &e) == NGT_OK);
    T_TRUE(strstr(set->paths[0], "/a.ngt") != NULL); /* by name */
    ngt_dataset_close(&set);
    write_list(shards, 2);
    shard(at("c.ngt"), 40, 3); /* not listed: not part of it */
    T_REQUIRE(ngt_dataset_open(paths, 1, 0, &set, &e) == NGT_OK);
    T_EQ_U64(set->count, 2);
    T_TRUE(strstr(set->paths[0], "/b.ngt") != NULL);
    T_EQ_U64(set->tokens, 24);
    T_EQ_U64(set->targets, 18);
    uint64_t s, d;
    T_EQ_INT(ngt_dataset_doc(set, 4, &s, &d, &e), NGT_OK);
    T_EQ_U64(s, 1);
    T_EQ_U64(d, 1);
    T_EQ_INT(ngt_dataset_doc(set, 6, &s, &d, &e), NGT_E_RANGE);
    ngt_dataset_close(&set);

    shard(at("a.ngt"), 40, 9); /* replaced by another valid shard of the same size */
    T_EQ_INT(open_one(folder, 0, &e), NGT_E_MISMATCH);
    T_TRUE(strstr(e.path, "a.ngt") != NULL && strstr(e.message, "replaced") != NULL);
    T_REQUIRE(unlink(at("a.ngt")) == 0);
    T_EQ_INT(open_one(folder, 0, &e), NGT_E_IO);
    T_TRUE(strstr(e.path, "a.ngt") != NULL);
}

T_CASE(names_may_not_leave_the_folder)
{
    static const char *const texts[] = {
        "{\"shards\": [{\"name\": \"../b.ngt\", \"bytes\": 1, \"root\": \"0123456789abcdef\"}]}",
        "{\"shards\": [{\"name\": \"\", \"bytes\": 1, \"root\": \"0123456789abcdef\"}]}",
        "{\"shards\": [{\"name\": \"b.ngt\", \"root\": \"0123456789abcdef\"}]}",
        "{\"shards\": [{\"name\": \"b.ngt\", \"bytes\": 1, \"root\": \"0\"}]}",
        "{\"shards\": {}}",
        "{}",
        "[",
        "",
        "{\"shards\": []}"};
    struct ngt_error e;

    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        T_REQUIRE(ngt_file_write(at(NGT_DATASET_FILE), texts[i], strlen(texts[i]), NULL) == NGT_OK);
        T_EQ_INT(open_one(folder, 0, &e), NGT_E_DATA);
        T_TRUE(e.message[0]);
    }
    T_REQUIRE(unlink(at(NGT_DATASET_FILE)) == 0);
}

T_CASE(what_does_not_belong_together)
{
    const char *const paths[2] = {at("x.ngt"), at("y.ngt")};
    struct ngt_dataset *set = NULL;
    struct ngt_error e;

    shard(paths[0], 40, 1);
    shard(paths[1], 41, 1);
    T_EQ_INT(ngt_dataset_open(paths, 2, 0, &set, &e), NGT_E_MISMATCH);
    T_TRUE(strstr(e.message, "vocabulary size") != NULL && strstr(e.message, "x.ngt") != NULL);
    T_EQ_INT(ngt_dataset_open(paths, 0, 0, &set, &e), NGT_E_DATA);
}

int main(int argc, char **argv)
{
    folder = shards_folder();
    int result = t_main(argc, argv);
    shards_remove(folder);
    return result;
}
