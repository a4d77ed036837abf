/* The tree that regex_parse.c makes of an expression and regex_compile.c turns into a program. */
#ifndef TOK_SPLIT_REGEX_TREE_H
#define TOK_SPLIT_REGEX_TREE_H

#include "split/charset.h"
#include "split/regex.h"

enum tok_node_kind {
    TOK_NODE_SET,    /* one character of a set */
    TOK_NODE_CAT,    /* children one after the other; none: empty */
    TOK_NODE_ALT,    /* children as alternatives */
    TOK_NODE_REPEAT, /* one child */
    TOK_NODE_ATOMIC, /* one child */
    TOK_NODE_LOOK,   /* one child */
    TOK_NODE_ASSERT,
};
enum tok_assert {
    TOK_ASSERT_LINE_BEGIN,
    TOK_ASSERT_LINE_END,
    TOK_ASSERT_BEGIN,
    TOK_ASSERT_END,
    TOK_ASSERT_WORD,
    TOK_ASSERT_NOT_WORD,
};
enum tok_greed { TOK_GREEDY, TOK_LAZY, TOK_POSSESSIVE };

#define TOK_UNLIMITED UINT32_MAX
#define TOK_NONE UINT32_MAX

struct tok_node {
    enum tok_node_kind kind;
    uint32_t child, next; /* first child, next sibling; TOK_NONE */
    uint32_t set;
    uint32_t min, max;
    enum tok_greed greed;
    enum tok_assert assertion;
    bool behind, negated; /* LOOK */
    uint64_t offset;      /* in the pattern, for messages */
};

struct tok_tree {
    struct tok_node *nodes;
    uint64_t count, room;
    struct tok_charset *sets; /* no two equal */
    uint64_t sets_count, sets_room;
    uint32_t root;
    uint32_t word; /* the set \w */
};

void tok_tree_done(struct tok_tree *tree);
NGT_NODISCARD enum ngt_status tok_tree_parse(struct tok_tree *tree, const char *pattern,
                                             uint64_t size, enum tok_dialect dialect,
                                             const char *path, struct ngt_error *reterr);
/* Takes set over (also on failure) and gives its index, or TOK_NONE without memory. */
uint32_t tok_tree_set(struct tok_tree *tree, struct tok_charset *set);
#endif
