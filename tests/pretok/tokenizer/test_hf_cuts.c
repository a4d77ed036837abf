/*
 * Files of SentencePiece's kind and the places where their text is cut: forms of them as Llama, Mistral
 * and Gemma have them, with the ids of tokenizers 0.23.3; and random ones, encoded with cuts and without.
 */
#include "hf_cuts.h"

#include "engine.h"
#include "ngt/layout.h"
#include "t.h"

static enum ngt_status load(const char *json, enum tok_engine kind, struct tok_model *model,
                            struct tok_engine_instance *engine, struct ngt_error *e)
{
    struct tok_config config = {.path = "test", .engine = kind, .parse_special = TOK_PARSE_ALL};
    uint64_t n = strlen(json);
    uint8_t *bytes = malloc(n + 1);

    T_REQUIRE(bytes);
    memcpy(bytes, json, n);
    ngt_error_clear(e);
    enum ngt_status status = tok_family_huggingface.load(&config, bytes, n, model, engine, e);
    free(bytes);
    return status;
}

/* Appends the ids of text to ids. */
static void encode(const struct tok_engine_instance *engine, void *scratch, const char *text,
                   struct tok_ids *ids)
{
    T_REQUIRE(engine->vtable->encode(engine->state, scratch, text, strlen(text), ids, NULL) ==
              NGT_OK);
}

/* clang-format off */
#define MARK "\xE2\x96\x81"
#define NONE "null"
#define REPLACE "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" MARK "\"}"
#define SEQUENCE(front) "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"" front "\"}, " REPLACE "]}"
#define METASPACE(scheme, split) "{\"type\": \"Metaspace\", \"replacement\": \"" MARK "\", \"prepend_scheme\": \"" scheme "\", \"split\": " split "}"
#define SPLIT(behavior, invert) "{\"type\": \"Split\", \"pattern\": {\"String\": \" \"}, \"behavior\": \"" behavior "\", \"invert\": " invert "}"
#define VOCAB "\"vocab\": {\"<unk>\": 0, \"" MARK "\": 1, \"a\": 2, \"b\": 3, \"(\": 4, \"" MARK "a\": 5, \"ab\": 6, \"" MARK MARK "\": 7, \"" MARK "ab\": 8, \"(a\": 9, \"a" MARK "\": 10, \"aa\": 11}"
#define MERGES "\"" MARK " a\", \"a b\", \"" MARK " " MARK "\", \"" MARK " ab\", \"( a\""
#define FUSED "\"unk_token\": \"<unk>\", \"fuse_unk\": true"
#define EACH "\"unk_token\": \"<unk>\""
#define DROPPED "\"unk_token\": null"
#define SPELT "\"unk_token\": \"(\", \"fuse_unk\": true"
#define WHOLE "\"unk_token\": \"<unk>\", \"fuse_unk\": true, \"ignore_merges\": true"

static const char *const texts[] = {"a ab  ba b(ab", "a\xC3\xA9" "b", "\xE2\x96\x81" "a b\xE2\x96\x81", "a\xC3\xA9\xC3\xA9(\xC3\xA9 \xC3\xA9(ab", "<s>a <s> ab", "  ", "ab"};
static const struct {
    const char *name, *normalizer, *pretokenizer, *unknown, *merges, *ids[sizeof texts / sizeof *texts];
} forms[] = {
    {"Llama", SEQUENCE(MARK), NONE, FUSED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "1 5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"Llama, across", SEQUENCE(MARK), NONE, FUSED, MERGES ", \"a " MARK "\"",
     {"5 5 3 7 3 10 3 4 6", "5 0 3", "1 5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"Llama, unknown each", SEQUENCE(MARK), NONE, EACH, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "1 5 1 3 1", "5 0 0 4 0 1 0 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"Llama, dropped", SEQUENCE(MARK), NONE, DROPPED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 3", "1 5 1 3 1", "5 4 1 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"Llama, unknown is spelt", SEQUENCE(MARK), NONE, SPELT, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 4 3", "1 5 1 3 1", "5 4 4 4 1 4 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"Llama, whole", SEQUENCE(MARK), NONE, WHOLE, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "1 5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 1 5 3", "7 1", "8"}},
    {"Gemma", REPLACE, SPLIT("MergedWithPrevious", "false"), FUSED, MERGES,
     {"2 5 3 7 3 2 1 3 4 6", "2 0 3", "5 1 3 1", "2 0 4 0 1 0 4 6", "12 2 1 12 5 3", "7", "6"}},
    {"removes all", REPLACE, SPLIT("Removed", "true"), FUSED, MERGES,
     {"", "", "", "", "12 12", "", ""}},
    {"first", NONE, METASPACE("first", "false"), FUSED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 2 1 12 5 3", "7", "5 3"}},
    {"always", NONE, METASPACE("always", "false"), FUSED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 5 3", "7", "5 3"}},
    {"never", NONE, METASPACE("never", "false"), FUSED, MERGES,
     {"2 5 3 7 3 2 1 3 4 6", "2 0 3", "5 1 3 1", "2 0 4 0 1 0 4 6", "12 2 1 12 5 3", "7", "6"}},
    {"first, split", NONE, METASPACE("first", "true"), FUSED, MERGES,
     {"5 5 3 1 1 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 2 1 12 5 3", "1 1", "5 3"}},
    {"first, split, across", NONE, METASPACE("first", "true"), FUSED, MERGES ", \"a " MARK "\"",
     {"5 5 3 1 1 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 2 1 12 5 3", "1 1", "5 3"}},
    {"first, split, unknown each", NONE, METASPACE("first", "true"), EACH, MERGES,
     {"5 5 3 1 1 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 0 4 0 1 0 4 6", "12 2 1 12 5 3", "1 1", "5 3"}},
    {"first, split, dropped", NONE, METASPACE("first", "true"), DROPPED, MERGES,
     {"5 5 3 1 1 3 2 1 3 4 6", "5 3", "5 1 3 1", "5 4 1 4 6", "12 2 1 12 5 3", "1 1", "5 3"}},
    {"first, split, unknown is spelt", NONE, METASPACE("first", "true"), SPELT, MERGES,
     {"5 5 3 1 1 3 2 1 3 4 6", "5 4 3", "5 1 3 1", "5 4 4 4 1 4 4 6", "12 2 1 12 5 3", "1 1", "5 3"}},
    {"first, split, whole", NONE, METASPACE("first", "true"), WHOLE, MERGES,
     {"5 8 1 1 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 2 1 12 8", "1 1", "8"}},
    {"never, split", NONE, METASPACE("never", "true"), FUSED, MERGES,
     {"2 5 3 1 1 3 2 1 3 4 6", "2 0 3", "5 1 3 1", "2 0 4 0 1 0 4 6", "12 2 1 12 5 3", "1 1", "6"}},
    {"replaced before", REPLACE, METASPACE("always", "false"), FUSED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 5 3", "7", "5 3"}},
    {"space in front", SEQUENCE(" "), NONE, FUSED, MERGES,
     {"5 5 3 7 3 2 1 3 4 6", "5 0 3", "1 5 1 3 1", "5 0 4 0 1 0 4 6", "12 5 1 12 1 5 3", "7 1", "5 3"}},
    {"neither", NONE, NONE, FUSED, MERGES,
     {"2 0 6 0 3 2 0 3 4 6", "2 0 3", "5 0 3 1", "2 0 4 0 4 6", "12 2 0 12 0 6", "0", "6"}},
};
/* clang-format on */

T_CASE(forms_of_files)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        for (enum tok_engine kind = TOK_FAST; kind <= TOK_PLAIN; kind++) {
            static char json[4096];
            struct tok_model model = {0};
            struct tok_engine_instance engine = {0};
            struct tok_ids ids = {0};
            void *scratch = NULL;
            struct ngt_error e;
            if (kind == TOK_REFERENCE)
                continue;
            sprintf(json,
                    "{\"added_tokens\": [{\"id\": 12, \"content\": \"<s>\", \"single_word\": "
                    "false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                    "\"special\": false}], \"normalizer\": %s, \"pre_tokenizer\": %s, "
                    "\"model\": {\"type\": \"BPE\", %s, \"merges\": [%s], " VOCAB "}}",
                    forms[i].normalizer, forms[i].pretokenizer, forms[i].unknown, forms[i].merges);
            if (load(json, kind, &model, &engine, &e) != NGT_OK) {
                T_FAIL("%s: %s", forms[i].name, e.message);
                continue;
            }
            T_REQUIRE(engine.vtable->scratch_new(engine.state, &scratch, NULL) == NGT_OK);
            for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
                char got[200] = "";
                uint64_t used = 0;
                ids.count = 0;
                encode(&engine, scratch, texts[k], &ids);
                for (uint64_t m = 0; m < ids.count && used < 180; m++)
                    used += (uint64_t)sprintf(got + used, m ? " %u" : "%u", ids.ids[m]);
                if (strcmp(got, forms[i].ids[k]) != 0)
                    T_FAIL("%s, %s: \"%s\" became %s, expected %s", forms[i].name,
                           engine.vtable->name, texts[k], got, forms[i].ids[k]);
            }
            engine.vtable->scratch_free(scratch);
            engine.vtable->free(engine.state);
            tok_ids_done(&ids);
            tok_model_done(&model);
        }
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* What words and tokens are made of; the last ones are no token. */
static const char *const letters[] = {"a",
                                      "B",
                                      "1",
                                      ".",
                                      " ",
                                      MARK,
                                      "\n",
                                      "\xC3\xA9",
                                      "\xD0\xB0",
                                      "\xE4\xB8\xAD",
                                      "\xEA\xB0\x80",
                                      "\xF0\x9F\x98\x80",
                                      "x",
                                      "-",
                                      "\xE2\x82\xAC"};
enum { LETTERS = sizeof letters / sizeof *letters, KNOWN = LETTERS - 3, MERGED = 60, LONGEST = 20 };

/* A random file of its own kind for each number. */
static void random_file(uint64_t number, uint64_t *seed, char *json)
{
    static const char *const steps[][2] = {{SEQUENCE(MARK), NONE},
                                           {REPLACE, SPLIT("MergedWithPrevious", "false")},
                                           {NONE, METASPACE("first", "false")},
                                           {NONE, METASPACE("always", "true")},
                                           {REPLACE, METASPACE("never", "true")},
                                           {NONE, NONE}};
    static const char *const unknowns[] = {FUSED, EACH, DROPPED,
                                           "\"unk_token\": \"1\", \"fuse_unk\": true",
                                           "\"byte_fallback\": true"};
    char names[KNOWN + MERGED][LONGEST + 1];
    unsigned count = 0, next = 0;
    const bool marker = number % 7 != 0;

    for (unsigned i = 0; i < KNOWN; i++)
        if (strcmp(letters[i], " ") != 0 && strcmp(letters[i], "\n") != 0 &&
            (marker || strcmp(letters[i], MARK) != 0))
            strcpy(names[count++], letters[i]);
    char *at = json + sprintf(json,
                              "{\"normalizer\": %s, \"pre_tokenizer\": %s, \"model\": {\"type\": "
                              "\"BPE\", %s, \"ignore_merges\": %s, \"merges\": [",
                              steps[number % 6][0], steps[number % 6][1], unknowns[number / 6 % 5],
                              number / 30 % 3 ? "false" : "true");
    for (unsigned i = 0, made = 0; i < MERGED; i++) {
        const char *left = names[next_random(seed) % count];
        const char *right = names[next_random(seed) % count];
        char joined[2 * LONGEST + 1];
        unsigned same = 0;
        if (strlen(left) + strlen(right) > LONGEST || *left == '1' || *right == '1')
            continue; /* an unknown that merges would go another way */
        at += sprintf(at, "%s\"%s %s\"", made++ ? ", " : "", left, right);
        sprintf(joined, "%s%s", left, right);
        strcpy(names[count], joined);
        while (strcmp(names[same], names[count]) != 0)
            same++;
        count += same == count;
    }
    at += sprintf(at, "], \"vocab\": {\"<unk>\": %u", next++);
    for (unsigned i = 0; i < count; i++)
        at += sprintf(at, ", \"%s\": %u", names[i], next++);
    /* one that no merges give, for files that look whole words up */
    if (number / 90 % 2)
        at += sprintf(at, ", \"" MARK "a11\": %u", next++);
    for (unsigned b = 0; b < 256; b++)
        at += sprintf(at, ", \"<0x%02X>\": %u", b, next++);
    sprintf(at, "}}}");
}

T_CASE(cuts_change_nothing)
{
    uint64_t seed = 5, with_cuts = 0;

    for (uint64_t number = 0; number < 360; number++) {
        static char json[32768];
        struct tok_model models[2] = {0};
        struct tok_engine_instance engines[2] = {0};
        void *scratches[2] = {NULL};
        struct tok_ids ids[2] = {0};
        struct ngt_error e;
        bool good = true;
        random_file(number, &seed, json);
        for (unsigned i = 0; i < 2; i++) {
            if (load(json, i ? TOK_PLAIN : TOK_FAST, &models[i], &engines[i], &e) != NGT_OK) {
                T_FAIL("file %" PRIu64 ": %s", number, e.message);
                return;
            }
            T_REQUIRE(engines[i].vtable->scratch_new(engines[i].state, &scratches[i], NULL) ==
                      NGT_OK);
        }
        for (unsigned round = 0; round < 120 && good; round++) {
            char text[1024] = "";
            for (uint64_t k = next_random(&seed) % (round % 10 ? 30 : 250); k; k--)
                strcat(text, letters[next_random(&seed) % LETTERS]);
            for (unsigned i = 0; i < 2; i++) {
                ids[i].count = 0;
                encode(&engines[i], scratches[i], text, &ids[i]);
            }
            good = ids[0].count == ids[1].count &&
                   (ids[0].count == 0 ||
                    memcmp(ids[0].ids, ids[1].ids, ids[0].count * sizeof *ids[0].ids) == 0);
            if (!good)
                T_FAIL("file %" PRIu64 ": \"%s\" differs\n%s", number, text, json);
        }
        struct tok_stats stats = engines[0].vtable->stats(scratches[0]);
        with_cuts += stats.words > 5 * 120;
        for (unsigned i = 0; i < 2; i++) {
            engines[i].vtable->scratch_free(scratches[i]);
            engines[i].vtable->free(engines[i].state);
            tok_ids_done(&ids[i]);
            tok_model_done(&models[i]);
        }
    }
    T_TRUE(with_cuts > 120);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
