/*
 * "truncation" and "padding" of a tokenizer.json: left there by whoever used it last, and applied by
 * the tokenizers library to each document. Transformers ignores them unless asked, and so does a
 * data set, which must not lose text: they are applied only where --file-limits says so.
 */
#ifndef TOK_LOAD_HF_LIMITS_H
#define TOK_LOAD_HF_LIMITS_H

#include <stdbool.h>

#include "ngt/json.h"
#include "tok/tokenizer.h"

struct tok_hf_limits {
    bool truncates, cuts_left; /* cuts_left: the first ids go, else the last */
    uint64_t max_length;
    bool pads, pads_left;
    uint64_t fixed;    /* ids at least */
    uint64_t multiple; /* of ids, or 0 */
    uint32_t pad_id;
};

/* The two members; NULL or null: none. NGT_E_DATA: one that is not understood. */
NGT_NODISCARD enum ngt_status tok_hf_read_limits(const struct ngt_json *truncation,
                                                 const struct ngt_json *padding, const char *path,
                                                 struct tok_hf_limits *ret_limits,
                                                 struct ngt_error *reterr);

/* Applies them to the ids of a document, ids->ids[first ..]. NGT_E_NOMEM. */
NGT_NODISCARD enum ngt_status tok_hf_limit(const struct tok_hf_limits *limits, uint64_t first,
                                           struct tok_ids *ids, struct ngt_error *reterr);
#endif
