/*
 * tokenizer.json files, written out: what each part of one does to ids, and what is refused. The
 * expected ids are those of tokenizers 0.23.3.
 */
#include "load/hf_json.h"

#include "hf_model.h"
#include "model/bpe_hf.h"
#include "ngt/layout.h"
#include "t.h"

/* A file from its text; the text is copied, since reading changes it. */
static enum ngt_status load(const char *json, enum tok_parse_special parse, const char *const *list,
                            uint64_t list_count, struct tok_model *model,
                            struct tok_engine_instance *engine, struct ngt_error *e)
{
    struct tok_config config = {
        .path = "test", .parse_special = parse, .special_list = list, .special_count = list_count};
    uint64_t n = strlen(json);
    uint8_t *bytes = malloc(n + 1);

    T_REQUIRE(bytes);
    memcpy(bytes, json, n);
    ngt_error_clear(e);
    enum ngt_status status = tok_family_huggingface.load(&config, bytes, n, model, engine, e);
    free(bytes);
    return status;
}

static void encode(const struct tok_engine_instance *engine, const char *text, char *ret)
{
    struct tok_ids ids = {0};
    void *scratch = NULL;
    uint64_t used = 0;

    T_REQUIRE(engine->vtable->scratch_new(engine->state, &scratch, NULL) == NGT_OK);
    for (int twice = 0; twice < 2; twice++) { /* the second time words come from the cache */
        ids.count = 0;
        T_REQUIRE(engine->vtable->encode(engine->state, scratch, text, strlen(text), &ids, NULL) ==
                  NGT_OK);
    }
    *ret = '\0';
    for (uint64_t i = 0; i < ids.count && used < 180; i++)
        used += (uint64_t)sprintf(ret + used, i ? " %u" : "%u", ids.ids[i]);
    engine->vtable->scratch_free(scratch);
    tok_ids_done(&ids);
}

/* A vocabulary of all bytes, then a and b. */
static const char *all_bytes(void)
{
    static char text[8192];
    uint64_t used = (uint64_t)sprintf(text, "{\"model\": {\"type\": \"BPE\", \"merges\": [], "
                                            "\"byte_fallback\": true, \"unk_token\": \"a\", "
                                            "\"vocab\": {");

    for (unsigned b = 0; b < 256; b++)
        used += (uint64_t)sprintf(text + used, "\"<0x%02X>\": %u, ", b, b);
    sprintf(text + used, "\"a\": 256, \"b\": 257}}}");
    return text;
}

/* clang-format off */
static const struct {
    const char *name, *json; /* NULL: all_bytes() */
    struct {
        const char *text, *ids;
    } texts[5];
} cases[] = {
    {"byte level",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"\xC4\xA0\": 2, \"\xC3\x83\": 3, \"\xC2\xA9\": 4, \"ab\": 5, \"\xC4\xA0" "ab\": 6, \"\xC3\x83\xC2\xA9\": 7}, \"merges\": [\"a b\", \"\xC4\xA0 ab\", \"\xC3\x83 \xC2\xA9\"]}}",
     {{"ab ab", "5 6"}, {"\xC3\xA9xa", "7 0"}, {"  ab", "2 6"}}},
    {"merges in pairs, no type",
     "{\"version\": \"1.0\", \"model\": {\"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [[\"a\", \"b\"]]}}",
     {{"abaab", "2 0 2"}}},
    {"keys with escapes, and white space between",
     "{\"version\": \"1.0\", \"model\" : {\"v\\u006Fcab\" : \t\r\n {\"a\":0,          \"b\" : 1 , \"a\\u0062\": 2},\n            \"merges\": [ \"a b\"] } }",
     {{"abaab", "2 0 2"}}},
    {"rank before place",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"bc\": 4}, \"merges\": [\"b c\", \"a b\"]}}",
     {{"abc", "0 4"}, {"ab", "3"}}},
    {"duplicate merges: the last rank",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"bc\": 4}, \"merges\": [\"a b\", \"b c\", \"a b\"]}}",
     {{"abc", "0 4"}}},
    {"whole words before merges",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2, \"abb\": 3}, \"merges\": [\"a b\"], \"ignore_merges\": true}}",
     {{"abb abba", "3 2 1 0"}}},
    {"no unknown: dropped",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}, \"merges\": [\"a b\"]}}",
     {{"axb", "2"}}},
    {"unknown each",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1}, \"merges\": [], \"unk_token\": \"\?\"}}",
     {{"xya\?z", "0 0 1 0 0"}}},
    {"unknown fused",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1}, \"merges\": [], \"unk_token\": \"\?\", \"fuse_unk\": true}}",
     {{"xyaz\xC3\xA9", "0 1 0"}}},
    {"byte fallback",
     NULL,
     {{"a\xC3\xA9" "b", "256 195 169 257"}}},
    {"byte fallback with bytes missing: unknown comes late",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1, \"<0xC3>\": 2, \"<0xA9>\": 3}, \"merges\": [], \"byte_fallback\": true, \"fuse_unk\": true, \"unk_token\": \"\?\"}}",
     {{"x\xC3\xA9ya", "2 3 0 1"}, {"\xC3\xA9x\xC3\xA9", "2 3 2 3 0"}}},
    {"unknown takes part in merges",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1, \"\?a\": 2}, \"merges\": [\"\? a\"], \"unk_token\": \"\?\"}}",
     {{"xa", "2"}}},
    {"prefix and suffix",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"##b\": 1, \"##c</w>\": 2, \"a</w>\": 3, \"ab\": 4, \"abc</w>\": 5}, \"merges\": [\"a ##b\", \"ab ##c</w>\"], \"continuing_subword_prefix\": \"##\", \"end_of_word_suffix\": \"</w>\"}}",
     {{"abc a ab ac", "5 3 0 0 2"}}},
    {"suffix",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1, \"b\": 2, \"ab\": 3, \"b</w>\": 4, \"ab</w>\": 5, \"aab</w>\": 6, \"\xC3\xA9</w>\": 7, \"a\xC3\xA9</w>\": 8, \"ba\": 9}, \"merges\": [\"a b\", \"b a\", \"a b</w>\", \"a ab</w>\", \"a \xC3\xA9</w>\"], \"end_of_word_suffix\": \"</w>\", \"unk_token\": \"\?\"}}",
     {{"ab aab b bab", "5 6 4 9 4"}, {"a ba aba xa ax axb", "0 2 0 3 0 0 0 1 0 1 0 4"}, {"abab\xC3\xA9 \xC3\xA9 \xC3\xA9" "b", "3 3 7 7 0 4"}, {"bax yx", "9 0 0 0"}, {"</w> ab</w>", "0 0 0 0 3 0 0 0 0"}}},
    {"suffix, unknowns in one",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\?\": 0, \"a\": 1, \"a</w>\": 2, \"aa\": 3}, \"merges\": [\"a a\"], \"end_of_word_suffix\": \"</w>\", \"unk_token\": \"\?\", \"fuse_unk\": true}}",
     {{"axx axxa aaa xy aax", "1 0 1 0 2 3 2 0 3 0"}, {"aa", "1 2"}}},
    {"suffix, unknowns dropped",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"a</w>\": 2, \"ab\": 3, \"aa</w>\": 4}, \"merges\": [\"a b\", \"a a</w>\"], \"end_of_word_suffix\": \"</w>\"}}",
     {{"axb axa ab aa axbx abx", "0 4 0 4 3 3"}}},
    {"suffix that its letters make as well",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"<\": 2, \"<b\": 3, \"a<b\": 4, \"a<\": 5, \"b<b\": 6}, \"merges\": [\"< b\", \"a <b\", \"a <\"], \"end_of_word_suffix\": \"<b\"}}",
     {{"a a<b a<bb ab a<ba", "4 5 6 4 6 0 6 4 4"}}},
    {"suffix of bytes",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xC4\xA0\": 0, \"a\": 1, \"\xC3\x83\": 2, \"\xC2\xA9</w>\": 3, \"\xC3\x83\xC2\xA9</w>\": 4, \"\xC3\xBF\": 5, \"a\xC3\xBF\": 6, \"a</w>\": 7, \"\xC4\xA0" "a</w>\": 8}, \"merges\": [\"\xC3\x83 \xC2\xA9</w>\", \"a \xC3\xBF\", \"\xC4\xA0 a</w>\"], \"end_of_word_suffix\": \"</w>\"}}",
     {{"\xC3\xA9 a aa \xC3\xA9\xC3\xA9 x", "4 8 0 1 7 0 2 4 0"}}},
    {"marker",
     "{\"version\": \"1.0\", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xE2\x96\x81\": 0, \"a\": 1, \"b\": 2, \"\xE2\x96\x81" "a\": 3, \"ab\": 4}, \"merges\": [\"\xE2\x96\x81 a\", \"a b\"], \"unk_token\": \"\xE2\x96\x81\"}}",
     {{"a ab", "3 3 2"}, {"b  a\xE2\x96\x81" "a", "0 2 0 3 3"}, {" ", "0 0"}}},
    {"marker, a token across words",
     "{\"version\": \"1.0\", \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\xE2\x96\x81\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xE2\x96\x81\"}]}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xE2\x96\x81\": 0, \"a\": 1, \"a\xE2\x96\x81\": 2, \"b\": 3}, \"merges\": [\"a \xE2\x96\x81\"]}}",
     {{"a a b", "0 2 2 3"}}},
    {"metaspace",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"always\", \"split\": true}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xE2\x96\x81\": 0, \"a\": 1, \"\xE2\x96\x81" "a\": 2}, \"merges\": [\"\xE2\x96\x81 a\"]}}",
     {{"a a  a", "2 2 0 2"}}},
    {"first: sections",
     "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 99, \"content\": \"<s>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false}], \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"first\", \"split\": true}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xE2\x96\x81\": 0, \"a\": 1, \"\xE2\x96\x81" "a\": 2}, \"merges\": [\"\xE2\x96\x81 a\"]}}",
     {{"a<s>a", "2 3 1"}, {"<s>a", "3 1"}}},
    {"first: not after a replacement",
     "{\"version\": \"1.0\", \"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"String\": \"``\"}, \"content\": \"a\"}, \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", \"prepend_scheme\": \"first\", \"split\": true}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"\xE2\x96\x81\": 0, \"a\": 1, \"\xE2\x96\x81" "a\": 2}, \"merges\": [\"\xE2\x96\x81 a\"]}}",
     {{"``", "1"}, {"a``", "2 1"}}},
    {"added ids are the library's",
     "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 7, \"content\": \"<s>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false}, {\"id\": 5, \"content\": \"x\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false}, {\"id\": 3, \"content\": \"</s>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false}], \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"x\": 1}, \"merges\": []}}",
     {{"a<s>x</s>", "0 2 1 3"}}},
    {"added, normalized",
     "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 99, \"content\": \"HI\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": true, \"special\": false}, {\"id\": 99, \"content\": \"Hi\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": false}], \"normalizer\": {\"type\": \"Lowercase\"}, \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}",
     {{"ahiHIHia", "0 1 1 2 0"}}},
    {"the same content twice",
     "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 99, \"content\": \"<x>\", \"single_word\": false, \"lstrip\": true, \"rstrip\": false, \"normalized\": false, \"special\": false}, {\"id\": 99, \"content\": \"<x>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}], \"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": []}}",
     {{"a <x>", "0 1"}}},
    {"unigram",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"\?\", 0.0], [\"a\", -1.0], [\"b\", -1.5], [\"ab\", -2.5], [\"abc\", -9.0]]}}",
     {{"abab", "3 3"}, {"xxaby", "0 3 0"}, {"abc", "4"}}},
    {"unigram, byte fallback",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"byte_fallback\": true, \"vocab\": [[\"\?\", 0.0], [\"a\", -1.0], [\"<0xC3>\", -2.0], [\"<0xA9>\", -2.0]]}}",
     {{"a\xC3\xA9", "1 2 3"}, {"\xC3\xA9x\xC3\xA9", "0"}}},
    {"unigram, unknowns that are a token",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"\?\", 50.0], [\"xy\", 30.0]]}}",
     {{"xy", "1"}, {"xyx", "0"}}},
    {"word pieces",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"type\": \"WordPiece\", \"unk_token\": \"\?\", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 6, \"vocab\": {\"\?\": 0, \"a\": 1, \"ab\": 2, \"##b\": 3, \"##c\": 4, \"##bc\": 5, \"\xC3\xA9\": 6}}}",
     {{"abc abbc a", "2 4 2 5 1"}, {"x \xC3\xA9" "bx \xC3\xA9" "b", "0 0 6 3"}, {"abcbcb abcbcbc", "2 4 5 3 0"}}},
    {"words, no type",
     "{\"version\": \"1.0\", \"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}, \"model\": {\"unk_token\": \"\?\", \"vocab\": {\"\?\": 0, \"ab\": 1, \"a\": 2}}}",
     {{"a ab abb", "2 1 0"}}},
    {"scores are rounded as by the library",
     "{\"version\": \"1.0\", \"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"\?\", 0.0], [\"a\", -4.7], [\"b\", -3.3], [\"ab\", -8.000000000000002], [\"n\", -5.31860638], [\"nn\", -6.8421]]}}",
     {{"ab", "1 2"}, {"nnn", "4 5"}}},
};

static const struct {
    const char *json, *message;
} refused[] = {
    {"", "expected"},
    {"{", "a key expected"},
    {"[]", "where an object is expected"},
    {"{\"model\": {\"vocab\": {\"a\": 0}, \"merges\": []}} x", "something follows"},
    {"{\"version\": \"2.0\"}", "\"version\" is not"},
    {"{\"version\": \"1.0\\", "a string does not end"},
    {"{\"version\": \"1.0\\\"", "a string does not end"},
    {"{\"extra\": 1}", "\"extra\" is not understood"},
    {"{\"version\": \"1.0\", \"version\": \"1.0\"}", "\"version\" occurs twice"},
    {"{\"normalizer\": null}", "without a \"model\""},
    {"{\"model\": {\"type\": \"WordSalad\", \"vocab\": {}}}", "models of type \"WordSalad\""},
    {"{\"model\": {\"type\": \"WordPiece\", \"vocab\": {\"a\": 0}}}", "without \"vocab\" or \"max_input_chars_per_word\""},
    {"{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}, \"unk_token\": \"b\"}}", "unk_token: \"b\" is no token"},
    {"{\"model\": {\"type\": \"WordLevel\", \"vocab\": {\"a\": 0}, \"unk_token\": \"a\", \"merges\": []}}", "\"merges\" is not understood"},
    {"{\"model\": {\"vocab\": {}}}", "without a type, and none by its fields"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}}}", "without \"vocab\" or \"merges\""},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"foo\": 1}}", "model: \"foo\" is not understood"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"merges\": []}}", "\"merges\" occurs twice"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"f\\u006Fo\": 1}}", "model: \"foo\" is not understood"},
    {"{\"model\": {\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0}}", "model: \"a\" is not understood"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"unk_id\": 0}}", "\"unk_id\" is not understood in a model"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"dropout\": 0.1}}", "matter of chance"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"fuse_unk\": 1}}", "fuse_unk: not true or false"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [], \"unk_token\": \"b\"}}", "unk_token: \"b\" is no token"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}", "vocab: empty"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 0}, \"merges\": []}}", "two tokens have id 0"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"a\": 1}, \"merges\": []}}", "\"a\" occurs twice"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 4000000000}, \"merges\": []}}", "has id 4000000000 in a vocabulary of 1"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 4294967296}, \"merges\": []}}", "not a whole number of 32 bits"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0.5}, \"merges\": []}}", "not a whole number of 32 bits"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}", "not a whole number of 32 bits"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\"]}}", "a side of a merge, \"b\" is no token"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": [\"a b\"]}}", "what a merge makes, \"a"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"b\": 1, \"abb\": 2}, \"merges\": [\"a b\"]}}", "what a merge makes, \"ab\""},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"ab\"]}}", "not two tokens with a space"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b c\"]}}", "not two tokens with a space"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [[\"a\"]]}}", "a string"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"a b\", \"x\"]}}", "a side of a merge, \"b\" is no token"},
    {"{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"aa\": 1}, \"merges\": [\"a a\", [\"a\", \"a\"]]}}", "mixed"},
    {"{\"model\": {\"type\": \"Unigram\", \"vocab\": [[\"a\", 0]]}}", "\"unk_id\" is null"},
    {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 1, \"vocab\": [[\"a\", 0]]}}", "unk_id: no id"},
    {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\", 0, 1]]}}", "more than a name and a score"},
    {"{\"model\": {\"type\": \"Unigram\", \"unk_id\": 0, \"vocab\": [[\"a\", \"b\"]]}}", "where a number is expected"},
#define WITH(part) "{" part ", \"model\": {\"vocab\": {\"a\": 0}, \"merges\": []}}"
    {WITH("\"normalizer\": {\"type\": \"Foo\"}"), "normalizer, component 1, Foo: a normalizer of this type"},
    {WITH("\"normalizer\": {\"type\": \"NFC\", \"x\": 1}"), "NFC: option \"x\" is not understood"},
    {WITH("\"normalizer\": {\"normalizers\": []}"), "without a \"type\""},
    {WITH("\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {\"type\": \"Strip\", \"strip_left\": true}]}"), "component 3, Strip: \"strip_right\" is not true or false"},
    {WITH("\"normalizer\": {\"type\": \"Replace\", \"pattern\": {\"Glob\": \"x\"}, \"content\": \"\"}"), "a pattern of kind \"Glob\""},
    {WITH("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"AA==\"}"), "its trie does not fit"},
    {WITH("\"normalizer\": {\"type\": \"Precompiled\", \"precompiled_charsmap\": \"A\"}"), "is not base64"},
    {WITH("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}"), "a pre-tokenizer of this type"},
    {WITH("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\": \"Isolated\", \"invert\": false}"), ""},
    {WITH("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"String\": \"x\"}, \"behavior\": \"Shuffled\", \"invert\": false}"), "behavior \"Shuffled\""},
    {WITH("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"ab\"}"), "\"replacement\" is not one character"},
    {WITH("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\", \"add_prefix_space\": false, \"prepend_scheme\": \"first\"}"), "contradicts"},
    {WITH("\"pre_tokenizer\": {\"type\": \"FixedLength\", \"length\": 0}"), "\"length\" is not a whole number"},
    {WITH("\"post_processor\": {\"type\": \"Foo\"}"), "post_processor, component 1, Foo"},
    {WITH("\"decoder\": {\"type\": \"Foo\"}"), "decoder, component 1, Foo"},
    {WITH("\"added_tokens\": {}"), "\"added_tokens\" is not an array"},
    {WITH("\"added_tokens\": [{\"id\": 1, \"content\": \"x\"}]"), "\"single_word\" is not true or false"},
#define ADDED(content, normalized) "\"added_tokens\": [{\"id\": 1, \"content\": " content ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": " normalized ", \"special\": true}]"
    {WITH(ADDED("7", "false")), "\"content\" is not a string"},
    {WITH("\"normalizer\": {\"type\": \"StripAccents\"}, " ADDED("\"\\u0301\"", "true")), "is nothing once it is normalized"},
    {"{" ADDED("\"x\"", "false") ", \"model\": {\"vocab\": {\"a\": 1}, \"merges\": []}}", "would get id 1, which another token has"},
};
/* clang-format on */

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tok_model model = {0};
        struct tok_engine_instance engine = {0};
        struct ngt_error e;
        char got[200];
        if (load(cases[i].json ? cases[i].json : all_bytes(), TOK_PARSE_ALL, NULL, 0, &model,
                 &engine, &e) != NGT_OK) {
            T_FAIL("%s: %s", cases[i].name, e.message);
            continue;
        }
        for (unsigned k = 0; k < 5 && cases[i].texts[k].text; k++) {
            encode(&engine, cases[i].texts[k].text, got);
            if (strcmp(got, cases[i].texts[k].ids) != 0)
                T_FAIL("%s: \"%s\" became %s, expected %s", cases[i].name, cases[i].texts[k].text,
                       got, cases[i].texts[k].ids);
        }
        engine.vtable->free(engine.state);
        tok_model_done(&model);
    }
}

T_CASE(refusals)
{
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct tok_model model = {0};
        struct tok_engine_instance engine = {0};
        struct ngt_error e;
        enum ngt_status status = load(refused[i].json, TOK_PARSE_ALL, NULL, 0, &model, &engine, &e);
        if (status != NGT_E_DATA || !strstr(e.message, refused[i].message))
            T_FAIL("%s: status %d, \"%s\", expected \"%s\"", refused[i].json, status, e.message,
                   refused[i].message);
        /* no error to fill is fine, and gives the same */
        T_EQ_INT(load(refused[i].json, TOK_PARSE_ALL, NULL, 0, &model, &engine, NULL), status);
    }
}

/* Special tokens as text, listed ones apart. */
/* Merges are read in groups; a message names the place behind its own. */
T_CASE(place_of_a_merge)
{
    static const char json[] = "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"aa\": 1}, "
                               "\"merges\": [\"a a\", \"a b\", \"a aa\", \"a a\"]}}";
    struct tok_model model = {0};
    struct tok_engine_instance engine = {0};
    struct ngt_error e;

    T_TRUE(load(json, TOK_PARSE_ALL, NULL, 0, &model, &engine, &e) == NGT_E_DATA);
    T_EQ_U64(e.offset, (uint64_t)(strstr(json, "\"a b\"") - json) + 5);
}

T_CASE(parse_special)
{
    static const char json[] =
        "{\"added_tokens\": ["
        "{\"id\": 5, \"content\": \"<s>\", \"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": true},"
        "{\"id\": 6, \"content\": \"<e>\", \"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": true},"
        "{\"id\": 7, \"content\": \"<x>\", \"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": false}],"
        "\"model\": {\"vocab\": {\"<\": 0, \"s\": 1, \"e\": 2, \"x\": 3, \">\": 4}, \"merges\": "
        "[]}}";
    static const char *const list[] = {"<e>"}, *const wrong[] = {"<x>"};
    struct tok_model model = {0};
    struct tok_engine_instance engine = {0};
    struct ngt_error e;
    char got[200];

    static const struct {
        enum tok_parse_special parse;
        const char *expected;
    } parses[] = {
        {TOK_PARSE_ALL, "5 6 7"}, {TOK_PARSE_NONE, "0 1 4 0 2 4 7"}, {TOK_PARSE_LIST, "0 1 4 6 7"}};
    for (unsigned i = 0; i < 3; i++) {
        T_REQUIRE(load(json, parses[i].parse, list, 1, &model, &engine, &e) == NGT_OK);
        encode(&engine, "<s><e><x>", got);
        T_EQ_STR(got, parses[i].expected);
        T_EQ_INT(model.kinds[5], NGT_ID_CONTROL);
        T_EQ_INT(model.kinds[7], NGT_ID_USER_DEFINED);
        engine.vtable->free(engine.state);
        tok_model_done(&model);
    }
    T_EQ_INT(load(json, TOK_PARSE_LIST, wrong, 1, &model, &engine, &e), NGT_E_DATA);
    T_TRUE(strstr(e.message, "is not a special token"));
}

/* Numbers: doubles as serde_json makes them, not the nearest ones. */
T_CASE(numbers)
{
    static const struct {
        const char *text;
        double value;
    } numbers[] = {
        {"0", 0},
        {"-1", -1},
        {"1e5", 1e5},
        {"18446744073709551616", 18446744073709552e3},
        {"0.30000000000000004", 0.30000000000000004},
        {"-7.482673645019531", -7.482673645019531},
        {"-3.0123284804704786", -3.012328480470478},
        {"-14.825037124029805", -14.825037124029803},
        {"-1.2806287645399461", -1.280628764539946},
        {"-15.164604925736347", -15.164604925736349},
        {"1e-400", 0},
    };

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct tok_json j;
        char copy[64];
        double got = 1;
        strcpy(copy, numbers[i].text);
        T_REQUIRE(tok_json_start(&j, (uint8_t *)copy, strlen(copy), "test", NULL));
        T_REQUIRE(tok_json_double(&j, &got));
        if (memcmp(&got, &numbers[i].value, sizeof got) != 0)
            T_FAIL("%s is %.17g, expected %.17g", copy, got, numbers[i].value);
    }
}

/* What the shard stores: spellings, kinds, special ids, flags. */
T_CASE(vocabulary)
{
    static const char json[] =
        "{\"added_tokens\": ["
        "{\"id\": 4, \"content\": \"</s>\", \"single_word\": false, \"lstrip\": false, "
        "\"rstrip\": false, \"normalized\": false, \"special\": true}],"
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", "
        "\"prepend\": \"\xE2\x96\x81\"}, {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, "
        "\"content\": \"\xE2\x96\x81\"}]},"
        "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
        "{\"id\": \"<s>\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, "
        "{\"SpecialToken\": {\"id\": \"</s>\", \"type_id\": 0}}]},"
        "\"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"unk_token\": \"<unk>\", "
        "\"vocab\": "
        "{\"<unk>\": 0, \"<s>\": 1, \"<0x0A>\": 2, \"\xE2\x96\x81"
        "a\": 3}, \"merges\": []}}";
    static const struct {
        const char *name, *bytes;
        enum ngt_id_kind kind;
    } expected[] = {
        {"<unk>", "<unk>", NGT_ID_UNKNOWN},
        {"<s>", "<s>", NGT_ID_NORMAL},
        {"<0x0A>", "\n", NGT_ID_BYTE},
        {"\xE2\x96\x81"
         "a",
         " a", NGT_ID_NORMAL},
        {"</s>", "</s>", NGT_ID_CONTROL},
    };
    struct tok_model m = {0};
    struct tok_engine_instance engine = {0};
    struct ngt_error e;

    T_REQUIRE(load(json, TOK_PARSE_ALL, NULL, 0, &m, &engine, &e) == NGT_OK);
    T_EQ_U64(m.vocabulary.count, 5);
    for (unsigned id = 0; id < 5; id++) {
        T_EQ_U64(m.starts[id + 1] - m.starts[id], strlen(expected[id].bytes));
        T_EQ_MEM(m.bytes + m.starts[id], expected[id].bytes, strlen(expected[id].bytes));
        T_EQ_U64(m.name_starts[id + 1] - m.name_starts[id], strlen(expected[id].name));
        T_EQ_MEM(m.names + m.name_starts[id], expected[id].name, strlen(expected[id].name));
        T_EQ_INT(m.kinds[id], expected[id].kind);
    }
    T_EQ_U64(m.special.bos, 1);
    T_EQ_U64(m.special.eos, 4);
    T_EQ_U64(m.special.pad, NGT_NO_ID);
    T_EQ_U64(m.special.unk, 0);
    T_EQ_U64(m.vocabulary.flags, NGT_VOCAB_STRIP_FIRST_SPACE);
    T_EQ_STR(m.family, "huggingface");
    T_EQ_STR(m.variant, "bpe");
    engine.vtable->free(engine.state);
    tok_model_done(&m);
}

/* Names of ByteLevel are bytes; those that it cannot have made are text as they are. */
T_CASE(byte_level_names)
{
    static const char json[] =
        "{\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": "
        "false, \"trim_offsets\": true}, \"model\": {\"vocab\": {\"\xC4\xA0\xC3\x83\": "
        "0, \"a b\": 1, \"\xC4\x8A\": 2}, \"merges\": []}}";
    static const char *const expected[] = {" \xC3", "a b", "\n"};
    struct tok_model m = {0};
    struct tok_engine_instance engine = {0};
    struct ngt_error e;

    T_REQUIRE(load(json, TOK_PARSE_ALL, NULL, 0, &m, &engine, &e) == NGT_OK);
    for (unsigned id = 0; id < 3; id++) {
        T_EQ_U64(m.starts[id + 1] - m.starts[id], strlen(expected[id]));
        T_EQ_MEM(m.bytes + m.starts[id], expected[id], strlen(expected[id]));
    }
    engine.vtable->free(engine.state);
    tok_model_done(&m);
}

/* The two implementations of BPE on random vocabularies and words. */
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

T_CASE(twins)
{
    enum { LETTERS = 7, MERGES = 40, NAME = 24 };
    uint64_t seed = 11;

    for (unsigned round = 0; round < 60; round++) {
        static char names[LETTERS + MERGES][NAME], json[16384], merges[8192];
        unsigned count = LETTERS;
        uint64_t used = 0, merged = 0;
        for (unsigned i = 0; i < LETTERS; i++)
            sprintf(names[i], "%s",
                    (const char *const[]){"a", "b", "\xC3\xA9", "\xE2\x96\x81", "?", "a$",
                                          "\xC3\xA9$"}[i]);
        merges[0] = '\0';
        while (count < LETTERS + MERGES) {
            const char *left = names[next_random(&seed) % count];
            const char *right = names[next_random(&seed) % count];
            unsigned i = 0;
            if (strlen(left) + strlen(right) >= NAME || strchr(left, '?') || strchr(right, '?') ||
                strchr(left, '$'))
                continue;
            merged +=
                (uint64_t)sprintf(merges + merged, "%s\"%s %s\"", merged ? ", " : "", left, right);
            strcat(strcpy(names[count], left), right);
            while (strcmp(names[i], names[count]) != 0)
                i++;
            count += i == count;
            if (merged > sizeof merges - 100)
                break;
        }
        used = (uint64_t)sprintf(
            json,
            "{\"model\": {\"unk_token\": %s, \"fuse_unk\": %s, "
            "\"ignore_merges\": %s, \"end_of_word_suffix\": %s, \"merges\": [%s], \"vocab\": {",
            round % 3 ? "\"?\"" : "null", round % 2 ? "true" : "false",
            round % 5 ? "false" : "true", round % 7 < 3 ? "\"$\"" : "null", merges);
        for (unsigned i = 0; i < count; i++)
            used += (uint64_t)sprintf(json + used, "%s\"%s\": %u", i ? ", " : "", names[i], i);
        sprintf(json + used, "}}}");

        bool marker = round % 4 == 1;
        struct tok_hf_file f = {0};
        struct tok_hf_encoder *encoder = NULL;
        struct tok_hf_words words = {0};
        struct tok_bpe_hf *odd = NULL;
        struct tok_bpe_hf_scratch *scratch = NULL;
        struct ngt_error e;
        if (tok_hf_file_read((uint8_t *)json, strlen(json), "test", false, &f, &e) != NGT_OK) {
            T_FAIL("%s", e.message);
            return;
        }
        T_REQUIRE(tok_hf_encoder_new(&f, marker ? TOK_HF_SPACES : TOK_HF_AS_SPELT, true, "test",
                                     &encoder, &e) == NGT_OK);
        T_REQUIRE(tok_hf_words_init(&words, encoder, false, &e) == NGT_OK);
        T_REQUIRE(tok_bpe_hf_new(&f, marker, "test", &odd, &e) == NGT_OK);
        T_REQUIRE(tok_bpe_hf_scratch_new(&scratch, &e) == NGT_OK);
        for (unsigned w = 0; w < 300; w++) {
            char word[200] = "";
            uint32_t a[700], b[700], end;
            uint64_t a_count = 0, b_count = 0;
            for (uint64_t k = 1 + next_random(&seed) % 40; k; k--) {
                const char *c = (const char *const[]){"a", "b", "\xC3\xA9", "\xE2\x96\x81",
                                                      "x", "a"}[next_random(&seed) % 6];
                strcat(word, marker && strlen(c) == 3 ? " " : c);
            }
            end = (uint32_t)strlen(word);
            T_REQUIRE(tok_words_encode(words.words, (const uint8_t *)word, end, 0, &end, 1, a,
                                       &a_count, &e) == NGT_OK);
            T_REQUIRE(tok_bpe_hf_encode(odd, scratch, (const uint8_t *)word, end, b, &b_count,
                                        &e) == NGT_OK);
            if (a_count != b_count || memcmp(a, b, a_count * sizeof *a) != 0) {
                T_FAIL("round %u: \"%s\" differs", round, word);
                break;
            }
        }
        tok_bpe_hf_scratch_free(&scratch);
        tok_bpe_hf_free(&odd);
        tok_hf_words_done(&words);
        tok_hf_encoder_free(&encoder);
        tok_hf_file_done(&f);
    }
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
