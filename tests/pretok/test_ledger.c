#include "job/ledger.h"

#include "t.h"

static struct pretok_ledger sample(void)
{
    struct pretok_ledger l = {.records = 10,
                              .documents = 7,
                              .empty = 1,
                              .filtered = 1,
                              .text_bytes = 100,
                              .tokens = 40,
                              .replaced = 2,
                              .special = 3};
    l.filtered_by[PRETOK_MANY_TOKENS] = 1;
    l.quarantined[PRETOK_NOT_JSON] = 1;
    l.quarantined[PRETOK_TOKENIZER] = 1;
    return l;
}

T_CASE(the_law)
{
    struct pretok_ledger l = sample();
    struct ngt_error error;

    ngt_error_clear(&error);
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_OK);
    T_EQ_U64(pretok_ledger_bad(&l), 2);
    l.documents++;
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_E_CORRUPT);
    l = sample();
    l.filtered_by[PRETOK_FEW_CHARS] = 1;
    ngt_error_clear(&error);
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_E_CORRUPT);
    l = sample();
    l.empty = 8;
    ngt_error_clear(&error);
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_E_CORRUPT);
}

T_CASE(sums)
{
    struct pretok_ledger sum = {0}, l = sample();

    pretok_ledger_add(&sum, &l);
    pretok_ledger_add(&sum, &l);
    T_EQ_U64(sum.records, 20);
    T_EQ_U64(sum.special, 6);
    T_EQ_U64(sum.quarantined[PRETOK_TOKENIZER], 2);
    T_EQ_U64(pretok_ledger_bad(&sum), 4);
}

/* Counters and JSON carry every figure, and JSON comes back. */
T_CASE(round_trip)
{
    struct pretok_ledger l = sample(), back;
    struct ngt_counter counters[PRETOK_LEDGER_COUNTERS];
    struct ngt_json_out out;
    struct ngt_json *root = NULL;
    struct ngt_error error;
    uint64_t count = pretok_ledger_counters(&l, counters), sum = 0;

    for (uint64_t i = 0; i < count; i++)
        sum += counters[i].value;
    T_EQ_U64(sum, 10 + 7 + 1 + 1 + 100 + 40 + 2 + 3 + 2 + 1);
    T_EQ_STR(counters[0].key, "records");
    /* reasons have the names that the quarantine has; the first seven are always there */
    l.quarantined[PRETOK_FIELDS_TOO_LONG] = 5;
    l.quarantined[PRETOK_NO_SET] = 6;
    count = pretok_ledger_counters(&l, counters);
    for (unsigned r = 1; r < PRETOK_REASONS; r++) {
        char key[64];
        bool there = false;
        snprintf(key, sizeof key, "quarantined.%s", pretok_reason_name((enum pretok_reason)r));
        for (uint64_t i = 0; i < count; i++)
            there |= strcmp(counters[i].key, key) == 0 && counters[i].value == l.quarantined[r];
        if (!there)
            T_FAIL("no counter %s", key);
    }
    ngt_json_out_init(&out, false);
    ngt_json_object(&out);
    pretok_ledger_write(&l, &out);
    ngt_json_object_end(&out);
    T_REQUIRE(ngt_json_parse(out.bytes, out.size, "x", &root, &error) == NGT_OK);
    T_EQ_INT(pretok_ledger_read(root, "x", &back, &error), NGT_OK);
    T_EQ_MEM(&l, &back, sizeof l);
    ngt_json_free(&root);
    ngt_json_out_done(&out);
    T_REQUIRE(ngt_json_parse("{\"records\":1}", 13, "x", &root, &error) == NGT_OK);
    T_EQ_INT(pretok_ledger_read(root, "x", &back, &error), NGT_E_DATA);
    T_TRUE(strstr(error.message, "documents") != NULL);
    ngt_json_free(&root);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
