/* Which expression is which program; what is none of them goes to the matcher. */
#include "split/split.h"

#include <stdlib.h>
#include <string.h>

#include "split/regex.h"
#include "split/scan.h"

#define GPT2_HF "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define GPT2_TIKTOKEN                                                                              \
    "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NEWLINES_AND_SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define OTHERS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
#define CL100K_TIKTOKEN                                                                            \
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++"    \
    "[\\r\\n]*+|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s"
#define WORDS(digits)                                                                              \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "|" OTHERS NEWLINES_AND_SPACES
#define QWEN35                                                                                     \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+"       \
                 "[\\r\\n]*|" NEWLINES_AND_SPACES
#define UPPERS "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWERS "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASES(suffix, digits)                                                                      \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPERS "*" LOWERS "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPERS         \
    "+" LOWERS "*" suffix "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" NEWLINES_AND_SPACES
#define O200K CASES(CONTRACTIONS "?", "\\p{N}{1,3}")
#define TEKKEN CASES("", "\\p{N}")

enum { ONIGURUMA = 1u << TOK_ONIGURUMA, FANCY = 1u << TOK_FANCY, EITHER = ONIGURUMA | FANCY };

/*
 * Spellings met in the wild. Each gives the pieces of its program under the dialects named, which
 * the tests check against the matcher and scripts/check-splits against the libraries. Possessive
 * forms equal the greedy ones because what follows never begins with what was taken.
 */
static const struct known {
    const char *text;
    unsigned dialects;
    enum tok_program program;
} known[] = {
    {GPT2_HF, EITHER, TOK_GPT2},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?[\\p{L}]+| ?[\\p{N}]+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     EITHER, TOK_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", EITHER,
     TOK_GPT2},
    {GPT2_TIKTOKEN, FANCY, TOK_GPT2},
    {CL100K_TIKTOKEN, FANCY, TOK_CL100K},
    {WORDS("\\p{N}{1,3}"), EITHER, TOK_LLAMA3},
    {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++"
     "[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
     EITHER, TOK_LLAMA3},
    {WORDS("\\p{N}"), EITHER, TOK_QWEN2},
    {QWEN35, EITHER, TOK_QWEN35},
    {O200K, EITHER, TOK_O200K},
    {TEKKEN, EITHER, TOK_TEKKEN},
};

#define DEEPSEEK_WORDS(newlines)                                                                   \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^" newlines                            \
    "\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[" newlines "]*|\\s*[" newlines          \
    "]+|\\s+(?!\\S)|\\s+"
#define DEEPSEEK_CJK                                                                               \
    "[\xE4\xB8\x80-\xE9\xBE\xA5\xE3\x81\x80-\xE3\x82\x9F\xE3\x82\xA0-\xE3\x83\xBF]+"
#define CODER_CJK "[\xE4\xB8\x80-\xE9\xBE\xA5\xE0\xA0\x80-\xE4\xB8\x80\xEA\xB0\x80-\xED\x9F\xBF]+"

/* As in the files: newlines in brackets are the characters themselves there, or escaped. */
static const struct {
    const char *patterns[5];
    uint64_t count;
    enum tok_program program;
} sequences[] = {
    {{"\\p{N}{1,3}", DEEPSEEK_CJK, DEEPSEEK_WORDS("\r\n")}, 3, TOK_DEEPSEEK},
    {{"\\p{N}{1,3}", DEEPSEEK_CJK, DEEPSEEK_WORDS("\\r\\n")}, 3, TOK_DEEPSEEK},
    {{"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CODER_CJK, TOK_SPLIT_DIGITS}, 5, TOK_CODER},
    {{"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CODER_CJK, TOK_SPLIT_DIGITS}, 5, TOK_CODER},
};

static const struct {
    const char *name, *pattern;
} named[] = {
    {"gpt2", GPT2_HF},
    {"r50k", GPT2_TIKTOKEN},
    {"p50k", GPT2_TIKTOKEN},
    {"neox", GPT2_HF},
    {"cl100k", CL100K_TIKTOKEN},
    {"o200k", O200K},
    {"llama3", WORDS("\\p{N}{1,3}")},
    {"llama4", O200K},
    {"qwen2", WORDS("\\p{N}")},
    {"qwen2.5", WORDS("\\p{N}")},
    {"qwen3", WORDS("\\p{N}")},
    {"qwen3.5", QWEN35},
    {"tekken", TEKKEN},
};

static const char *const all_names[] = {
    "gpt2",   "r50k",  "p50k",    "neox",  "cl100k",  "o200k",  "llama3",
    "llama4", "qwen2", "qwen2.5", "qwen3", "qwen3.5", "tekken", NULL,
};

static const char *const program_names[TOK_PROGRAMS] = {
    [TOK_GPT2] = "gpt2",     [TOK_CL100K] = "cl100k",     [TOK_LLAMA3] = "llama3",
    [TOK_QWEN2] = "qwen2",   [TOK_QWEN35] = "qwen3.5",    [TOK_O200K] = "o200k",
    [TOK_TEKKEN] = "tekken", [TOK_DEEPSEEK] = "deepseek", [TOK_CODER] = "deepseek-coder",
};

struct tok_split {
    struct tok_regex *regex; /* NULL: a program */
    enum tok_program program;
    struct tok_scan scan;
};

struct tok_split_scratch {
    struct tok_regex_scratch regex;
};

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS, "no memory for the split");
}

static enum ngt_status new_in(enum tok_dialect dialect, const char *pattern, uint64_t size,
                              const char *path, struct tok_split **ret_split,
                              struct ngt_error *reterr)
{
    struct tok_split *split = calloc(1, sizeof *split);

    ngt_error_clear(reterr);
    if (!split)
        return no_memory(path, reterr);
    tok_scan_init(&split->scan, tok_isa_chosen());
    split->program = TOK_PROGRAMS;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].dialects >> dialect & 1 && strlen(known[i].text) == size &&
            memcmp(known[i].text, pattern, size) == 0)
            split->program = known[i].program;
    if (split->program == TOK_PROGRAMS) {
        enum ngt_status status = tok_regex_new(pattern, size, dialect, path, &split->regex, reterr);
        if (status != NGT_OK) {
            free(split);
            return status;
        }
    }
    *ret_split = split;
    return NGT_OK;
}

enum ngt_status tok_split_new(const char *pattern, uint64_t size, const char *path,
                              struct tok_split **ret_split, struct ngt_error *reterr)
{
    return new_in(TOK_FANCY, pattern, size, path, ret_split, reterr);
}

enum ngt_status tok_split_new_oniguruma(const char *pattern, uint64_t size, const char *path,
                                        struct tok_split **ret_split, struct ngt_error *reterr)
{
    return new_in(TOK_ONIGURUMA, pattern, size, path, ret_split, reterr);
}

void tok_split_use_scalar(struct tok_split *split)
{
    tok_scan_init(&split->scan, TOK_SCALAR);
    if (split->regex)
        tok_regex_use_machine(split->regex);
}

enum ngt_status tok_split_new_sequence(const char *const *patterns, uint64_t count,
                                       const char *path, struct tok_split **ret_split,
                                       struct ngt_error *reterr)
{
    ngt_error_clear(reterr);
    *ret_split = NULL;
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        bool same = sequences[i].count == count;
        for (uint64_t k = 0; same && k < count; k++)
            same = strcmp(patterns[k], sequences[i].patterns[k]) == 0;
        if (!same)
            continue;
        struct tok_split *split = calloc(1, sizeof *split);
        if (!split)
            return no_memory(path, reterr);
        tok_scan_init(&split->scan, tok_isa_chosen());
        split->program = sequences[i].program;
        *ret_split = split;
        break;
    }
    return NGT_OK;
}

void tok_split_free(struct tok_split **split)
{
    if (*split)
        tok_regex_free(&(*split)->regex);
    free(*split);
    *split = NULL;
}

const char *tok_split_named(const char *name, const char *const **ret_names)
{
    if (ret_names)
        *ret_names = all_names;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i].name, name) == 0)
            return named[i].pattern;
    return NULL;
}

const char *tok_split_program(const struct tok_split *split)
{
    return split->regex ? "regex" : program_names[split->program];
}

enum ngt_status tok_split_scratch_new(const struct tok_split *split,
                                      struct tok_split_scratch **ret_scratch,
                                      struct ngt_error *reterr)
{
    struct tok_split_scratch *scratch = calloc(1, sizeof *scratch);

    (void)split;
    ngt_error_clear(reterr);
    if (!scratch)
        return no_memory(NULL, reterr);
    *ret_scratch = scratch;
    return NGT_OK;
}

void tok_split_scratch_free(struct tok_split_scratch **scratch)
{
    if (*scratch)
        tok_regex_scratch_done(&(*scratch)->regex);
    free(*scratch);
    *scratch = NULL;
}

bool tok_split_covers(const struct tok_split *split)
{
    return !split->regex || tok_regex_covers(split->regex);
}

bool tok_split_needs_other(const struct tok_split *split, uint8_t c)
{
    return split->regex && tok_regex_needs_other(split->regex, c);
}

enum ngt_status tok_split_ends(const struct tok_split *split, struct tok_split_scratch *scratch,
                               const uint8_t *text, uint64_t n, uint64_t from, uint32_t *ret_ends,
                               uint64_t room, uint64_t *ret_count, struct ngt_error *reterr)
{
    uint64_t count = 0;

    if (!split->regex) {
        *ret_count = split->scan.ends[split->program](text, n, from, ret_ends, room);
        return NGT_OK;
    }
    ngt_error_clear(reterr);
    while (count < room && from < n) {
        bool matched;
        enum ngt_status status =
            tok_regex_match(split->regex, &scratch->regex, text, n, from, &matched, &from, reterr);
        if (status != NGT_OK)
            return status;
        ret_ends[count++] = (uint32_t)from; /* always matched: the split covers */
    }
    *ret_count = count;
    return NGT_OK;
}

enum ngt_status tok_split_find(const struct tok_split *split, struct tok_split_scratch *scratch,
                               const uint8_t *text, uint64_t n, uint64_t from, bool *ret_found,
                               uint64_t *ret_start, uint64_t *ret_end, struct ngt_error *reterr)
{
    if (split->regex)
        return tok_regex_find(split->regex, &scratch->regex, text, n, from, ret_found, ret_start,
                              ret_end, reterr);
    *ret_found = from < n;
    if (*ret_found) {
        *ret_start = from;
        *ret_end = tok_scan_piece[split->program](text, n, from);
    }
    return NGT_OK;
}
