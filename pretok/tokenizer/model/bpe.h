/*
 * Byte pair encoding of one word, for every family: GPT-2's and Llama's merge lists, tiktoken's
 * ranks, SentencePiece's pieces. All are the same function: a word starts out as symbols
 * (characters or bytes); as long as neighbours are the two sides of a rule, the rule of the lowest
 * rank is applied, the leftmost place first. What differs is which rules there are, and that is for
 * the loaders to list.
 *
 * "Text" here is the internal text: what the loader's normaliser made of the document. A
 * SentencePiece family writes its marker U+2581 as one byte ' ' in it (see `marker`).
 */
#ifndef TOK_MODEL_BPE_H
#define TOK_MODEL_BPE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/merge_many.h"
#include "ngt/error.h"

#define TOK_BPE_END 0xFF /* no byte of UTF-8 */

/* left, right, result are symbols. Of several rules for one pair the last one counts. */
struct tok_bpe_rule {
    uint32_t left, right, result;
    uint32_t rank; /* lower is earlier; equal ranks are equal */
};

/* What becomes of a character that is no symbol, or whose symbol is no id. */
enum tok_unknown {
    TOK_UNKNOWN_DROP = 0,  /* nothing; its neighbours become neighbours (tokenizers without unk) */
    TOK_UNKNOWN_ID = 1,    /* unknown_id each */
    TOK_UNKNOWN_FUSED = 2, /* unknown_id once for a run of them within the word */
    TOK_UNKNOWN_BYTES = 3, /* byte_ids of its UTF-8 */
};

struct tok_bpe_config {
    uint32_t ids;     /* symbols [0, ids) are token ids as they are */
    uint32_t symbols; /* symbols [ids, symbols) exist only while merging */
    /* Spelling of each symbol in the text: bytes[starts[s] .. starts[s + 1]); empty for one that no
     * text becomes (control tokens). */
    const uint64_t *starts; /* [symbols + 1] */
    const uint8_t *bytes;
    const bool *initial; /* [symbols] text may start out as this symbol: characters or bytes */
    /* Either the rules one by one, or split_ranks [symbols]: any two symbols whose spellings join to
     * that of a symbol s are a rule of rank split_ranks[s] (tiktoken, SentencePiece). */
    const struct tok_bpe_rule *rules;
    uint64_t rule_count;
    bool
        joined; /* each rule's result is known to be spelt as its sides are, one behind the other */
    const uint32_t *split_ranks;
    /* tok_bpe_encode_plain will not be called, and no text starts out as what is no symbol and is
     * dropped: the table of rules may be left out where it is not needed. */
    bool no_plain;
    bool characters; /* text starts out as characters, else as bytes */
    bool marker;     /* a byte ' ' of the text stands for U+2581, so its bytes are E2 96 81 */
    bool whole_word; /* a word that is spelt like an id is that id, without merging */
    /* Words come with a byte TOK_BPE_END behind them. It belongs to the last character (or byte),
     * so that what ends a word is spelt otherwise than what does not ("b</w>" beside "b"). It
     * stands at the end of spellings only. */
    bool ends;
    enum tok_unknown unknown;
    uint32_t unknown_id;
    const uint32_t *byte_ids; /* [256] for TOK_UNKNOWN_BYTES */
};

struct tok_bpe;         /* read-only after creation, shared by threads */
struct tok_bpe_scratch; /* one thread's */

/* Copies what it needs of config. NGT_E_NOMEM; NGT_E_DATA with a message for a rule that names no
 * symbol. path only serves messages. */
NGT_NODISCARD enum ngt_status tok_bpe_new(const struct tok_bpe_config *config, const char *path,
                                          struct tok_bpe **ret_bpe, struct ngt_error *reterr);
void tok_bpe_free(struct tok_bpe **bpe);

NGT_NODISCARD enum ngt_status tok_bpe_scratch_new(const struct tok_bpe *bpe,
                                                  struct tok_bpe_scratch **ret_scratch,
                                                  struct ngt_error *reterr);
void tok_bpe_scratch_free(struct tok_bpe_scratch **scratch);

/* No word of n bytes becomes more than n * tok_bpe_ids_per_byte ids (1, or 3 with a marker). */
uint64_t tok_bpe_ids_per_byte(const struct tok_bpe *bpe);

/* Is some word an id that merging does not give (whole_word)? */
bool tok_bpe_takes_whole(const struct tok_bpe *bpe);

/*
 * Encodes text [n] as one word: ret_ids has room for n * tok_bpe_ids_per_byte + 8. n < 2^32. Ids
 * may be written beyond the returned count, within the room. *ret_count ids were written.
 * NGT_E_NOMEM only.
 */
NGT_NODISCARD enum ngt_status tok_bpe_encode(const struct tok_bpe *bpe,
                                             struct tok_bpe_scratch *scratch, const uint8_t *text,
                                             uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                             struct ngt_error *reterr);
/* Encodes many words at once, leaving to tok_bpe_encode those of which count is 0 then; NULL: not
 * with this vocabulary or processor. */
typedef void (*tok_bpe_many_fn)(const void *bpe, struct tok_new_word *words, uint64_t count);
tok_bpe_many_fn tok_bpe_many(const struct tok_bpe *bpe);
/* The definition of the above, by a heap of candidates: the twin that it is compared with. */
NGT_NODISCARD enum ngt_status tok_bpe_encode_plain(const struct tok_bpe *bpe,
                                                   struct tok_bpe_scratch *scratch,
                                                   const uint8_t *text, uint64_t n,
                                                   uint32_t *ret_ids, uint64_t *ret_count,
                                                   struct ngt_error *reterr);
#endif
