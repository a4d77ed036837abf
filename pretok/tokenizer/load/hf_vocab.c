/* See hf_vocab.h. */
#include "load/hf_vocab.h"

#include <stdlib.h>
#include <string.h>

#include "ngt/layout.h"
#include "ngt/memory.h"

#define AHEAD 16 /* names whose places in the table are brought meanwhile */

struct entry {
    struct tok_slice name;
    uint32_t id;
    double score;
};

struct entries {
    struct entry *at;
    uint64_t count, room;
};

static bool no_memory(struct tok_json *j)
{
    ngt_ignore(ngt_fail(j->reterr, NGT_E_NOMEM, j->path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the vocabulary"));
    return false;
}

static bool add_entry(struct tok_json *j, struct entries *list, struct entry e)
{
    if (list->count == list->room) {
        uint64_t room = list->room * 2 + 1024;
        struct entry *grown = ngt_grow(list->at, list->count * sizeof *grown, room * sizeof *grown);
        if (!grown)
            return no_memory(j);
        list->at = grown;
        list->room = room;
    }
    list->at[list->count++] = e;
    return true;
}

static bool read_object(struct tok_json *j, struct entries *list)
{
    bool first = true, more;

    if (!tok_json_enter(j, '{'))
        return false;
    for (;;) {
        struct entry e = {.score = 0};
        if (!tok_json_more(j, '}', &first, &more))
            return false;
        if (!more)
            return true;
        if (!tok_json_key(j, &e.name) || !tok_json_u32(j, &e.id) || !add_entry(j, list, e))
            return false;
    }
}

static bool read_pairs(struct tok_json *j, struct entries *list)
{
    bool first = true, more;

    if (!tok_json_enter(j, '['))
        return false;
    for (;;) {
        struct entry e = {.id = (uint32_t)list->count};
        bool in_pair = true;
        if (!tok_json_more(j, ']', &first, &more))
            return false;
        if (!more)
            return true;
        if (list->count == UINT32_MAX - 1)
            return tok_json_refuse(j, "too many tokens");
        if (!tok_json_enter(j, '[') || !tok_json_more(j, ']', &in_pair, &more) ||
            !tok_json_string(j, &e.name) || !tok_json_more(j, ']', &in_pair, &more) ||
            !tok_json_double(j, &e.score) || !tok_json_more(j, ']', &in_pair, &more))
            return false;
        if (more)
            return tok_json_refuse(j, "more than a name and a score");
        if (!add_entry(j, list, e))
            return false;
    }
}

/* From entries in any order to arrays by id. */
static bool arrange(struct tok_json *j, const struct entries *list, bool unigram,
                    struct tok_hf_vocab *v)
{
    uint64_t total = 0, *place;

    v->min_score = __builtin_inf();
    for (uint64_t i = 0; i < list->count; i++) {
        const struct entry *e = &list->at[i];
        /* gaps are allowed, but memory must be in proportion to the file */
        if (e->id > 4 * list->count + 65536)
            return tok_json_refuse(j, "token \"%.*s\" has id %u in a vocabulary of %llu tokens",
                                   e->name.size < 40 ? (int)e->name.size : 40,
                                   (const char *)e->name.at, e->id,
                                   (unsigned long long)list->count);
        if (v->ids <= e->id)
            v->ids = e->id + 1;
        total += e->name.size;
        if (e->score < v->min_score)
            v->min_score = e->score;
    }
    v->starts = calloc(v->ids + 1ull, sizeof *v->starts);
    v->used = calloc(v->ids + 1ull, 1);
    v->bytes = malloc(total + 8); /* which is_named reads ahead */
    v->scores = unigram ? calloc(v->ids + 1ull, sizeof *v->scores) : NULL;
    if (!v->starts || !v->used || !v->bytes || (unigram && !v->scores))
        return no_memory(j);
    for (uint64_t i = 0; i < list->count; i++) {
        const struct entry *e = &list->at[i];
        if (v->used[e->id])
            return tok_json_refuse(j, "two tokens have id %u, one is \"%.*s\"", e->id,
                                   e->name.size < 40 ? (int)e->name.size : 40,
                                   (const char *)e->name.at);
        v->used[e->id] = true;
        v->starts[e->id + 1] = e->name.size;
        if (unigram)
            v->scores[e->id] = e->score;
    }
    for (uint32_t id = 0; id < v->ids; id++)
        v->starts[id + 1] += v->starts[id];
    place = v->starts;
    for (uint64_t i = 0; i < list->count; i++)
        memcpy(v->bytes + place[list->at[i].id], list->at[i].name.at, list->at[i].name.size);
    if (tok_names_init(&v->names, v->bytes, v->starts, list->count, j->path, j->reterr) != NGT_OK)
        return false;
    for (uint32_t id = 0; id < v->ids;
         id++) { /* ascending: ids of Unigram are places in the list */
        if (id + AHEAD < v->ids)
            tok_names_expect(&v->names, id + AHEAD);
        if (!v->used[id])
            continue;
        uint32_t before = tok_names_put(&v->names, id);
        v->tokens += unigram || before == NGT_NO_ID;
        if (before != NGT_NO_ID && !unigram)
            return tok_json_refuse(j, "token \"%.*s\" occurs twice",
                                   v->starts[id + 1] - v->starts[id] < 40
                                       ? (int)(v->starts[id + 1] - v->starts[id])
                                       : 40,
                                   (const char *)v->bytes + v->starts[id]);
        if (before != NGT_NO_ID)
            v->used[before] = false; /* the last one counts; the other keeps its id, unreachable */
    }
    return true;
}

bool tok_hf_read_vocab(struct tok_json *j, bool unigram, struct tok_hf_vocab *ret)
{
    struct entries list = {0};
    bool ok = unigram ? read_pairs(j, &list) : read_object(j, &list);

    ok = ok && arrange(j, &list, unigram, ret);
    free(list.at);
    return ok;
}

void tok_hf_vocab_done(struct tok_hf_vocab *v)
{
    free(v->bytes);
    free(v->starts);
    free(v->used);
    free(v->scores);
    tok_names_done(&v->names);
    *v = (struct tok_hf_vocab){0};
}

/* ---- added tokens ---- */

static enum ngt_status bad_added(const char *path, uint64_t number, const char *what,
                                 struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, number, "added_tokens: %s", what);
}

static enum ngt_status read_one_added(const struct ngt_json *object, const char *path,
                                      uint64_t number, struct tok_hf_added *a,
                                      const struct ngt_json **ret_content, struct ngt_error *reterr)
{
    const struct {
        const char *key;
        bool *at;
    } flags[] = {
        {"single_word", &a->single_word}, {"lstrip", &a->lstrip},   {"rstrip", &a->rstrip},
        {"normalized", &a->normalized},   {"special", &a->special},
    };
    uint64_t id;

    if (object->type != NGT_JSON_OBJECT || object->length > 7)
        return bad_added(path, number,
                         "not an object of id, content, single_word, lstrip, rstrip, normalized "
                         "and special",
                         reterr);
    for (unsigned i = 0; i < 5; i++) {
        const struct ngt_json *m = ngt_json_get(object, flags[i].key);
        if (!m || (m->type != NGT_JSON_TRUE && m->type != NGT_JSON_FALSE))
            return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, number,
                            "added_tokens: \"%s\" is not true or false", flags[i].key);
        *flags[i].at = m->type == NGT_JSON_TRUE;
    }
    if (!ngt_json_get_u64(object, "id", &id) || id > UINT32_MAX)
        return bad_added(path, number, "\"id\" is not a whole number of 32 bits", reterr);
    *ret_content = ngt_json_get(object, "content");
    if (!*ret_content || (*ret_content)->type != NGT_JSON_STRING)
        return bad_added(path, number, "\"content\" is not a string", reterr);
    return NGT_OK;
}

/*
 * A name that the model does not have gets the next id from the number of its tokens on. Looked up
 * in a table of the added ones alone, of which an entry is the first of its content.
 */
static enum ngt_status number_added(struct tok_hf_file *f, const struct tok_hf_vocab *v,
                                    const char *path, struct ngt_error *reterr)
{
    uint64_t *starts = malloc((f->added_count + 1) * sizeof *starts);
    struct tok_names seen = {0};
    uint64_t next = v->tokens;
    enum ngt_status status = NGT_E_NOMEM;

    if (!starts)
        goto out;
    for (uint64_t i = 0; i <= f->added_count; i++)
        starts[i] = i == 0 ? 0 : starts[i - 1] + f->added[i - 1].content.size;
    status = tok_names_init(&seen, f->added_bytes, starts, f->added_count, path, reterr);
    for (uint32_t i = 0; i < f->added_count && status == NGT_OK; i++) {
        struct tok_hf_added *a = &f->added[i];
        if (a->content.size == 0) {
            a->replaced = true; /* never matches */
            continue;
        }
        uint32_t before = tok_names_put(&seen, i);
        uint32_t id = tok_names_find(&v->names, a->content.at, a->content.size);
        if (before != NGT_NO_ID) {
            f->added[before].replaced = true;
            /* a string is special if one of its entries is */
            a->special |= f->added[before].special;
            id = f->added[before].id;
        } else if (id == NGT_NO_ID) {
            id = (uint32_t)next++;
            if (id < v->ids && v->used[id])
                status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, i,
                                  "added_tokens: \"%.*s\" would get id %u, which another token "
                                  "has; number the vocabulary without gaps",
                                  a->content.size < 40 ? (int)a->content.size : 40,
                                  (const char *)a->content.at, id);
        }
        a->id = id;
    }
out:
    if (status == NGT_E_NOMEM)
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for added tokens");
    tok_names_done(&seen);
    free(starts);
    return status;
}

enum ngt_status tok_hf_read_added(const struct ngt_json *root, const struct tok_hf_vocab *v,
                                  const char *path, struct tok_hf_file *f, struct ngt_error *reterr)
{
    uint64_t total = 0, used = 0;
    const struct ngt_json *content = NULL;
    enum ngt_status status = NGT_OK;

    if (root->type != NGT_JSON_ARRAY)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "\"added_tokens\" is not an array");
    if (root->length >= NGT_NO_ID - v->tokens)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS, "too many added tokens");
    f->added = calloc(root->length + 1, sizeof *f->added);
    for (const struct ngt_json *m = root->first; m; m = m->next) {
        const struct ngt_json *c = ngt_json_get(m, "content");
        total += c && c->type == NGT_JSON_STRING ? c->length : 0;
    }
    f->added_bytes = malloc(total + 1);
    if (!f->added || !f->added_bytes)
        return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for added tokens");
    for (const struct ngt_json *m = root->first; m && status == NGT_OK; m = m->next) {
        struct tok_hf_added *a = &f->added[f->added_count];
        status = read_one_added(m, path, f->added_count, a, &content, reterr);
        if (status != NGT_OK)
            return status;
        a->content = (struct tok_slice){f->added_bytes + used, content->length};
        memcpy(a->content.at, content->string, content->length);
        used += content->length;
        f->added_count++;
    }
    return number_added(f, v, path, reterr);
}
