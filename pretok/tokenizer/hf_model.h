/* The model of a tokenizer.json behind one face: which implementation it takes is decided here. */
#ifndef TOK_HF_MODEL_H
#define TOK_HF_MODEL_H

#include "load/hf_json.h"
#include "model/words.h"
#include "text/buffer.h"

struct tok_hf_encoder; /* read-only after creation, shared by threads */

/* marker: words have ' ' for U+2581. plain: words will be asked for that are (tok_hf_words_init). The
 * file keeps its vocabulary; scores may move. */
NGT_NODISCARD enum ngt_status tok_hf_encoder_new(struct tok_hf_file *f, bool marker, bool plain,
                                                 const char *path,
                                                 struct tok_hf_encoder **ret_encoder,
                                                 struct ngt_error *reterr);
void tok_hf_encoder_free(struct tok_hf_encoder **encoder);

/* May text without a pre-tokenizer be cut into words before each run of markers? It is proven from
 * the vocabulary. */
bool tok_hf_encoder_cuts(const struct tok_hf_encoder *encoder);
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
