#include "job/remote_inputs.h"

#include <stdlib.h>
#include <string.h>

#include "input/stream.h"
#include "ngt/digest.h"
#include "remote/object.h"

#define HERE NGT_NO_POS, NGT_NO_POS

enum ngt_status pretok_remote_input_probe(const struct pretok_remote *remote, const char *address,
                                          struct pretok_input *ret_input, struct ngt_error *reterr)
{
    struct pretok_object *o = NULL;
    uint8_t *edges = malloc(2 * PRETOK_INPUT_EDGE);
    uint64_t head = 0, tail = 0;
    char *etag = NULL, *shown = pretok_url_shown(address);
    enum ngt_status status = pretok_object_open(remote, address, NULL, &o, reterr);

    if (status == NGT_OK && (!edges || !shown))
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the list of inputs");
    if (status == NGT_OK)
        status = pretok_object_head(o, PRETOK_INPUT_EDGE, edges, &head, reterr);
    if (status != NGT_OK)
        goto out;
    const struct pretok_identity *is = pretok_object_identity(o);
    if (is->size == NGT_NO_POS) {
        status =
            ngt_fail(reterr, NGT_E_REMOTE, shown, HERE,
                     "the server does not say how large it is, so nobody could tell whether it "
                     "came whole; fetch it first");
        goto out;
    }
    tail = is->size - head < PRETOK_INPUT_EDGE ? is->size - head : PRETOK_INPUT_EDGE;
    if (tail)
        status = pretok_object_read(o, is->size - tail, tail, edges + head, reterr);
    if (status != NGT_OK)
        goto out;
    etag = is->etag[0] ? strdup(is->etag) : NULL;
    if (is->etag[0] && !etag) {
        status = ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the list of inputs");
        goto out;
    }
    enum pretok_content content = pretok_content_of(edges, head);
    free(ret_input->etag);
    ret_input->etag = etag;
    ret_input->size = is->size;
    ret_input->mtime = is->mtime;
    ret_input->head_tail = ngt_digest64(edges, head + tail);
    ret_input->plain = content == PRETOK_PLAIN;
    ret_input->parquet = content == PRETOK_PARQUET;
out:
    pretok_object_close(&o);
    free(edges);
    free(shown);
    return status;
}
