/* Names of sets: no two values share one, and none leads out of its folder. */
#include "set_name.h"

#include "t.h"

static const struct {
    const char *json, *name; /* NULL: none */
} cases[] = {
    {"\"RedPajamaC4\"", "RedPajamaC4"},
    {"\"\\u0041\\n\"", "A%0A"},
    {"\"a/b\"", "a%2Fb"},
    {"\"..\"", "%2E."},
    {"\".\"", "%2E"},
    {"\"../../etc/passwd\"", "%2E.%2F..%2Fetc%2Fpasswd"},
    {"\".hidden\"", "%2Ehidden"},
    {"\"-rf\"", "%2Drf"},
    {"\"a-b.c_d\"", "a-b.c_d"},
    {"\"\"", "%"},
    {"\"%\"", "%25"},
    {"\"~\"", "%7E"},
    {"\" \"", "%20"},
    {"\"\\u0000\"", "%00"},
    {"\"\xC3\xA9\"", "%C3%A9"},
    {"\"receipts\"", "%72eceipts"},
    {"\"dataset.json\"", "%64ataset.json"},
    {"\"plan.json\"", "%70lan.json"},
    {"\"quarantine.jsonl\"", "%71uarantine.jsonl"},
    {"\"Receipts\"", "Receipts"},
    {"17", "17"},
    {"-1.5e3", "%2D1.5e3"},
    {"true", "true"},
    {"null", NULL},
    {"{\"a\":1}", NULL},
    {"[1]", NULL},
    {"\"\\ud83d\"", "%22%5Cud83d%22"}, /* no text: by its spelling */
};

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[PRETOK_SET_NAME_ROOM] = "";
        bool named = pretok_set_name((const uint8_t *)cases[i].json, strlen(cases[i].json), name);
        if (named != (cases[i].name != NULL) || (named && strcmp(name, cases[i].name) != 0))
            T_FAIL("%s becomes %s", cases[i].json, named ? name : "nothing");
    }
}

/* Around the longest name, of plain and of escaped bytes: cut, told apart, and never half a %XX. */
T_CASE(long_ones)
{
    for (unsigned escaped = 0; escaped < 3; escaped++)
        for (unsigned n = 20; n < 400; n++) {
            char json[3][402], name[3][PRETOK_SET_NAME_ROOM];
            for (unsigned k = 0; k < 3; k++) {
                json[k][0] = json[k][n + 1] = '"';
                for (unsigned i = 1; i <= n; i++)
                    json[k][i] = escaped == 2 ? (i % 3 ? 'x' : '/') : escaped ? '/' : 'x';
                json[k][n] = (char)('a' + k);
                T_TRUE(pretok_set_name((const uint8_t *)json[k], n + 2, name[k]));
                T_TRUE(strlen(name[k]) <= 100);
                for (const char *c = name[k]; *c; c++)
                    if (*c == '%')
                        T_TRUE(c[1] == '2' && c[2] == 'F');
            }
            T_TRUE(strcmp(name[0], name[1]) != 0 && strcmp(name[1], name[2]) != 0);
        }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
