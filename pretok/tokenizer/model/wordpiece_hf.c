/* See wordpiece_hf.h. */
#include "model/wordpiece_hf.h"

#include <stdlib.h>
#include <string.h>

#include "model/trie.h"
#include "text/utf8_inline.h"

struct tok_wordpiece {
    struct tok_trie first, later; /* names, and names without the prefix of continuing subwords */
    bool whole;                   /* WordLevel */
    uint32_t unknown;
    uint64_t most; /* characters of a word; more are unknown without a look */
};

static bool collect(const struct tok_hf_file *f, bool later, struct tok_trie_key *keys,
                    struct tok_trie *trie)
{
    const struct tok_model *m = &f->model;
    uint64_t cut = later ? f->prefix.size : 0, count = 0;

    for (uint32_t id = 0; id < m->vocabulary.count; id++) {
        const uint8_t *name = (const uint8_t *)m->names + m->name_starts[id];
        uint64_t n = m->name_starts[id + 1] - m->name_starts[id];
        if (f->in_model[id] && n > cut && (cut == 0 || memcmp(name, f->prefix.at, cut) == 0))
            keys[count++] = (struct tok_trie_key){name + cut, n - cut, id};
    }
    return tok_trie_init(trie, keys, count, NULL) == NGT_OK;
}

enum ngt_status tok_wordpiece_new(const struct tok_hf_file *f, const char *path,
                                  struct tok_wordpiece **ret, struct ngt_error *reterr)
{
    struct tok_wordpiece *w = calloc(1, sizeof *w);
    struct tok_trie_key *keys = malloc((f->model.vocabulary.count + 1ull) * sizeof *keys);
    enum ngt_status status = NGT_OK;

    if (f->model.vocabulary.count >= TOK_TRIE_NONE) {
        status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                          "%u tokens; less than 2^24 are supported", f->model.vocabulary.count);
    } else if (!w || !keys || !collect(f, false, keys, &w->first) ||
               !collect(f, true, keys, &w->later)) {
        status = ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the vocabulary");
    } else {
        w->whole = f->kind == TOK_HF_WORDLEVEL;
        w->unknown = f->unknown;
        w->most = f->most_characters;
        *ret = w;
        w = NULL;
    }
    free(keys);
    tok_wordpiece_free(&w);
    return status;
}

void tok_wordpiece_free(struct tok_wordpiece **w)
{
    if (!*w)
        return;
    tok_trie_done(&(*w)->first);
    tok_trie_done(&(*w)->later);
    free(*w);
    *w = NULL;
}

/* The longest key that text [n] begins with; 0 bytes where there is none. */
static uint64_t longest(const struct tok_trie *t, const uint8_t *text, uint64_t n, uint32_t *ret)
{
    uint64_t found = 0;
    uint32_t base = t->root;
    tok_trie_unit unit;

    for (uint64_t at = 0; at < n && tok_trie_step(t, base, text[at], &unit); at++) {
        base = tok_trie_base(unit);
        if (tok_trie_value(unit) != TOK_TRIE_NONE) {
            found = at + 1;
            *ret = tok_trie_value(unit);
        }
    }
    return found;
}

static bool is_too_long(const struct tok_wordpiece *w, const uint8_t *word, uint64_t n)
{
    uint64_t characters = 0;

    if (n <= w->most)
        return false;
    for (uint64_t i = 0; i < n && characters <= w->most; i++)
        characters += (word[i] & 0xC0) != 0x80;
    return characters > w->most;
}

enum ngt_status tok_wordpiece_encode(const void *wordpiece, void *scratch, const uint8_t *word,
                                     uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                     struct ngt_error *reterr)
{
    const struct tok_wordpiece *w = wordpiece;
    uint64_t at = 0, count = 0;
    bool known = w->whole || !is_too_long(w, word, n);

    (void)scratch;
    (void)reterr;
    while (at < n && known) {
        uint32_t id = 0;
        uint64_t size = longest(at ? &w->later : &w->first, word + at, n - at, &id);
        known = size != 0 && (!w->whole || size == n);
        at += size;
        if (known)
            ret_ids[count++] = id;
    }
    if (!known) {
        ret_ids[0] = w->unknown;
        count = 1;
    }
    *ret_count = count;
    return NGT_OK;
}
