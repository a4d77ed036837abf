/*
 * A SentencePiece model file (a protobuf) to the internal form of a vocabulary. The reader is our
 * own: the file is untrusted, and Debian's library ships no header for its message types.
 */
#ifndef TOK_SP_MODEL_H
#define TOK_SP_MODEL_H

#include "engine.h"

/*
 * bytes [n]: the file; path only serves messages. promote: names of control pieces that shall be
 * matched in text. They are turned into user-defined symbols *in bytes*, which is how SentencePiece
 * itself expresses "always match this string", so that the library's own rules decide about
 * neighbours, normalisation and the dummy prefix; the ids stay. promote_all takes every control
 * piece.
 *
 * NGT_E_DATA: not such a file, or a damaged one (offset = byte); a promoted name that is no control
 * piece.
 */
NGT_NODISCARD enum ngt_status tok_sp_model_read(uint8_t *bytes, uint64_t n, const char *path,
                                                bool promote_all, const char *const *promote,
                                                uint64_t promote_count, struct tok_model *ret_model,
                                                struct ngt_error *reterr);

/* Do these bytes look like such a file? Decides which message a wrong file gets, no more. */
bool tok_sp_model_probe(const uint8_t *bytes, uint64_t n);

#endif
