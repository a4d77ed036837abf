/* How much text a compressed file holds, from its beginning. */
#ifndef PRETOK_SAMPLE_TEXT_H
#define PRETOK_SAMPLE_TEXT_H

#include "sample_draw.h"

struct pretok_text_size {
    bool stream;       /* it is one of text, and no archive */
    bool whole;        /* `read` is all of it */
    uint64_t read;     /* bytes of text in the stored bytes wanted */
    double all, drift; /* of the span, estimated; see pretok_observation */
};

/*
 * Unpacks a span as far as it will be tokenized. Where the decoder takes another block of the file, all
 * text of those before was delivered, but for a decoder's lag of about the same everywhere; so what a
 * stored byte holds is measured between two such places, of the later half: the first bytes of a
 * stream, before the compressor has seen much, hold less. What cannot be read or is damaged is left to the reader,
 * who tells it. NGT_E_NOMEM, NGT_E_REMOTE.
 */
NGT_NODISCARD enum ngt_status pretok_text_measure(const struct pretok_sample_config *config,
                                                  const struct pretok_piece *p,
                                                  struct pretok_text_size *ret,
                                                  struct ngt_error *reterr);

#endif
