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

/* Pieces of up to `most` spaces, some of them missing, and what they are part of; scores such that many
 * paths are nearly equal, equal, or beyond where sums are taken off. */
static void space_model(struct tok_unigram *model, unsigned most, float scale)
{
    static char names[80][80];
    static float scores[80];
    static uint8_t types[80], bytes[80 * 80];
    static uint64_t starts[81];
    struct tok_sp_vocab vocab = {
        .types = types, .scores = scores, .starts = starts, .bytes = bytes};
    static const char *const others[] = {"a",   "b",         "ab",           "a  ",
                                         "  b", "        a", ",            "};

    strcpy(names[vocab.count], "");
    types[vocab.count++] = TOK_SP_UNKNOWN;
    for (unsigned n = 1; n <= most; n++) {
        if (n < most && next(4) == 0)
            continue;
        memset(names[vocab.count], ' ', n);
        names[vocab.count][n] = 0;
        scores[vocab.count] = -scale * (float)(next(3) ? n + next(3) : next(100)) / 8;
        types[vocab.count++] = TOK_SP_NORMAL;
    }
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        strcpy(names[vocab.count], others[i]);
        scores[vocab.count] = -scale * (float)next(20);
        types[vocab.count++] = TOK_SP_NORMAL;
    }
    for (unsigned i = 0; i < vocab.count; i++) {
        memcpy(bytes + starts[i], names[i], strlen(names[i]));
        starts[i + 1] = starts[i] + strlen(names[i]);
    }
    T_REQUIRE(tok_unigram_init(model, &vocab, NULL) == NGT_OK);
}

T_CASE(spaces_at_once_and_one_by_one)
{
    static const float scales[] = {1, 0.001F, 300, 60000, -1, 1e31F};
    struct tok_unigram_scratch scratch = {0};
    static uint8_t text[6000];

    for (unsigned round = 0; round < 300 && t_failures == 0; round++) {
        struct tok_unigram model;
        unsigned most = 4 + next(60);
        float scale = scales[next(sizeof scales / sizeof *scales)];
        space_model(&model, most, scale);
        T_TRUE((model.spaces.depth != 0) == (scale < 1e6F));
        for (unsigned k = 0; k < 20; k++) {
            uint64_t n = 0, room = k == 0 ? sizeof text : 300;
            while (n + 4 < room) {
                uint64_t run = next(3) ? next(4) : next(k == 0 ? 3000 : 200);
                run = run < room - n - 4 ? run : room - n - 4;
                memset(text + n, ' ', run);
                n += run;
                text[n++] = (uint8_t) "ab,c"[next(4)];
            }
            struct tok_ids ids[2] = {{0}};
            float start = next(3) ? 0 : (float)next(200000) - 100000, sums[2] = {start, start};
            uint32_t depth = model.spaces.depth;
            for (unsigned way = 0; way < 2; way++) {
                model.spaces.depth = way ? 0 : depth;
                T_REQUIRE(tok_unigram_encode(&model, &scratch, text, n, &sums[way], &ids[way],
                                             NULL) == NGT_OK);
            }
            model.spaces.depth = depth;
            if (ids[0].count != ids[1].count || memcmp(&sums[0], &sums[1], sizeof *sums) != 0 ||
                memcmp(ids[0].ids, ids[1].ids, ids[0].count * sizeof(uint32_t)) != 0)
                T_FAIL("round %u: %u spaces at most, scale %g, sum %a", round, most, (double)scale,
                       (double)start);
            tok_ids_done(&ids[0]);
            tok_ids_done(&ids[1]);
        }
        tok_unigram_done(&model);
    }
    tok_unigram_scratch_done(&scratch);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
