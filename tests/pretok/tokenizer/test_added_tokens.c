/*
 * Added tokens: matching from left to right, the longest at each place. The expected cuts are those
 * of tokenizers 0.23.3, sections in parentheses, matches in brackets.
 */
#include "text/added_tokens.h"

#include "t.h"

enum { WORD = 1, LEFT = 2, RIGHT = 4, TEXT = 8 };

struct token {
    const char *content;
    unsigned flags;
};

static const struct {
    const char *name, *text, *expected;
    struct token tokens[5];
} cases[] = {
    {"nothing there", "plain <text", "(plain <text)", {{"<s>", 0}, {"<pad>", 0}}},
    {"empty text", "", "", {{"<s>", 0}}},
    {"whole text", "<s>", "[<s>]", {{"<s>", 0}}},
    {"twice", "<s><s>a", "[<s>][<s>](a)", {{"<s>", 0}}},
    {"longest", "<s>x<s>y", "[<s>x][<s>](y)", {{"<s>", 0}, {"<s>x", 0}}},
    {"leftmost before longest", "abcd", "[ab](cd)", {{"ab", 0}, {"bcd", 0}}},
    {"shorter after a dead end", "<s>xz", "[<s>](xz)", {{"<s>", 0}, {"<s>xy", 0}}},
    {"one byte", "a\xC3\xB5z", "(a)[\xC3\xB5](z)", {{"\xC3\xB5", 0}, {"\xC3\xB7", 0}}},
    {"single letters", "xyx", "[x](y)[x]", {{"x", 0}}},
    {"single word", "the then _the the", "[the]( then _the )[the]", {{"the", WORD}}},
    {"single word beside a mark", "the\xCC\x81 the", "(the\xCC\x81 )[the]", {{"the", WORD}}},
    {"single word beside a sign",
     "(the)\xE2\x96\x81the",
     "(()[the]()\xE2\x96\x81)[the]",
     {{"the", WORD}}},
    {"rejected, and no shorter one is tried",
     "donxa don",
     "(donxa )[don]",
     {{"donx", WORD}, {"don", 0}}},
    {"left", "a \t\xE3\x80\x80<m>b", "(a)[ \t\xE3\x80\x80<m>](b)", {{"<m>", LEFT}}},
    {"right", "a<p> \n b", "(a)[<p> \n ](b)", {{"<p>", RIGHT}}},
    {"both", " <u> ", "[ <u> ]", {{"<u>", LEFT | RIGHT}}},
    {"left stops at the token before", "<p> <m>", "[<p> ][<m>]", {{"<p>", RIGHT}, {"<m>", LEFT}}},
    {"left without right", "<s> <m>", "[<s>][ <m>]", {{"<s>", 0}, {"<m>", LEFT}}},
    {"zero width is no space", "a\xE2\x80\x8B<m>", "(a\xE2\x80\x8B)[<m>]", {{"<m>", LEFT}}},
    {"next line is a space", "a\xC2\x85<m>", "(a)[\xC2\x85<m>]", {{"<m>", LEFT}}},
    /* the automaton goes on where its own match ended, so the spaces are found once more */
    {"spaces taken twice", "a<p>     a", "(a)[<p>     ][  ][  ]( a)", {{"<p>", RIGHT}, {"  ", 0}}},
    {"spaces taken before", "a\n\n\nb", "(a)[\n\n\n](b)", {{"\n", LEFT | RIGHT}}},
    {"a special token that is text", "a<s><s>x", "(a<s>)[<s>x]", {{"<s>", TEXT}, {"<s>x", 0}}},
    {"nothing in place of a text token", "a<s>a", "(a<s>a)", {{"<s>", TEXT}, {"s>", 0}}},
};

static void put(char *out, char open, const char *text, uint64_t from, uint64_t end, char close)
{
    sprintf(out + strlen(out), "%c%.*s%c", open, (int)(end - from), text + from, close);
}

T_CASE(table)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tok_added_token tokens[5] = {0};
        struct tok_added *added = NULL;
        struct tok_added_walk walk = {0};
        struct tok_added_match m;
        const char *text = cases[i].text;
        uint64_t n = strlen(text), count = 0;
        char got[200] = "";
        for (; count < 5 && cases[i].tokens[count].content; count++) {
            const struct token *t = &cases[i].tokens[count];
            tokens[count] = (struct tok_added_token){
                .content = (const uint8_t *)t->content,
                .size = strlen(t->content),
                .id = (uint32_t)count,
                .single_word = (t->flags & WORD) != 0,
                .lstrip = (t->flags & LEFT) != 0,
                .rstrip = (t->flags & RIGHT) != 0,
                .text = (t->flags & TEXT) != 0,
            };
        }
        T_REQUIRE(tok_added_new(tokens, count, "test", &added, NULL) == NGT_OK);
        while (tok_added_next(added, (const uint8_t *)text, n, &walk, &m)) {
            T_TRUE(m.id < count && m.end == walk.done);
            if (m.section < m.start)
                put(got, '(', text, m.section, m.start, ')');
            put(got, '[', text, m.start, m.end, ']');
        }
        if (walk.done < n)
            put(got, '(', text, walk.done, n, ')');
        if (strcmp(got, cases[i].expected) != 0)
            T_FAIL("%s: %s, expected %s", cases[i].name, got, cases[i].expected);
        tok_added_free(&added);
    }
}

/* Each token at each place of longer text, which is passed eight bytes at a time; more first bytes than
 * there are groups of them. */
T_CASE(at_each_place)
{
    static const char *const contents[] = {"<s>", "don", "\xE6\x97\xA5", "#",  "%e",
                                           "[f",  "{g",  "}h",           "|i", "ab"};
    enum { COUNT = sizeof contents / sizeof *contents, ROOM = 30 };
    struct tok_added_token tokens[COUNT] = {0};
    struct tok_added *added = NULL;

    for (uint32_t i = 0; i < COUNT; i++)
        tokens[i] = (struct tok_added_token){
            .content = (const uint8_t *)contents[i], .size = strlen(contents[i]), .id = i};
    T_REQUIRE(tok_added_new(tokens, COUNT, "test", &added, NULL) == NGT_OK);
    for (uint32_t i = 0; i < COUNT; i++)
        for (uint64_t n = tokens[i].size; n <= ROOM; n++)
            for (uint64_t at = 0; at + tokens[i].size <= n; at++) {
                uint8_t *text = malloc(n); /* its end is one that a sanitizer sees */
                struct tok_added_walk walk = {0};
                struct tok_added_match m = {0};
                T_REQUIRE(text);
                memset(text, "xd<"[at % 3], n);
                memcpy(text + at, contents[i], tokens[i].size);
                bool found = tok_added_next(added, text, n, &walk, &m);
                if (!found || m.id != i || m.start != at || m.end != at + tokens[i].size ||
                    tok_added_next(added, text, n, &walk, &m))
                    T_FAIL("\"%s\" at %llu of %llu is not found", contents[i],
                           (unsigned long long)at, (unsigned long long)n);
                free(text);
            }
    tok_added_free(&added);
}

/* Many tokens with a common beginning, against the definition. */
T_CASE(many)
{
    enum { COUNT = 400 };
    static char contents[COUNT][8];
    static struct tok_added_token tokens[COUNT];
    struct tok_added *added = NULL;
    uint64_t seed = 7;
    char text[64];

    for (uint32_t i = 0; i < COUNT; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned n = 1 + (unsigned)(seed >> 60) % 6;
        for (unsigned k = 0; k < n; k++)
            contents[i][k] = "ab<"[(seed >> (8 + 4 * k)) % 3];
        tokens[i] = (struct tok_added_token){
            .content = (const uint8_t *)contents[i], .size = strlen(contents[i]), .id = i};
    }
    T_REQUIRE(tok_added_new(tokens, COUNT, "test", &added, NULL) == NGT_OK);
    for (int round = 0; round < 3000; round++) {
        struct tok_added_walk walk = {0};
        struct tok_added_match m;
        for (unsigned k = 0; k < sizeof text; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            text[k] = "ab<c"[seed >> 62];
        }
        for (uint64_t at = 0; at < sizeof text;) {
            uint64_t longest = 0;
            uint32_t id = 0;
            for (uint32_t i = 0; i < COUNT; i++)
                if (tokens[i].size >= longest && tokens[i].size <= sizeof text - at &&
                    memcmp(text + at, contents[i], tokens[i].size) == 0) {
                    longest = tokens[i].size;
                    id = i;
                }
            if (!longest) {
                at++;
                continue;
            }
            T_REQUIRE(tok_added_next(added, (const uint8_t *)text, sizeof text, &walk, &m));
            T_EQ_U64(m.start, at);
            T_EQ_U64(m.id, id);
            at += longest;
            T_EQ_U64(m.end, at);
        }
        T_TRUE(!tok_added_next(added, (const uint8_t *)text, sizeof text, &walk, &m));
    }
    tok_added_free(&added);
}

int main(int argc, char **argv)
{
    return t_main(argc, argv);
}
