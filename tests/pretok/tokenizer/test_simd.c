/*
 * The scanning loops of each instruction set against their scalar twins, on random text of every
 * length up to a few windows, at every alignment, in buffers that end where the text ends (or its
 * padding). A case per set, skipped where the processor lacks it. Needs no library, so that it can
 * be built for other processors by itself: scripts/check-simd.
 */
#include <time.h>

#include "simd/isa.h"
#include "sp_text.h"
#include "split_ends.h"
#include "t.h"
#include "text/scan_sp.h"
#include "text/utf8_check.h"

enum {
    LENGTHS = 201,
    ALIGNMENTS = 64, /* no factor in common with LENGTHS: a round for each of both has all pairs */
};

/* n bytes whose first is `offset` bytes behind a multiple of 64; *ret_block is to be freed. */
static uint8_t *place(uint64_t offset, uint64_t n, void **ret_block)
{
    T_REQUIRE(posix_memalign(ret_block, ALIGNMENTS, offset + n) == 0);
    return (uint8_t *)*ret_block + offset;
}

/* ---- programs of splits ---- */

static void ends_are_scalar(enum tok_isa isa, enum tok_program program, unsigned rounds,
                            uint64_t seed)
{
    static uint32_t a[MOST + 1], b[MOST + 1];
    struct tok_scan scalar, vector;

    tok_scan_init(&scalar, TOK_SCALAR);
    tok_scan_init(&vector, isa);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t n = round % LENGTHS + (round % 5 == 0 ? 300 : 0), first = seed;
        void *block;
        uint8_t *text = place(round % ALIGNMENTS, n, &block);
        split_random_text(&seed, text, n);
        uint64_t count_b = all_ends(scalar.ends[program], text, n, b, &seed);
        uint64_t count_a = all_ends(vector.ends[program], text, n, a, &seed);
        bool same = same_ends(programs[program], text, n, a, count_a, b, count_b);
        free(block);
        if (!same) {
            fprintf(stderr, "    %s, seed %" PRIu64 "\n", tok_isa_name(isa), first);
            break;
        }
    }
}

/* Every code point among letters, numbers, spaces: the vector code has ranges of its own. */
static void code_points_are_scalar(enum tok_isa isa)
{
    enum { ROOM = 4096 };
    static uint32_t a[ROOM], b[ROOM];
    uint64_t n = 0;
    uint8_t *text = all_characters(0x110000, &n);

    for (int p = 0; p < TOK_PROGRAMS; p++) {
        struct tok_scan scalar, vector;
        uint64_t at_a = 0, at_b = 0, i = 0, j = 0, count_a = 0, count_b = 0;
        tok_scan_init(&scalar, TOK_SCALAR);
        tok_scan_init(&vector, isa);
        while (at_b < n) {
            if (i == count_a)
                count_a = vector.ends[p](text, n, at_a, a, ROOM), i = 0;
            if (j == count_b)
                count_b = scalar.ends[p](text, n, at_b, b, ROOM), j = 0;
            at_a = a[i++];
            at_b = b[j++];
            if (at_a != at_b) {
                T_FAIL("%s, %s: %" PRIu64 ", expected %" PRIu64, tok_isa_name(isa), programs[p],
                       at_a, at_b);
                print_text(text + (at_b > 16 ? at_b - 16 : 0), 24);
                break;
            }
        }
    }
    free(text);
}

/* ---- loops in front of SentencePiece models ---- */

/* What normalizers make of ASCII, roughly; then at random. */
static void random_classes(uint64_t *seed, struct tok_sp_classes *classes)
{
    bool any = split_random(seed) % 4 == 0;

    memset(classes, 0, sizeof *classes);
    for (unsigned b = 0; b < 128; b++)
        classes->of[b] = any                                  ? (uint8_t)(split_random(seed) % 3)
                         : b == ' ' || b == '\n' || b == '\t' ? TOK_SP_SPACE
                         : b < ' ' || b == '<' || (b == 'X')  ? TOK_SP_LOOK
                                                              : TOK_SP_SAME;
    classes->squeeze = split_random(seed) % 2;
    tok_sp_classes_finish(classes);
}

static bool copies_are_scalar(const struct tok_sp_scan *vector, const struct tok_sp_scan *scalar,
                              const uint8_t *text, uint64_t n, uint64_t offset, uint64_t *seed)
{
    struct tok_sp_classes classes;
    void *block_a, *block_b;
    uint8_t *a = place(offset, n + TOK_SP_PADDING, &block_a), *end_a;
    uint8_t *b = place(0, n + TOK_SP_PADDING, &block_b), *end_b;
    bool space_a = split_random(seed) % 2, space_b = space_a;

    random_classes(seed, &classes);
    uint64_t taken_a = vector->copy(&classes, text, n, a, &space_a, &end_a);
    uint64_t taken_b = scalar->copy(&classes, text, n, b, &space_b, &end_b);
    bool same = taken_a == taken_b && end_a - a == end_b - b && space_a == space_b &&
                memcmp(a, b, (size_t)(end_b - b)) == 0;
    free(block_a);
    free(block_b);
    return same;
}

/* All cuts, however many at a time; a guard behind the room must stay. */
static uint64_t all_cuts(const struct tok_sp_scan *scan, const struct tok_sp_cuts *cuts,
                         const uint8_t *text, uint64_t n, uint32_t *ends, uint64_t *seed)
{
    uint64_t count = 0;

    for (uint64_t from = 0; from < n;) {
        uint64_t room = TOK_SP_CUT_ROOM + split_random(seed) % 100;
        ends[count + room] = 0xABABABAB;
        uint64_t got = scan->cut(cuts, text, n, from, ends + count, room);
        if (got == 0 || got > room || ends[count + room] != 0xABABABAB) {
            T_FAIL("%" PRIu64 " cuts in a room of %" PRIu64, got, room);
            return count;
        }
        for (uint64_t i = count; i < count + got; i++) {
            T_TRUE(ends[i] > from && ends[i] <= n);
            from = ends[i];
        }
        count += got;
    }
    return count;
}

static void loops_are_scalar(enum tok_isa isa, unsigned rounds, uint64_t seed)
{
    static const char pieces[] = " a\xE4\xB8\xAD\xE6\x96\x87\xD0\xB0\xD1\x8F"
                                 "ab  b\na\xE6\x96\x87";
    static const uint64_t starts[] = {0, 2, 8, 12, 14, 16, 17, 18, 22};
    static uint32_t a[2048], b[2048];
    struct tok_sp_scan scalar, vector;
    struct tok_sp_cuts cuts;

    tok_sp_scan_init(&scalar, TOK_SCALAR);
    tok_sp_scan_init(&vector, isa);
    T_REQUIRE(tok_sp_cuts_init(&cuts, (const uint8_t *)pieces, starts, 8, NULL) == NGT_OK);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t n = round % LENGTHS + (round % 5 == 0 ? 400 : 0), first = seed;
        uint64_t offset = round % ALIGNMENTS;
        void *block, *padded_block;
        uint8_t *text = place(offset, n, &block);
        uint8_t *padded = place(offset, n + TOK_SP_PADDING, &padded_block);
        const char *wrong = NULL;
        sp_random_text(&seed, false, text, n);
        if (vector.clean(text, n) != scalar.clean(text, n))
            wrong = "clean";
        for (unsigned i = 0; i < 4 && !wrong; i++)
            if (!copies_are_scalar(&vector, &scalar, text, n, offset, &seed))
                wrong = "copy";
        /* malformed text: within bounds only, since its cuts depend on where a call began */
        memset(padded, 0xEE, n + TOK_SP_PADDING);
        memcpy(padded, text, n);
        all_cuts(&vector, &cuts, padded, n, a, &seed);
        sp_random_text(&seed, true, padded, n);
        uint64_t count_a = all_cuts(&vector, &cuts, padded, n, a, &seed);
        uint64_t count_b = all_cuts(&scalar, &cuts, padded, n, b, &seed);
        if (!wrong && (count_a != count_b || memcmp(a, b, count_a * sizeof *a) != 0)) {
            wrong = "cut";
            memcpy(text, padded, n);
        }
        if (wrong) {
            T_FAIL("%s, %s: other than scalar, seed %" PRIu64 ", %" PRIu64 " bytes",
                   tok_isa_name(isa), wrong, first, n);
            print_text(text, n);
        }
        free(block);
        free(padded_block);
        if (wrong)
            break;
    }
    tok_sp_cuts_done(&cuts);
}

/* Sound text of each kind with something odd at every place of it, at every alignment. */
static void checks_are_scalar(enum tok_isa isa, unsigned rounds, uint64_t seed)
{
    static const char *const odd[] = {
        "\x80",
        "\xBF\x80",
        "\xC0\xAF",
        "\xC1\xBF",
        "\xC3",
        "\xC3\xC3\xA9",
        "\xE0\x80\xAF",
        "\xE0\x9F\xBF",
        "\xE2\x96",
        "\xE2",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x80\x80\xAF",
        "\xF0\x8F\xBF\xBF",
        "\xF0\x9F\x98",
        "\xF0\x9F",
        "\xF0",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xE2\x96\x81\x81",
        "\xF0\x9F\x98\x80\x80",
    };
    const tok_utf8_fn scalar = tok_utf8_check_of(TOK_SCALAR), vector = tok_utf8_check_of(isa);

    for (unsigned round = 0; round < rounds; round++) {
        const uint64_t n = round % LENGTHS + (round % 5 == 0 ? 300 : 0), first = seed;
        void *block;
        uint8_t *text = place(round % ALIGNMENTS, n, &block);
        bool wrong = false;
        for (unsigned i = 0; i < 4 && !wrong; i++) {
            sp_random_text(&seed, i != 0, text, n);
            if (i > 1 && n) { /* in sound text: else the first error hides all others */
                const char *what = odd[split_random(&seed) % (sizeof odd / sizeof *odd)];
                for (uint64_t at = split_random(&seed) % n; *what && at < n; at++)
                    text[at] = (uint8_t)*what++;
            }
            wrong = vector(text, n) != scalar(text, n);
        }
        if (wrong) {
            T_FAIL("%s, check: other than scalar, seed %" PRIu64 ", %" PRIu64 " bytes",
                   tok_isa_name(isa), first, n);
            print_text(text, n);
        }
        free(block);
        if (wrong)
            break;
    }
}

static void twins(enum tok_isa isa)
{
    uint64_t seed = (uint64_t)time(NULL);

    if (!tok_isa_here(isa))
        T_SKIP("not in this build, or not in this processor");
    for (int p = 0; p < TOK_PROGRAMS; p++) {
        ends_are_scalar(isa, (enum tok_program)p, LENGTHS * ALIGNMENTS, 1);
        ends_are_scalar(isa, (enum tok_program)p, LENGTHS * ALIGNMENTS / 4, seed);
    }
    code_points_are_scalar(isa);
    loops_are_scalar(isa, LENGTHS * ALIGNMENTS, 1);
    loops_are_scalar(isa, LENGTHS * ALIGNMENTS, seed);
    checks_are_scalar(isa, 4 * LENGTHS * ALIGNMENTS, 1);
    checks_are_scalar(isa, LENGTHS * ALIGNMENTS, seed);
}

T_CASE(avx2)
{
    twins(TOK_AVX2);
}

T_CASE(avx512)
{
    twins(TOK_AVX512);
}

T_CASE(neon)
{
    twins(TOK_NEON);
}

/* The variable by which one is forced. */
T_CASE(chosen)
{
    struct ngt_error error;
    enum tok_isa best;

    unsetenv("NGT_SIMD");
    best = tok_isa_chosen();
    T_TRUE(tok_isa_check(&error) == NGT_OK);
    for (int isa = 0; isa < TOK_ISAS; isa++) {
        bool here = tok_isa_here((enum tok_isa)isa);
        setenv("NGT_SIMD", tok_isa_name((enum tok_isa)isa), 1);
        T_EQ_INT(tok_isa_check(&error), here ? NGT_OK : NGT_E_UNSUPPORTED);
        T_EQ_INT(tok_isa_chosen(), here ? isa : (int)best);
    }
    setenv("NGT_SIMD", "avx3", 1);
    T_EQ_INT(tok_isa_check(&error), NGT_E_UNSUPPORTED);
    T_TRUE(strstr(error.message, "NGT_SIMD=avx3") && strstr(error.message, "scalar"));
    T_EQ_INT(tok_isa_chosen(), best);
    unsetenv("NGT_SIMD");
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
