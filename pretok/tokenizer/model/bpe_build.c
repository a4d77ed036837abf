/* From the rules of a vocabulary to what chain.c needs of it: see chain.h for the terms. */
#include <stdlib.h>
#include <string.h>

#include "model/bpe_form.h"
#include "model/bpe_splits.h"
#include "model/bpe_valid.h"
#include "model/short_merge.h"
#include "text/load8.h"

static enum ngt_status no_memory(const char *path, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, path, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for the vocabulary");
}

void tok_bpe_free(struct tok_bpe **bpe)
{
    if (!*bpe)
        return;
    tok_rule_table_done(&(*bpe)->rules);
    tok_pair_set_done(&(*bpe)->proper);
    tok_trie_done(&(*bpe)->trie);
    tok_trie_done(&(*bpe)->rare_words);
    tok_pages_done(&(*bpe)->pages);
    tok_short_merge_done(&(*bpe)->first);
    tok_many_done(&(*bpe)->many);
    free((*bpe)->flags);
    free((*bpe)->starts);
    free((*bpe)->bytes);
    free(*bpe);
    *bpe = NULL;
}

static bool joins(const struct tok_bpe *b, uint32_t left, uint32_t right, uint32_t result)
{
    uint64_t l = tok_bpe_size(b, left), r = tok_bpe_size(b, right);
    const uint8_t *whole = b->bytes + b->starts[result];

    return tok_bpe_size(b, result) == l + r &&
           tok_same_masked(whole, b->bytes + b->starts[left], l) &&
           tok_same_masked(whole + l, b->bytes + b->starts[right], r);
}

static enum ngt_status check_rules(struct tok_bpe *b, const struct tok_bpe_config *c,
                                   const char *path, struct ngt_error *reterr)
{
    for (uint64_t i = 0; i < c->rule_count; i++) {
        const struct tok_bpe_rule *r = &c->rules[i];
        if (r->left >= c->symbols || r->right >= c->symbols || r->result >= c->symbols ||
            r->rank == TOK_RULE_NONE)
            return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, i,
                            "merge %llu names a token that does not exist", (unsigned long long)i);
        /* a rule whose result is spelt otherwise (odd files) leaves only the definition */
        b->chains = b->chains && (c->joined || joins(b, r->left, r->right, r->result));
    }
    return NGT_OK;
}

/* One pass counts, the second fills. */
static enum ngt_status add_splits(struct tok_bpe *b, const uint32_t *ranks,
                                  struct ngt_error *reterr)
{
    uint64_t count = 0;
    enum ngt_status status = NGT_OK;

    for (int pass = 0; pass < 2 && status == NGT_OK; pass++) {
        for (uint32_t s = 0; s < b->symbols; s++) {
            const uint8_t *text = b->bytes + b->starts[s];
            uint32_t base = b->trie.root;
            uint64_t size = tok_bpe_size(b, s);
            for (uint64_t cut = 1; cut < size && !(b->flags[s] & TOK_SYMBOL_INITIAL); cut++) {
                tok_trie_unit u = b->trie.units[base ^ text[cut - 1]];
                uint32_t left = tok_trie_value(u), right;
                base = tok_trie_base(u);
                if (left == TOK_NO_SYMBOL)
                    continue;
                right = tok_trie_find(&b->trie, text + cut, size - cut);
                if (right == TOK_NO_SYMBOL)
                    continue;
                if (pass)
                    tok_rule_table_put(&b->rules, left, right, ranks[s], s);
                else
                    count++;
            }
        }
        if (!pass)
            status = tok_rule_table_init(&b->rules, count, reterr);
    }
    return status;
}

static bool build_trie(struct tok_bpe *b, struct tok_trie *trie, bool odd_only)
{
    struct tok_pages pages = tok_pages_new((b->symbols + 1ull) * sizeof(struct tok_trie_key));
    struct tok_trie_key *keys = pages.at;
    uint64_t count = 0;
    bool done;

    if (!keys)
        return false;
    for (uint32_t s = 0; s < b->symbols; s++)
        if (tok_bpe_size(b, s) && (!odd_only || (!(b->flags[s] & TOK_SYMBOL_VALID) && s < b->ids)))
            keys[count++] = (struct tok_trie_key){b->bytes + b->starts[s], tok_bpe_size(b, s), s};
    done = (odd_only && count == 0) || tok_trie_init(trie, keys, count, NULL) == NGT_OK;
    tok_pages_done(&pages);
    return done;
}

/* The unit that a spelling ends at. */
static tok_trie_unit *unit_of(const struct tok_bpe *b, uint32_t s)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint32_t base = b->trie.root;
    uint64_t at = 0;

    for (uint64_t i = 0; i < tok_bpe_size(b, s); i++) {
        at = base ^ text[i];
        base = tok_trie_base(b->trie.units[at]);
    }
    return &b->trie.units[at];
}

/* What is not valid leaves the trie. */
static void keep_valid(struct tok_bpe *b)
{
    for (uint32_t s = 0; s < b->symbols; s++)
        if (tok_bpe_size(b, s) && !(b->flags[s] & TOK_SYMBOL_VALID))
            *unit_of(b, s) |= (tok_trie_unit)TOK_TRIE_NONE << 8;
}

/*
 * The longest symbol that is a proper prefix of each, valid or not, and sizes. Its own such prefix is the
 * next longest, and so on: this takes the place of further walks. LANES walks at a time, so that as many
 * loads are under way.
 */
static void find_prefixes(struct tok_bpe *b)
{
    enum { LANES = 8 };

    for (uint32_t first = 0; first < b->symbols; first += LANES) {
        uint32_t n = b->symbols - first < LANES ? b->symbols - first : LANES;
        uint32_t bases[LANES];
        uint64_t sizes[LANES], longest = 0;
        for (uint32_t k = 0; k < n; k++) {
            uint64_t size = tok_bpe_size(b, first + k);
            bases[k] = b->trie.root;
            sizes[k] = size;
            longest = size > longest ? size : longest;
            b->items[first + k].shorter = TOK_NO_SYMBOL | (uint32_t)(size < 255 ? size : 255) << 24;
        }
        for (uint64_t at = 0; at + 1 < longest; at++) {
            for (uint32_t k = 0; k < n; k++) {
                if (at + 1 >= sizes[k])
                    continue;
                tok_trie_unit u = b->trie.units[bases[k] ^ b->bytes[b->starts[first + k] + at]];
                uint32_t *shorter = &b->items[first + k].shorter;
                bases[k] = tok_trie_base(u);
                if (tok_trie_value(u) != TOK_TRIE_NONE)
                    *shorter = (*shorter & ~TOK_NO_SYMBOL) | tok_trie_value(u);
            }
        }
    }
}

/* decided: b->proper is there. */
static enum ngt_status relate(struct tok_bpe *b, bool decided, struct ngt_error *reterr)
{
    uint64_t merged = 0, largest = 0;
    enum ngt_status status = NGT_OK;

    for (uint32_t s = 0; s < b->symbols; s++) {
        if (!(b->flags[s] & TOK_SYMBOL_VALID) || !b->items[s].born)
            continue;
        merged++;
        largest = b->items[s].born > largest ? b->items[s].born : largest;
    }
    if (!decided)
        status = tok_pair_set_init(&b->proper, merged, reterr);
    b->regular = true;
    b->chains = b->chains && largest < TOK_PAIR_NUMBERS;
    for (uint32_t s = 0; s < b->symbols && status == NGT_OK; s++) {
        struct tok_bpe_symbol *item = &b->items[s];
        uint32_t shorter = tok_bpe_shorter(b, s);
        if (!(b->flags[s] & TOK_SYMBOL_VALID))
            continue;
        if (item->born) {
            /* what the set cannot hold (ranks of millions, a crowd by design) is left to merging */
            b->chains = b->chains && (decided || tok_pair_set_put(&b->proper, item->left,
                                                                  item->right, item->born, s));
            if (item->born < b->items[item->left].born || item->born < b->items[item->right].born) {
                b->flags[s] |= TOK_SYMBOL_ODD;
                b->regular = false;
            }
        }
        while (shorter != TOK_NO_SYMBOL && !(b->flags[shorter] & TOK_SYMBOL_VALID))
            shorter = tok_bpe_shorter(b, shorter);
        item->shorter = (item->shorter & ~TOK_NO_SYMBOL) | shorter;
    }
    return status;
}

/* What holds an odd symbol is odd. Trees are shallow, so a few passes find all. */
static void spread_odd(struct tok_bpe *b)
{
    for (bool changed = !b->regular; changed;) {
        changed = false;
        for (uint32_t s = 0; s < b->symbols; s++) {
            const struct tok_bpe_symbol *item = &b->items[s];
            if (!(b->flags[s] & TOK_SYMBOL_VALID) || !item->born || b->flags[s] & TOK_SYMBOL_ODD ||
                !((b->flags[item->left] | b->flags[item->right]) & TOK_SYMBOL_ODD))
                continue;
            b->flags[s] |= TOK_SYMBOL_ODD;
            changed = true;
        }
    }
}

static bool copy_spellings(struct tok_bpe *b, const struct tok_bpe_config *c)
{
    uint64_t total = c->starts[c->symbols] - c->starts[0];

    b->pages = tok_pages_new((c->symbols + 1ull) * sizeof *b->items);
    b->items = b->pages.at;
    b->flags = calloc(c->symbols + 1ull, 1);
    b->starts = malloc((c->symbols + 1ull) * sizeof *b->starts);
    b->bytes = malloc(total + 8); /* which joins() reads ahead */
    if (!b->items || !b->flags || !b->starts || !b->bytes)
        return false;
    memcpy(b->bytes, c->bytes + c->starts[0], total);
    for (uint64_t s = 0; s <= c->symbols; s++)
        b->starts[s] = c->starts[s] - c->starts[0];
    for (uint32_t s = 0; s < c->symbols; s++) {
        b->items[s] = (struct tok_bpe_symbol){TOK_NO_SYMBOL, TOK_NO_SYMBOL, 0, TOK_NO_SYMBOL};
        b->flags[s] = c->initial[s] ? TOK_SYMBOL_INITIAL : 0;
    }
    return true;
}

/* Is it what bpe_splits.h takes? */
static bool ranks_are_symbols(const struct tok_bpe_config *c)
{
    bool are = !c->characters && !c->ends;

    for (uint32_t s = 0; s < c->symbols && are; s++)
        are = c->split_ranks[s] == s;
    return are;
}

/* The rules that merging works with. */
static enum ngt_status add_rules(struct tok_bpe *b, const struct tok_bpe_config *c,
                                 struct ngt_error *reterr)
{
    return c->split_ranks ? add_splits(b, c->split_ranks, reterr)
                          : tok_bpe_fill_rules(b, c->rules, c->rule_count, reterr);
}

/* Which symbols are valid, by which rules, and what follows from it. */
static enum ngt_status find_valid(struct tok_bpe *b, const struct tok_bpe_config *c,
                                  const char *path, struct ngt_error *reterr)
{
    bool decided = false;
    enum ngt_status status = c->split_ranks ? NGT_OK : check_rules(b, c, path, reterr);

    if (status == NGT_OK && c->split_ranks && c->no_plain && ranks_are_symbols(c))
        status = tok_bpe_find_by_splits(b, &decided, reterr);
    if (status == NGT_OK && !c->split_ranks && b->chains && !c->ends)
        status = tok_bpe_find_by_rules(b, c->rules, c->rule_count, &decided, reterr);
    if (status == NGT_OK && !decided)
        status = add_rules(b, c, reterr);
    if (status == NGT_OK && !decided)
        status = tok_bpe_find_by_merging(b, reterr);
    if (status == NGT_OK) {
        keep_valid(b);
        status = relate(b, decided, reterr);
    }
    if (status != NGT_OK || !decided)
        return status;
    if (c->no_plain && b->chains && b->regular)
        tok_rule_table_done(&b->rules); /* some may have been asked */
    else
        status = add_rules(b, c, reterr); /* what is not valid has no part in splits any more */
    return status;
}

enum ngt_status tok_bpe_new(const struct tok_bpe_config *c, const char *path,
                            struct tok_bpe **ret_bpe, struct ngt_error *reterr)
{
    struct tok_bpe *b = NULL;
    uint64_t spelt = 0; /* symbols */
    enum ngt_status status;

    if (c->symbols >= TOK_NO_SYMBOL || c->ids > c->symbols)
        return ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, NGT_NO_POS,
                        "%u tokens; the engine takes fewer than %u", c->symbols, TOK_NO_SYMBOL);
    b = calloc(1, sizeof *b);
    if (!b || !copy_spellings(b, c)) {
        status = no_memory(path, reterr);
        goto out;
    }
    b->ids = c->ids;
    b->symbols = c->symbols;
    b->characters = c->characters;
    b->marker = c->marker;
    b->whole_word = c->whole_word;
    b->ends = c->ends;
    b->unknown = c->unknown;
    b->unknown_id = c->unknown_id;
    b->has_hidden = c->symbols > c->ids;
    b->chains = true;
    for (unsigned i = 0; i < 256; i++) {
        b->byte_symbols[i] = TOK_NO_SYMBOL;
        b->byte_ids[i] = c->byte_ids ? c->byte_ids[i] : TOK_NO_SYMBOL;
    }
    for (uint32_t s = 0; s < c->symbols; s++) {
        spelt += tok_bpe_size(b, s) > 0;
        if (!c->characters && c->initial[s] && tok_bpe_size(b, s) == 1)
            b->byte_symbols[b->bytes[b->starts[s]]] = s;
    }
    if (!build_trie(b, &b->trie, false)) {
        status = no_memory(path, reterr);
        goto out;
    }
    for (uint32_t s = 0; s < b->symbols && b->trie.keys < spelt; s++) {
        uint32_t other = tok_bpe_size(b, s) ? tok_trie_value(*unit_of(b, s)) : s;
        if (other != s) {
            status = ngt_fail(reterr, NGT_E_DATA, path, NGT_NO_POS, s,
                              "tokens %u and %u are spelt alike", other, s);
            goto out;
        }
    }
    find_prefixes(b);
    status = find_valid(b, c, path, reterr);
    if (status == NGT_OK)
        status = tok_short_merge_init(&b->first, b, reterr);
    if (status == NGT_OK)
        tok_many_init(&b->many, b);
    if (status == NGT_OK)
        spread_odd(b);
    if (status == NGT_OK && b->whole_word && !build_trie(b, &b->rare_words, true))
        status = no_memory(path, reterr);
    if (status == NGT_OK) {
        *ret_bpe = b;
        b = NULL;
    }
out:
    tok_bpe_free(&b);
    return status;
}
