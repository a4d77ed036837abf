/*
 * The word cache in front of the Unigram model. It keeps what tok_unigram_learn proves, so a hit
 * gives the ids of the library; where the sum is too large for the proof, the exact pass runs. One
 * a thread, bounded; ids do not depend on what it holds.
 */
#ifndef TOK_MODEL_UNIGRAM_WORDS_H
#define TOK_MODEL_UNIGRAM_WORDS_H

#include "model/unigram_sp.h"

struct tok_unigram_words;

struct tok_unigram_stats {
    uint64_t words, misses,
        exact; /* exact: words known, but for no sum as large as the one there */
};

/* model is borrowed until tok_unigram_words_free. */
NGT_NODISCARD enum ngt_status tok_unigram_words_new(const struct tok_unigram *model,
                                                    struct tok_unigram_words **ret_words,
                                                    struct ngt_error *reterr);
void tok_unigram_words_free(struct tok_unigram_words **words);

/*
 * Appends the ids of consecutive words of text: the first begins at `from`, word i ends at ends[i]
 * where the next begins; all of them are certain cuts. text has 16 readable bytes behind the last
 * word. *sum is carried. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_unigram_words_encode(struct tok_unigram_words *words,
                                                       const uint8_t *text, uint64_t from,
                                                       const uint32_t *ends, uint64_t count,
                                                       float *sum, struct tok_ids *ids,
                                                       struct ngt_error *reterr);
struct tok_unigram_stats tok_unigram_words_stats(const struct tok_unigram_words *words);
#endif
