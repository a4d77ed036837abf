/*
 * The emitted pages are golden files: tests/cli/golden. With GOLDEN_UPDATE set they are written
 * instead of compared; look at the difference before committing it.
 */
#include "capture.h"

static void golden(const char *name, const char *line)
{
    static char expected[65536];
    char path[512];
    const char *folder = getenv("GOLDEN");
    struct run r = run_line(&sample_program, line);

    T_EQ_INT(r.outcome, CLI_DONE);
    T_EQ_STR(caught_err, "");
    T_REQUIRE(folder);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, getenv("GOLDEN_UPDATE") ? "w" : "r");
    T_REQUIRE(f);
    if (getenv("GOLDEN_UPDATE")) {
        fputs(caught_out, f);
        fclose(f);
        return;
    }
    capture_read(f, expected, sizeof expected);
    T_EQ_STR(caught_out, expected);
}

T_CASE(help)
{
    golden("help", "--help");
}

T_CASE(help_of_a_command)
{
    golden("help.status", "status --help");
}

T_CASE(man)
{
    golden("man", "--emit=man");
}

T_CASE(bash)
{
    golden("bash", "--emit=bash");
}

T_CASE(zsh)
{
    golden("zsh", "--emit=zsh");
}

T_CASE(fish)
{
    golden("fish", "--emit fish");
}

T_CASE(json)
{
    golden("json", "--emit=json");
}

T_CASE(version)
{
    struct run r = run_line(&sample_program, "--version");
    T_EQ_INT(r.outcome, CLI_DONE);
    T_EQ_STR(caught_out, "the-sample 1.2.3\n");
}

T_CASE(help_fits_its_columns)
{
    struct run r = run_line(&sample_program, "--help");
    T_EQ_INT(r.outcome, CLI_DONE);
    for (char *line = strtok(caught_out, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 80)
            T_FAIL("%zu columns: %s", strlen(line), line);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
