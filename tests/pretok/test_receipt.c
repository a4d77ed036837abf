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
        {"00002-0001.ngt", {.file_bytes = 9, .docs = 3, .tokens = 30, .header_hash = 77}},
        {"00002-0002.ngt", {.file_bytes = 9, .docs = 2, .tokens = 12, .header_hash = UINT64_MAX}}};
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
