/* The pattern of Replace and Split: a String taken literally, or a Regex. Matches are found as
 * onig's find_iter finds them. */
#ifndef TOK_HF_PATTERN_H
#define TOK_HF_PATTERN_H

#include "split/split.h"

struct tok_hf_pattern {
    uint8_t *literal; /* owned, NUL behind it; of a regex, the expression */
    uint64_t size;
    struct tok_split *regex; /* owned */
    /* expressions that are found without the matcher */
    bool spaces;      /* " {2,}" */
    bool white_space; /* "\\s+" */
};
void tok_hf_pattern_done(struct tok_hf_pattern *p);

/* One walk over a text. */
struct tok_hf_matches {
    const struct tok_hf_pattern *pattern;
    struct tok_split_scratch *scratch; /* for a regex */
    const uint8_t *text;
    uint64_t n, from, last;
    bool matched; /* `last` is the end of a match */
};

/* The next match. NGT_E_NOMEM only. */
NGT_NODISCARD enum ngt_status tok_hf_next_match(struct tok_hf_matches *m, bool *ret_found,
                                                uint64_t *ret_start, uint64_t *ret_end,
                                                struct ngt_error *reterr);
#endif
