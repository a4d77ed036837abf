#include "cli/options.h"
#include "t.h"

struct size_case {
    const char *text;
    bool good;
    uint64_t value;
};

static const struct size_case cases[] = {
    {"0", true, 0},
    {"4096", true, 4096},
    {"1K", true, 1000},
    {"1k", true, 1000},
    {"1Ki", true, 1024},
    {"256Mi", true, 256u << 20},
    {"256MiB", true, 256u << 20},
    {"3MB", true, 3000000},
    {"1.5G", true, 1500000000},
    {"0.5Ki", true, 512},
    {"2Ti", true, (uint64_t)2 << 40},
    {"0.000000000000000000001T", true, 0},
    {"18446744073709551615", true, UINT64_MAX},
    {"18446744073709551616", false, 0},
    {"16777215.99Ti", true, 0xfffffffd70a3d70au},
    {"16777216Ti", false, 0},
    {"1.5", false, 0},
    {"1.5B", false, 0},
    {"", false, 0},
    {"K", false, 0},
    {".5K", false, 0},
    {"1.K", false, 0},
    {"-1", false, 0},
    {"+1", false, 0},
    {" 1", false, 0},
    {"1 K", false, 0},
    {"1X", false, 0},
    {"1Kib", false, 0},
    {"1KK", false, 0},
};

T_CASE(sizes)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t value = 0;
        bool good = cli_parse_size(cases[i].text, &value);
        if (good != cases[i].good || (good && value != cases[i].value))
            T_FAIL("\"%s\": %d %" PRIu64 ", expected %d %" PRIu64, cases[i].text, good, value,
                   cases[i].good, cases[i].value);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
