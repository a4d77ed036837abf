/* A SentencePiece file, written here field by field, to a vocabulary; and every cut and flip of it.
 */
#include "load/sp_model.h"

#include "sp_file.h"
#include "t.h"
#include "text/special_strings.h"

static struct sp_file sample(void)
{
    struct sp_file f = {.size = 0};

    sp_piece(&f, "<unk>", 0, UNKNOWN);
    sp_piece(&f, "<s>", 0, CONTROL);
    sp_piece(&f, "</s>", 0, CONTROL);
    sp_piece(&f, "<0x0A>", 0, BYTE);
    sp_piece(&f, "\xE2\x96\x81the", -1, NORMAL);
    sp_piece(&f, "a\xE2\x96\x81\xE2\x96\x81", 0, USER);
    sp_piece(&f, "old", -1, UNUSED);
    sp_piece(&f, "[x]", 0, CONTROL);
    sp_piece(&f, "[x]y", 0, CONTROL);
    sp_trainer(&f, 2, true, false); /* BPE */
    sp_normalizer(&f, NULL, 0, true, false, true);
    return f;
}

static enum ngt_status read_all(struct sp_file *f, struct tok_model *m, struct ngt_error *error)
{
    return tok_sp_model_read(f->bytes, f->size, "x.model", false, NULL, 0, m, error);
}

T_CASE(vocabulary)
{
    static const struct {
        uint8_t kind;
        const char *bytes;
    } ids[] = {
        {NGT_ID_UNKNOWN, " \xE2\x81\x87 "},
        {NGT_ID_CONTROL, "<s>"},
        {NGT_ID_CONTROL, "</s>"},
        {NGT_ID_BYTE, "\n"},
        {NGT_ID_NORMAL, " the"},
        {NGT_ID_USER_DEFINED, "a  "},
        {NGT_ID_UNUSED, "old"},
        {NGT_ID_CONTROL, "[x]"},
        {NGT_ID_CONTROL, "[x]y"},
    };
    struct sp_file f = sample();
    struct tok_model m = {0};
    struct ngt_error error;

    T_TRUE(tok_sp_model_probe(f.bytes, f.size));
    T_REQUIRE(read_all(&f, &m, &error) == NGT_OK);
    T_EQ_U64(m.vocabulary.count, 9);
    for (uint32_t i = 0; i < 9; i++) {
        uint64_t n = m.starts[i + 1] - m.starts[i];
        if (m.kinds[i] != ids[i].kind || n != strlen(ids[i].bytes) ||
            memcmp(m.bytes + m.starts[i], ids[i].bytes, n) != 0)
            T_FAIL("id %u: kind %u, \"%.*s\"", i, m.kinds[i], (int)n, m.bytes + m.starts[i]);
    }
    T_EQ_U64(m.special.bos, 1);
    T_EQ_U64(m.special.eos, 2);
    T_EQ_U64(m.special.pad, NGT_NO_ID);
    T_EQ_U64(m.special.unk, 0);
    T_EQ_U64(m.vocabulary.flags, NGT_VOCAB_STRIP_FIRST_SPACE);
    T_EQ_STR(m.variant, "bpe");
    tok_model_done(&m);
}

T_CASE(flags)
{
    struct sp_file f = sample(), more = {.size = 0};
    struct tok_model m = {0};
    struct ngt_error error;

    sp_put_number(&more, 24, 1); /* treat_whitespace_as_suffix */
    sp_put_number(&more, 35, 0);
    sp_put_bytes(&f, 2, more.bytes, more.size);
    T_REQUIRE(read_all(&f, &m, &error) == NGT_OK);
    T_EQ_U64(m.vocabulary.flags, NGT_VOCAB_STRIP_LAST_SPACE | NGT_VOCAB_LOSSY);
    tok_model_done(&m);
}

/* Every prefix and every flipped bit: refused, or a vocabulary that holds together. */
T_CASE(damaged)
{
    const struct sp_file good = sample();
    struct ngt_error error;

    for (uint64_t n = 0; n < good.size; n++) {
        struct sp_file f = good;
        struct tok_model m = {0};
        uint8_t *exact = malloc(n ? n : 1); /* the sanitizer sees what lies beyond */
        memcpy(exact, f.bytes, n);
        if (tok_sp_model_read(exact, n, "x", false, NULL, 0, &m, &error) == NGT_OK)
            tok_model_done(&m);
        free(exact);
    }
    for (uint64_t bit = 0; bit < good.size * 8; bit++) {
        struct sp_file f = good;
        struct tok_model m = {0};
        f.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (read_all(&f, &m, &error) != NGT_OK)
            continue;
        T_EQ_U64(m.starts[0], 0);
        for (uint32_t i = 0; i < m.vocabulary.count; i++)
            T_TRUE(m.starts[i] <= m.starts[i + 1] && m.kinds[i] <= NGT_ID_USER_DEFINED);
        tok_model_done(&m);
    }
}

T_CASE(promoted)
{
    static const char *const list[] = {"</s>"}, *const bad[] = {"old"};
    struct sp_file f = sample(), all = sample();
    struct tok_model m = {0};
    struct ngt_error error;
    unsigned changed = 0;

    T_EQ_INT(tok_sp_model_read(f.bytes, f.size, "x", false, bad, 1, &m, &error), NGT_E_DATA);
    T_TRUE(strstr(error.message, "\"old\" is not a control token") != NULL);
    T_REQUIRE(tok_sp_model_read(f.bytes, f.size, "x", false, list, 1, &m, &error) == NGT_OK);
    for (uint64_t i = 0; i < f.size; i++)
        changed += f.bytes[i] != all.bytes[i];
    T_EQ_U64(changed, 1);
    T_EQ_INT(m.kinds[2], NGT_ID_CONTROL);
    tok_model_done(&m);
    f = all;
    T_REQUIRE(tok_sp_model_read(all.bytes, all.size, "x", true, NULL, 0, &m, &error) == NGT_OK);
    changed = 0;
    for (uint64_t i = 0; i < f.size; i++)
        changed += f.bytes[i] != all.bytes[i];
    T_EQ_U64(changed, 4);
    tok_model_done(&m);
}

T_CASE(special_strings)
{
    static const struct {
        const char *text;
        uint64_t count;
    } texts[] = {
        {"", 0},      {"nothing", 0}, {"<s>", 1},  {"<s></s>", 2}, {"<<s>", 1},
        {"<s", 0},    {"</s", 0},     {"[x]", 1},  {"[x]y", 1},    {"[x][x]y[x", 2},
        {"<unk>", 0}, {"<0x0A>", 0},  {"[[x]", 1},
    };
    struct sp_file f = sample();
    struct tok_model m = {0};
    struct tok_special_strings *s = NULL;
    struct ngt_error error;
    bool skip[9] = {[7] = true, [8] = true};

    T_REQUIRE(read_all(&f, &m, &error) == NGT_OK);
    T_REQUIRE(tok_special_strings_new(&m, NULL, &s, &error) == NGT_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t n = strlen(texts[i].text);
        char *exact = malloc(n ? n : 1);
        memcpy(exact, texts[i].text, n);
        if (tok_special_strings_count(s, exact, n) != texts[i].count)
            T_FAIL("\"%s\": %u", texts[i].text, (unsigned)tok_special_strings_count(s, exact, n));
        free(exact);
    }
    tok_special_strings_free(&s);
    T_REQUIRE(tok_special_strings_new(&m, skip, &s, &error) == NGT_OK);
    T_EQ_U64(tok_special_strings_count(s, "[x]<s>", 6), 1);
    tok_special_strings_free(&s);
    tok_model_done(&m);
}

T_CASE(not_a_model)
{
    static const char *const others[] = {"", "{\"model\":{}}", "aGVsbG8= 17\n", "\x0A\xFF", "text"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        T_TRUE(!tok_sp_model_probe((const uint8_t *)others[i], strlen(others[i])));
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
