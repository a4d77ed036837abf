/*
 * SentencePiece's Unigram: ids that the library gives, and words through the cache against whole
 * texts in one exact pass, at sums from nothing to where they are taken off.
 */
#include "engine.h"
#include "model/unigram_words.h"
#include "sp_models.h"
#include "t.h"
#include "text/scan_sp.h"

#define END UINT32_MAX

static const char *const texts[] = {
    "",
    "a",
    "abab",
    "aabab ab",
    "abababab",
    "ccc c",
    "abc",
    "<u>ab<u",
    "    ab",
    "x y",
    "xyz",
    "a,b,",
    "\303\251\303\250",
    "\342\226\201a",
    "babbab ababababab",
    "abababababababababababababababababababababababababababababab",
    ("a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b a b "
     "aabaabaabaabaabaabaab"),
};
/* ids, then the end */
static const uint32_t expected[][sizeof texts / sizeof *texts][69] = {
    {
        {END},
        {9, END},
        {10, 4, END},
        {8, 6, 4, 10, END},
        {8, 19, END},
        {8, 0, 12, 8, 0, END},
        {10, 0, END},
        {8, 14, 4, 0, END},
        {15, 15, 10, END},
        {8, 0, 8, 0, END},
        {8, 0, END},
        {8, 17, 3, 18, END},
        {8, 16, 0, END},
        {15, 2, END},
        {8, 7, 7, 10, 19, END},
        {10, 4, 19, 19, 19, 19, 19, 19, 19, END},
        {9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8,
         3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9,
         8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 8, 6, 6, 6, 6, 6, 6, 6, END},
    },
    {
        {END},
        {265, END},
        {266, 260, END},
        {264, 262, 260, 266, END},
        {264, 275, END},
        {264, 101, 268, 264, 101, END},
        {266, 101, END},
        {264, 270, 260, 62, 119, END},
        {271, 271, 266, END},
        {264, 122, 264, 123, END},
        {264, 122, 123, 124, END},
        {264, 273, 259, 274, END},
        {264, 272, 197, 170, END},
        {271, 258, END},
        {264, 263, 263, 266, 275, END},
        {266, 260, 275, 275, 275, 275, 275, 275, 275, END},
        {265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 264, 262, 262, 262, 262, 262, 262, 262, END},
    },
    {
        {END},
        {9, END},
        {10, 4, END},
        {8, 6, 4, 10, END},
        {8, 19, END},
        {8, 0, 12, 8, 0, END},
        {10, 0, END},
        {8, 14, 4, 0, END},
        {15, 15, 10, END},
        {8, 0, 8, 0, END},
        {8, 0, END},
        {8, 17, 3, 18, END},
        {8, 16, 0, END},
        {15, 2, END},
        {8, 7, 7, 10, 19, END},
        {10, 4, 19, 19, 19, 19, 19, 19, 19, END},
        {9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8,
         3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9,
         8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 9, 8, 3, 8, 6, 6, 6, 6, 6, 6, 6, END},
    },
    {
        {END},
        {265, END},
        {266, 260, END},
        {264, 262, 260, 266, END},
        {264, 275, END},
        {264, 101, 268, 264, 101, END},
        {266, 101, END},
        {264, 270, 260, 62, 119, END},
        {271, 271, 266, END},
        {264, 122, 264, 123, END},
        {264, 122, 123, 124, END},
        {264, 273, 259, 274, END},
        {264, 272, 197, 170, END},
        {271, 258, END},
        {264, 263, 263, 266, 275, END},
        {266, 260, 275, 275, 275, 275, 275, 275, 275, END},
        {265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259, 265, 264, 259,
         265, 264, 259, 265, 264, 259, 264, 262, 262, 262, 262, 262, 262, 262, END},
    },
};

static struct sp_file file;

T_CASE(as_the_library)
{
    for (unsigned k = 0; k < 4; k++) {
        struct tok_engine_instance e = {0};
        struct tok_ids ids = {0};
        void *scratch = NULL;
        sp_model_unigram(&file, k & 1, k >> 1 ? 3000 : 1);
        T_REQUIRE(tok_sp_fast_new(file.bytes, file.size, "x", false, &e, NULL) == NGT_OK);
        T_REQUIRE(e.vtable->scratch_new(e.state, &scratch, NULL) == NGT_OK);
        for (unsigned twice = 0; twice < 2; twice++) /* unknown words, then known ones */
            for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                const uint32_t *want = expected[k][i];
                size_t n = strlen(texts[i]), m = 0;
                char *exact = malloc(n ? n : 1);
                memcpy(exact, texts[i], n);
                ids.count = 0;
                T_REQUIRE(e.vtable->encode(e.state, scratch, exact, n, &ids, NULL) == NGT_OK);
                while (want[m] != END)
                    m++;
                if (ids.count != m || (m && memcmp(ids.ids, want, m * sizeof *want) != 0))
                    T_FAIL("model %u: \"%s\"", k, texts[i]);
                free(exact);
            }
        tok_ids_done(&ids);
        e.vtable->scratch_free(scratch);
        e.vtable->free(e.state);
    }
}

static uint64_t state = 0x2468ACE;

static uint32_t next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

static uint64_t random_text(uint8_t *out, uint64_t n)
{
    static const char *const parts[] = {
        "a", "b",   "ab",       "ba",           " ", " ", " a", "c", "cc",
        "x", "<u>", "\xC3\xA9", "\xE4\xB8\xAD", ",", "  "};
    uint64_t at = 0;

    while (at + 4 <= n) {
        const char *s = parts[next(sizeof parts / sizeof *parts)];
        memcpy(out + at, s, strlen(s));
        at += strlen(s);
    }
    return at;
}

/* Cut and cached, and whole: the same ids and the same sum, to the last bit. */
static void compare(const struct tok_unigram *model, const struct tok_sp_cuts *cuts,
                    struct tok_unigram_words *words, struct tok_unigram_scratch *scratch,
                    const uint8_t *text, uint64_t n, float start)
{
    struct tok_sp_scan scan;
    struct tok_ids a = {0}, b = {0};
    float sum_a = start, sum_b = start;
    uint32_t ends[TOK_SP_CUT_ROOM];

    tok_sp_scan_init(&scan, tok_isa_chosen());
    T_REQUIRE(tok_unigram_encode(model, scratch, text, n, &sum_a, &a, NULL) == NGT_OK);
    for (uint64_t from = 0; from < n;) {
        uint64_t count = scan.cut(cuts, text, n, from, ends, TOK_SP_CUT_ROOM);
        T_REQUIRE(tok_unigram_words_encode(words, text, from, ends, count, &sum_b, &b, NULL) ==
                  NGT_OK);
        from = ends[count - 1];
    }
    if (a.count != b.count || memcmp(&sum_a, &sum_b, sizeof sum_a) != 0 ||
        (a.count && memcmp(a.ids, b.ids, a.count * sizeof *a.ids) != 0))
        T_FAIL("sum %a: \"%.*s\"", (double)start, n < 200 ? (int)n : 200, (const char *)text);
    tok_ids_done(&a);
    tok_ids_done(&b);
}

T_CASE(cut_as_whole)
{
    static const float scales[] = {1, 0.001F, 40, 3000, 60000};

    for (size_t k = 0; k < sizeof scales / sizeof *scales; k++) {
        struct tok_sp_parts parts = {0};
        struct tok_sp_vocab vocab;
        struct tok_unigram model;
        struct tok_sp_cuts cuts;
        struct tok_unigram_words *words = NULL;
        struct tok_unigram_scratch scratch = {0};
        static uint8_t text[40000 + TOK_SP_PADDING];
        sp_model_unigram(&file, k & 1, scales[k]);
        T_REQUIRE(tok_sp_parts_read(file.bytes, file.size, "x", &parts, NULL) == NGT_OK);
        T_REQUIRE(tok_sp_vocab_init(&vocab, &parts, "x", NULL) == NGT_OK);
        T_REQUIRE(tok_unigram_init(&model, &vocab, NULL) == NGT_OK);
        T_REQUIRE(tok_sp_cuts_init(&cuts, vocab.bytes, vocab.starts, vocab.count, NULL) == NGT_OK);
        T_REQUIRE(tok_unigram_words_new(&model, &words, NULL) == NGT_OK);
        for (unsigned round = 0; round < 1500; round++) {
            uint64_t n = random_text(text, round % 50 ? next(200) + 4 : next(40000) + 4);
            float start = 0;
            memset(text + n, 0, TOK_SP_PADDING);
            if (round % 3)
                start = -(float)next(100001);
            if (round % 7 == 0)
                start = (float)next(100001) + (float)next(1000) / 1000;
            compare(&model, &cuts, words, &scratch, text, n, start);
        }
        T_TRUE(tok_unigram_words_stats(words).words > tok_unigram_words_stats(words).misses);
        tok_unigram_words_free(&words);
        tok_unigram_scratch_done(&scratch);
        tok_sp_cuts_done(&cuts);
        tok_unigram_done(&model);
        tok_sp_vocab_done(&vocab);
        tok_sp_parts_done(&parts);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
