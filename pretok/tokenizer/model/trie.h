/*
 * The spellings of a vocabulary as a double array: one 8-byte load a byte of text. A node is the
 * `base` of its children; the child for byte b stands in unit base ^ b if that unit's label is b.
 * No two nodes share a base, so the label alone proves the parent (the scheme of Aoe 1989, with
 * xor as in Yata's darts-clone).
 */
#ifndef TOK_MODEL_TRIE_H
#define TOK_MODEL_TRIE_H

#include <stdint.h>

#include "model/pages.h"
#include "ngt/error.h"

/* bits 0..7 label, 8..31 value (TOK_TRIE_NONE: no key ends here), 32..55 base (0: no children),
 * 56..63 which labels the children may have, by their low three bits: most walks end there, without
 * the load of a unit that is not theirs */
typedef uint64_t tok_trie_unit;
#define TOK_TRIE_UNITS (1u << 24)
#define TOK_TRIE_NONE 0xFFFFFFu

struct tok_trie {
    tok_trie_unit *units;
    uint64_t count;     /* a multiple of 256 */
    uint32_t root;      /* base of the root */
    uint64_t keys;      /* that differ */
    uint64_t max_bytes; /* of the longest one */
    struct tok_pages memory;
};

struct tok_trie_key {
    const uint8_t *bytes;
    uint64_t size;  /* >= 1 */
    uint32_t value; /* < TOK_TRIE_NONE */
};

/* Sorts keys [count] in place; of equal ones the smallest value counts. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_trie_init(struct tok_trie *t, struct tok_trie_key *keys,
                                            uint64_t count, struct ngt_error *reterr);
void tok_trie_done(struct tok_trie *t);

static inline uint32_t tok_trie_value(tok_trie_unit u)
{
    return (uint32_t)(u >> 8) & TOK_TRIE_NONE;
}

static inline uint32_t tok_trie_base(tok_trie_unit u)
{
    return (uint32_t)(u >> 32) & (TOK_TRIE_UNITS - 1);
}

/* May the node have a child of this label? */
static inline int tok_trie_may_step(tok_trie_unit u, uint8_t byte)
{
    return u >> (56 + (byte & 7)) & 1;
}

/* The child of the node with this base; tells whether there is one. */
static inline int tok_trie_step(const struct tok_trie *t, uint32_t base, uint8_t byte,
                                tok_trie_unit *ret)
{
    *ret = t->units[base ^ byte];
    return (uint8_t)*ret == byte;
}

/* The value of the key text [n], or TOK_TRIE_NONE. */
static inline uint32_t tok_trie_find(const struct tok_trie *t, const uint8_t *text, uint64_t n)
{
    tok_trie_unit u = (tok_trie_unit)TOK_TRIE_NONE << 8;
    uint32_t base = t->root;

    for (uint64_t at = 0; at < n; at++) {
        if (!tok_trie_step(t, base, text[at], &u))
            return TOK_TRIE_NONE;
        base = tok_trie_base(u);
    }
    return tok_trie_value(u);
}
#endif
