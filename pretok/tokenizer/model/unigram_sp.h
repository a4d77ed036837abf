/*
 * SentencePiece's Unigram model: the best path over internal text, in the arithmetic of
 * sentencepiece 0.2.3. Sums are float, added from left to right; a sum beyond +-100000 is taken
 * off; of equal sums the longer last piece wins. The sum so far decides how later sums round, so it
 * is carried through a document, and text may only be taken in parts at certain cuts.
 */
#ifndef TOK_MODEL_UNIGRAM_SP_H
#define TOK_MODEL_UNIGRAM_SP_H

#include "load/sp_vocab.h"
#include "tok/tokenizer.h"

/* Pieces that are spaces and nothing else, by their number of spaces; depth 0: too few to matter. */
#define TOK_UNIGRAM_SPACES 256
struct tok_unigram_spaces {
    uint32_t depth; /* no piece begins with more of them than it and goes on with another */
    float scores[TOK_UNIGRAM_SPACES + 1]; /* -INFINITY where there is no such piece */
    uint32_t ids[TOK_UNIGRAM_SPACES + 1];
};

struct tok_unigram {
    struct tok_trie trie; /* values are ids */
    struct tok_unigram_spaces spaces;
    float *scores;   /* [vocabulary] as they are added; unknown_score for its ids */
    uint16_t *sizes; /* [vocabulary] bytes in internal text */
    float unknown_score;
    double largest; /* no score is larger in magnitude */
    uint32_t unknown_id;
    bool byte_fallback, marker;
    uint32_t byte_ids[256];
};

/* Copies what it needs. NGT_E_NOMEM; NGT_E_DATA when no text becomes any piece. */
NGT_NODISCARD enum ngt_status tok_unigram_init(struct tok_unigram *model,
                                               const struct tok_sp_vocab *vocab,
                                               struct ngt_error *reterr);
void tok_unigram_done(struct tok_unigram *model);

struct tok_unigram_cell {
    float best;
    uint32_t id; /* of the last piece on the best path to here */
};
/* Working memory of one thread; {0} is empty. */
struct tok_unigram_scratch {
    struct tok_unigram_cell *cells;
    uint32_t *path;
    uint64_t room;
};
void tok_unigram_scratch_done(struct tok_unigram_scratch *scratch);

/*
 * Appends the ids of text [n], which begins at a certain cut where the best sum is *sum, and ends
 * at one; *sum becomes the sum there. Some 12 bytes of memory for each byte between two places that
 * no matching piece spans. Neighbouring unknown ids are not fused. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_unigram_encode(const struct tok_unigram *model,
                                                 struct tok_unigram_scratch *scratch,
                                                 const uint8_t *text, uint64_t n, float *sum,
                                                 struct tok_ids *ids, struct ngt_error *reterr);

/* Words of more bytes are not learned. */
#define TOK_UNIGRAM_WORD 128

/* What a word becomes, whatever the sum in front of it is, as long as that is small enough. */
struct tok_unigram_word {
    /* The best path is certain, and nothing is taken off inside, if -limit < sum < limit. */
    float limit;
    uint32_t id_count, score_count;
    uint32_t ids[3 * TOK_UNIGRAM_WORD];
    float scores[TOK_UNIGRAM_WORD]; /* to be added one by one */
};
/* text [n], 1 <= n <= TOK_UNIGRAM_WORD, between certain cuts. */
void tok_unigram_learn(const struct tok_unigram *model, const uint8_t *text, uint64_t n,
                       struct tok_unigram_word *ret_word);
#endif
