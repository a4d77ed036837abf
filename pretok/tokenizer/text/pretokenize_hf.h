/*
 * The pre-tokenizers of a tokenizer.json: a list of steps, Sequences flattened. Each step cuts the
 * pieces of the one before it, so what a pattern sees as the end of text is the end of its piece.
 * Pieces are handed on one by one; nothing is collected.
 */
#ifndef TOK_PRETOKENIZE_HF_H
#define TOK_PRETOKENIZE_HF_H

#include "text/buffer.h"
#include "text/hf_pattern.h"
#include "text/normalize_hf.h"

enum tok_hf_cut {
    TOK_HF_CUT_PATTERN,   /* Split */
    TOK_HF_CUT_CLASS,     /* Digits, Punctuation, WhitespaceSplit, BertPreTokenizer's two */
    TOK_HF_CUT_CHARACTER, /* CharDelimiterSplit */
    TOK_HF_CUT_WORDS,     /* Whitespace: \w+|[^\w\s]+ */
    TOK_HF_CUT_LENGTH,    /* FixedLength */
    TOK_HF_CUT_METASPACE,
    TOK_HF_CUT_PREFIX,     /* ByteLevel's prefix space */
    TOK_HF_CUT_BYTE_CHARS, /* ByteLevel before other steps; after all others it is the model's */
};

enum tok_hf_behavior {
    TOK_HF_REMOVED,
    TOK_HF_ISOLATED,
    TOK_HF_WITH_PREVIOUS,
    TOK_HF_WITH_NEXT,
    TOK_HF_CONTIGUOUS,
};

enum tok_hf_prepend { TOK_HF_ALWAYS, TOK_HF_FIRST, TOK_HF_NEVER };

struct tok_hf_pretokenizer {
    enum tok_hf_cut cut;
    enum tok_hf_behavior behavior;
    bool invert;
    struct tok_hf_pattern pattern;
    uint8_t class;      /* TOK_HF_CUT_CLASS: bits of hf_tables.h */
    uint32_t character; /* TOK_HF_CUT_CHARACTER; Metaspace: the replacement */
    uint64_t length;
    enum tok_hf_prepend prepend; /* Metaspace */
    bool split;                  /* Metaspace */
    bool marker; /* Metaspace: what it makes has ' ' for U+2581, which it also reads as such */
};

struct tok_hf_pretokenizers {
    struct tok_hf_pretokenizer *steps;
    uint64_t count;
};
void tok_hf_pretokenizers_done(struct tok_hf_pretokenizers *p);

/* What the steps from some one on make of one ASCII character: one piece that is kept here, or else. */
struct tok_hf_lone {
    enum { TOK_HF_LONE_NEW, TOK_HF_LONE_KEPT, TOK_HF_LONE_OTHER } state;
    uint8_t size, bytes[11];
};

struct tok_hf_pretokenize_scratch {
    struct tok_split_scratch **regexes; /* [count], NULL where there is none */
    struct tok_buffer *buffers;         /* [count] for steps that change text */
    uint64_t count;
    /* Bit i: step i may change or cut a piece with this character in it. All bits set is always
     * right; steps beyond the eighth have none and are never passed over. */
    uint8_t may[128];
    struct tok_hf_lone (*lone)[128]; /* [count]: digits one by one, punctuation */
    bool plain; /* set it for the long way: what the shorter ones are compared with */
};
NGT_NODISCARD enum ngt_status tok_hf_pretokenize_scratch_init(struct tok_hf_pretokenize_scratch *s,
                                                              const struct tok_hf_pretokenizers *p,
                                                              struct ngt_error *reterr);
void tok_hf_pretokenize_scratch_done(struct tok_hf_pretokenize_scratch *s);

/* Takes one piece, not empty, which lives until this returns. */
typedef enum ngt_status (*tok_hf_piece_fn)(void *context, const uint8_t *piece, uint64_t n,
                                           struct ngt_error *reterr);

/* Only NGT_E_NOMEM is this function's own. */
NGT_NODISCARD enum ngt_status tok_hf_pretokenize(const struct tok_hf_pretokenizers *p,
                                                 struct tok_hf_pretokenize_scratch *s,
                                                 struct tok_hf_text text, tok_hf_piece_fn piece,
                                                 void *context, struct ngt_error *reterr);
#endif
