/*
 * A sorted list of strings, walked like a trie by narrowing a range. Nearly all text is passed over
 * by one table look-up a byte: few bytes start a control token.
 */
#include "text/special_strings.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    const uint8_t *at;
    uint64_t size;
};

struct tok_special_strings {
    uint64_t count;
    struct entry *entries;   /* sorted bytewise, shorter first */
    uint32_t first[256 + 1]; /* entries that start with byte b: [first[b], first[b + 1]) */
    unsigned starter_count;  /* bytes that start an entry */
    uint8_t starter;         /* the one, when there is only one */
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = memcmp(x->at, y->at, x->size < y->size ? x->size : y->size);
    return order ? order : x->size < y->size ? -1 : x->size > y->size;
}

enum ngt_status tok_special_strings_new(const struct tok_model *model, const bool *skip,
                                        struct tok_special_strings **ret_strings,
                                        struct ngt_error *reterr)
{
    struct tok_special_strings *s = calloc(1, sizeof *s);
    uint64_t n = 0;

    for (uint32_t id = 0; id < model->vocabulary.count; id++)
        n += model->kinds[id] == NGT_ID_CONTROL && !(skip && skip[id]);
    if (s)
        s->entries = calloc(n ? n : 1, sizeof *s->entries);
    if (!s || !s->entries) {
        tok_special_strings_free(&s);
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    }
    for (uint32_t id = 0; id < model->vocabulary.count; id++)
        if (model->kinds[id] == NGT_ID_CONTROL && !(skip && skip[id]))
            s->entries[s->count++] =
                (struct entry){(const uint8_t *)model->names + model->name_starts[id],
                               model->name_starts[id + 1] - model->name_starts[id]};
    qsort(s->entries, s->count, sizeof *s->entries, compare);
    for (unsigned b = 0, e = 0; b < 256; b++) {
        s->first[b] = e;
        while (e < s->count && s->entries[e].at[0] == b)
            e++;
        s->first[b + 1] = e;
        if (s->first[b + 1] != s->first[b]) {
            s->starter_count++;
            s->starter = (uint8_t)b;
        }
    }
    *ret_strings = s;
    return NGT_OK;
}

void tok_special_strings_free(struct tok_special_strings **s)
{
    if (!*s)
        return;
    free((*s)->entries);
    free(*s);
    *s = NULL;
}

/* Length of the longest entry that text starts with, or 0. */
static uint64_t match(const struct tok_special_strings *s, const uint8_t *text, uint64_t n)
{
    uint64_t low = s->first[text[0]], high = s->first[text[0] + 1], longest = 0;

    /* invariant: entries [low, high) share the first depth bytes with text */
    for (uint64_t depth = 1; low < high; depth++) {
        if (s->entries[low].size == depth) {
            longest = depth;
            low++;
        }
        if (depth == n)
            break;
        uint8_t want = text[depth];
        uint64_t a = low, b = high;
        while (a < b) {
            uint64_t middle = a + (b - a) / 2;
            if (s->entries[middle].at[depth] < want)
                a = middle + 1;
            else
                b = middle;
        }
        low = a;
        b = high;
        while (a < b) {
            uint64_t middle = a + (b - a) / 2;
            if (s->entries[middle].at[depth] <= want)
                a = middle + 1;
            else
                b = middle;
        }
        high = a;
    }
    return longest;
}

uint64_t tok_special_strings_count(const struct tok_special_strings *s, const char *text,
                                   uint64_t n)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + n;
    uint64_t found = 0;

    if (!s->starter_count)
        return 0;
    while (at < end) {
        if (s->starter_count == 1) {
            at = memchr(at, s->starter, (size_t)(end - at));
            if (!at)
                break;
        } else if (s->first[*at] == s->first[*at + 1]) {
            at++;
            continue;
        }
        uint64_t length = match(s, at, (uint64_t)(end - at));
        found += length != 0;
        at += length ? length : 1;
    }
    return found;
}
