/*
 * Added tokens of a tokenizer.json: strings that are cut out of the text before anything else looks
 * at it. One object holds one group: those matched in raw text, or those matched in normalized text
 * (whose contents are normalized too). The leftmost match is taken, of those the longest; what
 * comes after it is searched for the next one.
 */
#ifndef TOK_ADDED_TOKENS_H
#define TOK_ADDED_TOKENS_H

#include <stdbool.h>
#include <stdint.h>

#include "ngt/error.h"

struct tok_added_token {
    const uint8_t *content; /* not empty */
    uint64_t size;
    uint32_t id;
    bool single_word;    /* no word character may stand before or behind */
    bool lstrip, rstrip; /* white space on that side belongs to the match */
    bool text; /* a match of it is text like any other (special tokens that are not parsed) */
};

struct tok_added; /* read-only after creation, shared by threads */

/* Contents are copied; of equal contents the last one counts. */
NGT_NODISCARD enum ngt_status tok_added_new(const struct tok_added_token *tokens, uint64_t count,
                                            const char *path, struct tok_added **ret_added,
                                            struct ngt_error *reterr);
void tok_added_free(struct tok_added **added);

/* One walk over a text; zero it to start. */
struct tok_added_walk {
    uint64_t at;   /* where the search goes on */
    uint64_t done; /* up to where text has been given out, in sections and matches */
};

struct tok_added_match {
    uint32_t id;
    uint64_t section, start; /* the section before the match is [section, start), maybe empty */
    uint64_t end;            /* the walk's `done` from now on */
};

/*
 * The next match in text [n], well-formed UTF-8; false where there is none, and then the rest from
 * walk->done is a section. As in the library, a match may lie in white space that the one before it
 * took with rstrip; `start` may then be less than `section`, and there is no section before it.
 */
bool tok_added_next(const struct tok_added *added, const uint8_t *text, uint64_t n,
                    struct tok_added_walk *walk, struct tok_added_match *ret_match);
#endif
