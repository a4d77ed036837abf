/* Growing bytes of a scratch: kept from document to document. */
#ifndef TOK_BUFFER_H
#define TOK_BUFFER_H

#include <stdlib.h>
#include <string.h>

#include "ngt/error.h"
#include "ngt/memory.h"

struct tok_buffer {
    uint8_t *at;
    uint64_t size, room;
};

static inline void tok_buffer_done(struct tok_buffer *b)
{
    free(b->at);
    *b = (struct tok_buffer){0};
}

/* Makes room for n more. */
NGT_NODISCARD static inline enum ngt_status tok_buffer_reserve(struct tok_buffer *b, uint64_t n,
                                                               struct ngt_error *reterr)
{
    if (n <= b->room - b->size && b->at)
        return NGT_OK;
    uint64_t room = b->size + b->size / 2 + n + 256;
    uint8_t *grown = room > n ? ngt_grow(b->at, b->size, room) : NULL;
    if (!grown)
        return ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                        "out of memory for %llu bytes of text", (unsigned long long)room);
    b->at = grown;
    b->room = room;
    return NGT_OK;
}

/* There must be room. */
static inline void tok_buffer_put(struct tok_buffer *b, const void *bytes, uint64_t n)
{
    if (n)
        memcpy(b->at + b->size, bytes, n);
    b->size += n;
}
#endif
