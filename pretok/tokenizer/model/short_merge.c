#include "model/short_merge.h"

#include <stddef.h>
#include <string.h>

#define PLACE_SHIFT 24
#define WIDE 0x10000u

/* Bytes of the character that begins with this one; 1 for what begins none. */
static inline unsigned size_of(uint8_t lead)
{
    return lead < 0xC2 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 1;
}

/* Of two or three bytes. */
static inline uint32_t code_of(const uint8_t *c, unsigned size)
{
    return size == 2 ? (c[0] & 0x1Fu) << 6 | (c[1] & 0x3Fu)
                     : (c[0] & 0x0Fu) << 12 | (c[1] & 0x3Fu) << 6 | (c[2] & 0x3Fu);
}

static inline bool continues(uint8_t byte)
{
    return (byte & 0xC0) == 0x80;
}

enum ngt_status tok_short_merge_init(struct tok_starts *p, const struct tok_bpe *b,
                                     struct ngt_error *reterr)
{
    uint64_t wide = b->characters ? WIDE : 0;

    p->memory = tok_pages_new(65536 * sizeof *p->joins + wide * sizeof *p->wide);
    p->joins = p->memory.at;
    if (!p->joins)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for pairs of bytes");
    p->wide = (void *)(p->joins + 65536);
    for (unsigned i = 0; i < 65536; i++)
        p->joins[i] = TOK_PAIR_NONE;
    for (unsigned i = 0; i < wide; i++)
        p->wide[i] = TOK_NO_SYMBOL;
    for (unsigned i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        p->bytes[i] = b->characters && i >= 0x80 ? TOK_NO_SYMBOL : tok_bpe_initial(b, &byte, 0, 1);
    }
    for (uint32_t s = 0; s < b->symbols; s++) {
        const struct tok_bpe_symbol *item = &b->items[s];
        const uint8_t *text = b->bytes + b->starts[s];
        uint64_t size = tok_bpe_size(b, s);
        if (wide && b->flags[s] & TOK_SYMBOL_INITIAL && (size == 2 || size == 3) &&
            size_of(text[0]) == size && continues(text[1]) && continues(text[size - 1]))
            p->wide[code_of(text, (unsigned)size)] = s;
        if (b->flags[s] & TOK_SYMBOL_VALID && item->born && size == 2 &&
            p->bytes[text[0]] == item->left && p->bytes[text[1]] == item->right)
            p->joins[(unsigned)text[0] << 8 | text[1]] = (uint64_t)item->born << 32 | s;
    }
    return NGT_OK;
}

void tok_short_merge_done(struct tok_starts *p)
{
    tok_pages_done(&p->memory);
    *p = (struct tok_starts){0};
}

/* Of a pair. As a double, which orders as its bits do (it is positive and neither denormal nor a
 * NaN), since the least of doubles is one vector instruction everywhere and that of 64-bit integers
 * is not. */
typedef double key;
#define NORMAL (1ull << 62)

static inline key key_of(uint64_t join, unsigned place)
{
    uint64_t bits = join | (uint64_t)place << PLACE_SHIFT | NORMAL;
    key k;

    memcpy(&k, &bits, sizeof k);
    return k;
}

static inline uint64_t bits_of(key k)
{
    uint64_t bits;

    memcpy(&bits, &k, sizeof bits);
    return bits ^ NORMAL;
}

/* Parts are numbered from 1 on, with none at either end: symbols[0] and symbols[count + 1]. */
struct parts {
    key keys[TOK_SHORT_MERGE + 12]; /* of the pair that begins here */
    uint32_t symbols[TOK_SHORT_MERGE + 2];
    unsigned count;
};

static inline key pair_key(const struct tok_bpe *b, const struct parts *p, unsigned left,
                           unsigned right)
{
    return key_of(tok_pair_find(&b->proper, p->symbols[left], p->symbols[right]), left);
}

/* Text to parts, up to what is no symbol; returns where that is. */
static inline uint64_t take_bytes(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                                  uint64_t at, struct parts *p)
{
    const struct tok_starts *first = &b->first;
    unsigned count = 0;

    for (; at < n; at++) {
        uint32_t s = first->bytes[text[at]];
        if (s == TOK_NO_SYMBOL)
            break;
        p->symbols[++count] = s;
        p->keys[count] = at + 1 < n
                             ? key_of(first->joins[(unsigned)text[at] << 8 | text[at + 1]], count)
                             : key_of(TOK_PAIR_NONE, 0);
    }
    p->count = count;
    return at;
}

static uint64_t take_characters(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                                uint64_t at, struct parts *p)
{
    const struct tok_starts *first = &b->first;
    unsigned count = 0;
    bool byte_before = false;

    while (at < n && count < TOK_SHORT_MERGE) {
        uint64_t size = tok_bpe_unit(b, text, n, at);
        uint32_t s;
        if (size == 1)
            s = first->bytes[text[at]];
        else if ((size == 2 || size == 3) && size_of(text[at]) == size && continues(text[at + 1]) &&
                 continues(text[at + size - 1]))
            s = first->wide[code_of(text + at, (unsigned)size)];
        else
            s = tok_bpe_initial(b, text, at, size);
        if (s == TOK_NO_SYMBOL)
            break;
        p->symbols[++count] = s;
        if (byte_before && size == 1)
            p->keys[count - 1] =
                key_of(first->joins[(unsigned)text[at - 1] << 8 | text[at]], count - 1);
        else if (count > 1)
            p->keys[count - 1] = pair_key(b, p, count - 1, count);
        byte_before = size == 1;
        at += size;
    }
    p->count = count;
    return at;
}

/* Of keys [count], and what is behind them up to the next multiple of 8. */
static inline key least(const key *keys, unsigned count)
{
    key a = keys[0], b = keys[1], c = keys[2], d = keys[3];
    key e = keys[4], f = keys[5], g = keys[6], h = keys[7];

    for (unsigned i = 8; i < count; i += 8) {
        a = keys[i] < a ? keys[i] : a;
        b = keys[i + 1] < b ? keys[i + 1] : b;
        c = keys[i + 2] < c ? keys[i + 2] : c;
        d = keys[i + 3] < d ? keys[i + 3] : d;
        e = keys[i + 4] < e ? keys[i + 4] : e;
        f = keys[i + 5] < f ? keys[i + 5] : f;
        g = keys[i + 6] < g ? keys[i + 6] : g;
        h = keys[i + 7] < h ? keys[i + 7] : h;
    }
    a = a < e ? a : e;
    b = b < f ? b : f;
    c = c < g ? c : g;
    d = d < h ? d : h;
    a = a < c ? a : c;
    b = b < d ? b : d;
    return a < b ? a : b;
}

/* The valid symbol that is spelt like all of the text: then it is the encoding. A third of the words of
 * a first few MB of English are, with 200,000 symbols, and merging would take a step for each byte. */
static inline uint32_t whole_symbol(const struct tok_bpe *b, const uint8_t *text, uint64_t n)
{
    const tok_trie_unit *units = b->trie.units;
    uint32_t base = b->trie.root;
    uint64_t at = 0;

    for (;;) {
        tok_trie_unit u = units[base ^ text[at]];
        if ((uint8_t)u != text[at])
            return TOK_NO_SYMBOL;
        if (++at == n)
            return tok_trie_value(u);
        if (!tok_trie_may_step(u, text[at]))
            return TOK_NO_SYMBOL;
        base = tok_trie_base(u);
    }
}

uint64_t tok_short_merge_run(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                             uint64_t from, uint32_t *symbols, uint64_t *ret_stop)
{
    struct parts p;
    uint64_t count = 0;
    uint32_t whole = whole_symbol(b, text + from, n - from);

    if (whole != TOK_NO_SYMBOL) {
        symbols[0] = whole;
        *ret_stop = n;
        return 1;
    }
    *ret_stop = b->characters || b->ends ? take_characters(b, text, n, from, &p)
                                         : take_bytes(b, text, n, from, &p);
    p.symbols[0] = p.symbols[p.count + 1] = TOK_NO_SYMBOL;
    p.keys[0] = key_of(TOK_PAIR_NONE, 0);
    for (unsigned i = p.count; i < p.count + 9; i++)
        p.keys[i] = key_of(TOK_PAIR_NONE, 0);
    /* a bit for each part that is there, and for the two ends */
    uint64_t there = (4ull << p.count) - 1;
    for (;;) {
        uint64_t best = bits_of(least(p.keys, p.count));
        if (best >= TOK_PAIR_NONE)
            break;
        unsigned at = best >> PLACE_SHIFT & 0xFF;
        p.symbols[at] = best & TOK_NO_SYMBOL;
        uint64_t behind = there & ~0ull << 1 << at;
        unsigned gone = (unsigned)__builtin_ctzll(behind);
        p.keys[gone] = key_of(TOK_PAIR_NONE, 0);
        there ^= 1ull << gone;
        unsigned after = (unsigned)__builtin_ctzll(behind & (behind - 1));
        unsigned before = 63 - (unsigned)__builtin_clzll(there & ((1ull << at) - 1));
        p.keys[at] = pair_key(b, &p, at, after);
        p.keys[before] = pair_key(b, &p, before, at);
    }
    for (there &= (2ull << p.count) - 2; there; there &= there - 1)
        symbols[count++] = p.symbols[__builtin_ctzll(there)];
    return count;
}
