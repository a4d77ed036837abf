/* Encoding: a word to ids. The merging itself is in chain.c and, as its definition, in merge.c. */
#include "model/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "model/bpe_form.h"
#include "model/chain.h"
#include "model/short_merge.h"
#include "model/windows.h"

#define UNKNOWN_UNIT UINT32_MAX /* in an array of symbols: a character that is none */

struct tok_bpe_scratch {
    struct tok_merge merge;
    struct tok_chain chain;
    uint32_t *symbols;
    uint64_t room;
};

/* Where ids go, and whether the last one was an unknown that the next may join. */
struct sink {
    uint32_t *ids;
    uint64_t count;
    bool open_run;
};

enum ngt_status tok_bpe_scratch_new(const struct tok_bpe *bpe, struct tok_bpe_scratch **ret_scratch,
                                    struct ngt_error *reterr)
{
    struct tok_bpe_scratch *s = calloc(1, sizeof *s);

    (void)bpe;
    if (!s)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for the tokenizer");
    s->chain.merge = &s->merge;
    *ret_scratch = s;
    return NGT_OK;
}

void tok_bpe_scratch_free(struct tok_bpe_scratch **scratch)
{
    if (!*scratch)
        return;
    tok_merge_done(&(*scratch)->merge);
    tok_chain_done(&(*scratch)->chain);
    free((*scratch)->symbols);
    free(*scratch);
    *scratch = NULL;
}

uint64_t tok_bpe_ids_per_byte(const struct tok_bpe *bpe)
{
    return bpe->marker && bpe->unknown == TOK_UNKNOWN_BYTES ? 3 : 1;
}

bool tok_bpe_takes_whole(const struct tok_bpe *bpe)
{
    return bpe->whole_word && bpe->rare_words.max_bytes;
}

static enum ngt_status reserve(struct tok_bpe_scratch *s, uint64_t n, struct ngt_error *reterr)
{
    if (n <= s->room)
        return NGT_OK;
    uint32_t *grown = realloc(s->symbols, (n + n / 2) * sizeof *grown);
    if (!grown)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for a word of %llu bytes", (unsigned long long)n);
    s->symbols = grown;
    s->room = n + n / 2;
    return NGT_OK;
}

/* The ids of one character that has none of its own. */
static void put_unknown(const struct tok_bpe *b, const uint8_t *text, uint64_t size,
                        struct sink *out)
{
    static const uint8_t marker[3] = {0xE2, 0x96, 0x81};
    bool bytes = b->unknown == TOK_UNKNOWN_BYTES;

    if (b->marker && size == 1 && text[0] == ' ') {
        text = marker;
        size = 3;
    }
    for (uint64_t i = 0; i < size && bytes; i++)
        bytes = b->byte_ids[text[i]] != TOK_NO_SYMBOL;
    if (bytes) {
        for (uint64_t i = 0; i < size; i++)
            out->ids[out->count++] = b->byte_ids[text[i]];
        out->open_run = false;
    } else if (b->unknown != TOK_UNKNOWN_DROP) {
        if (!(out->open_run && b->unknown == TOK_UNKNOWN_FUSED))
            out->ids[out->count++] = b->unknown_id;
        out->open_run = true;
    }
}

/* Symbols [count] of text[*at ...] to ids; *at moves on. */
static void put_symbols(const struct tok_bpe *b, const uint8_t *text, uint64_t n, uint64_t *at,
                        const uint32_t *symbols, uint64_t count, struct sink *out)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t s = symbols[i];
        if (s < b->ids) {
            out->ids[out->count++] = s;
            out->open_run = false;
            *at += tok_bpe_size(b, s);
            continue;
        }
        uint64_t end =
            *at + (s == UNKNOWN_UNIT ? tok_bpe_unit(b, text, n, *at) : tok_bpe_size(b, s));
        while (*at < end) {
            uint64_t size = tok_bpe_unit(b, text, n, *at);
            put_unknown(b, text + *at, size, out);
            *at += size;
        }
    }
}

/* The id that is spelt like the word but that merging does not give; what is valid comes out of
 * merging anyway. */
static uint32_t rare_word(const struct tok_bpe *b, const uint8_t *text, uint64_t n)
{
    tok_trie_unit u = (tok_trie_unit)TOK_TRIE_NONE << 8;
    uint32_t base = b->rare_words.root;
    uint64_t at = 0;

    if (n == 0 || n > b->rare_words.max_bytes)
        return TOK_NO_SYMBOL;
    while (at < n && tok_trie_step(&b->rare_words, base, text[at], &u)) {
        base = tok_trie_base(u);
        at++;
    }
    return at == n ? tok_trie_value(u) : TOK_NO_SYMBOL;
}

/* Where the last character of a word starts, with the byte that ends the word. */
static uint64_t last_unit(const struct tok_bpe *b, const uint8_t *text, uint64_t n)
{
    uint64_t at = n - 1;

    at -= at > 0; /* before TOK_BPE_END */
    while (b->characters && at > 0 && (text[at] & 0xC0) == 0x80)
        at--;
    return at;
}

/* Symbols [count] that are ids each? */
static bool are_ids(const struct tok_bpe *b, const uint32_t *symbols, uint64_t count)
{
    uint32_t hidden = 0;

    for (uint64_t i = 0; i < count; i++)
        hidden |= symbols[i] >= b->ids;
    return !hidden;
}

/* A word of one or two bytes, as two thirds of those of base64 are: their number of ids, or 0 where it
 * takes more than a look to know. */
static inline uint64_t shortest(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                                uint32_t *ret_ids)
{
    uint32_t first = b->first.bytes[text[0]], second = b->first.bytes[text[n - 1]];

    if (n == 2) {
        if (first == TOK_NO_SYMBOL || second == TOK_NO_SYMBOL)
            return 0;
        uint64_t join = b->first.joins[(unsigned)text[0] << 8 | text[1]];
        if (join == TOK_PAIR_NONE) {
            ret_ids[0] = first;
            ret_ids[1] = second;
            return first < b->ids && second < b->ids ? 2 : 0;
        }
        first = (uint32_t)join;
    }
    ret_ids[0] = first;
    return first < b->ids;
}

static enum ngt_status encode(const struct tok_bpe *b, struct tok_bpe_scratch *s,
                              const uint8_t *text, uint64_t n, uint32_t *ret_ids,
                              uint64_t *ret_count, struct ngt_error *reterr)
{
    struct sink out = {.ids = ret_ids};
    uint64_t at = 0, stop = 0, count = 0;
    enum ngt_status status = NGT_OK;

    if (!b->chains)
        return tok_bpe_encode_plain(b, s, text, n, ret_ids, ret_count, reterr);
    uint32_t id = rare_word(b, text, n);
    if (id != TOK_NO_SYMBOL) {
        ret_ids[0] = id;
        *ret_count = 1;
        return NGT_OK;
    }
    uint64_t last = b->ends && n ? last_unit(b, text, n) : n, all = n;
    if (last < n && tok_bpe_initial(b, text, last, n - last) == TOK_NO_SYMBOL)
        n = last; /* the rest has an encoding, which chain.c asks for */
    while (at < n) {
        uint32_t *symbols = out.ids + out.count;
        if (n - at <= TOK_SHORT_MERGE && tok_short_merge_pays(b, text, n))
            count = tok_short_merge_run(b, text, n, at, symbols, &stop);
        else
            status = tok_windows_run(&s->chain, b, text, n, at, symbols, &count, &stop, reterr);
        if (status != NGT_OK)
            return status;
        if (b->has_hidden && !are_ids(b, symbols, count)) {
            status = reserve(s, count, reterr);
            if (status != NGT_OK)
                return status;
            memcpy(s->symbols, symbols, count * sizeof *symbols);
            put_symbols(b, text, n, &at, s->symbols, count, &out);
        } else {
            out.count += count;
            out.open_run &= count == 0;
        }
        at = stop;
        if (at < n) {
            /* without its character the neighbours may merge: only the definition knows */
            if (b->unknown == TOK_UNKNOWN_DROP)
                return tok_bpe_encode_plain(b, s, text, n, ret_ids, ret_count, reterr);
            uint64_t size = tok_bpe_unit(b, text, n, at);
            put_unknown(b, text + at, size, &out);
            at += size;
        }
    }
    if (n < all) {
        if (b->unknown == TOK_UNKNOWN_DROP)
            return tok_bpe_encode_plain(b, s, text, all, ret_ids, ret_count, reterr);
        put_unknown(b, text + n, all - n, &out);
    }
    *ret_count = out.count;
    return NGT_OK;
}

enum ngt_status tok_bpe_encode(const struct tok_bpe *b, struct tok_bpe_scratch *s,
                               const uint8_t *text, uint64_t n, uint32_t *ret_ids,
                               uint64_t *ret_count, struct ngt_error *reterr)
{
    if ((n == 1 || n == 2) && b->chains && !b->ends && !b->rare_words.max_bytes) {
        *ret_count = shortest(b, text, n, ret_ids);
        if (*ret_count)
            return NGT_OK;
    }
    return encode(b, s, text, n, ret_ids, ret_count, reterr);
}

static void encode_many(const void *bpe, struct tok_new_word *words, uint64_t count)
{
    const struct tok_bpe *b = bpe;

    b->many.run(&b->many, words, count);
    for (uint64_t i = 0; i < count && b->rare_words.max_bytes; i++) {
        uint64_t size = words[i].size;
        uint32_t id = size <= TOK_MANY_BYTES ? rare_word(b, words[i].text, size) : TOK_NO_SYMBOL;
        if (id != TOK_NO_SYMBOL) {
            words[i].ids[0] = id;
            words[i].count = 1;
        }
    }
}

tok_bpe_many_fn tok_bpe_many(const struct tok_bpe *b)
{
    return b->many.run ? encode_many : NULL;
}

enum ngt_status tok_bpe_encode_plain(const struct tok_bpe *b, struct tok_bpe_scratch *s,
                                     const uint8_t *text, uint64_t n, uint32_t *ret_ids,
                                     uint64_t *ret_count, struct ngt_error *reterr)
{
    struct sink out = {.ids = ret_ids};
    uint64_t units = 0, count = 0, begin = 0;
    enum ngt_status status = reserve(s, n, reterr);

    if (status != NGT_OK)
        return status;
    uint32_t id = rare_word(b, text, n);
    if (id != TOK_NO_SYMBOL) {
        ret_ids[0] = id;
        *ret_count = 1;
        return NGT_OK;
    }
    for (uint64_t at = 0; at < n;) {
        uint64_t size = tok_bpe_unit(b, text, n, at);
        uint32_t symbol = tok_bpe_initial(b, text, at, size);
        at += size;
        if (symbol == TOK_NO_SYMBOL && b->unknown == TOK_UNKNOWN_DROP)
            continue;
        s->symbols[units++] = symbol == TOK_NO_SYMBOL ? UNKNOWN_UNIT : symbol;
    }
    status = tok_merge_run(&s->merge, &b->rules, s->symbols, units, &count, NULL, reterr);
    if (status != NGT_OK)
        return status;
    if (b->unknown == TOK_UNKNOWN_DROP) {
        for (uint64_t i = 0; i < count; i++)
            if (s->symbols[i] < b->ids)
                out.ids[out.count++] = s->symbols[i];
    } else {
        put_symbols(b, text, n, &begin, s->symbols, count, &out);
    }
    *ret_count = out.count;
    return NGT_OK;
}
