/*
 * Rank files (.tiktoken): a line a token, its bytes in base64, a space, its rank. They carry neither
 * the split nor special tokens; --pattern names the split, and where the number of ranks is that of
 * a well-known encoding with that split, its special tokens are known too.
 */
#include <stdlib.h>
#include <string.h>

#include "load/rank_vocabulary.h"
#include "split/split.h"

#define LONGEST_TOKEN 4096 /* the longest in use has 128 bytes; all splits of one are tried */

struct special {
    uint32_t id;
    const char *name;
};

static const struct encoding {
    const char *pattern;
    uint64_t ranks;
    struct special specials[8];
} encodings[] = {
    {"gpt2", 50256, {{50256, "<|endoftext|>"}}},
    {"r50k", 50256, {{50256, "<|endoftext|>"}}},
    {"p50k", 50280, {{50256, "<|endoftext|>"}}},
    {"cl100k",
     100256,
     {{100257, "<|endoftext|>"},
      {100258, "<|fim_prefix|>"},
      {100259, "<|fim_middle|>"},
      {100260, "<|fim_suffix|>"},
      {100276, "<|endofprompt|>"}}},
    {"o200k", 199998, {{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
    {"llama3",
     128000,
     {{128000, "<|begin_of_text|>"},
      {128001, "<|end_of_text|>"},
      {128006, "<|start_header_id|>"},
      {128007, "<|end_header_id|>"},
      {128009, "<|eot_id|>"}}},
    {"qwen2",
     151643,
     {{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}}},
};

/* The end of the line that starts at `at`, without its newline. */
static const uint8_t *line_end(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

/* "aGVsbG8= 17" in [at, end): where the space is, and the rank; NULL where it is no such line. */
static const uint8_t *parse_line(const uint8_t *at, const uint8_t *end, uint64_t *ret_rank)
{
    const uint8_t *space = at;
    uint64_t rank = 0;

    if (end > at && end[-1] == '\r')
        end--;
    while (space < end && *space != ' ')
        space++;
    if (space == at || end - space < 2 || end - space > 11)
        return NULL;
    for (const uint8_t *d = space + 1; d < end; d++) {
        if (*d < '0' || *d > '9')
            return NULL;
        rank = rank * 10 + (uint64_t)(*d - '0');
    }
    *ret_rank = rank;
    return space;
}

static bool probe(const uint8_t *bytes, uint64_t n)
{
    uint64_t rank;

    return n && parse_line(bytes, line_end(bytes, bytes + n), &rank) != NULL;
}

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

static enum ngt_status read_lines(const uint8_t *bytes, uint64_t n, const char *path,
                                  struct tok_rank_vocabulary *v, struct ngt_error *reterr)
{
    const uint8_t *at = bytes, *end = bytes + n;
    uint64_t line = 0, used = 0;

    v->bytes = malloc(n + 1);
    if (!v->bytes)
        return no_memory(path, reterr);
    while (at < end) {
        const uint8_t *stop = line_end(at, end), *space;
        struct tok_rank rank = {.bytes = v->bytes + used};
        uint64_t value = 0;
        line++;
        if (stop != at && !(stop == at + 1 && *at == '\r')) {
            space = parse_line(at, stop, &value);
            if (!space || !tok_base64_decode((const char *)at, (uint64_t)(space - at),
                                             v->bytes + used, &rank.size))
                return ngt_fail(reterr, NGT_E_DATA, path, (uint64_t)(at - bytes), line,
                                "no base64 and rank; the rank file is damaged");
            if (rank.size == 0 || rank.size > LONGEST_TOKEN || value >= 1u << 24)
                return ngt_fail(reterr, NGT_E_DATA, path, (uint64_t)(at - bytes), line,
                                "a token of %llu bytes with rank %llu; taken are 1 to %u bytes and "
                                "ranks below 2^24",
                                (unsigned long long)rank.size, (unsigned long long)value,
                                LONGEST_TOKEN);
            rank.id = (uint32_t)value;
            used += rank.size;
            if (!tok_rank_vocabulary_add(v, rank))
                return no_memory(path, reterr);
        }
        at = stop < end ? stop + 1 : end;
    }
    return NGT_OK;
}

static enum ngt_status refuse_pattern(const struct tok_config *config, const char *const *names,
                                      struct ngt_error *reterr)
{
    char known[160] = "";

    for (; *names && strlen(known) + strlen(*names) + 3 < sizeof known; names++) {
        strcat(known, *known ? ", " : "");
        strcat(known, *names);
    }
    return ngt_fail(reterr, NGT_E_DATA, config->path, NGT_NO_POS, NGT_NO_POS, "%s; known are %s",
                    config->pattern ? "no such --pattern"
                                    : "a rank file does not say how to split text: name it by "
                                      "--pattern",
                    known);
}

static enum ngt_status load(const struct tok_config *config, uint8_t *bytes, uint64_t n,
                            struct tok_model *ret_model, struct tok_engine_instance *ret_engine,
                            struct ngt_error *reterr)
{
    struct tok_rank_vocabulary v = {0};
    const char *const *names;
    const char *split = tok_split_named(config->pattern ? config->pattern : "", &names);
    enum ngt_status status;

    if (!split)
        return refuse_pattern(config, names, reterr);
    status = read_lines(bytes, n, config->path, &v, reterr);
    uint64_t ranks = v.count;
    for (size_t e = 0; e < sizeof encodings / sizeof *encodings && status == NGT_OK; e++) {
        if (strcmp(encodings[e].pattern, config->pattern) != 0 || encodings[e].ranks != ranks)
            continue;
        for (const struct special *s = encodings[e].specials; s->name && status == NGT_OK; s++)
            if (!tok_rank_vocabulary_add(
                    &v, (struct tok_rank){s->id, true, (const uint8_t *)s->name, strlen(s->name)}))
                status = no_memory(config->path, reterr);
    }
    if (status == NGT_OK)
        status =
            tok_rank_engine_new(config, &v, split, config->pattern, ret_model, ret_engine, reterr);
    tok_rank_vocabulary_done(&v);
    return status;
}

const struct tok_family tok_family_rank_file = {
    .name = "rank files (.tiktoken)",
    .takes_pattern = true,
    .probe = probe,
    .load = load,
};
