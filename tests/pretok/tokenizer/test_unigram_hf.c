/*
 * Unigram of tokenizer.json files: ids do not depend on the stretches in which a long word is done.
 * Random vocabularies of pieces over few characters, of one to four bytes, with and without a fallback to
 * bytes; words with runs of unknown characters, shorter and longer than a stretch.
 */
#include "model/unigram_hf.h"

#include <stdarg.h>

#include "t.h"

#define LETTERS 6
static const char *const letters[LETTERS] = {
    "a", "b", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80", "?"};

static uint32_t next(uint64_t *state, uint64_t below)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*state >> 33) % below);
}

static void put(char *json, uint64_t *used, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    *used += (uint64_t)vsprintf(json + *used, format, args);
    va_end(args);
}

/* Some letters are no piece of their own, the last ones are in none. */
static struct tok_unigram_hf *vocabulary(uint64_t *state)
{
    static char json[1 << 16];
    uint64_t used = 0, pieces = 2 + next(state, 20), kinds = 1 + next(state, LETTERS - 1);
    bool fallback = next(state, 2);
    struct tok_hf_file file;
    struct tok_unigram_hf *unigram = NULL;
    struct ngt_error e;

    put(json, &used,
        "{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": %s, \"vocab\": "
        "[[\"u\", 0]",
        fallback ? "true" : "false");
    for (unsigned b = 0; b < 256 && fallback; b++)
        put(json, &used, ", [\"<0x%02X>\", -%u]", b, b);
    for (uint64_t i = 0; i < pieces; i++) {
        put(json, &used, ", [\"");
        for (uint64_t size = 1 + next(state, i % 7 == 6 ? 12 : 3); size; size--)
            put(json, &used, "%s", letters[next(state, kinds)]);
        /* few scores, so that ways are equal */
        put(json, &used, "\", -%u.%u]", next(state, 5), next(state, 2) * 5);
    }
    put(json, &used, "]}}");
    T_REQUIRE(used < sizeof json);
    if (tok_hf_file_read((uint8_t *)json, used, "test", false, &file, &e) != NGT_OK) {
        T_FAIL("%s", e.message);
        return NULL;
    }
    T_EQ_INT(tok_unigram_hf_new(&file, "test", &unigram, &e), NGT_OK);
    tok_hf_file_done(&file);
    return unigram;
}

static uint64_t word_of(uint64_t *state, uint8_t *word)
{
    uint64_t n = 0, runs = next(state, 12);

    for (uint64_t i = 0; i < runs; i++) {
        unsigned kinds = 1 + next(state, LETTERS), first = next(state, LETTERS);
        for (uint64_t k = 1 + next(state, 30); k; k--) {
            const char *letter = letters[(first + next(state, kinds)) % LETTERS];
            memcpy(word + n, letter, strlen(letter));
            n += strlen(letter);
        }
    }
    return n;
}

T_CASE(stretches)
{
    static const uint64_t stretches[] = {1, 2, 3, 5, 8, 13, 40, 100};
    static uint8_t word[12 * 30 * 4 + 1];
    static uint32_t want[sizeof word + 8], got[sizeof word + 8];
    uint64_t ids = 0;

    for (uint64_t seed = 1; seed <= 400 && !t_failures; seed++) {
        uint64_t state = seed * 0x9E3779B97F4A7C15u;
        struct tok_unigram_hf *unigram = vocabulary(&state);
        struct tok_unigram_hf_scratch *scratch = NULL;
        T_REQUIRE(unigram && tok_unigram_hf_scratch_new(&scratch, NULL) == NGT_OK);
        for (unsigned i = 0; i < 20; i++) {
            uint64_t n = word_of(&state, word), want_n = 0, got_n = 0;
            T_EQ_INT(tok_unigram_hf_encode(unigram, scratch, word, n, want, &want_n, NULL), NGT_OK);
            ids += want_n;
            for (unsigned k = 0; k < sizeof stretches / sizeof *stretches; k++) {
                T_EQ_INT(tok_unigram_hf_encode_in(unigram, scratch, stretches[k], word, n, got,
                                                  &got_n, NULL),
                         NGT_OK);
                if (got_n != want_n || memcmp(got, want, want_n * sizeof *want) != 0)
                    T_FAIL("seed %" PRIu64 ", word %u, stretches of %" PRIu64, seed, i,
                           stretches[k]);
            }
        }
        tok_unigram_hf_scratch_free(&scratch);
        tok_unigram_hf_free(&unigram);
    }
    T_TRUE(ids > 100000);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
