#include "sample_text.h"

#include <stdlib.h>

#include "input/stream.h"

#define HERE NGT_NO_POS, NGT_NO_POS

static enum ngt_status no_memory(struct ngt_error *reterr)
{
    return ngt_fail(reterr, NGT_E_NOMEM, NULL, HERE, "out of memory for the sample");
}

struct mark {
    uint64_t stored, text;
};

enum ngt_status pretok_text_measure(const struct pretok_sample_config *c,
                                    const struct pretok_piece *p, struct pretok_text_size *ret,
                                    struct ngt_error *reterr)
{
    const struct pretok_input *in = &c->writer->plan->inputs.items[p->span.input];
    struct pretok_stream_config config = {
        .place = {.path = in->path, .address = in->address, .etag = in->etag, .remote = c->remote},
        .start = p->span.start,
        .bytes = p->span.bytes,
        .no_archive = p->span.part,
        .max_expansion = c->max_expansion};
    struct pretok_stream *stream = NULL;
    struct mark *marks = calloc(p->target / (64u << 10) + 16, sizeof *marks);
    uint64_t count = 1, room = p->target / (64u << 10) + 16, text = 0, n = 1;
    const uint8_t *at;
    const char *member = NULL;
    bool more = false;
    enum ngt_status status = marks ? NGT_OK : no_memory(reterr);

    ngt_error_clear(reterr);
    *ret = (struct pretok_text_size){.stream = true};
    if (status == NGT_OK)
        status = pretok_stream_open(&config, &stream, reterr);
    if (status == NGT_OK)
        status = pretok_stream_next(stream, &more, &member, reterr);
    ret->stream = more && !member;
    while (status == NGT_OK && ret->stream) {
        uint64_t before = pretok_stream_stored(stream);
        status = pretok_stream_read(stream, &at, &n, reterr);
        if (status != NGT_OK || n == 0)
            break;
        if (pretok_stream_stored(stream) != before && before && text && count < room) {
            marks[count++] = (struct mark){before, text};
            if (before >= p->target)
                break;
        }
        text += n;
    }
    pretok_stream_close(&stream);
    if (status == NGT_E_DATA || status == NGT_E_IO) { /* the reader will tell it */
        ngt_error_clear(reterr);
        status = NGT_OK;
        n = 0;
    }
    if (status == NGT_OK && ret->stream) {
        struct mark last = marks[count - 1], half = marks[(count - 1) / 2];
        ret->whole = n == 0 || count < 3;
        ret->read = ret->whole ? UINT64_MAX : last.text;
        ret->all = (double)text;
        if (!ret->whole) {
            double late = (double)(last.text - half.text) / (double)(last.stored - half.stored);
            double early = half.stored ? (double)half.text / (double)half.stored : late;
            ret->all = (double)last.text + (double)(p->span.bytes - last.stored) * late;
            ret->drift = (late - early) / late;
        }
    }
    free(marks);
    return status;
}
