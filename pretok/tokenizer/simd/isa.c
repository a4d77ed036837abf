/* What is here, what is chosen, and the functions for it. */
#include "simd/isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

#include "model/merge_many.h"
#include "split/scan.h"
#include "text/scan_sp.h"
#include "text/utf8_check.h"

#define VARIABLE "NGT_SIMD"

static bool always(void)
{
    return true;
}

#ifdef TOK_HAVE_AVX2
static bool has_avx2(void)
{
    unsigned a, b, c = 0, d;

    __builtin_cpu_init();
    /* lzcnt by hand: some compilers do not know its name here */
    return __get_cpuid(0x80000001, &a, &b, &c, &d) && (c & bit_LZCNT) &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}
#endif

#ifdef TOK_HAVE_AVX512
static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
}
#endif

static const struct path {
    const char *name;
    bool (*here)(void); /* NULL: not in this build */
    /* put their functions over the scalar ones */
    void (*split)(struct tok_scan *);
    void (*sp)(struct tok_sp_scan *);
    tok_utf8_fn utf8;
    tok_many_fn many;
} paths[TOK_ISAS] = {
    [TOK_SCALAR] = {.name = "scalar", .here = always},
#ifdef TOK_HAVE_AVX2
    [TOK_AVX2] = {"avx2", has_avx2, tok_scan_init_avx2, tok_sp_scan_init_avx2, tok_utf8_check_avx2,
                  tok_many_run_avx2},
#else
    [TOK_AVX2] = {.name = "avx2"},
#endif
#ifdef TOK_HAVE_AVX512
    [TOK_AVX512] = {"avx512", has_avx512, tok_scan_init_avx512, tok_sp_scan_init_avx512,
                    tok_utf8_check_avx512, tok_many_run_avx512},
#else
    [TOK_AVX512] = {.name = "avx512"},
#endif
#ifdef TOK_HAVE_NEON
    [TOK_NEON] = {"neon", always, tok_scan_init_neon, tok_sp_scan_init_neon, tok_utf8_check_neon,
                  tok_many_run_neon},
#else
    [TOK_NEON] = {.name = "neon"},
#endif
};

const char *tok_isa_name(enum tok_isa isa)
{
    return paths[isa].name;
}

bool tok_isa_here(enum tok_isa isa)
{
    return paths[isa].here && paths[isa].here();
}

/* TOK_ISAS: none of that name is here. */
static enum tok_isa named(const char *name)
{
    int isa = 0;

    while (isa < TOK_ISAS &&
           (strcmp(paths[isa].name, name) != 0 || !tok_isa_here((enum tok_isa)isa)))
        isa++;
    return (enum tok_isa)isa;
}

enum tok_isa tok_isa_chosen(void)
{
    const char *wanted = getenv(VARIABLE);
    enum tok_isa isa = wanted ? named(wanted) : TOK_ISAS;

    if (isa == TOK_ISAS)
        do
            isa--;
        while (!tok_isa_here(isa));
    return isa;
}

enum ngt_status tok_isa_check(struct ngt_error *reterr)
{
    const char *wanted = getenv(VARIABLE);
    char here[64] = "";

    ngt_error_clear(reterr);
    if (!wanted || named(wanted) != TOK_ISAS)
        return NGT_OK;
    for (int isa = 0; isa < TOK_ISAS; isa++)
        if (tok_isa_here((enum tok_isa)isa)) {
            size_t used = strlen(here);
            snprintf(here + used, sizeof here - used, "%s%s", used ? ", " : "", paths[isa].name);
        }
    return ngt_fail(reterr, NGT_E_UNSUPPORTED, NULL, NGT_NO_POS, NGT_NO_POS,
                    VARIABLE "=%s is not one of what this build and processor have: %s", wanted,
                    here);
}

void tok_scan_init(struct tok_scan *scan, enum tok_isa isa)
{
    tok_scan_init_c(scan);
    if (paths[isa].split)
        paths[isa].split(scan);
}

void tok_sp_scan_init(struct tok_sp_scan *scan, enum tok_isa isa)
{
    tok_sp_scan_init_c(scan);
    if (paths[isa].sp)
        paths[isa].sp(scan);
}

tok_utf8_fn tok_utf8_check_of(enum tok_isa isa)
{
    return paths[isa].utf8 ? paths[isa].utf8 : tok_utf8_check_c;
}

tok_many_fn tok_many_run_of(enum tok_isa isa)
{
    return paths[isa].many;
}
