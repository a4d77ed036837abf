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

enum tok_sp_type {
    TOK_SP_NORMAL = 1,
    TOK_SP_UNKNOWN = 2,
    TOK_SP_CONTROL = 3,
    TOK_SP_USER_DEFINED = 4,
    TOK_SP_UNUSED = 5,
    TOK_SP_BYTE = 6,
};
enum tok_sp_model_type {
    TOK_SP_UNIGRAM = 1,
    TOK_SP_BPE = 2,
    TOK_SP_WORD = 3,
    TOK_SP_CHAR = 4,
};

struct tok_sp_piece {
    const uint8_t *name; /* in the file's bytes */
    uint64_t size;       /* at least 1 */
    enum tok_sp_type type;
    float score;
    bool skip; /* the library acts as if it were not there */
};

/* What of a model decides about ids. Points into the file's bytes. */
struct tok_sp_parts {
    struct tok_sp_piece *pieces;
    uint32_t count;
    enum tok_sp_model_type model_type;
    const uint8_t *charsmap; /* precompiled_charsmap, untrusted; no bytes: none */
    uint64_t charsmap_bytes;
    bool byte_fallback, dummy_prefix, remove_extra_whitespaces, escape_whitespaces,
        whitespace_as_suffix;
};

/* bytes [n] have been through tok_sp_model_read, promotions included, and outlive the parts. */
NGT_NODISCARD enum ngt_status tok_sp_parts_read(const uint8_t *bytes, uint64_t n, const char *path,
                                                struct tok_sp_parts *ret_parts,
                                                struct ngt_error *reterr);
void tok_sp_parts_done(struct tok_sp_parts *parts);

/* Do these bytes look like such a file? Decides which message a wrong file gets, no more. */
bool tok_sp_model_probe(const uint8_t *bytes, uint64_t n);

#endif
