#include "cli/progress.h"

#include <signal.h>
#include <unistd.h>

#include "t.h"

static char caught[8192];
static FILE *catcher;
static int saved;

static void catch_begin(void)
{
    catcher = tmpfile();
    T_REQUIRE(catcher);
    fflush(stderr);
    saved = dup(2);
    dup2(fileno(catcher), 2);
}

static void catch_end(void)
{
    fflush(stderr);
    dup2(saved, 2);
    close(saved);
    rewind(catcher);
    caught[fread(caught, 1, sizeof caught - 1, catcher)] = '\0';
    fclose(catcher);
}

T_CASE(messages_carry_the_program)
{
    struct ngt_error error;
    ngt_error_clear(&error);
    (void)ngt_fail(&error, NGT_E_CORRUPT, "a.ngt", 81920, NGT_NO_POS, "block digest mismatch");
    catch_begin();
    struct cli_console *c = cli_console_new("prog", CLI_PROGRESS_AUTO, false, 1);
    cli_say(c, "hello %d", 1);
    cli_detail(c, "more");
    cli_error(c, &error);
    cli_console_free(&c);
    T_TRUE(c == NULL);
    catch_end();
    T_EQ_STR(caught, "prog: hello 1\nprog: more\n"
                     "prog: a.ngt: offset 81920: block digest mismatch\n");
}

T_CASE(quiet_leaves_errors_only)
{
    struct ngt_error error;
    ngt_error_clear(&error);
    (void)ngt_fail(&error, NGT_E_DATA, NULL, NGT_NO_POS, NGT_NO_POS, "bad");
    catch_begin();
    struct cli_console *c = cli_console_new("prog", CLI_PROGRESS_ALWAYS, true, 3);
    T_TRUE(!cli_progress_shown(c));
    cli_say(c, "hello");
    cli_detail(c, "more");
    cli_progress(c, true, "line");
    cli_error(c, &error);
    cli_console_free(&c);
    catch_end();
    T_EQ_STR(caught, "prog: bad\n");
}

T_CASE(no_progress_line_without_a_terminal)
{
    catch_begin();
    struct cli_console *c = cli_console_new("prog", CLI_PROGRESS_AUTO, false, 0);
    T_TRUE(!cli_progress_shown(c));
    cli_progress(c, true, "line");
    cli_console_free(&c);
    catch_end();
    T_EQ_STR(caught, "");
}

T_CASE(always_without_a_terminal_prints_lines)
{
    catch_begin();
    struct cli_console *c = cli_console_new("prog", CLI_PROGRESS_ALWAYS, false, 0);
    for (int i = 0; i < 100; i++)
        cli_progress(c, false, "step %d", i);
    cli_progress(c, true, "step %d", 100);
    cli_console_free(&c);
    catch_end();
    T_EQ_STR(caught, "step 0\nstep 100\n");
}

struct number_case {
    double value;
    const char *count, *bytes, *seconds;
};

static const struct number_case numbers[] = {
    {0, "0", "0 B", "0.0 s"},
    {9.96, "9", "9 B", "10 s"},
    {59.7, "59", "59 B", "1 min 00 s"},
    {999, "999", "999 B", "16 min 39 s"},
    {1000, "1.00 k", "1.00 kB", "16 min 40 s"},
    {9999, "10.0 k", "10.0 kB", "2 h 46 min"},
    {123456, "123 k", "123 kB", "1 d 10 h"},
    {999600, "1.00 M", "1.00 MB", "11 d 13 h"},
    {1234567, "1.23 M", "1.23 MB", "14 d 06 h"},
    {1e12, "1.00 T", "1.00 TB", "?"},
};

T_CASE(numbers_for_people)
{
    char out[24];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        T_EQ_STR(cli_format_count((uint64_t)numbers[i].value, out), numbers[i].count);
        T_EQ_STR(cli_format_bytes((uint64_t)numbers[i].value, out), numbers[i].bytes);
        T_EQ_STR(cli_format_seconds(numbers[i].value, out), numbers[i].seconds);
    }
    T_EQ_STR(cli_format_count(UINT64_MAX, out), "18447 P");
    T_EQ_STR(cli_format_seconds(-1, out), "?");
}

T_CASE(signals_set_a_flag)
{
    cli_catch_signals();
    T_TRUE(!cli_stopped());
    raise(SIGUSR1);
    T_TRUE(cli_stopped());
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
