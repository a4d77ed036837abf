/*
 * The pieces of a SentencePiece model as the engines see them: which strings of internal text (see
 * text/normalize_sp.h) are pieces, with what score. Owns all it points to; the file may go.
 */
#ifndef TOK_LOAD_SP_VOCAB_H
#define TOK_LOAD_SP_VOCAB_H

#include "load/sp_model.h"
#include "model/trie.h"

struct tok_sp_vocab {
    uint32_t count;
    uint8_t *types; /* [count] enum tok_sp_type */
    float *scores;  /* [count] */
    /* Spellings in internal text: bytes[starts[i] .. starts[i + 1]); empty for a piece that no text
     * becomes: reserved ones, malformed UTF-8, a literal space where spaces are escaped. */
    uint64_t *starts;
    uint8_t *bytes;
    uint32_t unknown_id;
    bool byte_fallback;
    uint32_t byte_ids[256];
    bool marker; /* ' ' stands for U+2581 */
    bool odd;    /* a user-defined symbol is malformed UTF-8: nothing for the fast engine */
    bool unused; /* a piece of two or more characters is UNUSED */
    /* User-defined symbols as the file spells them, and in internal text; values are ids. Without
     * units where there are none. */
    struct tok_trie raw_symbols, symbols;
};

/* NGT_E_DATA for what sentencepiece 0.2.3 refuses to load; NGT_E_UNSUPPORTED for 2^24 ids. */
NGT_NODISCARD enum ngt_status tok_sp_vocab_init(struct tok_sp_vocab *vocab,
                                                const struct tok_sp_parts *parts, const char *path,
                                                struct ngt_error *reterr);
void tok_sp_vocab_done(struct tok_sp_vocab *vocab);

static inline uint64_t tok_sp_vocab_size(const struct tok_sp_vocab *vocab, uint32_t id)
{
    return vocab->starts[id + 1] - vocab->starts[id];
}
#endif
