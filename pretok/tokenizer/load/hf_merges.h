/* The merges of a tokenizer.json. */
#ifndef TOK_HF_MERGES_H
#define TOK_HF_MERGES_H

#include "load/hf_vocab.h"

/* ["a b", ...] or [["a", "b"], ...]; the reader stands at it. */
NGT_NODISCARD bool tok_hf_read_merges(struct tok_json *j, const struct tok_hf_vocab *v,
                                      struct tok_hf_file *f);
#endif
