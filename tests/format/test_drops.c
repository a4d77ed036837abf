/* Drop lists: written, read, and every byte of them checked; a data set obeys its own. */
#include <fcntl.h>

#include "shards.h"
#include "t.h"

static const char *folder;

static const char *at(const char *name)
{
    static char path[4][512];
    static unsigned turn;

    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof *path, "%s/%s", folder, name);
    return path[turn];
}

T_CASE(come_back)
{
    static const uint64_t sizes[] = {1, 7, 8, 9, 1000};

    for (unsigned i = 0; i < 5; i++) {
        uint8_t bits[125] = {0};
        struct ngt_drops *d = NULL;
        struct ngt_error e;
        uint64_t bytes, hash, n = sizes[i], dropped = 0;
        for (uint64_t k = 0; k < n; k += 3, dropped++)
            bits[k / 8] |= (uint8_t)(1u << k % 8);
        T_EQ_INT(ngt_drops_write(at("d"), bits, n, &bytes, &hash, &e), NGT_OK);
        T_EQ_U64(bytes, 32 + (n + 7) / 8);
        T_REQUIRE(ngt_drops_open(at("d"), &d, &e) == NGT_OK);
        T_EQ_U64(ngt_drops_documents(d), n);
        T_EQ_U64(ngt_drops_count(d), dropped);
        T_EQ_U64(ngt_drops_hash(d), hash);
        for (uint64_t k = 0; k < n + 20; k++)
            T_EQ_INT(ngt_drops_has(d, k), k < n && k % 3 == 0);
        ngt_drops_close(&d);
    }
}

T_CASE(every_flip_and_cut_is_noticed)
{
    uint8_t bits[3] = {0x81, 0x10, 0x02}, *good;
    struct ngt_drops *d = NULL;
    struct ngt_error e;
    uint64_t bytes, hash, size;

    T_REQUIRE(ngt_drops_write(at("d"), bits, 18, &bytes, &hash, &e) == NGT_OK);
    T_REQUIRE(ngt_file_read(at("d"), 1000, &good, &size, &e) == NGT_OK);
    for (uint64_t i = 0; i < size * 8; i++) {
        good[i / 8] ^= (uint8_t)(1u << i % 8);
        T_REQUIRE(ngt_file_write(at("bad"), good, size, &e) == NGT_OK);
        good[i / 8] ^= (uint8_t)(1u << i % 8);
        if (ngt_drops_open(at("bad"), &d, &e) != NGT_E_CORRUPT)
            T_FAIL("bit %u was not noticed", (unsigned)i);
    }
    for (uint64_t n = 0; n < size; n++) {
        T_REQUIRE(ngt_file_write(at("bad"), good, n, &e) == NGT_OK);
        T_TRUE(ngt_drops_open(at("bad"), &d, &e) == NGT_E_CORRUPT);
    }
    free(good);
}

/* A folder of two shards of 8 and 4 documents, and a list of `documents`. */
static void make_set(uint64_t documents, const char *hash_digits)
{
    static const uint64_t first[] = {5, 0, 1, 17, 2, 9, 300, 4}, second[] = {3, 40, 0, 12};
    struct shards_spec specs[] = {{.vocab = 40, .lengths = first, .docs = 8, .seed = 1},
                                  {.vocab = 40, .lengths = second, .docs = 4, .seed = 2}};
    struct ngt_dataset_shard shards[2] = {{.name = "a.ngt"}, {.name = "b.ngt"}};
    struct ngt_json_out out;
    uint8_t bits[2] = {0x82, 0x05}; /* 1, 7, 8, 10 */
    uint64_t bytes, hash;
    char hex[17];

    for (unsigned i = 0; i < 2; i++)
        T_REQUIRE(shards_write(at(shards[i].name), &specs[i], &shards[i].summary, NULL) == NGT_OK);
    T_REQUIRE(ngt_drops_write(at("dropped.ngd"), bits, documents, &bytes, &hash, NULL) == NGT_OK);
    ngt_digest64_hex(hash, hex);
    ngt_json_out_init(&out, false);
    ngt_dataset_json(&out, "test", "1", NGT_DOCUMENTS, (struct ngt_digest128){7, 9}, shards, 2);
    ngt_json_key(&out, "drops");
    ngt_json_object(&out);
    ngt_json_member_string(&out, "name", "dropped.ngd");
    ngt_json_member_string(&out, "hash", hash_digits ? hash_digits : hex);
    ngt_json_object_end(&out);
    ngt_json_object_end(&out);
    T_REQUIRE(ngt_file_write(at("dataset.json"), out.bytes, out.size, NULL) == NGT_OK);
    ngt_json_out_done(&out);
}

T_CASE(a_data_set_has_its_own)
{
    struct ngt_dataset *set = NULL;
    struct ngt_sequences *sequences = NULL;
    struct ngt_error e;

    make_set(12, NULL);
    /* the folder twice, and a shard by itself, which is taken whole */
    const char *const paths[] = {folder, at("b.ngt"), folder};
    T_REQUIRE(ngt_dataset_open(paths, 3, 0, &set, &e) == NGT_OK);
    T_EQ_U64(set->count, 5);
    T_EQ_U64(set->dropped, 8);
    for (uint64_t i = 0; i < 5; i++)
        for (uint64_t d = 0; d < ngt_reader_header(set->readers[i])->docs; d++) {
            uint64_t in_folder = (i == 1 || i == 4 ? 8 : 0) + d;
            bool want =
                i != 2 && (in_folder == 1 || in_folder == 7 || in_folder == 8 || in_folder == 10);
            T_EQ_INT(ngt_dataset_dropped(set, i, d), want);
        }
    T_EQ_INT(ngt_sequences_new(set, 4, &sequences, &e), NGT_E_UNSUPPORTED);
    T_TRUE(strstr(e.message, "ngt-pack") != NULL);
    ngt_dataset_close(&set);

    make_set(11, NULL); /* for another set */
    T_EQ_INT(ngt_dataset_open(paths, 1, 0, &set, &e), NGT_E_MISMATCH);
    make_set(12, "0123456789abcdef"); /* another list */
    T_EQ_INT(ngt_dataset_open(paths, 1, 0, &set, &e), NGT_E_MISMATCH);
    make_set(12, NULL);
    T_REQUIRE(unlink(at("dropped.ngd")) == 0); /* gone */
    T_EQ_INT(ngt_dataset_open(paths, 1, 0, &set, &e), NGT_E_IO);
    T_EQ_INT(ngt_dataset_open(paths, 1, NGT_DATASET_INCOMPLETE, &set, &e), NGT_E_IO);
}

T_CASE(a_folder_of_sets_is_none)
{
    struct ngt_dataset *set = NULL;
    struct ngt_error e;
    static const char json[] =
        "{\"kind\": \"sets\", \"sets\": [{\"name\": \"C4\"}, {\"name\": \"Book\"}]}";

    T_REQUIRE(ngt_file_write(at("dataset.json"), json, sizeof json - 1, NULL) == NGT_OK);
    T_EQ_INT(ngt_dataset_open(&folder, 1, 0, &set, &e), NGT_E_DATA);
    T_TRUE(strstr(e.message, "C4, Book") != NULL);
}

int main(int argc, char **argv)
{
    folder = shards_folder();
    int code = t_main(argc, argv);
    shards_remove(folder);
    return code;
}
