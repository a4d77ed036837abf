/*
 * Vocabularies of tiktoken's kind: bytes with a rank, which is also the id; and special tokens
 * beside them. What .tiktoken files and tekken.json both become.
 */
#ifndef TOK_LOAD_RANK_VOCABULARY_H
#define TOK_LOAD_RANK_VOCABULARY_H

#include "engine.h"

struct tok_rank {
    uint32_t id; /* also its rank, but for an offset that all share */
    bool special;
    const uint8_t *bytes; /* of a special token: its name */
    uint64_t size;        /* >= 1 */
};

struct tok_rank_vocabulary {
    struct tok_rank *ranks; /* malloced; in any order */
    uint64_t count, room;
    uint8_t *bytes; /* malloced; what the entries point into (others may be static) */
};
void tok_rank_vocabulary_done(struct tok_rank_vocabulary *v);
/* false: out of memory */
bool tok_rank_vocabulary_add(struct tok_rank_vocabulary *v, struct tok_rank rank);

/*
 * Vocabulary and engine from ranks and the split [size]. NGT_E_DATA: two tokens of one id or one
 * spelling, a single byte that is missing, a split that is not understood. Messages name path.
 */
NGT_NODISCARD enum ngt_status
tok_rank_engine_new(const struct tok_config *config, const struct tok_rank_vocabulary *v,
                    const char *split, const char *variant, struct tok_model *ret_model,
                    struct tok_engine_instance *ret_engine, struct ngt_error *reterr);

/* Base64 [n] to bytes, at most n / 4 * 3; false where it is none. */
bool tok_base64_decode(const char *text, uint64_t n, uint8_t *ret_bytes, uint64_t *ret_size);
#endif
