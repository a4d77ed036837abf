/*
 * Splits: the regular expression by which a tokenizer cuts text into pieces before the model sees
 * them. The expressions in wide use are recognised by their text and run as programs over masks of
 * 64 bytes; any other one goes to the matcher in regex.h. Both give the same pieces.
 *
 * Unicode 16.0, which is what Oniguruma in tokenizers 0.23 and regex in tiktoken 0.14 use.
 */
#ifndef TOK_SPLIT_SPLIT_H
#define TOK_SPLIT_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct tok_split;         /* read-only after creation, shared by threads */
struct tok_split_scratch; /* one thread's */

/*
 * pattern [size]: the expression, in the syntax common to Oniguruma and fancy-regex. NGT_E_DATA:
 * not understood; the message names the part and its offset. path only serves messages.
 *
 * Where the two libraries give one spelling two meanings ($ and ^, \p{N}{1,3}+, see regex.h),
 * tok_split_new reads as fancy-regex does, for tiktoken and --pattern, and tok_split_new_oniguruma
 * as Oniguruma, for tokenizer.json.
 */
NGT_NODISCARD enum ngt_status tok_split_new(const char *pattern, uint64_t size, const char *path,
                                            struct tok_split **ret_split, struct ngt_error *reterr);
NGT_NODISCARD enum ngt_status tok_split_new_oniguruma(const char *pattern, uint64_t size,
                                                      const char *path,
                                                      struct tok_split **ret_split,
                                                      struct ngt_error *reterr);

/*
 * A sequence of splits of tokenizer.json, each of which isolates its matches within the pieces of
 * the one before, as one split that covers. *ret_split is NULL where no program does it; then they
 * are to be run one by one. Today: that of DeepSeek V3 and later (numbers, Chinese and kana, words).
 */
NGT_NODISCARD enum ngt_status tok_split_new_sequence(const char *const *patterns, uint64_t count,
                                                     const char *path, struct tok_split **ret_split,
                                                     struct ngt_error *reterr);
void tok_split_free(struct tok_split **split);
/* From now on without vectors: the twin to compare with. */
void tok_split_use_scalar(struct tok_split *split);

/* The expression that `--pattern NAME` stands for (gpt2, r50k, p50k, cl100k, o200k, llama3, llama4,
 * qwen2, tekken ...), or NULL. *ret_names: all names, for messages; NULL-terminated. */
const char *tok_split_named(const char *name, const char *const **ret_names);

/* The program that runs it ("cl100k"), or "regex". Static. */
const char *tok_split_program(const struct tok_split *split);

NGT_NODISCARD enum ngt_status tok_split_scratch_new(const struct tok_split *split,
                                                    struct tok_split_scratch **ret_scratch,
                                                    struct ngt_error *reterr);
void tok_split_scratch_free(struct tok_split_scratch **scratch);

/* Do matches cover every text without a gap? True of all programs. */
bool tok_split_covers(const struct tok_split *split);

/* Does text whose characters all answer yes, all below 128, have no match? */
bool tok_split_needs_other(const struct tok_split *split, uint8_t c);

/*
 * Only if it covers. Finds the ends of up to `room` (>= 1) successive pieces of text [n] (valid
 * UTF-8, n < 2^32), the first of which begins at from < n, as offsets into text. The end of the text
 * is the end of all look-ahead. *ret_count >= 1. May stop early (before room is full and before n).
 * NGT_E_NOMEM only, and only from the matcher.
 */
NGT_NODISCARD enum ngt_status tok_split_ends(const struct tok_split *split,
                                             struct tok_split_scratch *scratch, const uint8_t *text,
                                             uint64_t n, uint64_t from, uint32_t *ret_ends,
                                             uint64_t room, uint64_t *ret_count,
                                             struct ngt_error *reterr);

/*
 * The leftmost match that begins at or after `from`: [*ret_start, *ret_end); *ret_found false where
 * there is none. An empty match is one. Works for every split.
 */
NGT_NODISCARD enum ngt_status tok_split_find(const struct tok_split *split,
                                             struct tok_split_scratch *scratch, const uint8_t *text,
                                             uint64_t n, uint64_t from, bool *ret_found,
                                             uint64_t *ret_start, uint64_t *ret_end,
                                             struct ngt_error *reterr);
#endif
