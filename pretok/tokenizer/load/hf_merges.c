/* See hf_merges.h. */
#include "load/hf_merges.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/layout.h"
#include "ngt/memory.h"
#include "text/load8.h"

#define GROUP 32 /* merges whose sides are looked up together */

/* A merge as it was read. */
struct line {
    struct tok_slice left, right;
    struct tok_name_key left_key, right_key;
    uint8_t *end; /* where the reader stood behind it */
};

/* Reading merges. */
struct merges {
    struct tok_json *json;
    const struct tok_hf_vocab *vocab;
    struct tok_hf_file *file;
    uint64_t room;    /* of file->merges */
    uint8_t *joined;  /* [longest] */
    uint64_t longest; /* name */
    uint32_t result;  /* of the merge before */
    bool first, any, pairs;
    unsigned count;
    struct line lines[GROUP];
};

static bool no_memory(struct tok_json *j)
{
    ngt_ignore(ngt_fail(j->reterr, NGT_E_NOMEM, j->path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the merges"));
    return false;
}

static bool no_token(struct tok_json *j, const char *what, struct tok_slice name)
{
    return tok_json_refuse(j, "%s \"%.*s\" is no token of the vocabulary", what,
                           name.size < 60 ? (int)name.size : 60, (const char *)name.at);
}

/* "a b": one space, and it stands between them. */
static bool cut_line(struct tok_json *j, struct tok_slice line, struct tok_slice *left,
                     struct tok_slice *right)
{
    const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F), all = UINT64_C(0x2020202020202020);
    bool ahead = j->end - j->at >= 8;
    uint64_t found = UINT64_MAX, more = 0;

    for (uint64_t at = 0; at < line.size; at += 8) {
        uint64_t v = ahead ? tok_load_masked8(line.at + at, line.size - at)
                           : tok_load_first8(line.at + at, line.size - at);
        uint64_t other = v ^ all, spaces = ~(((other & low) + low) | other | low);
        more |= found == UINT64_MAX ? spaces & (spaces - 1) : spaces;
        found = spaces ? at + (unsigned)__builtin_ctzll(spaces) / 8 : found;
    }
    if (found == UINT64_MAX || more)
        return tok_json_refuse(j, "\"%.*s\" is not two tokens with a space between",
                               line.size < 60 ? (int)line.size : 60, (const char *)line.at);
    left->at = line.at;
    left->size = found;
    right->at = line.at + left->size + 1;
    right->size = line.size - left->size - 1;
    return true;
}

static bool read_one_merge(struct tok_json *j, struct tok_slice *left, struct tok_slice *right,
                           bool *ret_pair, bool *ret_header)
{
    struct tok_slice line;
    bool first = true, more;

    *ret_header = false;
    *ret_pair = tok_json_peek(j) == '[';
    if (!*ret_pair) {
        if (!tok_json_string(j, &line))
            return false;
        *ret_header = line.size >= 8 && memcmp(line.at, "#version", 8) == 0;
        return *ret_header || cut_line(j, line, left, right);
    }
    if (!tok_json_enter(j, '[') || !tok_json_more(j, ']', &first, &more) ||
        !tok_json_string(j, left) || !tok_json_more(j, ']', &first, &more) ||
        !tok_json_string(j, right) || !tok_json_more(j, ']', &first, &more))
        return false;
    return !more || tok_json_refuse(j, "a merge of more than two tokens");
}

static bool add_merge(struct tok_json *j, struct tok_hf_file *f, uint64_t *room,
                      struct tok_bpe_rule rule)
{
    if (f->merge_count == *room) {
        uint64_t larger = *room * 2 + 4096;
        struct tok_bpe_rule *grown =
            ngt_grow(f->merges, *room * sizeof *grown, larger * sizeof *grown);
        if (!grown)
            return no_memory(j);
        f->merges = grown;
        *room = larger;
    }
    if (f->merge_count >= UINT32_MAX - 1)
        return tok_json_refuse(j, "too many merges");
    rule.rank = (uint32_t)f->merge_count;
    f->merges[f->merge_count++] = rule;
    return true;
}

/* Is id named left + right? ahead: 8 bytes behind both may be read. */
static inline bool is_named(const struct tok_hf_vocab *v, uint32_t id, struct tok_slice left,
                            struct tok_slice right, bool ahead)
{
    if (id >= v->ids || !v->used[id] || v->starts[id + 1] - v->starts[id] != left.size + right.size)
        return false;
    const uint8_t *name = v->bytes + v->starts[id];
    return ahead ? tok_same_masked(name, left.at, left.size) &&
                       tok_same_masked(name + left.size, right.at, right.size)
                 : tok_same(name, left.at, left.size) &&
                       tok_same(name + left.size, right.at, right.size);
}

/*
 * What a merge makes: the right side loses the prefix of continuing subwords. Most files have their
 * merges in the order of what they make, so the id is that of the merge before or the next one.
 */
static bool find_result(struct merges *m, struct tok_slice left, struct tok_slice right)
{
    const struct tok_hf_vocab *v = m->vocab;
    struct tok_json *j = m->json;
    uint64_t prefix = m->file->prefix.size;
    struct tok_slice whole = left;

    if (right.size < prefix)
        return tok_json_refuse(j, "the right side of a merge is shorter than the prefix of "
                                  "continuing subwords");
    right.at += prefix;
    right.size -= prefix;
    bool ahead = j->end - j->at >= 8;
    if (is_named(v, m->result, left, right, ahead))
        return true;
    if (is_named(v, m->result + 1, left, right, ahead)) {
        m->result++;
        return true;
    }
    m->result = NGT_NO_ID;
    if (left.size + right.size <= m->longest) { /* else longer than any token */
        whole = (struct tok_slice){m->joined, left.size + right.size};
        memcpy(m->joined, left.at, left.size);
        memcpy(m->joined + left.size, right.at, right.size);
        m->result = tok_names_find(&v->names, m->joined, whole.size);
    }
    return m->result != NGT_NO_ID || no_token(j, "what a merge makes,", whole);
}

/* Reads up to GROUP merges. Those before one that cannot be read are there even if this is false. */
static bool read_group(struct merges *m, bool *ret_more)
{
    struct tok_json *j = m->json;
    const struct tok_names *names = &m->vocab->names;
    bool pair, header;

    m->count = 0;
    while (m->count < GROUP) {
        struct line *l = &m->lines[m->count];
        if (!tok_json_more(j, ']', &m->first, ret_more))
            return false;
        if (!*ret_more)
            return true;
        if (!read_one_merge(j, &l->left, &l->right, &pair, &header))
            return false;
        if (header)
            continue;
        if (m->any && pair != m->pairs)
            return tok_json_refuse(j, "strings and pairs are mixed");
        m->any = true;
        m->pairs = pair;
        l->left_key =
            tok_names_key(names, l->left.at, l->left.size, (uint64_t)(j->end - l->left.at));
        l->right_key =
            tok_names_key(names, l->right.at, l->right.size, (uint64_t)(j->end - l->right.at));
        l->end = j->at;
        m->count++;
    }
    return true;
}

static bool add_group(struct merges *m)
{
    struct tok_json *j = m->json;
    uint8_t *at = j->at;

    for (const struct line *l = m->lines; l < m->lines + m->count; l++) {
        struct tok_bpe_rule rule = {.left = tok_names_find_key(&m->vocab->names, &l->left_key),
                                    .right = tok_names_find_key(&m->vocab->names, &l->right_key)};
        j->at = l->end; /* which messages name */
        if (rule.left == NGT_NO_ID || rule.right == NGT_NO_ID)
            return no_token(j, "a side of a merge,", rule.left == NGT_NO_ID ? l->left : l->right);
        if (!find_result(m, l->left, l->right))
            return false;
        rule.result = m->result;
        if (!add_merge(j, m->file, &m->room, rule))
            return false;
    }
    j->at = at;
    return true;
}

bool tok_hf_read_merges(struct tok_json *j, const struct tok_hf_vocab *v, struct tok_hf_file *f)
{
    struct merges m = {.json = j, .vocab = v, .file = f, .first = true};
    bool read = true, more = true, added = true;

    for (uint32_t id = 0; id < v->ids; id++)
        if (v->starts[id + 1] - v->starts[id] > m.longest)
            m.longest = v->starts[id + 1] - v->starts[id];
    m.joined = malloc(m.longest + 1);
    if (!m.joined)
        return no_memory(j);
    read = tok_json_enter(j, '[');
    while (read && added && more) {
        /* what is wrong with an earlier merge is told before what is wrong with a later one */
        struct ngt_error *reterr = j->reterr, later;
        ngt_error_clear(&later);
        j->reterr = &later;
        read = read_group(&m, &more);
        j->reterr = reterr;
        added = add_group(&m);
        if (added && !read)
            *reterr = later;
    }
    free(m.joined);
    return read && added;
}
