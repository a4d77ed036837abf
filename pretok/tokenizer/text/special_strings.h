/*
 * Counts the strings of control tokens in text: what a user should know about, because with
 * --parse-special none they became ordinary ids. Read-only after creation, shared by threads.
 */
#ifndef TOK_SPECIAL_STRINGS_H
#define TOK_SPECIAL_STRINGS_H

#include "engine.h"

struct tok_special_strings;

/* The names of control ids, but those for which skip[id] is true (skip may be NULL). */
NGT_NODISCARD enum ngt_status tok_special_strings_new(const struct tok_model *model,
                                                      const bool *skip,
                                                      struct tok_special_strings **ret_strings,
                                                      struct ngt_error *reterr);
void tok_special_strings_free(struct tok_special_strings **s);

/* Occurrences from left to right, the longest at each place, not overlapping. */
uint64_t tok_special_strings_count(const struct tok_special_strings *s, const char *text,
                                   uint64_t n);
#endif
