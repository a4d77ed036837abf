/*
 * Regular expressions with the meaning they have in the reference libraries: alternatives from left
 * to right, the first that leads to a match wins. Expression, pieces of which both libraries agree:
 * literals and escapes, `.`, classes with ranges, negation, nesting and &&, \s \d \w \h and their
 * negations, \p{..} of general categories and some scripts, groups, (?i), quantifiers greedy, lazy
 * and possessive, atomic groups, look-ahead, look-behind of fixed length, ^ $ \A \z \b \B.
 * Everything else is refused with its offset: a guess would be a silent difference in ids.
 *
 * Some things mean something else in the other library; the dialect says whose meaning holds:
 *     $ ^         Oniguruma: of a line; fancy-regex: of the text
 *     x{1,3}+     Oniguruma: repeated; fancy-regex: possessive
 *     x{2}?       Oniguruma: optional; fancy-regex: lazy
 *     \w          fancy-regex: also U+200C and U+200D
 *
 * The matcher backtracks, but keeps what it knows to fail once an attempt grows long: work is
 * bounded by the size of the expression times the text looked at, except that look-around of more
 * than a character is evaluated again at each place.
 */
#ifndef TOK_SPLIT_REGEX_H
#define TOK_SPLIT_REGEX_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

enum tok_dialect {
    TOK_ONIGURUMA, /* tokenizer.json */
    TOK_FANCY,     /* tiktoken */
};

struct tok_regex; /* read-only after creation, shared by threads */

/* What an attempt needs; one a thread. Starts as {0}, keeps its memory from match to match. */
struct tok_regex_scratch {
    struct tok_regex_entry *stack;
    uint64_t stack_room;
    uint64_t *marks; /* a bit for (branch, place) known to fail */
    uint64_t marks_room, marks_used;
    uint64_t *undo; /* marks set since a look-around began */
    uint64_t undo_room;
};

/* pattern [size]. NGT_E_DATA: not understood, offset says where in the pattern. */
NGT_NODISCARD enum ngt_status tok_regex_new(const char *pattern, uint64_t size,
                                            enum tok_dialect dialect, const char *path,
                                            struct tok_regex **ret_regex, struct ngt_error *reterr);
void tok_regex_free(struct tok_regex **regex);
void tok_regex_scratch_done(struct tok_regex_scratch *scratch);

/* Is there a non-empty match at every place of every text? False where that is not evident. */
bool tok_regex_covers(const struct tok_regex *regex);

/* Is there no match without a character of a certain set, of which c, c < 128, is none? */
bool tok_regex_needs_other(const struct tok_regex *regex, uint8_t c);
/* From now on everything is found by the machine: the twin of shorter ways. */
void tok_regex_use_machine(struct tok_regex *regex);

/* The match that begins at `at` <= n of text [n], valid UTF-8. NGT_E_NOMEM only. */
NGT_NODISCARD enum ngt_status tok_regex_match(const struct tok_regex *regex,
                                              struct tok_regex_scratch *scratch,
                                              const uint8_t *text, uint64_t n, uint64_t at,
                                              bool *ret_matched, uint64_t *ret_end,
                                              struct ngt_error *reterr);
/* The first match that begins at or after `at`. */
NGT_NODISCARD enum ngt_status tok_regex_find(const struct tok_regex *regex,
                                             struct tok_regex_scratch *scratch, const uint8_t *text,
                                             uint64_t n, uint64_t at, bool *ret_found,
                                             uint64_t *ret_start, uint64_t *ret_end,
                                             struct ngt_error *reterr);
#endif
