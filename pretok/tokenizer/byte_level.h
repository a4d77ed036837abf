/*
 * The hot loop of byte-level tokenizers: text is cut into pieces by a split that covers it, each
 * piece is a word of its own. What is cut off before (added tokens) and changed before
 * (normalisation) is the caller's.
 */
#ifndef TOK_BYTE_LEVEL_H
#define TOK_BYTE_LEVEL_H

#include "model/words.h"
#include "split/split.h"
#include "tok/tokenizer.h"

/* Appends the ids of text [n], n < 2^32. NGT_E_NOMEM only. */
NGT_NODISCARD enum ngt_status tok_byte_level_encode(const struct tok_split *split,
                                                    struct tok_split_scratch *split_scratch,
                                                    struct tok_words *words, const uint8_t *text,
                                                    uint64_t n, struct tok_ids *ids,
                                                    struct ngt_error *reterr);
/* The first half of it: finds the pieces and drops them. */
NGT_NODISCARD enum ngt_status tok_byte_level_split(const struct tok_split *split,
                                                   struct tok_split_scratch *split_scratch,
                                                   const uint8_t *text, uint64_t n,
                                                   struct ngt_error *reterr);
#endif
