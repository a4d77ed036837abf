/* A batch of records: filtered, tokenized, hashed; what is left to do is to write it. */
#ifndef PRETOK_TOKENIZE_H
#define PRETOK_TOKENIZE_H

#include "unit_writer.h"

/*
 * Fills ids, counts and hashes of the batch's documents; a text that the tokenizer refuses becomes a
 * refused record. spelling: the caller's buffer for --verify-roundtrip. NGT_E_NOMEM, NGT_E_IO.
 */
NGT_NODISCARD enum ngt_status pretok_tokenize(const struct pretok_writer_config *c,
                                              struct tok_scratch *scratch,
                                              struct pretok_bytes *spelling, struct pretok_batch *b,
                                              struct ngt_error *error);
#endif
