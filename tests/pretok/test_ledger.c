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
    l.quarantined[PRETOK_NOT_JSON] = 1;
    l.quarantined[PRETOK_TOKENIZER] = 1;
    l.filtered_by[PRETOK_WARC_OTHER] = 1;
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
    l.filtered_by[PRETOK_WARC_OTHER] = 0; /* filtered without a reason */
    ngt_error_clear(&error);
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_E_CORRUPT);
    l = sample();
    l.filtered_by[PRETOK_FEW_CHARS] = 1; /* a reason too many */
    ngt_error_clear(&error);
    T_EQ_INT(pretok_ledger_check(&l, "x", &error), NGT_E_CORRUPT);
    l = sample();
    l.excused = 3; /* more than there are */
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
    T_EQ_U64(sum, 10 + 7 + 1 + 1 + 100 + 40 + 2 + 3 + 3);
    T_EQ_STR(counters[0].key, "records");
    for (unsigned r = 1; r <= PRETOK_TOKENIZER; r++) { /* there also when zero */
        char key[64];
        snprintf(key, sizeof key, "quarantined.%s", pretok_reason_name((enum pretok_reason)r));
        T_EQ_STR(counters[7 + r].key, key);
    }
    T_EQ_U64(count, 9 + PRETOK_TOKENIZER); /* later reasons: only those that occurred */
    T_EQ_STR(counters[count - 1].key, "filtered.warc_other");
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

/* A reason that nobody added to the table would be lost on the way to a receipt. */
T_CASE(every_reason_has_a_counter)
{
    for (unsigned i = 1; i < PRETOK_REASONS + PRETOK_FILTERS; i++) {
        struct pretok_ledger l = {.records = 1};
        struct ngt_counter counters[PRETOK_LEDGER_COUNTERS];
        unsigned f = i - PRETOK_REASONS;
        char key[64], text[64];
        if (i == PRETOK_REASONS)
            continue; /* PRETOK_KEPT */
        if (i < PRETOK_REASONS)
            l.quarantined[i] = 1;
        else
            l.filtered = l.filtered_by[f] = 1;
        const char *name = i < PRETOK_REASONS ? pretok_reason_name((enum pretok_reason)i)
                                              : pretok_filtered_name((enum pretok_filtered)f);
        snprintf(key, sizeof key, "%s.%s", i < PRETOK_REASONS ? "quarantined" : "filtered", name);
        uint64_t count = pretok_ledger_counters(&l, counters), found = 0;
        for (uint64_t k = 0; k < count; k++)
            found += strcmp(counters[k].key, key) == 0 && counters[k].value == 1;
        T_EQ_U64(found, 1);
        T_EQ_INT(pretok_ledger_check(&l, "x", NULL), NGT_OK);
        pretok_ledger_reasons(&l, text, sizeof text);
        snprintf(key, sizeof key, "1 %s", name);
        T_EQ_STR(text, key);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
