/* The model of a tokenizer.json behind one face: which implementation it takes is decided here. */
#ifndef TOK_HF_MODEL_H
#define TOK_HF_MODEL_H

#include "hf_cuts.h"
#include "load/hf_json.h"
#include "model/words.h"
#include "text/buffer.h"

struct tok_hf_encoder; /* read-only after creation, shared by threads */

/* What U+2581 is in the words that the model sees. */
enum tok_hf_markers {
    TOK_HF_AS_SPELT,     /* itself */
    TOK_HF_SPACES,       /* ' ' */
    TOK_HF_SPACES_FIRST, /* ' ', which begins a word wherever it stands */
};

/* plain: words will be asked for that are (tok_hf_words_init). The file keeps its vocabulary; scores
 * may move. */
NGT_NODISCARD enum ngt_status tok_hf_encoder_new(struct tok_hf_file *f, enum tok_hf_markers markers,
                                                 bool plain, const char *path,
                                                 struct tok_hf_encoder **ret_encoder,
                                                 struct ngt_error *reterr);
void tok_hf_encoder_free(struct tok_hf_encoder **encoder);

/* Where text without a pre-tokenizer, or before one that only makes markers begin words, may be cut;
 * NULL: nowhere for certain. It lives as long as the encoder. */
const struct tok_hf_cuts *tok_hf_encoder_cuts(const struct tok_hf_encoder *encoder);
uint64_t tok_hf_encoder_ids_per_byte(const struct tok_hf_encoder *encoder);

/* What one thread needs: the model's scratch and its words. */
struct tok_hf_words {
    const struct tok_hf_encoder *encoder;
    void *scratch;
    struct tok_words *words;
    struct tok_buffer ended; /* a word with TOK_BPE_END behind */
    bool odd;                /* scratch is of bpe_hf.h */
};
/* plain: no cache, and the definition of byte pair encoding. *w must stay where it is. */
NGT_NODISCARD enum ngt_status tok_hf_words_init(struct tok_hf_words *w,
                                                const struct tok_hf_encoder *encoder, bool plain,
                                                struct ngt_error *reterr);
void tok_hf_words_done(struct tok_hf_words *w);
#endif
