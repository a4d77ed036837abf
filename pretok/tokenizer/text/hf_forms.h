/* NFC, NFD, NFKC and NFKD as the library computes them: Unicode 12 and no newer. */
#ifndef TOK_HF_FORMS_H
#define TOK_HF_FORMS_H

#include "text/buffer.h"
#include "text/hf_tables.h"

struct tok_hf_marks { /* a scratch: characters of one stretch and their ranks */
    uint32_t *codes;
    uint8_t *ranks;
    uint32_t *sorted;
    uint8_t *sorted_ranks;
    uint64_t room;
};
void tok_hf_marks_done(struct tok_hf_marks *m);

/*
 * Writes the form (TOK_HF_NFC ...) of text [n] to out, which is empty, unless text is in it already: then
 * *ret_changed is false and out is empty. NGT_E_NOMEM only.
 */
NGT_NODISCARD enum ngt_status tok_hf_normal_form(unsigned form, const uint8_t *text, uint64_t n,
                                                 struct tok_hf_marks *marks, struct tok_buffer *out,
                                                 bool *ret_changed, struct ngt_error *reterr);
#endif
