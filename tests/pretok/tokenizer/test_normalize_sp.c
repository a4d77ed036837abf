/* The normaliser: what the library makes of texts, under rules and flags of many kinds. */
#include "text/normalize_sp.h"

#include "load/sp_vocab.h"
#include "sp_models.h"
#include "sp_text.h"
#include "t.h"

static const char *const texts[] = {
    "",
    " ",
    "   ",
    "a",
    " a  b ",
    "A\011b\012\012 c",
    "<u>A",
    " <u> A",
    "b A  c d",
    "\342\226\201",
    " \342\226\201d \342\226\201",
    "a\302\275b\302\275",
    "XX aX",
    "e\314\201e\314\201\314\201e\314",
    "\342\200\213a\342\200\213 ",
    "Q Q",
    "ZZZ\357\254\201",
    "\377\342\226a\355\240\200",
    "\343\200\200a\343\200\200",
    "   \342\200\213  b",
    " c c  c   d",
};

static const struct {
    struct sp_flags flags;
    const char *texts[sizeof texts / sizeof *texts];
} expected[] = {
    {{false, true, false, true, false},
     {
         "",
         "  ",
         "    ",
         " a",
         "  a  b ",
         " A\011b\012\012 c",
         " <u>A",
         "  <u> A",
         " b A  c d",
         "  ",
         "   d  ",
         " a\302\275b\302\275",
         " XX aX",
         " e\314\201e\314\201\314\201e\357\277\275",
         " \342\200\213a\342\200\213 ",
         " Q Q",
         " ZZZ\357\254\201",
         " \357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         " \343\200\200a\343\200\200",
         "    \342\200\213  b",
         "  c c  c   d",
     }},
    {{true, true, true, true, false},
     {
         "",           "",
         "",           " a",
         " a  b",      " a b c",
         " <u>A",      " <u> a",
         " b A  c d",  "",
         "  d",        " a 1/2b 1/2",
         " x x a  x",  " \303\251Ee\357\277\275",
         " a",         " q  q",
         " zZfi",      " \357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         " a",         " b",
         " c c  c  d",
     }},
    {{false, true, true, true, false},
     {
         "",
         "",
         "",
         " a",
         " a  b",
         " A\011b\012\012 c",
         " <u>A",
         " <u> A",
         " b A  c d",
         "",
         "  d",
         " a\302\275b\302\275",
         " XX aX",
         " e\314\201e\314\201\314\201e\357\277\275",
         " \342\200\213a\342\200\213",
         " Q Q",
         " ZZZ\357\254\201",
         " \357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         " \343\200\200a\343\200\200",
         " \342\200\213  b",
         " c c  c  d",
     }},
    {{true, true, false, true, false},
     {
         "",
         "  ",
         "    ",
         " a",
         "  a  b ",
         " a b   c",
         " <u>A",
         "  <u> a",
         " b A  c d",
         "  ",
         "   d  ",
         " a 1/2b 1/2",
         "   x   x  a  x ",
         " \303\251Ee\357\277\275",
         " a ",
         " q  q ",
         " zZfi",
         " \357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         "  a ",
         "      b",
         "  c c  c   d",
     }},
    {{true, true, true, false, false},
     {
         "",
         "",
         "",
         " a",
         " a  b",
         " a b c",
         " <u>A",
         " <u> a",
         " b A  c d",
         " \342\226\201",
         " \342\226\201d \342\226\201",
         " a 1/2b 1/2",
         " x x a  x",
         " \303\251Ee\357\277\275",
         " a",
         " q\342\226\201 q\342\226\201",
         " zZfi",
         " \357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         " a",
         " b",
         " c c  c  d",
     }},
    {{true, true, true, true, true},
     {
         "",           "",
         " ",          "a ",
         "a  b ",      "a b c ",
         "<u>A ",      "<u> a ",
         "b A  c d ",  " ",
         " d ",        "a 1/2b 1/2 ",
         "x x a  x ",  "\303\251Ee\357\277\275 ",
         "a ",         "q  q ",
         "zZfi ",      "\357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275 ",
         "a ",         "b ",
         "c c  c  d ",
     }},
    {{false, true, true, true, true},
     {
         "",
         "",
         " ",
         "a ",
         "a  b ",
         "A\011b\012\012 c ",
         "<u>A ",
         "<u> A ",
         "b A  c d ",
         " ",
         " d ",
         "a\302\275b\302\275 ",
         "XX aX ",
         "e\314\201e\314\201\314\201e\357\277\275 ",
         "\342\200\213a\342\200\213 ",
         "Q Q ",
         "ZZZ\357\254\201 ",
         "\357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275 ",
         "\343\200\200a\343\200\200 ",
         "\342\200\213  b ",
         "c c  c  d ",
     }},
    {{true, false, true, true, false},
     {
         "",          "",
         "",          "a",
         "a  b",      "a b c",
         "<u>A",      "<u> a",
         "b A  c d",  "",
         " d",        "a 1/2b 1/2",
         "x x a  x",  "\303\251Ee\357\277\275",
         "a",         "q  q",
         "zZfi",      "\357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         "a",         "b",
         "c c  c  d",
     }},
    {{false, false, true, false, false},
     {
         "",
         "",
         "",
         "a",
         "a  b",
         "A\011b\012\012 c",
         "<u>A",
         "<u> A",
         "b A  c d",
         "\342\226\201",
         "\342\226\201d \342\226\201",
         "a\302\275b\302\275",
         "XX aX",
         "e\314\201e\314\201\314\201e\357\277\275",
         "\342\200\213a\342\200\213",
         "Q Q",
         "ZZZ\357\254\201",
         "\357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275",
         "\343\200\200a\343\200\200",
         "\342\200\213  b",
         "c c  c  d",
     }},
    {{false, true, false, true, true},
     {
         "",
         "  ",
         "    ",
         "a ",
         " a  b  ",
         "A\011b\012\012 c ",
         "<u>A ",
         " <u> A ",
         "b A  c d ",
         "  ",
         "  d   ",
         "a\302\275b\302\275 ",
         "XX aX ",
         "e\314\201e\314\201\314\201e\357\277\275 ",
         "\342\200\213a\342\200\213  ",
         "Q Q ",
         "ZZZ\357\254\201 ",
         "\357\277\275\357\277\275\357\277\275a\357\277\275\357\277\275\357\277\275 ",
         "\343\200\200a\343\200\200 ",
         "   \342\200\213  b ",
         " c c  c   d ",
     }},
};

static struct sp_file file;

struct model {
    struct tok_sp_vocab vocab;
    struct tok_charsmap *map;
    struct tok_sp_normalizer nz;
};

static void open_model(struct model *m, struct sp_flags flags, const struct tok_sp_scan *scan)
{
    struct tok_sp_parts parts = {0};

    *m = (struct model){0};
    sp_model_text(&file, flags);
    T_REQUIRE(tok_sp_parts_read(file.bytes, file.size, "x", &parts, NULL) == NGT_OK);
    T_REQUIRE(tok_sp_vocab_init(&m->vocab, &parts, "x", NULL) == NGT_OK);
    if (parts.charsmap_bytes)
        T_REQUIRE(tok_charsmap_new(parts.charsmap, parts.charsmap_bytes, "x", &m->map, NULL) ==
                  NGT_OK);
    T_TRUE(!m->map || m->map->text_only);
    m->nz = (struct tok_sp_normalizer){.charsmap = m->map,
                                       .symbols = &m->vocab.raw_symbols,
                                       .dummy_prefix = parts.dummy_prefix,
                                       .suffix = parts.whitespace_as_suffix,
                                       .squeeze = parts.remove_extra_whitespaces,
                                       .escape = parts.escape_whitespaces};
    tok_sp_normalizer_init(&m->nz, scan);
    tok_sp_parts_done(&parts);
}

static void close_model(struct model *m)
{
    tok_sp_vocab_done(&m->vocab);
    tok_charsmap_free(&m->map);
}

T_CASE(as_the_library)
{
    for (int isa = 0; isa < TOK_ISAS; isa++) {
        struct tok_sp_scan scan;
        if (!tok_isa_here((enum tok_isa)isa))
            continue;
        tok_sp_scan_init(&scan, (enum tok_isa)isa);
        for (size_t e = 0; e < sizeof expected / sizeof *expected; e++) {
            struct tok_sp_text text = {0};
            struct model m;
            open_model(&m, expected[e].flags, &scan);
            for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                size_t n = strlen(texts[i]), want = strlen(expected[e].texts[i]);
                uint8_t *exact = malloc(n ? n : 1);
                memcpy(exact, texts[i], n);
                T_REQUIRE(tok_sp_normalize(&m.nz, exact, n, &text, NULL) == NGT_OK);
                if (text.n != want || (want && memcmp(text.bytes, expected[e].texts[i], want) != 0))
                    T_FAIL("flags %u, \"%s\": \"%.*s\" instead of \"%s\"", (unsigned)e, texts[i],
                           (int)text.n, (const char *)text.bytes, expected[e].texts[i]);
                free(exact);
            }
            tok_sp_text_done(&text);
            close_model(&m);
        }
    }
}

static uint64_t state = 0x1234567;

static uint32_t next(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 11) % below;
}

/* Every cut and many damaged bits of a charsmap: refused, or safe to look things up in. */
T_CASE(damaged_charsmap)
{
    static struct sp_charsmap good;
    uint64_t n;

    sp_charsmap(&good, sp_rules, sizeof sp_rules / sizeof *sp_rules);
    for (n = 0; n < good.size; n += n < 2000 ? 1 : 97) {
        struct tok_charsmap *map = NULL;
        uint8_t *exact = malloc(n ? n : 1);
        memcpy(exact, good.bytes, n);
        if (tok_charsmap_new(exact, n, "x", &map, NULL) == NGT_OK)
            tok_charsmap_free(&map);
        free(exact);
    }
    for (unsigned round = 0; round < 3000; round++) {
        struct tok_charsmap *map = NULL;
        uint64_t at = 4 + next((uint32_t)good.size - 4);
        uint8_t was = good.bytes[at], text[40];
        good.bytes[at] ^= (uint8_t)(1u << next(8));
        if (tok_charsmap_new(good.bytes, good.size, "x", &map, NULL) == NGT_OK) {
            for (unsigned i = 0; i < 20; i++) {
                const char *to;
                sp_random_text(&state, false, text, sizeof text);
                T_TRUE(tok_charsmap_longest(map, text, sizeof text, &to) <= sizeof text);
            }
            tok_charsmap_free(&map);
        }
        good.bytes[at] = was;
    }
    /* a cycle: every child of the root leads back to the root's children */
    for (uint32_t u = 0; u <= 255; u++) {
        uint32_t unit = u << 10 | u;
        for (unsigned i = 0; i < 4; i++)
            good.bytes[4 + (256 + u) * 4 + i] = (uint8_t)(unit >> 8 * i);
    }
    struct tok_charsmap *map = NULL;
    const char *to;
    T_REQUIRE(tok_charsmap_new(good.bytes, good.size, "x", &map, NULL) == NGT_OK);
    T_TRUE(!map->text_only);
    T_EQ_U64(tok_charsmap_longest(map, (const uint8_t *)"aaaaaaaa", 8, &to), 0);
    tok_charsmap_free(&map);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
