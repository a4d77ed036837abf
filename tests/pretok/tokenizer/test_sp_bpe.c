/*
 * SentencePiece's BPE: ids that the library gives, and the fast way against the plain one on random
 * text over random vocabularies.
 */
#include <math.h>

#include "engine.h"
#include "load/sp_vocab.h"
#include "model/sp_bpe.h"
#include "model/sp_bpe_plain.h"
#include "sp_models.h"
#include "t.h"

#define END UINT32_MAX
#define NO NGT_NO_ID

static const char *const texts[] = {
    "",
    "a",
    "abab",
    "aba ab",
    "abababab",
    "aaaa aaa",
    "    ab",
    "cdabcd",
    "bcda",
    "cc dd cd",
    "xyz",
    "x<u>y",
    "<u",
    " b b",
    "\303\251b\303\251",
    "\344\270\255 a",
    "a\342\226\201\342\226\201a",
    "ab\377ba",
    "bababa",
    "a  xx  b",
};
/* ids, then the end */
static const uint32_t expected[][sizeof texts / sizeof *texts][9] = {
    {
        {END},           {9, END},
        {4, 8, END},     {4, 7, 4, 5, END},
        {4, 8, 8, END},  {4, 16, 16, 4, 16, 2, END},
        {11, 4, 5, END}, {4, 14, 13, END},
        {17, 14, END},   {4, 0, 4, 0, 4, 12, END},
        {4, 0, END},     {4, 0, 15, 0, END},
        {4, 0, END},     {4, 17, 17, END},
        {4, 0, 19, END}, {4, 0, 9, END},
        {9, 10, 2, END}, {4, 5, 0, 6, END},
        {17, 8, 2, END}, {9, 10, 0, 4, 17, END},
    },
    {
        {END},
        {265, END},
        {260, 264, END},
        {260, 263, 260, 261, END},
        {260, 264, 264, END},
        {260, 272, 272, 260, 272, 258, END},
        {267, 260, 261, END},
        {260, 270, 269, END},
        {273, 270, END},
        {260, 101, 101, 260, 102, 102, 260, 268, END},
        {260, 122, 123, 124, END},
        {260, 122, 271, 123, END},
        {260, 62, 119, END},
        {260, 273, 273, END},
        {260, 197, 171, 275, END},
        {260, 230, 186, 175, 265, END},
        {265, 266, 258, END},
        {260, 261, 241, 193, 191, 262, END},
        {273, 264, 258, END},
        {265, 266, 122, 122, 260, 273, END},
    },
    {
        {END},
        {9, END},
        {4, 5, 5, END},
        {4, 5, 2, 4, 5, END},
        {4, 5, 5, 5, 5, END},
        {4, 16, 16, 4, 16, 2, END},
        {11, 4, 5, END},
        {4, 14, 13, END},
        {17, 14, END},
        {4, 0, 4, 0, 4, 12, END},
        {4, 0, END},
        {4, 0, 15, 0, END},
        {4, 0, END},
        {4, 17, 17, END},
        {4, 0, 19, END},
        {4, 0, 9, END},
        {9, 10, 2, END},
        {4, 5, 0, 6, END},
        {17, 5, 5, 2, END},
        {9, 10, 0, 4, 17, END},
    },
    {
        {END},
        {265, END},
        {260, 261, 261, END},
        {260, 261, 258, 260, 261, END},
        {260, 261, 261, 261, 261, END},
        {260, 272, 272, 260, 272, 258, END},
        {267, 260, 261, END},
        {260, 270, 269, END},
        {273, 270, END},
        {260, 101, 101, 260, 102, 102, 260, 268, END},
        {260, 122, 123, 124, END},
        {260, 122, 271, 123, END},
        {260, 62, 119, END},
        {260, 273, 273, END},
        {260, 197, 171, 275, END},
        {260, 230, 186, 175, 265, END},
        {265, 266, 258, END},
        {260, 261, 241, 193, 191, 262, END},
        {273, 261, 261, 258, END},
        {265, 266, 122, 122, 260, 273, END},
    },
};

static struct sp_file file;

static void compare(const char *what, const struct tok_ids *ids, const uint32_t *want)
{
    uint64_t n = 0;

    while (want[n] != END)
        n++;
    if (ids->count != n || (n && memcmp(ids->ids, want, n * sizeof *want) != 0)) {
        T_FAIL("%s: other ids", what);
        for (uint64_t i = 0; i < ids->count; i++)
            fprintf(stderr, " %u", ids->ids[i]);
        fputc('\n', stderr);
    }
}

T_CASE(as_the_library)
{
    for (unsigned k = 0; k < 4; k++) {
        struct tok_engine_instance e = {0};
        struct tok_ids ids = {0};
        void *scratch = NULL;
        sp_model_bpe(&file, k & 1, k >> 1);
        T_REQUIRE(tok_sp_fast_new(file.bytes, file.size, "x", false, &e, NULL) == NGT_OK);
        T_REQUIRE(e.vtable->scratch_new(e.state, &scratch, NULL) == NGT_OK);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            size_t n = strlen(texts[i]);
            char *exact = malloc(n ? n : 1);
            memcpy(exact, texts[i], n);
            ids.count = 0;
            T_REQUIRE(e.vtable->encode(e.state, scratch, exact, n, &ids, NULL) == NGT_OK);
            compare(texts[i], &ids, expected[k][i]);
            free(exact);
        }
        tok_ids_done(&ids);
        e.vtable->scratch_free(scratch);
        e.vtable->free(e.state);
    }
}

T_CASE(order_of_scores)
{
    static const float falling[] = {INFINITY, 1e30F,   2,  1e-40F,   0.0F,
                                    -0.0F,    -1e-40F, -2, -INFINITY};

    for (size_t i = 1; i < sizeof falling / sizeof *falling; i++)
        T_TRUE(tok_sp_score_key(falling[i - 1]) > tok_sp_score_key(falling[i]));
}

static uint64_t state = 0x9876543;

static uint32_t next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static uint64_t random_text(char *out, uint64_t n)
{
    static const char *const parts[] = {"a",  "b",        "c",           " ",   " ",
                                        "ab", "\xC3\xA9", "x",           "<u>", "\xE4\xB8\xAD",
                                        ",",  "1",        "\xE6\x96\x87"};
    uint64_t at = 0;

    while (at + 4 <= n) {
        const char *s = parts[next(sizeof parts / sizeof *parts)];
        memcpy(out + at, s, strlen(s));
        at += strlen(s);
    }
    return at;
}

/* A vocabulary of random strings of the parts above, with few different scores. In half of those with symbols
 * all of these begin with one letter. */
static void random_model(bool bytes, bool symbols)
{
    char seen[150][20];
    unsigned count = 0;
    char only = 0;

    file.size = 0;
    sp_reserved(&file, bytes);
    if (symbols && next(2))
        only = 'a';
    while (count < 120) {
        char name[20] = "", spelt[60];
        uint64_t n = random_text(name, 5 + next(10)), used = 0;
        bool again = n == 0;
        for (unsigned k = 0; k < count; k++)
            again = again || strcmp(seen[k], name) == 0;
        if (again)
            continue;
        strcpy(seen[count++], name);
        for (uint64_t i = 0; i < n; i++) {
            memcpy(spelt + used, name[i] == ' ' ? M : name + i, name[i] == ' ' ? 3 : 1);
            used += name[i] == ' ' ? 3 : 1;
        }
        bool symbol = only ? name[0] == only && next(3) == 0 : symbols && next(20) == 0;
        sp_piece_n(&file, spelt, used, -(float)next(30), symbol ? USER : NORMAL);
    }
    sp_trainer(&file, 2, bytes, false);
    sp_normalizer(&file, NULL, 0, next(2), false, true);
}

T_CASE(fast_as_plain)
{
    for (unsigned round = 0; round < 60; round++) {
        struct tok_engine_instance e = {0};
        struct tok_sp_parts parts = {0};
        struct tok_sp_vocab vocab;
        struct tok_sp_plain *plain = NULL;
        struct tok_sp_plain_scratch *plain_scratch = NULL;
        struct tok_ids a = {0}, b = {0};
        void *scratch = NULL;
        random_model(round & 1, round & 2);
        T_REQUIRE(tok_sp_fast_new(file.bytes, file.size, "x", false, &e, NULL) == NGT_OK);
        T_REQUIRE(e.vtable->scratch_new(e.state, &scratch, NULL) == NGT_OK);
        T_REQUIRE(tok_sp_parts_read(file.bytes, file.size, "x", &parts, NULL) == NGT_OK);
        T_REQUIRE(tok_sp_vocab_init(&vocab, &parts, "x", NULL) == NGT_OK);
        T_REQUIRE(tok_sp_plain_new(&vocab, &plain, NULL) == NGT_OK);
        T_REQUIRE(tok_sp_plain_scratch_new(plain, &plain_scratch, NULL) == NGT_OK);
        for (unsigned i = 0; i < 100; i++) {
            static char text[4000], internal[4001];
            uint64_t n = random_text(text, i % 10 ? next(60) : next(3990)), m = 0;
            uint32_t before = NO;
            a.count = b.count = 0;
            T_REQUIRE(e.vtable->encode(e.state, scratch, text, n, &a, NULL) == NGT_OK);
            if (parts.dummy_prefix && n)
                internal[m++] = ' ';
            memcpy(internal + m, text, n);
            T_REQUIRE(tok_sp_plain_encode(plain, plain_scratch, (uint8_t *)internal, m + n, &b,
                                          NULL) == NGT_OK);
            uint64_t kept = 0;
            for (uint64_t k = 0; k < b.count; k++) { /* fused, as the engine does it */
                if (b.ids[k] != 0 || before != 0)
                    b.ids[kept++] = b.ids[k];
                before = k < b.count ? b.ids[k] : NO;
            }
            if (a.count != kept || (kept && memcmp(a.ids, b.ids, kept * 4) != 0))
                T_FAIL("round %u: \"%.*s\"", round, (int)n, text);
        }
        tok_ids_done(&a);
        tok_ids_done(&b);
        tok_sp_plain_scratch_free(&plain_scratch);
        tok_sp_plain_free(&plain);
        tok_sp_vocab_done(&vocab);
        tok_sp_parts_done(&parts);
        e.vtable->scratch_free(scratch);
        e.vtable->free(e.state);
    }
}

/* What SentencePiece does not load is refused here too. */
T_CASE(refused)
{
    static const struct {
        const char *first, *second;
        float score;
        unsigned type, model;
    } bad[] = {
        {"a", "a", -1, NORMAL, 2},       {"<s>", "b", -1, NORMAL, 2}, {"a", "b", NAN, NORMAL, 1},
        {"a", "b", INFINITY, NORMAL, 1}, {"a", "<0x41>", 0, BYTE, 2},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct tok_engine_instance e = {0};
        file.size = 0;
        sp_reserved(&file, false);
        sp_piece(&file, bad[i].first, bad[i].score, NORMAL);
        sp_piece(&file, bad[i].second, bad[i].score, bad[i].type);
        sp_trainer(&file, bad[i].model, false, false);
        T_EQ_INT(tok_sp_fast_new(file.bytes, file.size, "x", false, &e, NULL), NGT_E_DATA);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
