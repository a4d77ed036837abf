/* See hf_merges.h. */
#include "load/hf_merges.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/layout.h"
#include "text/load8.h"

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
        struct tok_bpe_rule *grown = realloc(f->merges, larger * sizeof *grown);
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
    if (id >= v->ids || !v->used[id] ||
        v->starts[id + 1] - v->starts[id] != left.size + right.size)
        return false;
    const uint8_t *name = v->bytes + v->starts[id];
    return ahead ? tok_same_masked(name, left.at, left.size) &&
                       tok_same_masked(name + left.size, right.at, right.size)
                 : tok_same(name, left.at, left.size) &&
                       tok_same(name + left.size, right.at, right.size);
}

/*
 * What a merge makes: the right side loses the prefix of continuing subwords. Most files have their
 * merges in the order of what they make, so the id is that of the merge before or the next one;
 * *ret brings the former.
 */
static bool find_result(struct tok_json *j, const struct tok_hf_vocab *v,
                        const struct tok_hf_file *f, struct tok_slice left, struct tok_slice right,
                        uint8_t *joined, uint64_t room, uint32_t *ret)
{
    struct tok_slice whole = left;

    if (right.size < f->prefix.size)
        return tok_json_refuse(j, "the right side of a merge is shorter than the prefix of "
                                  "continuing subwords");
    right.at += f->prefix.size;
    right.size -= f->prefix.size;
    bool ahead = j->end - j->at >= 8;
    if (is_named(v, *ret, left, right, ahead))
        return true;
    if (is_named(v, *ret + 1, left, right, ahead)) {
        ++*ret;
        return true;
    }
    *ret = NGT_NO_ID;
    if (left.size + right.size <= room) { /* else longer than any token */
        whole = (struct tok_slice){joined, left.size + right.size};
        memcpy(joined, left.at, left.size);
        memcpy(joined + left.size, right.at, right.size);
        *ret = tok_names_find(&v->names, joined, whole.size);
    }
    return *ret != NGT_NO_ID || no_token(j, "what a merge makes,", whole);
}

bool tok_hf_read_merges(struct tok_json *j, const struct tok_hf_vocab *v, struct tok_hf_file *f)
{
    uint64_t room = 0, longest = 0;
    bool first = true, more, pair, header, pairs = false, ok = false;
    uint8_t *joined;
    uint32_t result = 0;

    for (uint32_t id = 0; id < v->ids; id++)
        if (v->starts[id + 1] - v->starts[id] > longest)
            longest = v->starts[id + 1] - v->starts[id];
    joined = malloc(longest + 1);
    if (!joined)
        return no_memory(j);
    if (!tok_json_enter(j, '['))
        goto out;
    for (;;) {
        struct tok_slice left = {0}, right = {0};
        struct tok_bpe_rule rule = {.result = result};
        if (!tok_json_more(j, ']', &first, &more))
            goto out;
        if (!more)
            break;
        if (!read_one_merge(j, &left, &right, &pair, &header))
            goto out;
        if (header)
            continue;
        if (f->merge_count && pair != pairs) {
            (void)tok_json_refuse(j, "strings and pairs are mixed");
            goto out;
        }
        pairs = pair;
        rule.left =
            tok_names_find_ahead(&v->names, left.at, left.size, (uint64_t)(j->end - left.at));
        rule.right =
            tok_names_find_ahead(&v->names, right.at, right.size, (uint64_t)(j->end - right.at));
        if (rule.left == NGT_NO_ID || rule.right == NGT_NO_ID) {
            (void)no_token(j, "a side of a merge,", rule.left == NGT_NO_ID ? left : right);
            goto out;
        }
        if (!find_result(j, v, f, left, right, joined, longest, &rule.result) ||
            !add_merge(j, f, &room, rule))
            goto out;
        result = rule.result;
    }
    ok = true;
out:
    free(joined);
    return ok;
}
