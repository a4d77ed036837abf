/*
 * SentencePiece's normalizer: a document to internal text, as sentencepiece 0.2.3 does it.
 *
 * Internal text is what the library calls normalized, but that U+2581 is one byte ' ' in it if the
 * model escapes white space; a literal space cannot occur there then. It is valid UTF-8 whatever
 * the document was.
 */
#ifndef TOK_TEXT_NORMALIZE_SP_H
#define TOK_TEXT_NORMALIZE_SP_H

#include "model/trie.h"
#include "text/charsmap.h"
#include "text/scan_sp.h"

struct tok_sp_normalizer {
    const struct tok_charsmap *charsmap; /* NULL: identity */
    const struct tok_trie *symbols;      /* user-defined, as the file spells them; NULL: none */
    bool dummy_prefix, suffix, squeeze, escape;
    /* from here on by tok_sp_normalizer_init */
    const struct tok_sp_scan *scan;
    struct tok_sp_classes classes;
    bool starts_symbol[256];
    bool as_is; /* only U+2581 and malformed bytes may change */
};

/* The fields above `scan` are set; the charsmap's rules, the symbols too, are valid UTF-8. */
void tok_sp_normalizer_init(struct tok_sp_normalizer *nz, const struct tok_sp_scan *scan);

/* Bytes of the longest symbol that text [n] starts with, 0 when there is none; *ret_value is its
 * value. As the library's prefix matcher, which looks at the 64 shortest. */
uint64_t tok_sp_symbol_at(const struct tok_trie *symbols, const uint8_t *text, uint64_t n,
                          uint32_t *ret_value);

/* A growing buffer with TOK_SP_PADDING bytes behind its n. */
struct tok_sp_text {
    uint8_t *bytes;
    uint64_t n, room;
};
void tok_sp_text_done(struct tok_sp_text *text);

/* document [n] to *text, overwriting it. NGT_E_NOMEM; NGT_E_DATA: it becomes 2 GiB and more. */
NGT_NODISCARD enum ngt_status tok_sp_normalize(const struct tok_sp_normalizer *nz,
                                               const uint8_t *document, uint64_t n,
                                               struct tok_sp_text *text, struct ngt_error *reterr);
#endif
