/*
 * The test harness: cases with a name, checks that print both values.
 *
 *   T_CASE(empty_document) { T_EQ_U64(f(), 0); }
 *   int main(int argc, char **argv) { return t_main(argc, argv); }
 *
 * `test_x` runs all cases, `test_x NAME...` those named. Exit 0 passed, 1 failed, 77 skipped, 99
 * broken.
 */
#ifndef NGT_T_H
#define NGT_T_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct t_case {
    const char *name;
    void (*run)(void);
    struct t_case *next;
};

static struct t_case *t_cases;
static unsigned t_failures;
static unsigned t_skipped;

#define T_CASE(id)                                                                                 \
    static void t_run_##id(void);                                                                  \
    __attribute__((constructor)) static void t_add_##id(void)                                      \
    {                                                                                              \
        static struct t_case self = {#id, t_run_##id, NULL};                                       \
        struct t_case **at = &t_cases;                                                             \
        while (*at)                                                                                \
            at = &(*at)->next;                                                                     \
        *at = &self;                                                                               \
    }                                                                                              \
    static void t_run_##id(void)

#define T_FAIL(...)                                                                                \
    do {                                                                                           \
        t_failures++;                                                                              \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
    } while (0)

#define T_TRUE(x)                                                                                  \
    do {                                                                                           \
        if (!(x))                                                                                  \
            T_FAIL("expected: %s", #x);                                                            \
    } while (0)

#define T_EQ_U64(a, b)                                                                             \
    do {                                                                                           \
        uint64_t t_a = (uint64_t)(a), t_b = (uint64_t)(b);                                         \
        if (t_a != t_b)                                                                            \
            T_FAIL("%s = %" PRIu64 ", expected %s = %" PRIu64, #a, t_a, #b, t_b);                  \
    } while (0)

#define T_EQ_INT(a, b)                                                                             \
    do {                                                                                           \
        long long t_a = (long long)(a), t_b = (long long)(b);                                      \
        if (t_a != t_b)                                                                            \
            T_FAIL("%s = %lld, expected %s = %lld", #a, t_a, #b, t_b);                             \
    } while (0)

#define T_EQ_STR(a, b)                                                                             \
    do {                                                                                           \
        const char *t_a = (a), *t_b = (b);                                                         \
        if (strcmp(t_a, t_b) != 0)                                                                 \
            T_FAIL("%s = \"%s\", expected \"%s\"", #a, t_a, t_b);                                  \
    } while (0)

#define T_EQ_MEM(a, b, n)                                                                          \
    do {                                                                                           \
        const unsigned char *t_a = (const void *)(a), *t_b = (const void *)(b);                    \
        for (size_t t_i = 0; t_i < (size_t)(n); t_i++)                                             \
            if (t_a[t_i] != t_b[t_i]) {                                                            \
                T_FAIL("%s differs from %s at byte %zu: %02x, expected %02x", #a, #b, t_i,         \
                       t_a[t_i], t_b[t_i]);                                                        \
                break;                                                                             \
            }                                                                                      \
    } while (0)

/* Stops the test binary: what follows would make no sense. */
#define T_REQUIRE(x)                                                                               \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            T_FAIL("required: %s", #x);                                                            \
            exit(99);                                                                              \
        }                                                                                          \
    } while (0)

/* Marks the running case as skipped and says why. */
#define T_SKIP(why)                                                                                \
    do {                                                                                           \
        t_skipped++;                                                                               \
        fprintf(stderr, "skipped: %s\n", why);                                                     \
        return;                                                                                    \
    } while (0)

__attribute__((unused)) static int t_main(int argc, char **argv)
{
    unsigned ran = 0;

    for (struct t_case *c = t_cases; c; c = c->next) {
        int wanted = argc < 2;
        for (int i = 1; i < argc; i++)
            wanted |= strcmp(argv[i], c->name) == 0;
        if (!wanted)
            continue;
        unsigned before = t_failures;
        c->run();
        ran++;
        if (t_failures != before)
            fprintf(stderr, "FAILED %s\n", c->name);
    }
    if (!ran) {
        fprintf(stderr, "no such case\n");
        return 99;
    }
    if (t_failures)
        return 1;
    return t_skipped == ran ? 77 : 0;
}

#endif
