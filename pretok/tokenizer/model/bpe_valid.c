/* See bpe_valid.h. */
#include "model/bpe_valid.h"

#include <stdlib.h>
#include <string.h>

#include "model/bpe_meet.h"
#include "model/merge.h"

#define NONE UINT32_MAX
#define AHEAD 16 /* rules of which what they need is brought meanwhile */

/* Further marks of symbols, beside those of bpe_meet.h. */
enum {
    MERGED = 8, /* its text was merged: it, and what is made of it, is not in the order of ranks */
};

/* What merging needs, for one symbol after the other. */
struct merging {
    struct tok_merge merge;
    uint32_t *symbols; /* [longest spelling] */
};

static enum ngt_status no_memory(uint64_t count, struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                    "out of memory for %llu tokens", (unsigned long long)count);
}

static enum ngt_status merging_init(struct merging *m, const struct tok_bpe *b,
                                    struct ngt_error *reterr)
{
    *m = (struct merging){.symbols = malloc((b->trie.max_bytes + 1) * sizeof *m->symbols)};
    return m->symbols ? NGT_OK : no_memory(b->symbols, reterr);
}

static void merging_done(struct merging *m)
{
    tok_merge_done(&m->merge);
    free(m->symbols);
}

/* *ret_last: left is TOK_NO_SYMBOL where text starts out as s. */
static enum ngt_status merge_symbol(struct merging *m, const struct tok_bpe *b, uint32_t s,
                                    bool *ret_valid, struct tok_merge_last *ret_last,
                                    struct ngt_error *reterr)
{
    const uint8_t *text = b->bytes + b->starts[s];
    uint64_t units = 0, count = 0, size = tok_bpe_size(b, s);
    bool known = size != 0;
    enum ngt_status status;

    *ret_valid = false;
    *ret_last = (struct tok_merge_last){TOK_NO_SYMBOL, TOK_NO_SYMBOL, 0};
    for (uint64_t at = 0; at < size && known;) {
        uint64_t unit = tok_bpe_unit(b, text, size, at);
        m->symbols[units] = tok_bpe_initial(b, text, at, unit);
        known = m->symbols[units++] != TOK_NO_SYMBOL;
        at += unit;
    }
    if (!known)
        return NGT_OK;
    for (uint64_t i = 0; i + 1 < units; i++)
        tok_rule_expect(&b->rules, m->symbols[i], m->symbols[i + 1]);
    status = tok_merge_run(&m->merge, &b->rules, m->symbols, units, &count, ret_last, reterr);
    *ret_valid = status == NGT_OK && count == 1 && m->symbols[0] == s;
    return status;
}

enum ngt_status tok_bpe_find_by_merging(struct tok_bpe *b, struct ngt_error *reterr)
{
    struct merging m;
    struct tok_merge_last last;
    bool valid;
    enum ngt_status status = merging_init(&m, b, reterr);

    for (uint32_t s = 0; s < b->symbols && status == NGT_OK; s++) {
        struct tok_bpe_symbol *item = &b->items[s];
        status = merge_symbol(&m, b, s, &valid, &last, reterr);
        if (!valid)
            continue;
        b->flags[s] |= TOK_SYMBOL_VALID;
        item->left = last.left;
        item->right = last.right;
        item->born = last.left == TOK_NO_SYMBOL ? 0 : last.rank + 1;
    }
    merging_done(&m);
    return status;
}

enum ngt_status tok_bpe_fill_rules(struct tok_bpe *b, const struct tok_bpe_rule *rules,
                                   uint64_t count, struct ngt_error *reterr)
{
    if (b->rules.entries)
        return NGT_OK;
    enum ngt_status status = tok_rule_table_init(&b->rules, count, reterr);
    for (uint64_t i = 0; i < count && status == NGT_OK; i++) {
        if (i + AHEAD < count)
            tok_rule_expect(&b->rules, rules[i + AHEAD].left, rules[i + AHEAD].right);
        tok_rule_table_put(&b->rules, rules[i].left, rules[i].right, rules[i].rank,
                           rules[i].result);
    }
    return status;
}

/* What tok_bpe_find_by_rules works with. */
struct search {
    struct tok_bpe *b;
    const struct tok_bpe_rule *rules;
    uint64_t count;
    uint8_t *marks;   /* [symbols] */
    uint32_t *last;   /* [symbols] the last rule so far that makes it, or NONE */
    uint32_t *before; /* [count] the one before with the same result, or NONE */
    struct merging merging;
    bool decided;
};

/* Is it the first rule for its pair? Rules that make the same symbol of another left side have
 * another pair, so there are no more of them than that symbol has bytes. */
static bool is_new(struct search *s, uint32_t i)
{
    const struct tok_bpe_rule *r = &s->rules[i];

    for (uint32_t k = s->last[r->result]; k != NONE; k = s->before[k])
        if (s->rules[k].left == r->left)
            return false;
    s->before[i] = s->last[r->result];
    s->last[r->result] = i;
    return true;
}

static enum ngt_status decide_by_merging(struct search *s, uint32_t symbol,
                                         struct ngt_error *reterr)
{
    struct tok_merge_last last;
    bool valid = false;
    enum ngt_status status = tok_bpe_fill_rules(s->b, s->rules, s->count, reterr);

    if (status == NGT_OK)
        status = merge_symbol(&s->merging, s->b, symbol, &valid, &last, reterr);
    s->marks[symbol] |= MERGED;
    if (valid)
        s->decided &= tok_bpe_set_valid(s->b, symbol, last.left, last.right, last.rank + 1);
    return status;
}

static enum ngt_status take_rule(struct search *s, uint32_t i, struct ngt_error *reterr)
{
    const struct tok_bpe_rule *r = &s->rules[i];
    struct tok_bpe *b = s->b;

    if ((i && r->rank <= r[-1].rank) || !is_new(s, i)) {
        s->decided = false;
        return NGT_OK;
    }
    if (b->flags[r->result] & TOK_SYMBOL_VALID || s->marks[r->result] & MERGED)
        return NGT_OK;
    if (!(b->flags[r->left] & b->flags[r->right] & TOK_SYMBOL_VALID)) {
        s->marks[r->left] |= TOK_MARK_LEFT;
        s->marks[r->right] |= TOK_MARK_RIGHT;
        s->marks[r->result] |= TOK_MARK_OPEN;
        return NGT_OK;
    }
    enum tok_meet meet = (s->marks[r->left] | s->marks[r->right]) & MERGED
                             ? TOK_MEET_UNSURE
                             : tok_bpe_meet(b, s->marks, r->left, r->right);
    if (meet == TOK_MEET_YES)
        s->decided &= tok_bpe_set_valid(b, r->result, r->left, r->right, r->rank + 1);
    return meet == TOK_MEET_UNSURE ? decide_by_merging(s, r->result, reterr) : NGT_OK;
}

static enum ngt_status take_all(struct search *s, struct ngt_error *reterr)
{
    struct tok_bpe *b = s->b;
    enum ngt_status status = NGT_OK;

    for (uint32_t k = 0; k < b->symbols; k++) {
        s->last[k] = NONE;
        if (b->flags[k] & TOK_SYMBOL_INITIAL)
            b->flags[k] |= TOK_SYMBOL_VALID;
    }
    for (uint32_t i = 0; i < s->count && s->decided && status == NGT_OK; i++) {
        if (i + AHEAD < s->count)
            tok_pair_expect(&b->proper, s->rules[i + AHEAD].left, s->rules[i + AHEAD].right);
        status = take_rule(s, i, reterr);
    }
    for (uint32_t k = 0; k < b->symbols && s->decided && status == NGT_OK; k++)
        if (s->marks[k] & TOK_MARK_OPEN && !(s->marks[k] & MERGED) &&
            !(b->flags[k] & TOK_SYMBOL_VALID))
            status = decide_by_merging(s, k, reterr);
    return status;
}

enum ngt_status tok_bpe_find_by_rules(struct tok_bpe *b, const struct tok_bpe_rule *rules,
                                      uint64_t count, bool *ret_decided, struct ngt_error *reterr)
{
    struct search s = {.b = b, .rules = rules, .count = count};
    enum ngt_status status = merging_init(&s.merging, b, reterr);

    s.decided = count < NONE;
    s.marks = calloc(b->symbols + 1ull, 1);
    s.last = malloc((b->symbols + 1ull) * sizeof *s.last);
    s.before = malloc((count + 1) * sizeof *s.before);
    if (status == NGT_OK && (!s.marks || !s.last || !s.before))
        status = no_memory(b->symbols, reterr);
    if (status == NGT_OK)
        status = tok_pair_set_init(&b->proper, b->symbols, reterr);
    if (status == NGT_OK)
        status = take_all(&s, reterr);
    if (status == NGT_OK && !s.decided)
        tok_bpe_forget_valid(b);
    merging_done(&s.merging);
    free(s.marks);
    free(s.last);
    free(s.before);
    *ret_decided = s.decided;
    return status;
}
