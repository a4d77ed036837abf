/* The parts of a tokenizer.json that have an entry a token: vocabulary and added tokens; merges are in hf_merges.h. */
#ifndef TOK_HF_VOCAB_H
#define TOK_HF_VOCAB_H

#include "load/hf_json.h"
#include "load/names.h"
#include "ngt/json.h"

/* The model's own vocabulary, by id; ids that no token has are empty. */
struct tok_hf_vocab {
    uint32_t ids;    /* one more than the greatest */
    uint64_t tokens; /* the library's size of the vocabulary: where new ids begin */
    uint8_t *bytes;
    uint64_t *starts; /* [ids + 1] */
    bool *used;       /* [ids] */
    double *scores;   /* [ids], Unigram */
    double min_score; /* Unigram */
    struct tok_names names;
};
void tok_hf_vocab_done(struct tok_hf_vocab *v);

/* {"name": id, ...} or, for Unigram, [["name", score], ...]; the reader stands at it. */
NGT_NODISCARD bool tok_hf_read_vocab(struct tok_json *j, bool unigram, struct tok_hf_vocab *ret);

/*
 * root: the array of added tokens. Their ids are not those of the file but the ones that the library
 * gives them: that of the model's token of the same name, else the next free one.
 */
NGT_NODISCARD enum ngt_status tok_hf_read_added(const struct ngt_json *root,
                                                const struct tok_hf_vocab *v, const char *path,
                                                struct tok_hf_file *f, struct ngt_error *reterr);
#endif
