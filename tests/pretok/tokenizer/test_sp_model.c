/* A SentencePiece file, written here field by field, to a vocabulary; and every cut and flip of it.
 */
#include "load/sp_model.h"

#include "text/special_strings.h"
#include "t.h"

struct file {
    uint8_t bytes[4096];
    uint64_t size;
};

static void put_varint(struct file *f, uint64_t v)
{
    do {
        f->bytes[f->size++] = (uint8_t)((v & 0x7F) | (v > 0x7F ? 0x80 : 0));
        v >>= 7;
    } while (v);
}

static void put_bytes(struct file *f, unsigned field, const void *bytes, uint64_t n)
{
    put_varint(f, field << 3 | 2);
    put_varint(f, n);
    memcpy(f->bytes + f->size, bytes, n);
    f->size += n;
}

static void put_number(struct file *f, unsigned field, uint64_t v)
{
    put_varint(f, field << 3);
    put_varint(f, v);
}

static void piece(struct file *f, const char *name, unsigned type)
{
    struct file p = {.size = 0};

    put_bytes(&p, 1, name, strlen(name));
    put_varint(&p, 2 << 3 | 5);
    memcpy(p.bytes + p.size, "\0\0\x80\xBF", 4);
    p.size += 4;
    if (type != 1)
        put_number(&p, 3, type);
    put_bytes(f, 1, p.bytes, p.size);
}

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

static struct file sample(void)
{
    struct file f = {.size = 0}, trainer = {.size = 0}, normalizer = {.size = 0};

    piece(&f, "<unk>", UNKNOWN);
    piece(&f, "<s>", CONTROL);
    piece(&f, "</s>", CONTROL);
    piece(&f, "<0x0A>", BYTE);
    piece(&f, "\xE2\x96\x81the", NORMAL);
    piece(&f, "a\xE2\x96\x81\xE2\x96\x81", USER);
    piece(&f, "old", UNUSED);
    piece(&f, "[x]", CONTROL);
    piece(&f, "[x]y", CONTROL);
    put_number(&trainer, 3, 2);  /* BPE */
    put_number(&trainer, 35, 1); /* byte_fallback */
    put_number(&trainer, 36, 1);
    put_bytes(&f, 2, trainer.bytes, trainer.size);
    put_bytes(&normalizer, 1, "identity", 8);
    put_number(&normalizer, 3, 1);
    put_number(&normalizer, 4, 0);
    put_bytes(&f, 3, normalizer.bytes, normalizer.size);
    return f;
}

static enum ngt_status read_all(struct file *f, struct tok_model *m, struct ngt_error *error)
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
    struct file f = sample();
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
    struct file f = sample(), more = {.size = 0};
    struct tok_model m = {0};
    struct ngt_error error;

    put_number(&more, 24, 1); /* treat_whitespace_as_suffix */
    put_number(&more, 35, 0);
    put_bytes(&f, 2, more.bytes, more.size);
    T_REQUIRE(read_all(&f, &m, &error) == NGT_OK);
    T_EQ_U64(m.vocabulary.flags, NGT_VOCAB_STRIP_LAST_SPACE | NGT_VOCAB_LOSSY);
    tok_model_done(&m);
}

/* Every prefix and every flipped bit: refused, or a vocabulary that holds together. */
T_CASE(damaged)
{
    const struct file good = sample();
    struct ngt_error error;

    for (uint64_t n = 0; n < good.size; n++) {
        struct file f = good;
        struct tok_model m = {0};
        uint8_t *exact = malloc(n ? n : 1); /* the sanitizer sees what lies beyond */
        memcpy(exact, f.bytes, n);
        if (tok_sp_model_read(exact, n, "x", false, NULL, 0, &m, &error) == NGT_OK)
            tok_model_done(&m);
        free(exact);
    }
    for (uint64_t bit = 0; bit < good.size * 8; bit++) {
        struct file f = good;
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
    struct file f = sample(), all = sample();
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
    struct file f = sample();
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
