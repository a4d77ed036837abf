/* Text for a model whose words have ' ' for U+2581, and for the loop that looks for cuts in it. */
#ifndef TOK_TEXT_SPACES_HF_H
#define TOK_TEXT_SPACES_HF_H

#include <stdbool.h>

#include "text/buffer.h"

/*
 * text [n] to *out, overwriting it, with TOK_SP_PADDING zeros behind its size; join: U+2581 becomes
 * ' '; prefix: a ' ' in front. text is not in *out. NGT_E_NOMEM.
 */
NGT_NODISCARD enum ngt_status tok_hf_spaces(const uint8_t *text, uint64_t n, bool join, bool prefix,
                                            struct tok_buffer *out, struct ngt_error *reterr);
#endif
