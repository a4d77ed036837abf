/*
 * The word cache: words met before are looked up, others go to the model. One a thread. Bounded:
 * when it is full it starts over, so memory does not grow with the corpus; ids do not depend on it.
 */
#ifndef TOK_MODEL_WORDS_H
#define TOK_MODEL_WORDS_H

#include <stdint.h>

#include "ngt/error.h"

/* Encodes one word [n]; ret_ids has room for n * ids_per_byte + 8. NGT_E_NOMEM only. */
typedef enum ngt_status (*tok_word_fn)(const void *model, void *scratch, const uint8_t *word,
                                       uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                       struct ngt_error *reterr);

struct tok_words;

struct tok_words_stats {
    uint64_t words, misses, starts_over;
};

/* model and scratch are borrowed until tok_words_free. */
NGT_NODISCARD enum ngt_status tok_words_new(tok_word_fn encode, const void *model, void *scratch,
                                            uint64_t ids_per_byte, struct tok_words **ret_words,
                                            struct ngt_error *reterr);
void tok_words_free(struct tok_words **words);

/*
 * Encodes consecutive words of text [n], n < 2^32: the first begins at `from`, word i ends at
 * ends[i] (excluded) where the next begins. ret_ids has room for (ends[count - 1] - from) *
 * ids_per_byte + 8; ids may be written beyond the returned count, within the room.
 */
NGT_NODISCARD enum ngt_status tok_words_encode(struct tok_words *words, const uint8_t *text,
                                               uint64_t n, uint64_t from, const uint32_t *ends,
                                               uint64_t count, uint32_t *ret_ids,
                                               uint64_t *ret_count, struct ngt_error *reterr);
struct tok_words_stats tok_words_stats(const struct tok_words *words);
#endif
