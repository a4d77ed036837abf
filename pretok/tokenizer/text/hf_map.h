/* Normalizers that look at one character at a time. Each writes to out, which is empty; where
 * nothing changes, *ret_changed is false and out is to be ignored. *lead is a number of bytes at the
 * start of text, and becomes how many bytes are made of them. NGT_E_NOMEM only. */
#ifndef TOK_HF_MAP_H
#define TOK_HF_MAP_H

#include "text/normalize_hf.h"

NGT_NODISCARD enum ngt_status tok_hf_map(enum tok_hf_step step, const uint8_t *text, uint64_t n,
                                         struct tok_buffer *out, bool *ret_changed, uint64_t *lead,
                                         struct ngt_error *reterr);
#endif
