/*
 * The cache against its model: a made-up function of the word's bytes that gives 0 to 12 ids. Texts
 * of few and many distinct words of every length, ending where memory ends; with a model that takes one word at a
 * time, and with one that takes many and leaves some.
 */
#include "model/words.h"
#include "t.h"

static unsigned calls;

static enum ngt_status model(const void *unused, void *scratch, const uint8_t *word, uint64_t n,
                             uint32_t *ret_ids, uint64_t *ret_count, struct ngt_error *reterr)
{
    uint32_t h = (uint32_t)n;

    (void)unused;
    (void)scratch;
    (void)reterr;
    calls++;
    for (uint64_t i = 0; i < n; i++)
        h = (h ^ word[i]) * 16777619u;
    *ret_count = h % 13 < n + 1 ? h % 13 : n;
    for (uint64_t i = 0; i < *ret_count; i++)
        ret_ids[i] = (h + (uint32_t)i * 7919u) & 0xFFFFFE;
    return NGT_OK;
}

static void many(const void *unused, struct tok_new_word *words, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        struct tok_new_word *word = &words[i];
        uint64_t n = 0;
        word->count = 0;
        if (word->size > 40 || word->size == 7)
            continue;
        T_EQ_U64(word->text[word->size] | word->text[word->size + 1] | word->text[word->size + 2],
                 0);
        (void)model(unused, NULL, word->text, word->size, word->ids, &n, NULL);
        word->count = (uint32_t)n;
    }
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void texts_with(tok_many_words_fn many_fn, uint32_t kinds, unsigned longest, uint32_t seed,
                       bool keep)
{
    enum { WORDS = 20000 };
    struct tok_words *words = NULL;
    struct ngt_error error;
    uint32_t state = seed, ends[WORDS];
    uint64_t room = (uint64_t)WORDS * longest, total = 0;
    uint32_t *want = malloc((room + 64) * sizeof *want), *got = malloc((room + 64) * sizeof *got);

    T_REQUIRE(want && got);
    T_REQUIRE(tok_words_new(model, many_fn, NULL, NULL, keep, &words, &error) == NGT_OK);
    for (unsigned round = 0; round < 12; round++) {
        uint64_t count = next(&state) % WORDS + 1, n = 0, want_n = 0, got_n = 0, more = 0;
        uint8_t *scratch = malloc(room), *text;
        T_REQUIRE(scratch);
        for (uint64_t i = 0; i < count; i++) {
            uint32_t kind = next(&state) % kinds, own = kind * 2654435761u + 1;
            uint32_t size = 1 + kind % longest;
            for (uint32_t k = 0; k < size; k++)
                scratch[n++] = (uint8_t)(next(&own) % 4 ? 'a' + next(&own) % 26 : next(&own));
            ends[i] = (uint32_t)n;
        }
        text = malloc(n); /* exactly: a read beyond is found by ASan */
        T_REQUIRE(text);
        memcpy(text, scratch, n);
        for (uint64_t i = 0; i < count; i++) {
            uint64_t start = i ? ends[i - 1] : 0;
            (void)model(NULL, NULL, text + start, ends[i] - start, want + want_n, &more, NULL);
            want_n += more;
        }
        calls = 0;
        T_EQ_INT(tok_words_encode(words, text, n, 0, ends, count, got, &got_n, &error), NGT_OK);
        T_EQ_U64(got_n, want_n);
        if (memcmp(got, want, want_n * sizeof *want) != 0)
            T_FAIL("ids differ, %u kinds, longest %u, round %u", kinds, longest, round);
        total += count;
        T_EQ_U64(tok_words_stats(words).words, total);
        if (keep && kinds <= 50 && longest <= 15 &&
            round > 6) /* few words: all but those of many ids are kept */
            T_TRUE(calls < count / 2 + 1);
        free(scratch);
        free(text);
    }
    tok_words_free(&words);
    free(want);
    free(got);
}

static void texts(uint32_t kinds, unsigned longest, uint32_t seed, bool keep)
{
    texts_with(NULL, kinds, longest, seed, keep);
    texts_with(many, kinds, longest, seed, keep);
}

T_CASE(few_short_words)
{
    texts(50, 15, 1, true);
}

/* Without a gap for thousands of words. */
T_CASE(two_words)
{
    texts(2, 2, 6, true);
}

/* Those that no table keeps stand behind others whose ids are not written yet. */
T_CASE(long_words_between)
{
    texts(50, 150, 7, true);
    texts(400, 200, 8, true);
}

T_CASE(all_lengths)
{
    texts(400, 40, 2, true);
}

T_CASE(more_than_the_cache_holds)
{
    texts(1u << 22, 15, 3, true);
    texts(1u << 22, 35, 4, true);
}

/* What stands for "no entry" is zeros too. */
T_CASE(zeros_of_all_lengths)
{
    enum { LONGEST = 140 };
    static const uint8_t text[LONGEST * (LONGEST + 1) / 2];
    struct tok_words *words = NULL;
    struct ngt_error error;
    static uint32_t ends[LONGEST], want[sizeof text + 64], got[sizeof text + 64];
    uint64_t want_n = 0, got_n = 0, more = 0;
    uint32_t end = 0;

    T_REQUIRE(tok_words_new(model, many, NULL, NULL, true, &words, &error) == NGT_OK);
    for (uint32_t i = 0; i < LONGEST; i++) {
        (void)model(NULL, NULL, text, i + 1, want + want_n, &more, NULL);
        want_n += more;
        ends[i] = end += i + 1;
    }
    for (unsigned round = 0; round < 3; round++) {
        T_EQ_INT(tok_words_encode(words, text, end, 0, ends, LONGEST, got, &got_n, &error), NGT_OK);
        T_EQ_U64(got_n, want_n);
        T_TRUE(memcmp(got, want, want_n * sizeof *want) == 0);
    }
    tok_words_free(&words);
}

T_CASE(a_cache_that_keeps_nothing)
{
    texts(50, 40, 5, false);
}

/* Words that never come back, then a few that do: the tables are gone around, and taken up again. */
static void around_and_back_with(tok_many_words_fn many_fn)
{
    enum { WORDS = 10000, SIZE = 12 };
    struct tok_words *words = NULL;
    struct ngt_error error;
    static uint8_t text[WORDS * SIZE];
    static uint32_t ends[WORDS], want[WORDS * SIZE + 64], got[WORDS * SIZE + 64];
    uint32_t number = 0;
    unsigned around = 0, last_known = 0;

    T_REQUIRE(tok_words_new(model, many_fn, NULL, NULL, true, &words, &error) == NGT_OK);
    for (unsigned round = 0; round < 160; round++) {
        uint64_t want_n = 0, got_n = 0, more = 0;
        for (uint32_t i = 0; i < WORDS; i++) {
            char word[SIZE + 1];
            /* every eighth is known to all: around the tables it goes to the model as well */
            uint32_t kind = round >= 80 || i % 8 == 0 ? i % 40 : 1000 + number++;
            snprintf(word, sizeof word, "%012u", kind);
            memcpy(text + i * SIZE, word, SIZE);
            ends[i] = (i + 1) * SIZE;
            (void)model(NULL, NULL, text + i * SIZE, SIZE, want + want_n, &more, NULL);
            want_n += more;
        }
        calls = 0;
        T_EQ_INT(tok_words_encode(words, text, sizeof text, 0, ends, WORDS, got, &got_n, &error),
                 NGT_OK);
        T_EQ_U64(got_n, want_n);
        if (memcmp(got, want, want_n * sizeof *want) != 0)
            T_FAIL("ids differ in round %u", round);
        around += round < 80 && calls >= WORDS; /* many asks twice for a word of no ids */
        last_known = calls;
    }
    T_TRUE(around >= 16 && around < 40); /* not before the tables are full */
    T_TRUE(last_known < WORDS / 2);
    tok_words_free(&words);
}

T_CASE(around_and_back)
{
    around_and_back_with(NULL);
    around_and_back_with(many);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
