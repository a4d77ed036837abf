#include "text/spaces_hf.h"

#include "text/scan_sp.h"

enum ngt_status tok_hf_spaces(const uint8_t *text, uint64_t n, bool join, bool prefix,
                              struct tok_buffer *out, struct ngt_error *reterr)
{
    uint64_t copied = 0, at = 0;
    const uint8_t *found;

    out->size = 0;
    enum ngt_status status = tok_buffer_reserve(out, n + prefix + TOK_SP_PADDING, reterr);
    if (status != NGT_OK)
        return status;
    tok_buffer_put(out, " ", prefix);
    while (join && at < n && (found = memchr(text + at, 0xE2, n - at)) != NULL) {
        at = (uint64_t)(found - text);
        if (n - at < 3 || found[1] != 0x96 || found[2] != 0x81) {
            at++;
            continue;
        }
        tok_buffer_put(out, text + copied, at - copied);
        tok_buffer_put(out, " ", 1);
        at += 3;
        copied = at;
    }
    tok_buffer_put(out, text + copied, n - copied);
    memset(out->at + out->size, 0, TOK_SP_PADDING);
    return NGT_OK;
}
