/* What pretok_inputs_find looks up on other machines: names below a prefix, and how things are. */
#ifndef PRETOK_REMOTE_INPUTS_H
#define PRETOK_REMOTE_INPUTS_H

#include "job/inputs.h"

/*
 * As pretok_input_probe, and the etag, which the input owns: one request for the head, which tells
 * size, time and ETag too, and one for the tail. Not HEAD: its answer has no body to say why it is a
 * refusal, and addresses that are signed for GET refuse it. Statuses: remote/object.h.
 */
NGT_NODISCARD enum ngt_status pretok_remote_input_probe(const struct pretok_remote *remote,
                                                        const char *address,
                                                        struct pretok_input *ret_input,
                                                        struct ngt_error *reterr);

#endif
