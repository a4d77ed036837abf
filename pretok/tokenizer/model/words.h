/*
 * The word cache: words met before are looked up, others go to the model. One a thread. Bounded:
 * when it is full it starts over, so memory does not grow with the corpus; ids do not depend on it.
 */
#ifndef TOK_MODEL_WORDS_H
#define TOK_MODEL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "model/merge_many.h"
#include "tok/tokenizer.h"

/* Encodes one word [n]; ret_ids has room for n * k + 8, where k ids a byte are the most that the
 * model makes. NGT_E_NOMEM only. */
typedef enum ngt_status (*tok_word_fn)(const void *model, void *scratch, const uint8_t *word,
                                       uint64_t n, uint32_t *ret_ids, uint64_t *ret_count,
                                       struct ngt_error *reterr);

/* Encodes many words at once, or leaves some to tok_word_fn: merge_many.h. */
typedef void (*tok_many_words_fn)(const void *model, struct tok_new_word *words, uint64_t count);

struct tok_words;

/* many: NULL if the model has none. model and scratch are borrowed until tok_words_free. keep: false for a cache that keeps nothing. */
NGT_NODISCARD enum ngt_status tok_words_new(tok_word_fn encode, tok_many_words_fn many,
                                            const void *model, void *scratch, bool keep,
                                            struct tok_words **ret_words, struct ngt_error *reterr);
void tok_words_free(struct tok_words **words);

/*
 * Encodes consecutive words of text [n], n < 2^32: the first begins at `from`, word i ends at
 * ends[i] (excluded) where the next begins. ret_ids has room for (ends[count - 1] - from) *
 * k + 8; ids may be written beyond the returned count, within the room.
 */
NGT_NODISCARD enum ngt_status tok_words_encode(struct tok_words *words, const uint8_t *text,
                                               uint64_t n, uint64_t from, const uint32_t *ends,
                                               uint64_t count, uint32_t *ret_ids,
                                               uint64_t *ret_count, struct ngt_error *reterr);
struct tok_stats tok_words_stats(const struct tok_words *words);
#endif
