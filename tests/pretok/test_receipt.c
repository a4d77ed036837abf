#include "job/receipt.h"

#include "folder.h"
#include "ngt/file.h"

static struct pretok_unit unit = {.input_count = 1};
static struct pretok_plan plan = {.unit_count = 3, .units = &unit, .fingerprint = 0x1234};

static struct pretok_receipt sample(void)
{
    static char a[] = "a.jsonl", b[] = "b.jsonl.gz", lost[] = "cut off", keys[] = "a, b";
    static struct pretok_receipt_source sources[] = {
        {.name = a,
         .start = 5,
         .stored_bytes = 100,
         .lines = 7,
         .records = 4,
         .hash = {0x0123456789abcdef, 0xfedcba9876543210}},
        {.name = b, .records = 2, .lost = lost}};
    static struct pretok_receipt_shard shards[] = {
        {.name = "00002-0001.ngt",
         .summary = {.file_bytes = 9, .docs = 3, .tokens = 30, .header_hash = 77}},
        {.name = "00002-0002.ngt",
         .summary = {.file_bytes = 9, .docs = 2, .tokens = 12, .header_hash = UINT64_MAX}}};
    struct pretok_receipt r = {.unit = 2,
                               .fingerprint = 0x1234,
                               .sources = sources,
                               .source_count = 2,
                               .shards = shards,
                               .shard_count = 2};

    r.ledger.records = 6;
    r.ledger.documents = 5;
    r.ledger.quarantined[PRETOK_NO_KEY] = 1;
    r.ledger.tokens = 42;
    r.keys = keys;
    return r;
}

static enum ngt_status load(struct pretok_receipt *back, bool *there, struct ngt_error *error)
{
    return pretok_receipt_load(&plan, t_folder, 2, there, back, error);
}

T_CASE(round_trip)
{
    struct pretok_receipt r = sample(), back = {0};
    struct ngt_error error;
    bool there = true;
    char *path = pretok_receipt_path(&plan, t_folder, 2);

    T_REQUIRE(ngt_folder_make(t_path(PRETOK_RECEIPT_FOLDER), &error) == NGT_OK);
    T_EQ_INT(load(&back, &there, &error), NGT_OK);
    T_TRUE(!there);
    T_REQUIRE(pretok_receipt_save(&r, path, &error) == NGT_OK);
    T_EQ_INT(load(&back, &there, &error), NGT_OK);
    T_REQUIRE(there);
    T_EQ_MEM(&back.ledger, &r.ledger, sizeof r.ledger);
    T_EQ_U64(back.source_count, 2);
    T_EQ_STR(back.sources[0].name, "a.jsonl");
    T_EQ_U64(back.sources[0].hash.high, r.sources[0].hash.high);
    T_EQ_U64(back.sources[0].hash.low, r.sources[0].hash.low);
    T_TRUE(back.sources[0].lost == NULL);
    T_EQ_STR(back.sources[1].lost, "cut off");
    T_EQ_U64(back.shards[1].summary.header_hash, UINT64_MAX);
    T_EQ_STR(back.shards[1].name, "00002-0002.ngt");
    T_EQ_STR(back.keys, "a, b");
    /* the shards it lists are not there */
    T_EQ_INT(pretok_receipt_check(&back, &plan, t_folder, false, &error), NGT_E_MISMATCH);
    T_TRUE(strstr(error.path, "00002-0001.ngt") != NULL);
    pretok_receipt_done(&back);
    free(path);
}

/* Of a split job: sets with ledgers of their own, which its shards bear out. */
T_CASE(sets)
{
    struct ngt_error error;
    char *path = pretok_receipt_path(&plan, t_folder, 2);

    T_REQUIRE(ngt_folder_make(t_path(PRETOK_RECEIPT_FOLDER), &error) == NGT_OK);
    for (int i = 0; i < 5; i++) {
        static const char *const folders[] = {"C4", "C4", "..", "a/b", ""};
        static uint64_t origins[] = {0, 7};
        struct pretok_receipt_set two[2] = {{.folder = (char *)(uintptr_t)folders[i]},
                                            {.folder = (char *)(uintptr_t) "%2E"}};
        struct pretok_receipt r = sample(), back = {0};
        struct pretok_receipt_shard shards[2] = {r.shards[0], r.shards[1]};
        bool there;
        two[0].ledger = (struct pretok_ledger){.records = 2, .documents = 2, .tokens = 12};
        two[1].ledger = (struct pretok_ledger){.records = 3, .documents = 3, .tokens = 30};
        shards[0].set = 1;
        shards[0].origins = origins;
        shards[0].origin_count = 2;
        if (i == 1)
            two[0].ledger.tokens++;
        r.shards = shards;
        r.sets = two;
        r.set_count = 2;
        T_REQUIRE(pretok_receipt_save(&r, path, &error) == NGT_OK);
        enum ngt_status status = load(&back, &there, &error);
        T_EQ_INT(status, i == 0 ? NGT_OK : i == 1 ? NGT_E_CORRUPT : NGT_E_DATA);
        if (i == 0) {
            char *where = pretok_receipt_shard_path(&back, "x", 0);
            T_EQ_STR(where, "x/%2E/00002-0001.ngt");
            T_EQ_U64(back.shards[0].origins[1], 7);
            T_EQ_U64(back.shards[1].origin_count, 0);
            T_EQ_MEM(&back.sets[1].ledger, &two[1].ledger, sizeof two[1].ledger);
            free(where);
        }
        pretok_receipt_done(&back);
    }
    free(path);
}

T_CASE(what_does_not_balance)
{
    struct ngt_error error;
    char *path = pretok_receipt_path(&plan, t_folder, 2);

    T_REQUIRE(ngt_folder_make(t_path(PRETOK_RECEIPT_FOLDER), &error) == NGT_OK);
    for (int i = 0; i < 6; i++) {
        struct pretok_receipt r = sample(), back = {0};
        bool there;
        switch (i) {
        case 0:
            r.ledger.records = 7; /* law */
            break;
        case 1:
            r.ledger.tokens = 43; /* shards */
            break;
        case 2:
            r.ledger.records = 7; /* sources */
            r.ledger.quarantined[PRETOK_NO_KEY] = 2;
            break;
        case 3:
            r.unit = 1;
            break;
        case 4:
            r.fingerprint = 1;
            break;
        case 5:
            r.shard_count = 1;
            break;
        }
        T_REQUIRE(pretok_receipt_save(&r, path, &error) == NGT_OK);
        enum ngt_status status = load(&back, &there, &error);
        if (status != NGT_E_CORRUPT && status != NGT_E_MISMATCH)
            T_FAIL("case %d passes: %d", i, status);
    }
    t_put("receipts/00002.json", "{\"unit\": 2}", 11);
    struct pretok_receipt back = {0};
    bool there;
    T_EQ_INT(load(&back, &there, &error), NGT_E_DATA);
    free(path);
}

int main(int argc, char **argv)
{
    return t_main_in_folder(argc, argv);
}
