/* What options take from a record. */
#include "keys.h"

#include "t.h"

T_CASE(fields_are_wanted_once)
{
    struct pretok_keys_config c = {.text_key = "text",
                                   .id_key = "meta.id",
                                   .meta_keys = "url,meta.id,a\\,b,q\"uote,meta",
                                   .split_key = "url"};
    struct pretok_keys k;
    struct ngt_error e;

    T_REQUIRE(pretok_keys_new(&c, &k, &e) == NGT_OK);
    struct pretok_wanted w = pretok_keys_wanted(&k);
    T_EQ_U64(w.field_count, 5);
    T_EQ_STR(w.fields[k.id], "meta.id");
    T_EQ_STR(w.fields[k.split], "url");
    T_EQ_U64(k.meta_count, 5);
    T_EQ_STR(k.meta[0].name, "\"url\":");
    T_EQ_STR(k.meta[1].name, "\"meta.id\":");
    T_EQ_U64(k.meta[1].field, k.id);
    T_EQ_STR(k.meta[2].name, "\"a,b\":");
    T_EQ_STR(k.meta[3].name, "\"q\\\"uote\":");
    T_TRUE(pretok_template_plain(w.text));
    pretok_keys_done(&k);
}

T_CASE(refused)
{
    static const struct {
        struct pretok_keys_config config;
        const char *says;
    } bad[] = {
        {{.text_key = ""}, "--text-key"},
        {{.text_key = "a", .id_key = "a."}, "--id-key"},
        {{.text_key = "a", .split_key = ""}, "--split-by-key"},
        {{.text_key = "a", .split_key = "a\tb"}, "control character"},
        {{.text_key = "a", .meta_keys = ""}, "--meta-keys"},
        {{.text_key = "a", .meta_keys = "a,"}, "--meta-keys"},
        {{.text_key = "a", .meta_keys = "a,b,a"}, "twice"},
        {{.text_key = "a", .text_template = "x"}, "--text-template"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct pretok_keys k = {0};
        struct ngt_error e;
        T_EQ_INT(pretok_keys_new(&bad[i].config, &k, &e), NGT_E_DATA);
        if (!strstr(e.message, bad[i].says))
            T_FAIL("%u: %s", (unsigned)i, e.message);
        T_TRUE(k.fields == NULL);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
