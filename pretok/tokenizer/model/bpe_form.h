/* What tok_bpe_new makes of a configuration; shared by the files that build it and those that run. */
#ifndef TOK_MODEL_BPE_FORM_H
#define TOK_MODEL_BPE_FORM_H

#include "model/bpe.h"
#include "model/merge_many.h"
#include "model/pair_set.h"
#include "model/rule_table.h"
#include "model/trie.h"

#define TOK_NO_SYMBOL TOK_TRIE_NONE

/*
 * A symbol that merging its own spelling gives back is *valid*; no other ever comes out of a merge.
 * The rule that makes it last is always the same one, so it has one tree. `born` is 1 + the rank of
 * that rule, 0 for what text starts out as.
 */
struct tok_bpe_symbol {
    uint32_t left, right; /* TOK_NO_SYMBOL for initial ones */
    uint32_t born;
    /* Bits 0..23 the longest valid symbol that is a proper prefix of this, or none (while it is built,
     * valid or not); above, its own size, 255 for all larger ones: what the walk needs when this one
     * does not fit, on one line. */
    uint32_t shorter;
};

enum {
    TOK_SYMBOL_INITIAL = 1,
    TOK_SYMBOL_VALID = 2,
    TOK_SYMBOL_ODD = 4, /* somewhere in its tree a rule's rank is below that of a part */
};

/* What short words begin with. */
struct tok_starts {
    uint64_t *joins;     /* [256 * 256] of two bytes that are each a symbol; as tok_pair_find */
    uint32_t *wide;      /* [0x10000], if characters: of those of two and three bytes */
    uint32_t bytes[256]; /* TOK_NO_SYMBOL: not one byte, or none */
    struct tok_pages memory;
};

struct tok_bpe {
    struct tok_rule_table rules; /* as configured: what the definition works with */
    struct tok_pair_set proper;  /* the last rule of each valid symbol to its `born` */
    struct tok_starts first;
    struct tok_many many;
    struct tok_trie trie;         /* spellings of valid symbols */
    struct tok_trie rare_words;   /* if whole_word: spellings of ids that are not valid */
    struct tok_bpe_symbol *items; /* [symbols] in pages */
    struct tok_pages pages;
    uint8_t *flags;   /* [symbols] TOK_SYMBOL_* */
    uint64_t *starts; /* [symbols + 1] */
    uint8_t *bytes;
    uint32_t ids, symbols;
    uint32_t byte_symbols[256]; /* unless characters */
    uint32_t byte_ids[256];     /* TOK_NO_SYMBOL where there is none */
    enum tok_unknown unknown;
    uint32_t unknown_id;
    bool characters, marker, whole_word, ends;
    bool regular;    /* no symbol is odd */
    bool chains;     /* every rule joins spellings, so that chain.c applies at all */
    bool has_hidden; /* some symbols are no ids */
};

static inline uint64_t tok_bpe_size(const struct tok_bpe *b, uint32_t symbol)
{
    return b->starts[symbol + 1] - b->starts[symbol];
}

static inline uint32_t tok_bpe_shorter(const struct tok_bpe *b, uint32_t symbol)
{
    return b->items[symbol].shorter & TOK_NO_SYMBOL;
}

/* The same as tok_bpe_size, from the line that holds the rest of a symbol. */
static inline uint64_t tok_bpe_item_size(const struct tok_bpe *b, uint32_t symbol)
{
    uint32_t size = b->items[symbol].shorter >> 24;
    return size < 255 ? size : tok_bpe_size(b, symbol);
}

/* Bytes of the UTF-8 character that starts at text[at], at least 1, at most n - at; with the byte
 * that ends the word, if that is behind it. */
static inline uint64_t tok_bpe_unit(const struct tok_bpe *b, const uint8_t *text, uint64_t n,
                                    uint64_t at)
{
    uint8_t c = text[at];
    uint64_t size = !b->characters || c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    size += b->ends && size < n - at && text[at + size] == TOK_BPE_END;
    return size <= n - at ? size : n - at;
}

/* The symbol that text[at, at + size) starts out as, or TOK_NO_SYMBOL. */
static inline uint32_t tok_bpe_initial(const struct tok_bpe *b, const uint8_t *text, uint64_t at,
                                       uint64_t size)
{
    tok_trie_unit u = 0;
    uint32_t base = b->trie.root, symbol;

    if (!b->characters && !b->ends)
        return b->byte_symbols[text[at]];
    for (uint64_t i = 0; i < size; i++) {
        if (!base || !tok_trie_step(&b->trie, base, text[at + i], &u))
            return TOK_NO_SYMBOL;
        base = tok_trie_base(u);
    }
    symbol = tok_trie_value(u);
    return symbol != TOK_NO_SYMBOL && (b->flags[symbol] & TOK_SYMBOL_INITIAL) ? symbol
                                                                              : TOK_NO_SYMBOL;
}

/* While it is built: as if nothing had been found out about which symbols are valid. */
static inline void tok_bpe_forget_valid(struct tok_bpe *b)
{
    tok_pair_set_done(&b->proper);
    for (uint32_t s = 0; s < b->symbols; s++) {
        b->flags[s] &= (uint8_t)~TOK_SYMBOL_VALID;
        b->items[s].left = b->items[s].right = TOK_NO_SYMBOL;
        b->items[s].born = 0;
    }
}
#endif
