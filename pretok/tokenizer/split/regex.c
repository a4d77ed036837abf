/*
 * Tree -> program, and the machine that runs it.
 *
 * The machine is a backtracker with an explicit stack. A run of one set (`\p{L}+`) is one entry that
 * gives characters back one at a time, so ordinary expressions push a few entries a match. Once an
 * attempt has taken many more steps than it has looked at bytes it starts over and marks each
 * (branch, place) it enters: entering it again can only fail again, because nothing but the branch
 * and the place decides what follows (there are no captures or back-references, counts are written
 * out as copies). A body of look-around is the exception, where reaching its end is no failure:
 * marks set inside are taken back when it ends.
 */
#include "split/regex.h"

#include <stdlib.h>
#include <string.h>

#include "split/regex_tree.h"
#include "text/unicode.h"

enum { MAX_PROGRAM = 20000 };

enum op {
    OP_SET,      /* set */
    OP_STAR,     /* set: as many as there are, giving back */
    OP_STAR_ALL, /* set: as many as there are */
    OP_SPLIT,    /* a, then b; if set is given, a only where the next character is in it */
    OP_JUMP,     /* a */
    OP_ATOMIC,   /* opens a frame */
    OP_ATOMIC_END,
    OP_LOOK,     /* opens a frame; body behind, b: where to go on; back characters */
    OP_LOOK_END, /* a: its OP_LOOK */
    OP_NEXT,     /* set, negated: is the next character one of it? */
    OP_BEFORE,   /* set, negated: is the previous one? */
    OP_ASSERT,
    OP_MATCH,
};

struct instruction {
    enum op op;
    uint32_t a, b, set;
    uint32_t branch; /* number among SPLIT and STAR, for marks */
    uint32_t back;
    enum tok_assert assertion;
    bool negated;
};

struct tok_regex {
    struct instruction *code;
    uint64_t count, room;
    struct tok_charmap **maps; /* one a set */
    uint64_t maps_count;
    uint32_t branches, word;
    uint32_t start; /* set of characters a match can begin with, or TOK_NONE */
    bool covers;
    /* Expressions that are x, x+, or y?x+, as most of what is split at in several steps: found
     * without the machine. TOK_NONE: another, or no y. */
    uint32_t simple, simple_before;
    bool simple_many;
};

/* ---- facts about the tree ---- */

static bool nullable(const struct tok_tree *t, uint32_t index)
{
    const struct tok_node *n = &t->nodes[index];
    bool any = false;

    switch (n->kind) {
    case TOK_NODE_SET:
        return false;
    case TOK_NODE_LOOK:
    case TOK_NODE_ASSERT:
        return true;
    case TOK_NODE_REPEAT:
        return n->min == 0 || nullable(t, n->child);
    case TOK_NODE_ATOMIC:
        return nullable(t, n->child);
    case TOK_NODE_CAT:
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next)
            if (!nullable(t, c))
                return false;
        return true;
    case TOK_NODE_ALT:
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next)
            any |= nullable(t, c);
        return any;
    }
    return true;
}

/* Adds the characters a match of the node can begin with; meaningful only if not nullable. */
static void first_of(const struct tok_tree *t, uint32_t index, struct tok_charset *set)
{
    const struct tok_node *n = &t->nodes[index];

    switch (n->kind) {
    case TOK_NODE_SET:
        tok_charset_add_all(set, &t->sets[n->set]);
        break;
    case TOK_NODE_LOOK:
    case TOK_NODE_ASSERT:
        break;
    case TOK_NODE_REPEAT:
    case TOK_NODE_ATOMIC:
        first_of(t, n->child, set);
        break;
    case TOK_NODE_CAT:
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next) {
            first_of(t, c, set);
            if (!nullable(t, c))
                break;
        }
        break;
    case TOK_NODE_ALT:
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next)
            first_of(t, c, set);
        break;
    }
}

/* Characters of every match of the node, or TOK_NONE where they vary. */
static uint32_t fixed_length(const struct tok_tree *t, uint32_t index)
{
    const struct tok_node *n = &t->nodes[index];
    uint32_t sum = 0, one;

    switch (n->kind) {
    case TOK_NODE_SET:
        return 1;
    case TOK_NODE_LOOK:
    case TOK_NODE_ASSERT:
        return 0;
    case TOK_NODE_ATOMIC:
        return fixed_length(t, n->child);
    case TOK_NODE_REPEAT:
        one = fixed_length(t, n->child);
        return one == TOK_NONE || n->min != n->max ? TOK_NONE : one * n->min;
    case TOK_NODE_CAT:
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next) {
            one = fixed_length(t, c);
            if (one == TOK_NONE || sum + one > 1000)
                return TOK_NONE;
            sum += one;
        }
        return sum;
    case TOK_NODE_ALT:
        sum = TOK_NONE;
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next) {
            one = fixed_length(t, c);
            if (one == TOK_NONE || (sum != TOK_NONE && one != sum))
                return TOK_NONE;
            sum = one;
        }
        return sum;
    }
    return TOK_NONE;
}

/* The set of a node that is one character, or a sequence of one such; else TOK_NONE. */
static uint32_t single_set(const struct tok_tree *t, uint32_t index)
{
    const struct tok_node *n = &t->nodes[index];

    if (n->kind == TOK_NODE_SET)
        return n->set;
    if (n->kind == TOK_NODE_CAT && n->child != TOK_NONE && t->nodes[n->child].next == TOK_NONE)
        return single_set(t, n->child);
    return TOK_NONE;
}

/* The set of x or x+ (or x{1,3} ...), x one character. */
static uint32_t one_or_more(const struct tok_tree *t, uint32_t index)
{
    const struct tok_node *n = &t->nodes[index];

    if (n->kind == TOK_NODE_REPEAT)
        return n->min == 1 ? single_set(t, n->child) : TOK_NONE;
    return n->kind == TOK_NODE_SET ? n->set : TOK_NONE;
}

/*
 * Adds characters for which the alternative surely matches a text that begins with one of them. It
 * does where it is made of parts that may be empty and one part, one or more characters of a set,
 * that the character itself satisfies: backtracking finds that way if no other. What never gives
 * back (possessive) must not be able to take the character away.
 */
static void surely(const struct tok_tree *t, uint32_t index, struct tok_charset *set)
{
    const struct tok_node *n = &t->nodes[index];
    uint32_t need = TOK_NONE; /* the set of the one part that must match */

    if (n->kind == TOK_NODE_SET) {
        tok_charset_add_all(set, &t->sets[n->set]);
        return;
    }
    if (n->kind == TOK_NODE_ALT)
        for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next)
            surely(t, c, set);
    if (n->kind != TOK_NODE_CAT)
        return;
    for (uint32_t c = n->child; c != TOK_NONE; c = t->nodes[c].next) {
        uint32_t one = one_or_more(t, c);
        const struct tok_node *part = &t->nodes[c];
        if (one != TOK_NONE && need == TOK_NONE)
            need = one;
        else if (part->kind != TOK_NODE_REPEAT || part->min > 0)
            return;
    }
    if (need == TOK_NONE)
        return;
    for (uint32_t c = n->child; one_or_more(t, c) == TOK_NONE; c = t->nodes[c].next)
        if (t->nodes[c].greed == TOK_POSSESSIVE) {
            struct tok_charset taken = {0};
            first_of(t, t->nodes[c].child, &taken);
            bool apart = !taken.failed && tok_charset_disjoint(&taken, &t->sets[need]);
            tok_charset_done(&taken);
            if (!apart)
                return;
        }
    tok_charset_add_all(set, &t->sets[need]);
}

/* x or x+, with y? before it? */
static void find_simple(const struct tok_tree *t, struct tok_regex *r)
{
    uint32_t index = t->root, before = TOK_NONE;
    const struct tok_node *n = &t->nodes[index], *part;

    r->simple = r->simple_before = TOK_NONE;
    if (n->kind == TOK_NODE_CAT && n->child != TOK_NONE) {
        part = &t->nodes[n->child];
        index = n->child;
        if (part->next != TOK_NONE) {
            if (part->kind != TOK_NODE_REPEAT || part->min != 0 || part->max != 1 ||
                part->greed != TOK_GREEDY || t->nodes[part->next].next != TOK_NONE)
                return;
            before = single_set(t, part->child);
            index = part->next;
            if (before == TOK_NONE)
                return;
        }
    }
    part = &t->nodes[index];
    r->simple_many = part->kind == TOK_NODE_REPEAT && part->min == 1 &&
                     part->max == TOK_UNLIMITED && part->greed != TOK_LAZY;
    r->simple = r->simple_many ? single_set(t, part->child) : single_set(t, index);
    r->simple_before = before;
}

/* ---- compiler ---- */

struct compiler {
    struct tok_regex *regex;
    struct tok_tree *tree;
    const char *path;
    struct ngt_error *err;
};

static enum ngt_status refuse(const struct compiler *c, uint32_t node, const char *why)
{
    return ngt_fail(c->err, NGT_E_DATA, c->path, c->tree->nodes[node].offset, NGT_NO_POS,
                    "expression: %s; only splits whose meaning is certain are run", why);
}

static enum ngt_status no_memory(const struct compiler *c)
{
    return ngt_fail(c->err, NGT_E_NOMEM, c->path, NGT_NO_POS, NGT_NO_POS,
                    "no memory for the expression");
}

static enum ngt_status emit(struct compiler *c, struct instruction in, uint32_t *ret)
{
    struct tok_regex *r = c->regex;

    if (r->count == MAX_PROGRAM)
        return refuse(c, c->tree->root, "too long with its repetitions written out");
    if (r->count == r->room) {
        uint64_t room = r->room ? r->room * 2 : 64;
        void *grown = realloc(r->code, room * sizeof *r->code);
        if (!grown)
            return no_memory(c);
        r->code = grown;
        r->room = room;
    }
    if (in.op == OP_SPLIT || in.op == OP_STAR)
        in.branch = r->branches++;
    if (ret)
        *ret = (uint32_t)r->count;
    r->code[r->count++] = in;
    return NGT_OK;
}

static uint32_t here(const struct compiler *c)
{
    return (uint32_t)c->regex->count;
}

static enum ngt_status compile(struct compiler *c, uint32_t index);

static enum ngt_status compile_alternatives(struct compiler *c, const struct tok_node *n)
{
    enum ngt_status status = NGT_OK;
    uint32_t jumps = TOK_NONE; /* chained through .a until the end is known */

    for (uint32_t child = n->child; child != TOK_NONE; child = c->tree->nodes[child].next) {
        uint32_t split = TOK_NONE, jump;
        if (c->tree->nodes[child].next != TOK_NONE) {
            uint32_t first = TOK_NONE;
            if (!nullable(c->tree, child)) {
                struct tok_charset set = {0};
                first_of(c->tree, child, &set);
                first = tok_tree_set(c->tree, &set);
                if (first == TOK_NONE)
                    return no_memory(c);
            }
            status = emit(c, (struct instruction){.op = OP_SPLIT, .set = first}, &split);
            if (status != NGT_OK)
                return status;
            c->regex->code[split].a = here(c);
        }
        status = compile(c, child);
        if (status == NGT_OK && split != TOK_NONE) {
            status = emit(c, (struct instruction){.op = OP_JUMP, .a = jumps}, &jump);
            if (status == NGT_OK) {
                jumps = jump;
                c->regex->code[split].b = here(c);
            }
        }
        if (status != NGT_OK)
            return status;
    }
    while (jumps != TOK_NONE) {
        uint32_t before = c->regex->code[jumps].a;
        c->regex->code[jumps].a = here(c);
        jumps = before;
    }
    return NGT_OK;
}

static enum ngt_status compile_look(struct compiler *c, const struct tok_node *n, uint32_t index)
{
    uint32_t look, set = single_set(c->tree, n->child), back = 0;
    enum ngt_status status;

    if (set != TOK_NONE)
        return emit(c,
                    (struct instruction){
                        .op = n->behind ? OP_BEFORE : OP_NEXT, .set = set, .negated = n->negated},
                    NULL);
    if (n->behind) {
        back = fixed_length(c->tree, n->child);
        if (back == TOK_NONE)
            return refuse(c, index, "look-behind of varying length");
    }
    status =
        emit(c, (struct instruction){.op = OP_LOOK, .negated = n->negated, .back = back}, &look);
    if (status == NGT_OK)
        status = compile(c, n->child);
    if (status == NGT_OK)
        status = emit(c, (struct instruction){.op = OP_LOOK_END, .a = look}, NULL);
    if (status == NGT_OK)
        c->regex->code[look].b = here(c);
    return status;
}

static enum ngt_status compile_split(struct compiler *c, bool lazy, uint32_t *ret)
{
    enum ngt_status status = emit(c, (struct instruction){.op = OP_SPLIT, .set = TOK_NONE}, ret);
    if (status == NGT_OK)
        c->regex->code[*ret].a = lazy ? TOK_NONE : here(c);
    return status;
}

/* Where a split that skips something goes to: here. */
static void land(struct compiler *c, uint32_t split)
{
    struct instruction *in = &c->regex->code[split];
    if (in->a == TOK_NONE) { /* lazy: skipping comes first, and what is skipped stands behind */
        in->a = here(c);
        in->b = split + 1;
    } else {
        in->b = here(c);
    }
}

static enum ngt_status compile_repeat(struct compiler *c, const struct tok_node *n, uint32_t index)
{
    enum ngt_status status = NGT_OK;
    bool lazy = n->greed == TOK_LAZY, possessive = n->greed == TOK_POSSESSIVE;
    uint32_t set = single_set(c->tree, n->child), split;

    if (n->max == TOK_UNLIMITED && nullable(c->tree, n->child))
        return refuse(c, index, "a part that may be empty is repeated");
    if (possessive && !(n->max == TOK_UNLIMITED && set != TOK_NONE))
        status = emit(c, (struct instruction){.op = OP_ATOMIC}, NULL);
    else
        possessive = false;
    for (uint32_t i = 0; i < n->min && status == NGT_OK; i++)
        status = compile(c, n->child);
    if (status != NGT_OK)
        return status;
    if (n->max == TOK_UNLIMITED && set != TOK_NONE && !lazy) {
        status = emit(c,
                      (struct instruction){.op = n->greed == TOK_POSSESSIVE ? OP_STAR_ALL : OP_STAR,
                                           .set = set},
                      NULL);
    } else if (n->max == TOK_UNLIMITED) {
        status = compile_split(c, lazy, &split);
        if (status == NGT_OK)
            status = compile(c, n->child);
        if (status == NGT_OK)
            status = emit(c, (struct instruction){.op = OP_JUMP, .a = split}, NULL);
        if (status == NGT_OK)
            land(c, split);
    } else {
        uint32_t first = here(c);
        for (uint32_t i = n->min; i < n->max && status == NGT_OK; i++) {
            status = compile_split(c, lazy, &split);
            if (status == NGT_OK)
                status = compile(c, n->child);
        }
        /* All of them skip to the end. A nested repetition's own splits have landed already. */
        if (status == NGT_OK && n->max > n->min) {
            uint32_t size = (here(c) - first) / (n->max - n->min);
            for (uint32_t i = 0; i < n->max - n->min; i++)
                land(c, first + i * size);
        }
    }
    if (status == NGT_OK && possessive)
        status = emit(c, (struct instruction){.op = OP_ATOMIC_END}, NULL);
    return status;
}

static enum ngt_status compile(struct compiler *c, uint32_t index)
{
    const struct tok_node n = c->tree->nodes[index];
    enum ngt_status status = NGT_OK;

    switch (n.kind) {
    case TOK_NODE_SET:
        return emit(c, (struct instruction){.op = OP_SET, .set = n.set}, NULL);
    case TOK_NODE_ASSERT:
        return emit(c, (struct instruction){.op = OP_ASSERT, .assertion = n.assertion}, NULL);
    case TOK_NODE_CAT:
        for (uint32_t k = n.child; k != TOK_NONE && status == NGT_OK; k = c->tree->nodes[k].next)
            status = compile(c, k);
        return status;
    case TOK_NODE_ALT:
        return compile_alternatives(c, &n);
    case TOK_NODE_REPEAT:
        return compile_repeat(c, &n, index);
    case TOK_NODE_LOOK:
        return compile_look(c, &n, index);
    case TOK_NODE_ATOMIC:
        status = emit(c, (struct instruction){.op = OP_ATOMIC}, NULL);
        if (status == NGT_OK)
            status = compile(c, n.child);
        if (status == NGT_OK)
            status = emit(c, (struct instruction){.op = OP_ATOMIC_END}, NULL);
        return status;
    }
    return status;
}

enum ngt_status tok_regex_new(const char *pattern, uint64_t size, enum tok_dialect dialect,
                              const char *path, struct tok_regex **ret_regex,
                              struct ngt_error *reterr)
{
    struct tok_tree tree = {0};
    struct tok_charset set = {0};
    struct tok_regex *r = calloc(1, sizeof *r);
    struct compiler c = {r, &tree, path, reterr};
    enum ngt_status status;

    ngt_error_clear(reterr);
    if (!r) {
        status = no_memory(&c);
        goto out;
    }
    status = tok_tree_parse(&tree, pattern, size, dialect, path, reterr);
    if (status == NGT_OK)
        status = compile(&c, tree.root);
    if (status == NGT_OK)
        status = emit(&c, (struct instruction){.op = OP_MATCH}, NULL);
    if (status != NGT_OK)
        goto out;
    find_simple(&tree, r);
    r->word = tree.word;
    r->start = TOK_NONE;
    status = NGT_E_NOMEM;
    if (!nullable(&tree, tree.root)) {
        surely(&tree, tree.root, &set);
        r->covers = tok_charset_full(&set);
        tok_charset_done(&set);
        first_of(&tree, tree.root, &set);
        r->start = tok_tree_set(&tree, &set);
        if (r->start == TOK_NONE)
            goto memory;
    }
    r->maps = calloc(tree.sets_count, sizeof(struct tok_charmap *));
    if (!r->maps)
        goto memory;
    r->maps_count = tree.sets_count;
    for (uint64_t i = 0; i < tree.sets_count; i++)
        if (!(r->maps[i] = tok_charmap_new(&tree.sets[i])))
            goto memory;
    *ret_regex = r;
    r = NULL;
    status = NGT_OK;
memory:
    if (status != NGT_OK)
        status = no_memory(&c);
out:
    tok_tree_done(&tree);
    tok_regex_free(&r);
    return status;
}

void tok_regex_free(struct tok_regex **regex)
{
    struct tok_regex *r = *regex;

    if (r) {
        for (uint64_t i = 0; i < r->maps_count; i++)
            tok_charmap_free(&r->maps[i]);
        free(r->maps);
        free(r->code);
    }
    free(r);
    *regex = NULL;
}

void tok_regex_scratch_done(struct tok_regex_scratch *s)
{
    free(s->stack);
    free(s->marks);
    free(s->undo);
    *s = (struct tok_regex_scratch){0};
}

bool tok_regex_covers(const struct tok_regex *regex)
{
    return regex->covers;
}

bool tok_regex_needs_other(const struct tok_regex *r, uint8_t c)
{
    return r->simple != TOK_NONE && !tok_charmap_has(r->maps[r->simple], c);
}

void tok_regex_use_machine(struct tok_regex *r)
{
    r->simple = TOK_NONE;
}

/* ---- machine ---- */

enum entry_kind {
    ENTRY_BRANCH, /* go to pc at pos */
    ENTRY_RUN,    /* a star took [low, pos): give one back and go on behind it */
    ENTRY_ATOMIC, /* frame marks */
    ENTRY_LOOK,
};
struct tok_regex_entry {
    enum entry_kind kind;
    uint32_t pc;
    uint64_t pos;
    uint64_t low;   /* RUN: least end. Frames: the frame around. */
    uint64_t undos; /* LOOK: marks set before */
};

#define NO_FRAME UINT64_MAX

struct machine {
    const struct tok_regex *regex;
    struct tok_regex_scratch *scratch;
    const uint8_t *text;
    uint64_t n, at;
    uint64_t height, frame;
    uint64_t steps, furthest;
    uint64_t undos;
    unsigned looks; /* open ones */
    bool marking;
};

enum outcome { FAILED, MATCHED, TOO_LONG, NO_MEMORY };

static uint32_t char_at(const struct machine *m, uint64_t pos, unsigned *size)
{
    if (m->text[pos] < 0x80) {
        *size = 1;
        return m->text[pos];
    }
    return tok_unicode_decode(m->text, m->n, pos, size);
}

static uint64_t step_back(const struct machine *m, uint64_t pos)
{
    do
        pos--;
    while (pos > 0 && (m->text[pos] & 0xC0) == 0x80);
    return pos;
}

static bool in_set(const struct machine *m, uint32_t set, uint64_t pos)
{
    unsigned size;
    return pos < m->n && tok_charmap_has(m->regex->maps[set], char_at(m, pos, &size));
}

static bool word_edge(const struct machine *m, uint64_t pos)
{
    bool before = pos > 0 && in_set(m, m->regex->word, step_back(m, pos));
    return before != in_set(m, m->regex->word, pos);
}

static bool holds(const struct machine *m, enum tok_assert assertion, uint64_t pos)
{
    switch (assertion) {
    case TOK_ASSERT_LINE_BEGIN:
        return pos == 0 || (m->text[pos - 1] == '\n' && pos < m->n);
    case TOK_ASSERT_LINE_END:
        return pos == m->n || m->text[pos] == '\n';
    case TOK_ASSERT_BEGIN:
        return pos == 0;
    case TOK_ASSERT_END:
        return pos == m->n;
    case TOK_ASSERT_WORD:
        return word_edge(m, pos);
    case TOK_ASSERT_NOT_WORD:
        return !word_edge(m, pos);
    }
    return false;
}

static bool push(struct machine *m, struct tok_regex_entry entry)
{
    struct tok_regex_scratch *s = m->scratch;

    if (m->height == s->stack_room) {
        uint64_t room = s->stack_room ? s->stack_room * 2 : 64;
        void *grown = realloc(s->stack, room * sizeof *s->stack);
        if (!grown)
            return false;
        s->stack = grown;
        s->stack_room = room;
    }
    s->stack[m->height++] = entry;
    return true;
}

/*
 * Marks (branch, pos); *ret_known: it was marked before. Only while marking. Words of marks beyond
 * marks_used are not zero yet.
 */
static bool mark(struct machine *m, uint32_t branch, uint64_t pos, bool *ret_known)
{
    struct tok_regex_scratch *s = m->scratch;
    uint64_t bit = (pos - m->at) * m->regex->branches + branch, word = bit / 64;

    *ret_known = false;
    if (word >= s->marks_used) {
        if (word >= s->marks_room) {
            uint64_t room = word * 2 + 64;
            void *grown = realloc(s->marks, room * sizeof *s->marks);
            if (!grown)
                return false;
            s->marks = grown;
            s->marks_room = room;
        }
        memset(s->marks + s->marks_used, 0, (word + 1 - s->marks_used) * sizeof *s->marks);
        s->marks_used = word + 1;
    }
    *ret_known = s->marks[word] >> (bit % 64) & 1;
    if (*ret_known)
        return true;
    s->marks[word] |= (uint64_t)1 << (bit % 64);
    if (m->looks) {
        if (m->undos == s->undo_room) {
            uint64_t room = s->undo_room ? s->undo_room * 2 : 64;
            void *grown = realloc(s->undo, room * sizeof *s->undo);
            if (!grown)
                return false;
            s->undo = grown;
            s->undo_room = room;
        }
        s->undo[m->undos++] = bit;
    }
    return true;
}

/* A look-around ends: its marks go, because outside they would read as failures. */
static void close_look(struct machine *m, uint64_t undos)
{
    struct tok_regex_scratch *s = m->scratch;

    while (m->undos > undos) {
        uint64_t bit = s->undo[--m->undos];
        s->marks[bit / 64] &= ~((uint64_t)1 << (bit % 64));
    }
    m->looks--;
}

/* The next way to go on; false: none left. */
static bool backtrack(struct machine *m, uint32_t *pc, uint64_t *pos)
{
    while (m->height) {
        struct tok_regex_entry *e = &m->scratch->stack[m->height - 1];
        switch (e->kind) {
        case ENTRY_BRANCH:
            *pc = e->pc;
            *pos = e->pos;
            m->height--;
            return true;
        case ENTRY_RUN:
            e->pos = step_back(m, e->pos);
            *pc = e->pc;
            *pos = e->pos;
            if (e->pos == e->low)
                m->height--;
            return true;
        case ENTRY_ATOMIC:
            m->frame = e->low;
            m->height--;
            break;
        case ENTRY_LOOK: {
            const struct instruction *look = &m->regex->code[e->pc];
            m->frame = e->low;
            m->height--;
            *pos = e->pos;
            close_look(m, e->undos);
            if (look->negated) {
                *pc = look->b;
                return true;
            }
            break;
        }
        }
    }
    return false;
}

static enum outcome attempt(struct machine *m, uint64_t *ret_end)
{
    const struct tok_regex *r = m->regex;
    uint64_t pos = m->at;
    uint32_t pc = 0;

    m->height = 0;
    m->frame = NO_FRAME;
    m->steps = m->undos = m->looks = 0;
    m->furthest = pos;
    m->scratch->marks_used = 0;
    for (;;) {
        const struct instruction *in = &r->code[pc];
        bool known = false, ok = true;
        unsigned size;

        if (pos > m->furthest)
            m->furthest = pos;
        if (++m->steps > 1000 + 16 * (m->furthest - m->at) && !m->marking)
            return TOO_LONG;
        switch (in->op) {
        case OP_SET:
            ok = pos < m->n && tok_charmap_has(r->maps[in->set], char_at(m, pos, &size));
            if (ok)
                pos += size;
            pc++;
            break;
        case OP_STAR:
            if (m->marking) { /* a character at a time, so that runs are not walked twice */
                if (!mark(m, in->branch, pos, &known))
                    return NO_MEMORY;
                ok = !known;
                if (ok && in_set(m, in->set, pos)) {
                    if (!push(m, (struct tok_regex_entry){
                                     .kind = ENTRY_BRANCH, .pc = pc + 1, .pos = pos}))
                        return NO_MEMORY;
                    (void)char_at(m, pos, &size);
                    pos += size;
                } else {
                    pc++;
                }
                break;
            }
            __attribute__((fallthrough));
        case OP_STAR_ALL: {
            uint64_t low = pos;
            const struct tok_charmap *map = r->maps[in->set];
            while (pos < m->n && tok_charmap_has(map, char_at(m, pos, &size)))
                pos += size;
            m->steps += (pos - low) / 4;
            pc++;
            if (in->op == OP_STAR && pos > low &&
                !push(m, (struct tok_regex_entry){
                             .kind = ENTRY_RUN, .pc = pc, .pos = pos, .low = low}))
                return NO_MEMORY;
            break;
        }
        case OP_SPLIT:
            if (m->marking && !mark(m, in->branch, pos, &known))
                return NO_MEMORY;
            ok = !known;
            if (!ok)
                break;
            if (in->set != TOK_NONE && !in_set(m, in->set, pos)) {
                pc = in->b;
                break;
            }
            if (!push(m, (struct tok_regex_entry){.kind = ENTRY_BRANCH, .pc = in->b, .pos = pos}))
                return NO_MEMORY;
            pc = in->a;
            break;
        case OP_JUMP:
            pc = in->a;
            break;
        case OP_ATOMIC:
        case OP_LOOK:
            if (!push(m, (struct tok_regex_entry){.kind =
                                                      in->op == OP_LOOK ? ENTRY_LOOK : ENTRY_ATOMIC,
                                                  .pc = pc,
                                                  .pos = pos,
                                                  .low = m->frame,
                                                  .undos = m->undos}))
                return NO_MEMORY;
            m->frame = m->height - 1;
            m->looks += in->op == OP_LOOK;
            for (uint32_t i = 0; i < in->back && ok; i++) {
                ok = pos > 0;
                if (ok)
                    pos = step_back(m, pos);
            }
            pc++;
            break;
        case OP_ATOMIC_END:
            m->height = m->frame;
            m->frame = m->scratch->stack[m->height].low;
            pc++;
            break;
        case OP_LOOK_END: {
            struct tok_regex_entry e = m->scratch->stack[m->frame];
            m->height = m->frame;
            m->frame = e.low;
            close_look(m, e.undos);
            pos = e.pos;
            ok = !r->code[in->a].negated;
            pc++;
            break;
        }
        case OP_NEXT:
            ok = in_set(m, in->set, pos) != in->negated;
            pc++;
            break;
        case OP_BEFORE:
            ok = (pos > 0 && in_set(m, in->set, step_back(m, pos))) != in->negated;
            pc++;
            break;
        case OP_ASSERT:
            ok = holds(m, in->assertion, pos);
            pc++;
            break;
        case OP_MATCH:
            *ret_end = pos;
            return MATCHED;
        }
        if (!ok && !backtrack(m, &pc, &pos))
            return FAILED;
    }
}

enum ngt_status tok_regex_match(const struct tok_regex *regex, struct tok_regex_scratch *scratch,
                                const uint8_t *text, uint64_t n, uint64_t at, bool *ret_matched,
                                uint64_t *ret_end, struct ngt_error *reterr)
{
    struct machine m = {.regex = regex, .scratch = scratch, .text = text, .n = n, .at = at};
    enum outcome outcome = attempt(&m, ret_end);

    if (outcome == TOO_LONG) {
        m.marking = true;
        outcome = attempt(&m, ret_end);
    }
    if (outcome == NO_MEMORY)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "no memory to match the expression");
    *ret_matched = outcome == MATCHED;
    return NGT_OK;
}

static inline uint32_t next_character(const uint8_t *text, uint64_t n, uint64_t at, unsigned *size)
{
    *size = 1;
    return text[at] < 0x80 ? text[at] : tok_unicode_decode(text, n, at, size);
}

/* The first match of a simple expression. */
static bool find_simply(const struct tok_regex *r, const uint8_t *text, uint64_t n, uint64_t at,
                        uint64_t *ret_start, uint64_t *ret_end)
{
    const struct tok_charmap *set = r->maps[r->simple];
    const struct tok_charmap *before =
        r->simple_before == TOK_NONE ? NULL : r->maps[r->simple_before];
    unsigned size, more;

    for (; at < n; at += size) {
        uint32_t c = next_character(text, n, at, &size);
        uint64_t end = at + size;
        if (before && end < n && tok_charmap_has(before, c) &&
            tok_charmap_has(set, next_character(text, n, end, &more)))
            end += more;
        else if (!tok_charmap_has(set, c))
            continue;
        for (; r->simple_many && end < n; end += more)
            if (!tok_charmap_has(set, next_character(text, n, end, &more)))
                break;
        *ret_start = at;
        *ret_end = end;
        return true;
    }
    return false;
}

enum ngt_status tok_regex_find(const struct tok_regex *regex, struct tok_regex_scratch *scratch,
                               const uint8_t *text, uint64_t n, uint64_t at, bool *ret_found,
                               uint64_t *ret_start, uint64_t *ret_end, struct ngt_error *reterr)
{
    const struct tok_charmap *start = regex->start == TOK_NONE ? NULL : regex->maps[regex->start];
    unsigned size;

    if (regex->simple != TOK_NONE) {
        *ret_found = find_simply(regex, text, n, at, ret_start, ret_end);
        return NGT_OK;
    }
    *ret_found = false;
    for (;;) {
        if (start) {
            uint32_t c;
            for (; at < n; at += size) {
                c = tok_unicode_decode(text, n, at, &size);
                if (tok_charmap_has(start, c))
                    break;
            }
            if (at == n)
                return NGT_OK;
        }
        enum ngt_status status =
            tok_regex_match(regex, scratch, text, n, at, ret_found, ret_end, reterr);
        if (status != NGT_OK || *ret_found) {
            *ret_start = at;
            return status;
        }
        if (at == n)
            return NGT_OK;
        (void)tok_unicode_decode(text, n, at, &size);
        at += size;
    }
}
