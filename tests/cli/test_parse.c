#include "capture.h"

T_CASE(defaults_are_applied)
{
    struct run r = run_line(&sample_program, "a");
    T_EQ_INT(r.outcome, CLI_RUN);
    T_EQ_STR(r.config.out, "run");
    T_EQ_U64(r.config.steps, 10);
    T_EQ_U64(r.config.bytes, 256u << 20);
    T_TRUE(r.config.lr == 3e-4);
    T_TRUE(r.config.share == 0.01);
    T_EQ_INT(r.config.device, 0);
    T_TRUE(!r.config.steps_given);
    T_EQ_U64(r.operands.count, 1);
    run_done(&r);
}

T_CASE(every_way_to_write_a_value)
{
    static const char *const lines[] = {
        "--steps=7 a b", "--steps 7 a b",          "-n7 a b", "-n 7 a b", "a -qn7 b",
        "a b -qn 7",     "--steps 3 a b --steps 7"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct run r = run_line(&sample_program, lines[i]);
        T_EQ_INT(r.outcome, CLI_RUN);
        T_EQ_U64(r.config.steps, 7);
        T_TRUE(r.config.steps_given);
        T_EQ_U64(r.operands.count, 2);
        T_EQ_STR(r.operands.items[0], "a");
        T_EQ_STR(r.operands.items[1], "b");
        run_done(&r);
    }
}

T_CASE(values_of_every_type)
{
    struct run r = run_line(&sample_program, "--lr=-0 --max-bad 2.5% --device cuda --no-bos -vvq "
                                             "--unit-bytes-of-stored-input 1.5Gi --include x "
                                             "--include y --include z -o= -- --lr -");
    T_EQ_INT(r.outcome, CLI_RUN);
    T_TRUE(r.config.share == 0.025);
    T_EQ_INT(r.config.device, 2);
    T_TRUE(!r.config.bos && r.config.quiet);
    T_EQ_U64(r.config.verbose, 2);
    T_EQ_U64(r.config.bytes, 3u << 29);
    T_EQ_U64(r.config.include.count, 3);
    T_EQ_STR(r.config.include.items[2], "z");
    T_EQ_STR(r.config.out, "=");
    T_EQ_U64(r.operands.count, 2);
    T_EQ_STR(r.operands.items[0], "--lr");
    T_EQ_STR(r.operands.items[1], "-");
    run_done(&r);
}

T_CASE(commands_stand_first)
{
    struct run r = run_line(&sample_program, "status -q DIR");
    T_EQ_INT(r.outcome, CLI_RUN);
    T_EQ_STR(r.command->name, "status");
    T_TRUE(r.config.quiet);
    T_TRUE(r.config.out == NULL);
    run_done(&r);
    r = run_line(&sample_program, "x status");
    T_EQ_INT(r.outcome, CLI_RUN);
    T_TRUE(r.command->name == NULL);
    T_EQ_U64(r.operands.count, 2);
    run_done(&r);
    r = run_line(&sample_program, "finish d");
    T_EQ_INT(r.outcome, CLI_RUN);
    run_done(&r);
}

struct bad {
    const char *line, *message;
};

static const struct bad bad_lines[] = {
    {"--step 3 a", "the-sample: unknown option --step; did you mean --steps?\n"},
    {"--inlcude=x a", "the-sample: unknown option --inlcude; did you mean --include?\n"},
    {"--unit a", "the-sample: unknown option --unit; did you mean --unit-bytes-of-stored-input?\n"},
    {"--xyzzy a", "the-sample: unknown option --xyzzy; see the-sample --help\n"},
    {"-h", "the-sample: unknown option -h; did you mean --help?\n"},
    {"-qz a", "the-sample: unknown option -z; see the-sample --help\n"},
    {"status --steps 3 d", "the-sample: unknown option --steps; see the-sample status --help\n"},
    {"--steps", "the-sample: --steps needs a value: --steps N\n"},
    {"-n", "the-sample: -n needs a value: -n N\n"},
    {"--steps 0 a", "the-sample: --steps: \"0\" is not a whole number from 1 to 100\n"},
    {"--steps 101 a", "the-sample: --steps: \"101\" is not a whole number from 1 to 100\n"},
    {"--steps 1x a", "the-sample: --steps: \"1x\" is not a whole number from 1 to 100\n"},
    {"--steps -1 a", "the-sample: --steps: \"-1\" is not a whole number from 1 to 100\n"},
    {"--steps EMPTY a", "the-sample: --steps: \"\" is not a whole number from 1 to 100\n"},
    {"--steps 99999999999999999999 a",
     "the-sample: --steps: \"99999999999999999999\" is not a whole number from 1 to 100\n"},
    {"--lr nan a", "the-sample: --lr: \"nan\" is not a number from 0 to 10\n"},
    {"--lr 0x1 a", "the-sample: --lr: \"0x1\" is not a number from 0 to 10\n"},
    {"--lr 11 a", "the-sample: --lr: \"11\" is not a number from 0 to 10\n"},
    {"--lr 1% a", "the-sample: --lr: \"1%\" is not a number from 0 to 10\n"},
    {"--max-bad 101% a",
     "the-sample: --max-bad: \"101%\" is not a share (1% or 0.01) from 0% to 100%\n"},
    {"--device gpu a", "the-sample: --device: \"gpu\" is not one of auto|cpu|cuda\n"},
    {"--unit-bytes-of-stored-input 5X a",
     "the-sample: --unit-bytes-of-stored-input: \"5X\" is not a size (a number with K, M, G, T or "
     "Ki, Mi, Gi, Ti) 1 or more\n"},
    {"--quiet=yes a", "the-sample: --quiet takes no value (\"yes\" was given)\n"},
    {"--emit=pdf", "the-sample: --emit: \"pdf\" is not one of man|bash|zsh|fish|json\n"},
    {"--emit", "the-sample: --emit: \"\" is not one of man|bash|zsh|fish|json\n"},
    {"-q", "the-sample: needs INPUT...; see the-sample --help\n"},
    {"status", "the-sample: status needs DIR; see the-sample status --help\n"},
    {"status a b", "the-sample: \"b\" is too much: status takes DIR\n"},
    {"-q status a", "the-sample: the command status comes first: the-sample status ...; a file of "
                    "that name is ./status\n"},
};

T_CASE(messages_name_option_value_and_range)
{
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        struct run r = run_line(&sample_program, bad_lines[i].line);
        T_EQ_INT(r.outcome, CLI_USAGE);
        T_EQ_STR(caught_err, bad_lines[i].message);
        T_EQ_STR(caught_out, "");
    }
}

static const struct bad strict_lines[] = {
    {"", "strict: which command? See strict --help\n"},
    {"stauts d", "strict: unknown command \"stauts\"; did you mean status?\n"},
    {"encode d", "strict: unknown command \"encode\"; see strict --help\n"},
    {"-q status d", "strict: a command comes first; see strict --help\n"},
    {"--vers", "strict: unknown option --vers; did you mean --version?\n"},
};

T_CASE(a_program_of_commands_only)
{
    for (size_t i = 0; i < sizeof strict_lines / sizeof *strict_lines; i++) {
        struct run r = run_line(&sample_strict, strict_lines[i].line);
        T_EQ_INT(r.outcome, CLI_USAGE);
        T_EQ_STR(caught_err, strict_lines[i].message);
    }
    struct run r = run_line(&sample_strict, "--version");
    T_EQ_INT(r.outcome, CLI_DONE);
    T_EQ_STR(caught_out, "strict 1\n");
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
