/*
 * Expression -> tree. Descends by groups, to a bounded depth. What the two libraries read
 * differently is decided by the dialect or refused; nothing is guessed.
 */
#include "split/regex_tree.h"

#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"

enum { MAX_DEPTH = 60, MAX_REPEAT = 1000 };

struct parser {
    struct tok_tree *tree;
    const uint8_t *at;
    uint64_t size, pos;
    enum tok_dialect dialect;
    bool ignore_case;
    unsigned depth;
    const char *path;
    struct ngt_error *err;
};

static enum ngt_status refuse(struct parser *p, uint64_t offset, const char *why)
{
    return ngt_fail(p->err, NGT_E_DATA, p->path, offset, NGT_NO_POS,
                    "expression: %s, at '%.*s'; only splits whose meaning is certain are run", why,
                    (int)(p->size - offset < 20 ? p->size - offset : 20),
                    (const char *)p->at + offset);
}

static enum ngt_status no_memory(struct parser *p)
{
    return ngt_fail(p->err, NGT_E_NOMEM, p->path, NGT_NO_POS, NGT_NO_POS,
                    "no memory for the expression");
}

static bool left(const struct parser *p)
{
    return p->pos < p->size;
}

static bool starts(const struct parser *p, const char *s)
{
    uint64_t n = strlen(s);
    return p->size - p->pos >= n && memcmp(p->at + p->pos, s, n) == 0;
}

static bool accept(struct parser *p, const char *s)
{
    if (!starts(p, s))
        return false;
    p->pos += strlen(s);
    return true;
}

static uint32_t next_char(struct parser *p)
{
    unsigned n;
    uint32_t c = tok_unicode_decode(p->at, p->size, p->pos, &n);
    p->pos += n;
    return c;
}

static uint32_t add_node(struct parser *p, struct tok_node node)
{
    struct tok_tree *t = p->tree;

    if (t->count == t->room) {
        uint64_t room = t->room ? t->room * 2 : 32;
        void *grown = realloc(t->nodes, room * sizeof *t->nodes);
        if (!grown)
            return TOK_NONE;
        t->nodes = grown;
        t->room = room;
    }
    t->nodes[t->count] = node;
    return (uint32_t)t->count++;
}

uint32_t tok_tree_set(struct tok_tree *t, struct tok_charset *set)
{
    if (set->failed)
        goto none;
    for (uint64_t i = 0; i < t->sets_count; i++)
        if (tok_charset_equal(&t->sets[i], set)) {
            tok_charset_done(set);
            return (uint32_t)i;
        }
    if (t->sets_count == t->sets_room) {
        uint64_t room = t->sets_room ? t->sets_room * 2 : 16;
        void *grown = realloc(t->sets, room * sizeof *t->sets);
        if (!grown)
            goto none;
        t->sets = grown;
        t->sets_room = room;
    }
    t->sets[t->sets_count] = *set;
    *set = (struct tok_charset){0};
    return (uint32_t)t->sets_count++;
none:
    tok_charset_done(set);
    return TOK_NONE;
}

static enum ngt_status set_node(struct parser *p, struct tok_charset *set, uint64_t offset,
                                uint32_t *ret)
{
    uint32_t index = tok_tree_set(p->tree, set);

    if (index == TOK_NONE)
        return no_memory(p);
    *ret = add_node(p, (struct tok_node){.kind = TOK_NODE_SET,
                                         .set = index,
                                         .child = TOK_NONE,
                                         .next = TOK_NONE,
                                         .offset = offset});
    return *ret == TOK_NONE ? no_memory(p) : NGT_OK;
}

/* ---- properties ---- */

static uint32_t categories_named(const char *name, uint64_t n)
{
    static const struct {
        const char *longer, *shorter;
    } names[] = {
        {"letter", "l"},
        {"mark", "m"},
        {"number", "n"},
        {"punctuation", "p"},
        {"symbol", "s"},
        {"separator", "z"},
        {"other", "c"},
        {"uppercaseletter", "lu"},
        {"lowercaseletter", "ll"},
        {"titlecaseletter", "lt"},
        {"modifierletter", "lm"},
        {"otherletter", "lo"},
        {"nonspacingmark", "mn"},
        {"spacingmark", "mc"},
        {"enclosingmark", "me"},
        {"decimalnumber", "nd"},
        {"letternumber", "nl"},
        {"othernumber", "no"},
    };
    uint32_t found = 0;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].longer) == n && memcmp(names[i].longer, name, n) == 0) {
            name = names[i].shorter;
            n = strlen(name);
            break;
        }
    for (uint32_t i = 0; i < 32; i++) {
        const char *c = tok_unicode_category_names[i];
        if (c[0] && n >= 1 && n <= 2 && (c[0] | 0x20) == name[0] && (n == 1 || c[1] == name[1]))
            found |= (uint32_t)1 << i;
    }
    return found;
}

/* script, or another set of the table, by its name in lower case */
static const struct tok_unicode_set *script_named(const char *name, uint64_t n)
{
    for (uint32_t i = 0; i < tok_unicode_set_count; i++) {
        const char *s = tok_unicode_set[i].name;
        bool same = strlen(s) == n;
        for (uint64_t k = 0; same && k < n; k++)
            same = (s[k] >= 'A' && s[k] <= 'Z' ? s[k] | 0x20 : s[k]) == name[k];
        if (same)
            return &tok_unicode_set[i];
    }
    return NULL;
}

/* Behind \p or \P. */
static enum ngt_status parse_property(struct parser *p, uint64_t offset, struct tok_charset *set,
                                      bool *ret_negated)
{
    char name[40];
    uint64_t n = 0, from = 0;
    uint32_t categories;
    const struct tok_unicode_set *script;

    if (left(p) && p->at[p->pos] != '{') {
        if (p->dialect != TOK_FANCY)
            return refuse(p, offset, "a property without braces");
        name[n++] = (char)(p->at[p->pos++] | 0x20);
    } else {
        p->pos++;
        *ret_negated = accept(p, "^");
        while (left(p) && p->at[p->pos] != '}') {
            uint8_t c = p->at[p->pos++];
            if (c == ' ' || c == '_' || c == '-')
                continue;
            if (n == sizeof name)
                return refuse(p, offset, "an unknown property");
            name[n++] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
        }
        if (!accept(p, "}"))
            return refuse(p, offset, "a property without its closing brace");
    }
    if (p->dialect == TOK_FANCY && n > 7 && memcmp(name, "script=", 7) == 0)
        from = 7;
    categories = from ? 0 : categories_named(name, n);
    script = script_named(name + from, n - from);
    if (categories)
        tok_charset_add_categories(set, categories);
    else if (script)
        tok_charset_add_set(set, script);
    else
        return refuse(p, offset, "an unknown property");
    return NGT_OK;
}

static void add_named_categories(struct tok_charset *set, const char *const *names)
{
    uint32_t all = 0;
    for (; *names; names++)
        all |= categories_named(*names, strlen(*names));
    tok_charset_add_categories(set, all);
}

/*
 * What \w has. Oniguruma takes the numbers below U+0100 that are no digits (superscripts, halves)
 * for word characters, but not inside a class: two tables of its own that disagree.
 */
static void add_word(struct tok_charset *set, enum tok_dialect dialect, bool in_class)
{
    static const char *const names[] = {"l", "m", "nd", "pc", NULL};
    const char *more = dialect == TOK_FANCY ? "word fancy" : "word onig";
    const struct tok_unicode_set *others = script_named(more, strlen(more));

    add_named_categories(set, names);
    for (uint32_t i = 0; i < others->count; i++)
        if (others->ranges[i].first >= 0x100 || !in_class)
            tok_charset_add(set, others->ranges[i].first, others->ranges[i].last);
}

static void add_space(struct tok_charset *set)
{
    for (uint32_t c = 0; c <= 0x3000; c++)
        if (tok_unicode_class(c) & TOK_SPACE)
            tok_charset_add(set, c, c);
}

/* ---- escapes ---- */

static enum ngt_status parse_hex(struct parser *p, uint64_t offset, unsigned least, unsigned most,
                                 uint32_t *ret)
{
    uint32_t value = 0;
    unsigned n = 0;

    while (n < most && left(p)) {
        uint8_t c = p->at[p->pos], low = (uint8_t)(c | 0x20);
        if (c >= '0' && c <= '9')
            value = value * 16 + (c - '0');
        else if (low >= 'a' && low <= 'f')
            value = value * 16 + (low - 'a' + 10u);
        else
            break;
        p->pos++;
        n++;
    }
    if (n < least || value >= TOK_CODE_POINTS || (value >= 0xD800 && value < 0xE000))
        return refuse(p, offset, "an escaped code point that is none");
    *ret = value;
    return NGT_OK;
}

/*
 * A backslash and what follows, in a class or outside: a character (*ret_single) or a set. Anchors
 * are not handled here.
 */
static enum ngt_status parse_escape(struct parser *p, bool in_class, struct tok_charset *set,
                                    bool *ret_single, uint32_t *ret_char)
{
    static const char *const digits[] = {"nd", NULL};
    uint64_t offset = p->pos++;
    bool negated = false, inner = false;
    enum ngt_status status = NGT_OK;
    uint32_t c;

    if (!left(p))
        return refuse(p, offset, "a backslash at the end");
    c = next_char(p);
    *ret_single = true;
    switch (c) {
    case 't':
        *ret_char = '\t';
        return NGT_OK;
    case 'n':
        *ret_char = '\n';
        return NGT_OK;
    case 'v':
        *ret_char = '\v';
        return NGT_OK;
    case 'f':
        *ret_char = '\f';
        return NGT_OK;
    case 'r':
        *ret_char = '\r';
        return NGT_OK;
    case 'a':
        *ret_char = '\a';
        return NGT_OK;
    case 'x':
        if (accept(p, "{")) {
            status = parse_hex(p, offset, 1, 8, ret_char);
            if (status == NGT_OK && !accept(p, "}"))
                status = refuse(p, offset, "an escaped code point without its closing brace");
            return status;
        }
        status = parse_hex(p, offset, 2, 2, ret_char);
        if (status == NGT_OK && *ret_char >= 0x80 && p->dialect == TOK_ONIGURUMA)
            status = refuse(p, offset, "an escaped byte"); /* a byte of UTF-8 there */
        return status;
    case 'u':
        return parse_hex(p, offset, 4, 4, ret_char);
    default:
        break;
    }
    if (c >= 0x80 || !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        if (c >= '0' && c <= '9')
            return refuse(p, offset, "a back-reference or octal number");
        *ret_char = c;
        return NGT_OK;
    }
    *ret_single = false;
    negated = c < 'a';
    switch (c | 0x20) {
    case 'd':
        add_named_categories(set, digits);
        break;
    case 's':
        add_space(set);
        break;
    case 'w':
        add_word(set, p->dialect, in_class);
        break;
    case 'h':
        tok_charset_add(set, '0', '9');
        tok_charset_add(set, 'A', 'F');
        tok_charset_add(set, 'a', 'f');
        break;
    case 'p':
        status = parse_property(p, offset, set, &inner);
        break;
    default:
        return refuse(p, offset, "an unknown escape");
    }
    if (status != NGT_OK)
        return status;
    if (p->ignore_case) {
        struct tok_charset folded = {0};
        tok_charset_add_all(&folded, set);
        tok_charset_fold(&folded);
        bool differs = !folded.failed && !tok_charset_equal(&folded, set);
        set->failed |= folded.failed;
        if (differs && (p->dialect == TOK_ONIGURUMA || negated || inner))
            status = refuse(p, offset, "a property of case where case is ignored");
        else if (differs)
            tok_charset_add_all(set, &folded);
        tok_charset_done(&folded);
    }
    if (negated != inner)
        tok_charset_invert(set);
    return status;
}

/* ---- classes ---- */

static enum ngt_status parse_class(struct parser *p, struct tok_charset *set);

/* Is a `-` here a literal: the last thing of a class? */
static bool dash_is_last(const struct parser *p)
{
    return p->pos + 1 < p->size && p->at[p->pos] == '-' && p->at[p->pos + 1] == ']';
}

/* One item, or a range, added to set. */
static enum ngt_status parse_item(struct parser *p, struct tok_charset *set)
{
    uint64_t offset = p->pos;
    struct tok_charset one = {0};
    bool single = true;
    uint32_t first = 0, last;
    enum ngt_status status = NGT_OK;

    if (starts(p, "[:")) {
        status = refuse(p, offset, "a POSIX bracket");
    } else if (starts(p, "[")) {
        single = false;
        status = parse_class(p, &one);
    } else if (starts(p, "\\b")) {
        p->pos += 2;
        first = '\b';
    } else if (starts(p, "\\")) {
        status = parse_escape(p, true, &one, &single, &first);
    } else if (starts(p, "--") || starts(p, "~~")) {
        status = refuse(p, offset, "an operator of classes");
    } else {
        first = next_char(p);
    }
    if (status != NGT_OK)
        goto out;
    if (starts(p, "--") || starts(p, "~~")) {
        status = refuse(p, p->pos, "an operator of classes");
        goto out;
    }
    if (!single) {
        if (starts(p, "-") && !dash_is_last(p))
            status = refuse(p, p->pos, "a range that begins with a set");
        tok_charset_add_all(set, &one);
        goto out;
    }
    last = first;
    if (starts(p, "-") && !dash_is_last(p)) {
        p->pos++;
        if (!left(p) || starts(p, "["))
            status = refuse(p, offset, "a range without an end");
        else if (starts(p, "\\"))
            status = parse_escape(p, true, &one, &single, &last);
        else
            last = next_char(p);
        if (status == NGT_OK && (!single || last < first))
            status = refuse(p, offset, "a range without an end");
        if (status == NGT_OK && starts(p, "-") && !dash_is_last(p))
            status = refuse(p, offset, "a range behind a range");
        if (status != NGT_OK)
            goto out;
    }
    tok_charset_add(&one, first, last);
    if (p->ignore_case)
        tok_charset_fold(&one);
    tok_charset_add_all(set, &one);
out:
    tok_charset_done(&one);
    return status;
}

/* At `[`. && binds weakest, then negation of the whole. */
static enum ngt_status parse_class(struct parser *p, struct tok_charset *set)
{
    uint64_t offset = p->pos++;
    bool negated = accept(p, "^"), narrowed = false, first = true;
    struct tok_charset part = {0}, all = {0};
    enum ngt_status status = NGT_OK;

    if (++p->depth > MAX_DEPTH)
        status = refuse(p, offset, "nested too deep");
    if (status == NGT_OK && starts(p, "-") && !dash_is_last(p) && p->pos + 1 < p->size) {
        tok_charset_add(&part, '-', '-');
        p->pos++;
        if (starts(p, "-"))
            status = refuse(p, p->pos, "an operator of classes");
        first = false;
    }
    while (status == NGT_OK) {
        if (!left(p)) {
            status = refuse(p, offset, "a class without its closing bracket");
        } else if (starts(p, "]") && !first) {
            p->pos++;
            break;
        } else if (accept(p, "&&")) {
            if (first || starts(p, "]") || starts(p, "&"))
                status = refuse(p, p->pos, "an intersection with nothing");
            if (narrowed)
                tok_charset_intersect(&all, &part);
            else
                tok_charset_add_all(&all, &part);
            narrowed = true;
            tok_charset_done(&part);
        } else if (dash_is_last(p)) {
            tok_charset_add(&part, '-', '-');
            p->pos++;
        } else {
            status = parse_item(p, &part);
        }
        first = false;
    }
    if (narrowed)
        tok_charset_intersect(&part, &all);
    if (negated)
        tok_charset_invert(&part);
    tok_charset_add_all(set, &part);
    tok_charset_done(&part);
    tok_charset_done(&all);
    p->depth--;
    return status;
}

/* ---- groups, sequences ---- */

static enum ngt_status parse_alternatives(struct parser *p, uint32_t *ret);

static uint32_t inner_node(struct parser *p, enum tok_node_kind kind, uint32_t child,
                           uint64_t offset)
{
    return add_node(
        p, (struct tok_node){.kind = kind, .child = child, .next = TOK_NONE, .offset = offset});
}

/* The letters of (?i) or (?i-m:, up to `)` or `:`. */
static enum ngt_status parse_flags(struct parser *p, uint64_t offset)
{
    bool on = true;

    for (; left(p) && p->at[p->pos] != ')' && p->at[p->pos] != ':'; p->pos++) {
        if (p->at[p->pos] == '-' && on)
            on = false;
        else if (p->at[p->pos] == 'i')
            p->ignore_case = on;
        else
            return refuse(p, offset, "an unknown flag");
    }
    return left(p) ? NGT_OK : refuse(p, offset, "a group without its closing parenthesis");
}

static enum ngt_status parse_body(struct parser *p, uint64_t offset, uint32_t *ret)
{
    enum ngt_status status;

    if (++p->depth > MAX_DEPTH)
        return refuse(p, offset, "nested too deep");
    status = parse_alternatives(p, ret);
    p->depth--;
    if (status == NGT_OK && !accept(p, ")"))
        status = refuse(p, offset, "a group without its closing parenthesis");
    return status;
}

/* At `(`. *ret stays TOK_NONE for (?i), which holds until the enclosing group ends. */
static enum ngt_status parse_group(struct parser *p, bool first, uint32_t *ret)
{
    uint64_t offset = p->pos++;
    bool before = p->ignore_case;
    bool look = false, atomic = false, behind = false, negated = false;
    enum ngt_status status = NGT_OK;
    uint32_t body;

    *ret = TOK_NONE;
    if (accept(p, "?")) {
        if (accept(p, ">"))
            atomic = true;
        else if (accept(p, "="))
            look = true;
        else if (accept(p, "!"))
            look = negated = true;
        else if (accept(p, "<="))
            look = behind = true;
        else if (accept(p, "<!"))
            look = behind = negated = true;
        else if (accept(p, "<") || (p->dialect == TOK_FANCY && accept(p, "P<"))) {
            while (left(p) && p->at[p->pos] != '>')
                p->pos++;
            if (!accept(p, ">"))
                return refuse(p, offset, "a group name without its end");
        } else if (!accept(p, ":")) {
            status = parse_flags(p, offset);
            if (status != NGT_OK)
                return status;
            if (accept(p, ")")) {
                /* Elsewhere than at the beginning the libraries disagree about its end. */
                return first ? NGT_OK : refuse(p, offset, "a flag in the middle");
            }
            p->pos++;
        }
    } else if (starts(p, "*")) {
        return refuse(p, offset, "a callout or verb");
    }
    status = parse_body(p, offset, &body);
    p->ignore_case = before;
    if (status != NGT_OK)
        return status;
    *ret = body;
    if (atomic || look) {
        *ret = inner_node(p, atomic ? TOK_NODE_ATOMIC : TOK_NODE_LOOK, body, offset);
        if (*ret == TOK_NONE)
            return no_memory(p);
        p->tree->nodes[*ret].behind = behind;
        p->tree->nodes[*ret].negated = negated;
    }
    return NGT_OK;
}

static bool parse_assert(struct parser *p, enum tok_assert *ret)
{
    bool lines = p->dialect == TOK_ONIGURUMA;

    if (accept(p, "^"))
        *ret = lines ? TOK_ASSERT_LINE_BEGIN : TOK_ASSERT_BEGIN;
    else if (accept(p, "$"))
        *ret = lines ? TOK_ASSERT_LINE_END : TOK_ASSERT_END;
    else if (accept(p, "\\A"))
        *ret = TOK_ASSERT_BEGIN;
    else if (accept(p, "\\z"))
        *ret = TOK_ASSERT_END;
    else if (accept(p, "\\b"))
        *ret = TOK_ASSERT_WORD;
    else if (accept(p, "\\B"))
        *ret = TOK_ASSERT_NOT_WORD;
    else
        return false;
    return true;
}

/* {n} {n,} {n,m} {,m}; anything else in braces is literal text, as in both libraries. */
static bool parse_interval(struct parser *p, uint32_t *ret_min, uint32_t *ret_max)
{
    uint64_t at = p->pos + 1;
    uint64_t value[2] = {0, 0};
    bool have[2] = {false, false}, comma = false;

    for (; at < p->size && p->at[at] != '}'; at++) {
        uint8_t c = p->at[at];
        if (c == ',' && !comma)
            comma = true;
        else if (c >= '0' && c <= '9' && value[comma] < 100000)
            value[comma] = value[comma] * 10 + (c - '0'), have[comma] = true;
        else
            return false;
    }
    if (at == p->size || !(have[0] || have[1]))
        return false;
    p->pos = at + 1;
    *ret_min = (uint32_t)value[0];
    *ret_max = !comma ? (uint32_t)value[0] : have[1] ? (uint32_t)value[1] : TOK_UNLIMITED;
    return true;
}

static enum ngt_status repeat_node(struct parser *p, uint32_t child, uint32_t min, uint32_t max,
                                   enum tok_greed greed, uint64_t offset, uint32_t *ret)
{
    if (max < min || min > MAX_REPEAT || (max != TOK_UNLIMITED && max > MAX_REPEAT))
        return refuse(p, offset, "a number of repetitions out of range");
    *ret = inner_node(p, TOK_NODE_REPEAT, child, offset);
    if (*ret == TOK_NONE)
        return no_memory(p);
    p->tree->nodes[*ret].min = min;
    p->tree->nodes[*ret].max = max;
    p->tree->nodes[*ret].greed = greed;
    return NGT_OK;
}

static bool at_quantifier(struct parser *p)
{
    uint64_t before = p->pos;
    uint32_t a, b;
    bool is = left(p) &&
              (strchr("*+?", p->at[p->pos]) || (p->at[p->pos] == '{' && parse_interval(p, &a, &b)));

    is = is && p->at[before] != 0;
    p->pos = before;
    return is;
}

/* Wraps *node in the quantifier that follows, if one does. */
static enum ngt_status parse_quantifier(struct parser *p, uint32_t *node)
{
    uint64_t offset = p->pos;
    uint32_t min = 0, max = TOK_UNLIMITED;
    enum tok_greed greed = TOK_GREEDY;
    bool interval = false, again = false, optional = false;
    enum ngt_status status;

    if (!at_quantifier(p))
        return NGT_OK;
    enum tok_node_kind kind = p->tree->nodes[*node].kind;
    if (kind == TOK_NODE_LOOK || kind == TOK_NODE_ASSERT)
        return refuse(p, offset, "a repeated condition");
    if (accept(p, "*")) {
    } else if (accept(p, "+")) {
        min = 1;
    } else if (accept(p, "?")) {
        max = 1;
    } else {
        interval = parse_interval(p, &min, &max);
    }
    bool onig_interval = interval && p->dialect == TOK_ONIGURUMA;
    if (accept(p, "+")) {
        if (onig_interval)
            again = true;
        else
            greed = TOK_POSSESSIVE;
    } else if (accept(p, "?")) {
        if (onig_interval && min == max)
            optional = true;
        else
            greed = TOK_LAZY;
    }
    if (at_quantifier(p))
        return refuse(p, p->pos, "a repeated repetition");
    status = repeat_node(p, *node, min, max, greed, offset, node);
    if (status == NGT_OK && again)
        status = repeat_node(p, *node, 1, TOK_UNLIMITED, TOK_GREEDY, offset, node);
    if (status == NGT_OK && optional)
        status = repeat_node(p, *node, 0, 1, TOK_GREEDY, offset, node);
    return status;
}

/*
 * Where case is ignored Oniguruma lets one character match several and the reverse (sharp s and
 * ss). Such neighbours are refused; contractions have none.
 */
static bool folds_to_one(uint32_t a, uint32_t b)
{
    a = a >= 'A' && a <= 'Z' ? a | 0x20 : a;
    b = b >= 'A' && b <= 'Z' ? b | 0x20 : b;
    return (a == 's' && (b == 's' || b == 't')) ||
           (a == 'f' && (b == 'f' || b == 'i' || b == 'l')) || a == 0xDF || a == 0x1E9E ||
           (a >= 'a' && b >= 0x80 && b != 0x17F) || (a == 0x17F && b == 's') ||
           (b == 0x17F && a == 's');
}

static enum ngt_status parse_atom(struct parser *p, bool first, uint32_t *literal, uint32_t *ret)
{
    uint64_t offset = p->pos;
    struct tok_charset set = {0};
    enum ngt_status status = NGT_OK;
    enum tok_assert assertion;
    bool single = false;
    uint32_t c = 0, before = *literal;

    *literal = TOK_NONE;
    if (starts(p, "("))
        return parse_group(p, first, ret);
    if (parse_assert(p, &assertion)) {
        *ret = inner_node(p, TOK_NODE_ASSERT, TOK_NONE, offset);
        if (*ret == TOK_NONE)
            return no_memory(p);
        p->tree->nodes[*ret].assertion = assertion;
        return NGT_OK;
    }
    if (at_quantifier(p))
        return refuse(p, offset, "a repetition of nothing");
    if (starts(p, "[")) {
        status = parse_class(p, &set);
    } else if (accept(p, ".")) {
        tok_charset_add(&set, '\n', '\n');
        tok_charset_invert(&set);
    } else if (starts(p, "\\")) {
        status = parse_escape(p, false, &set, &single, &c);
    } else {
        single = true;
        c = next_char(p);
    }
    if (status == NGT_OK && single) {
        tok_charset_add(&set, c, c);
        if (p->ignore_case) {
            tok_charset_fold(&set);
            if (p->dialect == TOK_ONIGURUMA &&
                (c == 0xDF || c == 0x1E9E || (c >= 0xFB00 && c <= 0xFB17) ||
                 (before != TOK_NONE && folds_to_one(before, c))))
                status = refuse(p, offset, "letters that fold to one where case is ignored");
        }
        *literal = c;
    }
    if (status == NGT_OK)
        return set_node(p, &set, offset, ret);
    tok_charset_done(&set);
    return status;
}

static enum ngt_status parse_sequence(struct parser *p, bool first, uint32_t *ret)
{
    uint32_t sequence = inner_node(p, TOK_NODE_CAT, TOK_NONE, p->pos), last = TOK_NONE;
    uint32_t literal = TOK_NONE;

    if (sequence == TOK_NONE)
        return no_memory(p);
    while (left(p) && !starts(p, "|") && !starts(p, ")")) {
        uint32_t node = TOK_NONE;
        enum ngt_status status = parse_atom(p, first && last == TOK_NONE, &literal, &node);
        if (status == NGT_OK && node != TOK_NONE)
            status = parse_quantifier(p, &node);
        else if (status == NGT_OK && at_quantifier(p))
            status = refuse(p, p->pos, "a repetition of nothing");
        if (status != NGT_OK)
            return status;
        if (node == TOK_NONE)
            continue;
        /* A node gets one parent, so its `next` is free. */
        if (last == TOK_NONE)
            p->tree->nodes[sequence].child = node;
        else
            p->tree->nodes[last].next = node;
        last = node;
    }
    *ret = sequence;
    return NGT_OK;
}

static enum ngt_status parse_alternatives(struct parser *p, uint32_t *ret)
{
    uint32_t all = TOK_NONE, last, node;
    uint64_t offset = p->pos;
    enum ngt_status status = parse_sequence(p, true, &node);

    if (status != NGT_OK || !starts(p, "|")) {
        *ret = node;
        return status;
    }
    all = inner_node(p, TOK_NODE_ALT, node, offset);
    if (all == TOK_NONE)
        return no_memory(p);
    last = node;
    while (accept(p, "|")) {
        status = parse_sequence(p, false, &node);
        if (status != NGT_OK)
            return status;
        p->tree->nodes[last].next = node;
        last = node;
    }
    *ret = all;
    return NGT_OK;
}

void tok_tree_done(struct tok_tree *t)
{
    for (uint64_t i = 0; i < t->sets_count; i++)
        tok_charset_done(&t->sets[i]);
    free(t->sets);
    free(t->nodes);
    *t = (struct tok_tree){0};
}

enum ngt_status tok_tree_parse(struct tok_tree *tree, const char *pattern, uint64_t size,
                               enum tok_dialect dialect, const char *path, struct ngt_error *reterr)
{
    struct parser p = {.tree = tree,
                       .at = (const uint8_t *)pattern,
                       .size = size,
                       .dialect = dialect,
                       .path = path,
                       .err = reterr};
    struct tok_charset word = {0};
    enum ngt_status status;

    add_word(&word, dialect, false);
    tree->word = tok_tree_set(tree, &word);
    if (tree->word == TOK_NONE)
        return no_memory(&p);
    status = parse_alternatives(&p, &tree->root);
    if (status == NGT_OK && left(&p))
        status = refuse(&p, p.pos, "a closing parenthesis too many");
    return status;
}
