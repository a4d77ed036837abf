/* Truncation and padding: expected values are those of tokenizers 0.23.3. */
#include "load/hf_limits.h"
#include "t.h"

static const struct {
    const char *name, *truncation, *padding;
    uint32_t count;       /* ids 1, 2, ... count before */
    const char *expected; /* after; NULL: refused */
} cases[] = {
    {"none", "null", "null", 3, "1 2 3"},
    {"cut", "{\"max_length\": 2, \"strategy\": \"LongestFirst\", \"stride\": 0}", "null", 3, "1 2"},
    {"cut on the left", "{\"direction\": \"Left\", \"max_length\": 2}", "null", 3, "2 3"},
    {"cut to nothing", "{\"max_length\": 0}", "null", 3, ""},
    {"short enough", "{\"max_length\": 3}", "null", 3, "1 2 3"},
    {"fixed", "null", "{\"strategy\": {\"Fixed\": 5}, \"pad_id\": 0}", 3, "1 2 3 0 0"},
    {"fixed, on the left", "null",
     "{\"strategy\": {\"Fixed\": 5}, \"pad_id\": 9, \"direction\": \"Left\"}", 3, "9 9 1 2 3"},
    {"longer than fixed", "null", "{\"strategy\": {\"Fixed\": 2}, \"pad_id\": 0}", 3, "1 2 3"},
    {"multiple", "null",
     "{\"strategy\": \"BatchLongest\", \"pad_id\": 7, \"pad_to_multiple_of\": 4}", 3, "1 2 3 7"},
    {"cut, then multiple", "{\"max_length\": 2}",
     "{\"strategy\": {\"Fixed\": 1}, \"pad_id\": 7, \"pad_to_multiple_of\": 4}", 3, "1 2 7 7"},
    {"empty", "{\"max_length\": 2}", "{\"strategy\": {\"Fixed\": 2}, \"pad_id\": 7}", 0, "7 7"},
    {"no length", "{}", "null", 3, NULL},
    {"pairs", "{\"max_length\": 2, \"strategy\": \"OnlySecond\"}", "null", 3, NULL},
    {"stride", "{\"max_length\": 2, \"stride\": 2}", "null", 3, NULL},
    {"direction", "{\"max_length\": 2, \"direction\": \"Up\"}", "null", 3, NULL},
    {"padding of nothing", "null", "{}", 3, NULL},
    {"padding too long", "null", "{\"strategy\": {\"Fixed\": 5000000000}, \"pad_id\": 0}", 3, NULL},
};

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ngt_json *truncation = NULL, *padding = NULL;
        struct tok_hf_limits limits;
        struct tok_ids ids = {0};
        struct ngt_error e;
        char got[100] = "";

        T_REQUIRE(ngt_json_parse(cases[i].truncation, strlen(cases[i].truncation), "t", &truncation,
                                 &e) == NGT_OK);
        T_REQUIRE(ngt_json_parse(cases[i].padding, strlen(cases[i].padding), "t", &padding, &e) ==
                  NGT_OK);
        enum ngt_status status = tok_hf_read_limits(truncation, padding, "t", &limits, &e);
        if ((status == NGT_OK) != (cases[i].expected != NULL))
            T_FAIL("%s: status %d", cases[i].name, status);
        if (status == NGT_OK && cases[i].expected) {
            /* a document before this one stays as it is */
            T_REQUIRE(tok_ids_reserve(&ids, 1 + cases[i].count, &e) == NGT_OK);
            ids.ids[ids.count++] = 100;
            for (uint32_t k = 1; k <= cases[i].count; k++)
                ids.ids[ids.count++] = k;
            T_EQ_INT(tok_hf_limit(&limits, 1, &ids, &e), NGT_OK);
            T_EQ_U64(ids.ids[0], 100);
            for (uint64_t k = 1; k < ids.count; k++)
                sprintf(got + strlen(got), k > 1 ? " %u" : "%u", ids.ids[k]);
            if (strcmp(got, cases[i].expected) != 0)
                T_FAIL("%s: %s, expected %s", cases[i].name, got, cases[i].expected);
        }
        tok_ids_done(&ids);
        ngt_json_free(&truncation);
        ngt_json_free(&padding);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
