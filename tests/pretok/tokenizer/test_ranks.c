/*
 * Rank files and tekken.json, made here: 256 bytes and some merges. What they become, what is
 * refused, and the plain engine beside the fast one.
 */
#include <stdarg.h>

#include "engine.h"
#include "t.h"

struct text {
    char *at;
    size_t n;
};

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    char line[400];

    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    t->at = realloc(t->at, t->n + (size_t)n + 1);
    if (!t->at)
        exit(99);
    memcpy(t->at + t->n, line, (size_t)n + 1);
    t->n += (size_t)n;
}

static void base64(const char *bytes, size_t n, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)(uint8_t)bytes[i] << 16;
        v |= i + 1 < n ? (uint32_t)(uint8_t)bytes[i + 1] << 8 : 0;
        v |= i + 2 < n ? (uint8_t)bytes[i + 2] : 0;
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
        *out++ = i + 2 < n ? digits[v & 63] : '=';
    }
    *out = '\0';
}

static const char *const merges[] = {"ab", "bc", "abc", " a", "aa", "aaa", "\xC3\xA9"};
#define MERGES (sizeof merges / sizeof *merges)

static struct text rank_file(const char *newline)
{
    struct text t = {0};
    char code[16];

    for (unsigned b = 0; b < 256; b++) {
        char c = (char)b;
        base64(&c, 1, code);
        put(&t, "%s %u%s", code, b, newline);
    }
    for (unsigned i = 0; i < MERGES; i++) {
        base64(merges[i], strlen(merges[i]), code);
        put(&t, "%s %u%s", code, 256 + i, newline);
    }
    return t;
}

static struct text tekken_file(bool list, unsigned specials)
{
    struct text t = {0};
    char code[16];

    put(&t,
        "{\"config\": {\"pattern\": \" ?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+\", "
        "\"default_vocab_size\": %u, \"default_num_special_tokens\": %u}, \"vocab\": [",
        specials + 256 + (unsigned)MERGES - 1, specials);
    for (unsigned b = 0; b < 256 + MERGES; b++) {
        char c = (char)b;
        base64(b < 256 ? &c : merges[b - 256], b < 256 ? 1 : strlen(merges[b - 256]), code);
        put(&t, "%s{\"rank\": %u, \"token_bytes\" : \"%s\"}", b ? "," : "", b, code);
    }
    put(&t, "]%s}",
        list ? ", \"special_tokens\": [{\"rank\": 1, \"token_str\": \"<eos>\", \"is_control\": "
               "true}]"
             : "");
    return t;
}

struct loaded {
    struct tok_model model;
    struct tok_engine_instance engine;
    void *scratch;
};

static enum ngt_status open_text(const struct tok_family *family, const struct text *t,
                                 const struct tok_config *config, struct loaded *ret,
                                 struct ngt_error *e)
{
    uint8_t *copy = malloc(t->n + 1);
    enum ngt_status status;

    if (!copy)
        exit(99);
    memcpy(copy, t->at, t->n);
    *ret = (struct loaded){0};
    ngt_error_clear(e);
    status = family->load(config, copy, t->n, &ret->model, &ret->engine, e);
    free(copy);
    if (status == NGT_OK)
        status = ret->engine.vtable->scratch_new(ret->engine.state, &ret->scratch, e);
    return status;
}

static void close_loaded(struct loaded *l)
{
    l->engine.vtable->scratch_free(l->scratch);
    l->engine.vtable->free(l->engine.state);
    tok_model_done(&l->model);
}

static void expect_ids(struct loaded *l, const char *text, size_t n, const char *expected)
{
    struct tok_ids ids = {0};
    struct ngt_error e;
    char got[400] = "";

    T_EQ_INT(l->engine.vtable->encode(l->engine.state, l->scratch, text, n, &ids, &e), NGT_OK);
    for (uint64_t i = 0; i < ids.count; i++)
        sprintf(got + strlen(got), i ? " %u" : "%u", ids.ids[i]);
    T_EQ_STR(got, expected);
    tok_ids_done(&ids);
}

static const char *const endings[] = {"\n", "\r\n"};

/* tiktoken: the lowest rank first, leftmost; a piece that is a token is that one. */
T_CASE(ids)
{
    for (int engine = 0; engine < 2; engine++) {
        for (int i = 0; i < 2; i++) {
            struct text t = rank_file(endings[i]);
            struct tok_config config = {
                .path = "x", .pattern = "gpt2", .engine = engine ? TOK_PLAIN : TOK_FAST};
            struct loaded l;
            struct ngt_error e;
            T_REQUIRE(open_text(&tok_family_rank_file, &t, &config, &l, &e) == NGT_OK);
            T_EQ_U64(l.model.vocabulary.count, 256 + MERGES);
            expect_ids(&l, "abc", 3, "258");
            expect_ids(&l, "abcb", 4, "258 98");
            expect_ids(&l, "aaaa aabc", 9, "260 260 259 258");
            expect_ids(&l, "\xC3\xA9\0x", 4, "262 0 120");
            expect_ids(&l, "", 0, "");
            expect_ids(&l, "bcaaaaaaabbc", 12, "257 260 260 260 256 257");
            close_loaded(&l);
            free(t.at);
        }
    }
}

T_CASE(tekken)
{
    for (int list = 0; list < 2; list++) {
        struct text t = tekken_file(list, 10);
        struct tok_config config = {.path = "x",
                                    .parse_special = list ? TOK_PARSE_ALL : TOK_PARSE_NONE};
        struct loaded l;
        struct ngt_error e;
        T_TRUE(tok_family_tekken.probe((const uint8_t *)t.at, t.n));
        T_REQUIRE(open_text(&tok_family_tekken, &t, &config, &l, &e) == NGT_OK);
        /* the last rank does not fit into default_vocab_size */
        T_EQ_U64(l.model.vocabulary.count, 10 + 256 + MERGES - 1);
        expect_ids(&l, "abc \xC3\xA9", 6, "268 42 205 179");
        if (list)
            expect_ids(&l, "a<eos>a", 7, "107 1 107");
        else
            expect_ids(&l, "a<s>a", 5, "107 70 125 72 107");
        T_EQ_U64(l.model.kinds[1], NGT_ID_CONTROL);
        T_EQ_U64(l.model.special.eos, list ? NGT_NO_ID : 2);
        close_loaded(&l);
        free(t.at);
    }
}

/* A line of its own at the end of a good file, or instead of it. */
static const struct {
    const char *name, *pattern, *text, *message;
    bool alone;
} refused[] = {
    {"no pattern", NULL, "", "name it by --pattern", false},
    {"other pattern", "gpt9", "", "no such --pattern", false},
    {"no base64", "gpt2", "a!== 300\n", "no base64 and rank", false},
    {"no rank", "gpt2", "YWI=\n", "no base64 and rank", false},
    {"rank too large", "gpt2", "eHl6 4000000000\n", "rank 4000000000", false},
    {"empty token", "gpt2", "==== 300\n", "no base64 and rank", false},
    {"rank twice", "gpt2", "eHl6 256\n", "two tokens of rank 256", false},
    {"spelt alike", "gpt2", "YWI= 300\n", "spelt alike", false},
    {"bytes missing", "gpt2", "YQ== 0\nYg== 1\nYWI= 2\n", "2 tokens of one byte", true},
};

T_CASE(refusals)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct text t = refused[i].alone ? (struct text){0} : rank_file("\n");
        struct tok_config config = {.path = "x", .pattern = refused[i].pattern};
        struct loaded l;
        struct ngt_error e;
        put(&t, "%s", refused[i].text);
        enum ngt_status status = open_text(&tok_family_rank_file, &t, &config, &l, &e);
        if (status != NGT_E_DATA || !strstr(e.message, refused[i].message))
            T_FAIL("%s: status %d, \"%s\"", refused[i].name, status, e.message);
        free(t.at);
    }
}

static const char *const broken_tekken[] = {
    "{\"token_bytes\": \"\"}",
    "{\"config\": {\"pattern\": \"a\"}, \"vocab\": [{\"token_bytes\": \"YQ==\"}]}",
    "{\"config\": {\"pattern\": \"a\", \"default_vocab_size\": 2, \"default_num_special_tokens\": "
    "3}, "
    "\"vocab\": [{\"token_bytes\": \"YQ==\"}]}",
    "{\"config\": {\"pattern\": \"a\", \"default_vocab_size\": 9, \"default_num_special_tokens\": "
    "3}, "
    "\"vocab\": [{\"token_bytes\": \"YQ==\"}]}",
    "{\"config\": {\"pattern\": \"a\", \"default_vocab_size\": 9, \"default_num_special_tokens\": "
    "3}, "
    "\"vocab\": [{\"rank\": 0, \"token_bytes\": 7}]}",
    "{\"config\": {\"pattern\": \"(\", \"default_vocab_size\": 9, \"default_num_special_tokens\": "
    "3}, "
    "\"vocab\": [{\"rank\": 0, \"token_bytes\": \"YQ==\"}]}",
    "{\"config\": {\"pattern\": \"a\", \"default_vocab_size\": 9000000000, "
    "\"default_num_special_tokens\": 1000000000}, \"vocab\": [{\"rank\": 0, \"token_bytes\": "
    "\"YQ==\"}]}",
};

T_CASE(broken_tekken_files)
{
    for (size_t i = 0; i < sizeof broken_tekken / sizeof *broken_tekken; i++) {
        struct text t = {0};
        struct tok_config config = {.path = "x"};
        struct loaded l;
        struct ngt_error e;
        put(&t, "%s", broken_tekken[i]);
        T_EQ_INT(open_text(&tok_family_tekken, &t, &config, &l, &e), NGT_E_DATA);
        T_TRUE(e.message[0] != '\0');
        free(t.at);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
