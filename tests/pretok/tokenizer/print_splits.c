/*
 * Splits texts for scripts/check-splits: print_splits DIALECT PROCESSOR PATTERN
 *
 * DIALECT is onig or fancy, or sequence: PATTERN is then several with tabs between; PROCESSOR scalar, best (the fastest program) or regex (the matcher).
 * Standard input: texts, each a 32-bit size and its bytes. Standard output, for each: the number of
 * matches, then start and end of each, 32 bits. Host byte order; both sides run here.
 */
#include "split/regex.h"
#include "split/scan.h"
#include "split/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what)
{
    fprintf(stderr, "print_splits: %s\n", what);
    exit(1);
}

static void put(uint64_t value)
{
    uint32_t word = (uint32_t)value;
    if (fwrite(&word, sizeof word, 1, stdout) != 1)
        fail("cannot write");
}

static uint64_t program_matches(const struct tok_split *split, struct tok_split_scratch *scratch,
                                const uint8_t *text, uint64_t n, uint32_t *out)
{
    uint64_t count = 0, at = 0, from = 0, got = 0;
    uint32_t ends[256];
    bool found = true;

    if (tok_split_covers(split))
        while (from < n) {
            if (tok_split_ends(split, scratch, text, n, from, ends, 256, &got, NULL) != NGT_OK)
                fail("no memory");
            for (uint64_t i = 0; i < got; i++) {
                out[count++] = (uint32_t)from;
                out[count++] = ends[i];
                from = ends[i];
            }
        }
    else
        while (at <= n) {
            uint64_t start, end;
            if (tok_split_find(split, scratch, text, n, at, &found, &start, &end, NULL) != NGT_OK)
                fail("no memory");
            if (!found)
                break;
            if (end == start)
                fail("an empty match");
            out[count++] = (uint32_t)start;
            out[count++] = (uint32_t)end;
            at = end;
        }
    return count / 2;
}

static uint64_t scalar_matches(enum tok_program program, const uint8_t *text, uint64_t n,
                               uint32_t *out)
{
    uint64_t count = 0;
    for (uint64_t at = 0; at < n;) {
        out[count++] = (uint32_t)at;
        at = tok_scan_piece[program](text, n, at);
        out[count++] = (uint32_t)at;
    }
    return count / 2;
}

static uint64_t regex_matches(const struct tok_regex *regex, struct tok_regex_scratch *scratch,
                              const uint8_t *text, uint64_t n, uint32_t *out)
{
    uint64_t count = 0, at = 0, start, end;
    bool found = true;

    for (;;) {
        if (tok_regex_find(regex, scratch, text, n, at, &found, &start, &end, NULL) != NGT_OK)
            fail("no memory");
        if (!found)
            return count / 2;
        if (end == start)
            fail("an empty match");
        out[count++] = (uint32_t)start;
        out[count++] = (uint32_t)end;
        at = end;
    }
}

int main(int argc, char **argv)
{
    static const char *const names[TOK_PROGRAMS] = {"gpt2",   "cl100k",   "llama3",
                                                    "qwen2",  "qwen3.5",  "o200k",
                                                    "tekken", "deepseek", "deepseek-coder"};
    struct tok_regex_scratch regex_scratch = {0};
    struct tok_split_scratch *scratch = NULL;
    struct tok_split *split = NULL;
    struct tok_regex *regex = NULL;
    struct ngt_error error;
    enum ngt_status status;
    uint32_t n;

    if (argc != 4)
        fail("usage: print_splits onig|fancy scalar|best|regex PATTERN");
    bool onig = strcmp(argv[1], "onig") == 0, use_regex = strcmp(argv[2], "regex") == 0;
    const char *pattern = argv[3];
    bool sequence = strcmp(argv[1], "sequence") == 0;
    char *parts[8] = {argv[3]};
    uint64_t count_parts = 1;
    for (char *at = argv[3]; sequence && (at = strchr(at, '\t')) && count_parts < 8;) {
        *at++ = 0;
        parts[count_parts++] = at;
    }
    if (sequence) {
        status =
            tok_split_new_sequence((const char *const *)parts, count_parts, NULL, &split, &error);
        if (status == NGT_OK && !split)
            fail("no such sequence");
    } else {
        status = onig ? tok_split_new_oniguruma(pattern, strlen(pattern), NULL, &split, &error)
                      : tok_split_new(pattern, strlen(pattern), NULL, &split, &error);
    }
    if (status == NGT_OK)
        status = tok_split_scratch_new(split, &scratch, &error);
    if (status == NGT_OK)
        status = tok_regex_new(pattern, strlen(pattern), onig ? TOK_ONIGURUMA : TOK_FANCY, NULL,
                               &regex, &error);
    if (status != NGT_OK)
        fail(error.message);
    enum tok_program program = TOK_PROGRAMS;
    for (int i = 0; i < TOK_PROGRAMS && strcmp(argv[2], "scalar") == 0; i++)
        if (strcmp(names[i], tok_split_program(split)) == 0)
            program = (enum tok_program)i;
    fprintf(stderr, "%s\n", use_regex ? "regex" : tok_split_program(split));
    while (fread(&n, sizeof n, 1, stdin) == 1) {
        uint8_t *text = malloc((uint64_t)n + 1);
        uint32_t *out = malloc(((uint64_t)n + 1) * 2 * sizeof *out);
        if (!text || !out || fread(text, 1, n, stdin) != n)
            fail("cannot read");
        uint64_t count = use_regex && !sequence ? regex_matches(regex, &regex_scratch, text, n, out)
                         : program != TOK_PROGRAMS ? scalar_matches(program, text, n, out)
                                                   : program_matches(split, scratch, text, n, out);
        put(count);
        for (uint64_t i = 0; i < count * 2; i++)
            put(out[i]);
        free(text);
        free(out);
    }
    tok_regex_scratch_done(&regex_scratch);
    tok_split_scratch_free(&scratch);
    tok_split_free(&split);
    tok_regex_free(&regex);
    return 0;
}
