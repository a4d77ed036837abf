#include "vocabulary.h"

#include <stdlib.h>

enum ngt_status ngt_vocabulary_frame_new(const struct ngt_vocabulary *v,
                                         struct ngt_vocabulary_frame **ret_frame,
                                         struct ngt_error *reterr)
{
    struct ngt_vocabulary_frame *frame = calloc(1, sizeof *frame);
    struct ngt_bytes b = {0};
    enum ngt_status status = NGT_OK;

    ngt_error_clear(reterr);
    ngt_bytes_add32(&b, v->count);
    ngt_bytes_add32(&b, v->flags);
    ngt_bytes_add(&b, v->kinds, v->count);
    for (uint64_t i = 0; i < v->count; i++)
        ngt_bytes_add_varint(&b, v->starts[i + 1] - v->starts[i]);
    ngt_bytes_add(&b, v->bytes, v->starts[v->count]);
    if (!frame || b.failed)
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, NGT_NO_POS, NGT_NO_POS,
                          "out of memory for the vocabulary");
    if (status == NGT_OK)
        status = ngt_compress(&b, &frame->stored, reterr);
    if (status == NGT_OK) {
        frame->logical_bytes = b.size;
        *ret_frame = frame;
    } else {
        ngt_vocabulary_frame_free(&frame);
    }
    ngt_bytes_done(&b);
    return status;
}

void ngt_vocabulary_frame_free(struct ngt_vocabulary_frame **frame)
{
    if (!*frame)
        return;
    ngt_bytes_done(&(*frame)->stored);
    free(*frame);
    *frame = NULL;
}
